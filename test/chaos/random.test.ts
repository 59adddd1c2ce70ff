import { describe, expect, it } from 'vitest';
import { seededRandom } from './random.ts';

const many = (make: () => number): readonly number[] => Array.from({ length: 2_000 }, make);
const mean = (numbers: readonly number[]): number => numbers.reduce((sum, each) => sum + each, 0) / numbers.length;

describe('Seeded chance', () => {
  it('is the same for the same seed, and other for another', () => {
    const [one, same, other] = [seededRandom(1), seededRandom(1), seededRandom(2)];
    const first = many(one.fraction);
    expect(many(same.fraction)).toEqual(first);
    expect(many(other.fraction)).not.toEqual(first);
  });

  it('gives a branch what it gives it, whatever others were asked', () => {
    const [one, same] = [seededRandom(1), seededRandom(1)];
    one.fraction();
    one.branch('kills').fraction();
    expect(one.branch('posts').fraction()).toBe(same.branch('posts').fraction());
  });

  it('is spread evenly, over similar names too', () => {
    const random = seededRandom(3);
    const numbers = many(random.fraction);
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers)).toBeLessThan(1);
    expect(mean(numbers)).toBeCloseTo(0.5, 1);
    expect(mean(Array.from({ length: 500 }, (_, index) => random.branch(`post ${index}`).fraction()))).toBeCloseTo(
      0.5,
      1,
    );
  });

  it('reaches both ends of a range, and chooses by weight', () => {
    const random = seededRandom(4);
    expect(new Set(many(() => random.whole(1, 3)))).toEqual(new Set([1, 2, 3]));
    const chosen = many(() =>
      random.weighted([
        [9, 1],
        [1, 0],
      ]),
    );
    expect(mean(chosen)).toBeCloseTo(0.9, 1);
    expect(mean(many(() => random.gap(10)))).toBeCloseTo(10, -1);
  });
});
