import type { PageRequest } from '../../application/ports/page.ts';
import type {
  MeasuredVideoFilter,
  SnapshotInterval,
  VideoKey,
  VideoMetrics,
} from '../../application/ports/video-metrics.ts';
import type { Database } from './database.ts';
import { date, isStorable, type Time } from './json.ts';
import {
  measuredFromRow,
  numbersFromRow,
  SNAPSHOT_COLUMNS,
  type SnapshotRow,
  VIDEO_COLUMNS,
  type VideoRow,
} from './metric-rows.ts';

type MeasuredRow = VideoRow & { readonly post_id: string | null; readonly active: boolean | null };

const OWN_COLUMNS = VIDEO_COLUMNS.map((column) => `video.${column}`).join(', ');

/** Of the videos that `from` gives: their posts, and whether TikTok can be asked. Few at a time. */
const measured = (from: string, columns = OWN_COLUMNS): string => `
  select ${columns}, own.id as post_id, connection.state = 'ACTIVE' as active
  from ${from}
  left join connection on connection.id = video.connection_id
  left join lateral (
    select post.id from post
    where post.tiktok_post_ids @> array[video.tiktok_post_id] and post.connection_id = video.connection_id limit 1
  ) as own on true`;

const WITH_DETAILS = `${OWN_COLUMNS}, video.details`;

const FIND = `${measured('measured_video as video', WITH_DETAILS)}
  where video.connection_id = $1 and video.tiktok_post_id = $2`;

const FIND_BY_POST = `${measured(
  `(select known.*, wanted.place from post, unnest(post.tiktok_post_ids) with ordinality as wanted(tiktok_post_id, place)
    join measured_video as known using (tiktok_post_id)
    where post.id = $1 and known.connection_id = post.connection_id) as video`,
  WITH_DETAILS,
)} order by video.place limit 1`;

const SNAPSHOT = Object.values(SNAPSHOT_COLUMNS).join(', ');

const BUCKET: Readonly<Record<SnapshotInterval, string>> = {
  STORED: 'time',
  HOUR: `date_trunc('hour', time, 'UTC')`,
  DAY: `date_trunc('day', time, 'UTC')`,
  WEEK: `date_trunc('week', time, 'UTC')`,
};

/** The last of each bucket, read off the primary key. Parameters: connection, TikTok's id, from, before, after, how many. */
const snapshotsBy = (interval: SnapshotInterval): string => `
  select time, ${SNAPSHOT} from (
    select time, ${SNAPSHOT},
      lead(${BUCKET[interval]}) over (order by time) is distinct from ${BUCKET[interval]} as is_last
    from video_snapshot
    where video_id = (select id from measured_video where connection_id = $1 and tiktok_post_id = $2)
      and time >= coalesce($3::timestamptz, '-infinity') and time < coalesce($4::timestamptz, 'infinity')
      and time > coalesce($5::timestamptz, '-infinity')
  ) as each where is_last order by time limit $6`;

/** Names a video in a list: `conn_…/7551234567890123456`. */
const nameOf = ({ connectionId, tiktokPostId }: VideoKey): string => `${connectionId}/${tiktokPostId}`;

export function postgresVideoMetrics({ pool }: Pick<Database, 'pool'>): VideoMetrics {
  async function one(statement: string, values: readonly string[]) {
    if (!isStorable(...values)) return undefined;
    const { rows } = await pool.query<MeasuredRow>(statement, [...values]);
    return rows[0] === undefined ? undefined : measuredFromRow(rows[0]);
  }

  /** Where the video of that name stands in the list of its workspace. */
  async function placeOf(name: string, workspaceId: string): Promise<readonly [Time, string] | undefined> {
    const [connectionId, tiktokPostId, ...more] = name.split('/');
    if (tiktokPostId === undefined || more.length > 0 || !isStorable(name)) return undefined;
    const { rows } = await pool.query<{ create_time: Time; id: string }>(
      'select create_time, id from measured_video where connection_id = $1 and tiktok_post_id = $2 and workspace_id = $3',
      [connectionId, tiktokPostId, workspaceId],
    );
    return rows[0] === undefined ? undefined : [rows[0].create_time, rows[0].id];
  }

  return {
    find: ({ connectionId, tiktokPostId }) => one(FIND, [connectionId, tiktokPostId]),
    findByPost: (postId) => one(FIND_BY_POST, [postId]),

    async list(filter, page) {
      const after = page.after === undefined ? undefined : await placeOf(page.after, filter.workspaceId);
      if (page.after !== undefined && after === undefined) return undefined;
      if (!isStorable(filter.workspaceId, ...filter.connectionIds)) return { items: [] };
      const { rows } = await pool.query<MeasuredRow>(listOf(filter, page, after));
      const items = rows.slice(0, page.size).map(measuredFromRow);
      const last = items.at(-1);
      return rows.length > page.size && last !== undefined ? { items, next: nameOf(last) } : { items };
    },

    async snapshots({ connectionId, tiktokPostId }, { from, before, interval }, { size, after }) {
      const since = after === undefined ? undefined : new Date(after);
      if (since !== undefined && (Number.isNaN(since.getTime()) || since.toISOString() !== after)) return undefined;
      if (!isStorable(connectionId, tiktokPostId)) return { items: [] };
      const { rows } = await pool.query<SnapshotRow>(snapshotsBy(interval), [
        connectionId,
        tiktokPostId,
        from ?? null,
        before ?? null,
        since ?? null,
        size + 1,
      ]);
      const items = rows.slice(0, size).map((row) => ({ time: date(row.time), numbers: numbersFromRow(row) }));
      const last = items.at(-1);
      return rows.length > size && last !== undefined ? { items, next: last.time.toISOString() } : { items };
    },
  };
}

/** Each account's newest are at one end of an index, and so are a workspace's: only pages are sorted. */
function listOf(
  { workspaceId, connectionIds, publishedFrom, publishedBefore }: MeasuredVideoFilter,
  { size }: PageRequest,
  after: readonly [Time, string] | undefined,
): { readonly text: string; readonly values: unknown[] } {
  const values: unknown[] = [workspaceId, size + 1];
  const value = (given: unknown): string => `$${values.push(given)}`;
  const window = [
    'video.workspace_id = $1',
    ...(publishedFrom === undefined ? [] : [`video.create_time >= ${value(publishedFrom)}`]),
    ...(publishedBefore === undefined ? [] : [`video.create_time < ${value(publishedBefore)}`]),
    ...(after === undefined ? [] : [`(video.create_time, video.id) < (${value(after[0])}, ${value(after[1])})`]),
  ];
  const newest = (where: readonly string[]): string => `
    select ${OWN_COLUMNS} from measured_video as video
    where ${where.join(' and ')} order by video.create_time desc, video.id desc limit $2`;
  const page =
    connectionIds.length === 0
      ? newest(window)
      : `select video.* from (select distinct unnest(${value(connectionIds)}::text[]) as id) as wanted
         cross join lateral (${newest(['video.connection_id = wanted.id', ...window])}) as video
         order by video.create_time desc, video.id desc limit $2`;
  return { text: `${measured(`(${page}) as video`)} order by video.create_time desc, video.id desc`, values };
}
