import type { ApiFamily, Connection } from '../connection/connection.ts';
import type { Published } from '../post/post.ts';
import type { AccountBreakdown, AccountDay, AccountNumber, DayNumber, VideoMetric } from './reading.ts';

/** What TikTok asks for a metric. */
export type Demand = {
  /** The families that tell it, each with the scope it takes. */
  readonly scopes: { readonly [Family in ApiFamily]?: string };
  /** Told of Business accounts only. */
  readonly businessAccount?: true;
  /** Told only of accounts with so many followers or more. */
  readonly followers?: number;
  /** Withheld while nobody does anything with the video. */
  readonly perishable?: true;
};

const FEWEST_FOLLOWERS = 100;

const HOUR = 3_600_000;
/** "24–48 h" (business-api §5.1). */
const NUMBERS_COME_AFTER = 48 * HOUR;
/** "No activity for more than 7 days" (business-api §5.2). */
const IDLE_AFTER = 7 * 24 * HOUR;
/** "Updates stop 365 days after publication" (business-api §5.2); of the open family only hearsay says so (open-api §7.2). */
const FROZEN_AFTER = 365 * 24 * HOUR;

const listed: Demand = { scopes: { OPEN: 'video.list', BUSINESS: 'video.list' } };
const listedByBusiness: Demand = { scopes: { BUSINESS: 'video.list' } };
const videoInsight: Demand = { scopes: { BUSINESS: 'video.insights' } };
const accountStats: Demand = { scopes: { OPEN: 'user.info.stats', BUSINESS: 'user.info.stats' } };
const accountInsight: Demand = { scopes: { BUSINESS: 'user.insights' } };
const ofBusinessAccounts = { businessAccount: true } as const;
const ofManyFollowers = { followers: FEWEST_FOLLOWERS } as const;
const perishable = { perishable: true } as const;

/** open-api §7, business-api §5.1; what perishes: business-api §5.2. */
export const VIDEO_DEMANDS: Readonly<Record<VideoMetric, Demand>> = {
  views: listed,
  likes: listed,
  comments: listed,
  shares: listed,
  favorites: listedByBusiness,
  reach: { ...listedByBusiness, ...perishable },
  totalWatchSeconds: { ...videoInsight, ...perishable },
  averageWatchSeconds: { ...videoInsight, ...perishable },
  fullWatchRate: { ...videoInsight, ...perishable },
  newFollowers: videoInsight,
  profileViews: { ...videoInsight, ...ofBusinessAccounts },
  retention: videoInsight,
  likesBySecond: videoInsight,
  impressionSources: { ...videoInsight, ...perishable },
  audienceTypes: videoInsight,
  audienceGenders: videoInsight,
  audienceCountries: { ...videoInsight, ...perishable },
  audienceCities: { ...videoInsight, ...ofManyFollowers },
};

/** open-api §3, business-api §4. */
export const ACCOUNT_DEMANDS: Readonly<Record<AccountNumber | AccountBreakdown, Demand>> = {
  followers: accountStats,
  following: accountStats,
  totalLikes: accountStats,
  videoCount: accountStats,
  audienceAges: { ...accountInsight, ...ofManyFollowers },
  audienceGenders: { ...accountInsight, ...ofManyFollowers },
  audienceCountries: { ...accountInsight, ...ofManyFollowers },
  audienceCities: { ...accountInsight, ...ofManyFollowers },
};

/** business-api §4. The open family tells no days: what has its scope here is the account, read once that day (open-api §3). */
export const DAY_DEMANDS: Readonly<Record<DayNumber | 'audienceActivity', Demand>> = {
  videoViews: accountInsight,
  reach: { ...accountInsight, ...ofBusinessAccounts },
  profileViews: accountInsight,
  likes: accountInsight,
  comments: accountInsight,
  shares: accountInsight,
  followers: { scopes: { OPEN: 'user.info.stats', BUSINESS: 'user.insights' } },
  newFollowers: { ...accountInsight, ...ofBusinessAccounts },
  lostFollowers: { ...accountInsight, ...ofBusinessAccounts },
  engagedAudience: { ...accountInsight, ...ofBusinessAccounts },
  bioLinkClicks: { ...accountInsight, ...ofBusinessAccounts },
  totalLikes: { scopes: { OPEN: 'user.info.stats' } },
  videoCount: accountStats,
  audienceActivity: { ...accountInsight, ...ofBusinessAccounts, ...ofManyFollowers },
};

/** What decides whether TikTok tells something. What is absent is not known, and is then the reason for nothing. */
export type AccountFacts = {
  readonly connection: Pick<Connection, 'state' | 'apiFamily' | 'grantedScopes'>;
  readonly accountType?: 'BUSINESS' | 'PERSONAL';
  readonly followers?: number;
  /** When TikTok was last asked about this very account or video. Absent: never. */
  readonly collectTime?: Date;
  readonly now: Date;
};

/** The same of a video. An account has none of these. */
export type VideoFacts = AccountFacts & {
  readonly published: boolean;
  /** Not everyone can see it. */
  readonly hidden: boolean;
  readonly publishTime?: Date;
  /** When views, likes, comments or shares last moved. */
  readonly activityTime?: Date;
};

export type Facts = AccountFacts & Partial<VideoFacts>;

/** Each says in the contract what it means to the caller. The codes are sent: add, never rename. */
export type UnavailableReason = keyof typeof HOLDS;

