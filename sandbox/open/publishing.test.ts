import { describe, expect, it } from 'vitest';
import {
  aFile,
  aSandbox,
  aSource,
  bakery,
  bakeryId,
  type Client,
  clientOf,
  postForm,
  put,
  started,
} from '../test-client.ts';
import type { Scope } from './vocabulary.ts';

const hourMs = 3_600_000;
const codeOf = async (answer: ReturnType<Client['init']>) => {
  const { status, body } = await answer;
  return [status, body.error.code];
};

describe('every endpoint with a token', () => {
  const endpoints: [string, string, Scope[], string][] = [
    ['GET', '/v2/user/info/?fields=open_id', ['user.info.basic'], ''],
    ['POST', '/v2/post/publish/creator_info/query/', ['video.publish'], '{}'],
    ['POST', '/v2/post/publish/video/init/', ['video.publish'], '{}'],
    ['POST', '/v2/post/publish/inbox/video/init/', ['video.upload'], '{}'],
    ['POST', '/v2/post/publish/status/fetch/', ['video.upload', 'video.publish'], '{}'],
    ['POST', '/v2/post/publish/cancel/', ['video.upload', 'video.publish'], '{}'],
    ['POST', '/v2/video/list/?fields=id', ['video.list'], '{}'],
    ['POST', '/v2/video/query/?fields=id', ['video.list'], '{}'],
  ];
  const all: Scope[] = [
    'user.info.basic',
    'user.info.profile',
    'user.info.stats',
    'video.list',
    'video.upload',
    'video.publish',
  ];

  it.each(endpoints)('%s %s wants a live token and one of %o', async (method, path, enough, body) => {
    const sandbox = await aSandbox();
    const call = async (token: string | undefined) => {
      const response = await fetch(sandbox.origin + path, {
        method,
        headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
        ...(method === 'POST' ? { body } : {}),
      });
      const answer = (await response.json()) as { data: object; error: { code: string; log_id: string } };
      return { status: response.status, ...answer };
    };
    for (const token of [undefined, 'act.unknown']) {
      expect(await call(token)).toEqual({
        status: 401,
        data: {},
        error: {
          code: 'access_token_invalid',
          message: 'The access token is invalid or not found in the request.',
          log_id: expect.stringMatching(/^\d{14}[0-9A-F]{20}$/),
        },
      });
    }
    const without = all.filter((scope) => !enough.includes(scope));
    const poor = clientOf(sandbox, bakery, without).tokens.access_token;
    expect(await call(poor)).toMatchObject({ status: 401, error: { code: 'scope_not_authorized' } });
    for (const scope of enough) {
      const answer = await call(clientOf(sandbox, bakery, [scope]).tokens.access_token);
      expect(answer.status).not.toBe(401);
    }
  });

  it.each(endpoints)('%s %s exists with this method and the slash only', async (method, path) => {
    const sandbox = await aSandbox();
    const status = async (how: string, where: string) =>
      (await fetch(sandbox.origin + where, { method: how, ...(how === 'POST' ? { body: '' } : {}) })).status;
    expect(await status(method, path.replace(/\/(\?|$)/, '$1'))).toBe(404);
    expect(await status(method === 'GET' ? 'POST' : 'GET', path)).toBe(405);
  });

  it.each(endpoints.filter(([method]) => method === 'POST'))('%s %s takes a JSON object only', async (_, path) => {
    const client = clientOf(await aSandbox());
    const answers = [
      await client.post(path, '{}', { 'content-type': 'text/plain' }),
      await client.post(path, '{}', { 'content-type': 'application/json; charset=latin1' }),
      await client.post(path, '{"a":'),
      await client.post(path, '[]'),
    ];
    for (const answer of answers) {
      expect(answer.status).toBe(400);
      expect(answer.body.error.code).toBe('invalid_params');
    }
  });

  it('checks token, scope, rate and fields in this order', async () => {
    const sandbox = await aSandbox({ initPerMinute: 1 });
    const client = clientOf(sandbox);
    await client.init();
    expect(await codeOf(client.post('/v2/post/publish/video/init/', '{'))).toEqual([429, 'rate_limit_exceeded']);
    const poor = clientOf(sandbox, bakery, ['video.list']);
    expect(await codeOf(poor.post('/v2/post/publish/video/init/', '{'))).toEqual([401, 'scope_not_authorized']);
  });
});

