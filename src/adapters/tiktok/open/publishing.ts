import type { Announced, CreatorInfo, Publishing, Quotas, Uploads } from '../../../application/ports/tiktok.ts';
import type { ChunkPlan } from '../../../domain/post/chunk-plan.ts';
import type { ListedVideo } from '../../../domain/post/match.ts';
import type { PostSettings, PrivacyLevel } from '../../../domain/post/settings.ts';
import type { PublishStatus } from '../../../domain/post/verdict.ts';
import type { PublishError } from '../../../domain/publish-error.ts';
import { err, ok, type Result } from '../../../domain/result.ts';
import { Secret } from '../../../domain/secret.ts';
import { failure } from '../fail-reasons.ts';
import { asBoolean, asCount, asId, asList, asPositive, asText, isDefined, present } from '../fields.ts';
import { isJsonObject, type JsonObject } from '../lossless-json.ts';
import { malformed } from '../refusal.ts';
import type { Api, Approved } from './api.ts';
import { type AllowedOrigins, uploadAddress } from './upload-address.ts';

/** How long an upload address lives (open-api §4.2). TikTok's answer does not tell. */
const UPLOAD_SECONDS = 3600;

/** A minute, and how much longer than another a call may be on its way. */
const WINDOW_SECONDS = 62;
/** For each user access token (open-api §8). */
export const OPEN_QUOTAS: Quotas = {
  ANNOUNCE: { calls: 6, windowSeconds: WINDOW_SECONDS },
  READ_CREATOR: { calls: 20, windowSeconds: WINDOW_SECONDS },
  READ_STATUS: { calls: 30, windowSeconds: WINDOW_SECONDS },
};

const MAX_PUBLISH_ID_LENGTH = 64;
const MAX_LISTED = 20;
const LISTED_FIELDS = 'id,create_time,video_description,duration,share_url';

export function openPublishing(
  api: Api,
  allowed: AllowedOrigins,
): Omit<Publishing, 'sendChunk'> & Pick<Uploads, 'announce'> {
  /** open-api §4.2, §4.3: of a draft only where its video comes from. */
  const init = (accessToken: Secret, caption: string, settings: PostSettings, source: JsonObject) =>
    api.call(
      settings.draft
        ? {
            path: '/v2/post/publish/inbox/video/init/',
            accessToken,
            body: { source_info: source },
            scopes: ['video.upload'],
          }
        : {
            path: '/v2/post/publish/video/init/',
            accessToken,
            body: { post_info: postInfo(caption, settings), source_info: source },
            scopes: ['video.publish'],
          },
    );

  return {
    async readCreator(accessToken) {
      const path = '/v2/post/publish/creator_info/query/';
      const answer = await api.call({ path, accessToken, body: {}, scopes: ['video.publish'] });
      return answer.ok ? readCreator(answer.value) : answer;
    },

    async announce(accessToken, { caption, settings, plan }) {
      const answer = await init(accessToken, caption, settings, uploaded(plan));
      return answer.ok ? readAnnounced(answer.value, allowed) : answer;
    },

    async announcePull(accessToken, { caption, settings, mediaUrl }) {
      const source = { source: 'PULL_FROM_URL', video_url: mediaUrl.reveal() };
      const answer = await init(accessToken, caption, settings, source);
      return answer.ok ? readPublishId(answer.value) : answer;
    },

    async readStatus(accessToken, publishId) {
      const path = '/v2/post/publish/status/fetch/';
      const body = { publish_id: publishId };
      const answer = await api.call({ path, accessToken, body, scopes: ['video.publish'] });
      return answer.ok ? readStatus(answer.value) : answer;
    },

    async publicAmong(accessToken, tiktokPostIds) {
      const path = '/v2/video/query/?fields=id';
      const body = { filters: { video_ids: tiktokPostIds.slice(0, MAX_LISTED) } };
      const answer = await api.call({ path, accessToken, body, scopes: ['video.list'] });
      if (!answer.ok) return answer;
      const shown = asList(answer.value.data['videos']).map((video) => isJsonObject(video) && asId(video['id']));
      return ok(tiktokPostIds.filter((id) => shown.includes(id)));
    },

    async listVideos(accessToken, before) {
      const path = `/v2/video/list/?fields=${LISTED_FIELDS}`;
      const body = { cursor: before.getTime(), max_count: MAX_LISTED };
      const answer = await api.call({ path, accessToken, body, scopes: ['video.list'] });
      if (!answer.ok) return answer;
      return ok(asList(answer.value.data['videos']).map(readListed).filter(isDefined));
    },

    shareUri: (username, tiktokPostId) =>
      `https://www.tiktok.com/@${encodeURIComponent(username)}/video/${encodeURIComponent(tiktokPostId)}`,
  };
}

