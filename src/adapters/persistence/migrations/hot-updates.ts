import { Migration } from '@mikro-orm/migrations';

/**
 * PostgreSQL leaves the indexes alone when a change of a row touches none of their columns and there is room in its page. Each change
 * of a post moves `update_time`: who was published lately is found by a time that hardly any change moves.
 */
export class HotUpdates extends Migration {
  override up(): void {
    this.addSql('alter table post add column if not exists reached_time timestamptz(3)');
    this.addSql('create index if not exists post_reached on post (reached_time) where reached_time is not null');
    this.addSql('drop index post_published_lately');
    this.addSql('alter table post set (fillfactor = 60)');
    this.addSql('alter table attempt set (fillfactor = 60)');
  }
}
