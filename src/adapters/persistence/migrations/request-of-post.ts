import { Migration } from '@mikro-orm/migrations';

/** Marks of a post are kept under what its caller named it: an old backup may not know the post, and its caller repeats the request. */
export class RequestOfPost extends Migration {
  override up(): void {
    this.addSql('alter table post add column request_id text');
  }
}
