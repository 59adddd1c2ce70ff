import { describe, expect, it } from 'vitest';
import type { AccountVideo, WholeAccountTruth } from './control.ts';
import type { Fault } from './faults.ts';
import type { Hold } from './holds.ts';
import type { Ledger } from './ledger.ts';
import type { Sandbox } from './sandbox.ts';
import { startSandbox } from './sandbox.ts';
import { aFile, aSandbox, bakery, bakeryId, clientOf, put, started } from './test-client.ts';

async function ask<T = unknown>(sandbox: Sandbox, method: string, path: string, body?: unknown) {
  const response = await fetch(`${sandbox.origin}/_sandbox/${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return { status: response.status, body: (await response.json()) as T };
}

describe('the control API over HTTP', () => {
  it('shows and changes the app, the settings and the accounts', async () => {
    const sandbox = await aSandbox();
    expect((await ask(sandbox, 'PATCH', 'app', { audited: false })).body).toMatchObject({ audited: false });
    expect((await ask(sandbox, 'GET', 'app')).body).toEqual(sandbox.control.app());
    expect((await ask(sandbox, 'PATCH', 'settings', { processingMs: 5 })).body).toEqual(sandbox.control.settings());
    const added = await ask(sandbox, 'POST', 'accounts', { username: 'new.one', private: true });
    expect(added.body).toMatchObject({ openId: expect.stringMatching(/^-000/), username: 'new.one', private: true });
    await ask(sandbox, 'PATCH', 'accounts/new.one', { banned: true });
    const accounts = (await ask(sandbox, 'GET', 'accounts')).body as { username: string; banned: boolean }[];
    expect(accounts.find(({ username }) => username === 'new.one')).toMatchObject({ banned: true });
    expect(accounts.map(({ username }) => username)).toEqual([
      'glow.bakery',
      'glow.private',
      'glow.banned',
      'glow.short',
      'glow.personal',
      'new.one',
    ]);
  });

  it('adds, lists and removes faults', async () => {
    const sandbox = await aSandbox();
    const { body: fault } = await ask<Fault>(sandbox, 'POST', 'faults', {
      endpoint: 'video_init',
      kind: 'status',
      status: 502,
      account: bakery,
    });
    expect(fault).toMatchObject({ id: expect.any(String), account: bakeryId, left: 1, hits: 0 });
    expect((await ask(sandbox, 'GET', 'faults')).body).toEqual([fault]);
    expect((await ask(sandbox, 'DELETE', `faults/${fault.id}`)).status).toBe(200);
    expect((await ask(sandbox, 'DELETE', `faults/${fault.id}`)).status).toBe(404);
    await ask(sandbox, 'POST', 'faults', { kind: 'stuck' });
    await ask(sandbox, 'DELETE', 'faults');
    expect((await ask(sandbox, 'GET', 'faults')).body).toEqual([]);
  });

  it('waits for held calls and releases them', async () => {
    const sandbox = await aSandbox();
    await ask(sandbox, 'POST', 'faults', { endpoint: 'creator_info', kind: 'hold' });
    const waiting = ask<[Hold]>(sandbox, 'GET', 'holds?wait_ms=60000&endpoint=creator_info');
    const answer = clientOf(sandbox).creatorInfo();
    const [hold] = (await waiting).body;
    expect(hold).toMatchObject({ endpoint: 'creator_info', account: bakeryId });
    expect((await ask(sandbox, 'POST', 'holds/release', { hold: hold.id })).body).toEqual({ released: 1 });
    expect((await answer).status).toBe(200);
    expect((await ask(sandbox, 'GET', 'holds?wait_ms=1')).body).toEqual([]);
  });

  it('moves the clock, expires urls, ends processing, finishes drafts, changes videos', async () => {
    const sandbox = await aSandbox({ postIdDelayMs: 0 });
    const client = clientOf(sandbox);
    const before = (await ask<{ now: number }>(sandbox, 'GET', 'clock')).body.now;
    expect(
      (await ask<{ now: number }>(sandbox, 'POST', 'clock', { advanceMs: 86_400_000 })).body.now,
    ).toBeGreaterThanOrEqual(before + 86_400_000);
    expect((await client.creatorInfo()).status).toBe(401);

    const late = clientOf(sandbox);
    const { publishId, uploadUrl } = started(await late.initDraft());
    const lapsed = started(await late.init());
    await ask(sandbox, 'POST', `publishes/${lapsed.publishId}/expire-upload-url`);
    expect((await put(lapsed.uploadUrl, aFile(100))).status).toBe(403);

    await put(uploadUrl, aFile(100));
    expect((await ask(sandbox, 'POST', `drafts/${publishId}/finish`)).status).toBe(409);
    await ask(sandbox, 'POST', `publishes/${publishId}/finish-processing`);
    expect((await ask(sandbox, 'POST', `drafts/${publishId}/finish`, { title: 'mine' })).status).toBe(200);
    const [post] = (await ask<Ledger>(sandbox, 'GET', 'ledger')).body.posts;
    expect(post).toMatchObject({ publishId, title: 'mine' });
    await ask(sandbox, 'PATCH', `videos/${post?.postIds[0]}`, { viewCount: 12, public: true });
    const list = await late.post('/v2/video/list/?fields=view_count', {});
    expect(list.body.data?.['videos']).toEqual([{ view_count: 12 }]);
  });

  it('seeds videos as if posted in the app, sets how they do, and tells the truth of them', async () => {
    const sandbox = await aSandbox();
    const { control } = sandbox;
    const createTime = control.now() - 2 * 86_400_000;
    const model = { finalViews: 4_000, finalLikes: 40, halfLifeMs: 86_400_000 };
    const video = { createTime, caption: 'From the app', durationSeconds: 9.25, model };
    const { body: added } = await ask<AccountVideo>(sandbox, 'POST', `accounts/${bakery}/videos`, video);
    expect(added).toMatchObject({
      ...{ publishId: null, openId: bakeryId, createTime, caption: 'From the app', durationSeconds: 9.25 },
      ...{ public: true, deletedTime: null, model: { ...model, finalReach: expect.any(Number) } },
    });
    const hidden = { createTime, public: false };
    const { body: two } = await ask<AccountVideo[]>(sandbox, 'POST', `accounts/${bakery}/videos`, [hidden, {}]);
    expect(two.map(({ public: isPublic }) => isPublic)).toEqual([false, true]);
    expect(two[0]?.createTime).toBe(createTime + 1); // the moment was taken
    const all = await ask(sandbox, 'GET', `accounts/${bakeryId}/videos`);
    expect(all.body).toEqual([two[1], two[0], added]);
    expect(all.body).toEqual(control.videos(bakery));

    const at = createTime + 86_400_000;
    const truth = await ask(sandbox, 'GET', `videos/${added.postId}/insights?at=${at}`);
    expect(truth.body).toEqual(control.insights(added.postId, { at }));
    expect(truth.body).toMatchObject({ asOf: at, values: { views: 2_000, likes: 20 } });
    const told = await ask(sandbox, 'GET', `videos/${added.postId}/insights?at=${at}&family=OPEN`);
    expect(told.body).toMatchObject({
      asOf: at,
      values: { durationSeconds: 9, views: 2_000, likes: 20, comments: expect.any(Number), shares: expect.any(Number) },
    });
    const changed = await ask(sandbox, 'PATCH', `videos/${added.postId}`, {
      model: { finalViews: 8_000 },
      public: false,
    });
    expect(changed.body).toMatchObject({ public: false, model: { finalViews: 8_000, finalLikes: 40 } });
    expect(control.insights(added.postId, { at }).values).toMatchObject({ views: 4_000, likes: 20 });
    expect(control.insights(added.postId, { family: 'BUSINESS' }).values).toEqual({});
    const account = await ask(sandbox, 'GET', `accounts/${bakery}/insights?startDate=2026-01-01&endDate=2026-01-02`);
    const { values } = account.body as WholeAccountTruth;
    expect(values.days.map(({ date }) => date)).toEqual(['2026-01-01', '2026-01-02']);
    expect(control.ledger()).toMatchObject({ posts: [], webhooks: [] });
  });

  it('people watch what was posted from the moment on at which it became public, and never what is not', async () => {
    const sandbox = await aSandbox({ processingMs: 0, postIdDelayMs: 86_400_000 });
    const { control } = sandbox;
    const client = clientOf(sandbox);
    await client.publish();
    await client.publish({ privacy_level: 'SELF_ONLY' });
    await control.waitUntil(({ posts }) => posts.length === 2);
    const [secret, open] = control.videos(bakery).map(({ postId, createTime }) => {
      control.changeVideoModel(postId, { finalViews: 4_000, halfLifeMs: 86_400_000 });
      return { postId, createTime };
    });
    control.advanceClock(30 * 86_400_000); // moderation ends on the way
    const views = (video: typeof open, days: number) =>
      control.insights(video?.postId ?? '', { at: (video?.createTime ?? 0) + days * 86_400_000 }).values.views;
    expect([1, 2, 3].map((days) => views(open, days))).toEqual([0, 2_000, 3_000]);
    expect(views(secret, 30)).toBe(0);
  });

  it('nobody watches a video while it is hidden, and nothing takes back what was watched when it is deleted', async () => {
    const sandbox = await aSandbox();
    const { control } = sandbox;
    const model = { finalViews: 4_000, halfLifeMs: 86_400_000 };
    const { postId } = control.addVideo(bakery, { createTime: control.now() - 86_400_000, model });
    const views = () => control.insights(postId).values.views;
    control.setVideoPublic(postId, false);
    control.advanceClock(30 * 86_400_000);
    expect(views()).toBe(2_000);
    control.setVideoPublic(postId, true);
    control.advanceClock(86_400_000);
    expect(views()).toBe(3_000);
    const { followers } = control.accountInsights(bakery).values;
    expect((await ask(sandbox, 'DELETE', `videos/${postId}`)).status).toBe(200);
    expect(control.accountInsights(bakery).values).toMatchObject({ followers, videoCount: 0 });
    expect(control.videos(bakery)[0]).toMatchObject({ public: false, deletedTime: expect.any(Number) });
    expect((await ask(sandbox, 'PATCH', `videos/${postId}`, { public: true })).status).toBe(404);
    const list = await clientOf(sandbox).post('/v2/video/list/?fields=id', {});
    expect(list.body.data?.['videos']).toEqual([]);
  });

  it('seeds a crowd, each with videos of its own', async () => {
    const sandbox = await aSandbox();
    const crowd = {
      accounts: 3,
      videos: 4,
      prefix: 'fan.',
      spanMs: 4_000,
      account: { followerCount: 7 },
      model: { finalViews: 5 },
    };
    const { body } = await ask<{ username: string; openId: string; postIds: string[] }[]>(
      sandbox,
      'POST',
      'crowd',
      crowd,
    );
    expect(body.map(({ username }) => username)).toEqual(['fan.1', 'fan.2', 'fan.3']);
    expect(new Set(body.flatMap(({ postIds }) => postIds)).size).toBe(12);
    const videos = sandbox.control.videos('fan.2');
    expect(videos.map(({ postId }) => postId).toReversed()).toEqual(body[1]?.postIds);
    const [newest = 0, ...older] = videos.map(({ createTime }) => createTime);
    expect(older.map((time) => newest - time)).toEqual([1_000, 2_000, 3_000]);
    expect(videos[0]?.model.finalViews).toBe(5);
    expect(sandbox.control.accountInsights('fan.3').values.followers).toBe(7);
    expect((await ask(sandbox, 'POST', 'crowd', { accounts: 1, prefix: 'fan.' })).status).toBe(409);
  });

  it('adds all videos or none', async () => {
    const { control } = await aSandbox();
    expect(() => control.addVideos(bakery, [{}, { createTime: control.now() + 60_000 }])).toThrow(
      'videos[1].createTime',
    );
    expect(control.videos(bakery)).toEqual([]);
  });

  it('issues tokens and withdraws consent', async () => {
    const sandbox = await aSandbox();
    const { body } = await ask(sandbox, 'POST', `accounts/${bakery}/tokens`, { scopes: ['video.list'] });
    expect(body).toMatchObject({ open_id: bakeryId, scope: 'video.list', token_type: 'Bearer' });
    expect((await ask(sandbox, 'POST', `accounts/${bakeryId}/revoke`, { reason: 4 })).status).toBe(200);
    const [webhook] = sandbox.control.ledger().webhooks;
    expect(JSON.parse(webhook?.body ?? '')).toMatchObject({ event: 'authorization.removed', content: '{"reason":4}' });
    expect(sandbox.control.ledger().tokens.every(({ state }) => state === 'REVOKED')).toBe(true);
  });

  it('starts over, and issues no token a second time', async () => {
    const sandbox = await aSandbox();
    const client = clientOf(sandbox);
    sandbox.control.changeAccount(bakery, { banned: true });
    sandbox.control.addFault({ kind: 'stuck' });
    await ask(sandbox, 'POST', 'reset');
    expect(sandbox.control.accounts()[0]).toMatchObject({ username: bakery, banned: false });
    expect(sandbox.control.faults()).toEqual([]);
    expect(sandbox.control.ledger()).toMatchObject({ inits: [], tokens: [], calls: [], callCount: 0 });
    expect((await client.creatorInfo()).status).toBe(401);
    expect(clientOf(sandbox).tokens.access_token).not.toBe(client.tokens.access_token);
  });

  it.each<[number, string, string, string, unknown]>([
    [400, 'app.audited', 'PATCH', 'app', { audited: 'yes' }],
    [400, 'app.color', 'PATCH', 'app', { color: 'red' }],
    [400, 'app.__proto__', 'PATCH', 'app', JSON.parse('{"__proto__":{}}')],
    [400, 'app.redirectUris[0]', 'PATCH', 'app', { redirectUris: ['http://example.test/cb'] }],
    [400, 'app.redirectUris[0]', 'PATCH', 'app', { redirectUris: ['https://example.test/cb?x=1'] }],
    [400, 'app.redirectUris[0]', 'PATCH', 'app', { redirectUris: ['/cb'] }],
    [400, 'app.redirectUris', 'PATCH', 'app', { redirectUris: Array(11).fill('https://example.test/cb') }],
    [400, 'app.webhookUrl', 'PATCH', 'app', { webhookUrl: 'http://example.test/' }],
    [400, 'app.verifiedUrlProperties[0]', 'PATCH', 'app', { verifiedUrlProperties: ['https://example.test/a'] }],
    [400, 'settings.tokenRegime', 'PATCH', 'settings', { tokenRegime: 'new' }],
    [400, 'settings.processingMs', 'PATCH', 'settings', { processingMs: -1 }],
    [400, 'account.username', 'POST', 'accounts', { displayName: 'x' }],
    [409, 'account', 'POST', 'accounts', { username: bakery }],
    [400, 'account.openId', 'PATCH', `accounts/${bakery}`, { openId: '-000other' }],
    [404, 'account', 'PATCH', 'accounts/nobody', {}],
    [400, 'revoke.reason', 'POST', `accounts/${bakery}/revoke`, { reason: 9 }],
    [400, 'clock.advanceMs', 'POST', 'clock', {}],
    [400, 'milliseconds', 'POST', 'clock', { advanceMs: 1e15 }],
    [404, 'hold', 'POST', 'holds/release', { hold: 'hold-9' }],
    [404, 'publishId', 'POST', 'drafts/none/finish', {}],
    [404, 'publishId', 'POST', 'publishes/none/expire-upload-url', {}],
    [404, 'postId', 'PATCH', 'videos/1', {}],
    [404, 'postId', 'DELETE', 'videos/1', undefined],
    [404, 'postId', 'GET', 'videos/1/insights', undefined],
    [400, 'video.createTime', 'POST', `accounts/${bakery}/videos`, { createTime: 1 }],
    [400, 'videos[0].length', 'POST', `accounts/${bakery}/videos`, [{ length: 1 }]],
    [400, 'video.model.finalReach', 'POST', `accounts/${bakery}/videos`, { model: { finalViews: 1, finalReach: 2 } }],
    [
      ...([400, 'crowd.model.fullWatchRate', 'POST', 'crowd'] as const),
      { accounts: 1, model: { fullWatchRate: 0.5, meanWatchShare: 0.5 } },
    ],
    [400, 'crowd.accounts', 'POST', 'crowd', {}],
    [400, 'account.audience.ages', 'PATCH', `accounts/${bakery}`, { audience: { ages: {} } }],
    [400, 'account.audience.ages.55+', 'PATCH', `accounts/${bakery}`, { audience: { ages: { '55+': 0 } } }],
    [400, 'question.at', 'GET', `accounts/${bakery}/insights?at=now`, undefined],
    [400, 'question.endDate', 'GET', `accounts/${bakery}/insights?endDate=2026-02-30`, undefined],
    [400, 'startDate', 'GET', `accounts/${bakery}/insights?startDate=2025-01-01&endDate=2026-02-01`, undefined],
    [400, 'question.famliy', 'GET', `accounts/${bakery}/insights?famliy=OPEN`, undefined],
    [400, 'since', 'GET', 'traffic?since=1', undefined],
    [404, 'webhook', 'POST', 'webhooks/none/deliver', {}],
    [404, 'path', 'GET', 'nothing', undefined],
    [404, 'path', 'DELETE', 'app', undefined],
  ])('answers %i and names %s: %s %s %o', async (status, field, method, path, body) => {
    const sandbox = await aSandbox();
    const answer = await ask(sandbox, method, path, body);
    expect(answer).toEqual({
      status,
      body: {
        error: {
          message: expect.stringContaining(field),
          field,
          seen: expect.toSatisfy((seen) => seen !== undefined),
          limit: expect.any(String),
          remedy: expect.stringMatching(/.+/),
        },
      },
    });
  });

  it('takes JSON only, so that no foreign web page can send to it', async () => {
    const sandbox = await aSandbox();
    const response = await fetch(`${sandbox.origin}/_sandbox/app`, { method: 'PATCH', body: '{"audited":false}' });
    expect(response.status).toBe(400);
    expect(sandbox.control.app().audited).toBe(true);
  });
});

describe('starting', () => {
  it.each([
    ['options.tokenRegime', { tokenRegime: 'new' }],
    ['options.port', { port: 70_000 }],
    ['options.processingMS', { processingMS: 1 }],
  ])('refuses a wrong %s', async (field, options) => {
    await expect(startSandbox(options as never)).rejects.toMatchObject({ name: 'Refused', field });
  });

  it('answers unknown paths with 404', async () => {
    const sandbox = await aSandbox();
    for (const path of ['/', '/v2/', '/v2/user/info', '/_sandbox', '/v2/post/publish/content/init/']) {
      expect((await fetch(sandbox.origin + path)).status).toBe(404);
    }
  });

  it('waitUntil can be given up', async () => {
    const sandbox = await aSandbox();
    const giveUp = new AbortController();
    const waiting = sandbox.control.waitUntil(() => false, { signal: giveUp.signal });
    giveUp.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });

  it('closes with calls held, uploads open and timers set', async () => {
    const sandbox = await startSandbox({ processingMs: 3_600_000 });
    const client = clientOf(sandbox);
    await client.publish();
    sandbox.control.addFault({ endpoint: 'creator_info', kind: 'hold' });
    const held = client.creatorInfo();
    const lost = expect(held).rejects.toThrow();
    await sandbox.control.waitForHold();
    await sandbox.close();
    await lost;
  });
});
