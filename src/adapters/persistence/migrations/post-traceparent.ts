import { Migration } from '@mikro-orm/migrations';

/** Of the call that brought a post: what is done for it later points back there. Who does not trace leaves it empty. */
export class PostTraceparent extends Migration {
  override up(): void {
    this.addSql('alter table post add column traceparent text');
  }
}
