import { describe, expect, it } from 'vitest';
import { completeConnection } from '../../../src/application/complete-connection.ts';
import { disconnectConnection } from '../../../src/application/disconnect-connection.ts';
import { getConnection } from '../../../src/application/get-connection.ts';
import { getPublishingCapabilities } from '../../../src/application/get-publishing-capabilities.ts';
import { listConnections } from '../../../src/application/list-connections.ts';
import { refreshConnection } from '../../../src/application/refresh-connection.ts';
import { startConnection } from '../../../src/application/start-connection.ts';
import { type Connection, REQUESTED_SCOPES, requireReconnect } from '../../../src/domain/connection/connection.ts';
import type { Post } from '../../../src/domain/post/post.ts';
import type { PublishError } from '../../../src/domain/publish-error.ts';
import { err, ok } from '../../../src/domain/result.ts';
import {
  aDisconnectedConnection,
  aFinalizingPost,
  aHeldPost,
  anInitializingPost,
  anUploadingPost,
  aPreparingPost,
  aProcessingPost,
  aPublishedPost,
  aRequest,
  aScheduledPost,
  ids,
  later,
  NOW,
  OTHER_WORKSPACE,
  WORKSPACE,
} from '../../support/builders.ts';
import { refuses, UNAVAILABLE } from '../../support/fake-tiktok.ts';
import { World } from './world.ts';

const complete = (world: World) => completeConnection(world);

async function begin(
  world: World,
  parts: Partial<Parameters<ReturnType<typeof startConnection>>[0]> = {},
): Promise<string> {
  const begun = await startConnection(world)({ workspaceId: WORKSPACE, ...parts });
  if (!begun.ok) throw new Error(`not begun: ${begun.error.code}`);
  return begun.value.state;
}

async function connect(world: World, parts: Partial<Parameters<ReturnType<typeof startConnection>>[0]> = {}) {
  return complete(world)({ state: await begin(world, parts), answer: { code: 'good' } });
}

async function connected(world: World): Promise<Connection> {
  const outcome = await connect(world);
  if (!outcome.ok) throw new Error(`not connected: ${outcome.error.code}`);
  return outcome.value.connection;
}

const storedToken = async (world: World, { id }: Connection) =>
  (await world.credentials.find(id))?.accessToken.reveal();

/** TikTok proved the grant dead. */
const die = (world: World, { id }: Connection) =>
  world.connections.update(id, (connection) =>
    connection.state === 'DISCONNECTED'
      ? err(undefined)
      : ok(requireReconnect(connection, { code: 'ACCOUNT_SESSION_INVALID' }, NOW)),
  );

describe('starting to connect an account', () => {
  it('gives TikTok’s page, with every scope and a state that ends in ten minutes', async () => {
    const world = new World();
    const begun = await startConnection(world)({ workspaceId: WORKSPACE });
    if (!begun.ok) throw new Error('refused');
    expect(begun.value.expireTime).toEqual(later(600));
    expect(begun.value.authorizeUri).toContain(`state=${begun.value.state}`);
    expect(begun.value.authorizeUri).toContain(REQUESTED_SCOPES.OPEN.join(','));
  });

  it.each([
    ['https://app.example/back?x=1', true],
    ['http://localhost:3000/back', true],
    ['http://127.0.0.1/back', true],
    ['http://[::1]:3000/', true],
    ['http://app.example/back', false],
    ['http://localhost.example/', false],
    ['javascript:alert(1)', false],
    ['data:text/html,x', false],
    ['//app.example', false],
    ['', false],
    [`https://app.example/${'a'.repeat(2000)}`, false],
  ])('and coming back to %s: %s', async (returnUri, fine) => {
    const outcome = await startConnection(new World())({ workspaceId: WORKSPACE, returnUri });
    expect(outcome.ok).toBe(fine);
    if (!fine) expect(outcome).toMatchObject(err({ code: 'INVALID', findings: [{ field: 'return_uri' }] }));
  });

  it('is refused for a family that is not served, and without a workspace', async () => {
    const start = startConnection(new World());
    expect(await start({ workspaceId: '' as typeof WORKSPACE, apiFamily: 'BUSINESS' })).toMatchObject(
      err({ code: 'INVALID', findings: [{ field: 'workspace_id' }, { field: 'api_family', limit: 'OPEN' }] }),
    );
  });

  it('again finds the connection in its own workspace only', async () => {
    const world = new World();
    const connection = await world.givenConnection({ workspaceId: OTHER_WORKSPACE });
    const missing = err({ code: 'NOT_FOUND', resource: 'connection', id: connection.id });
    expect(await startConnection(world)({ workspaceId: WORKSPACE, reconnects: connection.id })).toEqual(missing);
  });
});

