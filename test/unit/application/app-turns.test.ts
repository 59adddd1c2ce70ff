import { describe, expect, it } from 'vitest';
import { type AppTurns, appTurns } from '../../../src/application/app-turns.ts';
import type { Quota } from '../../../src/application/ports/tiktok.ts';
import type { Turns } from '../../../src/application/ports/turns.ts';
import { later, NOW } from '../../support/builders.ts';
import type { FixedClock } from '../../support/fixed-clock.ts';
import { World } from './world.ts';

const SECOND: Quota = { calls: 4, windowSeconds: 1 };
const MINUTE: Quota = { calls: 6, windowSeconds: 60 };

/** Time goes on when nobody has anything left to do, to where the first of all sleepers wakes. */
function sleeping(clock: FixedClock): (seconds: number) => Promise<void> {
  const sleepers = new Set<{ readonly time: Date; readonly wake: () => void }>();
  function goOn(): void {
    const [first] = [...sleepers].toSorted((left, right) => left.time.getTime() - right.time.getTime());
    if (first === undefined) return;
    sleepers.delete(first);
    if (first.time > clock.now()) clock.set(first.time);
    first.wake();
    setImmediate(goOn);
  }
  return (seconds) =>
    new Promise((wake) => {
      if (sleepers.size === 0) setImmediate(goOn);
      sleepers.add({ time: later(seconds, clock.now()), wake });
    });
}

/** An app whose calls TikTok counts, and when each of `calls` got its turn: seconds from the beginning, or when to come back. */
function anApp(appQuotas: readonly Quota[] = [SECOND]) {
  const world = new World();
  world.tiktok.appQuotas = appQuotas;
  const wait = sleeping(world.clock);
  const secondsOf = (time: Date): number => (time.getTime() - NOW.getTime()) / 1000;
  const timed = async (turns: AppTurns, ...given: 'BACKGROUND'[]) => {
    const early = await turns.take('OPEN', ...given);
    if (early === undefined) return secondsOf(world.clock.now());
    if (early.code !== 'UPSTREAM_RATE_LIMITED' || early.retryTime === undefined) throw new Error(early.code);
    return { comeBackAt: secondsOf(early.retryTime) };
  };
  /** Another process on the same database. */
  const process = (): AppTurns => appTurns({ ...world, wait });
  return { world, timed, process, wait };
}

const times = <T>(count: number, value: () => T): T[] => Array.from({ length: count }, value);

