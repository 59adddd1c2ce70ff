import type { Authorization } from '../../../application/ports/tiktok.ts';
import { err, ok } from '../../../domain/result.ts';
import { asBoolean, asCount, asText, present } from '../fields.ts';
import { malformed } from '../refusal.ts';
import type { BusinessApi } from './api.ts';

/** What each scope lets us ask (business-api §4). A field without its scope may fail the whole call. */
const FIELDS_BY_SCOPE = {
  'user.info.basic': ['display_name', 'profile_image'],
  'user.info.username': ['username'],
  'user.info.profile': ['is_verified'],
  'user.info.stats': ['followers_count', 'following_count', 'total_likes', 'videos_count'],
  'user.account.type': ['is_business_account'],
} as const;

export const readAccount =
  (api: BusinessApi): Authorization['readAccount'] =>
  async (accessToken, scopes) => {
    const usable = Object.entries(FIELDS_BY_SCOPE).filter(([scope]) => scopes.includes(scope));
    // Without a name there is no account to speak of, so TikTok need not be asked.
    if (!scopes.includes('user.info.basic')) {
      return err({ code: 'ACCOUNT_SCOPE_MISSING', scopes: ['user.info.basic'] });
    }
    const answer = await api.call({
      path: '/business/get/',
      accessToken,
      query: { fields: usable.flatMap(([, fields]) => fields) },
      scopes: usable.map(([scope]) => scope),
    });
    if (!answer.ok) return answer;
    const { data, openId } = answer.value;
    const displayName = data['display_name'];
    if (typeof displayName !== 'string') return err(malformed(answer.value.answer, 'display_name'));
    const business = asBoolean(data['is_business_account']);
    return ok({
      openId,
      displayName,
      ...present({
        username: asText(data['username']),
        avatarUri: asText(data['profile_image']),
        accountType: business === undefined ? undefined : business ? ('BUSINESS' as const) : ('PERSONAL' as const),
        verified: asBoolean(data['is_verified']),
        followerCount: asCount(data['followers_count']),
        followingCount: asCount(data['following_count']),
        likesCount: asCount(data['total_likes']),
        videoCount: asCount(data['videos_count']),
      }),
    });
  };
