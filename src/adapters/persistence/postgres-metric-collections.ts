import type { PoolClient } from 'pg';
import type {
  CollectionLease,
  CollectionPlan,
  MetricCollections,
  VideosTold,
} from '../../application/ports/metric-collections.ts';
import { accountTold } from '../../domain/analytics/account-record.ts';
import type { AccountNumbers, AccountReading } from '../../domain/analytics/reading.ts';
import { leftOut, snapshotOf, told } from '../../domain/analytics/video-record.ts';
import type { ApiFamily } from '../../domain/connection/connection.ts';
import type { ConnectionId, WorkspaceId } from '../../domain/ids.ts';
import type { Database } from './database.ts';
import { date, optionalDate, present, storableJson, type Time } from './json.ts';
import {
  knownFromJson,
  SNAPSHOT_COLUMNS,
  VIDEO_COLUMNS,
  type VideoRow,
  videoFromRow,
  videoToRow,
} from './metric-rows.ts';
import { NOW } from './now.ts';
import { inTransaction } from './transaction.ts';

type PlanRow = {
  connection_id: string;
  workspace_id: string;
  api_family: string;
  connect_time: Time;
  due_since: Time;
  fence: string;
  failures: number;
  listed_time: Time | null;
  list_at: Time;
  listed_all: boolean;
  list_before: Time | null;
  account_at: Time;
  last_day: string | null;
};

/** A post that came out while nobody looked for so long is found when the account's videos are listed next. */
const PUBLISHED_MINUTES = 15;

/** Ids are in the order of time: no more than so many connections are made between two looks. Those of before, the migration planned. */
const NEWEST = 10_000;

const DISCOVER = `
  with planned as (
    insert into metric_collection (connection_id, workspace_id, api_family, connect_time, due_at, list_at, account_at)
    select id, workspace_id, api_family, create_time, case when state = 'ACTIVE' then ${NOW} else 'infinity' end, ${NOW}, ${NOW}
    from connection
    where id >= coalesce((select id from connection order by id desc offset ${NEWEST} limit 1), '')
      and not exists (select from metric_collection where connection_id = connection.id)
    on conflict do nothing returning due_at
  ), woken as (
    update metric_collection set due_at = ${NOW} from connection
    where due_at = 'infinity' and connection.id = connection_id and connection.state = 'ACTIVE' returning 1
  ), published as (
    update metric_collection as plan set due_at = ${NOW}, list_at = ${NOW}
    from (
      select post.connection_id, max(post.reached_time) as time from post, unnest(tiktok_post_ids) as own(tiktok_post_id)
      where post.reached_time > now() - make_interval(mins => ${PUBLISHED_MINUTES})
        and not exists (select from measured_video as video
          where video.connection_id = post.connection_id and video.tiktok_post_id = own.tiktok_post_id)
      group by post.connection_id
    ) as reached
    where plan.connection_id = reached.connection_id and reached.time > coalesce(plan.listed_time, '-infinity')
      and plan.due_at > now() and plan.due_at < 'infinity' and coalesce(plan.leased_until <= now(), true)
    returning 1
  )
  select found, found > 0 or exists (select from metric_collection where due_at <= now()) as is_any_due
  from (
    select (select count(*) from planned where due_at < 'infinity') + (select count(*) from woken) + (select count(*) from published) as found
  ) as made_due`;

/** What is due is few; after a standstill it is all there is, and one workspace must not be in the way of the others. */
const CLAIM_DUE = `
  with due as (
    select connection_id, row_number() over (partition by workspace_id order by due_at) as place
    from metric_collection where due_at <= now() and api_family = any($3::text[])
  ), chosen as (
    select connection_id, due_at as due_since from metric_collection join due using (connection_id)
    where due_at <= now() order by place, due_at limit $1 for update of metric_collection skip locked
  )
  update metric_collection as plan set fence = fence + 1, due_at = ${NOW} + make_interval(secs => $2),
    leased_until = ${NOW} + make_interval(secs => $2)
  from chosen where plan.connection_id = chosen.connection_id
  returning plan.connection_id, workspace_id, api_family, connect_time, due_since, fence, failures, listed_time, list_at,
    listed_all, list_before, account_at, last_day::text as last_day`;

const PLAN = 'listed_time = $3, list_at = $4, listed_all = $5, list_before = $6, account_at = $7, last_day = $8';
const HELD = 'connection_id = $1 and fence = $2 and leased_until is not null';

const valuesOfPlan = ({ connectionId, fence }: CollectionLease, plan: CollectionPlan): unknown[] => [
  connectionId,
  fence,
  plan.listedTime ?? null,
  plan.listTime,
  plan.listedAll,
  plan.listBefore ?? null,
  plan.accountTime,
  plan.lastDay ?? null,
];

