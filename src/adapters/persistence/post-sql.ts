import { SUSPECT_LAPSES } from '../../application/ports/post-queue.ts';
import { NOW } from './now.ts';
import { POST_COLUMNS, POST_TYPE, ROW_COLUMNS } from './post-rows.ts';
import { prepared } from './prepared.ts';

const ATTEMPT_TYPE = `number integer, transfer text, size_bytes bigint, chunk_bytes bigint, chunk_count integer,
  start_time timestamptz, publish_id text, upload_url bytea, upload_expire_time timestamptz, bytes_sent bigint,
  polls integer, finalize_time timestamptz, end_time timestamptz, outcome text, error jsonb`;

export const ATTEMPT_COLUMNS = ATTEMPT_TYPE.split(',').map((column) => column.trim().split(' ')[0]);

/** The one parameter: an array of posts as `postRecord` makes them, with what else the statement says it needs. */
const input = (more: string) => `
  input as materialized (
    select record, i.* from jsonb_array_elements($1::jsonb) as record,
      jsonb_to_record(record)
        as i(${POST_COLUMNS.map((column) => `${column} ${POST_TYPE[column]}`).join(', ')}, attempts jsonb, ${more})
  )`;

/**
 * Attempts and the event belong to the change of their post, so one statement writes all three, and one round trip does, for many
 * posts at once. Attempts come in their order: one is ended before the next begins, and never two are alive at once.
 */
const writeAttempts = `
  tried as (
    insert into attempt (post_id, ${ATTEMPT_COLUMNS.join(', ')})
    select written.id, a.* from written join input on input.id = written.id,
      jsonb_to_recordset(input.attempts) as a(${ATTEMPT_TYPE})
    on conflict (post_id, number) do update set
      ${ATTEMPT_COLUMNS.slice(1)
        .map((column) => `${column} = excluded.${column}`)
        .join(', ')}
  )`;

/** What the store adds to a record: with it, a whole row, without whose trace brought it. */
const STORED_COLUMNS = ROW_COLUMNS.filter((column) => !(column in POST_TYPE) && column !== 'traceparent');
const asRow = `(input.record
    - '{attempts,calls,owner,known_version,progressed,finished,traceparent,key_request_id,payload_hash}'::text[])
  || jsonb_build_object(${STORED_COLUMNS.map((column) => `'${column}', written.${column}`).join(', ')})`;

/**
 * The event carries the post and its latest attempt as they are at that moment, without the address for its bytes and whose trace
 * brought it, and the calls to TikTok that led to the change. The record came as JSON: to make that of the row again would cost more
 * than all else here.
 */
const writeEvent = (from: string, previousState: string, calls = 'null') => `
  told as (
    insert into post_event (workspace_id, connection_id, post_id, previous_state, post, attempt, calls)
    select written.workspace_id, written.connection_id, written.id, ${previousState}, ${asRow},
      (input.attempts -> -1) - 'upload_url', ${calls}::jsonb
    from ${from} join input on input.id = written.id
  )`;

/** What became of a post that TikTok published changed at this time. */
const REACHED = `case when input.state = 'PUBLISHED' then now() end`;

/**
 * Stores each post whose video is there and whose request is new. A video is kept while we look: whoever removes it waits for this and then
 * sees the post. A caller with the same request elsewhere waits here until that one ends. Gives those that were stored. Each post comes with:
 * create_time, next_action_at, traceparent, and the id and hash of its request.
 */
export const ADD_POSTS = prepared(`
  with ${input(`create_time timestamptz, next_action_at timestamptz, traceparent text, key_request_id text,
    payload_hash text`)}, kept as materialized (
    select id from video where id = any(array(select video_id from input)) order by id for share
  ), bound as (
    insert into request_key (workspace_id, request_id, payload_hash, resource_id)
    select workspace_id, key_request_id, payload_hash, input.id from input join kept on kept.id = input.video_id
    order by workspace_id, key_request_id
    on conflict do nothing
    returning resource_id
  ), written as (
    insert into post
      (${POST_COLUMNS.join(', ')}, next_action_at, traceparent, create_time, update_time, version, reached_time)
    select ${POST_COLUMNS.join(', ')}, next_action_at, traceparent, create_time, create_time, 1, ${REACHED}
    from input join bound on bound.resource_id = input.id
    returning post.*
  ), ${writeAttempts}, ${writeEvent('written', 'null')}
  select ${ROW_COLUMNS.join(', ')} from written`);

/** All but who and what it is for: id, workspace, connection, video, request. */
const SET_COLUMNS = POST_COLUMNS.slice(5)
  .map((column) => `${column} = input.${column}`)
  .join(', ');