describe('rate limits', () => {
  it.each([
    ['init', 6, (client: Client) => client.init()],
    ['draft init', 6, (client: Client) => client.initDraft({ source: 'none' })],
    ['creator_info', 20, (client: Client) => client.creatorInfo()],
    ['status', 30, (client: Client) => client.status('none')],
  ])('%s: %i in any minute, for each token', async (_, limit, call) => {
    const sandbox = await aSandbox();
    const client = clientOf(sandbox);
    await call(client);
    sandbox.control.advanceClock(30_000);
    for (let made = 1; made < limit; made += 1) expect((await call(client)).status).not.toBe(429);
    expect(await codeOf(call(client))).toEqual([429, 'rate_limit_exceeded']);
    expect((await call(clientOf(sandbox))).status).not.toBe(429);
    sandbox.control.advanceClock(30_001); // the first call leaves the window, the others stay
    expect((await call(client)).status).not.toBe(429);
    expect((await call(client)).status).toBe(429);
  });

  it('600 reads a minute for the app', async () => {
    const sandbox = await aSandbox();
    const client = clientOf(sandbox);
    const read = async () => (await client.get('/v2/user/info/?fields=open_id')).status;
    for (let made = 0; made < 600; made += 1) await read();
    expect(await read()).toBe(429);
    expect((await client.post('/v2/video/list/?fields=id', {})).status).toBe(200);
  });
});

describe('creator_info', () => {
  it('says what the creator may do', async () => {
    const sandbox = await aSandbox();
    sandbox.control.changeAccount(bakery, { stitchDisabled: true, commentDisabled: true });
    const { body } = await clientOf(sandbox).creatorInfo();
    expect(body).toMatchObject({
      data: {
        creator_username: bakery,
        creator_nickname: 'Glow Bakery',
        privacy_level_options: ['PUBLIC_TO_EVERYONE', 'MUTUAL_FOLLOW_FRIENDS', 'SELF_ONLY'],
        comment_disabled: true,
        duet_disabled: false,
        stitch_disabled: true,
        max_video_post_duration_sec: 600,
      },
      error: { code: 'ok', message: '' },
    });
  });

  it('needs no body', async () => {
    const client = clientOf(await aSandbox());
    expect((await client.post('/v2/post/publish/creator_info/query/', '')).status).toBe(200);
  });

  it('gives private accounts other options, and no duets or stitches', async () => {
    const { body } = await clientOf(await aSandbox(), 'glow.private').creatorInfo();
    expect(body.data).toMatchObject({
      privacy_level_options: ['FOLLOWER_OF_CREATOR', 'MUTUAL_FOLLOW_FRIENDS', 'SELF_ONLY'],
      duet_disabled: true,
      stitch_disabled: true,
    });
  });

  it('shows unaudited apps the public option all the same', async () => {
    const { body } = await clientOf(await aSandbox({ audited: false })).creatorInfo();
    expect(body.data?.['privacy_level_options']).toContain('PUBLIC_TO_EVERYONE');
  });

  it('knows the shorter limit of some creators', async () => {
    const { body } = await clientOf(await aSandbox(), 'glow.short').creatorInfo();
    expect(body.data).toMatchObject({ max_video_post_duration_sec: 60 });
  });
});

describe('why a creator can not post: HTTP 200 from creator_info, 403 from init', () => {
  it('banned', async () => {
    const client = clientOf(await aSandbox(), 'glow.banned');
    expect(await codeOf(client.creatorInfo())).toEqual([200, 'spam_risk_user_banned_from_posting']);
    expect(await codeOf(client.init())).toEqual([403, 'spam_risk_user_banned_from_posting']);
    expect(await codeOf(client.initDraft())).toEqual([403, 'spam_risk_user_banned_from_posting']);
  });

  it('daily cap, for 24 hours', async () => {
    const sandbox = await aSandbox();
    sandbox.control.changeAccount(bakery, { dailyPostCap: 1 });
    await clientOf(sandbox).publish();
    const client = clientOf(sandbox);
    expect(await codeOf(client.creatorInfo())).toEqual([200, 'spam_risk_too_many_posts']);
    expect(await codeOf(client.init())).toEqual([403, 'spam_risk_too_many_posts']);
    sandbox.control.advanceClock(24 * hourMs);
    expect(await codeOf(clientOf(sandbox).init())).toEqual([200, 'ok']);
  });

  it('active creators of the app, but not those who were counted today', async () => {
    const sandbox = await aSandbox({ activeUserCap: 1 });
    await clientOf(sandbox).init();
    const second = clientOf(sandbox, 'glow.short');
    expect(await codeOf(second.creatorInfo())).toEqual([200, 'reached_active_user_cap']);
    expect(await codeOf(second.init())).toEqual([403, 'reached_active_user_cap']);
    expect(await codeOf(clientOf(sandbox).init())).toEqual([200, 'ok']);
    sandbox.control.advanceClock(24 * hourMs);
    expect(await codeOf(clientOf(sandbox, 'glow.short').init())).toEqual([200, 'ok']);
  });

  it('five creators a day for an unaudited app', async () => {
    const sandbox = await aSandbox({ audited: false });
    for (let n = 1; n <= 6; n += 1) sandbox.control.addAccount({ username: `private.${n}`, private: true });
    const codes = [];
    for (let n = 1; n <= 6; n += 1) {
      codes.push((await clientOf(sandbox, `private.${n}`).init({ privacy_level: 'SELF_ONLY' })).body.error.code);
    }
    expect(codes).toEqual(['ok', 'ok', 'ok', 'ok', 'ok', 'reached_active_user_cap']);
  });
});

