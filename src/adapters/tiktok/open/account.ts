import type { Authorization } from '../../../application/ports/tiktok.ts';
import { err, ok } from '../../../domain/result.ts';
import { asBoolean, asCount, asText, present } from '../fields.ts';
import { isJsonObject } from '../lossless-json.ts';
import { malformed } from '../refusal.ts';
import type { Api } from './api.ts';

/** What each scope lets us ask (open-api §3). A field without its scope fails the whole call. */
const FIELDS_BY_SCOPE = {
  'user.info.basic': ['open_id', 'display_name', 'avatar_url'],
  'user.info.profile': ['username', 'is_verified'],
  'user.info.stats': ['follower_count', 'following_count', 'likes_count', 'video_count'],
} as const;

export const readAccount =
  (api: Api): Authorization['readAccount'] =>
  async (accessToken, scopes) => {
    const usable = Object.entries(FIELDS_BY_SCOPE).filter(([scope]) => scopes.includes(scope));
    // Without an id and a name there is no account to speak of, so TikTok need not be asked.
    if (!scopes.includes('user.info.basic')) {
      return err({ code: 'ACCOUNT_SCOPE_MISSING', scopes: ['user.info.basic'] });
    }
    const answer = await api.call({
      path: `/v2/user/info/?fields=${usable.flatMap(([, fields]) => fields).join(',')}`,
      accessToken,
      scopes: usable.map(([scope]) => scope),
    });
    if (!answer.ok) return answer;
    const user = isJsonObject(answer.value.data['user']) ? answer.value.data['user'] : {};
    const openId = asText(user['open_id']);
    const displayName = user['display_name'];
    if (openId === undefined) return err(malformed(answer.value.answer, 'user.open_id'));
    if (typeof displayName !== 'string') return err(malformed(answer.value.answer, 'user.display_name'));
    return ok({
      openId,
      displayName,
      ...present({
        username: asText(user['username']),
        avatarUri: asText(user['avatar_url']),
        verified: asBoolean(user['is_verified']),
        followerCount: asCount(user['follower_count']),
        followingCount: asCount(user['following_count']),
        likesCount: asCount(user['likes_count']),
        videoCount: asCount(user['video_count']),
      }),
    });
  };
