import { describe, expect, it, vi } from 'vitest';
import { accountAccess } from '../../../src/application/account-access.ts';
import type { GrantRefusal, TokenGrant } from '../../../src/application/ports/tiktok.ts';
import { type Active, disconnect, reconnect } from '../../../src/domain/connection/connection.ts';
import { credentialsGate } from '../../../src/domain/post/gate.ts';
import type { PublishError } from '../../../src/domain/publish-error.ts';
import { err, ok, type Result } from '../../../src/domain/result.ts';
import type { Secret } from '../../../src/domain/secret.ts';
import { aDeadConnection, ids, later, NOW } from '../../support/builders.ts';
import { answers, UNAVAILABLE } from '../../support/fake-tiktok.ts';
import { World } from './world.ts';

type RefreshAnswer = Result<TokenGrant, GrantRefusal>;

const SESSION_INVALID: PublishError = { code: 'ACCOUNT_SESSION_INVALID', tiktokCode: 'access_token_invalid' };
const notAnswered = (error: PublishError = UNAVAILABLE) => err({ code: 'NOT_ANSWERED', error } as const);
const lostBefore = answers(notAnswered());
const lostAfter = async (answer: () => Promise<RefreshAnswer>) => {
  await answer();
  return notAnswered();
};

/** A connection whose access token has `seconds` left. */
const givenExpiring = (world: World, seconds: number) => world.givenConnection({ accessExpireTime: later(seconds) });

/** Asks TikTok something with the token, and gives the token. */
const using =
  (world: World) =>
  async (token: Secret): Promise<Result<string, PublishError>> => {
    const answer = await world.tiktok.authorization.readAccount(token, []);
    return answer.ok ? ok(token.reveal()) : answer;
  };

/** The person consents anew. */
async function reconnectNow(world: World, { id, account }: Active): Promise<void> {
  const grant = world.tiktok.issue();
  const life = { accessExpireTime: later(86_400, world.clock.now()), refreshExpireTime: later(9e6) };
  const refreshDueTime = later(43_200, world.clock.now());
  const { accessToken, refreshToken } = grant;
  const { workspaceId } = await world.connection(id);
  await world.credentials.put({ connectionId: id, workspaceId, accessToken, refreshToken, ...life, refreshDueTime });
  await world.connections.update(id, (connection) =>
    ok(reconnect(connection, { ...life, account, grantedScopes: [] }, world.clock.now())),
  );
}

async function disconnectNow(world: World, { id }: Active): Promise<void> {
  await world.connections.update(id, (connection) => ok(disconnect(connection, world.clock.now())));
  await world.credentials.destroy(id);
}

const storedToken = async (world: World, { id }: Active) => (await world.credentials.find(id))?.accessToken.reveal();

