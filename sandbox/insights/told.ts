import type { Account, Family, Time, Video } from '../state.ts';
import type { World } from '../world.ts';
import {
  type AccountDay,
  type AccountLife,
  type AudienceShares,
  audienceOf,
  audienceShares,
  dayClickKinds,
  dayMs,
  daysFrom,
  mostActiveHour,
  standingAt,
} from './account-insights.ts';
import { clickKinds, countsAt, insightsAt, type Life, lastActivityAge, type VideoInsights } from './video-insights.ts';
import { type VideoModel, videoModel } from './video-model.ts';

/** Numbers, and the moment at which they were true. */
export type Told<T> = { asOf: Time; values: T };

export type AccountStanding = { followers: number; following: number; totalLikes: number; videoCount: number };
export type AccountInsights = AccountStanding & AudienceShares & { days: AccountDay[] };
/** The same, as a family tells it: a day may lack what this account is not told. */
export type AccountTold = AccountStanding & AudienceShares & { days: Partial<AccountDay>[] };

/** The duration in whole seconds. */
export type OpenNumbers = Pick<VideoInsights, 'durationSeconds' | 'views' | 'likes' | 'comments' | 'shares'>;

/** From the first to the last date, both included. */
export type DateRange = { firstDay: Time; lastDay: Time };

export type BusinessView = {
  /** What is never told of an account like this. */
  readonly withheld: ReadonlySet<keyof VideoInsights>;
  /** Of a video of this account, public or not. */
  told(video: Video): Told<Partial<VideoInsights>>;
};

/** What is true of videos and accounts, and what each family tells of it. The switches of an account count as they are now, whatever the moment. */
export type Insights = {
  /** What was set, and the rest from the seed. */
  model(video: Video): VideoModel;
  duration(video: Video): number;
  truth(video: Video, at: Time): Told<VideoInsights> & { activityTime: Time };
  /** Of a video that is not public, nothing. Scopes are the caller's matter. */
  told(video: Video, at: Time, family: Family): Told<Partial<VideoInsights>>;
  /** What the open family tells of it, public or not. */
  openNumbers(video: Video, at: Time): Told<OpenNumbers>;
  /** The Business family's view of one account's videos. */
  business(account: Account, at: Time): BusinessView;
  /** What an account has; the Business family tells it at once. */
  standing(account: Account, at: Time): AccountStanding;
  /** The same as the open family tells it. */
  openStanding(account: Account, at: Time): Told<AccountStanding>;
  businessAccount(account: Account, at: Time, range: DateRange): BusinessAccountView;
  accountTruth(account: Account, at: Time, range: DateRange): Told<AccountInsights>;
  /** The same as far as the family tells it; of the days, those that are over and known. */
  accountTold(account: Account, at: Time, family: Family, range: DateRange): Told<Partial<AccountTold>>;
};

export type BusinessAccountView = Told<Partial<AccountTold> & { days: Partial<AccountDay>[] }> & {
  /** Whether this account is not told of its audience at all, rather than not yet. */
  withheld: boolean;
};

const frozenMs = 365 * dayMs;
const idleMs = 7 * dayMs;
/** How far back TikTok tells days. */
export const mostDaysBack = 60;
const fewFollowers = 100;

/** Gone while a video is idle. */
const perishable = [
  'reach',
  'fullWatchRate',
  'totalWatchSeconds',
  'averageWatchSeconds',
  'impressionSources',
  'audienceCountries',
] as const;

/** What needs its owner to have turned Analytics on. */
const analytics = [
  ...['totalWatchSeconds', 'averageWatchSeconds', 'fullWatchRate', 'retention', 'likesBySecond'],
  ...['impressionSources', 'audienceTypes', 'audienceGenders', 'audienceCountries', 'audienceCities'],
  ...['newFollowers', 'profileViews', ...clickKinds],
] as readonly (keyof VideoInsights)[];

const businessDays = [
  ...['reach', 'newFollowers', 'lostFollowers', 'netFollowers'],
  ...['engagedAudience', 'audienceActivity'],
] as readonly (keyof AccountDay)[];

function without<T extends object>(values: Partial<T>, names: Iterable<keyof T>): Partial<T> {
  const left = { ...values };
  for (const name of names) delete left[name];
  return left;
}

const hasAnalytics = ({ analyticsSince }: Account, at: Time) => analyticsSince !== null && analyticsSince <= at;

/** The last time that numbers were brought up to date. */
const refreshed = (at: Time, everyMs: number): Time => (everyMs === 0 ? at : at - (at % everyMs));

export const dayStart = (time: Time): Time => Math.floor(time / dayMs) * dayMs;