/** open-api §4.1. Levels that we don't know can't be chosen, so they are left out. */
function readCreator({ data, answer }: Approved): Result<CreatorInfo, PublishError> {
  const nickname = data['creator_nickname'];
  const username = asText(data['creator_username']);
  const levels = data['privacy_level_options'];
  const commentDisabled = asBoolean(data['comment_disabled']);
  const duetDisabled = asBoolean(data['duet_disabled']);
  const stitchDisabled = asBoolean(data['stitch_disabled']);
  const maxVideoSeconds = asPositive(data['max_video_post_duration_sec']);
  if (typeof nickname !== 'string') return err(malformed(answer, 'creator_nickname'));
  if (username === undefined) return err(malformed(answer, 'creator_username'));
  if (!Array.isArray(levels)) return err(malformed(answer, 'privacy_level_options'));
  if (commentDisabled === undefined) return err(malformed(answer, 'comment_disabled'));
  if (duetDisabled === undefined) return err(malformed(answer, 'duet_disabled'));
  if (stitchDisabled === undefined) return err(malformed(answer, 'stitch_disabled'));
  if (maxVideoSeconds === undefined) return err(malformed(answer, 'max_video_post_duration_sec'));
  return ok({
    nickname,
    username,
    ...present({ avatarUri: asText(data['creator_avatar_url']) }),
    privacyLevels: levels.filter(isPrivacyLevel),
    commentAvailable: !commentDisabled,
    duetAvailable: !duetDisabled,
    stitchAvailable: !stitchDisabled,
    maxVideoSeconds,
  });
}

const PRIVACY_LEVELS: readonly unknown[] = [
  'PUBLIC_TO_EVERYONE',
  'MUTUAL_FOLLOW_FRIENDS',
  'FOLLOWER_OF_CREATOR',
  'SELF_ONLY',
] satisfies readonly PrivacyLevel[];

const isPrivacyLevel = (value: unknown): value is PrivacyLevel => PRIVACY_LEVELS.includes(value);

/** open-api §4.2. TikTok forbids where we allow. An absent title is an empty caption, an absent cover the first frame. */
const postInfo = (caption: string, settings: PostSettings): JsonObject =>
  present({
    title: caption === '' ? undefined : caption,
    privacy_level: settings.privacyLevel,
    disable_comment: !settings.allowComment,
    disable_duet: !settings.allowDuet,
    disable_stitch: !settings.allowStitch,
    video_cover_timestamp_ms: settings.coverMilliseconds,
    brand_content_toggle: settings.brandedContent,
    brand_organic_toggle: settings.yourBrand,
    is_aigc: settings.aiGenerated,
  });

const uploaded = ({ sizeBytes, chunkBytes, chunkCount }: ChunkPlan): JsonObject => ({
  source: 'FILE_UPLOAD',
  video_size: sizeBytes,
  chunk_size: chunkBytes,
  total_chunk_count: chunkCount,
});

function readPublishId({ data, answer }: Approved): Result<{ readonly publishId: string }, PublishError> {
  const publishId = asText(data['publish_id']);
  return publishId === undefined || publishId.length > MAX_PUBLISH_ID_LENGTH
    ? err(malformed(answer, 'publish_id'))
    : ok({ publishId });
}

function readAnnounced(approved: Approved, allowed: AllowedOrigins): Result<Announced, PublishError> {
  const { data, answer } = approved;
  const named = readPublishId(approved);
  if (!named.ok) return named;
  const uploadUrl = asText(data['upload_url']);
  if (uploadUrl === undefined || uploadAddress(uploadUrl, allowed) === undefined) {
    return err(malformed(answer, 'upload_url at an allowed origin'));
  }
  return ok({ ...named.value, uploadUrl: new Secret(uploadUrl), uploadSeconds: UPLOAD_SECONDS });
}

/** open-api §4.5. A word that we don't know means that TikTok still works on it. */
function readStatus({ data, answer }: Approved): Result<PublishStatus, PublishError> {
  const status = asText(data['status']);
  switch (status) {
    case undefined:
      return err(malformed(answer, 'status'));
    case 'PUBLISH_COMPLETE':
      // TikTok's own spelling. An id that can't be read must not hide that the post is out.
      return ok({
        state: 'PUBLISHED',
        tiktokPostIds: asList(data['publicaly_available_post_id']).map(asId).filter(isDefined),
      });
    case 'SEND_TO_USER_INBOX':
      return ok({ state: 'IN_CREATOR_INBOX' });
    case 'FAILED':
      return ok({ state: 'FAILED', error: failure(asText(data['fail_reason']), answer.logId) });
    default:
      return ok({ state: 'WORKING', ...present({ uploadedBytes: asCount(data['uploaded_bytes']) }) });
  }
}

/** open-api §7. One that can't be read is left out: absence proves nothing. */
function readListed(video: unknown): ListedVideo | undefined {
  if (!isJsonObject(video)) return undefined;
  const tiktokPostId = asId(video['id']);
  const createSeconds = asPositive(video['create_time']);
  const durationSeconds = asCount(video['duration']);
  if (tiktokPostId === undefined || createSeconds === undefined || durationSeconds === undefined) return undefined;
  return {
    tiktokPostId,
    createTime: new Date(createSeconds * 1000),
    caption: asText(video['video_description']) ?? '',
    durationSeconds,
    ...present({ shareUri: asText(video['share_url']) }),
  };
}
