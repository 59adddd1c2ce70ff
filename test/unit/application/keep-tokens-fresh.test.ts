import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { keepTokensFresh, type TokenKeeping } from '../../../src/application/keep-tokens-fresh.ts';
import { closingFor } from '../../../src/domain/post/gate.ts';
import type { PublishError } from '../../../src/domain/publish-error.ts';
import { err } from '../../../src/domain/result.ts';
import { inSeconds } from '../../../src/domain/time.ts';
import { anAccount, anActiveConnection, later, NOW, OTHER_WORKSPACE } from '../../support/builders.ts';
import { answers, UNAVAILABLE } from '../../support/fake-tiktok.ts';
import { World } from './world.ts';

const APP_REFUSED: PublishError = { code: 'APP_CREDENTIALS_REJECTED', tiktokCode: 'invalid_client' };
const notAnswered = (error: PublishError) => answers(err({ code: 'NOT_ANSWERED', error } as const));

const keeping = (world: World, owner = 'keeper'): TokenKeeping =>
  keepTokensFresh({ ...world, access: world.access(owner), wait: world.wait });

/** Accounts whose tokens come due together, half a day from the beginning. */
async function givenAccounts(world: World, count: number) {
  const accounts = await world.givenAccounts(count);
  return accounts;
}

/** An account whose tokens are due, and an app that TikTok refuses. */
async function withARefusedApp(): Promise<World> {
  const world = new World();
  const { id } = await world.givenConnection();
  world.clock.advance(43_200);
  const closing = closingFor(APP_REFUSED, await world.connection(id));
  if (closing === undefined) throw new Error('no gate');
  await world.gates.shut(closing, APP_REFUSED);
  return world;
}

