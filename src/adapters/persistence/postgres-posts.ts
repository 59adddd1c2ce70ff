import type { PoolClient } from 'pg';
import type { Cipher } from '../../application/ports/cipher.ts';
import type { Posts } from '../../application/ports/posts.ts';
import type { RequestKey } from '../../application/ports/request-key.ts';
import type { PostId } from '../../domain/ids.ts';
import type { Post } from '../../domain/post/post.ts';
import type { Step } from '../../domain/post/step.ts';
import { err, ok } from '../../domain/result.ts';
import type { Database } from './database.ts';
import { gathered, gatheredRows, isOnesFault } from './gathered.ts';
import { date, isStorable, optionalDate, type Time } from './json.ts';
import { NOW } from './now.ts';
import { readAttempts } from './post-attempts.ts';
import { type PostRow, postFromRow, postRecord, stepFromRow } from './post-rows.ts';
import { ADD_POSTS, GATE, UPDATE_POST, updateInOrder } from './post-sql.ts';
import { bindRequestKey, FIND_KEYS, findRequestKey, madeOf, type RequestKeyRow } from './request-keys.ts';
import { readTimeline } from './timeline.ts';
import { inTransaction } from './transaction.ts';

/**
 * The next posts of a workspace, of so many states or of all. Each state is looked for by itself: in the order of the page an index has those
 * of one state only, and PostgreSQL would rather read all posts until it has enough of several.
 * Parameters: workspace, after, connections, scheduled from and before, reference, limit, states.
 */
function pageOf(states: number): string {
  const of = (state: string): string => `
    select * from post
    where workspace_id = $1 and ($2::text is null or id < $2)
      and (cardinality($3::text[]) = 0 or connection_id = any($3))
      and ($4::timestamptz is null or schedule_time >= $4)
      and ($5::timestamptz is null or schedule_time < $5)
      and ($6::text is null or external_ref = $6) ${state}
    order by id desc limit $7`;
  if (states === 0) return of('');
  const each = Array.from({ length: states }, (_, index) => `(${of(`and state = $${8 + index}`)})`);
  return `select * from (${each.join(' union all ')}) as page order by id desc limit $7`;
}

/** What `ADD_POSTS` takes of one post. */
type NewRecord = ReturnType<typeof postRecord> & {
  readonly create_time: Date;
  readonly next_action_at: Date | null;
  readonly traceparent: string | null;
  readonly key_request_id: string;
  readonly payload_hash: string;
};

