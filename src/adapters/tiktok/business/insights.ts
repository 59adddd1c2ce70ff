import type { Clock } from '../../../application/ports/clock.ts';
import type { Insights } from '../../../application/ports/tiktok.ts';
import type {
  AccountDay,
  AccountReading,
  CurvePoint,
  Day,
  HourCount,
  Share,
  VideoReading,
} from '../../../domain/analytics/reading.ts';
import type { PublishError } from '../../../domain/publish-error.ts';
import { err, ok, type Result } from '../../../domain/result.ts';
import type { Secret } from '../../../domain/secret.ts';
import { asAmount, asCount, asFraction, asId, asList, asText, asTime, asWhole, isDefined, present } from '../fields.ts';
import { isJsonObject, type JsonObject } from '../lossless-json.ts';
import { readAsked, readPage } from '../video-page.ts';
import type { Approved, BusinessApi } from './api.ts';

const MAX_LISTED = 20;
const TOO_MANY_IDS = '40011';

/** What each scope lets us ask of a video (business-api §5.1). */
const VIDEO_FIELDS = {
  'video.list': [
    'item_id',
    'create_time',
    'caption',
    'share_url',
    'video_duration',
    'video_views',
    'likes',
    'comments',
    'shares',
    'favorites',
    'reach',
  ],
  'video.insights': [
    'total_time_watched',
    'average_time_watched',
    'full_video_watched_rate',
    'new_followers',
    'profile_views',
    'video_view_retention',
    'engagement_likes',
    'impression_sources',
    'audience_types',
    'audience_genders',
    'audience_countries',
    'audience_cities',
  ],
} as const;

/** Of an account, at this moment (business-api §4). Beside days, TikTok tells `followers_count` of each of them too. */
const STATS_FIELDS = ['followers_count', 'following_count', 'total_likes', 'videos_count'];
const AUDIENCE_FIELDS = ['audience_ages', 'audience_genders', 'audience_countries', 'audience_cities'];
const DAY_FIELDS = [
  'video_views',
  'unique_video_views',
  'profile_views',
  'likes',
  'comments',
  'shares',
  'daily_new_followers',
  'daily_lost_followers',
  'engaged_audience',
  'bio_link_clicks',
  'audience_activity',
];

const DAY_MS = 86_400_000;
/** How far back TikTok tells days, and takes a date without refusing the call (business-api §4). */
const MAX_DAYS_BACK = 60;
/** A call may be on its way while the day ends, and TikTok's clock is not ours. */
const AROUND_MIDNIGHT_MS = 60_000;
/** When TikTok's numbers of a video are there at the latest (business-api §5.1). */
const COUNTED_AFTER_MS = 2 * DAY_MS;