describe('a call for an account', () => {
  it('uses the stored token while it outlives the call', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 601);
    expect(await world.access().call(id, using(world))).toEqual(ok('act.1'));
    expect(world.tiktok.called('refresh')).toBe(0);
  });

  it('refreshes first when the token might end on the way', async () => {
    const world = new World();
    const connection = await givenExpiring(world, 600);
    expect(await world.access().call(connection.id, using(world))).toEqual(ok('act.2'));
    expect(await world.connection(connection.id)).toMatchObject({
      state: 'ACTIVE',
      accessExpireTime: later(86_400),
      refreshExpireTime: later(31_536_000),
    });
    expect(await world.credentials.find(connection.id)).toMatchObject({ version: 2, accessExpireTime: later(86_400) });
  });

  it('stores the new pair before anyone uses it', async () => {
    const world = new World();
    const connection = await givenExpiring(world, 0);
    let stored: string | undefined;
    await world.access().call(connection.id, async (token) => {
      stored = await storedToken(world, connection);
      expect(token.reveal()).toBe('act.2');
      return ok(undefined);
    });
    expect(stored).toBe('act.2');
  });

  it('shares one refresh with fifty others, and asks the database for it once (T1)', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 0);
    const { credentials } = world;
    let claims = 0;
    world.credentials = {
      ...credentials,
      claimRefresh: (...claim) => {
        claims += 1;
        return credentials.claimRefresh(...claim);
      },
    };
    const access = world.access();
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => access.call(id, using(world))));
    expect(outcomes).toEqual(Array(50).fill(ok('act.2')));
    expect([world.tiktok.called('refresh'), claims]).toEqual([1, 1]);
  });

  it('shares one refresh with other processes (T2)', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 0);
    const processes = Array.from({ length: 4 }, (_, index) => world.access(`process ${index}`));
    const outcomes = await Promise.all(processes.map((access) => access.call(id, using(world))));
    expect(outcomes).toEqual(Array(4).fill(ok('act.2')));
    expect(world.tiktok.called('refresh')).toBe(1);
  });

  it('refreshes once when TikTok refuses a token that looks good, for fifty at once (T9)', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 86_400);
    world.tiktok.kill('access');
    const access = world.access();
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => access.call(id, using(world))));
    expect(outcomes).toEqual(Array(50).fill(ok('act.2')));
    expect(world.tiktok.called('refresh')).toBe(1);
  });

  it('refreshes no second time for a caller who comes late with the same refused token (T9)', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 86_400);
    world.tiktok.kill('access');
    const access = world.access();
    const late = Promise.withResolvers<void>();
    let calls = 0;
    const slow = access.call(id, async (token) => {
      calls += 1;
      if (calls === 1) await late.promise;
      return using(world)(token);
    });
    expect(await access.call(id, using(world))).toEqual(ok('act.2'));
    late.resolve();
    expect(await slow).toEqual(ok('act.2'));
    expect(world.tiktok.called('refresh')).toBe(1);
  });

  it('reads the tokens once in a minute for who holds the connection as it was read, and for everybody else anew', async () => {
    const world = new World();
    const held = await givenExpiring(world, 86_400);
    const find = vi.fn(world.credentials.find);
    world.credentials = { ...world.credentials, find };
    const access = world.access();
    const readsFor = async (connection: Active | Active['id']) => {
      find.mockClear();
      expect(await access.call(connection, using(world))).toEqual(ok('act.1'));
      return find.mock.calls.length;
    };
    expect([await readsFor(held), await readsFor(held), await readsFor(held.id)]).toEqual([1, 0, 1]);
    world.clock.advance(60);
    expect([await readsFor(held), await readsFor(held)]).toEqual([1, 0]);
  });

  it('finds the tokens that replaced the ones it holds, and holds those', async () => {
    const world = new World();
    const held = await givenExpiring(world, 86_400);
    const access = world.access();
    expect(await access.call(held, using(world))).toEqual(ok('act.1'));
    await reconnectNow(world, held);
    const request = vi.fn(using(world));
    expect(await access.call(held, request)).toEqual(ok('act.2'));
    expect(await access.call(held, request)).toEqual(ok('act.2'));
    expect(request.mock.calls.map(([token]) => token.reveal())).toEqual(['act.1', 'act.2', 'act.2']);
    expect(world.tiktok.called('refresh')).toBe(0);
  });

  it('asks for a reconnect when TikTok refuses the fresh token as well', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 86_400);
    expect(await world.access().call(id, async () => err(SESSION_INVALID))).toEqual(err(SESSION_INVALID));
    expect(world.tiktok.called('refresh')).toBe(1);
    expect(await world.connection(id)).toMatchObject({ state: 'RECONNECT_REQUIRED', reconnectReason: SESSION_INVALID });
  });

  it('gives any other refusal back as it is', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 86_400);
    const error: PublishError = { code: 'ACCOUNT_DAILY_POST_CAP' };
    expect(await world.access().call(id, async () => err(error))).toEqual(err(error));
    expect(await world.connection(id)).toMatchObject({ state: 'ACTIVE' });
  });

  it.each<PublishError>([
    { code: 'ACCOUNT_ACCESS_REVOKED' },
    { code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.publish'] },
  ])('asks for a reconnect when TikTok says $code', async (error) => {
    const world = new World();
    const { id } = await givenExpiring(world, 86_400);
    expect(await world.access().call(id, async () => err(error))).toEqual(err(error));
    expect(await world.connection(id)).toMatchObject({ state: 'RECONNECT_REQUIRED', reconnectReason: error });
  });

  // BUG: account-access.ts `call` judges by the connection as it was before `current` refreshed it; the refresh itself has stored
  // a newer version by then, so `markDead` takes it for a reconnect and marks nothing.
  it('asks for a reconnect also when TikTok says so right after a refresh', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 0);
    const error: PublishError = { code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.publish'] };
    expect(await world.access().call(id, async () => err(error))).toEqual(err(error));
    expect(await world.connection(id)).toMatchObject({ state: 'RECONNECT_REQUIRED', reconnectReason: error });
  });

  it('does not ask TikTok anything while a reconnect is awaited', async () => {
    const world = new World();
    const connection = aDeadConnection({ reconnectReason: { code: 'ACCOUNT_ACCESS_REVOKED' } });
    await world.connections.add(connection);
    const never = async () => {
      throw new Error('must not be asked');
    };
    expect(await world.access().call(connection.id, never)).toEqual(err({ code: 'ACCOUNT_ACCESS_REVOKED' }));
    expect(await world.access().call(ids.connectionId(), never)).toEqual(err({ code: 'ACCOUNT_SESSION_INVALID' }));
  });
});

