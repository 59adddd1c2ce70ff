import { SUSPECT_LAPSES } from '../../application/ports/post-queue.ts';
import { NOW } from './now.ts';
import { POST_COLUMNS, ROW_COLUMNS } from './post-rows.ts';
import { prepared } from './prepared.ts';

const ATTEMPT_TYPE = `number integer, transfer text, size_bytes bigint, chunk_bytes bigint, chunk_count integer,
  start_time timestamptz, publish_id text, upload_url bytea, upload_expire_time timestamptz, bytes_sent bigint,
  polls integer, finalize_time timestamptz, end_time timestamptz, outcome text, error jsonb`;

export const ATTEMPT_COLUMNS = ATTEMPT_TYPE.split(',').map((column) => column.trim().split(' ')[0]);

const placeholders = POST_COLUMNS.map((_, index) => `$${index + 1}`);

/** The parameter after the columns of `post`, counted from 0. */
const extra = (index: number): string => `$${POST_COLUMNS.length + 1 + index}`;

/**
 * Attempts and the event belong to the change of their post, so one statement writes all three, and one round trip does.
 * Attempts come in their order: one is ended before the next begins, and never two are alive at once.
 */
const writeAttempts = (from: string) => `
  tried as (
    insert into attempt (post_id, ${ATTEMPT_COLUMNS.join(', ')})
    select ${from}.id, a.* from ${from}, jsonb_to_recordset(${extra(0)}::jsonb) as a(${ATTEMPT_TYPE})
    on conflict (post_id, number) do update set
      ${ATTEMPT_COLUMNS.slice(1)
        .map((column) => `${column} = excluded.${column}`)
        .join(', ')}
  )`;

/**
 * The event carries the post and its latest attempt as they are at that moment, without the address for its bytes, and the calls
 * to TikTok that led to the change.
 */
const writeEvent = (from: string, previousState: string, calls = 'null') => `
  told as (
    insert into post_event (workspace_id, connection_id, post_id, previous_state, post, attempt, calls)
    select written.workspace_id, written.connection_id, written.id, ${previousState}, to_jsonb(written),
      (${extra(0)}::jsonb -> -1) - 'upload_url', ${calls}::jsonb
    from ${from}
  )`;

/** Parameters: the columns of `post`, attempts, next action, time of creation. */
export const INSERT_POST = prepared(`
  with written as (
    insert into post (${POST_COLUMNS.join(', ')}, next_action_at, create_time, update_time, version)
    values (${placeholders.join(', ')}, ${extra(1)}, ${extra(2)}, ${extra(2)}, 1)
    returning post.*
  ), ${writeAttempts('written')}, ${writeEvent('written', 'null')}
  select ${ROW_COLUMNS.join(', ')} from written`);

const SET_COLUMNS = POST_COLUMNS.slice(4)
  .map((column, index) => `${column} = $${index + 5}`)
  .join(', ');

/**
 * Who changes a post waits at this gate, and not at its row: PostgreSQL numbers a transaction before it waits for a row. So the
 * numbers of the transactions that change one post are in the order of its changes, and readers of the outbox rely on that.
 */
export const GATE = 'pg_advisory_xact_lock(hashtextextended($1, 0))';

const updatePost = (guard: string, lease: string, calls?: string) =>
  prepared(`
  with gate as materialized (
    select ${GATE}
  ), locked as (
    select id, state from post, gate where id = $1 ${guard} for update of post
  ), written as (
    update post set ${SET_COLUMNS}, ${lease}, update_time = now(), version = version + 1
    from locked where post.id = locked.id and $2::text = post.workspace_id and $3::text = post.connection_id
      and $4::text = post.video_id
    returning post.*
  ), ${writeAttempts('written')}, ${writeEvent('written, locked', 'locked.state', calls)}
  select ${ROW_COLUMNS.join(', ')} from written`);