describe('completing a connection', () => {
  it('stores account and tokens for the workspace that began', async () => {
    const world = new World();
    const outcome = await connect(world, { returnUri: 'https://app.example/back' });
    if (!outcome.ok) throw new Error('refused');
    const { connection, returnUri } = outcome.value;
    expect(returnUri).toBe('https://app.example/back');
    expect(connection).toMatchObject({
      workspaceId: WORKSPACE,
      apiFamily: 'OPEN',
      state: 'ACTIVE',
      account: { openId: 'open-1', username: 'acme', maxVideoSeconds: 600 },
      grantedScopes: REQUESTED_SCOPES.OPEN,
      accessExpireTime: later(86_400),
      version: 1,
    });
    expect(await world.connection(connection.id)).toEqual(connection);
    expect(await world.credentials.find(connection.id)).toMatchObject({
      workspaceId: WORKSPACE,
      refreshExpireTime: later(31_536_000),
    });
  });

  it('works once for each state (TEN-05)', async () => {
    const world = new World();
    const state = await begin(world);
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => complete(world)({ state, answer: { code: 'good' } })),
    );
    expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(1);
    expect(outcomes.filter((outcome) => !outcome.ok && outcome.error.code === 'STATE_INVALID')).toHaveLength(19);
    expect(world.tiktok.called('exchange')).toBe(1);
  });

  it.each(['unknown', 'expired'])('is refused for a state that is %s, and TikTok is not asked', async (what) => {
    const world = new World();
    const state = await begin(world);
    if (what === 'expired') world.clock.advance(600);
    const outcome = await complete(world)({ state: what === 'expired' ? state : 'other', answer: { code: 'good' } });
    expect(outcome).toEqual(err({ code: 'STATE_INVALID' }));
    expect(world.tiktok.calls).toEqual([]);
  });

  it('needs a state and a code', async () => {
    const outcome = await complete(new World())({ state: '', answer: { code: '' } });
    expect(outcome).toMatchObject(err({ code: 'INVALID', findings: [{ field: 'state' }, { field: 'code' }] }));
  });

  it('says that the person said no, and where to go back to', async () => {
    const world = new World();
    const state = await begin(world, { returnUri: 'https://app.example/back' });
    expect(await complete(world)({ state, answer: { tiktokError: 'access_denied' } })).toEqual(
      err({ code: 'AUTHORIZATION_DENIED', tiktokCode: 'access_denied', returnUri: 'https://app.example/back' }),
    );
  });

  it('is refused with a code that TikTok does not know', async () => {
    const world = new World();
    const outcome = await complete(world)({ state: await begin(world), answer: { code: 'bad' } });
    expect(outcome).toMatchObject(err({ code: 'TIKTOK_REFUSED', error: { code: 'ACCOUNT_SESSION_INVALID' } }));
  });

  it.each<[string, (world: World) => void, object]>([
    [
      'needed scopes are missing',
      (world) => {
        world.tiktok.scopes = ['user.info.basic', 'video.list'];
      },
      {
        code: 'TIKTOK_REFUSED',
        error: { code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.publish'] },
        consentSpent: true,
      },
    ],
    [
      'the account is a personal one',
      (world) => {
        world.tiktok.account = { ...world.tiktok.account, accountType: 'PERSONAL' };
      },
      { code: 'TIKTOK_REFUSED', error: { code: 'ACCOUNT_NOT_ELIGIBLE', cause: 'PERSONAL' }, consentSpent: true },
    ],
    [
      'the account can not be read',
      (world) => world.tiktok.next('readAccount', refuses(UNAVAILABLE)),
      { code: 'TIKTOK_REFUSED', error: UNAVAILABLE, consentSpent: true },
    ],
  ])('is refused when %s, and the grant is revoked', async (_, arrange, refusal) => {
    const world = new World();
    arrange(world);
    expect(await connect(world)).toEqual(err(refusal));
    expect(world.tiktok.revoked).toEqual(['act.1']);
    expect((await world.connections.list({ workspaceId: WORKSPACE, states: [] }, { size: 9 })).items).toEqual([]);
  });

  it('is refused all the same when the grant can not be revoked', async () => {
    const world = new World();
    world.tiktok.scopes = [];
    world.tiktok.next('revoke', refuses(UNAVAILABLE));
    expect(await connect(world)).toMatchObject({ ok: false });
    expect(world.logged('warn')).toEqual(['a refused grant could not be revoked at TikTok']);
  });

  it('takes an account that may not post today', async () => {
    const world = new World();
    world.tiktok.next('readCreator', refuses({ code: 'ACCOUNT_DAILY_POST_CAP' }));
    expect(await connect(world)).toMatchObject(ok({ connection: { state: 'ACTIVE', account: world.tiktok.account } }));
  });

  it('learns the name of an account that did not let us read its profile from what it may post', async () => {
    const world = new World();
    world.tiktok.account = { openId: 'open-1', displayName: 'Acme' };
    expect(await connect(world)).toMatchObject(ok({ connection: { account: { username: 'acme' } } }));
  });

  it('of the same account again keeps the connection, with the newest consent', async () => {
    const world = new World();
    const first = await connected(world);
    await die(world, first);
    const again = await connected(world);
    expect(again).toMatchObject({ id: first.id, state: 'ACTIVE', version: 3 });
    expect(await storedToken(world, first)).toBe('act.2');
  });

  it('of an account that was disconnected revives its connection', async () => {
    const world = new World();
    const gone = aDisconnectedConnection();
    await world.connections.add(gone);
    expect(await connected(world)).toMatchObject({ id: gone.id, state: 'ACTIVE' });
  });

  it('of the same account in another workspace makes another connection (TEN-06)', async () => {
    const world = new World();
    const first = await connected(world);
    const outcome = await connect(world, { workspaceId: OTHER_WORKSPACE });
    expect(outcome.ok && outcome.value.connection.id).not.toBe(first.id);
    expect(await world.connections.find(first.id, OTHER_WORKSPACE)).toBeUndefined();
  });

  it('makes one connection when three consents of the same account come at once', async () => {
    const world = new World();
    world.tiktok.keepsOlderPairs = true;
    const outcomes = await Promise.all([connect(world), connect(world), connect(world)]);
    expect(new Set(outcomes.map((outcome) => outcome.ok && outcome.value.connection.id)).size).toBe(1);
    const { items } = await world.connections.list({ workspaceId: WORKSPACE, states: [] }, { size: 9 });
    expect(items).toHaveLength(1);
    expect(await world.credentials.find(items[0]?.id ?? ids.connectionId())).toBeDefined();
  });

  it('lets the posts go on that waited for it', async () => {
    const world = new World();
    const connection = await connected(world);
    const video = await world.givenVideo();
    const post = aHeldPost({ connectionId: connection.id, videoId: video.id });
    await world.posts.add({ post }, aRequest());
    await die(world, connection);
    await connected(world);
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
  });

  describe('as a reconnect', () => {
    it('takes the account it was begun for', async () => {
      const world = new World();
      const first = await connected(world);
      expect(await connect(world, { reconnects: first.id })).toMatchObject(ok({ connection: { id: first.id } }));
    });

    it('refuses another account, and stores nothing of it', async () => {
      const world = new World();
      const first = await connected(world);
      world.tiktok.account = { openId: 'open-2', displayName: 'Other' };
      expect(await connect(world, { reconnects: first.id })).toEqual(
        err({ code: 'RECONNECT_OTHER_ACCOUNT', expected: 'open-1', observed: 'open-2' }),
      );
      expect(await storedToken(world, first)).toBe('act.1');
      expect(await world.connections.findByAccount(WORKSPACE, 'OPEN', 'open-2')).toBeUndefined();
    });

    it('that ends with another connected account does not cost that one its grant', async () => {
      const world = new World();
      const first = await connected(world);
      world.tiktok.account = { openId: 'open-2', displayName: 'Other' };
      await connected(world);
      await connect(world, { reconnects: first.id });
      expect(world.tiktok.revoked).toEqual([]);
    });
  });
});