export function businessInsights(
  api: BusinessApi,
  { clock, maxAnswerBytes }: { readonly clock: Clock; readonly maxAnswerBytes: number },
): Insights {
  async function askVideos(
    accessToken: Secret,
    granted: readonly string[],
    which: JsonObject,
  ): Promise<Result<Approved, PublishError>> {
    if (!granted.includes('video.list')) return err({ code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.list'] });
    const usable = Object.entries(VIDEO_FIELDS).filter(([scope]) => granted.includes(scope));
    return api.call({
      path: '/business/video/list/',
      accessToken,
      query: { fields: usable.flatMap(([, fields]) => fields), ...which, max_count: MAX_LISTED },
      scopes: usable.map(([scope]) => scope),
      maxAnswerBytes,
    });
  }

  async function readVideos(
    accessToken: Secret,
    scopes: readonly string[],
    tiktokPostIds: readonly string[],
  ): Promise<Result<readonly VideoReading[], PublishError>> {
    if (tiktokPostIds.length === 0) return ok([]);
    const answer = await askVideos(accessToken, scopes, { filters: { video_ids: tiktokPostIds } });
    if (answer.ok) return readAsked(answer.value, tiktokPostIds, readVideoAt(clock.now()));
    if (answer.error.tiktokCode !== TOO_MANY_IDS || tiktokPostIds.length === 1) return answer;
    // How many may be asked about at once is not documented (business-api §13.5): half of them then.
    const half = Math.ceil(tiktokPostIds.length / 2);
    const first = await readVideos(accessToken, scopes, tiktokPostIds.slice(0, half));
    if (!first.ok) return first;
    const second = await readVideos(accessToken, scopes, tiktokPostIds.slice(half));
    return second.ok ? ok([...first.value, ...second.value]) : second;
  }

  return {
    async listVideos(accessToken, scopes, before) {
      const answer = await askVideos(accessToken, scopes, { cursor: before.getTime() });
      return answer.ok ? readPage(answer.value, before, readVideoAt(clock.now())) : answer;
    },

    readVideos,

    async readAccount(accessToken, granted, from, until) {
      const usable = ['user.info.stats', 'user.insights'].filter((scope) => granted.includes(scope));
      if (usable.length === 0) {
        return err({ code: 'ACCOUNT_SCOPE_MISSING', scopes: ['user.info.stats', 'user.insights'] });
      }
      const insights = granted.includes('user.insights');
      const days = insights ? knownDays(from, until, clock.now().getTime()) : undefined;
      const answer = await api.call({
        path: '/business/get/',
        accessToken,
        query: {
          fields: [
            ...(granted.includes('user.info.stats') ? STATS_FIELDS : []),
            ...(insights ? AUDIENCE_FIELDS : []),
            ...(days === undefined ? [] : DAY_FIELDS),
          ],
          ...(days && { start_date: days.from, end_date: days.until }),
        },
        scopes: usable,
      });
      return answer.ok ? ok(readAccount(answer.value.data, days)) : answer;
    },
  };
}

/**
 * business-api §5.1. How TikTok writes what it has not counted yet is not documented (§5.2, §13.4). We take a 0, and an empty list,
 * of a video younger than 48 hours for that; of an older one 0 is a number, and an empty list still says nothing. Nor is it documented
 * for numbers that go away while a video is idle, or wait for Analytics to be turned on. But a view lasts and reaches somebody: where
 * there are views, and no time or no reach, a 0 of what may be withheld is no number either.
 */
const readVideoAt =
  (now: Date) =>
  (video: JsonObject): VideoReading | undefined => {
    const tiktokPostId = asId(video['item_id']);
    const createTime = asTime(video['create_time']);
    if (tiktokPostId === undefined || createTime === undefined) return undefined;
    const counted = now.getTime() - createTime.getTime() >= COUNTED_AFTER_MS;
    const told = (value: number | undefined) => (value === 0 && !counted ? undefined : value);
    const views = asCount(video['video_views']);
    const unwatched = video['reach'] === 0 || video['total_time_watched'] === 0;
    const withheld = unwatched && views !== undefined && views > 0;
    const toldIfAtAll = (value: number | undefined) => (value === 0 && withheld ? undefined : told(value));
    const toldAny = <T extends { readonly fraction: number }>(series: readonly T[] | undefined) =>
      counted || series?.some(({ fraction }) => fraction > 0) ? series : undefined;
    return {
      tiktokPostId,
      createTime,
      caption: asText(video['caption']) ?? '',
      ...present({
        shareUri: asText(video['share_url']),
        // No video lasts for 0 seconds, whatever its age.
        durationSeconds: asAmount(video['video_duration']) || undefined,
      }),
      numbers: present({
        views: told(views),
        likes: told(asCount(video['likes'])),
        comments: told(asCount(video['comments'])),
        shares: told(asCount(video['shares'])),
        favorites: told(asCount(video['favorites'])),
        reach: toldIfAtAll(asCount(video['reach'])),
        totalWatchSeconds: toldIfAtAll(asAmount(video['total_time_watched'])),
        averageWatchSeconds: toldIfAtAll(asAmount(video['average_time_watched'])),
        fullWatchRate: toldIfAtAll(asFraction(video['full_video_watched_rate'])),
        newFollowers: toldIfAtAll(asCount(video['new_followers'])),
        profileViews: toldIfAtAll(asCount(video['profile_views'])),
      }),
      curves: present({
        retention: toldAny(curve(video['video_view_retention'])),
        likesBySecond: toldAny(curve(video['engagement_likes'])),
      }),
      breakdowns: present({
        impressionSources: toldAny(shares(video['impression_sources'], 'impression_source')),
        audienceTypes: toldAny(shares(video['audience_types'], 'type')),
        audienceGenders: toldAny(shares(video['audience_genders'], 'gender')),
        audienceCountries: toldAny(shares(video['audience_countries'], 'country')),
        audienceCities: toldAny(shares(video['audience_cities'], 'city_name')),
      }),
    };
  };

const curve = (value: unknown): readonly CurvePoint[] | undefined =>
  series(value, (entry, fraction) => {
    const second = asWhole(entry['second']);
    return second === undefined ? undefined : { second, fraction };
  })?.toSorted((left, right) => left.second - right.second);

const shares = (value: unknown, nameField: string): readonly Share[] | undefined =>
  series(value, (entry, fraction) => {
    const name = asText(entry[nameField]);
    return name === undefined ? undefined : { name, fraction };
  })?.toSorted((left, right) => right.fraction - left.fraction);

/**
 * Entries that can't be read are left out; undefined when none is left. One beyond 1 says that the scale is not the one that we know
 * (business-api §13.12), and then those below it can't be read either.
 */
function series<T>(
  value: unknown,
  read: (entry: JsonObject, fraction: number) => T | undefined,
): readonly T[] | undefined {
  const entries = asList(value).filter(isJsonObject);
  const beyondOne = ({ percentage }: { readonly percentage?: unknown }) =>
    Number(percentage) > 1 && asFraction(percentage) === undefined;
  if (entries.some(beyondOne)) return undefined;
  return unlessEmpty(
    entries
      .map((entry) => {
        const fraction = asFraction(entry['percentage']);
        return fraction === undefined ? undefined : read(entry, fraction);
      })
      .filter(isDefined),
  );
}

const unlessEmpty = <T>(list: readonly T[]): readonly T[] | undefined => (list.length === 0 ? undefined : list);

type Days = { readonly from: Day; readonly until: Day };

/** Those of the days asked for that TikTok may know: the 60 before today, in UTC. Undefined: none. */
function knownDays(from: Day, until: Day, now: number): Days | undefined {
  const earliest = dayOf(now + AROUND_MIDNIGHT_MS - MAX_DAYS_BACK * DAY_MS);
  const latest = dayOf(now - AROUND_MIDNIGHT_MS - DAY_MS);
  const known = { from: from > earliest ? from : earliest, until: until < latest ? until : latest };
  return known.from <= known.until ? known : undefined;
}

const dayOf = (time: number): Day => new Date(time).toISOString().slice(0, 10);

/** business-api §4. */
const readAccount = (data: JsonObject, asked: Days | undefined): AccountReading => ({
  numbers: present({
    followers: asCount(data['followers_count']),
    following: asCount(data['following_count']),
    totalLikes: asCount(data['total_likes']),
    videoCount: asCount(data['videos_count']),
  }),
  days: asked === undefined ? [] : readDays(data['metrics'], asked),
  breakdowns: present({
    audienceAges: shares(data['audience_ages'], 'age'),
    audienceGenders: shares(data['audience_genders'], 'gender'),
    audienceCountries: shares(data['audience_countries'], 'country'),
    audienceCities: shares(data['audience_cities'], 'city_name'),
  }),
});

/** Each once. A day without a number, or one that nobody asked for, is left out. */
function readDays(value: unknown, { from, until }: Days): readonly AccountDay[] {
  const days = asList(value)
    .filter(isJsonObject)
    .map(readDay)
    .filter(isDefined)
    .filter(({ date }) => from <= date && date <= until);
  return [...new Map(days.map((day) => [day.date, day])).values()].toSorted((left, right) =>
    left.date < right.date ? -1 : 1,
  );
}

function readDay(day: JsonObject): AccountDay | undefined {
  const date = asDay(day['date']);
  const numbers = present({
    videoViews: asCount(day['video_views']),
    reach: asCount(day['unique_video_views']),
    profileViews: asCount(day['profile_views']),
    likes: asCount(day['likes']),
    comments: asCount(day['comments']),
    shares: asCount(day['shares']),
    followers: asCount(day['followers_count']),
    newFollowers: asCount(day['daily_new_followers']),
    lostFollowers: asCount(day['daily_lost_followers']),
    engagedAudience: asCount(day['engaged_audience']),
    bioLinkClicks: asCount(day['bio_link_clicks']),
  });
  const audienceActivity = hours(day['audience_activity']);
  const silent = Object.keys(numbers).length === 0 && audienceActivity === undefined;
  return date === undefined || silent ? undefined : { date, numbers, ...present({ audienceActivity }) };
}

/** A day that the calendar has. */
function asDay(value: unknown): Day | undefined {
  const time = Date.parse(`${value}T00:00:00Z`);
  return !Number.isNaN(time) && dayOf(time) === value ? value : undefined;
}

const hours = (value: unknown): readonly HourCount[] | undefined =>
  unlessEmpty(
    asList(value)
      .filter(isJsonObject)
      .map((entry) => {
        const hour = asWhole(entry['hour']);
        const count = asCount(entry['count']);
        return hour === undefined || hour > 23 || count === undefined ? undefined : { hour, count };
      })
      .filter(isDefined)
      .toSorted((left, right) => left.hour - right.hour),
  );
