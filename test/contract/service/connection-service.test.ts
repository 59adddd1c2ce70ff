import { status } from '@grpc/grpc-js';
import { beforeAll, describe, expect, it } from 'vitest';
import { scopes } from '../../../sandbox/open/vocabulary.ts';
import type { GrpcClients } from '../../support/grpc-client.ts';
import { realService, type ServiceProcess, type Surroundings } from '../../support/service-process.ts';
import {
  aPost,
  type Connection,
  type ConnectionEvent,
  connectAccount,
  connectNewAccount,
  dateOf,
  fieldsOf,
  getPost,
  indistinguishable,
  methodsOf,
  type PublishErrorMessage,
  postThat,
  publish,
  recorded,
  refused,
  type Timestamp,
  timestamp,
  unique,
  upload,
  WORKSPACE,
} from '../../support/story.ts';

const surroundings = realService();

let world: Surroundings;
let service: ServiceProcess;
let clients: GrpcClients;
let called: ReadonlySet<string>;
/** Everything a person needs to connect an account. */
let story: { readonly clients: GrpcClients; readonly sandbox: Surroundings['sandbox'] };

beforeAll(async () => {
  world = await surroundings();
  service = await world.start();
  ({ clients, called } = recorded(service.clients));
  story = { clients, sandbox: world.sandbox };
});

type Started = { readonly authorize_uri: string; readonly state: string; readonly expire_time: Timestamp };

const start = (request: object = {}) =>
  clients.connections.StartConnection<Started>({ workspace_id: WORKSPACE, ...request });
const get = async ({ connection_id }: Connection): Promise<Connection> =>
  (await clients.connections.GetConnection<{ connection: Connection }>({ connection_id })).connection;
const consentTo = ({ authorize_uri }: Started, account = 'glow.bakery') =>
  world.sandbox.control.consent({ authorizeUri: authorize_uri, account });
const grantsOf = ({ account }: Connection) =>
  world.sandbox.control.ledger().tokens.filter((token) => token.account === account.open_id);

describe('StartConnection', () => {
  it("leads to TikTok's consent page, with our parameters", async () => {
    const { authorize_uri, state, expire_time } = await start();
    const uri = new URL(authorize_uri);
    expect(uri.origin + uri.pathname).toBe(world.sandbox.authorizeUrl);
    expect(Object.fromEntries(uri.searchParams)).toMatchObject({
      client_key: world.sandbox.clientKey,
      response_type: 'code',
      redirect_uri: `${service.httpUrl}/oauth/tiktok/callback`,
      state,
    });
    expect(uri.searchParams.get('scope')?.split(',').sort()).toEqual([...scopes].sort());
    expect(authorize_uri).not.toContain(world.sandbox.clientSecret);
    expect(state.length).toBeGreaterThanOrEqual(22);
    const minutes = (dateOf(expire_time).getTime() - Date.now()) / 60_000;
    expect(minutes).toBeGreaterThan(9);
    expect(minutes).toBeLessThanOrEqual(10.1);
    expect((await start()).state).not.toBe(state);
  });

  it.each([
    ['no workspace', { workspace_id: '' }, ['workspace_id FIELD_REQUIRED']],
    ['a workspace of 201 characters', { workspace_id: 'w'.repeat(201) }, ['workspace_id FIELD_INVALID']],
    ['a return address without TLS', { return_uri: 'http://example.com/done' }, ['return_uri FIELD_INVALID']],
    ['a return address that is a script', { return_uri: 'javascript:alert(1)' }, ['return_uri FIELD_INVALID']],
    ['a long return address', { return_uri: `https://example.com/${'x'.repeat(2000)}` }, ['return_uri FIELD_INVALID']],
    ['a family that nobody knows', { api_family: 77 }, ['api_family FIELD_INVALID']],
    [
      'two mistakes, both named at once',
      { workspace_id: '', return_uri: 'ftp://example.com' },
      ['workspace_id FIELD_REQUIRED', 'return_uri FIELD_INVALID'],
    ],
  ])('refuses %s', async (_, request, fields) => {
    const refusal = await refused(start(request));
    expect(refusal.code).toBe(status.INVALID_ARGUMENT);
    expect(fieldsOf(refusal)).toEqual(fields);
  });

  it('finds no connection of another workspace to mend', async () => {
    const { connection_id } = await connectNewAccount(story);
    await indistinguishable((id) => start({ workspace_id: 'ws_other', reconnect_connection_id: id }), {
      foreign: connection_id,
      missing: 'conn_00000000000000000000000000',
    });
  });
});