describe('disconnecting an account', () => {
  const disconnect = (world: World, connection: Connection) =>
    disconnectConnection(world)({ connectionId: connection.id });

  it('destroys the tokens, revokes the grant, and says so', async () => {
    const world = new World();
    const connection = await connected(world);
    expect(await disconnect(world, connection)).toMatchObject(
      ok({ connection: { state: 'DISCONNECTED' }, cancelledPostCount: 0 }),
    );
    expect(await world.credentials.find(connection.id)).toBeUndefined();
    expect(world.tiktok.revoked).toEqual(['act.1']);
  });

  it('cancels what was not sent yet, and leaves the rest to TikTok', async () => {
    const world = new World();
    const connection = await connected(world);
    const { id: videoId } = await world.givenVideo();
    const parts = { connectionId: connection.id, videoId };
    const unsent: readonly Post[] = [
      aPreparingPost(parts),
      aScheduledPost(parts),
      aHeldPost(parts),
      anInitializingPost(parts),
      anUploadingPost(parts),
    ];
    const sent: readonly Post[] = [aFinalizingPost(parts), aProcessingPost(parts), aPublishedPost(parts)];
    const others = aScheduledPost({ videoId });
    for (const post of [...unsent, ...sent, others]) await world.posts.add({ post }, aRequest());

    expect(await disconnect(world, connection)).toMatchObject(ok({ cancelledPostCount: unsent.length }));
    for (const { id } of unsent) expect(await world.post(id)).toMatchObject({ state: 'CANCELLED' });
    for (const post of [...sent, others]) expect(await world.post(post.id)).toEqual(post);
  });

  it('destroys the tokens also when TikTok does not answer', async () => {
    const world = new World();
    const connection = await connected(world);
    world.tiktok.next('revoke', refuses(UNAVAILABLE));
    expect(await disconnect(world, connection)).toMatchObject(ok({ connection: { state: 'DISCONNECTED' } }));
    expect(await world.credentials.find(connection.id)).toBeUndefined();
    expect(world.logged('warn')).toHaveLength(1);
  });

  it('revokes with a fresh token where the old one has ended', async () => {
    const world = new World();
    const connection = await connected(world);
    world.clock.advance(86_400);
    await disconnect(world, connection);
    expect(world.tiktok.revoked).toEqual(['act.2']);
    expect(await world.credentials.find(connection.id)).toBeUndefined();
  });

  it('has nothing to revoke where the grant is dead', async () => {
    const world = new World();
    const connection = await connected(world);
    world.clock.advance(86_400);
    world.tiktok.kill('grant');
    expect(await disconnect(world, connection)).toMatchObject({ ok: true });
    expect(world.tiktok.called('revoke')).toBe(0);
  });

  it('twice is harmless', async () => {
    const world = new World();
    const connection = await connected(world);
    await disconnect(world, connection);
    expect(await disconnect(world, connection)).toMatchObject(
      ok({ connection: { state: 'DISCONNECTED' }, cancelledPostCount: 0 }),
    );
    expect(world.tiktok.revoked).toHaveLength(1);
  });

  it('finds no account of another workspace', async () => {
    const world = new World();
    const { id } = await connected(world);
    const missing = err({ code: 'NOT_FOUND', resource: 'connection', id });
    expect(await disconnectConnection(world)({ connectionId: id, workspaceId: OTHER_WORKSPACE })).toEqual(missing);
    expect(await world.connection(id)).toMatchObject({ state: 'ACTIVE' });
  });
});