/** Whoever stores waits for whoever stored of the same connection before: what is known is read, added to and written by one at a time. */
async function keep(
  client: PoolClient,
  lease: CollectionLease,
  plan: CollectionPlan,
  leaseSeconds: number,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `update metric_collection set ${PLAN}, due_at = ${NOW} + make_interval(secs => $9),
       leased_until = ${NOW} + make_interval(secs => $9)
     where ${HELD}`,
    [...valuesOfPlan(lease, plan), leaseSeconds],
  );
  return rowCount === 1;
}

/** Old enough that a day, or the week it is in, is over and no longer kept whole. */
const THIN_AFTER_DAYS = 8;

const TOLD_TYPE = `tiktok_post_id text, create_time timestamptz, caption text, share_uri text, duration_seconds float8,
  numbers jsonb, details jsonb, collect_time timestamptz, missing_since timestamptz, activity_time timestamptz,
  next_collect_at timestamptz`;
const TOLD_COLUMNS = TOLD_TYPE.split(',').map((column) => column.trim().split(' ')[0] ?? '');
const SNAPSHOTS = Object.entries(SNAPSHOT_COLUMNS);

/** Parameters: workspace, connection, videos with the numbers of their snapshots or none, time. */
const STORE_VIDEOS = `
  with said as (
    select * from jsonb_to_recordset($3::jsonb) as said(${TOLD_TYPE}, snapshot jsonb)
  ), stored as (
    insert into measured_video as old (workspace_id, connection_id, thin_at, ${TOLD_COLUMNS.join(', ')})
    select $1, $2, case when snapshot is not null then $4::timestamptz + make_interval(days => ${THIN_AFTER_DAYS}) end,
      ${TOLD_COLUMNS.join(', ')} from said
    on conflict (connection_id, tiktok_post_id) do update set
      ${TOLD_COLUMNS.slice(1)
        .map((column) => `${column} = excluded.${column}`)
        .join(', ')}, thin_at = coalesce(old.thin_at, excluded.thin_at)
    returning old.id, old.tiktok_post_id
  )
  insert into video_snapshot (video_id, time, ${SNAPSHOTS.map(([, column]) => column).join(', ')})
  select stored.id, $4, ${SNAPSHOTS.map(([name]) => `(snapshot->>'${name}')::numeric`).join(', ')}
  from stored join said using (tiktok_post_id) where snapshot is not null`;

async function storeVideos(
  client: PoolClient,
  { connectionId, workspaceId }: CollectionLease,
  { time, readings, missing }: VideosTold,
): Promise<{ readonly unknown: number; readonly snapshots: number }> {
  const ids = [...readings.map(({ tiktokPostId }) => tiktokPostId), ...missing];
  const { rows } = await client.query<VideoRow>(
    `select ${VIDEO_COLUMNS.join(', ')}, details from measured_video
     where connection_id = $1 and tiktok_post_id = any($2::text[])`,
    [connectionId, ids],
  );
  const known = new Map(rows.map((row) => [row.tiktok_post_id, videoFromRow(row)]));
  const after = [
    ...readings.map((reading) => [reading.tiktokPostId, told(known.get(reading.tiktokPostId), reading, time)] as const),
    ...missing.flatMap((id) => {
      const before = known.get(id);
      return before === undefined ? [] : [[id, leftOut(before, time)] as const];
    }),
  ];
  const changed = after
    .filter(([id, video]) => video !== known.get(id))
    .map(([id, video]) => ({ ...videoToRow(id, video), snapshot: snapshotOf(known.get(id), video) ?? null }));
  const stored =
    changed.length === 0
      ? undefined
      : await client.query(STORE_VIDEOS, [workspaceId, connectionId, storableJson(changed), time]);
  return {
    unknown: readings.filter(({ tiktokPostId }) => !known.has(tiktokPostId)).length,
    snapshots: stored?.rowCount ?? 0,
  };
}

/** A number that was not told stays, and so does what is newer. */
const STORE_DAYS = `
  insert into account_day as old (connection_id, date, numbers, audience_activity, as_of)
  select $1, date, numbers, "audienceActivity", $3::timestamptz
  from jsonb_to_recordset($2::jsonb) as said(date date, numbers jsonb, "audienceActivity" jsonb)
  on conflict (connection_id, date) do update set numbers = old.numbers || excluded.numbers,
    audience_activity = coalesce(excluded.audience_activity, old.audience_activity), as_of = excluded.as_of
  where old.as_of < excluded.as_of`;

type AccountRow = {
  numbers: Parameters<typeof knownFromJson>[0];
  breakdowns: Parameters<typeof knownFromJson>[0];
  collect_time: Time;
};