describe('CompleteConnection', () => {
  it('gives the connected account', async () => {
    world.sandbox.control.addAccount({
      username: 'glow.complete',
      displayName: 'Glow Complete',
      verified: true,
      followerCount: 12,
      followingCount: 3,
      likesCount: 987_654_321,
    });
    const before = Date.now();
    const connection = await connectAccount(story, { account: 'glow.complete' });
    expect(connection).toEqual({
      connection_id: expect.stringMatching(/^conn_[0-9a-z]{26}$/),
      workspace_id: WORKSPACE,
      destination: 'tiktok',
      api_family: 'API_FAMILY_OPEN',
      account: {
        open_id: world.sandbox.control.accounts().find(({ username }) => username === 'glow.complete')?.openId,
        username: 'glow.complete',
        display_name: 'Glow Complete',
        avatar_uri: expect.stringMatching(/^http/),
        profile_uri: 'https://www.tiktok.com/@glow.complete',
        account_type: 'ACCOUNT_TYPE_UNSPECIFIED',
        follower_count: '12',
        following_count: '3',
        likes_count: '987654321',
        video_count: '0',
        verified: true,
      },
      state: 'CONNECTION_STATE_ACTIVE',
      reconnect_reason: null,
      granted_scopes: expect.arrayContaining([...scopes]),
      missing_scopes: [],
      access_expire_time: expect.anything(),
      refresh_expire_time: expect.anything(),
      create_time: expect.anything(),
      update_time: expect.anything(),
      etag: expect.stringMatching(/./),
      sandbox: false,
      reconnect_warning_days: 0,
      grant_lost: false,
    });
    const life = (time: Timestamp | null) => (dateOf(time ?? { seconds: '0', nanos: 0 }).getTime() - before) / 1000;
    expect(life(connection.access_expire_time)).toBeCloseTo(7_200, -2);
    expect(life(connection.refresh_expire_time)).toBeCloseTo(180 * 86_400, -2);
  });

  it('keeps the connection when the account was connected before, also under a new name', async () => {
    const first = await connectNewAccount(story);
    const name = unique('renamed').replaceAll('-', '.');
    world.sandbox.control.changeAccount(first.account.username, { username: name });
    const again = await connectAccount(story, { account: name });
    expect(again).toMatchObject({ connection_id: first.connection_id, account: { username: name } });
    expect(again.etag).not.toBe(first.etag);
  });

  it('gives each workspace a connection of its own', async () => {
    const first = await connectNewAccount(story);
    const second = await connectAccount(story, { account: first.account.username, workspaceId: 'ws_b' });
    expect(second).toMatchObject({ workspace_id: 'ws_b', account: { open_id: first.account.open_id } });
    expect(second.connection_id).not.toBe(first.connection_id);
  });

  it.each([
    ['unknown', async () => ({ state: 'x'.repeat(43), code: 'c' })],
    [
      'used',
      async () => {
        const answer = await consentTo(await start());
        await clients.connections.CompleteConnection({ state: answer.state, code: answer.code });
        return answer;
      },
    ],
    [
      'older than ten minutes',
      async () => {
        const answer = await consentTo(await start());
        await world.sql('update pending_authorization set expire_time = now()');
        return answer;
      },
    ],
  ])('refuses a state that is %s', async (_, prepare) => {
    const { state, code } = await prepare();
    expect(await refused(clients.connections.CompleteConnection({ state, code }))).toMatchObject({
      code: status.INVALID_ARGUMENT,
      reason: 'STATE_INVALID',
    });
  });

  it('refuses a code that TikTok refuses, and spends the state', async () => {
    const { state } = await start();
    const complete = () => clients.connections.CompleteConnection({ state, code: 'not-a-code' });
    expect(await refused(complete())).toMatchObject({
      code: status.FAILED_PRECONDITION,
      reason: 'ACCOUNT_SESSION_INVALID',
      errorInfos: [{ metadata: { tiktok_code: 'invalid_grant' } }],
    });
    expect(await refused(complete())).toMatchObject({ reason: 'STATE_INVALID' });
  });

  it.each([
    ['no state', { state: '', code: 'c' }, ['state FIELD_REQUIRED']],
    ['no code', { state: 's', code: '' }, ['code FIELD_REQUIRED']],
    ['neither', {}, ['state FIELD_REQUIRED', 'code FIELD_REQUIRED']],
  ])('refuses %s', async (_, request, fields) => {
    expect(fieldsOf(await refused(clients.connections.CompleteConnection(request)))).toEqual(fields);
  });

  it('refuses an account that did not grant what publishing needs, and gives the grant back', async () => {
    world.sandbox.control.addAccount({ username: 'glow.stingy' });
    const refusal = await refused(connectAccount(story, { account: 'glow.stingy', scopes: ['user.info.basic'] }));
    expect(refusal).toMatchObject({ code: status.FAILED_PRECONDITION, reason: 'ACCOUNT_SCOPE_MISSING' });
    expect(refusal.message).toContain('video.publish');
    const { openId } = world.sandbox.control.accounts().find(({ username }) => username === 'glow.stingy') ?? {};
    const grants = world.sandbox.control.ledger().tokens.filter(({ account }) => account === openId);
    expect(new Set(grants.map(({ state }) => state))).toEqual(new Set(['REVOKED']));
    const { connections } = await clients.connections.ListConnections<{ connections: Connection[] }>({
      workspace_id: WORKSPACE,
      page_size: 500,
    });
    expect(connections.filter(({ account }) => account.open_id === openId)).toEqual([]);
  });

  it('accepts an account without the scopes that are only welcome, and names them', async () => {
    world.sandbox.control.addAccount({ username: 'glow.basic' });
    const connection = await connectAccount(story, {
      account: 'glow.basic',
      scopes: ['user.info.basic', 'video.publish'],
    });
    expect(connection).toMatchObject({
      granted_scopes: ['user.info.basic', 'video.publish'],
      missing_scopes: ['user.info.profile', 'user.info.stats', 'video.list', 'video.upload'],
    });
    expect(connection.account).not.toHaveProperty('follower_count');
    expect(connection.account).not.toHaveProperty('verified');
  });

  it('refuses another account than the one that is to be mended', async () => {
    const { connection_id, account } = await connectNewAccount(story);
    world.sandbox.control.addAccount({ username: 'glow.other' });
    const refusal = await refused(connectAccount(story, { account: 'glow.other', reconnects: connection_id }));
    expect(refusal).toMatchObject({ code: status.FAILED_PRECONDITION, reason: 'RECONNECT_OTHER_ACCOUNT' });
    expect(refusal.errorInfos[0]?.metadata['expected_open_id']).toBe(account.open_id);
  });

  it('is done by the callback too, which leads back to the return address', async () => {
    const name = unique('glow').replaceAll('-', '.');
    world.sandbox.control.addAccount({ username: name });
    const answer = await consentTo(await start({ return_uri: 'https://app.example/done?tab=1' }), name);
    const callback = `${answer.redirectUri}?${new URLSearchParams({ state: answer.state, code: answer.code })}`;
    const response = await fetch(callback, { redirect: 'manual' });
    expect(response.status).toBeGreaterThanOrEqual(302);
    const location = new URL(response.headers.get('location') ?? '');
    expect(location.origin + location.pathname).toBe('https://app.example/done');
    const connection_id = location.searchParams.get('connection_id') ?? '';
    const { connection } = await clients.connections.GetConnection<{ connection: Connection }>({ connection_id });
    expect(connection.account.username).toBe(name);
  });

  it('tells the callback of a person who said no', async () => {
    const { authorize_uri } = await start({ return_uri: 'https://app.example/done' });
    const response = await fetch(await world.sandbox.control.denyConsent(authorize_uri), { redirect: 'manual' });
    expect(new URL(response.headers.get('location') ?? '').searchParams.get('error')).toBe('AUTHORIZATION_DENIED');
  });
});

