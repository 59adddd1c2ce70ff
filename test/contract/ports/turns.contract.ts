import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/application/ports/clock.ts';
import type { Quota } from '../../../src/application/ports/tiktok.ts';
import type { Turns } from '../../../src/application/ports/turns.ts';
import { later } from '../../support/builders.ts';

export type TurnStore = {
  readonly turns: Turns;
  readonly clock: Clock;
  passTime(seconds: number): Promise<void>;
  /** By how much its clock may go on by itself while a test runs. */
  readonly driftSeconds: number;
};

type Move =
  | { readonly kind: 'next'; readonly notBeforeSeconds?: number }
  | { readonly kind: 'take' }
  | { readonly kind: 'exhaust' }
  | { readonly kind: 'pass'; readonly seconds: number };

const WINDOW = 600;
const QUOTA: Quota = { calls: 3, windowSeconds: WINDOW };

const next = fc.record(
  { kind: fc.constant('next' as const), notBeforeSeconds: fc.integer({ min: -500, max: 2000 }) },
  { requiredKeys: ['kind'] },
);
const take = fc.record({ kind: fc.constant('take' as const) });
const exhaust = fc.record({ kind: fc.constant('exhaust' as const) });
const pass = fc.record({ kind: fc.constant('pass' as const), seconds: fc.integer({ min: 1, max: 900 }) });

let keys = 0;
/** Of an account that nobody used. */
function aKey(): string {
  keys += 1;
  return `ANNOUNCE:OPEN:open-${keys}`;
}

