import type { Account } from '../state.ts';
import type { World } from '../world.ts';
import { refused } from './answers.ts';
import { type BearerEndpoint, perApp } from './bearer.ts';
import { askedFields, checkFields } from './fields.ts';
import type { Scope } from './vocabulary.ts';

const fieldScopes = {
  open_id: 'user.info.basic',
  union_id: 'user.info.basic',
  avatar_url: 'user.info.basic',
  avatar_url_100: 'user.info.basic',
  avatar_large_url: 'user.info.basic',
  display_name: 'user.info.basic',
  bio_description: 'user.info.profile',
  profile_deep_link: 'user.info.profile',
  username: 'user.info.profile',
  is_verified: 'user.info.profile',
  follower_count: 'user.info.stats',
  following_count: 'user.info.stats',
  likes_count: 'user.info.stats',
  video_count: 'user.info.stats',
} as const satisfies Record<string, Scope>;
type UserField = keyof typeof fieldScopes;
const userFields = Object.keys(fieldScopes) as UserField[];

export function userInfoEndpoint(world: World): BearerEndpoint {
  const { state, clock, insights } = world;

  function profile(account: Account): Record<UserField, string | number | boolean> {
    const { followers, following, totalLikes, videoCount } = insights.openStanding(account, clock.now()).values;
    const avatar = `${world.origin()}/avatars/${encodeURIComponent(account.username)}`;
    return {
      open_id: account.openId,
      union_id: `union${account.openId}`,
      avatar_url: `${avatar}.jpeg`,
      avatar_url_100: `${avatar}-100.jpeg`,
      avatar_large_url: `${avatar}-large.jpeg`,
      display_name: account.displayName,
      bio_description: account.bio,
      profile_deep_link: `https://vm.tiktok.com/${encodeURIComponent(account.username)}/`,
      username: account.username,
      is_verified: account.verified,
      follower_count: followers,
      following_count: following,
      likes_count: totalLikes,
      video_count: videoCount,
    };
  }

  return {
    name: 'user_info',
    method: 'GET',
    path: '/v2/user/info/',
    // No scope for any of the fields: 401. For some of them only: 400, in `handle`.
    scopes(call) {
      const asked = askedFields(call);
      const known = userFields.filter((field) => asked.includes(field));
      return (known.length > 0 ? known : userFields).map((field) => fieldScopes[field]);
    },
    limit: perApp(() => state.settings.appPerMinute),
    handle({ call, account, grant }) {
      const fields = checkFields(call, userFields);
      if (!fields.ok) return fields;
      if (!fields.value.every((field) => grant.scopes.includes(fieldScopes[field]))) {
        return refused('scope_permission_missed');
      }
      const all = profile(account);
      return { ok: true, data: { user: Object.fromEntries(fields.value.map((field) => [field, all[field]])) } };
    },
  };
}
