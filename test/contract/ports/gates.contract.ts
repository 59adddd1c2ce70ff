import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/application/ports/clock.ts';
import type { Gates, ShutGate } from '../../../src/application/ports/gates.ts';
import type { Closing, GateKey } from '../../../src/domain/post/gate.ts';
import type { PublishError } from '../../../src/domain/publish-error.ts';
import { everyPublishError, later } from '../../support/builders.ts';

export type GateStore = {
  readonly gates: Gates;
  readonly clock: Clock;
  passTime(seconds: number): Promise<void>;
  /** By how much its clock may go on by itself while a test runs. */
  readonly driftSeconds: number;
};

const PLATFORM = 'platform:OPEN' as GateKey;
const POSTS = 'posts:OPEN:open-1' as GateKey;
const OTHER = 'posts:OPEN:open-2' as GateKey;
const OUTAGE: PublishError = { code: 'PLATFORM_UNAVAILABLE', tiktokCode: 'internal_error', tiktokLogId: 'L1' };
const CAP: PublishError = { code: 'ACCOUNT_DAILY_POST_CAP', seenCap: 15 };
const TRY_SECONDS = 60;

const closing = (parts: Partial<Closing> = {}): Closing => ({
  key: PLATFORM,
  seconds: 100,
  atMostSeconds: 1000,
  ...parts,
});

