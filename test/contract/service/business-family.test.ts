import { status } from '@grpc/grpc-js';
import { beforeAll, describe, expect, it } from 'vitest';
import { bakeryBusinessId } from '../../../sandbox/business/test-client.ts';
import { realService, type ServiceProcess, type Surroundings } from '../../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectAccount,
  connectNewAccount,
  fieldsOf,
  postThat,
  postThatHurries,
  publish,
  refused,
  type Timestamp,
  upload,
  type Video,
  WORKSPACE,
} from '../../support/story.ts';
import { signatureOf, webhookBody } from '../../support/webhooks.ts';

const surroundings = realService();

let world: Surroundings;
let service: ServiceProcess;
let story: { readonly clients: ServiceProcess['clients']; readonly sandbox: Surroundings['sandbox'] };
let video: Video;

const BUSINESS = { apiFamily: 'API_FAMILY_BUSINESS' } as const;

beforeAll(async () => {
  world = await surroundings({ pullFromLoopback: true, listedDurationSec: 5 });
  service = await world.start();
  story = { clients: service.clients, sandbox: world.sandbox };
  world.sandbox.control.changeBusinessApp({
    urlProperties: [`${service.httpUrl}/media/`],
    callbackUrls: { VIDEO: `${service.httpUrl}/webhooks/tiktok` },
  });
  video = await upload(service.clients);
});

const aPublicPost = (connection: Connection) => {
  const request = aPost(connection, video);
  return { ...request, settings: { privacy_level: 'PRIVACY_LEVEL_PUBLIC_TO_EVERYONE', draft: false } };
};
const start = (request: object) =>
  service.clients.connections.StartConnection<{ authorize_uri: string }>({ workspace_id: WORKSPACE, ...request });

