import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/application/ports/clock.ts';

/** What every clock does. */
export function clockContract(name: string, make: () => Promise<Clock>): void {
  describe(`Clock, as ${name}`, () => {
    it('never goes back', async () => {
      const clock = await make();
      const times = Array.from({ length: 100 }, () => clock.now().getTime());
      expect(times.every(Number.isSafeInteger)).toBe(true);
      expect(times).toEqual(times.toSorted((left, right) => left - right));
    });

    it('is not moved by whoever reads it', async () => {
      const clock = await make();
      const before = clock.now().getTime();
      clock.now().setTime(0);
      expect(clock.now().getTime()).toBeGreaterThanOrEqual(before);
    });
  });
}