export function insightsOf({ state, byAccount }: Pick<World, 'state' | 'byAccount'>): Insights {
  const duration = (video: Video) => video.durationSeconds ?? state.settings.listedDurationSec;

  /** An account's numbers take the models of all its videos, over and over: each is made up once. */
  const made = new WeakMap<Video, { set: Video['model']; whole: VideoModel }>();

  function ownModel(video: Video): VideoModel {
    const known = made.get(video);
    if (known?.set === video.model) return known.whole;
    const whole = videoModel(state.seed, video.postId, video.model);
    made.set(video, { set: video.model, whole });
    return whole;
  }

  /** Paused, too, while nobody could see the video. */
  function model(video: Video): VideoModel {
    const { hidden, createTime } = video;
    const whole = ownModel(video);
    if (hidden.length === 0) return whole;
    const unseen = hidden.map(({ from, until }) => ({
      fromMs: from - createTime,
      untilMs: until === null ? null : until - createTime,
    }));
    return { ...whole, pauses: [...whole.pauses, ...unseen] };
  }

  const life = (video: Video): Life => ({ ...model(video), durationSeconds: duration(video) });

  const accountLife = (account: Account): AccountLife => ({
    followers: account.followerCount,
    likes: account.likesCount,
    mostActiveHour: mostActiveHour(state.seed, account.openId),
    videos: byAccount.videos(account.openId).map((video) => ({ createTime: video.createTime, model: model(video) })),
  });

  const followersAt = (account: Account, at: Time) => standingAt(accountLife(account), at).followers;

  function withheldOf(account: Account, at: Time): Set<keyof VideoInsights> {
    return new Set<keyof VideoInsights>([
      ...(account.businessAccount ? [] : (['profileViews'] as const)),
      ...(account.businessAccount && account.registeredBusiness ? [] : clickKinds),
      ...(followersAt(account, at) >= fewFollowers ? [] : (['audienceCities'] as const)),
    ]);
  }

  const openTime = (at: Time) => refreshed(at, state.settings.openRefreshMs);
  const businessTime = (at: Time) => refreshed(at, state.settings.insightsRefreshMs) - state.settings.insightsDelayMs;

  function openNumbers(video: Video, at: Time): Told<OpenNumbers> {
    const asOf = openTime(at);
    const { views, likes, comments, shares } = countsAt(model(video), asOf - video.createTime);
    return { asOf, values: { durationSeconds: Math.round(duration(video)), views, likes, comments, shares } };
  }

  function business(account: Account, at: Time): BusinessView {
    const known = businessTime(at);
    const withheld = withheldOf(account, known);
    return {
      withheld,
      told(video) {
        const asOf = Math.min(known, video.createTime + frozenMs);
        const age = asOf - video.createTime;
        if (age < 0) return { asOf, values: {} };
        const whole = life(video);
        const idle = age - lastActivityAge(whole, age) > idleMs;
        const values = without(insightsAt(whole, age), [
          ...withheld,
          ...(idle ? perishable : []),
          ...(hasAnalytics(account, known) ? [] : analytics),
        ]);
        return { asOf, values };
      },
    };
  }

  function standing(account: Account, at: Time): AccountStanding {
    const { openId, followingCount } = account;
    const { followers, totalLikes } = standingAt(accountLife(account), at);
    const videoCount = byAccount.videos(openId).filter((video) => video.public && video.createTime <= at).length;
    return { followers, following: followingCount, totalLikes, videoCount };
  }

  const audience = (account: Account) => audienceShares(audienceOf(state.seed, account.openId, account.audience));

  const daysOf = (account: Account, { firstDay, lastDay }: DateRange) =>
    daysFrom(accountLife(account), firstDay, Math.max(0, (lastDay - firstDay) / dayMs + 1));

  /** Those of the last 60 days on which there was an account with Analytics, and that were over at `asOf`. */
  function knownDays(account: Account, range: DateRange, at: Time, asOf: Time): AccountDay[] {
    const { createTime, analyticsSince } = account;
    if (analyticsSince === null) return [];
    const oldest = Math.max(createTime, analyticsSince, at - mostDaysBack * dayMs);
    const firstDay = Math.max(range.firstDay, dayStart(oldest));
    const lastDay = Math.min(range.lastDay, dayStart(asOf) - dayMs);
    return daysOf(account, { firstDay, lastDay });
  }

  function openStanding(account: Account, at: Time): Told<AccountStanding> {
    const asOf = openTime(at);
    return { asOf, values: standing(account, asOf) };
  }

  function businessAccount(account: Account, at: Time, range: DateRange): BusinessAccountView {
    const asOf = businessTime(at);
    const enough = followersAt(account, asOf) >= fewFollowers;
    const omitted: (keyof AccountDay)[] = [
      ...(account.businessAccount ? [] : businessDays),
      ...(account.businessAccount && account.registeredBusiness ? [] : dayClickKinds),
      ...(enough ? [] : (['audienceActivity'] as const)),
    ];
    const days = knownDays(account, range, at, asOf).map((day) => without<AccountDay>(day, omitted));
    const shares = enough && hasAnalytics(account, asOf) ? audience(account) : {};
    return { asOf, values: { ...standing(account, at), ...shares, days }, withheld: !enough };
  }

  return {
    model: ownModel,
    duration,
    truth(video, at) {
      const whole = life(video);
      const age = at - video.createTime;
      const activityTime = video.createTime + lastActivityAge(whole, age);
      return { asOf: at, activityTime, values: insightsAt(whole, age) };
    },
    told(video, at, family) {
      const account = state.accounts.get(video.openId);
      if (!video.public || !account) return { asOf: at, values: {} };
      return family === 'OPEN' ? openNumbers(video, at) : business(account, at).told(video);
    },
    openNumbers,
    business,
    standing,
    openStanding,
    businessAccount,
    accountTruth: (account, at, range) => ({
      asOf: at,
      values: { ...standing(account, at), ...audience(account), days: daysOf(account, range) },
    }),
    accountTold(account, at, family, range) {
      if (family === 'OPEN') return openStanding(account, at);
      const { asOf, values } = businessAccount(account, at, range);
      return { asOf, values };
    },
  };
}