describe('video/init', () => {
  it('gives a publish_id and an upload_url of the documented length', async () => {
    const sandbox = await aSandbox();
    const { publishId, uploadUrl } = started(await clientOf(sandbox).init());
    expect(publishId).toMatch(/^v_pub_file~v2-1\.\d{19}$/);
    expect(publishId.length).toBeLessThanOrEqual(64);
    expect(uploadUrl.length).toBeLessThanOrEqual(256);
    expect(uploadUrl.startsWith(sandbox.origin)).toBe(true);
  });

  it.each<[number, string, object]>([
    [200, 'ok', { title: undefined }],
    [200, 'ok', { title: '🍞'.repeat(1100) }],
    [400, 'invalid_params', { title: `${'🍞'.repeat(1100)}!` }],
    [400, 'invalid_params', { title: 7 }],
    [400, 'invalid_params', { disable_comment: 'no' }],
    [400, 'invalid_params', { brand_organic_toggle: 1 }],
    [400, 'invalid_params', { video_cover_timestamp_ms: '1' }],
    [200, 'ok', { video_cover_timestamp_ms: -5 }],
    [403, 'privacy_level_option_mismatch', { privacy_level: undefined }],
    [403, 'privacy_level_option_mismatch', { privacy_level: 'FOLLOWER_OF_CREATOR' }],
    [403, 'privacy_level_option_mismatch', { privacy_level: 'EVERYONE' }],
    [400, 'invalid_params', { privacy_level: 1 }],
    [400, 'invalid_params', { privacy_level: 'SELF_ONLY', brand_content_toggle: true }],
    [200, 'ok', { privacy_level: 'SELF_ONLY', brand_organic_toggle: true, is_aigc: true }],
  ])('answers %i %s for post_info %o', async (status, code, postInfo) => {
    expect(await codeOf(clientOf(await aSandbox()).init(postInfo))).toEqual([status, code]);
  });

  it.each([
    ['no post_info', { source_info: aSource() }],
    ['no source_info', { post_info: { privacy_level: 'SELF_ONLY' } }],
    ['an unknown source', { post_info: { privacy_level: 'SELF_ONLY' }, source_info: { source: 'FILE' } }],
  ])('refuses %s', async (_, body) => {
    const client = clientOf(await aSandbox());
    expect(await codeOf(client.post('/v2/post/publish/video/init/', body))).toEqual([400, 'invalid_params']);
  });

  it.each<[boolean, string, string]>([
    [false, bakery, 'SELF_ONLY'],
    [false, bakery, 'PUBLIC_TO_EVERYONE'],
    [false, 'glow.private', 'MUTUAL_FOLLOW_FRIENDS'],
    [true, 'glow.private', 'SELF_ONLY'],
  ])('unaudited: allowed %s for %s with %s', async (allowed, account, privacyLevel) => {
    const client = clientOf(await aSandbox({ audited: false }), account);
    const refusal = [403, 'unaudited_client_can_only_post_to_private_accounts'];
    expect(await codeOf(client.init({ privacy_level: privacyLevel }))).toEqual(allowed ? [200, 'ok'] : refusal);
    expect(await codeOf(client.initDraft())).toEqual([200, 'ok']);
  });
});

