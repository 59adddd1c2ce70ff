import { Migration } from '@mikro-orm/migrations';

/** What TikTok's webhooks told us to look at. `event`, `open_id` and `create_time` are for support only. */
export class WebhookInboxTable extends Migration {
  override up(): void {
    this.addSql(`create table webhook_event (
      id text primary key,
      subject jsonb not null,
      event text,
      open_id text,
      create_time timestamptz(3),
      received_time timestamptz(3) not null,
      handled_time timestamptz(3),
      outcome text,
      next_action_at timestamptz(3),
      lease_owner text,
      fence bigint not null,
      failures integer not null
    )`);
    this.addSql('create index webhook_event_due on webhook_event (next_action_at) where next_action_at is not null');
    this.addSql('create index webhook_event_by_account on webhook_event (open_id, received_time)');
    this.addSql('create index webhook_event_handled on webhook_event (handled_time) where handled_time is not null');
  }
}
