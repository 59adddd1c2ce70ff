import { describe, expect, it } from 'vitest';
import { BUSINESS_CODES } from '../../../src/adapters/tiktok/business/errors.ts';
import { FAIL_REASONS } from '../../../src/adapters/tiktok/fail-reasons.ts';
import type { PostSettings } from '../../../src/domain/post/settings.ts';
import { Secret } from '../../../src/domain/secret.ts';
import { ACCESS, approved, OPEN_ID, replying, said } from './answering-business.ts';
import { type Answering, json, LOG_ID, listening, raw } from './answering-tiktok.ts';

const settings: PostSettings = {
  privacyLevel: 'PUBLIC_TO_EVERYONE',
  allowComment: true,
  allowDuet: false,
  allowStitch: false,
  coverMilliseconds: 1500,
  yourBrand: true,
  brandedContent: false,
  aiGenerated: false,
  draft: false,
};
const post = { caption: 'New roast #coffee', settings, mediaUrl: new Secret('https://media.example/media/word') };

const statusFrom = async (reply: Answering) => (await replying(reply)).publishing.readStatus(ACCESS, 'v_pub_url~v1.7');

describe('A call of the Business family', () => {
  it('is made as documented: the token alone in its header, the account in the query, arrays as JSON', async () => {
    const { publishing, seen, calls } = await replying(approved({ videos: [], cursor: 0, has_more: false }));
    await publishing.publicAmong(ACCESS, ['7551234567890123456']);
    const [call] = seen;
    const url = new URL(call?.url ?? '', 'http://x');
    expect(url.pathname).toBe('/open_api/v1.3/business/video/list/');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      business_id: OPEN_ID,
      fields: '["item_id"]',
      filters: '{"video_ids":["7551234567890123456"]}',
      max_count: '20',
    });
    expect(call?.headers['access-token']).toBe('act.synthAccess0001');
    expect(call?.headers.authorization).toBeUndefined();
    expect(calls).toMatchObject([{ endpoint: '/open_api/v1.3/business/video/list/', code: 'ok', logId: LOG_ID }]);
  });

  it('goes to a host that is given with the version as to one without', async () => {
    const origin = await listening((request, response) => approved({ status: request.url })(request, response));
    for (const businessApiUrl of [origin, `${origin}/open_api/v1.3`, `${origin}/open_api/v1.3/`]) {
      const { publishing } = await replying(raw(500, ''), { businessApiUrl });
      expect(await publishing.readStatus(ACCESS, 'v')).toMatchObject({ ok: true });
    }
  });

  it('announces a video with the documented fields and no others', async () => {
    const { publishing, seen } = await replying(approved({ share_id: 'v_pub_url~v1.7551234567890123456' }));
    expect(await publishing.announcePull(ACCESS, post)).toEqual({
      ok: true,
      value: { publishId: 'v_pub_url~v1.7551234567890123456' },
    });
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
      business_id: OPEN_ID,
      video_url: 'https://media.example/media/word',
      post_info: {
        caption: 'New roast #coffee',
        is_brand_organic: true,
        is_branded_content: false,
        disable_comment: false,
        disable_duet: true,
        disable_stitch: true,
        thumbnail_offset: 1500,
        is_ai_generated: false,
      },
    });
  });

  it('announces a draft without what TikTok would drop', async () => {
    const { publishing, seen } = await replying(said(40001));
    const draft = { ...post, settings: { ...settings, draft: true } };
    expect(await publishing.announcePull(ACCESS, draft)).toMatchObject({
      error: { code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.upload'] },
    });
    expect(JSON.parse(seen[0]?.body ?? '').post_info).toEqual({
      is_brand_organic: true,
      is_branded_content: false,
      upload_to_draft: true,
    });
  });
});