/** What every store of gates does. `make` gives one without any that is shut. */
export function gatesContract(name: string, make: () => Promise<GateStore>): void {
  const secondsUntil = ({ clock }: GateStore, time: Date | undefined): number =>
    time === undefined ? Number.NaN : (time.getTime() - clock.now().getTime()) / 1000;

  function expectSeconds(store: GateStore, time: Date | undefined, seconds: number): void {
    expect(Math.abs(secondsUntil(store, time) - seconds)).toBeLessThanOrEqual(store.driftSeconds);
  }

  async function passOf({ gates }: GateStore, ...keys: readonly GateKey[]) {
    return gates.pass(keys, TRY_SECONDS);
  }

  async function shutFor(store: GateStore, ...keys: readonly GateKey[]): Promise<ShutGate> {
    const { shut } = await passOf(store, ...keys);
    if (shut === undefined) throw new Error('nothing is shut');
    return shut;
  }

  const shutByTwenty = ({ gates }: GateStore) =>
    Promise.all(Array.from({ length: 20 }, () => gates.shut(closing(), OUTAGE)));

  /** One caller, at the end of the time that the gate is shut. */
  async function tryingIt(store: GateStore): Promise<void> {
    await store.passTime(secondsUntil(store, (await shutFor(store, PLATFORM)).until) + store.driftSeconds);
    expect(await passOf(store, PLATFORM)).toEqual({ trying: [PLATFORM] });
  }

  describe(`Gates, as ${name}`, () => {
    it('let everyone pass while none is shut', async () => {
      const store = await make();
      expect(await passOf(store, PLATFORM, POSTS)).toEqual({ trying: [] });
      expect(await passOf(store)).toEqual({ trying: [] });
      expect(await store.gates.all()).toEqual([]);
    });

    it('tell who finds one shut why, and until when', async () => {
      const store = await make();
      const until = await store.gates.shut(closing(), OUTAGE);
      expectSeconds(store, until, 100);
      expect(await shutFor(store, POSTS, PLATFORM)).toEqual({ key: PLATFORM, error: OUTAGE, until, tried: false });
      expect(await store.gates.all()).toEqual([{ key: PLATFORM, error: OUTAGE, until, tried: false }]);
    });

    it('let pass who has nothing to do with the one that is shut', async () => {
      const store = await make();
      await store.gates.shut(closing({ key: OTHER }), CAP);
      expect(await passOf(store, PLATFORM, POSTS)).toEqual({ trying: [] });
    });

    it('tell of several the one that stays shut the longest', async () => {
      const store = await make();
      await store.gates.shut(closing(), OUTAGE);
      await store.gates.shut(closing({ key: POSTS, seconds: 900 }), CAP);
      expect(await shutFor(store, PLATFORM, POSTS)).toMatchObject({ key: POSTS, error: CAP });
    });

    it.each(everyPublishError.map((error) => [error.code, error] as const))(
      'keep the reason %s as it was',
      async (_, error) => {
        const store = await make();
        await store.gates.shut(closing(), error);
        expect((await shutFor(store, PLATFORM)).error).toEqual(error);
        expect((await store.gates.all()).map((gate) => gate.error)).toEqual([error]);
      },
    );

    it('keep their time and reason when the same is met again meanwhile', async () => {
      const store = await make();
      const until = await store.gates.shut(closing(), OUTAGE);
      await store.passTime(50);
      expect(await store.gates.shut(closing({ seconds: 500 }), CAP)).toEqual(until);
      expect(await shutFor(store, PLATFORM)).toEqual({ key: PLATFORM, error: OUTAGE, until, tried: false });
    });

    it('let one try when the time has come, and keep the others out until it is over', async () => {
      const store = await make();
      await store.gates.shut(closing(), OUTAGE);
      await store.passTime(100 + store.driftSeconds);
      expect(await passOf(store, PLATFORM, POSTS)).toEqual({ trying: [PLATFORM] });
      const shut = await shutFor(store, PLATFORM);
      expect(shut).toMatchObject({ key: PLATFORM, error: OUTAGE, tried: true });
      expectSeconds(store, shut.until, TRY_SECONDS);
      expect(await store.gates.all()).toMatchObject([{ key: PLATFORM, tried: true }]);
    });

    it('are tried by one of twenty at once', async () => {
      const store = await make();
      await store.gates.shut(closing(), OUTAGE);
      await store.gates.shut(closing({ key: POSTS }), CAP);
      await store.passTime(100 + store.driftSeconds);
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          index % 2 === 0 ? passOf(store, PLATFORM, POSTS) : passOf(store, POSTS, PLATFORM),
        ),
      );
      const trying = outcomes.flatMap((outcome) => (outcome.shut === undefined ? [outcome.trying] : []));
      expect(trying.map((keys) => keys.toSorted())).toEqual([[PLATFORM, POSTS]]);
      expect(outcomes.filter(({ shut }) => shut?.tried === true)).toHaveLength(19);
    });

    it('are not tried by who finds another one shut', async () => {
      const store = await make();
      await store.gates.shut(closing(), OUTAGE);
      await store.gates.shut(closing({ key: POSTS, seconds: 900 }), CAP);
      await store.passTime(100 + store.driftSeconds);
      expect(await shutFor(store, PLATFORM, POSTS)).toMatchObject({ key: POSTS, tried: false });
      expect(await passOf(store, PLATFORM)).toEqual({ trying: [PLATFORM] });
    });

    it('are open for all after a try that went well, and open only once', async () => {
      const store = await make();
      await store.gates.shut(closing(), OUTAGE);
      await tryingIt(store);
      expect(await store.gates.open(PLATFORM)).toBe(true);
      expect(await store.gates.open(PLATFORM)).toBe(false);
      expect(await passOf(store, PLATFORM)).toEqual({ trying: [] });
      expect(await store.gates.all()).toEqual([]);
    });

    it('are opened by one of twenty at once', async () => {
      const store = await make();
      await store.gates.shut(closing(), OUTAGE);
      const outcomes = await Promise.all(Array.from({ length: 20 }, () => store.gates.open(PLATFORM)));
      expect(outcomes.filter((opened) => opened)).toHaveLength(1);
    });

    it('stay shut twice as long after each try that failed, up to the limit', async () => {
      const store = await make();
      await store.gates.shut(closing(), OUTAGE);
      const times: number[] = [];
      for (let failure = 0; failure < 5; failure += 1) {
        await tryingIt(store);
        const until = await store.gates.shut(closing(), failure === 0 ? CAP : OUTAGE);
        times.push(secondsUntil(store, until));
        if (failure === 0) expect((await shutFor(store, PLATFORM)).error).toEqual(CAP);
        expect(await shutFor(store, PLATFORM)).toMatchObject({ until, tried: false });
      }
      for (const [index, seconds] of [200, 400, 800, 1000, 1000].entries()) {
        expect(Math.abs((times[index] ?? 0) - seconds)).toBeLessThanOrEqual(store.driftSeconds);
      }
    });

    it('count once when twenty meet the same at once', async () => {
      const store = await make();
      await shutByTwenty(store);
      expectSeconds(store, (await shutFor(store, PLATFORM)).until, 100);
      await tryingIt(store);
      await shutByTwenty(store);
      expectSeconds(store, (await shutFor(store, PLATFORM)).until, 200);
    });

    it('tell all of twenty at once the same time', async () => {
      const store = await make();
      const first = await shutByTwenty(store);
      expect(first).toEqual(Array(20).fill((await shutFor(store, PLATFORM)).until));
      await tryingIt(store);
      const second = await shutByTwenty(store);
      expect(second).toEqual(Array(20).fill((await shutFor(store, PLATFORM)).until));
    });

    it('begin anew when they are shut after they were open', async () => {
      const store = await make();
      await store.gates.shut(closing(), OUTAGE);
      await tryingIt(store);
      await store.gates.shut(closing(), OUTAGE);
      await store.gates.open(PLATFORM);
      expectSeconds(store, await store.gates.shut(closing(), OUTAGE), 100);
    });

    it('let another try when a try never ends', async () => {
      const store = await make();
      await store.gates.shut(closing(), OUTAGE);
      await tryingIt(store);
      await store.passTime(TRY_SECONDS - store.driftSeconds - 1);
      expect(await shutFor(store, PLATFORM)).toMatchObject({ tried: true });
      await store.passTime(store.driftSeconds + 1);
      expect(await passOf(store, PLATFORM)).toEqual({ trying: [PLATFORM] });
      expect(await shutFor(store, PLATFORM)).toMatchObject({ tried: true });
    });

    it('are tried by who comes next once they are hastened, and by nobody else', async () => {
      const store = await make();
      await store.gates.shut(closing(), OUTAGE);
      await store.gates.shut(closing({ key: POSTS }), CAP);
      await store.gates.shut(closing({ key: OTHER }), CAP);
      await store.gates.hasten([POSTS, PLATFORM]);
      expect(await passOf(store, POSTS)).toEqual({ trying: [POSTS] });
      expect(await shutFor(store, POSTS)).toMatchObject({ tried: true });
      expect(await shutFor(store, OTHER)).toMatchObject({ tried: false });
      expect(await passOf(store, PLATFORM)).toEqual({ trying: [PLATFORM] });
    });

    it('are tried by the next one when they are handed back, and only those that were tried', async () => {
      const store = await make();
      const { gates } = store;
      for (const key of [POSTS, PLATFORM]) await gates.shut({ key, seconds: 60, atMostSeconds: 60 }, OUTAGE);
      await gates.hasten([POSTS]);
      expect(await gates.pass([POSTS], 60)).toEqual({ trying: [POSTS] });
      expect(await gates.pass([POSTS], 60)).toMatchObject({ shut: { key: POSTS, tried: true } });
      await gates.handBack([POSTS, PLATFORM]);
      expect(await gates.pass([POSTS], 60)).toEqual({ trying: [POSTS] });
      expect(await gates.pass([PLATFORM], 60)).toMatchObject({ shut: { key: PLATFORM, tried: false } });
    });

    it('are not hastened while someone tries them, and not when none is shut', async () => {
      const store = await make();
      await store.gates.shut(closing(), OUTAGE);
      await tryingIt(store);
      await store.gates.hasten([PLATFORM, POSTS]);
      expectSeconds(store, (await shutFor(store, PLATFORM)).until, TRY_SECONDS);
      expect(await passOf(store, POSTS)).toEqual({ trying: [] });
    });

    it('tell of some only what is asked, and nobody tries them by that', async () => {
      const store = await make();
      for (const key of [PLATFORM, POSTS]) await store.gates.shut(closing({ key }), OUTAGE);
      await store.passTime(100 + store.driftSeconds);
      expect((await store.gates.all([POSTS, OTHER])).map(({ key, tried }) => [key, tried])).toEqual([[POSTS, false]]);
      expect(await store.gates.all([])).toEqual([]);
      expect(await passOf(store, PLATFORM, POSTS)).toMatchObject({ trying: expect.arrayContaining([PLATFORM, POSTS]) });
    });

    it('tell all that are shut, whatever their time', async () => {
      const store = await make();
      await store.gates.shut(closing(), OUTAGE);
      await store.gates.shut(closing({ key: POSTS, seconds: 900 }), CAP);
      await store.passTime(500);
      expect((await store.gates.all()).map(({ key }) => key)).toEqual([PLATFORM, POSTS]);
      expect((await store.gates.all()).map(({ until }) => until > later(0, store.clock.now()))).toEqual([false, true]);
    });
  });
}