describe('tokens that nobody uses', () => {
  it.each([0, 0.5, 1])('are renewed between 50 and 60 %% of their life (jitter %s)', async (random) => {
    const world = new World();
    world.random = () => random;
    const { id } = await world.givenConnection();
    // The fake's tokens live for a day; this renewal sets when the next one is due.
    await world.access().refresh(id);
    const keeper = keeping(world);
    const share = 0.5 + 0.1 * random;
    world.clock.advance(86_400 * share - 1);
    await keeper.sweep();
    expect(world.tiktok.called('refresh')).toBe(1);
    world.clock.advance(1);
    await keeper.sweep();
    expect(world.tiktok.called('refresh')).toBe(2);
    expect(await world.connection(id)).toMatchObject({
      state: 'ACTIVE',
      accessExpireTime: inSeconds(world.clock.now(), 86_400),
    });
    await keeper.sweep();
    expect(world.tiktok.called('refresh')).toBe(2);
  });

  it("take half of the app's turns at most: somebody waits for the others", async () => {
    const world = new World();
    await givenAccounts(world, 4);
    world.clock.advance(43_200);
    const start = world.clock.now();
    world.tiktok.appQuotas = [{ calls: 2, windowSeconds: 5 }];
    await keeping(world).sweep();
    expect(world.tiktok.called('refresh')).toBe(4);
    expect(world.clock.now().getTime() - start.getTime()).toBeGreaterThanOrEqual(10_000);
  });

  it('are renewed once by four processes at the same moment', async () => {
    const world = new World();
    await givenAccounts(world, 20);
    world.clock.advance(43_200);
    await Promise.all(['a', 'b', 'c', 'd'].map((owner) => keeping(world, owner).sweep()));
    expect(world.tiktok.called('refresh')).toBe(20);
  });

  it('are no storm after a standstill: five in any second at most, whatever the number of processes', async () => {
    const world = new World();
    await givenAccounts(world, 60);
    world.clock.advance(10 * 86_400);
    const given: number[] = [];
    const { turns } = world;
    world.turns = {
      ...turns,
      next: async (...asked) => {
        const turn = await turns.next(...asked);
        given.push(turn.getTime());
        return turn;
      },
    };
    let early = 0;
    world.tiktok.before('refresh', () => {
      const passed = given.filter((time) => time <= world.clock.now().getTime()).length;
      if (passed <= world.tiktok.called('refresh') - 1) early += 1;
    });
    await Promise.all(['a', 'b', 'c'].map((owner) => keeping(world, owner).sweep()));
    expect([given.length, world.tiktok.called('refresh'), early]).toEqual([60, 60, 0]);
    given.sort((left, right) => left - right);
    for (const [index, time] of given.entries()) {
      const sixth = given[index + 5];
      if (sixth !== undefined) expect(sixth - time).toBeGreaterThanOrEqual(1000);
    }
  });

  it('of one workspace are not behind all those of another', async () => {
    const world = new World();
    await givenAccounts(world, 30);
    const small = anActiveConnection({ workspaceId: OTHER_WORKSPACE, account: anAccount({ openId: 'small' }) });
    await world.givenConnection(small);
    await world.connections.update(small.id, () => err(undefined));
    world.clock.advance(43_200);
    const due = await world.credentials.claimDue(2, 0);
    expect(due.map(({ connectionId }) => connectionId)).toContain(small.id);
  });

  it('are tried again later and later while TikTok does not answer, and nothing is given up', async () => {
    const world = new World();
    const { id } = await world.givenConnection();
    world.tiktok.next('refresh', ...Array(8).fill(notAnswered(UNAVAILABLE)));
    world.clock.advance(43_200);
    const keeper = keeping(world);
    const tries: number[] = [];
    for (let second = 0; second < 900; second += 1) {
      const before = world.tiktok.called('refresh');
      const now = world.clock.now().getTime();
      await keeper.sweep();
      if (world.tiktok.called('refresh') > before) tries.push(now);
      world.clock.advance(1);
    }
    const pauses = tries.slice(1).map((time, index) => (time - (tries[index] ?? 0)) / 1000);
    expect(pauses.length).toBeGreaterThan(3);
    for (const [index, pause] of pauses.slice(0, 4).entries()) expect(pause).toBeGreaterThanOrEqual(22 * 2 ** index);
    expect(await world.connection(id)).toMatchObject({ state: 'ACTIVE' });
    expect(world.metrics.reports).toContainEqual(['tokenRefreshed', 'RENEWED']);
  });

  it('are left alone while the app is refused, and one of them finds out whether it still is (TOK-06)', async () => {
    const world = new World();
    const accounts = await givenAccounts(world, 20);
    world.clock.advance(43_200);
    const keeper = keeping(world);
    // TikTok refuses the app for an hour.
    const end = inSeconds(world.clock.now(), 3600);
    world.tiktok.next(
      'refresh',
      ...Array(1000).fill(async (answer: () => Promise<unknown>) =>
        world.clock.now() < end ? err({ code: 'NOT_ANSWERED', error: APP_REFUSED }) : answer(),
      ),
    );
    for (let second = 0; second < 3600; second += 5) {
      await keeper.sweep();
      world.clock.advance(5);
    }
    // Eight that were under way already, then one at 30 s, 60 s, … 5 min.
    expect(world.tiktok.called('refresh')).toBeLessThan(8 + 20);
    for (const { id } of accounts) expect(await world.connection(id)).toMatchObject({ state: 'ACTIVE' });
    for (let second = 0; second < 1800; second += 5) {
      await keeper.sweep();
      world.clock.advance(5);
    }
    const renewed = world.metrics.reports.filter(
      ([name, outcome]) => name === 'tokenRefreshed' && outcome === 'RENEWED',
    );
    expect(renewed).toHaveLength(20);
    expect(await world.gates.all()).toEqual([]);
  });

  it('are left alone while TikTok itself is not well', async () => {
    const world = await withARefusedApp();
    await keeping(world).sweep();
    expect(world.tiktok.called('refresh')).toBe(0);
  });

  it('whose grant is dead are asked for once, and again only after a reconnect', async () => {
    const world = new World();
    const { id } = await world.givenConnection();
    world.tiktok.kill('grant');
    world.clock.advance(43_200);
    const keeper = keeping(world);
    for (let day = 0; day < 30; day += 1) {
      await keeper.sweep();
      world.clock.advance(86_400);
    }
    expect(world.tiktok.called('refresh')).toBe(1);
    expect(await world.connection(id)).toMatchObject({ state: 'RECONNECT_REQUIRED', grantLost: false });
  });

  it('are taken up by another process when the one that took them died', async () => {
    const world = new World();
    await world.givenConnection();
    world.clock.advance(43_200);
    expect(await world.credentials.claimDue(1, 180)).toHaveLength(1);
    const keeper = keeping(world);
    await keeper.sweep();
    expect(world.tiktok.called('refresh')).toBe(0);
    world.clock.advance(180);
    await keeper.sweep();
    expect(world.tiktok.called('refresh')).toBe(1);
  });

  it('cost one question while none is due', async () => {
    const world = new World();
    await givenAccounts(world, 3);
    const { credentials, gates } = world;
    let asked = 0;
    world.credentials = {
      ...credentials,
      nextDue() {
        asked += 1;
        return credentials.nextDue();
      },
      claimDue: () => Promise.reject(new Error('none is due')),
    };
    world.gates = { ...gates, all: () => Promise.reject(new Error('nobody is asked')) };
    await keeping(world).sweep();
    expect(asked).toBe(1);
  });

  it.each([
    [0, 5],
    [1, 5],
    [12, 12],
    [31, 30],
    [43_200, 30],
  ])('that come due in %s s are looked for again in %s s', async (seconds, again) => {
    const world = new World();
    await givenAccounts(world, 1);
    world.clock.advance(43_200 - seconds);
    expect(await keeping(world).sweep()).toBe(again);
  });

  it('are looked for by the process itself that often, and after a look that failed soon', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const world = new World();
    const { credentials } = world;
    let asked = 0;
    world.credentials = {
      ...credentials,
      nextDue() {
        asked += 1;
        return asked === 3 ? Promise.reject(new Error('the database is away')) : credentials.nextDue();
      },
    };
    const keeper = keeping(world);
    keeper.start();
    const asOf: number[] = [];
    for (let second = 0; second <= 100; second += 1) {
      await vi.advanceTimersByTimeAsync(second === 0 ? 0 : 1000);
      while (asOf.length < asked) asOf.push(second);
    }
    await keeper.stop();
    expect(asOf).toEqual([0, 30, 60, 65, 95]);
  });

  it('are looked for in half a minute where there are none', async () => {
    expect(await keeping(new World()).sweep()).toBe(30);
  });

  it('are looked for soon while the app is refused', async () => {
    const world = await withARefusedApp();
    expect(await keeping(world).sweep()).toBe(5);
  });

  it('end the look and no more when the database is away', async () => {
    const world = new World();
    await world.givenConnection();
    world.clock.advance(43_200);
    const { credentials } = world;
    world.credentials = { ...credentials, claimDue: () => Promise.reject(new Error('the database is away')) };
    await expect(keeping(world).sweep()).rejects.toThrow('away');
    world.credentials = credentials;
    await keeping(world).sweep();
    expect(world.tiktok.called('refresh')).toBe(1);
  });
});

