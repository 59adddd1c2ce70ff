import type { TracedCall } from '../../application/ports/call-trace.ts';
import type { Cipher } from '../../application/ports/cipher.ts';
import type { Log } from '../../application/ports/log.ts';
import type { Lease, PostQueue } from '../../application/ports/post-queue.ts';
import type { PostId } from '../../domain/ids.ts';
import type { Post } from '../../domain/post/post.ts';
import type { Database } from './database.ts';
import { gathered, isOnesFault } from './gathered.ts';
import { optionalDate, type Time } from './json.ts';
import { NOW } from './now.ts';
import { readAttempts } from './post-attempts.ts';
import { type PostRow, postFromRow, postRecord } from './post-rows.ts';
import { CLAIM_POSTS, LET_GO, RESCUE, STORE_POSTS, updateInOrder } from './post-sql.ts';

/** What a worker writes of one post: all that `STORE_POSTS` takes. */
type Change = ReturnType<typeof postRecord> & {
  readonly fence: number;
  readonly owner: string;
  readonly known_version: number;
  readonly calls: readonly TracedCall[] | null;
  readonly progressed: boolean;
  readonly finished: boolean;
  readonly next_action_at: Date | null;
};

/** `changed` is called after every stored change. */
export function postgresPostQueue({ pool }: Database, cipher: Cipher, changed: () => void, log: Log): PostQueue {
  /** Workers change many posts at the same time: one statement and one commit do for those that come together. */
  const write = gathered({
    async run(changes: readonly Change[]) {
      const { rows } = await pool.query<{ id: string }>(STORE_POSTS(JSON.stringify(changes)));
      changed();
      const written = new Set(rows.map(({ id }) => id));
      return changes.map(({ id }) => written.has(id));
    },
    keyOf: ({ id }) => id,
    isOnesFault,
  });

  const changeOf = ({ fence, owner }: Lease, post: Post, calls: readonly TracedCall[] = []) => ({
    ...postRecord(post, cipher),
    fence,
    owner,
    known_version: post.version,
    calls: calls.length === 0 ? null : calls,
  });

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
        ...(row.traceparent ? { traceparent: row.traceparent } : {}),
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
        const ofThese = 'post where id = any($1::text[]) and lease_owner = $2';
        await pool.query(updateInOrder(ofThese, 'lease_owner = null, lapses = 0'), [unreadable, owner]);
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
    async store(lease, post, { calls, progressed = false } = {}) {
      return write({ ...changeOf(lease, post, calls), progressed, finished: false, next_action_at: null });
    },
    async finish(lease, { post, nextActionTime }, { calls } = {}) {
      const next = { next_action_at: nextActionTime ?? null };
      return write({ ...changeOf(lease, post, calls), progressed: false, finished: true, ...next });
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