describe('a forced refresh', () => {
  it('replaces a good pair', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 86_400);
    expect(await world.access().refresh(id)).toMatchObject(ok({ version: 2 }));
  });

  it('brings a connection back that was taken for dead', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 86_400);
    await world.access().call(id, async () => err({ code: 'ACCOUNT_ACCESS_REVOKED' }));
    expect(await world.access().refresh(id)).toMatchObject({ ok: true });
    expect(await world.connection(id)).toMatchObject({ state: 'ACTIVE' });
  });

  it('has nothing to do where there are no tokens', async () => {
    const world = new World();
    expect(await world.access().refresh(ids.connectionId())).toEqual(err({ code: 'ACCOUNT_SESSION_INVALID' }));
  });
});

describe('a refused refresh', () => {
  it('of a dead grant asks for a reconnect', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 0);
    world.tiktok.kill('grant');
    expect(await world.access().call(id, using(world))).toEqual(err(SESSION_INVALID));
    expect(await world.connection(id)).toMatchObject({ state: 'RECONNECT_REQUIRED', reconnectReason: SESSION_INVALID });
    expect(world.waits).toEqual([]);
  });

  it('of a pair that someone else replaced meanwhile uses theirs', async () => {
    const world = new World();
    const connection = await givenExpiring(world, 0);
    world.tiktok.next('refresh', async (answer) => {
      await reconnectNow(world, connection);
      return answer();
    });
    expect(await world.access().call(connection.id, using(world))).toEqual(ok('act.2'));
    expect(await world.connection(connection.id)).toMatchObject({ state: 'ACTIVE' });
  });

  it.each<PublishError>([
    { code: 'APP_CREDENTIALS_REJECTED' },
    { code: 'PLATFORM_UNAVAILABLE' },
    { code: 'UPSTREAM_RATE_LIMITED' },
  ])('for $code marks nothing dead, and the old token serves its time (T12)', async (error) => {
    const world = new World();
    const { id } = await givenExpiring(world, 300);
    // A plain no is not asked again at once; a lost answer is.
    const tries = error.code === 'APP_CREDENTIALS_REJECTED' || error.code === 'UPSTREAM_RATE_LIMITED' ? 2 : 4;
    world.tiktok.next('refresh', ...Array(tries).fill(answers(notAnswered(error))));
    expect(await world.access().call(id, using(world))).toEqual(ok('act.1'));
    world.clock.set(later(300));
    expect(await world.access().call(id, using(world))).toEqual(err(error));
    expect(await world.connection(id)).toMatchObject({ state: 'ACTIVE' });
    world.clock.advance(60);
    expect(await world.access().call(id, using(world))).toEqual(ok('act.2'));
  });

  it('for the app itself shuts a gate: nobody asks for any account before its time has come, and then it opens (TOK-06)', async () => {
    const world = new World();
    const [first, second] = await world.givenAccounts(2);
    if (first === undefined || second === undefined) throw new Error('no accounts');
    const error: PublishError = { code: 'APP_CREDENTIALS_REJECTED', tiktokCode: 'invalid_client' };
    world.tiktok.next('refresh', answers(notAnswered(error)));
    const access = world.access();
    expect(await access.refresh(first.id)).toEqual(err(error));
    expect(await access.refresh(second.id)).toEqual(err(error));
    expect(await world.access('other').refresh(first.id)).toEqual(err(error));
    expect(world.tiktok.called('refresh')).toBe(1);
    expect(await world.gates.all()).toHaveLength(1);
    expect(world.logged('error')).toEqual([expect.stringContaining('TikTok refuses the app')]);
    world.clock.advance(30);
    expect(await access.refresh(second.id)).toMatchObject({ ok: true });
    expect(await world.gates.all()).toEqual([]);
    for (const { id } of [first, second]) expect(await world.connection(id)).toMatchObject({ state: 'ACTIVE' });
  });
});