describe('the warning that a refresh token ends', () => {
  const warnings = (world: World) => world.metrics.reports.filter(([name]) => name === 'reconnectWarned');

  it('is told at 14, 7 and 1 days, each once, across restarts and by several processes', async () => {
    const world = new World();
    // Nobody gets new tokens: only the old consent counts.
    world.tiktok.next('refresh', ...Array(500).fill(notAnswered({ code: 'UPSTREAM_RATE_LIMITED' })));
    const { id } = await world.givenConnection({ refreshExpireTime: later(20 * 86_400, NOW) });
    for (let hour = 0; hour < 20 * 24; hour += 1) {
      await Promise.all([keeping(world, `a${hour}`).sweep(), keeping(world, `b${hour}`).sweep()]);
      world.clock.advance(3600);
    }
    expect(warnings(world)).toEqual([
      ['reconnectWarned', 14],
      ['reconnectWarned', 7],
      ['reconnectWarned', 1],
    ]);
    expect(await world.connection(id)).toMatchObject({ state: 'ACTIVE', reconnectWarning: 1 });
  });

  it('is taken back by tokens that live longer', async () => {
    const world = new World();
    const { id } = await world.givenConnection({ refreshExpireTime: later(5 * 86_400, NOW) });
    await keeping(world).sweep();
    expect(await world.connection(id)).toMatchObject({ reconnectWarning: 7 });
    await world.access().refresh(id);
    expect(await world.connection(id)).not.toHaveProperty('reconnectWarning');
    await keeping(world).sweep();
    expect(warnings(world)).toHaveLength(1);
  });
});