describe('GetConnection', () => {
  it('reads what CompleteConnection gave', async () => {
    const connection = await connectNewAccount(story);
    expect(await get(connection)).toEqual(connection);
  });
});

describe('Every RPC that names a connection', () => {
  const methods = ['GetConnection', 'RefreshConnection', 'DisconnectConnection', 'GetPublishingCapabilities'] as const;

  it.each(methods)('%s answers for a foreign one as for a missing one', async (method) => {
    const connection = await connectNewAccount(story);
    await indistinguishable((id) => clients.connections[method]({ connection_id: id, workspace_id: 'ws_other' }), {
      foreign: connection.connection_id,
      missing: 'conn_00000000000000000000000000',
    });
    expect(await get(connection)).toEqual(connection);
  });

  it.each(methods)('%s wants its id', async (method) => {
    const refusal = await refused(clients.connections[method]({ workspace_id: 'w'.repeat(201) }));
    expect(refusal.code).toBe(status.INVALID_ARGUMENT);
    expect(fieldsOf(refusal)).toEqual(['connection_id FIELD_REQUIRED', 'workspace_id FIELD_INVALID']);
  });
});

describe('ListConnections', () => {
  type Page = { readonly connections: readonly Connection[]; readonly next_page_token: string };
  const list = (request: object = {}) =>
    clients.connections.ListConnections<Page>({ workspace_id: 'ws_list', ...request });
  const ids = ({ connections }: Page) => connections.map(({ connection_id }) => connection_id);

  let all: readonly string[];
  beforeAll(async () => {
    const made: string[] = [];
    for (const account of ['glow.bakery', 'glow.private', 'glow.short']) {
      made.push((await connectAccount(story, { account, workspaceId: 'ws_list' })).connection_id);
    }
    all = made;
    await clients.connections.DisconnectConnection({ connection_id: made[1] });
  });

  it('lists oldest first, page by page', async () => {
    expect(ids(await list())).toEqual(all);
    const seen: string[] = [];
    let token = '';
    do {
      const page = await list({ page_size: 1, page_token: token });
      expect(page.connections).toHaveLength(1);
      seen.push(...ids(page));
      token = page.next_page_token;
    } while (token !== '');
    expect(seen).toEqual(all);
  });

  it('lists by state, and nothing of others', async () => {
    expect(ids(await list({ states: ['CONNECTION_STATE_DISCONNECTED'] }))).toEqual([all[1]]);
    expect(ids(await list({ states: ['CONNECTION_STATE_ACTIVE'] }))).toEqual([all[0], all[2]]);
    expect(ids(await list({ states: ['CONNECTION_STATE_RECONNECT_REQUIRED'] }))).toEqual([]);
    expect(ids(await list({ workspace_id: 'ws_nobody' }))).toEqual([]);
  });

  it.each([
    ['no workspace', { workspace_id: '' }, 'workspace_id FIELD_REQUIRED'],
    ['pages of 501', { page_size: 501 }, 'page_size FIELD_INVALID'],
    ['pages of -1', { page_size: -1 }, 'page_size FIELD_INVALID'],
    ['a token that is not ours', { page_token: 'abc' }, 'page_token FIELD_INVALID'],
    ['an unspecified state', { states: ['CONNECTION_STATE_UNSPECIFIED'] }, 'states FIELD_INVALID'],
    ['a state that nobody knows', { states: [99] }, 'states FIELD_INVALID'],
  ])('refuses %s', async (_, request, field) => {
    expect(fieldsOf(await refused(list(request)))).toEqual([field]);
  });
});

