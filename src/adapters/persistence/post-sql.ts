import { POST_COLUMNS } from './post-rows.ts';

const ATTEMPT_TYPE = `number integer, transfer text, size_bytes bigint, chunk_bytes bigint, chunk_count integer,
  start_time timestamptz, publish_id text, upload_url bytea, upload_expire_time timestamptz, bytes_sent bigint,
  polls integer, finalize_time timestamptz, end_time timestamptz, outcome text, error jsonb`;

const ATTEMPT_COLUMNS = ATTEMPT_TYPE.split(',').map((column) => column.trim().split(' ')[0]);

const placeholders = POST_COLUMNS.map((_, index) => `$${index + 1}`);

/** The parameter after the columns of `post`, counted from 0. */
const extra = (index: number): string => `$${POST_COLUMNS.length + 1 + index}`;

/**
 * Attempts and the event belong to the change of their post, so one statement writes all three, and one round trip does. The
 * living attempt is written last: ending one and beginning another must not look like two alive at once.
 */
const writeAttempts = (from: string) => `
  ended as (
    insert into attempt (post_id, ${ATTEMPT_COLUMNS.join(', ')})
    select ${from}.id, a.* from ${from}, jsonb_to_recordset(${extra(0)}::jsonb) as a(${ATTEMPT_TYPE})
    on conflict (post_id, number) do update set
      publish_id = excluded.publish_id, upload_url = excluded.upload_url,
      upload_expire_time = excluded.upload_expire_time, bytes_sent = excluded.bytes_sent, polls = excluded.polls,
      finalize_time = excluded.finalize_time, end_time = excluded.end_time, outcome = excluded.outcome,
      error = excluded.error
  )`;

const writeEvent = (from: string, previousState: string) => `
  told as (
    insert into post_event (workspace_id, connection_id, post_id, previous_state, post)
    select ${from}.workspace_id, ${from}.connection_id, ${from}.id, ${previousState}, to_jsonb(${from}) from ${from}
  )`;

/** Parameters: the columns of `post`, attempts, next action. */
export const INSERT_POST = `
  with written as (
    insert into post (${POST_COLUMNS.join(', ')}, next_action_at, create_time, update_time, version)
    values (${placeholders.join(', ')}, ${extra(1)}, ${extra(2)}, ${extra(2)}, 1)
    returning post.*
  ), ${writeAttempts('written')}, ${writeEvent('written', 'null')}
  select * from written`;

const SET_COLUMNS = POST_COLUMNS.slice(4)
  .map((column, index) => `${column} = $${index + 5}`)
  .join(', ');

/**
 * The row is locked before anything is written, and by that before this transaction gets its number: so the numbers of the
 * transactions that change one post are in the order of its changes, which readers of the outbox rely on.
 */
const updatePost = (guard: string, lease: string) => `
  with locked as (
    select id, state from post where id = $1 ${guard} for update
  ), written as (
    update post set ${SET_COLUMNS}, ${lease}, update_time = now(), version = version + 1
    from locked where post.id = locked.id and $2::text = post.workspace_id and $3::text = post.connection_id
      and $4::text = post.video_id
    returning post.*
  ), ${writeAttempts('written')}, told as (
    insert into post_event (workspace_id, connection_id, post_id, previous_state, post)
    select written.workspace_id, written.connection_id, written.id, locked.state, to_jsonb(written)
    from written, locked
  )
  select * from written`;

/** By a caller: whoever worked on it loses the right to. Parameters: the columns of `post`, attempts, next action. */
export const UPDATE_POST = updatePost('', `next_action_at = ${extra(1)}, lease_owner = null, fence = fence + 1`);

const HELD_LEASE = `and fence = ${extra(1)} and lease_owner = ${extra(2)}`;

/** By a worker that goes on. Parameters: the columns of `post`, attempts, fence, owner. */
export const STORE_POST = updatePost(HELD_LEASE, 'lease_owner = lease_owner');

/** By a worker that lets go. Parameters: the columns of `post`, attempts, fence, owner, next action. */
export const FINISH_POST = updatePost(HELD_LEASE, `lease_owner = null, next_action_at = ${extra(3)}`);

/** Parameters: limit, owner, lease in seconds. */
export const CLAIM_POSTS = `
  with due as (
    select id from post where next_action_at <= now()
    order by next_action_at for update skip locked limit $1
  )
  update post set lease_owner = $2, fence = fence + 1, next_action_at = now() + make_interval(secs => $3)
  from due where post.id = due.id
  returning post.*`;
