import type { Known } from '../../domain/analytics/known.ts';
import type {
  CurvePoint,
  Share,
  VideoBreakdown,
  VideoCurve,
  VideoNumber,
  VideoNumbers,
} from '../../domain/analytics/reading.ts';
import type { ConnectionId, PostId, WorkspaceId } from '../../domain/ids.ts';
import type { Page, PageRequest } from './page.ts';

/** TikTok's id of a video is unique within an account only as far as we rely on it. */
export type VideoKey = { readonly connectionId: ConnectionId; readonly tiktokPostId: string };

export type { Known };

/** A video of an account and the last that is known of each of its numbers: a later silence of TikTok takes nothing back. */
export type MeasuredVideo = VideoKey & {
  readonly workspaceId: WorkspaceId;
  /** Absent for a video that was not posted by this service. */
  readonly postId?: PostId;
  readonly createTime: Date;
  readonly caption: string;
  readonly shareUri?: string;
  readonly durationSeconds?: number;
  readonly numbers: { readonly [Name in VideoNumber]?: Known<number> };
  readonly curves: { readonly [Name in VideoCurve]?: Known<readonly CurvePoint[]> };
  readonly breakdowns: { readonly [Name in VideoBreakdown]?: Known<readonly Share[]> };
  /** When TikTok was last asked about it. */
  readonly collectTime: Date;
  /** Since when TikTok leaves it out of its answers, though asked: it is not public. */
  readonly missingSince?: Date;
  /** When views, likes, comments or shares last moved, as far as we saw. */
  readonly activityTime: Date;
  /** When TikTok is asked next. Absent: never again, or not before the connection is ACTIVE again. */
  readonly nextCollectTime?: Date;
};

export type MeasuredVideoFilter = {
  readonly workspaceId: WorkspaceId;
  /** Empty: all. */
  readonly connectionIds: readonly ConnectionId[];
  readonly publishedFrom?: Date;
  readonly publishedBefore?: Date;
};

/** What was known at one moment, when a number had changed. */
export type Snapshot = { readonly time: Date; readonly numbers: VideoNumbers };

export type SnapshotInterval = 'STORED' | 'HOUR' | 'DAY' | 'WEEK';

export type SnapshotFilter = {
  readonly from?: Date;
  readonly before?: Date;
  /** At most one for each (UTC; weeks from Monday): the last. */
  readonly interval: SnapshotInterval;
};

/** The numbers of videos, as callers read them. */
export interface VideoMetrics {
  find(key: VideoKey): Promise<MeasuredVideo | undefined>;
  /** The first video of a post that went out several times (a draft). */
  findByPost(postId: PostId): Promise<MeasuredVideo | undefined>;
  /** Newest video first, without curves and breakdowns. Undefined for an `after` that is none of ours. */
  list(filter: MeasuredVideoFilter, page: PageRequest): Promise<Page<MeasuredVideo> | undefined>;
  /** Oldest first. Undefined for an `after` that is none of ours. */
  snapshots(key: VideoKey, filter: SnapshotFilter, page: PageRequest): Promise<Page<Snapshot> | undefined>;
}