describe('RefreshConnection', () => {
  const refresh = async ({ connection_id }: Connection) =>
    (await clients.connections.RefreshConnection<{ connection: Connection }>({ connection_id })).connection;

  it('gets another token pair and reads the account again', async () => {
    const connection = await connectNewAccount(story);
    world.sandbox.control.changeAccount(connection.account.username, { followerCount: 77, displayName: 'Renamed' });
    const refreshed = await refresh(connection);
    expect(refreshed).toMatchObject({
      connection_id: connection.connection_id,
      state: 'CONNECTION_STATE_ACTIVE',
      account: { follower_count: '77', display_name: 'Renamed' },
    });
    expect(refreshed.etag).not.toBe(connection.etag);
    const access = (each: Connection) => dateOf(each.access_expire_time ?? { seconds: '0', nanos: 0 });
    expect(access(refreshed).getTime()).toBeGreaterThan(access(connection).getTime());
    expect(await get(connection)).toEqual(refreshed);
    expect(grantsOf(connection).filter(({ kind, state }) => kind === 'refresh' && state === 'REPLACED')).toHaveLength(
      1,
    );
  });

  it('marks a grant that TikTok no longer accepts', async () => {
    const connection = await connectNewAccount(story);
    world.sandbox.control.disconnectAccount(connection.account.username);
    expect(await refused(refresh(connection))).toMatchObject({
      code: status.FAILED_PRECONDITION,
      reason: 'ACCOUNT_SESSION_INVALID',
      errorInfos: [{ metadata: { actor: 'USER', tiktok_code: 'invalid_grant' } }],
      preconditions: [{ type: 'ACCOUNT_SESSION_INVALID', subject: 'the TikTok account' }],
    });
    expect(await get(connection)).toMatchObject({
      state: 'CONNECTION_STATE_RECONNECT_REQUIRED',
      reconnect_reason: {
        code: 'ACCOUNT_SESSION_INVALID',
        actor: 'ACTOR_USER',
        retryable: false,
        tiktok_code: 'invalid_grant',
        remedy: expect.stringContaining('Reconnect'),
      },
    });
  });

  it('is UNAVAILABLE while TikTok does not answer, and changes nothing', async () => {
    const connection = await connectNewAccount(story);
    world.sandbox.control.addFault({
      endpoint: 'token',
      kind: 'status',
      status: 500,
      times: 2,
      account: connection.account.username,
    });
    expect(await refused(refresh(connection))).toMatchObject({
      code: status.UNAVAILABLE,
      reason: 'PLATFORM_UNAVAILABLE',
    });
    expect(await get(connection)).toEqual(connection);
  });

  it('refuses a connection that was disconnected', async () => {
    const connection = await connectNewAccount(story);
    await clients.connections.DisconnectConnection({ connection_id: connection.connection_id });
    expect(await refused(refresh(connection))).toMatchObject({
      code: status.FAILED_PRECONDITION,
      reason: 'CONNECTION_DISCONNECTED',
    });
  });
});

