import { apportion, pair, type Share, sharesOf } from './shares.ts';
import type { Pause, VideoModel } from './video-model.ts';

/** `second` from the start of the video; `fraction` 0 to 1, with four decimals. */
export type CurvePoint = { second: number; fraction: number };

/** How many clicks of a hundred are of each kind. */
const clickShares = {
  websiteClicks: 50,
  phoneNumberClicks: 10,
  leadSubmissions: 8,
  appDownloadClicks: 15,
  emailClicks: 12,
  addressClicks: 5,
};
export type ClickKind = keyof typeof clickShares;
export const clickKinds = Object.keys(clickShares) as ClickKind[];

/** Whole numbers over the whole life of a video, which never fall. */
export type VideoCounts = Record<
  'views' | 'likes' | 'comments' | 'shares' | 'favorites' | 'reach' | 'newFollowers' | 'profileViews' | ClickKind,
  number
>;

/** All that there is to know of a video at one moment. Lists are empty while nobody has seen it. */
export type VideoInsights = VideoCounts & {
  /** With three decimals, like the two times below. */
  durationSeconds: number;
  totalWatchSeconds: number;
  /** Total by views; 0 without views. */
  averageWatchSeconds: number;
  /** The end of the retention curve; 0 without views. */
  fullWatchRate: number;
  /** For each second from 0; the last point is the end of the video. Its area is the average watch time. */
  retention: CurvePoint[];
  /** Adds up to 1. Empty without likes. */
  likesBySecond: CurvePoint[];
  /** These four: largest first. */
  impressionSources: Share[];
  audienceGenders: Share[];
  /** At most 10, like the cities. */
  audienceCountries: Share[];
  audienceCities: Share[];
  /** New and returning viewers add up to 1, followers and others too. */
  audienceTypes: Share[];
};

/** One video's model with what is known of the video itself. Ages are milliseconds since it was posted. */
export type Life = VideoModel & { readonly durationSeconds: number };

const mostPlaces = 10;
const likelySecond = 0.4;

const rounded = (value: number, decimals: number) => Math.round(value * 10 ** decimals) / 10 ** decimals;

/** The part of an age that was not paused. */
function activeAge(age: number, pauses: readonly Pause[]): number {
  let active = age;
  let counted = 0;
  for (const { fromMs, untilMs } of pauses.toSorted((one, other) => one.fromMs - other.fromMs)) {
    const from = Math.max(counted, fromMs);
    const until = Math.min(age, untilMs ?? age);
    if (until <= from) continue;
    active -= until - from;
    counted = until;
  }
  return active;
}

function viewsAt({ finalViews, halfLifeMs, pauses }: VideoModel, age: number): number {
  if (age < 0) return 0;
  const active = activeAge(age, pauses);
  if (halfLifeMs === 0) return finalViews;
  return Math.round(finalViews * (1 - 2 ** (-active / halfLifeMs)));
}

/** The counters only: what sums over many videos and days need. */
export function countsAt(life: VideoModel, age: number): VideoCounts {
  const views = viewsAt(life, age);
  const progress = views === 0 ? 0 : views / life.finalViews;
  const grown = (final: number) => Math.floor(final * progress);
  const clicks = (kind: ClickKind) => grown((life.finalClicks * clickShares[kind]) / 100);
  return {
    views,
    likes: grown(life.finalLikes),
    comments: grown(life.finalComments),
    shares: grown(life.finalShares),
    favorites: grown(life.finalFavorites),
    reach: Math.min(views, Math.ceil(life.finalReach * progress)),
    newFollowers: grown(life.finalNewFollowers),
    profileViews: grown(life.finalProfileViews),
    websiteClicks: clicks('websiteClicks'),
    phoneNumberClicks: clicks('phoneNumberClicks'),
    leadSubmissions: clicks('leadSubmissions'),
    appDownloadClicks: clicks('appDownloadClicks'),
    emailClicks: clicks('emailClicks'),
    addressClicks: clicks('addressClicks'),
  };
}

/** When somebody last did something, at most `age`: everything moves with the views. Without any views, 0. */
export function lastActivityAge(life: VideoModel, age: number): number {
  const views = viewsAt(life, age);
  let before = -1; // had fewer views
  let since = Math.max(0, age);
  while (since - before > 1) {
    const middle = Math.floor((before + since) / 2);
    if (viewsAt(life, middle) === views) since = middle;
    else before = middle;
  }
  return since;
}

const nothingWatched = {
  totalWatchSeconds: 0,
  averageWatchSeconds: 0,
  fullWatchRate: 0,
  retention: [],
  likesBySecond: [],
  impressionSources: [],
  audienceGenders: [],
  audienceCountries: [],
  audienceCities: [],
  audienceTypes: [],
};

/**
 * Of the views that saw the video's start, those that still watch: from 1 down to `full`, with a mean of `mean`. Steep at the start
 * for a low mean.
 */
function retentionCurve(duration: number, mean: number, full: number): CurvePoint[] {
  const power = (1 - full) / (mean - full) - 1;
  return Array.from({ length: Math.ceil(duration) + 1 }, (_, second) => {
    const left = 1 - Math.min(second, duration) / duration;
    return { second, fraction: rounded(full + (1 - full) * left ** power, 4) };
  });
}

function likesCurve(duration: number, retention: readonly CurvePoint[]): CurvePoint[] {
  const liked = Math.floor(duration * likelySecond);
  const parts = apportion(retention.map(({ second, fraction }) => fraction * (second === liked ? 4 : 1)));
  return parts.map((part, second) => ({ second, fraction: part / 10_000 }));
}

export function insightsAt(life: Life, age: number): VideoInsights {
  const counts = countsAt(life, age);
  const { views } = counts;
  const { durationSeconds } = life;
  if (views === 0) return { ...counts, durationSeconds, ...nothingWatched };

  /** 1 with the first view, 0 with the last: those who come first follow the account and watch longer. */
  const early = 1 - views / life.finalViews;
  const longer = 1 + early * Math.min(0.25, (1 / life.meanWatchShare - 1) / 2);
  const mean = life.meanWatchShare * longer;
  const fullWatchRate = rounded(life.fullWatchRate * longer, 4);
  const totalWatchMs = Math.round(views * durationSeconds * 1_000 * mean);
  const retention = retentionCurve(durationSeconds, mean, fullWatchRate);
  const [newViewers, returning] = pair(life.newViewerShare);
  const [followers, others] = pair(life.followerShare + ((1 - life.followerShare) * early) / 2);
  const { Follow: fromFollowing } = life.impressionSources;
  return {
    ...counts,
    durationSeconds,
    totalWatchSeconds: totalWatchMs / 1_000,
    averageWatchSeconds: rounded(totalWatchMs / views / 1_000, 3),
    fullWatchRate,
    retention,
    likesBySecond: counts.likes === 0 ? [] : likesCurve(durationSeconds, retention),
    impressionSources: sharesOf({
      ...life.impressionSources,
      ...(fromFollowing === undefined ? {} : { Follow: fromFollowing * (1 + 2 * early) }),
    }),
    audienceGenders: sharesOf(life.audienceGenders),
    audienceCountries: sharesOf(life.audienceCountries, mostPlaces),
    audienceCities: sharesOf(life.audienceCities, mostPlaces),
    audienceTypes: [
      { name: 'NEW_VIEWER', fraction: newViewers },
      { name: 'RETURN_VIEWER', fraction: returning },
      { name: 'FOLLOWER_PERCENT', fraction: followers },
      { name: 'NON_FOLLOWER_PERCENT', fraction: others },
    ],
  };
}