describe('drafts', () => {
  it('go to the inbox and are finished by the user', async () => {
    const sandbox = await aSandbox({ processingMs: 1_000, postIdDelayMs: 0 });
    const client = clientOf(sandbox);
    const { publishId, uploadUrl } = started(await client.initDraft());
    expect(publishId).toMatch(/^v_inbox_file~v2\.\d{19}$/);
    await put(uploadUrl, aFile(100));
    sandbox.control.advanceClock(1_000);
    expect((await client.status(publishId)).body.data).toEqual({
      status: 'SEND_TO_USER_INBOX',
      uploaded_bytes: 100,
    });
    sandbox.control.finishDraft(publishId, { posts: 2, title: 'mine' });
    sandbox.control.advanceClock(0);
    const [post] = sandbox.control.ledger().posts;
    expect(post).toMatchObject({ publishId, title: 'mine', postIds: [expect.any(String), expect.any(String)] });
    const { text } = await client.status(publishId);
    expect(text).toContain(`"publicaly_available_post_id":[${post?.postIds.join(',')}]`);
    expect(text).toContain('"status":"PUBLISH_COMPLETE"');
  });

  it('at most five may wait, until one is finished, fails, or a day has passed', async () => {
    const sandbox = await aSandbox({ processingMs: 0, initPerMinute: 100 });
    const client = clientOf(sandbox);
    const drafts = [];
    for (let n = 0; n < 5; n += 1) drafts.push(started(await client.initDraft()));
    const sixth = () => codeOf(client.initDraft());
    expect(await sixth()).toEqual([403, 'spam_risk_too_many_pending_share']);
    await put(drafts[0]?.uploadUrl ?? '', aFile(100));
    sandbox.control.advanceClock(0);
    sandbox.control.finishDraft(drafts[0]?.publishId ?? '');
    expect(await sixth()).toEqual([200, 'ok']);
    expect(await sixth()).toEqual([403, 'spam_risk_too_many_pending_share']);
    expect(await codeOf(client.init())).toEqual([200, 'ok']);
    sandbox.control.advanceClock(24 * hourMs);
    expect(await codeOf(clientOf(sandbox).initDraft())).toEqual([200, 'ok']);
  });

  it('refuses to finish what is not in the inbox', async () => {
    const sandbox = await aSandbox();
    const publishId = await clientOf(sandbox).publish();
    expect(() => sandbox.control.finishDraft(publishId)).toThrow('must be a draft in the inbox');
  });
});

