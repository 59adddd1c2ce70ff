import type { Account } from '../state.ts';
import type { World } from '../world.ts';
import { type Checked, invalid, valid } from './answers.ts';
import type { AccountEndpoint, Parameters } from './endpoints.ts';
import { askedFields } from './fields.ts';
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

/** Known, and not collected here: the answer has none of them. */
const insights = [
  'video_views',
  'profile_views',
  'likes',
  'comments',
  'shares',
  'unique_video_views',
  'daily_total_followers',
  'daily_new_followers',
  'daily_lost_followers',
  'engaged_audience',
  'audience_activity',
  'bio_link_clicks',
  'audience_ages',
  'audience_genders',
  'audience_countries',
  'audience_cities',
] as const;

type ProfileField = keyof typeof profileScopes;
type Field = ProfileField | (typeof insights)[number];

const scopeOf: Readonly<Record<Field, BusinessScope>> = {
  ...profileScopes,
  ...(Object.fromEntries(insights.map((name) => [name, 'user.insights'])) as Record<
    (typeof insights)[number],
    'user.insights'
  >),
};

const dayMs = 86_400_000;

/** `YYYY-MM-DD`, UTC, not more than 60 days back. */
function checkDates(world: World, parameters: Parameters): Checked<undefined> {
  for (const field of ['start_date', 'end_date']) {
    const date = parameters[field];
    if (date === undefined) continue;
    const time = Date.parse(`${String(date)}T00:00:00Z`);
    if (!/^\d{4}-\d{2}-\d{2}$/.test(String(date)) || Number.isNaN(time)) return invalid(field, 'Not a valid date.');
    if (time < world.clock.now() - 61 * dayMs) return invalid(field, 'Must be within the last 60 days.');
  }
  return valid(undefined);
}

export function businessAccount(world: World): AccountEndpoint {
  function profile(account: Account): Record<ProfileField, string | number | boolean> {
    const expires = Math.floor(world.clock.now() / 1000) + 86_400;
    return {
      is_business_account: account.businessAccount,
      profile_image: `${world.origin()}/avatars/${encodeURIComponent(account.username)}.jpeg?x-expires=${expires}`,
      display_name: account.displayName,
      username: account.username,
      profile_deep_link: `https://vm.tiktok.com/${encodeURIComponent(account.username)}/`,
      bio_description: account.bio,
      is_verified: account.verified,
      following_count: account.followingCount,
      followers_count: account.followerCount,
      total_likes: account.likesCount,
      videos_count: world.byAccount.videos(account.openId).filter((video) => video.public).length,
    };
  }

  return {
    name: 'business_account',
    method: 'GET',
    path: '/business/get/',
    scopes: [],
    handle({ account, grant, parameters }) {
      const dates = checkDates(world, parameters);
      if (!dates.ok) return dates;
      const fields = askedFields(parameters, grant, scopeOf, ['display_name', 'profile_image']);
      if (!fields.ok) return fields;
      const all: Record<string, unknown> = profile(account);
      const asked = fields.value.filter((field) => Object.hasOwn(profileScopes, field));
      const daily = asked.length < fields.value.length ? { metrics: [] } : {};
      return { ok: true, data: { ...Object.fromEntries(asked.map((field) => [field, all[field]])), ...daily } };
    },
  };
}
