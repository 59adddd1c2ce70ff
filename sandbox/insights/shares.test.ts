import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { apportion, pair, sharesOf } from './shares.ts';

describe('shares', () => {
  it('add up to the whole, each within a ten thousandth of its weight', () => {
    const weights = fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(weights, (list) => {
        const parts = apportion(list);
        const sum = list.reduce((total, weight) => total + weight, 0);
        expect(parts.reduce((total, part) => total + part, 0)).toBe(10_000);
        for (const [index, part] of parts.entries()) {
          expect(Math.abs(part - ((list[index] ?? 0) / sum) * 10_000)).toBeLessThan(1.000001);
        }
      }),
    );
  });

  it('come largest first, without those that are nothing, at most so many', () => {
    expect(sharesOf({ DE: 1, AT: 2, CH: 1e-9, FR: 5 }, 2)).toEqual([
      { name: 'FR', fraction: 0.625 },
      { name: 'AT', fraction: 0.25 },
    ]);
    expect(sharesOf({ DE: 1, CH: 1e-9 })).toEqual([{ name: 'DE', fraction: 1 }]);
  });

  it('of a pair leave nothing over', () => {
    expect(pair(1 / 3)).toEqual([0.3333, 0.6667]);
    expect(pair(0)).toEqual([0, 1]);
  });
});