describe('A refusal of the Business family, with HTTP 200', () => {
  it.each([...BUSINESS_CODES].map(([code, { code: meaning }]) => [code, meaning] as const))(
    '%s means %s',
    async (code, meaning) => {
      expect(await statusFrom(said(Number(code), 'why'))).toMatchObject({
        ok: false,
        error: { code: meaning, tiktokCode: code, tiktokLogId: LOG_ID },
      });
    },
  );

  it.each([
    [49_999, 'CONNECTOR_REQUEST_REJECTED'],
    [59_999, 'PLATFORM_UNAVAILABLE'],
    [69_999, 'PLATFORM_UNAVAILABLE'],
    [-1, 'PLATFORM_UNAVAILABLE'],
  ])('%s is new to us, and means %s', async (code, meaning) => {
    expect(await statusFrom(said(code))).toMatchObject({ ok: false, error: { code: meaning } });
  });

  it('counts whatever the HTTP status, and success of a part is enough to read', async () => {
    expect(await statusFrom(json(403, { code: 40_100, message: '' }))).toMatchObject({
      error: { code: 'UPSTREAM_RATE_LIMITED' },
    });
    expect(await statusFrom(said(20_001, 'partial', { status: 'PROCESSING_DOWNLOAD' }))).toEqual({
      ok: true,
      value: { state: 'WORKING' },
    });
    const { publishing } = await replying(said(20_001, 'partial', { share_id: 'v_pub_url~v1.7' }));
    expect(await publishing.announcePull(ACCESS, post)).toMatchObject({ ok: false });
  });

  it.each([
    ['an HTML 502', raw(502, '<html>'), 'PLATFORM_UNAVAILABLE'],
    ["the edge's 404", raw(404, '404 page not found'), 'CONNECTOR_REQUEST_REJECTED'],
    ['an empty 200', raw(200, ''), 'PLATFORM_UNAVAILABLE'],
    ['a nameless 429', raw(429, 'slow down'), 'UPSTREAM_RATE_LIMITED'],
    ['JSON without a code', json(200, { data: { status: 'PUBLISH_COMPLETE' } }), 'CONNECTOR_REQUEST_REJECTED'],
    ['a code that is no number', json(200, { code: '0', data: {} }), 'CONNECTOR_REQUEST_REJECTED'],
  ])('is not needed to refuse: %s', async (_, reply, code) => {
    expect(await statusFrom(reply)).toMatchObject({ ok: false, error: { code } });
    expect(await statusFrom(reply)).not.toHaveProperty('error.tiktokCode');
  });

  it.each([
    [40_002, 'The URL is not under a verified URL property of the app.', 'MEDIA_DOMAIN_UNVERIFIED'],
    [40_000, 'video_url: domain ownership has not been verified', 'MEDIA_DOMAIN_UNVERIFIED'],
    [40_001, 'No permission for this URL: verify its domain first.', 'MEDIA_DOMAIN_UNVERIFIED'],
    [40_002, 'The account has published 15 videos, the limit per day.', 'ACCOUNT_DAILY_POST_CAP'],
    [40_001, 'spam_risk_too_many_posts', 'ACCOUNT_DAILY_POST_CAP'],
    [40_100, 'The daily limit of posts is reached.', 'ACCOUNT_DAILY_POST_CAP'],
    [40_100, 'App reaches the QPD limit.', 'UPSTREAM_RATE_LIMITED'],
    [40_001, 'No permission to operate.', 'ACCOUNT_SCOPE_MISSING'],
    [40_002, 'post_info.caption: too long', 'CONNECTOR_REQUEST_REJECTED'],
    [50_000, 'The URL is not verified.', 'PLATFORM_UNAVAILABLE'],
  ])('of an announcement may be in words only: %d "%s" means %s', async (number, message, code) => {
    const { publishing } = await replying(said(number, message));
    expect(await publishing.announcePull(ACCESS, post)).toMatchObject({
      ok: false,
      error: { code, tiktokCode: String(number) },
    });
  });

  it.each([
    ['No permission to operate.', 'CONNECTOR_REQUEST_REJECTED'],
    ['A field is outside of the scope of this token.', 'ACCOUNT_SCOPE_MISSING'],
    ['The account does not grant you video.publish.', 'ACCOUNT_SCOPE_MISSING'],
  ])('for a permission is the app’s unless TikTok speaks of the grant: 40125 "%s" means %s', async (message, code) => {
    expect(await statusFrom(said(40_125, message))).toMatchObject({ ok: false, error: { code } });
  });

  it('holds no secret in its detail', async () => {
    const message = 'bad video_url=https://media.example/media/word?token=1 for act.synthAccess0001';
    const { publishing } = await replying(said(40_002, message));
    const text = JSON.stringify(await publishing.announcePull(ACCESS, post));
    expect(text).not.toContain('synthAccess');
    expect(text).not.toContain('token=1');
  });
});

describe('The status of a publish task', () => {
  it.each([...FAIL_REASONS].map(([reason, { code }]) => [reason, code] as const))(
    'failed for %s: %s',
    async (reason, code) => {
      expect(await statusFrom(approved({ status: 'FAILED', reason }))).toMatchObject({
        value: { state: 'FAILED', error: { code, tiktokCode: reason } },
      });
    },
  );

  it('failed for a reason that is new to us: final, and told as it came', async () => {
    expect(await statusFrom(approved({ status: 'FAILED', reason: 'brand_new_reason' }))).toMatchObject({
      value: {
        state: 'FAILED',
        error: { code: 'CONNECTOR_REQUEST_REJECTED', detail: 'brand_new_reason', tiktokCode: 'brand_new_reason' },
      },
    });
  });

  it.each([
    ['as text', '"7551234567890123457"'],
    ['as a bare number', '7551234567890123457'],
  ])('has ids digit for digit, written %s', async (_, written) => {
    const body = `{"code":0,"message":"OK","request_id":"${LOG_ID}","data":{"status":"PUBLISH_COMPLETE","post_ids":[${written}]}}`;
    expect(await statusFrom(raw(200, body))).toEqual({
      ok: true,
      value: { state: 'PUBLISHED', tiktokPostIds: ['7551234567890123457'] },
    });
  });

  it.each([
    [{ status: 'PUBLISH_COMPLETE' }, { state: 'PUBLISHED', tiktokPostIds: [] }],
    [{ status: 'SEND_TO_USER_INBOX' }, { state: 'IN_CREATOR_INBOX' }],
    [{ status: 'PROCESSING_DOWNLOAD' }, { state: 'WORKING' }],
    [{ status: 'A_NEW_WORD' }, { state: 'WORKING' }],
  ])('%j is %j', async (data, value) => {
    expect(await statusFrom(approved(data))).toEqual({ ok: true, value });
  });
});

