import type { Known, MeasuredVideo } from '../../application/ports/video-metrics.ts';
import type { KnownOf } from '../../domain/analytics/known.ts';
import {
  VIDEO_NUMBERS,
  type VideoNumber,
  type VideoNumbers,
  type VideoReading,
} from '../../domain/analytics/reading.ts';
import type { VideoRecord } from '../../domain/analytics/video-record.ts';
import type { ConnectionId, PostId, WorkspaceId } from '../../domain/ids.ts';
import { date, optionalDate, present, type Time } from './json.ts';

type JsonKnown = { readonly [name: string]: { readonly value: unknown; readonly asOf: string } };
type JsonDetails = { readonly curves: JsonKnown; readonly breakdowns: JsonKnown };

/** A row of `measured_video`, as plain SQL gives it. */
export type VideoRow = {
  id: string;
  workspace_id: string;
  connection_id: string;
  tiktok_post_id: string;
  create_time: Time;
  caption: string;
  share_uri: string | null;
  duration_seconds: number | null;
  numbers: JsonKnown;
  /** Absent where they were not asked for. */
  details?: JsonDetails;
  collect_time: Time;
  missing_since: Time | null;
  activity_time: Time;
  next_collect_at: Time | null;
};

export const VIDEO_COLUMNS = [
  'id',
  'workspace_id',
  'connection_id',
  'tiktok_post_id',
  'create_time',
  'caption',
  'share_uri',
  'duration_seconds',
  'numbers',
  'collect_time',
  'missing_since',
  'activity_time',
  'next_collect_at',
] as const satisfies readonly (keyof VideoRow)[];

/** The columns of `video_snapshot` after its key. */
export const SNAPSHOT_COLUMNS: Readonly<Record<VideoNumber, string>> = {
  views: 'views',
  likes: 'likes',
  comments: 'comments',
  shares: 'shares',
  favorites: 'favorites',
  reach: 'reach',
  totalWatchSeconds: 'total_watch_seconds',
  averageWatchSeconds: 'average_watch_seconds',
  fullWatchRate: 'full_watch_rate',
  newFollowers: 'new_followers',
  profileViews: 'profile_views',
};

/** A number that is not known is null; `bigint` comes as text. */
export type SnapshotRow = { time: Time } & Record<string, Time | string | number | null>;

export const knownFromJson = <Values extends object>(known: JsonKnown): KnownOf<Values> =>
  Object.fromEntries(
    Object.entries(known).map(([name, { value, asOf }]): [string, Known<unknown>] => [
      name,
      { value, asOf: date(asOf) },
    ]),
  ) as KnownOf<Values>;

export function videoFromRow(row: VideoRow): VideoRecord {
  const { curves, breakdowns } = row.details ?? { curves: {}, breakdowns: {} };
  return present({
    createTime: date(row.create_time),
    caption: row.caption,
    shareUri: row.share_uri ?? undefined,
    durationSeconds: row.duration_seconds ?? undefined,
    numbers: knownFromJson<VideoNumbers>(row.numbers),
    curves: knownFromJson<VideoReading['curves']>(curves),
    breakdowns: knownFromJson<VideoReading['breakdowns']>(breakdowns),
    collectTime: date(row.collect_time),
    missingSince: optionalDate(row.missing_since),
    activityTime: date(row.activity_time),
    nextCollectTime: optionalDate(row.next_collect_at),
  });
}

/** The columns that an answer of TikTok may change, and the key. */
export const videoToRow = (tiktokPostId: string, video: VideoRecord) => ({
  tiktok_post_id: tiktokPostId,
  create_time: video.createTime,
  caption: video.caption,
  share_uri: video.shareUri ?? null,
  duration_seconds: video.durationSeconds ?? null,
  numbers: video.numbers,
  details: { curves: video.curves, breakdowns: video.breakdowns },
  collect_time: video.collectTime,
  missing_since: video.missingSince ?? null,
  activity_time: video.activityTime,
  next_collect_at: video.nextCollectTime ?? null,
});

export function measuredFromRow(
  row: VideoRow & { readonly post_id: string | null; readonly active: boolean | null },
): MeasuredVideo {
  const { nextCollectTime, ...video } = videoFromRow(row);
  return present({
    connectionId: row.connection_id as ConnectionId,
    tiktokPostId: row.tiktok_post_id,
    workspaceId: row.workspace_id as WorkspaceId,
    postId: (row.post_id ?? undefined) as PostId | undefined,
    ...video,
    nextCollectTime: row.active === true ? nextCollectTime : undefined,
  });
}

export const numbersFromRow = (row: SnapshotRow): VideoNumbers =>
  Object.fromEntries(
    VIDEO_NUMBERS.flatMap((name) => {
      const value = row[SNAPSHOT_COLUMNS[name]];
      return value === null || value === undefined ? [] : [[name, Number(value)]];
    }),
  );