describe('a refresh on behalf of a post that tries the gate of the app', () => {
  it('asks TikTok, and leaves the gate to the post, which lets go who waits for it', async () => {
    const world = new World();
    const { id, apiFamily } = await world.givenConnection();
    const key = credentialsGate(apiFamily);
    await world.gates.shut({ key, seconds: 30, atMostSeconds: 300 }, { code: 'APP_CREDENTIALS_REJECTED' });
    world.clock.advance(30);
    expect(await world.gates.pass([key], 60)).toEqual({ trying: [key] });
    expect(await world.access().refresh(id)).toMatchObject({ ok: true });
    expect(await world.gates.all()).toMatchObject([{ key, tried: true }]);
  });
});

describe('a refresh whose answer is lost', () => {
  it('is asked for again soon, and works when it never arrived', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 0);
    world.tiktok.next('refresh', lostBefore);
    expect(await world.access().call(id, using(world))).toEqual(ok('act.2'));
    expect(world.waits).toEqual([2]);
  });

  it('has cost the grant when it was carried out: that is said, loudly (T4)', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 0);
    world.tiktok.next('refresh', lostAfter);
    expect(await world.access().call(id, using(world))).toEqual(err(SESSION_INVALID));
    expect(await world.connection(id)).toMatchObject({ state: 'RECONNECT_REQUIRED', grantLost: true });
    expect(world.logged('error')).toEqual(['a grant was lost with an answer of TikTok']);
    expect(world.metrics.reports).toContainEqual(['grantLost']);
  });

  it('is remembered: the grant counts as lost also when only a later try learns of it (T4)', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 0);
    world.tiktok.next('refresh', lostAfter, lostBefore);
    expect(await world.access('one').call(id, using(world))).toEqual(err(UNAVAILABLE));
    expect(await world.connection(id)).toMatchObject({ state: 'ACTIVE' });
    expect(await world.access('other').call(id, using(world))).toEqual(err(SESSION_INVALID));
    expect(await world.connection(id)).toMatchObject({ state: 'RECONNECT_REQUIRED', grantLost: true });
    expect(world.metrics.reports.filter(([name]) => name === 'grantLost')).toHaveLength(1);
  });

  it('leaves the claim to others', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 0);
    world.tiktok.next('refresh', lostBefore, lostBefore);
    expect(await world.access('one').call(id, using(world))).toEqual(err(UNAVAILABLE));
    expect(await world.access('other').call(id, using(world))).toEqual(ok('act.2'));
  });
});

