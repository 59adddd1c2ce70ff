/**
 * What TikTok counts of a video over its whole life. `…Seconds` are seconds, `…Rate` is 0 to 1, all others are whole. Which of them a
 * family tells, `availability.ts` knows.
 */
export const VIDEO_NUMBERS = [
  'views',
  'likes',
  'comments',
  'shares',
  'favorites',
  'reach',
  'totalWatchSeconds',
  'averageWatchSeconds',
  'fullWatchRate',
  'newFollowers',
  'profileViews',
] as const;
export type VideoNumber = (typeof VIDEO_NUMBERS)[number];
/** A number that is not known is absent, never 0. */
export type VideoNumbers = { readonly [Name in VideoNumber]?: number };

export const VIDEO_CURVES = ['retention', 'likesBySecond'] as const;
export type VideoCurve = (typeof VIDEO_CURVES)[number];
/** `second` from the start of the video; `fraction` 0 to 1. */
export type CurvePoint = { readonly second: number; readonly fraction: number };

export const VIDEO_BREAKDOWNS = [
  'impressionSources',
  'audienceTypes',
  'audienceGenders',
  'audienceCountries',
  'audienceCities',
] as const;
export type VideoBreakdown = (typeof VIDEO_BREAKDOWNS)[number];
/** `name` is TikTok's own word; `fraction` 0 to 1. */
export type Share = { readonly name: string; readonly fraction: number };

export type VideoMetric = VideoNumber | VideoCurve | VideoBreakdown;

/** What TikTok said of one video at one moment. Curves by second, shares largest first; neither is ever empty. */
export type VideoReading = {
  readonly tiktokPostId: string;
  /** To the second. */
  readonly createTime: Date;
  readonly caption: string;
  readonly shareUri?: string;
  readonly durationSeconds?: number;
  readonly numbers: VideoNumbers;
  readonly curves: { readonly [Name in VideoCurve]?: readonly CurvePoint[] };
  readonly breakdowns: { readonly [Name in VideoBreakdown]?: readonly Share[] };
};

/** What TikTok counts of an account at this moment. */
export const ACCOUNT_NUMBERS = ['followers', 'following', 'totalLikes', 'videoCount'] as const;
export type AccountNumber = (typeof ACCOUNT_NUMBERS)[number];
export type AccountNumbers = { readonly [Name in AccountNumber]?: number };

/** What TikTok counts of an account in one day (UTC). `followers` stand at its end. */
export const DAY_NUMBERS = [
  'videoViews',
  'reach',
  'profileViews',
  'likes',
  'comments',
  'shares',
  'followers',
  'newFollowers',
  'lostFollowers',
  'engagedAudience',
  'bioLinkClicks',
  'totalLikes',
  'videoCount',
] as const;
export type DayNumber = (typeof DAY_NUMBERS)[number];
export type DayNumbers = { readonly [Name in DayNumber]?: number };

/** `hour` is 0 to 23, UTC. */
export type HourCount = { readonly hour: number; readonly count: number };

export const ACCOUNT_BREAKDOWNS = ['audienceAges', 'audienceGenders', 'audienceCountries', 'audienceCities'] as const;
export type AccountBreakdown = (typeof ACCOUNT_BREAKDOWNS)[number];

/** A day in UTC, `YYYY-MM-DD`: sorts like time. */
export type Day = string;

export type AccountDay = {
  readonly date: Day;
  readonly numbers: DayNumbers;
  /** By hour. Absent where TikTok did not tell. */
  readonly audienceActivity?: readonly HourCount[];
};

/** What TikTok said of an account at one moment. `days` oldest first, only those that it told something of. */
export type AccountReading = {
  readonly numbers: AccountNumbers;
  readonly days: readonly AccountDay[];
  readonly breakdowns: { readonly [Name in AccountBreakdown]?: readonly Share[] };
};