describe('GetPublishingCapabilities', () => {
  const ask = ({ connection_id }: Connection) =>
    clients.connections.GetPublishingCapabilities<
      Readonly<Record<string, unknown>> & { reason: PublishErrorMessage | null; fetch_time: Timestamp }
    >({ connection_id });

  it('tells what a public account may do', async () => {
    const connection = await connectNewAccount(story, { displayName: 'Glow Public', maxVideoPostDurationSec: 3_600 });
    const before = Date.now();
    const answer = await ask(connection);
    expect(answer).toEqual({
      nickname: 'Glow Public',
      username: connection.account.username,
      avatar_uri: expect.stringMatching(/^http/),
      privacy_levels: [
        'PRIVACY_LEVEL_PUBLIC_TO_EVERYONE',
        'PRIVACY_LEVEL_MUTUAL_FOLLOW_FRIENDS',
        'PRIVACY_LEVEL_SELF_ONLY',
      ],
      comment_available: true,
      duet_available: true,
      drafts_available: true,
      privacy_selectable: true,
      max_video_bytes: String(4 * 2 ** 30),
      stitch_available: true,
      // TikTok says an hour; this service takes ten minutes.
      max_video_duration: { seconds: '600', nanos: 0 },
      can_publish: true,
      reason: null,
      fetch_time: expect.anything(),
    });
    expect(Math.abs(dateOf(answer.fetch_time).getTime() - before)).toBeLessThan(5_000);
  });

  it('tells what a private account with comments off may do', async () => {
    const connection = await connectNewAccount(story, {
      private: true,
      commentDisabled: true,
      maxVideoPostDurationSec: 60,
    });
    expect(await ask(connection)).toMatchObject({
      privacy_levels: [
        'PRIVACY_LEVEL_FOLLOWER_OF_CREATOR',
        'PRIVACY_LEVEL_MUTUAL_FOLLOW_FRIENDS',
        'PRIVACY_LEVEL_SELF_ONLY',
      ],
      comment_available: false,
      duet_available: false,
      stitch_available: false,
      max_video_duration: { seconds: '60', nanos: 0 },
    });
  });

  it.each([
    ['spam_risk_user_banned_from_posting', { banned: true }, 'ACCOUNT_NOT_ELIGIBLE'],
    ['spam_risk_too_many_posts', { dailyPostCap: 0 }, 'ACCOUNT_DAILY_POST_CAP'],
  ])('says why nothing can be published now: %s', async (code, change, reason) => {
    const connection = await connectNewAccount(story);
    world.sandbox.control.changeAccount(connection.account.username, change);
    expect(await ask(connection)).toMatchObject({
      can_publish: false,
      privacy_levels: [],
      username: connection.account.username,
      reason: { code: reason, tiktok_code: code, tiktok_log_id: expect.stringMatching(/./) },
    });
  });

  it.each([
    ['internal_error', status.UNAVAILABLE, 'PLATFORM_UNAVAILABLE'],
    ['rate_limit_exceeded', status.RESOURCE_EXHAUSTED, 'UPSTREAM_RATE_LIMITED'],
  ])('passes on that TikTok answers %s', async (code, grpc, reason) => {
    const connection = await connectNewAccount(story);
    const { username } = connection.account;
    world.sandbox.control.addFault({ endpoint: 'creator_info', kind: 'error', code, account: username });
    expect(await refused(ask(connection))).toMatchObject({
      code: grpc,
      reason,
      errorInfos: [{ metadata: { tiktok_code: code, tiktok_log_id: expect.stringMatching(/./) } }],
    });
  });

  it('refuses a dead grant', async () => {
    const connection = await connectNewAccount(story);
    world.sandbox.control.disconnectAccount(connection.account.username);
    expect(await refused(ask(connection))).toMatchObject({
      code: status.FAILED_PRECONDITION,
      reason: 'ACCOUNT_SESSION_INVALID',
    });
    expect((await get(connection)).state).toBe('CONNECTION_STATE_RECONNECT_REQUIRED');
  });
});