describe('from the last byte to the post', () => {
  it('processing, complete without an id, complete with the id as a 64-bit number', async () => {
    const sandbox = await aSandbox({ processingMs: 1_000, postIdDelayMs: 5_000 });
    const client = clientOf(sandbox);
    const publishId = await client.publish();
    expect((await client.status(publishId)).body.data).toEqual({ status: 'PROCESSING_UPLOAD', uploaded_bytes: 100 });
    expect(sandbox.control.ledger().posts).toEqual([]);

    sandbox.control.advanceClock(1_000);
    expect((await client.status(publishId)).body.data).toEqual({
      status: 'PUBLISH_COMPLETE',
      publicaly_available_post_id: [],
      uploaded_bytes: 100,
    });

    sandbox.control.advanceClock(5_000);
    const [post] = sandbox.control.ledger().posts;
    const { text } = await client.status(publishId);
    expect(post?.postIds[0]).toMatch(/^\d{19}$/);
    expect(text).toContain(`"publicaly_available_post_id":[${post?.postIds[0]}]`);
  });

  it.each([
    [bakery, 'SELF_ONLY'],
    [bakery, 'MUTUAL_FOLLOW_FRIENDS'],
    ['glow.private', 'FOLLOWER_OF_CREATOR'],
  ])('%s with %s never shows an id', async (account, privacyLevel) => {
    const sandbox = await aSandbox({ processingMs: 0, postIdDelayMs: 0 });
    const client = clientOf(sandbox, account);
    const publishId = await client.publish({ privacy_level: privacyLevel });
    sandbox.control.advanceClock(7_000_000);
    expect((await client.status(publishId)).body.data).toMatchObject({
      status: 'PUBLISH_COMPLETE',
      publicaly_available_post_id: [],
    });
    expect(sandbox.control.ledger().posts).toHaveLength(1);
  });

  it('shows no id when the account went private meanwhile', async () => {
    const sandbox = await aSandbox({ processingMs: 1_000, postIdDelayMs: 0 });
    const client = clientOf(sandbox);
    const publishId = await client.publish();
    sandbox.control.changeAccount(bakery, { private: true });
    sandbox.control.advanceClock(2_000);
    expect((await client.status(publishId)).body.data).toMatchObject({ publicaly_available_post_id: [] });
  });

  it('shows the id when the user makes it public later, and hides it again', async () => {
    const sandbox = await aSandbox({ processingMs: 0 });
    const client = clientOf(sandbox);
    const publishId = await client.publish({ privacy_level: 'SELF_ONLY' });
    sandbox.control.advanceClock(0);
    const postId = sandbox.control.ledger().posts[0]?.postIds[0] ?? '';
    sandbox.control.setVideoPublic(postId, true);
    expect((await client.status(publishId)).text).toContain(postId);
    sandbox.control.setVideoPublic(postId, false);
    expect((await client.status(publishId)).text).not.toContain(postId);
    expect(sandbox.control.ledger().webhooks.map(({ event }) => event)).toEqual([
      'post.publish.complete',
      'post.publish.publicly_available',
      'post.publish.no_longer_publicaly_available',
    ]);
  });

  it('fails what is no video by its first bytes', async () => {
    const sandbox = await aSandbox({ processingMs: 0 });
    const client = clientOf(sandbox);
    const publishId = await client.publish({}, Buffer.from('just some words, nothing to look at'));
    sandbox.control.advanceClock(0);
    expect((await client.status(publishId)).body.data).toMatchObject({
      status: 'FAILED',
      fail_reason: 'file_format_check_failed',
      publicaly_available_post_id: [],
    });
    expect(sandbox.control.ledger().posts).toEqual([]);
  });

  it.each([
    ['WebM', Buffer.from('1a45dfa3000000000000', 'hex')],
    ['QuickTime', Buffer.from('\0\0\0\x08wide\0\0\0\0', 'latin1')],
  ])('takes %s', async (_, file) => {
    const sandbox = await aSandbox({ processingMs: 0 });
    await clientOf(sandbox).publish({}, file);
    sandbox.control.advanceClock(0);
    expect(sandbox.control.ledger().posts).toHaveLength(1);
  });

  it('fails a post that came over the daily cap while others were on their way', async () => {
    const sandbox = await aSandbox({ processingMs: 1_000 });
    sandbox.control.changeAccount(bakery, { dailyPostCap: 1 });
    const client = clientOf(sandbox);
    const both = [started(await client.init()), started(await client.init({ title: 'other' }))];
    for (const { uploadUrl } of both) await put(uploadUrl, aFile(100));
    sandbox.control.advanceClock(1_000);
    const { inits } = sandbox.control.ledger();
    expect(inits.map(({ stage, failReason }) => failReason ?? stage).sort()).toEqual([
      'COMPLETE',
      'spam_risk_too_many_posts',
    ]);
  });

  it('status knows unknown ids and other users ids', async () => {
    const sandbox = await aSandbox();
    const publishId = await clientOf(sandbox).publish();
    const other = clientOf(sandbox, 'glow.short');
    for (const ask of [other.status, other.cancel]) {
      expect(await codeOf(ask('v_pub_file~v2-1.1'))).toEqual([400, 'invalid_publish_id']);
      expect(await codeOf(ask(publishId))).toEqual([400, 'token_not_authorized_for_specified_publish_id']);
      expect(await codeOf(ask(7))).toEqual([400, 'invalid_params']);
      expect(await codeOf(ask(undefined))).toEqual([400, 'invalid_params']);
    }
  });

  it('an upload can not be cancelled', async () => {
    const client = clientOf(await aSandbox());
    const { publishId } = started(await client.init());
    expect(await codeOf(client.cancel(publishId))).toEqual([400, 'publish_not_cancellable']);
  });

  it('the end of one grant leaves the uploads of others alone', async () => {
    const sandbox = await aSandbox({ revocation: 'grant' });
    const ending = clientOf(sandbox);
    const staying = started(await clientOf(sandbox).init());
    await postForm(sandbox, '/v2/oauth/revoke/', { token: ending.tokens.access_token });
    expect((await put(staying.uploadUrl, aFile(100))).status).toBe(201);
  });

  it('withdrawn consent ends what is being sent', async () => {
    const sandbox = await aSandbox();
    const { publishId, uploadUrl } = started(await clientOf(sandbox).init());
    sandbox.control.disconnectAccount(bakery);
    expect((await put(uploadUrl, aFile(100))).status).toBe(404);
    const client = clientOf(sandbox);
    expect((await client.status(publishId)).body.data).toMatchObject({ status: 'FAILED', fail_reason: 'auth_removed' });
    expect(sandbox.control.ledger().inits[0]).toMatchObject({ account: bakeryId, failReason: 'auth_removed' });
  });
});