describe('races for the tokens', () => {
  it('a worker that froze in a refresh still stores its pair, and who took over waits for it (T5)', async () => {
    const world = new World();
    const connection = await givenExpiring(world, 0);
    const thaw = Promise.withResolvers<void>();
    const frozen = Promise.withResolvers<void>();
    world.tiktok.next('refresh', async (answer) => {
      const grant = await answer();
      frozen.resolve();
      await thaw.promise;
      return grant;
    });
    const sleeper = world.access('sleeper').call(connection.id, using(world));
    await frozen.promise;
    world.clock.advance(31);

    const other = world.access('other');
    world.tiktok.next('refresh', async (answer) => {
      const refusal = await answer();
      thaw.resolve();
      await sleeper;
      return refusal;
    });
    expect(await other.call(connection.id, using(world))).toEqual(ok('act.2'));
    expect(await sleeper).toEqual(ok('act.2'));
    expect(await storedToken(world, connection)).toBe('act.2');
    expect(await world.connection(connection.id)).toMatchObject({ state: 'ACTIVE' });
  });

  it('who took over from a worker that never comes back waits a minute, then asks for a reconnect', async () => {
    const world = new World();
    const connection = await givenExpiring(world, 0);
    await world.credentials.claimRefresh(connection.id, 1, 'dead', 30);
    world.tiktok.kill('grant');
    const access = world.access();
    // No caller is made to wait for all of it; a worker waits.
    const worker = access.call(connection.id, using(world));
    expect(await access.forCallers.call(connection.id, using(world))).toEqual(err({ code: 'PLATFORM_UNAVAILABLE' }));
    expect(await worker).toMatchObject(err({ code: 'ACCOUNT_SESSION_INVALID' }));
    await vi.waitUntil(async () => (await world.connection(connection.id)).state === 'RECONNECT_REQUIRED');
    const waited = world.waits.reduce((sum, seconds) => sum + seconds, 0);
    expect(waited).toBeGreaterThanOrEqual(90);
    expect(waited).toBeLessThan(100);
    expect(await world.connection(connection.id)).toMatchObject({ grantLost: true });
  });

  it('who took over tells its callers at once that it takes longer, and later ones as well', async () => {
    const world = new World();
    const connection = await givenExpiring(world, 0);
    await world.credentials.claimRefresh(connection.id, 1, 'dead', 0);
    world.tiktok.kill('grant');
    const never = new Promise<void>(() => {});
    const access = accountAccess({ ...world, wait: () => never, failPoint: world.failPoint, owner: 'another' });
    for (let caller = 0; caller < 3; caller += 1) {
      expect(await access.forCallers.call(connection.id, using(world))).toEqual(err({ code: 'PLATFORM_UNAVAILABLE' }));
    }
    expect(world.tiktok.called('refresh')).toBe(1);
    expect(await world.connection(connection.id)).toMatchObject({ state: 'ACTIVE' });
  });

  it('a worker that waits because it took over stops waiting when its process stops, and marks nothing', async () => {
    const world = new World();
    const connection = await givenExpiring(world, 0);
    await world.credentials.claimRefresh(connection.id, 1, 'dead', 0);
    world.tiktok.kill('grant');
    const stop = new AbortController();
    const wait = async () => stop.abort();
    const access = accountAccess({
      ...world,
      wait,
      failPoint: world.failPoint,
      owner: 'another',
      stopping: stop.signal,
    });
    expect(await access.call(connection.id, using(world))).toEqual(err({ code: 'PLATFORM_UNAVAILABLE' }));
    expect(await world.connection(connection.id)).toMatchObject({ state: 'ACTIVE' });
  });

  it('who waits for another’s refresh uses its pair', async () => {
    const world = new World();
    const connection = await givenExpiring(world, 0);
    await world.credentials.claimRefresh(connection.id, 1, 'other', 30);
    const waiting = world.access().call(connection.id, using(world));
    await reconnectNow(world, connection);
    expect(await waiting).toEqual(ok('act.2'));
    expect(world.tiktok.called('refresh')).toBe(0);
  });

  it('a reconnect during a refresh wins, and its grant is not revoked (T6)', async () => {
    const world = new World();
    const connection = await givenExpiring(world, 0);
    world.tiktok.next('refresh', async (answer) => {
      const stray = await answer();
      await reconnectNow(world, connection);
      return stray;
    });
    expect(await world.access().call(connection.id, using(world))).toEqual(ok('act.3'));
    expect(await storedToken(world, connection)).toBe('act.3');
    expect(world.tiktok.revoked).toEqual([]);
  });

  it('a disconnect during a refresh wins, and the stray pair is revoked (T7)', async () => {
    const world = new World();
    const connection = await givenExpiring(world, 0);
    world.tiktok.next('refresh', async (answer) => {
      const stray = await answer();
      await disconnectNow(world, connection);
      return stray;
    });
    expect(await world.access().call(connection.id, using(world))).toEqual(err({ code: 'ACCOUNT_SESSION_INVALID' }));
    expect(await world.credentials.find(connection.id)).toBeUndefined();
    expect(world.tiktok.revoked).toEqual(['act.2']);
    expect(await world.connection(connection.id)).toMatchObject({ state: 'DISCONNECTED' });
  });

  it('a disconnect before a refresh leaves TikTok unasked', async () => {
    const world = new World();
    const connection = await givenExpiring(world, 0);
    const { credentials } = world;
    world.credentials = {
      ...credentials,
      claimRefresh: async (...claim) => {
        const claimed = await credentials.claimRefresh(...claim);
        await disconnectNow(world, connection);
        return claimed;
      },
    };
    expect(await world.access().call(connection.id, using(world))).toEqual(err({ code: 'ACCOUNT_SESSION_INVALID' }));
    expect(world.tiktok.called('refresh')).toBe(0);
  });

  it('a reconnect right before a dead grant is marked wins (TOK-05)', async () => {
    const world = new World();
    const connection = await givenExpiring(world, 0);
    world.tiktok.kill('grant');
    const { connections } = world;
    let reconnected = false;
    world.connections = {
      ...connections,
      update: async (id, change) => {
        if (!reconnected) {
          reconnected = true;
          world.connections = connections;
          await reconnectNow(world, connection);
        }
        return connections.update(id, change);
      },
    };
    await world.access().call(connection.id, using(world));
    expect(reconnected).toBe(true);
    expect(await world.connection(connection.id)).toMatchObject({ state: 'ACTIVE' });
  });
});

