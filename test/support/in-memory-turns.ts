import type { Clock } from '../../src/application/ports/clock.ts';
import type { Quota } from '../../src/application/ports/tiktok.ts';
import type { Turns } from '../../src/application/ports/turns.ts';

type Known = {
  /** Every turn that was given, in order. */
  readonly times: readonly number[];
  /** Before this no turn is free, whatever was given. */
  readonly exhaustedUntil: number;
};

const NONE: Known = { times: [], exhaustedUntil: Number.NEGATIVE_INFINITY };

export function inMemoryTurns({ clock }: { readonly clock: Clock }): Turns {
  const known = new Map<string, Known>();
  const find = (key: string): Known => known.get(key) ?? NONE;

  function give(key: string, time: number): Date {
    const before = find(key);
    known.set(key, { ...before, times: [...before.times, time].toSorted((left, right) => left - right) });
    return new Date(time);
  }

  /** The first moment from `from` on that leaves every window with no more turns than it may hold. */
  function free({ times, exhaustedUntil }: Known, { calls, windowSeconds }: Quota, from: number): number {
    const window = windowSeconds * 1000;
    const fits = (time: number): boolean => {
      const all = [...times, time].toSorted((left, right) => left - right);
      return all.every((first, index) => (all[index + calls] ?? Number.POSITIVE_INFINITY) - first >= window);
    };
    const earliest = Math.max(from, exhaustedUntil);
    const candidates = [earliest, ...times.map((time) => time + window).filter((time) => time > earliest)];
    const found = candidates.find(fits);
    if (found === undefined) throw new Error('behind the last window there is always room');
    return found;
  }

  return {
    async next(key, quota, notBefore) {
      const before = find(key);
      const from = Math.max(clock.now().getTime(), notBefore?.getTime() ?? 0, before.times.at(-1) ?? 0);
      return give(key, free(before, quota, from));
    },

    async take(key, quota) {
      const now = clock.now().getTime();
      const time = free(find(key), quota, now);
      if (time > now) return { taken: false, freeTime: new Date(time) };
      give(key, now);
      return { taken: true };
    },

    async giveBack(key) {
      const before = find(key);
      known.set(key, { ...before, times: before.times.slice(0, -1) });
    },

    async exhaust(key, { windowSeconds }) {
      known.set(key, { ...find(key), exhaustedUntil: clock.now().getTime() + windowSeconds * 1000 });
    },
  };
}