describe('refreshing an account', () => {
  const refresh = (world: World, connection: Connection) =>
    refreshConnection({ ...world, access: world.access() })({ connectionId: connection.id });

  it('forces a new pair, and reads the account anew', async () => {
    const world = new World();
    const connection = await connected(world);
    world.tiktok.account = { ...world.tiktok.account, displayName: 'New name', followerCount: 5 };
    world.tiktok.creator = { ...world.tiktok.creator, maxVideoSeconds: 60 };
    expect(await refresh(world, connection)).toMatchObject(
      ok({ state: 'ACTIVE', account: { displayName: 'New name', followerCount: 5, maxVideoSeconds: 60 } }),
    );
    expect(await storedToken(world, connection)).toBe('act.2');
  });

  it('keeps the limit it knew when TikTok does not tell it', async () => {
    const world = new World();
    const connection = await connected(world);
    world.tiktok.next('readCreator', refuses(UNAVAILABLE));
    expect(await refresh(world, connection)).toMatchObject(ok({ account: { maxVideoSeconds: 600 } }));
  });

  it('keeps the name of an account that did not let us read its profile', async () => {
    const world = new World();
    world.tiktok.account = { openId: 'open-1', displayName: 'Acme' };
    const connection = await connected(world);
    expect(await refresh(world, connection)).toMatchObject(ok({ account: { username: 'acme' } }));
  });

  it('brings back one that was taken for dead, and its posts', async () => {
    const world = new World();
    const connection = await connected(world);
    const { id: videoId } = await world.givenVideo();
    const post = aHeldPost({ connectionId: connection.id, videoId });
    await world.posts.add({ post }, aRequest());
    await die(world, connection);
    expect(await refresh(world, connection)).toMatchObject(ok({ state: 'ACTIVE' }));
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
  });

  it('says what TikTok refused with', async () => {
    const world = new World();
    const connection = await connected(world);
    world.tiktok.kill('grant');
    expect(await refresh(world, connection)).toMatchObject(
      err({ code: 'TIKTOK_REFUSED', error: { code: 'ACCOUNT_SESSION_INVALID' } }),
    );
    expect(await world.connection(connection.id)).toMatchObject({ state: 'RECONNECT_REQUIRED' });
  });

  it('is refused for one that is disconnected', async () => {
    const world = new World();
    const gone = aDisconnectedConnection();
    await world.connections.add(gone);
    expect(await refresh(world, gone)).toEqual(
      err({ code: 'CONNECTION_DISCONNECTED', state: 'DISCONNECTED', id: gone.id }),
    );
  });
});