/** The number of the gate of one post. */
const gateOf = (id: string): string => `hashtextextended(${id}, 0)`;

/**
 * Who changes a post waits at this gate, and not at its row: PostgreSQL numbers a transaction before it waits for a row. So the
 * numbers of the transactions that change one post are in the order of its changes, and readers of the outbox rely on that.
 */
export const GATE = `pg_advisory_xact_lock(${gateOf('$1')})`;

/** The same of many posts. All gates are passed before the first row is locked, and by everybody in the same order. */
const GATES = `
  gates as materialized (
    select count(pg_advisory_xact_lock(gate)) as passed
    from (select ${gateOf('id')} as gate from input order by 1) as in_order
  )`;

const updatePosts = (more: string, guard: string, lease: string, returned: readonly string[], calls?: string) =>
  prepared(`
  with ${input(more)}, ${GATES}, locked as materialized (
    select post.id, post.state from gates, input join post on post.id = input.id
    where gates.passed > 0 ${guard} order by post.id for update of post
  ), written as (
    update post set ${SET_COLUMNS}, ${lease}, update_time = now(), version = post.version + 1,
      reached_time = ${REACHED}
    from locked join input on input.id = locked.id
    where post.id = locked.id and input.workspace_id = post.workspace_id and input.connection_id = post.connection_id
      and input.video_id = post.video_id
    returning post.*
  ), ${writeAttempts}, ${writeEvent('written join locked on locked.id = written.id', 'locked.state', calls)}
  select ${returned.join(', ')} from written`);

/** By a caller: whoever worked on it loses the right to. Each post comes with: next_action_at. */
export const UPDATE_POST = updatePosts(
  'next_action_at timestamptz',
  '',
  'next_action_at = input.next_action_at, lease_owner = null, fence = post.fence + 1, lapses = 0, woken = false',
  ROW_COLUMNS,
);

/** What a post may be woken for is still to come: its video, its grant, TikTok's word on an attempt that lives, its link. */
const MAY_WAKE = `(input.state in ('PREPARING', 'PUBLISHED', 'IN_CREATOR_INBOX', 'UNCONFIRMED')
  or input.hold->>'reason' = 'RECONNECT'
  or input.state = 'PUBLISHING' and input.attempts->-1->'outcome' = 'null'::jsonb)`;

/**
 * By a worker that goes on, or lets go (`finished`). What it writes follows from what it read: not only must it hold the lease, the
 * post must be the very one it knows. Who was woken meanwhile is due at once; who only waits for a turn has proved nothing, and stays
 * a suspect. Each post comes with: fence, owner, known_version, calls, progressed, finished, next_action_at.
 */
export const STORE_POSTS = updatePosts(
  `fence bigint, owner text, known_version integer, calls jsonb, progressed boolean, finished boolean,
   next_action_at timestamptz`,
  'and post.fence = input.fence and post.lease_owner = input.owner and post.version = input.known_version',
  `lease_owner = case when not input.finished then post.lease_owner end,
   woken = post.woken and not input.finished,
   lapses = case when input.progressed or input.finished and input.turn_time is null then 0 else post.lapses end,
   next_action_at = case
     when not input.finished then post.next_action_at
     when post.woken and ${MAY_WAKE} then ${NOW}
     else input.next_action_at end`,
  ['id'],
  'input.calls',
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
  ), taken as materialized (
    select * from due union all select * from suspect
  ), claimed as (
    update post set lease_owner = $2, fence = fence + 1, next_action_at = ${NOW} + make_interval(secs => $3),
      lapses = case when lease_owner is null then lapses else lapses + 1 end, woken = false
    from taken where post.id = taken.id and post.id = any(array(select id from taken))
    returning post.*, taken.due_at, taken.lapsed
  )
  select ${ROW_COLUMNS.join(', ')}, lapsed from claimed order by due_at`);

/** Locks many posts, as all who do: in the order of their ids, so that nobody waits crosswise. `from`: a table, and which posts. */
export const updateInOrder = (from: string, change: string): string => `
  with locked as materialized (select post.id from ${from} order by post.id for update of post)
  update post set ${change} from locked where post.id = locked.id`;

/** Nobody else would look at them again. */
export const RESCUE = updateInOrder(
  `post
  where next_action_at is null and lease_owner is null and (
    state = 'HELD' and hold->>'reason' = 'RECONNECT' and exists (
      select 1 from connection
      where connection.id = post.connection_id and connection.state = 'ACTIVE' and connection.update_time > post.update_time)
    or state = 'PREPARING' and not exists (
      select 1 from video where video.id = post.video_id and video.state = 'IMPORTING'))`,
  `next_action_at = ${NOW}`,
);