async function storeAccount(
  client: PoolClient,
  connectionId: ConnectionId,
  { time, reading }: { readonly time: Date; readonly reading: AccountReading },
): Promise<void> {
  const { rows } = await client.query<AccountRow>(
    'select numbers, breakdowns, collect_time from measured_account where connection_id = $1',
    [connectionId],
  );
  const [row] = rows;
  const before =
    row === undefined
      ? undefined
      : {
          numbers: knownFromJson<AccountNumbers>(row.numbers),
          breakdowns: knownFromJson<AccountReading['breakdowns']>(row.breakdowns),
          collectTime: date(row.collect_time),
        };
  const after = accountTold(before, reading, time);
  if (after !== before) {
    await client.query(
      `insert into measured_account (connection_id, numbers, breakdowns, collect_time) values ($1, $2, $3, $4)
       on conflict (connection_id) do update set numbers = excluded.numbers, breakdowns = excluded.breakdowns,
         collect_time = excluded.collect_time`,
      [connectionId, storableJson(after.numbers), storableJson(after.breakdowns), after.collectTime],
    );
  }
  if (reading.days.length > 0) await client.query(STORE_DAYS, [connectionId, storableJson(reading.days), time]);
}

export function postgresMetricCollections({ pool }: Pick<Database, 'pool'>): MetricCollections {
  return {
    async discover() {
      const { rows } = await pool.query<{ found: string; is_any_due: boolean }>(DISCOVER);
      const [row] = rows;
      if (row === undefined) throw new Error('the database did not tell whose numbers are due');
      return { found: Number(row.found), isAnyDue: row.is_any_due };
    },

    async claimDue({ families, limit, leaseSeconds }) {
      const { rows } = await pool.query<PlanRow>(CLAIM_DUE, [limit, leaseSeconds, families]);
      return rows.map(leaseFromRow);
    },

    async dueVideos(connectionId, time, limit) {
      const { rows } = await pool.query<{ tiktok_post_id: string }>(
        `select tiktok_post_id from measured_video where connection_id = $1 and next_collect_at <= $2
         order by next_collect_at limit $3`,
        [connectionId, time, limit],
      );
      return rows.map(({ tiktok_post_id }) => tiktok_post_id);
    },

    async outlook(connectionId) {
      const { rows } = await pool.query<{ next: Time | null; newest: Time | null }>(
        `select
           (select min(next_collect_at) from measured_video where connection_id = $1 and next_collect_at is not null) as next,
           (select max(create_time) from measured_video where connection_id = $1) as newest`,
        [connectionId],
      );
      return present({
        nextVideoTime: optionalDate(rows[0]?.next),
        newestCreateTime: optionalDate(rows[0]?.newest),
      });
    },

    recordVideos(lease, videos, plan, leaseSeconds) {
      return inTransaction(pool, async (client) =>
        (await keep(client, lease, plan, leaseSeconds)) ? storeVideos(client, lease, videos) : undefined,
      );
    },

    recordAccount(lease, account, plan, leaseSeconds) {
      return inTransaction(pool, async (client) => {
        const held = await keep(client, lease, plan, leaseSeconds);
        if (held) await storeAccount(client, lease.connectionId, account);
        return held;
      });
    },

    async finish(lease, plan, dueTime) {
      await pool.query(
        `update metric_collection set ${PLAN}, due_at = $9, leased_until = null, failures = 0 where ${HELD}`,
        [...valuesOfPlan(lease, plan), dueTime],
      );
    },

    async putOff({ connectionId, fence }, dueTime, because) {
      await pool.query(
        `update metric_collection set due_at = $3, leased_until = null, failures = failures + $4 where ${HELD}`,
        [connectionId, fence, dueTime, because === 'FAILURE' ? 1 : 0],
      );
    },

    async rest({ connectionId, fence }) {
      await pool.query(
        `update metric_collection set due_at = 'infinity', leased_until = null, failures = 0 where ${HELD}`,
        [connectionId, fence],
      );
    },
  };
}

const leaseFromRow = (row: PlanRow): CollectionLease => ({
  connectionId: row.connection_id as ConnectionId,
  workspaceId: row.workspace_id as WorkspaceId,
  apiFamily: row.api_family as ApiFamily,
  connectTime: date(row.connect_time),
  fence: Number(row.fence),
  dueTime: date(row.due_since),
  failures: row.failures,
  plan: present({
    listedTime: optionalDate(row.listed_time),
    listTime: date(row.list_at),
    listedAll: row.listed_all,
    listBefore: optionalDate(row.list_before),
    accountTime: date(row.account_at),
    lastDay: row.last_day ?? undefined,
  }),
});
