import { dateOf, dayMs } from '../insights/account-insights.ts';
import { type AccountTold, type DateRange, dayStart, mostDaysBack } from '../insights/told.ts';
import type { Account } from '../state.ts';
import type { World } from '../world.ts';
import { type Checked, invalid, valid } from './answers.ts';
import type { AccountEndpoint, Parameters } from './endpoints.ts';
import { askedFields } from './fields.ts';
import { elements } from './video-fields.ts';
import type { BusinessScope } from './vocabulary.ts';

const profileScopes = {
  is_business_account: 'user.account.type',
  profile_image: 'user.info.basic',
  display_name: 'user.info.basic',
  username: 'user.info.username',
  profile_deep_link: 'user.info.profile',
  bio_description: 'user.info.profile',
  is_verified: 'user.info.profile',
  following_count: 'user.info.stats',
  followers_count: 'user.info.stats',
  total_likes: 'user.info.stats',
  videos_count: 'user.info.stats',
} as const satisfies Record<string, BusinessScope>;

/** By day. `followers_count` is one of the profile, too. */
const daily = {
  video_views: 'videoViews',
  profile_views: 'profileViews',
  likes: 'likes',
  comments: 'comments',
  shares: 'shares',
  followers_count: 'followers',
  unique_video_views: 'reach',
  daily_total_followers: 'netFollowers',
  daily_new_followers: 'newFollowers',
  daily_lost_followers: 'lostFollowers',
  engaged_audience: 'engagedAudience',
  audience_activity: 'audienceActivity',
  phone_number_clicks: 'phoneNumberClicks',
  lead_submissions: 'leadSubmissions',
  app_download_clicks: 'appDownloadClicks',
  bio_link_clicks: 'bioLinkClicks',
  email_clicks: 'emailClicks',
  address_clicks: 'addressClicks',
} as const satisfies Record<string, keyof AccountTold['days'][number]>;

/** Our name of it, and what TikTok calls the name of a share. */
const audience = {
  audience_ages: ['audienceAges', 'age'],
  audience_genders: ['audienceGenders', 'gender'],
  audience_countries: ['audienceCountries', 'country'],
  audience_cities: ['audienceCities', 'city_name'],
} as const satisfies Record<string, readonly [keyof AccountTold, string]>;

type ProfileField = keyof typeof profileScopes;
type DailyField = keyof typeof daily;
type AudienceField = keyof typeof audience;
type Field = ProfileField | DailyField | AudienceField;

const isProfile = (field: Field): field is ProfileField => Object.hasOwn(profileScopes, field);
const isDaily = (field: Field): field is DailyField => Object.hasOwn(daily, field);
const isAudience = (field: Field): field is AudienceField => Object.hasOwn(audience, field);

const insightScope = 'user.insights';
const scopeOf = {
  ...(Object.fromEntries(
    [...Object.keys(daily), ...Object.keys(audience)].map((name) => [name, insightScope]),
  ) as Record<Exclude<DailyField, ProfileField> | AudienceField, typeof insightScope>),
  ...profileScopes,
} satisfies Record<Field, BusinessScope>;

function readDate(parameters: Parameters, field: string, fallback: number): Checked<number> {
  const date = parameters[field];
  if (date === undefined) return valid(fallback);
  const time = Date.parse(`${String(date)}T00:00:00Z`);
  return !Number.isNaN(time) && dateOf(time) === date ? valid(time) : invalid(field, 'Not a valid date.');
}

/** `YYYY-MM-DD`, UTC, both included; not after today and not more than 60 days back. */
function readDates(now: number, parameters: Parameters): Checked<DateRange> {
  const today = dayStart(now);
  const first = readDate(parameters, 'start_date', today - 7 * dayMs);
  if (!first.ok) return first;
  const last = readDate(parameters, 'end_date', today - dayMs);
  if (!last.ok) return last;
  if (first.value < today - mostDaysBack * dayMs) return invalid('start_date', `Must be within ${mostDaysBack} days.`);
  if (last.value > today) return invalid('end_date', 'Must not be after today.');
  if (first.value > last.value) return invalid('start_date', 'Must not be after end_date.');
  return valid({ firstDay: first.value, lastDay: last.value });
}

export function businessAccount({ state, clock, insights, origin }: World): AccountEndpoint {
  function profile(account: Account): Record<ProfileField, string | number | boolean> {
    const now = clock.now();
    const expires = Math.floor(now / 1000) + 86_400;
    const { followers, following, totalLikes, videoCount } = insights.standing(account, now);
    return {
      is_business_account: account.businessAccount,
      profile_image: `${origin()}/avatars/${encodeURIComponent(account.username)}.jpeg?x-expires=${expires}`,
      display_name: account.displayName,
      username: account.username,
      profile_deep_link: `https://vm.tiktok.com/${encodeURIComponent(account.username)}/`,
      bio_description: account.bio,
      is_verified: account.verified,
      following_count: following,
      followers_count: followers,
      total_likes: totalLikes,
      videos_count: videoCount,
    };
  }

  /** Those of the days that are known, each with what of it is told. */
  function metrics(days: AccountTold['days'], fields: readonly DailyField[]): object[] {
    return days.map((day) => {
      const told = fields.flatMap((field) => {
        const value = day[daily[field]];
        return value === undefined ? [] : [[field, inTikTokForm(value)]];
      });
      return { date: day.date, ...Object.fromEntries(told) };
    });
  }

  return {
    name: 'business_account',
    method: 'GET',
    path: '/business/get/',
    scopes: [],
    handle({ account, grant, parameters }) {
      const now = clock.now();
      const range = readDates(now, parameters);
      if (!range.ok) return range;
      const fields = askedFields<Field>(parameters, grant, scopeOf, ['display_name', 'profile_image']);
      if (!fields.ok) return fields;
      const all = profile(account);
      const data: Record<string, unknown> = {};
      for (const field of fields.value.filter(isProfile)) data[field] = all[field];
      if (!grant.scopes.includes(insightScope)) return { ok: true, data };
      const { values, withheld } = insights.businessAccount(account, now, range.value);
      const byDay = fields.value.filter(isDaily);
      if (byDay.length > 0) data['metrics'] = metrics(values.days, byDay);
      for (const field of fields.value.filter(isAudience)) {
        const [name, element] = audience[field];
        const shares = values[name];
        if (shares !== undefined) data[field] = elements(shares, element);
        else if (!withheld && state.settings.insightsGap !== 'missing') {
          data[field] = state.settings.insightsGap === 'null' ? null : [];
        }
      }
      return { ok: true, data };
    },
  };
}

const inTikTokForm = (value: string | number | readonly { hour: number; count: number }[]): unknown =>
  typeof value === 'object' ? value.map(({ hour, count }) => ({ hour: String(hour), count })) : value;