describe('the turns of an app', () => {
  it('are asked of nobody where TikTok counts none', async () => {
    const { world, timed, process } = anApp([]);
    const refuse = () => Promise.reject(new Error('the database was asked'));
    world.turns = { next: refuse, take: refuse, giveBack: refuse, exhaust: refuse } satisfies Turns;
    expect(await timed(process())).toBe(0);
    await process().exhaust('OPEN');
  });

  it('let as many calls through as TikTok allows, and the others as soon as there is room, in order', async () => {
    const { timed, process } = anApp();
    const turns = process();
    expect(await Promise.all(times(10, () => timed(turns)))).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2]);
  });

  it('show as spans how they were waited for, with what came of it', async () => {
    const { world, timed, process } = anApp();
    const turns = process();
    const all = await Promise.all(times(70, () => timed(turns)));
    const sentAway = all.filter((turn) => typeof turn === 'object').length;
    const outcomes = world.traces.spans.map(({ name, facts }) => `${name} ${facts.apiFamily} ${facts.outcome}`);
    expect(sentAway).toBeGreaterThan(0);
    expect(outcomes.toSorted()).toEqual([
      ...times(sentAway, () => 'wait for a turn OPEN SENT_AWAY'),
      ...times(70 - sentAway, () => 'wait for a turn OPEN TAKEN'),
    ]);
  });

  it('are shared by all processes', async () => {
    const { timed, process } = anApp();
    const first = process();
    for (let call = 0; call < 3; call += 1) expect(await timed(first)).toBe(0);
    const second = process();
    expect(await timed(second)).toBe(0);
    expect(await timed(second)).toBe(1);
  });

  it('hold in every window that TikTok counts', async () => {
    const { timed, process } = anApp([SECOND, MINUTE]);
    const turns = process();
    const given = await Promise.all(times(8, () => timed(turns)));
    expect(given.slice(0, 6)).toEqual([0, 0, 0, 0, 1, 1]);
    // Nobody waits for a minute.
    expect(given.slice(6)).toEqual([{ comeBackAt: 60 }, { comeBackAt: 60 }]);
  });

  it('send away those who would wait too long, to come back one by one', async () => {
    const { timed, process } = anApp();
    const turns = process();
    const given = await Promise.all(times(80, () => timed(turns)));
    const served = given.filter((time) => typeof time === 'number');
    expect(served).toHaveLength(64);
    expect(Math.max(...served)).toBe(15);
    const comeBack = given.flatMap((time) => (typeof time === 'number' ? [] : [time.comeBackAt]));
    expect(comeBack).toEqual([16, 16, 16, 16, 17, 17, 17, 17, 18, 18, 18, 18, 19, 19, 19, 19]);
  });

  it('go to what somebody waits for before what nobody does, of which there is half at most', async () => {
    const { timed, process } = anApp();
    const turns = process();
    const background = times(6, () => timed(turns, 'BACKGROUND'));
    const [first] = await Promise.all([timed(turns), ...background]);
    expect(first).toBe(0);
    // Four in two seconds, and one of the first four turns was somebody's.
    expect(await Promise.all(background)).toEqual([0, 0, 0, 1, 2, 2]);
  });

  it('go to whoever somebody waits for, however long what nobody waits for has stood there', async () => {
    const { timed, process } = anApp([{ calls: 1, windowSeconds: 1 }]);
    const turns = process();
    expect(await timed(turns)).toBe(0);
    const background = timed(turns, 'BACKGROUND');
    const urgent = [timed(turns), timed(turns)];
    expect(await Promise.all([...urgent, background])).toEqual([1, 2, 3]);
  });

  it('are used to the half by what nobody waits for, in all processes together, even when nobody else wants them', async () => {
    const { timed, process } = anApp([{ calls: 1, windowSeconds: 1 }]);
    const [one, another] = [process(), process()];
    const given = await Promise.all(times(4, () => [timed(one, 'BACKGROUND'), timed(another, 'BACKGROUND')]).flat());
    expect(given.toSorted()).toEqual([0, 10, 12, 14, 2, 4, 6, 8]);
  });

  it('pause for a moment when TikTok counts more calls than we do', async () => {
    const { timed, process } = anApp();
    await process().exhaust('OPEN');
    expect(await timed(process())).toBe(1);
  });

  it('are waited for by nobody once the process is about to stop', async () => {
    const { world, timed, wait } = anApp();
    const turns = appTurns({ ...world, wait, stopping: AbortSignal.abort() });
    expect(await Promise.all(times(5, () => timed(turns)))).toEqual([0, 0, 0, 0, { comeBackAt: 1 }]);
    expect(world.clock.now()).toEqual(NOW);
  });

  it('fail for all who wait when the database is away, and are there for the next ones', async () => {
    const { world, timed, process, wait } = anApp();
    const { turns } = world;
    world.turns = { ...turns, take: () => Promise.reject(new Error('away')) };
    const away = appTurns({
      ...world,
      turns: { ...turns, take: (...given) => world.turns.take(...given) },
      wait,
    });
    const outcomes = await Promise.allSettled([timed(away), timed(away)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    world.turns = turns;
    expect(await timed(away)).toBe(0);
    expect(await timed(process())).toBe(0);
  });
});

describe('a call for an account', () => {
  it('waits for a turn of the app, and makes none without one: the account is not blamed', async () => {
    const world = new World();
    world.tiktok.appQuotas = [MINUTE];
    const { id } = await world.givenConnection();
    const access = world.access();
    const read = () => access.call(id, (token) => world.tiktok.publishing.readCreator(token), 'READ_CREATOR');
    for (let call = 0; call < 6; call += 1) expect(await read()).toMatchObject({ ok: true });
    expect(await read()).toEqual({
      ok: false,
      error: { code: 'UPSTREAM_RATE_LIMITED', retryTime: later(60) },
    });
    expect(world.tiktok.called('readCreator')).toBe(6);
    expect(await world.turns.take('READ_CREATOR:OPEN:open-1', world.tiktok.quotas.READ_CREATOR)).toEqual({
      taken: true,
    });
  });

  it('takes one for the refresh that it needs, too', async () => {
    const world = new World();
    world.tiktok.appQuotas = [{ calls: 1, windowSeconds: 10 }];
    const { id } = await world.givenConnection({ accessExpireTime: later(60) });
    expect(await world.access().call(id, (token) => world.tiktok.publishing.readCreator(token))).toMatchObject({
      ok: true,
    });
    expect(world.tiktok.called('refresh')).toBe(1);
    expect(world.clock.now()).toEqual(later(10));
  });

  it('pauses all calls of the app when TikTok was asked too much', async () => {
    const world = new World();
    world.tiktok.appQuotas = [{ calls: 100, windowSeconds: 2 }];
    const { id } = await world.givenConnection();
    const access = world.access();
    world.tiktok.next('readCreator', async () => ({ ok: false, error: { code: 'UPSTREAM_RATE_LIMITED' } }));
    await access.call(id, (token) => world.tiktok.publishing.readCreator(token));
    await access.call(id, (token) => world.tiktok.publishing.readCreator(token));
    expect(world.clock.now()).toEqual(later(2));
  });
});