describe('An account of the Business family', () => {
  it('is connected at the same time as one of the open family, each with the app of its own', async () => {
    const business = await connectAccount(story, BUSINESS);
    const open = await connectAccount(story);
    expect(business).toMatchObject({
      api_family: 'API_FAMILY_BUSINESS',
      state: 'CONNECTION_STATE_ACTIVE',
      account: { open_id: bakeryBusinessId, username: 'glow.bakery', account_type: 'ACCOUNT_TYPE_BUSINESS' },
      missing_scopes: [],
    });
    expect(open).toMatchObject({ api_family: 'API_FAMILY_OPEN', account: { username: 'glow.bakery' } });
    expect(open.connection_id).not.toBe(business.connection_id);
    // A year that does not begin anew.
    const seconds = Number(business.refresh_expire_time?.seconds) - Date.now() / 1000;
    expect(seconds / 86_400).toBeGreaterThan(364);
  });

  it('comes back over our callback, too, which the portal wants with a slash', async () => {
    const { authorize_uri } = await start({ api_family: BUSINESS.apiFamily });
    const uri = new URL(authorize_uri);
    expect(uri.searchParams.get('client_key')).toBe(world.sandbox.businessAppId);
    expect(uri.searchParams.get('redirect_uri')).toBe(`${service.httpUrl}/oauth/tiktok/callback/`);
    uri.searchParams.set('auto_consent', 'glow.short');
    const page = await fetch(uri);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('glow.short');
  });

  it('that is personal is refused, with the remedy, and TikTok no longer lists us', async () => {
    const call = connectAccount(story, { ...BUSINESS, account: 'glow.personal' });
    const refusal = await refused(call);
    expect(refusal).toMatchObject({ code: status.FAILED_PRECONDITION, reason: 'ACCOUNT_NOT_ELIGIBLE' });
    expect(refusal.message).toContain('personal account');
    expect(JSON.stringify(refusal)).toContain('switch to a Business account');
    const grants = world.sandbox.control
      .ledger()
      .tokens.filter(({ account }) => account === '-000SandboxGlowPersonal00000005');
    expect(grants.map(({ state }) => state)).toEqual(['REVOKED', 'REVOKED']);
  });

  it('that does not tell whether it is personal is refused as well', async () => {
    const call = connectAccount(story, { ...BUSINESS, scopes: ['user.info.basic', 'video.publish'] });
    const refusal = await refused(call);
    expect(refusal).toMatchObject({ reason: 'ACCOUNT_SCOPE_MISSING' });
    expect(refusal.message).toContain('user.account.type');
  });

  it('tells before publishing that its videos are public, and how long they may be', async () => {
    const { connection_id } = await connectNewAccount(story, { maxVideoPostDurationSec: 90 }, BUSINESS);
    expect(await service.clients.connections.GetPublishingCapabilities({ connection_id })).toMatchObject({
      privacy_levels: ['PRIVACY_LEVEL_PUBLIC_TO_EVERYONE'],
      can_publish: true,
      max_video_duration: { seconds: '90' },
      username: expect.stringMatching(/^glow\./),
      nickname: expect.stringMatching(/./),
    });
  });

  it('that is private can post to nobody', async () => {
    const { connection_id } = await connectNewAccount(story, { private: true }, BUSINESS);
    expect(await service.clients.connections.GetPublishingCapabilities({ connection_id })).toMatchObject({
      privacy_levels: [],
      can_publish: false,
      reason: { code: 'PRIVACY_LEVEL_NOT_ALLOWED' },
    });
  });

  it.each([
    ['an audience', { privacy_level: 'PRIVACY_LEVEL_SELF_ONLY' }, ['settings.privacy_level PRIVACY_LEVEL_NOT_ALLOWED']],
    ['a draft', { draft: true }, ['settings.draft DRAFT_NOT_AVAILABLE']],
  ])('refuses %s that it does not have', async (_, settings, fields) => {
    const connection = await connectNewAccount(story, {}, BUSINESS);
    const refusal = await refused(publish(service.clients, { ...aPost(connection, video), settings }));
    expect(refusal.code).toBe(status.INVALID_ARGUMENT);
    expect(fieldsOf(refusal)).toEqual(fields);
  });

  it.each([
    ['commentDisabled', 'allow_comment'],
    ['duetDisabled', 'allow_duet'],
    ['stitchDisabled', 'allow_stitch'],
  ] as const)('with %s refuses a post with %s before TikTok hears of it', async (setting, field) => {
    const connection = await connectNewAccount(story, { [setting]: true }, BUSINESS);
    const request = aPublicPost(connection);
    const refusal = await refused(
      publish(service.clients, { ...request, settings: { ...request.settings, [field]: true } }),
    );
    expect(fieldsOf(refusal)).toEqual([`settings.${field} INTERACTION_NOT_AVAILABLE`]);
    const { post_id } = await publish(service.clients, { ...request, request_id: `${request.request_id} again` });
    await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'PUBLISHED');
  });

  it('allows again what GetPublishingCapabilities offers again', async () => {
    const connection = await connectNewAccount(story, { commentDisabled: true }, BUSINESS);
    const { connection_id } = connection;
    world.sandbox.control.changeAccount(connection.account.username, { commentDisabled: false });
    expect(await service.clients.connections.GetPublishingCapabilities({ connection_id })).toMatchObject({
      comment_available: true,
      drafts_available: false,
      privacy_selectable: false,
      max_video_bytes: String(2 ** 30),
    });
    const request = aPublicPost(connection);
    await publish(service.clients, { ...request, settings: { ...request.settings, allow_comment: true } });
  });

  it('that turns personal is told on the connection and to its posts, and is fine again as a Business account', async () => {
    const connection = await connectNewAccount(story, {}, BUSINESS);
    const { connection_id, account } = connection;
    const due = { seconds: String(Math.floor(Date.now() / 1000) + 3_600), nanos: 0 };
    const [doomed, spared] = [
      await publish(service.clients, { ...aPublicPost(connection), schedule_time: due }),
      await publish(service.clients, { ...aPublicPost(connection), schedule_time: due }),
    ];
    const comeDue = async (postId: string) =>
      world.sql('update post set schedule_time = now(), next_action_at = now() where id = $1', [postId]);
    const refresh = () => service.clients.connections.RefreshConnection<{ connection: Connection }>({ connection_id });

    world.sandbox.control.changeAccount(account.username, { businessAccount: false });
    expect((await refresh()).connection).toMatchObject({
      state: 'CONNECTION_STATE_ACTIVE',
      account: { account_type: 'ACCOUNT_TYPE_PERSONAL' },
    });
    expect(await service.clients.connections.GetPublishingCapabilities({ connection_id })).toMatchObject({
      can_publish: false,
      reason: { code: 'ACCOUNT_NOT_ELIGIBLE', remedy: expect.stringContaining('switch to a Business account') },
    });
    const refusal = await refused(publish(service.clients, aPublicPost(connection)));
    expect(refusal).toMatchObject({ code: status.FAILED_PRECONDITION, reason: 'ACCOUNT_NOT_ELIGIBLE' });
    await comeDue(doomed.post_id);
    const failed = await postThat(service.clients, doomed.post_id, 'FAILED');
    expect(failed).toMatchObject({ error: { code: 'ACCOUNT_NOT_ELIGIBLE' }, attempts: [] });

    world.sandbox.control.changeAccount(account.username, { businessAccount: true });
    // A post whose time comes before anybody refreshes the connection asks for itself.
    await comeDue(spared.post_id);
    await postThatHurries({ clients: service.clients, sql: world.sql }, spared.post_id, 'PUBLISHED');
    expect((await refresh()).connection).toMatchObject({ account: { account_type: 'ACCOUNT_TYPE_BUSINESS' } });
    const { post_id } = await publish(service.clients, aPublicPost(connection));
    await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'PUBLISHED');
  });

  it('is refreshed and disconnected like any other', async () => {
    const { connection_id, account } = await connectNewAccount(story, { followerCount: 7 }, BUSINESS);
    const openId = account.open_id.replace(/^_/, '-');
    world.sandbox.control.changeAccount(openId, { followerCount: 8 });
    const { connection } = await service.clients.connections.RefreshConnection<{ connection: Connection }>({
      connection_id,
    });
    expect(connection.account).toMatchObject({ follower_count: '8' });
    await service.clients.connections.DisconnectConnection({ connection_id });
    const states = world.sandbox.control
      .ledger()
      .tokens.filter((token) => token.account === openId)
      .map(({ kind, state }) => `${kind} ${state}`);
    expect(new Set(states)).toEqual(new Set(['access REVOKED', 'refresh REVOKED', 'refresh REPLACED']));
  });

  it('tells by webhook that the person removed the app', async () => {
    const connection = await connectNewAccount(story, {}, BUSINESS);
    world.sandbox.control.disconnectAccount(connection.account.username, 1, 'BUSINESS');
    await service.logged('TikTok told of a removed authorization, and no longer takes the grant', {
      connectionId: connection.connection_id,
    });
    const { connection: after } = await service.clients.connections.GetConnection<{ connection: Connection }>({
      connection_id: connection.connection_id,
    });
    expect(after).toMatchObject({
      state: 'CONNECTION_STATE_RECONNECT_REQUIRED',
      reconnect_reason: { code: 'ACCOUNT_ACCESS_REVOKED' },
    });
  });
});