describe('The list of videos', () => {
  it('takes seconds as text or number, no length for one that is not known, and leaves out what it can not read', async () => {
    const videos = [
      { item_id: '7551234567890123456', create_time: '1758200000', caption: 'a', video_duration: 21.5 },
      { item_id: '7551234567890123457', create_time: 1_758_200_001, caption: 'b', video_duration: 0 },
      { item_id: '7551234567890123458', create_time: '1758200002' },
      { item_id: '7551234567890123459' },
      'nothing',
    ];
    const { publishing } = await replying(approved({ videos, cursor: 0, has_more: false }));
    const at = (seconds: number) => new Date(seconds * 1000);
    expect(await publishing.listVideos(ACCESS, new Date(0))).toEqual({
      ok: true,
      value: [
        { tiktokPostId: '7551234567890123456', createTime: at(1_758_200_000), caption: 'a', durationSeconds: 21.5 },
        { tiktokPostId: '7551234567890123457', createTime: at(1_758_200_001), caption: 'b' },
        { tiktokPostId: '7551234567890123458', createTime: at(1_758_200_002), caption: '' },
      ],
    });
  });
});

describe('Tokens of the Business family', () => {
  const pair = {
    access_token: 'act.example',
    token_type: 'Bearer',
    expires_in: 86_400,
    refresh_token: 'rft.example',
    refresh_token_expires_in: 28_484_364,
    open_id: OPEN_ID,
    scope: 'video.publish,user.info.basic',
  };

  it('are asked for in JSON, and come back as one credential that names its account', async () => {
    const { authorization, seen } = await replying(approved(pair));
    const grant = await authorization.exchange('code*1!', 'state');
    expect(grant).toMatchObject({
      value: {
        openId: OPEN_ID,
        accessSeconds: 86_400,
        refreshSeconds: 28_484_364,
        scopes: ['video.publish', 'user.info.basic'],
      },
    });
    expect(grant.ok && grant.value.accessToken.reveal()).toBe(`${OPEN_ID} act.example`);
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
      client_id: '7600000000000000001',
      client_secret: 'synthSecret',
      grant_type: 'authorization_code',
      auth_code: 'code*1!',
      redirect_uri: 'https://glowtify.test/callback/',
    });
  });

  it.each(['40103', '40105', '40106', '40107', '40110', '40131'])(
    '%s alone proves that a grant is dead',
    async (code) => {
      const { authorization } = await replying(said(Number(code)));
      expect(await authorization.refresh(new Secret('rft.x'))).toMatchObject({
        error: { code: 'INVALID_GRANT', error: { tiktokCode: code } },
      });
      const broken = await replying(json(503, { code: Number(code), message: '' }));
      expect(await broken.authorization.refresh(new Secret('rft.x'))).toMatchObject({
        error: { code: 'NOT_ANSWERED', error: { code: 'PLATFORM_UNAVAILABLE' } },
      });
    },
  );

  it.each([
    ['40101', 'APP_CREDENTIALS_REJECTED'],
    ['40113', 'APP_CREDENTIALS_REJECTED'],
    ['40100', 'UPSTREAM_RATE_LIMITED'],
    ['50000', 'PLATFORM_UNAVAILABLE'],
    ['40002', 'CONNECTOR_REQUEST_REJECTED'],
  ])('%s proves nothing about a grant', async (code, meaning) => {
    const { authorization } = await replying(said(Number(code)));
    expect(await authorization.refresh(new Secret('rft.x'))).toMatchObject({
      error: { code: 'NOT_ANSWERED', error: { code: meaning } },
    });
  });

  it.each(Object.keys(pair).filter((field) => field !== 'token_type'))('are none without %s', async (field) => {
    const { authorization } = await replying(approved({ ...pair, [field]: undefined }));
    expect(await authorization.refresh(new Secret('rft.x'))).toMatchObject({
      error: { code: 'NOT_ANSWERED', error: { code: 'CONNECTOR_REQUEST_REJECTED' } },
    });
  });

  it('of another making ask TikTok nothing', async () => {
    const { publishing, authorization, seen } = await replying(approved({}));
    for (const token of ['act.x', '', 'a b c', ' act.x']) {
      expect(await publishing.readCreator(new Secret(token))).toEqual({
        ok: false,
        error: { code: 'ACCOUNT_SESSION_INVALID' },
      });
      expect(await authorization.revoke(new Secret(token))).toEqual({ ok: true, value: undefined });
    }
    expect(seen).toEqual([]);
  });
});
