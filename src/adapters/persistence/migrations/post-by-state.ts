import { Migration } from '@mikro-orm/migrations';

/**
 * Pages of the posts of one state: without it, a state that few posts of a workspace have is looked for among the posts of all accounts.
 * Those that are yet to go out are left out: so a claim and the steps of publishing have no entry to write, and a post gets one when it
 * rests.
 */
export class PostByState extends Migration {
  override up(): void {
    this.addSql(
      `create index if not exists post_by_state on post (workspace_id, state, id)
       where state not in ('SCHEDULED', 'PUBLISHING')`,
    );
  }
}