describe('DisconnectConnection', () => {
  type Ended = { readonly connection: Connection; readonly cancelled_post_count: number };
  const disconnect = ({ connection_id }: Connection) =>
    clients.connections.DisconnectConnection<Ended>({ connection_id });

  it('revokes at TikTok, destroys the tokens and cancels what was not sent', async () => {
    const connection = await connectNewAccount(story);
    const video = await upload(clients);
    const done = await publish(clients, aPost(connection, video));
    await postThat(clients, done.post_id, 'PUBLISHED');
    const tomorrow = timestamp(new Date(Date.now() + 86_400_000));
    const waiting = [
      await publish(clients, { ...aPost(connection, video), schedule_time: tomorrow }),
      await publish(clients, { ...aPost(connection, video), schedule_time: tomorrow }),
    ];

    const ended = await disconnect(connection);
    expect(ended).toMatchObject({
      cancelled_post_count: 2,
      connection: {
        connection_id: connection.connection_id,
        state: 'CONNECTION_STATE_DISCONNECTED',
        access_expire_time: null,
        refresh_expire_time: null,
      },
    });
    for (const { post_id } of waiting) {
      expect((await getPost(clients, post_id)).state).toBe('POST_STATE_CANCELLED');
    }
    expect((await getPost(clients, done.post_id)).state).toBe('POST_STATE_PUBLISHED');
    expect(new Set(grantsOf(connection).map(({ state }) => state))).toEqual(new Set(['REVOKED']));
    const { connection_id } = connection;
    const kept = 'select access_token, refresh_token from credential where connection_id = $1';
    for (const row of await world.sql(kept, [connection_id])) {
      expect(row).toEqual({ access_token: null, refresh_token: null });
    }

    expect(await refused(publish(clients, aPost(connection, video)))).toMatchObject({
      code: status.FAILED_PRECONDITION,
      reason: 'CONNECTION_DISCONNECTED',
    });
  });

  it('changes nothing when it is repeated', async () => {
    const connection = await connectNewAccount(story);
    const { connection: ended } = await disconnect(connection);
    expect(await disconnect(connection)).toEqual({ connection: ended, cancelled_post_count: 0 });
  });

  it('is undone by connecting the same account: the id stays', async () => {
    const connection = await connectNewAccount(story);
    await disconnect(connection);
    const revived = await connectAccount(story, { account: connection.account.username });
    expect(revived).toMatchObject({ connection_id: connection.connection_id, state: 'CONNECTION_STATE_ACTIVE' });
    const { post_id } = await publish(clients, aPost(revived, await upload(clients)));
    await postThat(clients, post_id, 'PUBLISHED');
  });
});