describe('A webhook of the Business family', () => {
  it('may be signed with the secret before, as long as the operator says so (WHK-06)', async () => {
    const { businessAppId, businessSecret } = world.sandbox;
    const turned = await world.start({
      environment: { TIKTOK_BUSINESS_SECRET: 'the-next-secret', TIKTOK_BUSINESS_SECRET_PREVIOUS: businessSecret },
    });
    const tell = async (secret: string): Promise<number> => {
      const body = webhookBody({ client_key: businessAppId, event: 'post.publish.complete', user_openid: '_x' });
      const headers = { 'tiktok-signature': signatureOf(body, secret) };
      return (await fetch(`${turned.httpUrl}/webhooks/tiktok`, { method: 'POST', headers, body })).status;
    };
    expect(await tell(businessSecret)).toBe(200);
    expect(await tell('the-next-secret')).toBe(200);
    expect(await tell('another-secret')).toBe(401);
    await turned.kill();
  });
});

describe('A post of the Business family', () => {
  it('is fetched by TikTok although the open family uploads, and gets its id and link', async () => {
    const connection = await connectNewAccount(story, {}, BUSINESS);
    const { post_id, caption } = await publish(service.clients, aPublicPost(connection));
    const post = await postThatHurries(
      { clients: service.clients, sql: world.sql },
      post_id,
      (seen) => seen.tiktok_post_id !== '',
    );
    const { inits, posts } = world.sandbox.control.ledger();
    expect(inits.filter(({ title }) => title === caption)).toMatchObject([
      { family: 'BUSINESS', source: 'PULL_FROM_URL', publishId: post.publish_id },
    ]);
    const real = posts.filter(({ title }) => title === caption);
    expect(real.map(({ sha256 }) => sha256)).toEqual([video.sha256]);
    expect(post).toMatchObject({ state: 'POST_STATE_PUBLISHED', tiktok_post_id: real[0]?.publicPostIds[0] });
    expect(post['share_uri']).toBe(
      `https://www.tiktok.com/@${connection.account.username}/video/${post.tiktok_post_id}`,
    );
  });

  it('has an id of 19 digits also where TikTok writes it as a number', async () => {
    world.sandbox.control.changeSettings({ businessPostIds: 'number' });
    const connection = await connectNewAccount(story, {}, BUSINESS);
    const { post_id, caption } = await publish(service.clients, aPublicPost(connection));
    const post = await postThatHurries(
      { clients: service.clients, sql: world.sql },
      post_id,
      (seen) => seen.tiktok_post_id !== '',
    );
    world.sandbox.control.changeSettings({ businessPostIds: 'string' });
    const [real] = world.sandbox.control.ledger().posts.filter(({ title }) => title === caption);
    expect(post.tiktok_post_id).toBe(real?.publicPostIds[0]);
    expect(Number.isSafeInteger(Number(post.tiktok_post_id))).toBe(false);
  });

  it.each([
    ['40100', 'UPSTREAM_RATE_LIMITED'],
    ['50000', 'PLATFORM_UNAVAILABLE'],
    ['51065', 'PLATFORM_UNAVAILABLE'],
    ['60001', 'PLATFORM_UNAVAILABLE'],
  ])('goes out after TikTok said %s with HTTP 200', async (code) => {
    const connection = await connectNewAccount(story, {}, BUSINESS);
    const account = connection.account.username;
    world.sandbox.control.addFault({ endpoint: 'business_settings', account, kind: 'error', code });
    const { post_id } = await publish(service.clients, aPublicPost(connection));
    const post = await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'PUBLISHED');
    expect(world.sandbox.control.ledger().inits.filter(({ title }) => title === post.caption)).toHaveLength(1);
  });

  it.each([
    ['40105', 'the token is refreshed once'],
    ['40102', 'the token is refreshed once'],
  ])('goes out after TikTok said %s: %s', async (code) => {
    const connection = await connectNewAccount(story, {}, BUSINESS);
    const account = connection.account.username;
    world.sandbox.control.addFault({ endpoint: 'business_publish', account, kind: 'error', code });
    const { post_id, caption } = await publish(service.clients, aPublicPost(connection));
    await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'PUBLISHED');
    const { inits, calls } = world.sandbox.control.ledger();
    expect(inits.filter(({ title }) => title === caption)).toHaveLength(1);
    const refreshes = calls.filter(
      (call) => call.endpoint === 'business_refresh' && call.account === connection.account.open_id.replace(/^_/, '-'),
    );
    expect(refreshes).toHaveLength(1);
  });

  it.each([
    ['40001', 'POST_STATE_HELD', 'ACCOUNT_SCOPE_MISSING'],
    ['40002', 'POST_STATE_FAILED', 'CONNECTOR_REQUEST_REJECTED'],
    ['40908', 'POST_STATE_FAILED', 'VIDEO_FORMAT_REJECTED'],
  ])('ends or waits after TikTok said %s to its announcement, and nothing is fetched', async (code, state, reason) => {
    const connection = await connectNewAccount(story, {}, BUSINESS);
    const account = connection.account.username;
    world.sandbox.control.addFault({ endpoint: 'business_publish', account, kind: 'error', code });
    const { post_id } = await publish(service.clients, aPublicPost(connection));
    const post = await postThat(service.clients, post_id, (seen) => seen.state === state);
    expect(post.error).toMatchObject({ code: reason, tiktok_code: code });
    expect(world.sandbox.control.ledger().inits.filter(({ title }) => title === post.caption)).toEqual([]);
  });

  it('fails with the remedy for the operator when our address is not verified', async () => {
    const { urlProperties } = world.sandbox.control.businessApp();
    world.sandbox.control.changeBusinessApp({ urlProperties: [] });
    const connection = await connectNewAccount(story, {}, BUSINESS);
    const { post_id } = await publish(service.clients, aPublicPost(connection));
    const post = await postThat(service.clients, post_id, 'FAILED');
    world.sandbox.control.changeBusinessApp({ urlProperties });
    expect(post.error).toMatchObject({ code: 'MEDIA_DOMAIN_UNVERIFIED', actor: 'ACTOR_OPERATOR' });
  });

  it('fails as well where TikTok finds out only when it fetches: after three attempts that made no post', async () => {
    const { urlProperties } = world.sandbox.control.businessApp();
    world.sandbox.control.changeBusinessApp({ urlProperties: [] });
    world.sandbox.control.changeSettings({ unverifiedUrl: 'verdict' });
    const connection = await connectNewAccount(story, {}, BUSINESS);
    const { post_id, caption } = await publish(service.clients, aPublicPost(connection));
    const post = await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'FAILED');
    world.sandbox.control.changeSettings({ unverifiedUrl: 'refusal' });
    world.sandbox.control.changeBusinessApp({ urlProperties });
    expect(post.error).toMatchObject({ code: 'MEDIA_PULL_FAILED', tiktok_code: 'video_pull_failed' });
    expect(post.attempts.map(({ outcome }) => outcome)).toEqual(Array(3).fill('ATTEMPT_OUTCOME_FAILED'));
    expect(world.sandbox.control.ledger().posts.filter(({ title }) => title === caption)).toEqual([]);
  });

  it('goes out without what the account has switched off since, which TikTok would refuse it for', async () => {
    const connection = await connectNewAccount(story, {}, BUSINESS);
    const request = aPublicPost(connection);
    const settings = { ...request.settings, allow_comment: true, allow_duet: true, allow_stitch: true };
    world.sandbox.control.changeAccount(connection.account.username, { commentDisabled: true, duetDisabled: true });
    const { post_id } = await publish(service.clients, { ...request, settings });
    const post = await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'PUBLISHED');
    expect(post.attempts).toHaveLength(1);
    // What was chosen for it is kept as it was.
    expect(post['settings']).toMatchObject(settings);
  });

  it('over the cap of the day waits, and says so', async () => {
    const connection = await connectNewAccount(story, { dailyPostCap: 1 }, BUSINESS);
    const first = await publish(service.clients, aPublicPost(connection));
    await postThatHurries({ clients: service.clients, sql: world.sql }, first.post_id, 'PUBLISHED');
    const { post_id } = await publish(service.clients, aPublicPost(connection));
    const post = await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'HELD');
    expect(post).toMatchObject({ hold: { reason: 'HOLD_REASON_QUOTA' }, error: { code: 'ACCOUNT_DAILY_POST_CAP' } });
  });

  it('PUB-16 is announced six times a minute at most, and the seventh knows its time', async () => {
    const connection = await connectNewAccount(story, {}, BUSINESS);
    const requests = Array.from({ length: 7 }, () => aPublicPost(connection));
    const posts = await Promise.all(requests.map((request) => publish(service.clients, request)));
    const captions = new Set(posts.map(({ caption }) => caption));
    const begun = await world.sandbox.control.waitUntil(({ inits }) => {
      const ours = inits.filter(({ title }) => captions.has(title ?? ''));
      return ours.length === 6 && ours;
    });
    const waiting = posts.find(({ caption }) => !begun.some(({ title }) => title === caption));
    const earliest = Math.min(...begun.map(({ initTime }) => initTime)) / 1000 + 60;
    const turn = await postThat(
      service.clients,
      waiting?.post_id ?? '',
      (post) => Number((post['next_action_time'] as Timestamp | null)?.seconds) >= earliest,
    );
    expect(turn.state).toBe('POST_STATE_SCHEDULED');
    const refusals = world.sandbox.control
      .ledger()
      .calls.filter(
        ({ errorCode, account }) => errorCode !== null && account === connection.account.open_id.replace(/^_/, '-'),
      );
    expect(refusals).toEqual([]);
  });
});
