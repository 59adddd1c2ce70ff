import { fractions } from '../ids.ts';
import { type Share, sharesOf, type Weights } from './shares.ts';
import { type ClickKind, clickKinds, countsAt, type VideoCounts } from './video-insights.ts';
import { cities, countries, falling, genders, type VideoModel } from './video-model.ts';

export const dayMs = 86_400_000;

/** Who follows an account. */
export type Audience = { ages: Weights; genders: Weights; countries: Weights; cities: Weights };

/** An account with all the videos that it ever had. Times are milliseconds since 1970. */
export type AccountLife = {
  /** Followers and likes that the videos did not bring. */
  readonly followers: number;
  readonly likes: number;
  /** UTC. */
  readonly mostActiveHour: number;
  readonly videos: readonly { readonly createTime: number; readonly model: VideoModel }[];
};

/** The links of a profile, all taken together, instead of the website of a video. */
type DayClickKind = Exclude<ClickKind, 'websiteClicks'> | 'bioLinkClicks';
export const dayClickKinds = [
  'bioLinkClicks',
  ...clickKinds.filter((kind) => kind !== 'websiteClicks'),
] as readonly DayClickKind[];

/** One day, UTC. Everything is counted from its start to its end, except `followers`, who stand at its end. */
export type AccountDay = Record<DayClickKind, number> & {
  /** `YYYY-MM-DD`. */
  date: string;
  videoViews: number;
  profileViews: number;
  likes: number;
  comments: number;
  shares: number;
  followers: number;
  /** People reached. */
  reach: number;
  newFollowers: number;
  lostFollowers: number;
  /** New ones less lost ones: may be below 0. */
  netFollowers: number;
  /** People who did something with a video. */
  engagedAudience: number;
  /** Followers who were there in each hour, from 0 to 23 UTC. */
  audienceActivity: { hour: number; count: number }[];
};

export type AudienceShares = {
  audienceAges: Share[];
  audienceGenders: Share[];
  audienceCountries: Share[];
  audienceCities: Share[];
};

/** Of those whom a video brought, so many leave after a week. */
const lostShare = 0.2;
const lostAfterMs = 7 * dayMs;
/** Whoever likes often comments, too. */
const engagedShare = 0.8;

export function audienceOf(seed: string, openId: string, set: Partial<Audience>): Audience {
  const draw = fractions(seed, `audience ${openId}`);
  return {
    ages: falling(['18-24', '25-34', '35-44', '45-54', '55+'], draw(0), 0.6),
    genders: genders(draw(1)),
    countries: falling(countries, draw(2), 0.5),
    cities: falling(cities, draw(2), 0.65),
    ...set,
  };
}

export const mostActiveHour = (seed: string, openId: string): number =>
  Math.floor(24 * fractions(seed, `audience ${openId}`)(3));

export const audienceShares = (audience: Audience): AudienceShares => ({
  audienceAges: sharesOf(audience.ages),
  audienceGenders: sharesOf(audience.genders),
  audienceCountries: sharesOf(audience.countries),
  audienceCities: sharesOf(audience.cities),
});

type Totals = Omit<VideoCounts, 'favorites'> & { lostFollowers: number };

const nothing: Readonly<Totals> = {
  ...{ views: 0, likes: 0, comments: 0, shares: 0, reach: 0, newFollowers: 0, lostFollowers: 0, profileViews: 0 },
  ...{ websiteClicks: 0, phoneNumberClicks: 0, leadSubmissions: 0 },
  ...{ appDownloadClicks: 0, emailClicks: 0, addressClicks: 0 },
};
const totalNames = Object.keys(nothing) as (keyof Totals)[];

/** Over all videos, from the first day to this moment. None of them ever falls. */
function totalsAt({ videos }: AccountLife, time: number): Totals {
  const totals = { ...nothing };
  for (const { createTime, model } of videos) {
    const age = time - createTime;
    if (age < 0) continue;
    const lostFollowers = Math.floor(countsAt(model, age - lostAfterMs).newFollowers * lostShare);
    const counts = { ...countsAt(model, age), lostFollowers };
    for (const name of totalNames) totals[name] += counts[name];
  }
  return totals;
}

/** What an account has at this moment. */
export function standingAt(life: AccountLife, time: number): { followers: number; totalLikes: number } {
  const { likes, newFollowers, lostFollowers } = totalsAt(life, time);
  return { followers: life.followers + newFollowers - lostFollowers, totalLikes: life.likes + likes };
}

export const dateOf = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** `count` days from the one that begins at `firstDay`. */
export function daysFrom(life: AccountLife, firstDay: number, count: number): AccountDay[] {
  const days: AccountDay[] = [];
  let before = totalsAt(life, firstDay);
  for (let day = firstDay; days.length < count; day += dayMs) {
    const after = totalsAt(life, day + dayMs);
    days.push(dayBetween(life, day, before, after));
    before = after;
  }
  return days;
}

function dayBetween(life: AccountLife, day: number, before: Totals, after: Totals): AccountDay {
  const grown = (name: keyof Totals) => after[name] - before[name];
  const followers = life.followers + after.newFollowers - after.lostFollowers;
  return {
    date: dateOf(day),
    videoViews: grown('views'),
    profileViews: grown('profileViews'),
    likes: grown('likes'),
    comments: grown('comments'),
    shares: grown('shares'),
    followers,
    reach: grown('reach'),
    newFollowers: grown('newFollowers'),
    lostFollowers: grown('lostFollowers'),
    netFollowers: grown('newFollowers') - grown('lostFollowers'),
    engagedAudience: Math.floor((grown('likes') + grown('comments') + grown('shares')) * engagedShare),
    bioLinkClicks: grown('websiteClicks'),
    phoneNumberClicks: grown('phoneNumberClicks'),
    leadSubmissions: grown('leadSubmissions'),
    appDownloadClicks: grown('appDownloadClicks'),
    emailClicks: grown('emailClicks'),
    addressClicks: grown('addressClicks'),
    audienceActivity: Array.from({ length: 24 }, (_, hour) => {
      const away = (1 - Math.cos(((hour - life.mostActiveHour) / 24) * 2 * Math.PI)) / 2;
      return { hour, count: Math.floor(followers * (0.35 - 0.3 * away)) };
    }),
  };
}
