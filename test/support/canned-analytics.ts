import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { UnavailableReason } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_pb.js';
import {
  AccountType,
  ApiFamily,
  ConnectionState,
} from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/connection_pb.js';
import type { CannedAccount, CannedConnection, CannedMetrics, CannedSnapshot } from './analytics-server.ts';

const PUBLISHED = new Date('2026-11-12T09:30:00Z');
const COLLECTED = new Date('2026-11-22T10:00:00Z');

export const at = (time: string | Date) => timestampFromDate(new Date(time));
export const asOf = at(COLLECTED);

export const told = (value: number) => ({ value: BigInt(value), asOf });
export const measured = (value: number) => ({ value, asOf });
export const missing = (unavailableReason: UnavailableReason) => ({ unavailableReason });
const shares = (parts: Readonly<Record<string, number>>) => ({
  shares: Object.entries(parts).map(([name, fraction]) => ({ name, fraction })),
  asOf,
});

export const aConnection = (parts: CannedConnection = {}): CannedConnection => ({
  connectionId: 'conn_bakery',
  workspaceId: 'ws_a',
  destination: 'tiktok',
  apiFamily: ApiFamily.BUSINESS,
  state: ConnectionState.ACTIVE,
  account: {
    username: 'glow.bakery',
    displayName: 'Glow Bakery',
    profileUri: 'https://www.tiktok.com/@glow.bakery',
    accountType: AccountType.BUSINESS,
  },
  ...parts,
});

const about: CannedMetrics = {
  postId: 'post_bread',
  connectionId: 'conn_bakery',
  tiktokPostId: '7570000000000000001',
  shareUri: 'https://www.tiktok.com/@glow.bakery/video/7570000000000000001',
  caption: 'Fresh bread, every morning at six #bakery #sourdough',
  publishTime: at(PUBLISHED),
  durationSeconds: 21.5,
  collectTime: asOf,
  nextCollectTime: at('2026-11-22T16:00:00Z'),
};

/** A video of which TikTok tells everything. */
export const aFullVideo = (parts: CannedMetrics = {}): CannedMetrics => ({
  ...about,
  views: told(1_284_903),
  likes: told(61_240),
  comments: told(1_204),
  shares: told(3_311),
  favorites: told(8_042),
  reach: told(1_100_840),
  totalWatchSeconds: measured(9_508_282.4),
  averageWatchSeconds: measured(7.4),
  fullWatchRate: measured(0.183),
  newFollowers: told(912),
  profileViews: told(20_481),
  retention: {
    points: Array.from({ length: 22 }, (_, second) => ({ second, fraction: Math.round(1000 * 0.9 ** second) / 1000 })),
    asOf,
  },
  likesBySecond: {
    points: Array.from({ length: 22 }, (_, second) => ({ second, fraction: second === 9 ? 0.24 : 0.0362 })),
    asOf,
  },
  impressionSources: shares({ 'For You': 0.81, 'Personal Profile': 0.11, Search: 0.05, Follow: 0.02, Others: 0.01 }),
  audienceTypes: shares({ NON_FOLLOWER_PERCENT: 0.93, NEW_VIEWER: 0.86, RETURN_VIEWER: 0.14, FOLLOWER_PERCENT: 0.07 }),
  audienceGenders: shares({ Female: 0.58, Male: 0.37, Other: 0.05 }),
  audienceCountries: shares({ DE: 0.612, AT: 0.174, CH: 0.113, NL: 0.05, Others: 0.051 }),
  audienceCities: shares({ Berlin: 0.213, Vienna: 0.121, Zürich: 0.098, Hamburg: 0.081 }),
  ...parts,
});

/** The same video where only the four plain counters are told: the open family. */
export const anOpenVideo = (parts: CannedMetrics = {}): CannedMetrics => {
  const business = missing(UnavailableReason.NEEDS_BUSINESS_API);
  return {
    ...about,
    views: told(903),
    likes: told(61),
    comments: told(4),
    shares: told(0),
    ...allOf(business, false),
    ...parts,
  };
};