const HOLDS = {
  NOT_PUBLISHED: (_, { published }) => published === false,
  NEEDS_BUSINESS_API: ({ scopes }, { connection }) =>
    scopes[connection.apiFamily] === undefined && scopes.BUSINESS !== undefined,
  NEEDS_SCOPE: ({ scopes }, { connection: { apiFamily, grantedScopes } }) => {
    const scope = scopes[apiFamily];
    return scope !== undefined && !grantedScopes.includes(scope);
  },
  NOT_CONNECTED: (_, { connection }) => connection.state !== 'ACTIVE',
  NOT_PUBLIC: (_, { hidden }) => hidden === true,
  NEEDS_BUSINESS_ACCOUNT: ({ businessAccount }, { accountType }) =>
    businessAccount === true && accountType === 'PERSONAL',
  TOO_FEW_FOLLOWERS: (demand, { followers }) =>
    demand.followers !== undefined && followers !== undefined && followers < demand.followers,
  NOT_YET_COLLECTED: (_, { collectTime }) => collectTime === undefined,
  // At the last question, not now: what was silent then says nothing of what TikTok would tell today.
  NOT_YET_AVAILABLE: (_, { connection, publishTime, collectTime }) =>
    connection.apiFamily === 'BUSINESS' && since(publishTime, collectTime) < NUMBERS_COME_AFTER,
  FROZEN: (_, { publishTime, now }) => since(publishTime, now, 0) >= FROZEN_AFTER,
  IDLE: (demand, { activityTime, now, connection }) =>
    demand.perishable === true && connection.apiFamily === 'BUSINESS' && since(activityTime, now, 0) > IDLE_AFTER,
  NOT_PROVIDED: () => true,
} satisfies Readonly<Record<string, (demand: Demand, facts: Facts) => boolean>>;

/** Milliseconds between the two, or `otherwise` when one is not known. */
const since = (from: Date | undefined, until: Date | undefined, otherwise = Number.POSITIVE_INFINITY): number =>
  from === undefined || until === undefined ? otherwise : until.getTime() - from.getTime();

/**
 * The first that holds is told: that there is nothing to count; then what somebody has to change, beginning with what helps nobody who
 * changes only the others; then what time brings; then what neither brings.
 */
export const REASONS_MISSING = [
  'NOT_PUBLISHED',
  'NEEDS_BUSINESS_API',
  'NEEDS_SCOPE',
  'NOT_CONNECTED',
  'NOT_PUBLIC',
  'NEEDS_BUSINESS_ACCOUNT',
  'TOO_FEW_FOLLOWERS',
  'NOT_YET_COLLECTED',
  'NOT_YET_AVAILABLE',
  'FROZEN',
  'IDLE',
  'NOT_PROVIDED',
] as const satisfies readonly UnavailableReason[];

/** What holds a value that is known where it is: first what nobody can change. */
export const REASONS_STALE = [
  'FROZEN',
  'NEEDS_SCOPE',
  'NOT_CONNECTED',
  'NOT_PUBLIC',
  'NEEDS_BUSINESS_ACCOUNT',
  'TOO_FEW_FOLLOWERS',
  'IDLE',
] as const satisfies readonly UnavailableReason[];
export type StaleReason = (typeof REASONS_STALE)[number];

/** Why nothing is known of it. */
export const whyMissing = (demand: Demand, facts: Facts): UnavailableReason =>
  REASONS_MISSING.find((reason) => HOLDS[reason](demand, facts)) ?? 'NOT_PROVIDED';

/** Of these TikTok withholds the number. What it told when it was last asked, it does not withhold. */
const WITHHOLDING: readonly StaleReason[] = ['NEEDS_BUSINESS_ACCOUNT', 'TOO_FEW_FOLLOWERS', 'IDLE'];

/** Why what TikTok told of it at `asOf` moves no more. Undefined while it may. */
export const whyStale = (demand: Demand, facts: Facts, asOf: Date): StaleReason | undefined =>
  REASONS_STALE.find(
    (reason) =>
      HOLDS[reason](demand, facts) && !(WITHHOLDING.includes(reason) && since(asOf, facts.collectTime, 0) <= 0),
  );

/** A public post that TikTok gave no id yet is not hidden: it waits for TikTok's moderation. A draft's audience TikTok doesn't tell. */
export const isHidden = ({ publiclyAvailable, tiktokPostIds, settings: { privacyLevel } }: Published): boolean =>
  !publiclyAvailable &&
  (tiktokPostIds.length > 0 || (privacyLevel !== undefined && privacyLevel !== 'PUBLIC_TO_EVERYONE'));

const ofSomeAccounts = (Object.keys(DAY_DEMANDS) as (keyof typeof DAY_DEMANDS)[]).filter(
  (name) => DAY_DEMANDS[name].businessAccount === true,
);

/** Why none of these days has a number that only some accounts get. Undefined when one has. */
export function whyDaysMissing(days: readonly AccountDay[], facts: AccountFacts): UnavailableReason | undefined {
  const told = days.some((day) =>
    ofSomeAccounts.some((name) =>
      name === 'audienceActivity' ? day.audienceActivity !== undefined : day.numbers[name] !== undefined,
    ),
  );
  return told ? undefined : whyMissing(DAY_DEMANDS.reach, facts);
}
