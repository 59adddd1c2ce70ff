import {
  ACCOUNT_DEMANDS,
  type AccountFacts,
  type Demand,
  type Facts,
  type StaleReason,
  type UnavailableReason,
  VIDEO_DEMANDS,
  type VideoFacts,
  whyMissing,
  whyStale,
} from '../domain/analytics/availability.ts';
import type { Known } from '../domain/analytics/known.ts';
import {
  ACCOUNT_BREAKDOWNS,
  ACCOUNT_NUMBERS,
  type AccountBreakdown,
  type AccountNumber,
  type CurvePoint,
  type Share,
  VIDEO_BREAKDOWNS,
  VIDEO_CURVES,
  VIDEO_NUMBERS,
  type VideoBreakdown,
  type VideoCurve,
  type VideoNumber,
} from '../domain/analytics/reading.ts';
import type { Connection } from '../domain/connection/connection.ts';
import type { ConnectionId, PostId } from '../domain/ids.ts';
import type { MeasuredAccount } from './ports/account-metrics.ts';
import type { MeasuredVideo } from './ports/video-metrics.ts';

/** The last that is known, and why it moves no more; or why nothing is known. */
export type Explained<T> =
  | (Known<T> & { readonly staleReason?: StaleReason })
  | { readonly unavailableReason: UnavailableReason };

export type PostMetrics = {
  /** Absent for a video that was not posted by this service. */
  readonly postId?: PostId;
  readonly connectionId: ConnectionId;
  readonly tiktokPostId?: string;
  /** What TikTok shows of it. Absent while it was never collected. */
  readonly video?: Pick<
    MeasuredVideo,
    'createTime' | 'caption' | 'shareUri' | 'durationSeconds' | 'collectTime' | 'nextCollectTime'
  >;
  readonly numbers: Readonly<Record<VideoNumber, Explained<number>>>;
};

export type DetailedPostMetrics = PostMetrics & {
  readonly curves: Readonly<Record<VideoCurve, Explained<readonly CurvePoint[]>>>;
  readonly breakdowns: Readonly<Record<VideoBreakdown, Explained<readonly Share[]>>>;
};

function explained<T>(known: Known<T> | undefined, demand: Demand, facts: Facts): Explained<T> {
  if (known === undefined) return { unavailableReason: whyMissing(demand, facts) };
  const staleReason = whyStale(demand, facts, known.asOf);
  return staleReason === undefined ? known : { ...known, staleReason };
}

const explainedEach = <Name extends string, T>(
  names: readonly Name[],
  known: { readonly [Each in Name]?: Known<T> },
  demands: Readonly<Record<Name, Demand>>,
  facts: Facts,
): Readonly<Record<Name, Explained<T>>> =>
  Object.fromEntries(names.map((name) => [name, explained(known[name], demands[name], facts)])) as Record<
    Name,
    Explained<T>
  >;

/**
 * The followers that decide what TikTok tells: those collected, else those of the last look at the account. The latter are fit for
 * a reason only, not as a metric: when they were read is not stored.
 */
export function accountFacts(
  connection: Connection,
  account: Pick<MeasuredAccount, 'numbers'> | undefined,
  now: Date,
): AccountFacts {
  const followers = account?.numbers.followers?.value ?? connection.account.followerCount;
  const { accountType } = connection.account;
  return {
    connection,
    now,
    ...(accountType === undefined ? {} : { accountType }),
    ...(followers === undefined ? {} : { followers }),
  };
}

/** A video that was collected is published, and whether everyone sees it is what TikTok's answers show. */
const factsOf = (video: MeasuredVideo, account: AccountFacts): VideoFacts => ({
  ...account,
  published: true,
  hidden: video.missingSince !== undefined,
  publishTime: video.createTime,
  collectTime: video.collectTime,
  activityTime: video.activityTime,
});

const numbersOf = ({ numbers }: Pick<MeasuredVideo, 'numbers'>, facts: VideoFacts): PostMetrics['numbers'] =>
  explainedEach(VIDEO_NUMBERS, numbers, VIDEO_DEMANDS, facts);

const detailsOf = (
  { curves, breakdowns }: Pick<MeasuredVideo, 'curves' | 'breakdowns'>,
  facts: VideoFacts,
): Pick<DetailedPostMetrics, 'curves' | 'breakdowns'> => ({
  curves: explainedEach(VIDEO_CURVES, curves, VIDEO_DEMANDS, facts),
  breakdowns: explainedEach(VIDEO_BREAKDOWNS, breakdowns, VIDEO_DEMANDS, facts),
});

/** As listed: without curves and breakdowns. */
export const metricsOfVideo = (video: MeasuredVideo, account: AccountFacts): PostMetrics => ({
  ...(video.postId === undefined ? {} : { postId: video.postId }),
  connectionId: video.connectionId,
  tiktokPostId: video.tiktokPostId,
  video,
  numbers: numbersOf(video, factsOf(video, account)),
});

export const detailedMetricsOfVideo = (video: MeasuredVideo, account: AccountFacts): DetailedPostMetrics => ({
  ...metricsOfVideo(video, account),
  ...detailsOf(video, factsOf(video, account)),
});

/** Nothing is known of it, and `facts` say why. */
export const metricsOfNoVideo = (
  post: Pick<PostMetrics, 'postId' | 'connectionId' | 'tiktokPostId'>,
  facts: VideoFacts,
): DetailedPostMetrics => ({
  ...post,
  numbers: numbersOf({ numbers: {} }, facts),
  ...detailsOf({ curves: {}, breakdowns: {} }, facts),
});

/** An account without anything known stands for one that was never collected. */
export const accountMetricsOf = (
  { numbers, breakdowns }: Pick<MeasuredAccount, 'numbers' | 'breakdowns'>,
  facts: AccountFacts,
): {
  readonly numbers: Readonly<Record<AccountNumber, Explained<number>>>;
  readonly breakdowns: Readonly<Record<AccountBreakdown, Explained<readonly Share[]>>>;
} => ({
  numbers: explainedEach(ACCOUNT_NUMBERS, numbers, ACCOUNT_DEMANDS, facts),
  breakdowns: explainedEach(ACCOUNT_BREAKDOWNS, breakdowns, ACCOUNT_DEMANDS, facts),
});