/** A video of which nothing is known, for one reason. */
export const anUnknownVideo = (reason: UnavailableReason, parts: CannedMetrics = {}): CannedMetrics => ({
  postId: 'post_bread',
  connectionId: 'conn_bakery',
  ...allOf(missing(reason), true),
  ...parts,
});

const allOf = (absent: ReturnType<typeof missing>, countersToo: boolean): CannedMetrics => ({
  ...(countersToo ? { views: absent, likes: absent, comments: absent, shares: absent } : {}),
  favorites: absent,
  reach: absent,
  totalWatchSeconds: absent,
  averageWatchSeconds: absent,
  fullWatchRate: absent,
  newFollowers: absent,
  profileViews: absent,
  retention: absent,
  likesBySecond: absent,
  impressionSources: absent,
  audienceTypes: absent,
  audienceGenders: absent,
  audienceCountries: absent,
  audienceCities: absent,
});

const GROWN = { views: 1_284_903, likes: 61_240, comments: 1_204, shares: 3_311, reach: 1_100_840 };

/** So many, evenly from the moment of publishing until an hour before COLLECTED, each with a little more. */
export const someSnapshots = (count: number, { reach = GROWN.reach, ...grown }: Partial<typeof GROWN> = {}) =>
  Array.from({ length: count }, (_, index): CannedSnapshot => {
    const { views, likes, comments, shares: shared } = { ...GROWN, ...grown };
    const since = (COLLECTED.getTime() - 3_600_000 - PUBLISHED.getTime()) * (index / Math.max(count - 1, 1));
    const part = 1 - Math.exp(-since / 172_800_000);
    return {
      time: at(new Date(PUBLISHED.getTime() + since)),
      views: BigInt(Math.round(views * part)),
      likes: BigInt(Math.round(likes * part ** 1.5)),
      comments: BigInt(Math.round(comments * part ** 2)),
      shares: BigInt(Math.round(shared * part ** 3)),
      // The Business family tells it later than the others.
      ...(index < count / 10 ? {} : { reach: BigInt(Math.round(reach * part)) }),
    };
  });

const dayOf = (index: number): string =>
  new Date(Date.UTC(2026, 8, 24) + index * 86_400_000).toISOString().slice(0, 10);

/** An account of which TikTok tells everything, over 60 days that end on 22 November 2026; one day is unknown. */
export const aFullAccount = (parts: CannedAccount = {}): CannedAccount => ({
  connectionId: 'conn_bakery',
  apiFamily: ApiFamily.BUSINESS,
  followers: told(48_213),
  following: told(112),
  totalLikes: told(1_904_377),
  videoCount: told(214),
  audienceAges: shares({ '25-34': 0.41, '18-24': 0.29, '35-44': 0.18, '45-54': 0.08, '55+': 0.04 }),
  audienceGenders: shares({ Female: 0.58, Male: 0.37, Other: 0.05 }),
  audienceCountries: shares({ DE: 0.612, AT: 0.174, CH: 0.113 }),
  audienceCities: shares({ Berlin: 0.213, Vienna: 0.121 }),
  days: Array.from({ length: 60 }, (_, index) => index)
    .filter((index) => index !== 20)
    .map((index) => ({
      date: dayOf(index),
      followers: BigInt(45_000 + index * 53),
      asOf,
      // TikTok tells the last two days later.
      ...(index > 57
        ? {}
        : {
            videoViews: BigInt(4_000 + ((index * 7_919) % 3_000)),
            reach: BigInt(3_100 + ((index * 7_919) % 2_000)),
            profileViews: BigInt(120 + (index % 40)),
            likes: BigInt(210 + (index % 60)),
            comments: BigInt(12 + (index % 5)),
            shares: BigInt(9 + (index % 4)),
            newFollowers: BigInt(60 + ((index * 31) % 45)),
            lostFollowers: BigInt(10 + ((index * 17) % 22)),
            engagedAudience: BigInt(300 + index),
            audienceActivity: Array.from({ length: 24 }, (_, hour) => ({
              hour,
              count: BigInt(Math.round(900 + 800 * Math.sin(((hour - 12) / 24) * 2 * Math.PI))),
            })),
          }),
    })),
  collectTime: asOf,
  nextCollectTime: at('2026-11-22T16:00:00Z'),
  ...parts,
});