describe('a database that is down right after TikTok rotated the tokens (T8)', () => {
  it('gets the pair as soon as it is back, and nobody uses it before', async () => {
    const world = new World();
    const connection = await givenExpiring(world, 0);
    const { credentials } = world;
    let down = 3;
    world.credentials = {
      ...credentials,
      replace: async (...pair) => {
        if (down-- > 0) throw new Error('the database is down');
        return credentials.replace(...pair);
      },
    };
    expect(await world.access().call(connection.id, using(world))).toEqual(ok('act.2'));
    expect(world.waits).toEqual([0.25, 0.5, 1]);
    expect(world.logged('error')).toHaveLength(3);
    expect(await storedToken(world, connection)).toBe('act.2');
  });

  it('keeps the pair when only the answer to its write was lost', async () => {
    const world = new World();
    const connection = await givenExpiring(world, 0);
    const { credentials } = world;
    let lost = false;
    world.credentials = {
      ...credentials,
      replace: async (...pair) => {
        const stored = await credentials.replace(...pair);
        if (!lost) {
          lost = true;
          throw new Error('the database hung up');
        }
        return stored;
      },
    };
    expect(await world.access().call(connection.id, using(world))).toEqual(ok('act.2'));
    expect(world.tiktok.revoked).toEqual([]);
  });

  it('says when the tokens end once it is back', async () => {
    const world = new World();
    const connection = await givenExpiring(world, 0);
    const { connections } = world;
    let down = 2;
    world.connections = {
      ...connections,
      update: async (id, change) => {
        if (down-- > 0) throw new Error('the database is down');
        return connections.update(id, change);
      },
    };
    await world.access().call(connection.id, using(world));
    expect(await world.connection(connection.id)).toMatchObject({ accessExpireTime: later(86_400) });
  });
});