describe('WatchConnections', () => {
  const open = (request: object = {}) =>
    clients.watchConnections({ workspace_id: 'ws_watch', ...request }, { deadlineMilliseconds: 40_000 });
  const next = async (watch: Awaited<ReturnType<typeof open>>) =>
    (await watch.next<{ event: ConnectionEvent }>()).event;
  const connectWatched = (workspaceId = 'ws_watch') => {
    const username = unique('watched').replaceAll('-', '.');
    world.sandbox.control.addAccount({ username });
    return connectAccount(story, { account: username, workspaceId });
  };

  it('tells every change of a connection in order, goes on after any of them, and says nothing of renewed tokens', async () => {
    const watch = await open();
    const connection = await connectWatched();
    const { connection_id } = connection;
    await clients.connections.RefreshConnection({ connection_id });
    world.sandbox.control.disconnectAccount(connection.account.username);
    await refused(clients.connections.RefreshConnection({ connection_id }));
    await connectAccount(story, { account: connection.account.username, workspaceId: 'ws_watch' });
    await clients.connections.DisconnectConnection({ connection_id });

    const events: ConnectionEvent[] = [];
    do events.push(await next(watch));
    while (events.at(-1)?.connection.state !== 'CONNECTION_STATE_DISCONNECTED');
    watch.cancel();
    const told = events.map(({ previous_state, connection: { state } }) =>
      [previous_state, state].map((each) => each.replace('CONNECTION_STATE_', '')).join(' '),
    );
    expect(told).toEqual([
      'UNSPECIFIED ACTIVE',
      'ACTIVE RECONNECT_REQUIRED',
      'RECONNECT_REQUIRED ACTIVE',
      'ACTIVE DISCONNECTED',
    ]);
    expect(events[0]?.connection).toEqual(connection);
    expect(events[1]?.connection.reconnect_reason).toMatchObject({ code: 'ACCOUNT_SESSION_INVALID' });
    const etags = events.map((each) => Number(each.connection.etag));
    expect(etags).toEqual([...new Set(etags)].sort((a, b) => a - b));

    for (const [index, { resume_token }] of events.slice(0, -1).entries()) {
      const resumed = await open({ resume_token });
      expect((await next(resumed)).resume_token).toBe(events[index + 1]?.resume_token);
      resumed.cancel();
    }
  });

  it('tells only what is asked for, and nothing of another workspace', async () => {
    const [one, two] = [await connectWatched(), await connectWatched()];
    const ofTwo = await open({ connection_ids: [two.connection_id] });
    const foreign = await open({ workspace_id: 'ws_else', connection_ids: [] });
    for (const { connection_id } of [one, two]) await clients.connections.DisconnectConnection({ connection_id });
    let told = await next(ofTwo);
    // It may begin with a change from right before.
    while (told.connection.state === 'CONNECTION_STATE_ACTIVE') told = await next(ofTwo);
    expect(told.connection.connection_id).toBe(two.connection_id);
    const theirs = await connectWatched('ws_else');
    expect((await next(foreign)).connection.connection_id).toBe(theirs.connection_id);
    for (const watch of [ofTwo, foreign]) watch.cancel();
  });

  it.each([
    ['no workspace', { workspace_id: '' }, 'workspace_id FIELD_REQUIRED'],
    ['a token that is not ours', { resume_token: 'abc' }, 'resume_token FIELD_INVALID'],
    ['an empty connection id', { connection_ids: [''] }, 'connection_ids FIELD_REQUIRED'],
  ])('refuses %s', async (_, request, field) => {
    const watch = await open(request);
    expect(fieldsOf(await refused(watch.next()))).toEqual([field]);
  });
});

it('Every method of ConnectionService was called', () => {
  expect(methodsOf('ConnectionService').filter((method) => !called.has(method))).toEqual([]);
});
