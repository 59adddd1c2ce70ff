import { create } from '@bufbuild/protobuf';
import { type Timestamp, timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { DetailedPostMetrics, Explained, PostMetrics } from '../../application/explained-metrics.ts';
import type { ExplainedAccount } from '../../application/get-account-metrics.ts';
import type { Snapshot, SnapshotInterval } from '../../application/ports/video-metrics.ts';
import type { UnavailableReason } from '../../domain/analytics/availability.ts';
import type { CurvePoint, Share } from '../../domain/analytics/reading.ts';
import { API_FAMILIES } from './connection-messages.ts';
import * as pb from './gen/glowtify/tiktok/v1/analytics_pb.js';
import { SnapshotInterval as IntervalMessage } from './gen/glowtify/tiktok/v1/analytics_service_pb.js';

export const UNAVAILABLE_REASONS = {
  NOT_PUBLISHED: pb.UnavailableReason.NOT_PUBLISHED,
  NOT_PUBLIC: pb.UnavailableReason.NOT_PUBLIC,
  NOT_YET_COLLECTED: pb.UnavailableReason.NOT_YET_COLLECTED,
  NOT_YET_AVAILABLE: pb.UnavailableReason.NOT_YET_AVAILABLE,
  NEEDS_BUSINESS_API: pb.UnavailableReason.NEEDS_BUSINESS_API,
  NEEDS_SCOPE: pb.UnavailableReason.NEEDS_SCOPE,
  NEEDS_BUSINESS_ACCOUNT: pb.UnavailableReason.NEEDS_BUSINESS_ACCOUNT,
  TOO_FEW_FOLLOWERS: pb.UnavailableReason.TOO_FEW_FOLLOWERS,
  IDLE: pb.UnavailableReason.IDLE,
  FROZEN: pb.UnavailableReason.FROZEN,
  NOT_CONNECTED: pb.UnavailableReason.NOT_CONNECTED,
  NOT_PROVIDED: pb.UnavailableReason.NOT_PROVIDED,
} satisfies Record<UnavailableReason, pb.UnavailableReason>;

export const SNAPSHOT_INTERVAL_OF = {
  [IntervalMessage.UNSPECIFIED]: undefined,
  [IntervalMessage.HOUR]: 'HOUR',
  [IntervalMessage.DAY]: 'DAY',
  [IntervalMessage.WEEK]: 'WEEK',
} as const satisfies Record<IntervalMessage, SnapshotInterval | undefined>;

/** `field` is the value's name in its message; a value that is not known leaves it out. */
function told<T, Field extends object>(metric: Explained<T>, field: (value: T) => Field) {
  if ('unavailableReason' in metric) return { unavailableReason: UNAVAILABLE_REASONS[metric.unavailableReason] };
  return {
    ...field(metric.value),
    asOf: timestampFromDate(metric.asOf),
    ...(metric.staleReason === undefined ? {} : { staleReason: UNAVAILABLE_REASONS[metric.staleReason] }),
  };
}

const count = (metric: Explained<number>) =>
  create(
    pb.CountSchema,
    told(metric, (value) => ({ value: BigInt(value) })),
  );
const measure = (metric: Explained<number>) =>
  create(
    pb.MeasureSchema,
    told(metric, (value) => ({ value })),
  );
const curve = (metric: Explained<readonly CurvePoint[]>) =>
  create(
    pb.CurveSchema,
    told(metric, (points) => ({ points: [...points] })),
  );
const breakdown = (metric: Explained<readonly Share[]>) =>
  create(
    pb.BreakdownSchema,
    told(metric, (shares) => ({ shares: [...shares] })),
  );

const time = (date: Date | undefined): Timestamp | undefined =>
  date === undefined ? undefined : timestampFromDate(date);

/** Leaves out what is not known: a field of the contract is absent then, never 0. */
function known<Fields extends Readonly<Record<string, unknown>>>(fields: Fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Fields]?: Exclude<Fields[Name], undefined>;
  };
}

const whole = (value: number | undefined): bigint | undefined => (value === undefined ? undefined : BigInt(value));

