import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/application/ports/clock.ts';
import type { Ids } from '../../../src/application/ports/ids.ts';
import { fixedClock } from '../../support/fixed-clock.ts';

const KINDS = [
  ['connectionId', 'conn'],
  ['videoId', 'vid'],
  ['postId', 'post'],
] as const;

/** What every maker of ids does. `make` gives one that reads this clock, if it reads any. */
export function idsContract(name: string, make: (clock: Clock) => Ids): void {
  describe(`Ids, as ${name}`, () => {
    it.each(KINDS)('%s is %s_ and 26 letters and digits', (kind, prefix) => {
      const ids = make(fixedClock());
      for (let count = 0; count < 100; count += 1) expect(ids[kind]()).toMatch(new RegExp(`^${prefix}_[0-9a-z]{26}$`));
    });

    it.each([...KINDS.map(([kind]) => kind), 'unguessable'] as const)(
      '%s never comes twice, not even ten thousand times in one millisecond',
      (kind) => {
        const ids = make(fixedClock());
        expect(new Set(Array.from({ length: 10_000 }, () => ids[kind]())).size).toBe(10_000);
      },
    );

    it.each(KINDS)('%s sorts by time of creation, to the millisecond', (kind) => {
      fc.assert(
        fc.property(
          fc.date({ min: new Date('2001-01-01'), max: new Date('2200-01-01'), noInvalidDate: true }),
          fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 10 ** 10 })), { minLength: 1, maxLength: 20 }),
          (start, gaps) => {
            const clock = fixedClock(start);
            const ids = make(clock);
            const made = gaps.map((milliseconds) => {
              clock.advance(milliseconds / 1000);
              return ids[kind]();
            });
            expect(made).toEqual(made.toSorted());
          },
        ),
      );
    });

    it('can put what is unguessable into an address as it is', () => {
      const ids = make(fixedClock());
      for (let count = 0; count < 100; count += 1) {
        const text = ids.unguessable();
        expect(text).toMatch(/^[\w-]+$/);
        expect(encodeURIComponent(text)).toBe(text);
      }
    });
  });
}