/** `changed` is called after every stored change. */
export function postgresPosts({ pool }: Database, cipher: Cipher, changed: () => void): Posts {
  async function find(client: Pick<PoolClient, 'query'>, id: string, workspaceId?: string): Promise<Step | undefined> {
    if (!isStorable(id, workspaceId)) return undefined;
    const { rows } = await client.query<PostRow>(
      'select * from post where id = $1 and ($2::text is null or workspace_id = $2)',
      [id, workspaceId ?? null],
    );
    const [row] = rows;
    if (row === undefined) return undefined;
    const attempts = await readAttempts(client, [row], cipher);
    return stepFromRow(row, attempts(row));
  }

  const readKey = gatheredRows(
    (keys: readonly string[]) => pool.query<RequestKeyRow>(FIND_KEYS(`[${keys.join(',')}]`)),
    ({ workspace_id, request_id }) => JSON.stringify([workspace_id, request_id]),
  );
  const madeBy = async (workspaceId: string, key: RequestKey) =>
    madeOf(await readKey(JSON.stringify([workspaceId, key.requestId])), key);

  /** Many callers at once are one statement. */
  const insert = gathered({
    async run(records: readonly NewRecord[]) {
      const { rows } = await pool.query<PostRow>(ADD_POSTS(JSON.stringify(records)));
      changed();
      const stored = new Map(rows.map((row) => [row.id, row]));
      return records.map(({ id }) => stored.get(id));
    },
    isOnesFault,
  });

  async function found(client: Pick<PoolClient, 'query'>, id: string): Promise<Step> {
    const step = await find(client, id);
    if (step === undefined) throw new Error(`post ${id} is gone although its request is known`);
    return step;
  }

  const written = (rows: readonly PostRow[], post: Post): Step => {
    const [row] = rows;
    if (row === undefined) throw new Error(`post ${post.id} could not be written`);
    return stepFromRow(row, post.attempts);
  };

  return {
    find: (id, workspaceId) => find(pool, id, workspaceId),

    async findRequest(workspaceId, key) {
      const known = await madeBy(workspaceId, key);
      if (!known.ok) return known;
      return ok(known.value.made === undefined ? undefined : await found(pool, known.value.made));
    },

    async list(filter, { size, after }) {
      const states = [...new Set(filter.states)];
      const { rows } = await pool.query<PostRow>(pageOf(states.length), [
        filter.workspaceId,
        after ?? null,
        filter.connectionIds,
        filter.scheduledFrom ?? null,
        filter.scheduledBefore ?? null,
        filter.externalRef ?? null,
        size + 1,
        ...states,
      ]);
      const page = rows.slice(0, size);
      const attempts = await readAttempts(pool, page, cipher, { onlyLatest: true });
      const items = page.map((row) => stepFromRow(row, attempts(row)));
      const last = page.at(-1);
      return rows.length > size && last !== undefined ? { items, next: last.id } : { items };
    },

    async add({ post, nextActionTime }, key, traceparent) {
      const row = await insert({
        ...postRecord(post, cipher),
        create_time: post.createTime,
        next_action_at: nextActionTime ?? null,
        traceparent: traceparent ?? null,
        key_request_id: key.requestId,
        payload_hash: key.payloadHash,
      });
      if (row !== undefined) return ok({ step: stepFromRow(row, post.attempts), replayed: false });
      const known = await madeBy(post.workspaceId, key);
      if (!known.ok) return known;
      if (known.value.made === undefined) return err({ code: 'VIDEO_GONE' as const });
      return ok({ step: await found(pool, known.value.made), replayed: true });
    },

    async update(id, change, { workspaceId, key } = {}) {
      if (!isStorable(id, workspaceId)) return err({ code: 'NOT_FOUND' as const });
      const outcome = await inTransaction(pool, async (client) => {
        await client.query(`select ${GATE}`, [id]);
        const { rows } = await client.query<PostRow>(
          'select * from post where id = $1 and ($2::text is null or workspace_id = $2) for update',
          [id, workspaceId ?? null],
        );
        const [row] = rows;
        if (row === undefined) return err({ code: 'NOT_FOUND' as const });
        if (key !== undefined) {
          const known = await findRequestKey(client, row.workspace_id, key);
          if (!known.ok) return known;
          if (known.value.made === id) return ok({ step: await found(client, id), replayed: true });
          if (known.value.made !== undefined) {
            return err({ code: 'REQUEST_ID_REUSED' as const, requestId: key.requestId });
          }
        }
        const attempts = await readAttempts(client, [row], cipher);
        const current = postFromRow(row, attempts(row));
        const changed = change(current, optionalDate(row.next_action_at));
        if (!changed.ok) return changed;
        if (changed.value.post === current && key === undefined) {
          return ok({ step: stepFromRow(row, current.attempts), replayed: false });
        }
        if (key !== undefined) {
          const bound = await bindRequestKey(client, row.workspace_id, key, id);
          if (!bound.ok) return bound;
        }
        const { post, nextActionTime } = changed.value;
        const result = await client.query<PostRow>(
          UPDATE_POST(JSON.stringify([{ ...postRecord(post, cipher), next_action_at: nextActionTime ?? null }])),
        );
        return ok({ step: written(result.rows, post), replayed: false });
      });
      changed();
      return outcome;
    },

    async idsOf(connectionId, states) {
      const { rows } = await pool.query<{ id: PostId }>(
        'select id from post where connection_id = $1 and state = any($2::text[]) order by id',
        [connectionId, states],
      );
      return rows.map(({ id }) => id);
    },

    async findByTiktokPostId(connectionId, tiktokPostId) {
      const { rows } = await pool.query<{ id: PostId }>(
        'select id from post where tiktok_post_ids @> array[$2::text] and connection_id = $1 limit 1',
        [connectionId, tiktokPostId],
      );
      return rows[0]?.id;
    },

    async strayPublishIds({ apiFamily, openId }, publishIds) {
      const { rows } = await pool.query<{ stray: string[]; unanswered: string }>(
        `select
           array(select id from unnest($3::text[]) as told(id)
                 where not exists (select 1 from attempt where publish_id = told.id)) as stray,
           (select count(*) from attempt, post, connection
            where transfer = 'PULL' and publish_id is null and outcome is null and post.id = attempt.post_id
              and connection.id = post.connection_id and open_id = $2 and api_family = $1) as unanswered`,
        [apiFamily, openId, publishIds],
      );
      const [row] = rows;
      return { stray: row?.stray ?? [], unansweredPulls: Number(row?.unanswered ?? 0) };
    },

    async publishTimes(connectionId, since) {
      const { rows } = await pool.query<{ publish_time: Time }>(
        `select publish_time from post where connection_id = $1 and state = 'PUBLISHED' and publish_time > $2
         order by publish_time`,
        [connectionId, since],
      );
      return rows.map(({ publish_time }) => date(publish_time));
    },

    timeline: (id) => readTimeline(pool, id),

    async wake(what) {
      await pool.query(...wakeStatement(what));
    },

    async releaseOutage(apiFamily, spread) {
      const held = `post.state = 'HELD' and post.hold->>'reason' = 'PLATFORM_OUTAGE' and post.lease_owner is null
        and connection.id = post.connection_id and connection.api_family = $1`;
      const { rows } = await pool.query<{ posts: string }>(
        `select count(*) as posts from post, connection where ${held}`,
        [apiFamily],
      );
      const posts = Number(rows[0]?.posts ?? 0);
      if (posts === 0) return 0;
      const released = await pool.query(
        updateInOrder(
          `post, connection where ${held}`,
          `next_action_at = ${NOW} + make_interval(secs => random() * $2)`,
        ),
        [apiFamily, spread(posts)],
      );
      return released.rowCount ?? 0;
    },
  };
}

/** Whoever is being worked on is due again when the worker lets go. */
const wakeThose = (from: string): string =>
  updateInOrder(
    from,
    `woken = lease_owner is not null, next_action_at = case when lease_owner is null then ${NOW} else next_action_at end`,
  );

function wakeStatement(what: Parameters<Posts['wake']>[0]): [text: string, values: unknown[]] {
  if ('videoId' in what) return [wakeThose(`post where video_id = $1 and state = 'PREPARING'`), [what.videoId]];
  if ('publishId' in what) {
    return [
      wakeThose(`post, attempt where post.id = attempt.post_id and publish_id = $1
        and (outcome is null or state in ('PUBLISHED', 'IN_CREATOR_INBOX', 'UNCONFIRMED'))`),
      [what.publishId],
    ];
  }
  return [
    wakeThose(`post where connection_id = $1
      and (state = 'PUBLISHING' or state = 'HELD' and hold->>'reason' = 'RECONNECT')`),
    [what.connectionId],
  ];
}
