import { describe, expect, it } from 'vitest';
import { FAIL_REASONS } from '../../../src/adapters/tiktok/fail-reasons.ts';
import { ERROR_CODES } from '../../../src/adapters/tiktok/open/errors.ts';
import type { PostSettings } from '../../../src/domain/post/settings.ts';
import { ACCESS_TOKEN, approved, json, LOG_ID, refused, tiktokReplying } from './answering-tiktok.ts';

const settings: PostSettings = {
  privacyLevel: 'SELF_ONLY',
  allowComment: true,
  allowDuet: false,
  allowStitch: true,
  coverMilliseconds: 1000,
  yourBrand: true,
  brandedContent: false,
  aiGenerated: true,
  draft: false,
};
const plan = { sizeBytes: 50_000_123, chunkBytes: 10_000_000, chunkCount: 5 };
const post = { caption: 'synthetic caption #demo', settings, plan };
const announced = {
  publish_id: 'v_pub_file~v2-1.7611111111111111111',
  upload_url: 'https://open-upload.tiktokapis.com/video/?upload_id=7611111111111111112&upload_token=synth%2FToken',
};
const TIKTOK_UPLOADS = { uploadOrigins: ['https://open-upload.tiktokapis.com'] };

/** Every documented error code, with the HTTP status TikTok documents for it (open-api §2, §4). */
const CODES: readonly (readonly [number, string, object])[] = [
  [401, 'access_token_invalid', { code: 'ACCOUNT_SESSION_INVALID' }],
  [401, 'scope_not_authorized', { code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.publish'] }],
  [400, 'scope_permission_missed', { code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.publish'] }],
  [400, 'invalid_param', { code: 'CONNECTOR_REQUEST_REJECTED', detail: 'The chunk size is invalid' }],
  [400, 'invalid_params', { code: 'CONNECTOR_REQUEST_REJECTED', detail: 'The chunk size is invalid' }],
  [400, 'invalid_file_upload', { code: 'VIDEO_FORMAT_REJECTED' }],
  [400, 'app_version_check_failed', { code: 'CONNECTOR_REQUEST_REJECTED', detail: 'The chunk size is invalid' }],
  [400, 'invalid_publish_id', { code: 'CONNECTOR_REQUEST_REJECTED', detail: 'The chunk size is invalid' }],
  [
    400,
    'token_not_authorized_for_specified_publish_id',
    { code: 'CONNECTOR_REQUEST_REJECTED', detail: 'The chunk size is invalid' },
  ],
  [400, 'publish_not_cancellable', { code: 'CONNECTOR_REQUEST_REJECTED', detail: 'The chunk size is invalid' }],
  [403, 'spam_risk_too_many_posts', { code: 'ACCOUNT_DAILY_POST_CAP' }],
  [403, 'spam_risk_user_banned_from_posting', { code: 'ACCOUNT_NOT_ELIGIBLE', cause: 'BANNED' }],
  [403, 'reached_active_user_cap', { code: 'APP_DAILY_USER_CAP' }],
  [403, 'unaudited_client_can_only_post_to_private_accounts', { code: 'APP_NOT_AUDITED' }],
  [403, 'url_ownership_unverified', { code: 'MEDIA_DOMAIN_UNVERIFIED' }],
  [403, 'privacy_level_option_mismatch', { code: 'PRIVACY_LEVEL_NOT_ALLOWED', allowed: [] }],
  [403, 'spam_risk_too_many_pending_share', { code: 'ACCOUNT_PENDING_DRAFT_CAP' }],
  [429, 'rate_limit_exceeded', { code: 'UPSTREAM_RATE_LIMITED' }],
  [500, 'internal_error', { code: 'PLATFORM_UNAVAILABLE' }],
];

/** Every documented fail reason (open-api §4.6). */
const REASONS: readonly (readonly [string, object])[] = [
  ['file_format_check_failed', { code: 'VIDEO_FORMAT_REJECTED' }],
  ['duration_check_failed', { code: 'VIDEO_DURATION_REJECTED' }],
  ['frame_rate_check_failed', { code: 'VIDEO_FRAME_RATE_REJECTED' }],
  ['picture_size_check_failed', { code: 'VIDEO_RESOLUTION_REJECTED' }],
  ['internal', { code: 'PLATFORM_UNAVAILABLE' }],
  ['video_pull_failed', { code: 'MEDIA_PULL_FAILED' }],
  ['photo_pull_failed', { code: 'MEDIA_PULL_FAILED' }],
  ['publish_cancelled', { code: 'CONNECTOR_REQUEST_REJECTED', detail: 'publish_cancelled' }],
  ['auth_removed', { code: 'ACCOUNT_ACCESS_REVOKED' }],
  ['spam_risk_too_many_posts', { code: 'ACCOUNT_DAILY_POST_CAP' }],
  ['spam_risk_user_banned_from_posting', { code: 'ACCOUNT_NOT_ELIGIBLE', cause: 'BANNED' }],
  ['spam_risk_text', { code: 'CONTENT_FLAGGED' }],
  ['spam_risk', { code: 'CONTENT_FLAGGED' }],
];

describe("TikTok's error codes", () => {
  it.each(CODES)('HTTP %d %s', async (status, code, error) => {
    const { tiktok, calls } = await tiktokReplying(refused(status, code, 'The chunk size is invalid'));
    expect(await tiktok.publishing.announce(ACCESS_TOKEN, post)).toEqual({
      ok: false,
      error: { ...error, tiktokCode: code, tiktokLogId: LOG_ID },
    });
    expect(calls).toEqual([
      {
        endpoint: '/v2/post/publish/video/init/',
        status,
        code,
        logId: LOG_ID,
        milliseconds: expect.any(Number),
      },
    ]);
  });

  it('are all in the table above, and so are the fail reasons', () => {
    expect(new Set(ERROR_CODES.keys())).toEqual(new Set(CODES.map(([, code]) => code)));
    expect(new Set(FAIL_REASONS.keys())).toEqual(new Set(REASONS.map(([reason]) => reason)));
  });

  it.each(['spam_risk_too_many_posts', 'spam_risk_user_banned_from_posting', 'reached_active_user_cap'])(
    'refuse although the answer is HTTP 200: %s',
    async (code) => {
      const { tiktok } = await tiktokReplying(refused(200, code));
      expect(await tiktok.publishing.readCreator(ACCESS_TOKEN)).toMatchObject({
        ok: false,
        error: { tiktokCode: code },
      });
    },
  );

  it('are understood without `data`, and with `logid`', async () => {
    const body = { error: { code: 'access_token_invalid', message: '', logid: LOG_ID } };
    const { tiktok } = await tiktokReplying(json(401, body));
    expect(await tiktok.publishing.readCreator(ACCESS_TOKEN)).toEqual({
      ok: false,
      error: { code: 'ACCOUNT_SESSION_INVALID', tiktokCode: 'access_token_invalid', tiktokLogId: LOG_ID },
    });
  });

  it('outweigh the HTTP status', async () => {
    const { tiktok } = await tiktokReplying(refused(500, 'spam_risk_too_many_posts'));
    expect(await tiktok.publishing.readCreator(ACCESS_TOKEN)).toMatchObject({
      error: { code: 'ACCOUNT_DAILY_POST_CAP' },
    });
  });

  it.each([
    [400, 'CONNECTOR_REQUEST_REJECTED'],
    [200, 'CONNECTOR_REQUEST_REJECTED'],
    [429, 'UPSTREAM_RATE_LIMITED'],
    [503, 'PLATFORM_UNAVAILABLE'],
  ])('that are new are judged by HTTP %d', async (status, code) => {
    for (const tiktokCode of ['brand_new_code', 'constructor', '__proto__']) {
      const { tiktok } = await tiktokReplying(refused(status, tiktokCode));
      expect(await tiktok.publishing.readCreator(ACCESS_TOKEN)).toMatchObject({ error: { code, tiktokCode } });
    }
  });

  it('bring no caption, address or token anywhere but into a cleaned detail', async () => {
    const message = `caption "${'x'.repeat(400)}" https://u.test/?upload_token=t act.synthAccess0001`;
    const refusal = async (code: string) => {
      const { tiktok } = await tiktokReplying(refused(403, code, message));
      return JSON.stringify(await tiktok.publishing.announce(ACCESS_TOKEN, post));
    };
    expect(await refusal('spam_risk_too_many_posts')).not.toContain('caption');
    const rejected = await refusal('invalid_params');
    expect(rejected).toContain('caption');
    expect(rejected).not.toMatch(/upload_token|synthAccess/);
    expect(JSON.parse(rejected).error.detail).toHaveLength(300);
  });
});

describe('The creator', () => {
  const creator = {
    creator_avatar_url: 'https://p16.example-cdn.test/a.jpeg',
    creator_username: 'synth.creator',
    creator_nickname: 'Synth Creator',
    privacy_level_options: ['PUBLIC_TO_EVERYONE', 'BRAND_NEW_LEVEL', 'SELF_ONLY'],
    comment_disabled: false,
    duet_disabled: true,
    stitch_disabled: true,
    max_video_post_duration_sec: 600,
  };

  it('is read, without the levels that nobody knows', async () => {
    const { tiktok, seen } = await tiktokReplying(approved(creator));
    expect(await tiktok.publishing.readCreator(ACCESS_TOKEN)).toEqual({
      ok: true,
      value: {
        nickname: 'Synth Creator',
        username: 'synth.creator',
        avatarUri: 'https://p16.example-cdn.test/a.jpeg',
        privacyLevels: ['PUBLIC_TO_EVERYONE', 'SELF_ONLY'],
        commentAvailable: true,
        duetAvailable: false,
        stitchAvailable: false,
        maxVideoSeconds: 600,
      },
    });
    expect(seen[0]).toMatchObject({ method: 'POST', url: '/v2/post/publish/creator_info/query/' });
    expect(seen[0]?.headers['authorization']).toBe('Bearer act.synthAccess0001');
  });

  it.each([
    { creator_username: '' },
    { creator_nickname: null },
    { privacy_level_options: 'SELF_ONLY' },
    { comment_disabled: undefined },
    { duet_disabled: 0 },
    { stitch_disabled: 'true' },
    { max_video_post_duration_sec: 0 },
  ])('is refused, naming the field, when TikTok sends %j', async (change) => {
    const { tiktok } = await tiktokReplying(approved({ ...creator, ...change }));
    expect(await tiktok.publishing.readCreator(ACCESS_TOKEN)).toEqual({
      ok: false,
      error: {
        code: 'CONNECTOR_REQUEST_REJECTED',
        detail: `TikTok's answer has no usable ${Object.keys(change)[0]}.`,
        tiktokLogId: LOG_ID,
      },
    });
  });
});

describe('Announcing', () => {
  it('says what was allowed as what is disabled, and always both brand toggles', async () => {
    const { tiktok, seen } = await tiktokReplying(approved(announced), TIKTOK_UPLOADS);
    await tiktok.publishing.announce(ACCESS_TOKEN, post);
    expect(seen[0]).toMatchObject({ method: 'POST', url: '/v2/post/publish/video/init/' });
    expect(seen[0]?.headers['content-type']).toBe('application/json; charset=UTF-8');
    expect(seen[0]?.headers['authorization']).toBe('Bearer act.synthAccess0001');
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
      post_info: {
        title: 'synthetic caption #demo',
        privacy_level: 'SELF_ONLY',
        disable_comment: false,
        disable_duet: true,
        disable_stitch: false,
        video_cover_timestamp_ms: 1000,
        brand_content_toggle: false,
        brand_organic_toggle: true,
        is_aigc: true,
      },
      source_info: { source: 'FILE_UPLOAD', video_size: 50_000_123, chunk_size: 10_000_000, total_chunk_count: 5 },
    });
  });

  it('leaves out an empty caption and a cover that nobody chose', async () => {
    const { tiktok, seen } = await tiktokReplying(approved(announced), TIKTOK_UPLOADS);
    const { coverMilliseconds: _, ...coverless } = settings;
    await tiktok.publishing.announce(ACCESS_TOKEN, { ...post, caption: '', settings: coverless });
    const { post_info } = JSON.parse(seen[0]?.body ?? '');
    expect(post_info).not.toHaveProperty('title');
    expect(post_info).not.toHaveProperty('video_cover_timestamp_ms');
  });

  it('sends a draft to the inbox, with nothing but the source', async () => {
    const { tiktok, seen } = await tiktokReplying(approved(announced), TIKTOK_UPLOADS);
    const draft = { ...post, settings: { ...settings, draft: true } };
    expect(await tiktok.publishing.announce(ACCESS_TOKEN, draft)).toMatchObject({ ok: true });
    expect(seen[0]?.url).toBe('/v2/post/publish/inbox/video/init/');
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
      source_info: { source: 'FILE_UPLOAD', video_size: 50_000_123, chunk_size: 10_000_000, total_chunk_count: 5 },
    });
  });

  it('names the scope of drafts when that is what is missing', async () => {
    const { tiktok } = await tiktokReplying(refused(401, 'scope_not_authorized'));
    const draft = { ...post, settings: { ...settings, draft: true } };
    expect(await tiktok.publishing.announce(ACCESS_TOKEN, draft)).toMatchObject({
      error: { code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.upload'] },
    });
  });

  it('gives the address to the letter, and never in print', async () => {
    const { tiktok } = await tiktokReplying(approved(announced), TIKTOK_UPLOADS);
    const answer = await tiktok.publishing.announce(ACCESS_TOKEN, post);
    expect(answer).toMatchObject({ ok: true, value: { publishId: announced.publish_id, uploadSeconds: 3600 } });
    expect(answer.ok && answer.value.uploadUrl.reveal()).toBe(announced.upload_url);
    expect(JSON.stringify(answer)).not.toContain('upload_token');
  });

  it.each([
    { publish_id: undefined },
    { publish_id: '' },
    { publish_id: 17 },
    { publish_id: 'v'.repeat(65) },
    { upload_url: undefined },
    { upload_url: 'http://open-upload.tiktokapis.com/video/' },
    { upload_url: 'https://evil.test/video/?upload_token=s3cret' },
  ])('refuses an answer with %j', async (change) => {
    const { tiktok } = await tiktokReplying(approved({ ...announced, ...change }), TIKTOK_UPLOADS);
    const answer = await tiktok.publishing.announce(ACCESS_TOKEN, post);
    expect(answer).toMatchObject({ ok: false, error: { code: 'CONNECTOR_REQUEST_REJECTED', tiktokLogId: LOG_ID } });
    expect(JSON.stringify(answer)).not.toContain('s3cret');
  });
});

describe('The status of a publish job', () => {
  const status = async (data: unknown, answer = approved(data)) => {
    const { tiktok, seen } = await tiktokReplying(answer);
    const result = await tiktok.publishing.readStatus(ACCESS_TOKEN, 'v_pub_file~v2-1.76');
    return { result, seen };
  };

  it('is asked by publish id', async () => {
    const { seen } = await status({ status: 'PROCESSING_UPLOAD' });
    expect(seen[0]).toMatchObject({
      method: 'POST',
      url: '/v2/post/publish/status/fetch/',
      body: '{"publish_id":"v_pub_file~v2-1.76"}',
    });
  });

  it.each([
    [
      { status: 'PROCESSING_UPLOAD', uploaded_bytes: 10_000 },
      { state: 'WORKING', uploadedBytes: 10_000 },
    ],
    [{ status: 'PROCESSING_UPLOAD', fail_reason: '' }, { state: 'WORKING' }],
    [{ status: 'PROCESSING_UPLOAD', uploaded_bytes: '10' }, { state: 'WORKING' }],
    [{ status: 'PROCESSING_DOWNLOAD', downloaded_bytes: 5 }, { state: 'WORKING' }],
    [{ status: 'BRAND_NEW_WORD', fail_reason: 'spam_risk' }, { state: 'WORKING' }],
    [{ status: 'SEND_TO_USER_INBOX' }, { state: 'IN_CREATOR_INBOX' }],
    [{ status: 'PUBLISH_COMPLETE' }, { state: 'PUBLISHED', tiktokPostIds: [] }],
    [
      { status: 'PUBLISH_COMPLETE', publicaly_available_post_id: [] },
      { state: 'PUBLISHED', tiktokPostIds: [] },
    ],
    [
      { status: 'PUBLISH_COMPLETE', publicaly_available_post_id: null },
      { state: 'PUBLISHED', tiktokPostIds: [] },
    ],
    [
      { status: 'PUBLISH_COMPLETE', publicaly_available_post_id: ['7611111122222222223', {}, 'x', 0, 17] },
      { state: 'PUBLISHED', tiktokPostIds: ['7611111122222222223', '17'] },
    ],
  ])('%j', async (data, value) => {
    expect((await status(data)).result).toEqual({ ok: true, value });
  });

  it('keeps every digit of several ids that TikTok sends as bare numbers', async () => {
    const { result } = await status({}, (_request, response) => {
      response.end(
        `{"data":{"status":"PUBLISH_COMPLETE","publicaly_available_post_id":[7611111122222222223,7611111122222222225]},
          "error":{"code":"ok","message":"","log_id":"${LOG_ID}"}}`,
      );
    });
    expect(result).toEqual({
      ok: true,
      value: { state: 'PUBLISHED', tiktokPostIds: ['7611111122222222223', '7611111122222222225'] },
    });
  });

  it.each(REASONS)('failed: %s', async (reason, error) => {
    const data = { status: 'FAILED', fail_reason: reason, publicaly_available_post_id: [], uploaded_bytes: 10_000 };
    expect((await status(data)).result).toEqual({
      ok: true,
      value: { state: 'FAILED', error: { ...error, tiktokCode: reason, tiktokLogId: LOG_ID } },
    });
  });

  it.each([
    ['brand_new_reason', { detail: 'brand_new_reason', tiktokCode: 'brand_new_reason' }],
    ['why https://x.test/?token=1', { detail: 'why [removed]' }],
    ['', { detail: 'TikTok gave no reason.' }],
    [undefined, { detail: 'TikTok gave no reason.' }],
  ])('failed for a reason nobody knows: %j', async (reason, said) => {
    expect((await status({ status: 'FAILED', fail_reason: reason })).result).toEqual({
      ok: true,
      value: { state: 'FAILED', error: { code: 'CONNECTOR_REQUEST_REJECTED', ...said, tiktokLogId: LOG_ID } },
    });
  });

  it.each([{}, { status: '' }, { status: 5 }, null, []])('is no verdict when TikTok sends %j', async (data) => {
    expect((await status(data)).result).toMatchObject({ ok: false, error: { code: 'CONNECTOR_REQUEST_REJECTED' } });
  });
});

describe('The list of public videos', () => {
  it('is asked for what was created before a moment', async () => {
    const { tiktok, seen } = await tiktokReplying((_request, response) => {
      response.end(
        `{"data":{"videos":[
            {"id":"7611111122222222223","create_time":1790000000,"video_description":"hi","duration":12,"share_url":"https://www.tiktok.com/@a/video/1"},
            {"id":7611111122222222225,"create_time":1780000000,"duration":0},
            {"id":"7","create_time":"yesterday","duration":1}, {"create_time":1}, null
          ],"cursor":1789990000000,"has_more":false},"error":{"code":"ok","message":"","log_id":""}}`,
      );
    });
    expect(await tiktok.publishing.listVideos(ACCESS_TOKEN, new Date(1_795_000_000_123))).toEqual({
      ok: true,
      value: [
        {
          tiktokPostId: '7611111122222222223',
          createTime: new Date(1_790_000_000_000),
          caption: 'hi',
          durationSeconds: 12,
          shareUri: 'https://www.tiktok.com/@a/video/1',
        },
        {
          tiktokPostId: '7611111122222222225',
          createTime: new Date(1_780_000_000_000),
          caption: '',
          durationSeconds: 0,
        },
      ],
    });
    expect(seen[0]).toMatchObject({
      method: 'POST',
      url: '/v2/video/list/?fields=id,create_time,video_description,duration,share_url',
      body: '{"cursor":1795000000123,"max_count":20}',
    });
  });

  it('is empty when TikTok leaves it out, and names its scope when that is missing', async () => {
    const empty = await tiktokReplying(approved({}));
    expect(await empty.tiktok.publishing.listVideos(ACCESS_TOKEN, new Date(0))).toEqual({ ok: true, value: [] });
    const { tiktok } = await tiktokReplying(refused(401, 'scope_not_authorized'));
    expect(await tiktok.publishing.listVideos(ACCESS_TOKEN, new Date(0))).toMatchObject({
      error: { code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.list'] },
    });
  });

  it('is not needed to know where a post can be seen', async () => {
    const { tiktok } = await tiktokReplying(approved({}));
    expect(tiktok.publishing.shareUri('synth.creator', '7611111122222222223')).toBe(
      'https://www.tiktok.com/@synth.creator/video/7611111122222222223',
    );
  });
});
