import { Migration } from '@mikro-orm/migrations';

/** What is old is found without looking at everything. */
export class GarbageIndexes extends Migration {
  override up(): void {
    this.addSql(`create index video_by_age on video (create_time) where state in ('READY', 'REJECTED')`);
    this.addSql('create index post_event_by_age on post_event (event_time)');
  }
}