/** What every store of turns does. `make` gives one that may hold turns of other keys. */
export function turnsContract(name: string, make: () => Promise<TurnStore>, { runs }: { readonly runs: number }): void {
  /** The most turns that a window of this length holds; `driftSeconds` shorter where the store's clock goes on by itself. */
  function mostInAWindow(times: readonly Date[], { driftSeconds }: TurnStore): number {
    const length = (WINDOW - driftSeconds) * 1000;
    const sorted = times.map(Number).toSorted((left, right) => left - right);
    const held = sorted.map((start) => sorted.filter((time) => time >= start && time < start + length).length);
    return Math.max(0, ...held);
  }

  async function taken({ turns, clock }: TurnStore, key: string, quota: Quota = QUOTA): Promise<Date | undefined> {
    const turn = await turns.take(key, quota);
    return turn.taken ? clock.now() : undefined;
  }

  describe(`Turns, as ${name}`, () => {
    it('gives the first turns at once, and the next one a window after the first', async () => {
      const store = await make();
      const key = aKey();
      const start = store.clock.now();
      for (const windows of [0, 0, 0, 1, 1, 1, 2]) {
        const time = await store.turns.next(key, QUOTA);
        const seconds = (time.getTime() - start.getTime()) / 1000;
        expect(Math.abs(seconds - windows * WINDOW)).toBeLessThanOrEqual(store.driftSeconds);
      }
    });

    it('gives no turn before the moment that is asked for, and the later ones behind it', async () => {
      const { turns, clock } = await make();
      const key = aKey();
      const notBefore = later(5000, clock.now());
      expect(await turns.next(key, QUOTA, notBefore)).toEqual(notBefore);
      expect(await turns.next(key, QUOTA)).toEqual(notBefore);
      expect(await turns.next(key, QUOTA, later(-100, clock.now()))).toEqual(notBefore);
      expect(await turns.next(key, QUOTA)).toEqual(later(WINDOW, notBefore));
    });

    it('takes turns for now until none is free, and says when the next one may be', async () => {
      const store = await make();
      const key = aKey();
      const start = store.clock.now();
      for (let turn = 0; turn < 3; turn += 1) {
        expect(await store.turns.take(key, QUOTA)).toEqual({ taken: true });
        await store.passTime(100);
      }
      const refused = await store.turns.take(key, QUOTA);
      if (refused.taken) throw new Error('a fourth turn within the window');
      const seconds = (refused.freeTime.getTime() - start.getTime()) / 1000;
      expect(Math.abs(seconds - WINDOW)).toBeLessThanOrEqual(store.driftSeconds);
    });

    it('keeps nothing for whoever was refused, and lets them in at the time that it told', async () => {
      const store = await make();
      const key = aKey();
      for (let turn = 0; turn < 3; turn += 1) await store.turns.take(key, QUOTA);
      const first = await store.turns.take(key, QUOTA);
      if (first.taken) throw new Error('a fourth turn within the window');
      for (let again = 0; again < 20; again += 1) {
        const refused = await store.turns.take(key, QUOTA);
        expect(refused).toEqual({ taken: false, freeTime: first.freeTime });
      }
      await store.passTime((first.freeTime.getTime() - store.clock.now().getTime()) / 1000 + store.driftSeconds);
      for (let turn = 0; turn < 3; turn += 1) expect(await store.turns.take(key, QUOTA)).toEqual({ taken: true });
      expect(await store.turns.take(key, QUOTA)).toMatchObject({ taken: false });
    });

    it('counts each key by itself', async () => {
      const { turns } = await make();
      const [mine, other] = [aKey(), aKey()];
      for (let turn = 0; turn < 3; turn += 1) await turns.take(mine, QUOTA);
      expect(await turns.take(mine, QUOTA)).toMatchObject({ taken: false });
      expect(await turns.take(other, QUOTA)).toEqual({ taken: true });
    });

    it('has no turn for a whole window once TikTok counted more than we did', async () => {
      const store = await make();
      const key = aKey();
      await store.turns.take(key, QUOTA);
      await store.turns.exhaust(key, QUOTA);
      const refused = await store.turns.take(key, QUOTA);
      if (refused.taken) throw new Error('TikTok said no');
      const seconds = (refused.freeTime.getTime() - store.clock.now().getTime()) / 1000;
      expect(Math.abs(seconds - WINDOW)).toBeLessThanOrEqual(store.driftSeconds);
      await store.passTime(WINDOW - store.driftSeconds - 1);
      expect(await store.turns.take(key, QUOTA)).toMatchObject({ taken: false });
      await store.passTime(store.driftSeconds + 1);
      expect(await store.turns.take(key, QUOTA)).toEqual({ taken: true });
    });

    it('gives a turn that was handed back to the next one, and the others stay taken', async () => {
      const { turns } = await make();
      const key = aKey();
      await turns.giveBack(key);
      for (let turn = 0; turn < 3; turn += 1) await turns.take(key, QUOTA);
      await turns.giveBack(key);
      expect(await turns.take(key, QUOTA)).toEqual({ taken: true });
      expect(await turns.take(key, QUOTA)).toMatchObject({ taken: false });
    });

    it('may be exhausted before anyone had a turn', async () => {
      const { turns } = await make();
      const key = aKey();
      await turns.exhaust(key, QUOTA);
      expect(await turns.take(key, QUOTA)).toMatchObject({ taken: false });
    });

    it('gives fifty at once a turn each, and no window too many', async () => {
      const store = await make();
      const key = aKey();
      const start = store.clock.now();
      const times = await Promise.all(Array.from({ length: 50 }, () => store.turns.next(key, QUOTA)));
      expect(mostInAWindow(times, store)).toBe(3);
      const last = (Math.max(...times.map(Number)) - start.getTime()) / 1000;
      // Fifty turns of three are seventeen windows; none of them is left half empty.
      expect(Math.abs(last - 16 * WINDOW)).toBeLessThanOrEqual(store.driftSeconds);
    });

    it('lets as many of fifty at once in as there are turns', async () => {
      const { turns } = await make();
      const key = aKey();
      const outcomes = await Promise.all(Array.from({ length: 50 }, () => turns.take(key, QUOTA)));
      expect(outcomes.filter((turn) => turn.taken)).toHaveLength(3);
    });

    const holds = (moves: fc.Arbitrary<Move>) =>
      fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 4 }),
          fc.array(moves, { minLength: 1, maxLength: 30, size: 'max' }),
          async (calls, sequence) => {
            const store = await make();
            const { turns, clock, driftSeconds } = store;
            const quota = { calls, windowSeconds: WINDOW };
            const key = aKey();
            const given: Date[] = [];
            let lastNext = Number.NEGATIVE_INFINITY;
            let exhaustedUntil = Number.NEGATIVE_INFINITY;
            for (const move of sequence) {
              const now = clock.now();
              switch (move.kind) {
                case 'pass':
                  await store.passTime(move.seconds);
                  break;
                case 'exhaust':
                  await turns.exhaust(key, quota);
                  exhaustedUntil = later(WINDOW - driftSeconds, now).getTime();
                  break;
                case 'take': {
                  const time = await taken(store, key, quota);
                  if (time === undefined) break;
                  expect(time.getTime(), 'a turn although there is none').toBeGreaterThanOrEqual(exhaustedUntil);
                  given.push(time);
                  break;
                }
                case 'next': {
                  const notBefore = move.notBeforeSeconds === undefined ? undefined : later(move.notBeforeSeconds, now);
                  const time = await turns.next(key, quota, ...(notBefore === undefined ? [] : [notBefore]));
                  const drift = driftSeconds * 1000;
                  expect(time.getTime(), 'a turn in the past').toBeGreaterThanOrEqual(now.getTime() - drift);
                  expect(time.getTime(), 'too early').toBeGreaterThanOrEqual(notBefore?.getTime() ?? 0);
                  expect(time.getTime(), 'out of order').toBeGreaterThanOrEqual(lastNext);
                  expect(time.getTime(), 'a turn although there is none').toBeGreaterThanOrEqual(exhaustedUntil);
                  lastNext = time.getTime();
                  given.push(time);
                }
              }
              expect(mostInAWindow(given, store)).toBeLessThanOrEqual(calls);
            }
          },
        ),
        { numRuns: runs },
      );

    it('never has a window with more turns than the quota, for callers who wait for theirs', () =>
      holds(fc.oneof(next, next, pass)));

    it('never has a window with more turns than the quota, for callers who want theirs now', () =>
      holds(fc.oneof(take, take, pass, exhaust)));

    it('never has a window with more turns than the quota, for both at once', () =>
      holds(fc.oneof(next, take, pass, exhaust)));
  });
}
