import { Migration } from '@mikro-orm/migrations';

/**
 * When tokens are renewed, who was warned before they end, and what watchers of connections are told. A credential without a
 * `refresh_due` was stored by an older version: it is due when its access token ends.
 */
export class TokenLifeColumns extends Migration {
  override up(): void {
    this.addSql(`alter table credential
      add column refresh_due timestamptz(3),
      add column refresh_failures integer not null default 0,
      add column unanswered_since timestamptz(3)`);
    this.addSql(`create index credential_due on credential ((coalesce(refresh_due, access_expire_time)))
      where access_token is not null`);

    this.addSql(`alter table connection
      add column reconnect_warning smallint,
      add column grant_lost boolean not null default false`);
    this.addSql(`create index connection_ending on connection (refresh_expire_time) where state = 'ACTIVE'`);

    this.addSql(`create table connection_event (
      seq bigint generated always as identity,
      txid xid8 not null default pg_current_xact_id(),
      workspace_id text not null,
      connection_id text not null,
      previous_state text,
      connection jsonb not null,
      event_time timestamptz(3) not null default now(),
      primary key (txid, seq)
    )`);
    this.addSql('create index connection_event_by_workspace on connection_event (workspace_id, txid, seq)');
  }
}