/** By a caller: whoever worked on it loses the right to. Parameters: the columns of `post`, attempts, next action. */
export const UPDATE_POST = updatePost(
  '',
  `next_action_at = ${extra(1)}, lease_owner = null, fence = fence + 1, lapses = 0, woken = false`,
);

/** What a worker writes follows from what it read: not only must it hold the lease, the post must be the very one it knows. */
const HELD_LEASE = `and fence = ${extra(1)} and lease_owner = ${extra(2)} and version = ${extra(3)}`;

/** By a worker that goes on. Parameters: the columns of `post`, attempts, fence, owner, version, calls, progress. */
export const STORE_POST = updatePost(HELD_LEASE, `lapses = case when ${extra(5)} then 0 else lapses end`, extra(4));

/** The parameter with this column's new value. */
const value = (column: (typeof POST_COLUMNS)[number]): string => `$${POST_COLUMNS.indexOf(column) + 1}`;

/** What a post may be woken for is still to come: its video, its grant, TikTok's word on an attempt that lives, its link. */
const MAY_WAKE = `(${value('state')}::text in ('PREPARING', 'PUBLISHED', 'IN_CREATOR_INBOX', 'UNCONFIRMED')
  or ${value('hold')}::jsonb->>'reason' = 'RECONNECT'
  or ${value('state')}::text = 'PUBLISHING' and ${extra(0)}::jsonb->-1->'outcome' = 'null'::jsonb)`;

/**
 * By a worker that lets go. Who was woken meanwhile is due at once; who only waits for a turn has proved nothing, and stays a suspect. Parameters: the columns of `post`, attempts, fence, owner,
 * version, calls, next action.
 */
export const FINISH_POST = updatePost(
  HELD_LEASE,
  `lease_owner = null, woken = false,
   lapses = case when ${value('turn_time')}::timestamptz is null then 0 else lapses end,
   next_action_at = case when woken and ${MAY_WAKE} then ${NOW} else ${extra(5)} end`,
  extra(4),
);

/** By a worker that changed nothing. Parameters: id, fence, owner, next action. */
export const LET_GO = prepared(`
  update post set lease_owner = null, lapses = 0, woken = false,
    next_action_at = case when woken then ${NOW} else $4 end
  where id = $1 and fence = $2 and lease_owner = $3`);

const DUE = `select id, next_action_at as due_at, lease_owner is not null as lapsed from post
  where next_action_at <= now()`;

/** Parameters: limit, owner, lease in seconds, crowded workspaces, crowded connections, suspects to take. */
export const CLAIM_POSTS = prepared(`
  with suspect as materialized (
    ${DUE} and lapses >= ${SUSPECT_LAPSES} order by next_action_at for update skip locked limit $6
  ), due as (
    ${DUE} and lapses < ${SUSPECT_LAPSES} and workspace_id <> all($4::text[]) and connection_id <> all($5::text[])
    order by next_action_at for update skip locked limit $1 - (select count(*) from suspect)
  ), claimed as (
    update post set lease_owner = $2, fence = fence + 1, next_action_at = ${NOW} + make_interval(secs => $3),
      lapses = case when lease_owner is null then lapses else lapses + 1 end, woken = false
    from (select * from due union all select * from suspect) as taken where post.id = taken.id
    returning post.*, taken.due_at, taken.lapsed
  )
  select ${ROW_COLUMNS.join(', ')}, lapsed from claimed order by due_at`);

/** Nobody else would look at them again. */
export const RESCUE = `
  update post set next_action_at = ${NOW}
  where next_action_at is null and lease_owner is null and (
    state = 'HELD' and hold->>'reason' = 'RECONNECT' and exists (
      select 1 from connection
      where connection.id = post.connection_id and connection.state = 'ACTIVE' and connection.update_time > post.update_time)
    or state = 'PREPARING' and not exists (
      select 1 from video where video.id = post.video_id and video.state = 'IMPORTING'))`;
