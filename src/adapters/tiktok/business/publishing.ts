import type { CreatorInfo, Publishing } from '../../../application/ports/tiktok.ts';
import type { ListedVideo } from '../../../domain/post/match.ts';
import type { PostSettings } from '../../../domain/post/settings.ts';
import type { PublishStatus } from '../../../domain/post/verdict.ts';
import type { PublishError } from '../../../domain/publish-error.ts';
import { err, ok, type Result } from '../../../domain/result.ts';
import type { Answer } from '../answer.ts';
import { failure } from '../fail-reasons.ts';
import { asBoolean, asId, asList, asPositive, asText, isDefined, present } from '../fields.ts';
import { isJsonObject, type JsonObject } from '../lossless-json.ts';
import { malformed } from '../refusal.ts';
import type { Approved, BusinessApi } from './api.ts';

const MAX_TASK_ID_LENGTH = 64;
const MAX_LISTED = 20;
const LISTED_FIELDS = ['item_id', 'create_time', 'caption', 'video_duration', 'share_url'];

/** Videos are fetched by TikTok and by no other way (business-api §6.3). */
export function businessPublishing(api: BusinessApi): Publishing {
  return {
    async readCreator(accessToken) {
      const path = '/business/video/settings/';
      const answer = await api.call({ path, accessToken, scopes: ['video.publish'] });
      return answer.ok ? readSettings(answer.value) : answer;
    },

    async announcePull(accessToken, { caption, settings, mediaUrl }) {
      const answer = await api.call({
        path: '/business/video/publish/',
        accessToken,
        body: { video_url: mediaUrl.reveal(), post_info: postInfo(caption, settings) },
        scopes: settings.draft ? ['video.upload'] : ['video.publish'],
        meaning: inWords,
      });
      return answer.ok ? readTaskId(answer.value) : answer;
    },

    async readStatus(accessToken, publishId) {
      const path = '/business/publish/status/';
      const query = { publish_id: publishId };
      const answer = await api.call({ path, accessToken, query, scopes: ['video.publish'] });
      return answer.ok ? readStatus(answer.value) : answer;
    },

    async publicAmong(accessToken, tiktokPostIds) {
      const filters = { video_ids: tiktokPostIds.slice(0, MAX_LISTED) };
      const answer = await list(accessToken, { fields: ['item_id'], filters, max_count: MAX_LISTED });
      if (!answer.ok) return answer;
      const shown = asList(answer.value.data['videos']).map((video) => isJsonObject(video) && asId(video['item_id']));
      return ok(tiktokPostIds.filter((id) => shown.includes(id)));
    },

    async listVideos(accessToken, before) {
      const query = { fields: LISTED_FIELDS, cursor: before.getTime(), max_count: MAX_LISTED };
      const answer = await list(accessToken, query);
      return answer.ok ? ok(asList(answer.value.data['videos']).map(readListed).filter(isDefined)) : answer;
    },

    shareUri: (username, tiktokPostId) =>
      `https://www.tiktok.com/@${encodeURIComponent(username)}/video/${encodeURIComponent(tiktokPostId)}`,
  };

  function list(accessToken: Parameters<Publishing['listVideos']>[0], query: JsonObject) {
    return api.call({ path: '/business/video/list/', accessToken, query, scopes: ['video.list'] });
  }
}

/** business-api §6.1. Its privacy levels are for photos: a video is public, or can't be posted by a private account. */
function readSettings({ data, answer }: Approved): Result<CreatorInfo, PublishError> {
  const levels = data['privacy_level_options'];
  const commentDisabled = asBoolean(data['comment_disabled']);
  const duetDisabled = asBoolean(data['duet_disabled']);
  const stitchDisabled = asBoolean(data['stitch_disabled']);
  const maxVideoSeconds = asPositive(data['max_video_post_duration_sec']);
  if (!Array.isArray(levels)) return err(malformed(answer, 'privacy_level_options'));
  if (commentDisabled === undefined) return err(malformed(answer, 'comment_disabled'));
  if (duetDisabled === undefined) return err(malformed(answer, 'duet_disabled'));
  if (stitchDisabled === undefined) return err(malformed(answer, 'stitch_disabled'));
  if (maxVideoSeconds === undefined) return err(malformed(answer, 'max_video_post_duration_sec'));
  return ok({
    privacyLevels: levels.includes('PUBLIC_TO_EVERYONE') ? ['PUBLIC_TO_EVERYONE'] : [],
    commentAvailable: !commentDisabled,
    duetAvailable: !duetDisabled,
    stitchAvailable: !stitchDisabled,
    maxVideoSeconds,
  });
}

