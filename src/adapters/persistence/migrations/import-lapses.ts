import { Migration } from '@mikro-orm/migrations';

/** An import that ends its workers is told from one that fails: it rests between tries. */
export class ImportLapses extends Migration {
  override up(): void {
    this.addSql('alter table video add column lapses integer not null default 0');
  }
}
