import type { Insights } from '../../../application/ports/tiktok.ts';
import type { VideoReading } from '../../../domain/analytics/reading.ts';
import type { PublishError } from '../../../domain/publish-error.ts';
import { err, ok, type Result } from '../../../domain/result.ts';
import type { Secret } from '../../../domain/secret.ts';
import { asCount, asId, asPositive, asText, asTime, present } from '../fields.ts';
import { isJsonObject, type JsonObject } from '../lossless-json.ts';
import { malformed } from '../refusal.ts';
import { readAsked, readPage } from '../video-page.ts';
import type { Api, Approved } from './api.ts';

const MAX_LISTED = 20;
/** All of `video.list` (open-api §7). */
const VIDEO_FIELDS =
  'id,create_time,video_description,duration,share_url,view_count,like_count,comment_count,share_count';
/** All of `user.info.stats` (open-api §3). */
const ACCOUNT_FIELDS = 'follower_count,following_count,likes_count,video_count';

/** This family counts four things of a video and four of an account, and knows no days. */
export function openInsights(api: Api): Insights {
  async function ask(
    scope: string,
    granted: readonly string[],
    request: { readonly path: string; readonly accessToken: Secret; readonly body?: JsonObject },
  ): Promise<Result<Approved, PublishError>> {
    return granted.includes(scope)
      ? api.call({ ...request, scopes: [scope] })
      : err({ code: 'ACCOUNT_SCOPE_MISSING', scopes: [scope] });
  }

  return {
    async listVideos(accessToken, scopes, before) {
      const body = { cursor: before.getTime(), max_count: MAX_LISTED };
      const path = `/v2/video/list/?fields=${VIDEO_FIELDS}`;
      const answer = await ask('video.list', scopes, { path, accessToken, body });
      return answer.ok ? readPage(answer.value, before, readVideo) : answer;
    },

    async readVideos(accessToken, scopes, tiktokPostIds) {
      if (tiktokPostIds.length === 0) return ok([]);
      const body = { filters: { video_ids: tiktokPostIds } };
      const path = `/v2/video/query/?fields=${VIDEO_FIELDS}`;
      const answer = await ask('video.list', scopes, { path, accessToken, body });
      return answer.ok ? readAsked(answer.value, tiktokPostIds, readVideo) : answer;
    },

    async readAccount(accessToken, scopes) {
      const path = `/v2/user/info/?fields=${ACCOUNT_FIELDS}`;
      const answer = await ask('user.info.stats', scopes, { path, accessToken });
      if (!answer.ok) return answer;
      const user = answer.value.data['user'];
      if (!isJsonObject(user)) return err(malformed(answer.value.answer, 'user'));
      const numbers = present({
        followers: asCount(user['follower_count']),
        following: asCount(user['following_count']),
        totalLikes: asCount(user['likes_count']),
        videoCount: asCount(user['video_count']),
      });
      return ok({ numbers, days: [], breakdowns: {} });
    },
  };
}

/** open-api §7. A number that is not there is not known, whether TikTok left it out or wrote `null`. */
function readVideo(video: JsonObject): VideoReading | undefined {
  const tiktokPostId = asId(video['id']);
  const createTime = asTime(video['create_time']);
  if (tiktokPostId === undefined || createTime === undefined) return undefined;
  return {
    tiktokPostId,
    createTime,
    caption: asText(video['video_description']) ?? '',
    ...present({ shareUri: asText(video['share_url']), durationSeconds: asPositive(video['duration']) }),
    numbers: present({
      views: asCount(video['view_count']),
      likes: asCount(video['like_count']),
      comments: asCount(video['comment_count']),
      shares: asCount(video['share_count']),
    }),
    curves: {},
    breakdowns: {},
  };
}
