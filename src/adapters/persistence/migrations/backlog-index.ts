import { Migration } from '@mikro-orm/migrations';

/**
 * Posts that somebody may have to look after: few, whatever the number of posts. The index can serve only a query that says the
 * very same; a failed post is among them when it was set aside.
 */
export const NEEDS_ATTENTION = `(state = 'HELD' or state = 'UNCONFIRMED'
  or state = 'FAILED' and error->>'code' = 'CONNECTOR_FAILED')`;

export class BacklogIndex extends Migration {
  override up(): void {
    this.addSql(`create index post_needs_attention on post (state, (hold->>'reason')) where ${NEEDS_ATTENTION}`);
  }
}