/** As listed: without curves and breakdowns. */
export function postMetricsMessage({ numbers, video, ...of }: PostMetrics): pb.PostMetrics {
  return create(pb.PostMetricsSchema, {
    postId: of.postId ?? '',
    connectionId: of.connectionId,
    tiktokPostId: of.tiktokPostId ?? '',
    shareUri: video?.shareUri ?? '',
    caption: video?.caption ?? '',
    ...known({
      publishTime: time(video?.createTime),
      durationSeconds: video?.durationSeconds,
      collectTime: time(video?.collectTime),
      nextCollectTime: time(video?.nextCollectTime),
    }),
    views: count(numbers.views),
    likes: count(numbers.likes),
    comments: count(numbers.comments),
    shares: count(numbers.shares),
    favorites: count(numbers.favorites),
    reach: count(numbers.reach),
    totalWatchSeconds: measure(numbers.totalWatchSeconds),
    averageWatchSeconds: measure(numbers.averageWatchSeconds),
    fullWatchRate: measure(numbers.fullWatchRate),
    newFollowers: count(numbers.newFollowers),
    profileViews: count(numbers.profileViews),
  });
}

export const detailedPostMetricsMessage = ({
  curves,
  breakdowns,
  ...metrics
}: DetailedPostMetrics): pb.PostMetrics => ({
  ...postMetricsMessage(metrics),
  retention: curve(curves.retention),
  likesBySecond: curve(curves.likesBySecond),
  impressionSources: breakdown(breakdowns.impressionSources),
  audienceTypes: breakdown(breakdowns.audienceTypes),
  audienceGenders: breakdown(breakdowns.audienceGenders),
  audienceCountries: breakdown(breakdowns.audienceCountries),
  audienceCities: breakdown(breakdowns.audienceCities),
});

export const snapshotMessage = ({ time: at, numbers }: Snapshot): pb.PostMetricSnapshot =>
  create(pb.PostMetricSnapshotSchema, {
    time: timestampFromDate(at),
    ...known({
      views: whole(numbers.views),
      likes: whole(numbers.likes),
      comments: whole(numbers.comments),
      shares: whole(numbers.shares),
      favorites: whole(numbers.favorites),
      reach: whole(numbers.reach),
      totalWatchSeconds: numbers.totalWatchSeconds,
      averageWatchSeconds: numbers.averageWatchSeconds,
      fullWatchRate: numbers.fullWatchRate,
      newFollowers: whole(numbers.newFollowers),
      profileViews: whole(numbers.profileViews),
    }),
  });

export function accountMetricsMessage(account: ExplainedAccount): pb.AccountMetrics {
  const { numbers, breakdowns, daysUnavailableReason } = account;
  return create(pb.AccountMetricsSchema, {
    connectionId: account.connectionId,
    apiFamily: API_FAMILIES[account.apiFamily],
    followers: count(numbers.followers),
    following: count(numbers.following),
    totalLikes: count(numbers.totalLikes),
    videoCount: count(numbers.videoCount),
    audienceAges: breakdown(breakdowns.audienceAges),
    audienceGenders: breakdown(breakdowns.audienceGenders),
    audienceCountries: breakdown(breakdowns.audienceCountries),
    audienceCities: breakdown(breakdowns.audienceCities),
    days: account.days.map(dayMessage),
    ...(daysUnavailableReason === undefined
      ? {}
      : { daysUnavailableReason: UNAVAILABLE_REASONS[daysUnavailableReason] }),
    ...known({ collectTime: time(account.collectTime), nextCollectTime: time(account.nextCollectTime) }),
  });
}

const dayMessage = ({ date, numbers, audienceActivity = [], asOf }: ExplainedAccount['days'][number]): pb.AccountDay =>
  create(pb.AccountDaySchema, {
    date,
    audienceActivity: audienceActivity.map(({ hour, count: followers }) => ({ hour, count: BigInt(followers) })),
    asOf: timestampFromDate(asOf),
    ...known({
      videoViews: whole(numbers.videoViews),
      reach: whole(numbers.reach),
      profileViews: whole(numbers.profileViews),
      likes: whole(numbers.likes),
      comments: whole(numbers.comments),
      shares: whole(numbers.shares),
      followers: whole(numbers.followers),
      newFollowers: whole(numbers.newFollowers),
      lostFollowers: whole(numbers.lostFollowers),
      engagedAudience: whole(numbers.engagedAudience),
      bioLinkClicks: whole(numbers.bioLinkClicks),
      totalLikes: whole(numbers.totalLikes),
      videoCount: whole(numbers.videoCount),
    }),
  });
