import { Migration } from '@mikro-orm/migrations';

/** What the engine needs to be fair, to keep to TikTok's limits and to survive a post that ends its workers. */
export class NeverTwice extends Migration {
  override up(): void {
    this.addSql(`alter table post
      add column lapses integer not null default 0,
      add column woken boolean not null default false,
      add column turn_time timestamptz(3),
      add column publicly_available boolean`);
    this.addSql(
      `create index post_waiting on post (state) where next_action_at is null and state in ('PREPARING', 'HELD')`,
    );
    this.addSql('create index post_suspect on post (next_action_at) where lapses >= 2');
    this.addSql(`create index post_published on post (connection_id, publish_time) where state = 'PUBLISHED'`);

    this.addSql('alter table post_event add column calls jsonb');
    this.addSql('create index post_event_by_post on post_event (post_id, txid, seq)');

    this.addSql('create table turn (key text primary key, times timestamptz(3)[] not null)');
    this.addSql(`create table gate (
      key text primary key,
      error jsonb not null,
      shut_until timestamptz(3) not null,
      tried boolean not null default false,
      failures integer not null default 0
    )`);
  }
}