describe('what an account may publish', () => {
  const capabilities = (world: World, connection: Connection) =>
    getPublishingCapabilities({ ...world, access: world.access() })({ connectionId: connection.id });

  it('is read from TikTok at that moment', async () => {
    const world = new World();
    const connection = await connected(world);
    expect(await capabilities(world, connection)).toMatchObject(ok({ creator: world.tiktok.creator, fetchTime: NOW }));
  });

  it.each<PublishError>([
    { code: 'ACCOUNT_DAILY_POST_CAP' },
    { code: 'APP_DAILY_USER_CAP' },
    { code: 'ACCOUNT_NOT_ELIGIBLE', cause: 'BANNED' },
  ])('is nothing now: $code', async (error) => {
    const world = new World();
    const connection = await connected(world);
    world.tiktok.next('readCreator', refuses(error));
    const outcome = await capabilities(world, connection);
    expect(outcome).toMatchObject(ok({ reason: error }));
    expect(outcome.ok && outcome.value).not.toHaveProperty('creator');
  });

  it('is not known when TikTok does not answer', async () => {
    const world = new World();
    const connection = await connected(world);
    world.tiktok.next('readCreator', refuses(UNAVAILABLE));
    expect(await capabilities(world, connection)).toEqual(err({ code: 'TIKTOK_REFUSED', error: UNAVAILABLE }));
  });
});

describe('reading accounts', () => {
  it('gives one, and none of another workspace', async () => {
    const world = new World();
    const { id } = await connected(world);
    expect(await getConnection(world)({ connectionId: id, workspaceId: WORKSPACE })).toMatchObject(ok({ id }));
    const missing = err({ code: 'NOT_FOUND', resource: 'connection', id });
    expect(await getConnection(world)({ connectionId: id, workspaceId: OTHER_WORKSPACE })).toEqual(missing);
  });

  it('lists those of one workspace, and refuses a page token of its own making', async () => {
    const world = new World();
    const { id } = await connected(world);
    const list = listConnections(world);
    const request = { workspaceId: WORKSPACE, states: [], pageSize: 0, pageToken: '' };
    expect(await list(request)).toMatchObject(ok({ items: [{ id }] }));
    expect(await list({ ...request, workspaceId: OTHER_WORKSPACE })).toEqual(ok({ items: [] }));
    expect(await list({ ...request, pageToken: 'x' })).toMatchObject(
      err({ code: 'INVALID', findings: [{ field: 'page_token' }] }),
    );
  });
});
