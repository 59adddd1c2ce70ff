import type { TracedCall } from '../../application/ports/call-trace.ts';
import type { Cipher } from '../../application/ports/cipher.ts';
import type { Log } from '../../application/ports/log.ts';
import type { Lease, PostQueue } from '../../application/ports/post-queue.ts';
import type { PostId } from '../../domain/ids.ts';
import type { Database } from './database.ts';
import { optionalDate, type Time } from './json.ts';
import { NOW } from './now.ts';
import { readAttempts } from './post-attempts.ts';
import { attemptsJson, type PostRow, postFromRow, postValues } from './post-rows.ts';
import { CLAIM_POSTS, FINISH_POST, LET_GO, RESCUE, STORE_POST } from './post-sql.ts';

/** `changed` is called after every stored change. */
export function postgresPostQueue({ pool }: Database, cipher: Cipher, changed: () => void, log: Log): PostQueue {
  return {
    async claim({ owner, limit, leaseSeconds, crowded, suspect = false }) {
      const { rows } = await pool.query<PostRow & { lapsed: boolean }>(
        CLAIM_POSTS(limit, owner, leaseSeconds, crowded?.workspaces ?? [], crowded?.connections ?? [], suspect ? 1 : 0),
      );
      if (rows.length === 0) return [];
      const attempts = await readAttempts(pool, rows, cipher);
      const leaseOf = (row: PostRow & { lapsed: boolean }): Lease => ({
        postId: row.id as PostId,
        owner,
        fence: Number(row.fence),
        post: postFromRow(row, attempts(row)),
        lapses: row.lapses,
        lapsed: row.lapsed,
      });
      const unreadable: string[] = [];
      const leases = rows.flatMap((row) => {
        try {
          return [leaseOf(row)];
        } catch (error) {
          log.error({ postId: row.id, error }, 'a post can not be read: it waits until it can, and keeps no other');
          unreadable.push(row.id);
          return [];
        }
      });
      // A key that is missing is the operator's to bring back. The post is looked at again in a while, and is no suspect for it.
      if (unreadable.length > 0) {
        await pool.query(
          'update post set lease_owner = null, lapses = 0 where id = any($1::text[]) and lease_owner = $2',
          [unreadable, owner],
        );
      }
      return leases;
    },
    async renew({ postId, fence, owner }, leaseSeconds) {
      const { rowCount } = await pool.query(
        `update post set next_action_at = ${NOW} + make_interval(secs => $4)
         where id = $1 and fence = $2 and lease_owner = $3`,
        [postId, fence, owner, leaseSeconds],
      );
      return rowCount === 1;
    },
    async store({ fence, owner }, post, { calls, progressed = false } = {}) {
      const { rowCount } = await pool.query(
        STORE_POST(
          ...postValues(post),
          attemptsJson(post, cipher),
          fence,
          owner,
          post.version,
          callsJson(calls),
          progressed,
        ),
      );
      changed();
      return rowCount === 1;
    },
    async finish({ fence, owner }, { post, nextActionTime }, { calls } = {}) {
      const { rowCount } = await pool.query(
        FINISH_POST(
          ...postValues(post),
          attemptsJson(post, cipher),
          fence,
          owner,
          post.version,
          callsJson(calls),
          nextActionTime ?? null,
        ),
      );
      changed();
      return rowCount === 1;
    },
    async letGo({ postId, fence, owner }, nextActionTime) {
      const { rowCount } = await pool.query(LET_GO(postId, fence, owner, nextActionTime ?? null));
      return rowCount === 1;
    },
    async putOff({ postId, fence, owner }, seconds) {
      const { rowCount } = await pool.query(
        `update post set lease_owner = null, next_action_at = ${NOW} + make_interval(secs => $4)
         where id = $1 and fence = $2 and lease_owner = $3`,
        [postId, fence, owner, seconds],
      );
      return rowCount === 1;
    },
    async rescue() {
      const { rowCount } = await pool.query(RESCUE);
      return rowCount ?? 0;
    },
    async earliest(after) {
      const { rows } = await pool.query<{ next_action_at: Time | null }>(
        `select min(next_action_at) as next_action_at from post
         where next_action_at is not null and ($1::timestamptz is null or next_action_at > $1)`,
        [after ?? null],
      );
      return optionalDate(rows[0]?.next_action_at);
    },
  };
}

const callsJson = (calls: readonly TracedCall[] | undefined): string | null =>
  calls === undefined || calls.length === 0 ? null : JSON.stringify(calls);