describe('what is logged', () => {
  it('holds no token, whatever happens', async () => {
    const world = new World();
    for (const kill of [false, true]) {
      const { id } = await world.givenConnection({
        accessExpireTime: NOW,
        account: { openId: String(kill), displayName: '' },
      });
      world.tiktok.next('refresh', kill ? lostAfter : lostBefore);
      await world.access().call(id, using(world));
    }
    expect(world.log.lines.length).toBeGreaterThan(2);
    expect(JSON.stringify(world.log.lines)).not.toMatch(/act\.\d|rft\.\d/);
  });
});

describe('a call that TikTok counts for the account', () => {
  const CREATOR = 'READ_CREATOR:OPEN:open-1';
  const slowed: PublishError = { code: 'UPSTREAM_RATE_LIMITED', tiktokCode: 'rate_limit_exceeded' };

  it('takes a turn each time, and is not made when none is free', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 86_400);
    const access = world.access();
    const outcomes = await Promise.all(Array.from({ length: 25 }, () => access.call(id, using(world), 'READ_CREATOR')));
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(20);
    expect(outcomes.filter(({ ok }) => !ok)).toEqual(
      Array(5).fill(err({ code: 'UPSTREAM_RATE_LIMITED', retryTime: later(62) })),
    );
    expect(world.tiktok.called('readAccount')).toBe(20);
    world.clock.advance(62);
    expect(await access.call(id, using(world), 'READ_CREATOR')).toMatchObject({ ok: true });
  });

  it('leaves the turns of other calls alone, and a call without a quota needs none', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 86_400);
    for (let turn = 0; turn < 20; turn += 1) await world.turns.take(CREATOR, world.tiktok.quotas.READ_CREATOR);
    const access = world.access();
    expect(await access.call(id, using(world), 'READ_CREATOR')).toMatchObject({ ok: false });
    expect(await access.call(id, using(world), 'READ_STATUS')).toMatchObject({ ok: true });
    expect(await access.call(id, using(world))).toMatchObject({ ok: true });
  });

  it('uses up all turns when TikTok counts more than we do', async () => {
    const world = new World();
    const { id } = await givenExpiring(world, 86_400);
    const access = world.access();
    expect(await access.call(id, async () => err(slowed), 'READ_CREATOR')).toEqual(err(slowed));
    expect(await access.call(id, using(world), 'READ_CREATOR')).toEqual(
      err({ code: 'UPSTREAM_RATE_LIMITED', retryTime: later(62) }),
    );
    expect(await access.call(id, using(world), 'READ_STATUS')).toMatchObject({ ok: true });
  });

  it('uses up no turn when the account has to reconnect: nobody is asked', async () => {
    const world = new World();
    const connection = await givenExpiring(world, 0);
    world.tiktok.kill('grant');
    const access = world.access();
    for (let call = 0; call < 25; call += 1) {
      expect(await access.call(connection.id, using(world), 'READ_CREATOR')).toMatchObject({
        ok: false,
        error: { code: 'ACCOUNT_SESSION_INVALID' },
      });
    }
    expect(await world.turns.take(CREATOR, world.tiktok.quotas.READ_CREATOR)).toEqual({ taken: true });
  });
});