/**
 * business-api §6.3. Whether the two brand flags are required its text and its table disagree about, so they are always sent. Of a
 * draft TikTok takes nothing else.
 */
const postInfo = (caption: string, settings: PostSettings): JsonObject => {
  const brand = { is_brand_organic: settings.yourBrand, is_branded_content: settings.brandedContent };
  if (settings.draft) return { ...brand, upload_to_draft: true };
  return present({
    ...brand,
    caption: caption === '' ? undefined : caption,
    disable_comment: !settings.allowComment,
    disable_duet: !settings.allowDuet,
    disable_stitch: !settings.allowStitch,
    thumbnail_offset: settings.coverMilliseconds,
    is_ai_generated: settings.aiGenerated,
  });
};

/** Bad parameter, no permission, too often: what may stand for a refusal that has no code of its own. */
const VAGUE: readonly (string | undefined)[] = ['40000', '40001', '40002', '40016', '40100'];
const POSTS_OF_A_DAY =
  /too_many_posts|\b(?:posts?|publish\w*|videos?)\b.*\b(?:daily|(?:per|a) day|24 ?h\w*)\b|\bdaily\b.*\b(?:posts?|publish\w*)\b/i;

/**
 * TikTok has no code for an address that is not verified for the app, nor for the posts of a day (business-api §13.1): where it refuses
 * them at once, only its words tell.
 */
function inWords({ code, message = '' }: Answer): PublishError | undefined {
  if (!VAGUE.includes(code)) return undefined;
  if (/url|domain/i.test(message) && /verif|ownership|propert/i.test(message)) {
    return { code: 'MEDIA_DOMAIN_UNVERIFIED' };
  }
  return POSTS_OF_A_DAY.test(message) ? { code: 'ACCOUNT_DAILY_POST_CAP' } : undefined;
}

function readTaskId({ data, answer }: Approved): Result<{ readonly publishId: string }, PublishError> {
  const publishId = asText(data['share_id']);
  return publishId === undefined || publishId.length > MAX_TASK_ID_LENGTH
    ? err(malformed(answer, 'share_id'))
    : ok({ publishId });
}

/** business-api §6.5. A word that we don't know means that TikTok still works on it. */
function readStatus({ data, answer }: Approved): Result<PublishStatus, PublishError> {
  const status = asText(data['status']);
  switch (status) {
    case undefined:
      return err(malformed(answer, 'status'));
    case 'PUBLISH_COMPLETE':
      // Ids come minutes later, and never of what is not public.
      return ok({ state: 'PUBLISHED', tiktokPostIds: asList(data['post_ids']).map(asId).filter(isDefined) });
    case 'SEND_TO_USER_INBOX':
      return ok({ state: 'IN_CREATOR_INBOX' });
    case 'FAILED':
      return ok({ state: 'FAILED', error: failure(asText(data['reason']), answer.logId) });
    default:
      return ok({ state: 'WORKING' });
  }
}

/** business-api §5.1: seconds come as text. One that can't be read is left out: absence proves nothing. */
function readListed(video: unknown): ListedVideo | undefined {
  if (!isJsonObject(video)) return undefined;
  const tiktokPostId = asId(video['item_id']);
  const createSeconds = asPositive(Number(video['create_time']));
  if (tiktokPostId === undefined || createSeconds === undefined) return undefined;
  const duration = video['video_duration'];
  return {
    tiktokPostId,
    createTime: new Date(createSeconds * 1000),
    caption: asText(video['caption']) ?? '',
    // Unknown for a day or two: nothing, or a 0 that means nothing.
    ...present({
      durationSeconds: typeof duration === 'number' && duration > 0 ? duration : undefined,
      shareUri: asText(video['share_url']),
    }),
  };
}
