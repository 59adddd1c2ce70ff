import { expect, it } from 'vitest';
import { ascending, percentile, spread } from '../../../bench/support/statistics.ts';

it.each([
  [[7], 0.5, 7],
  [[1, 2, 3, 4], 0.5, 2],
  [[1, 2, 3, 4], 0.51, 3],
  [[1, 2, 3, 4], 0.99, 4],
  [[1, 2, 3, 4], 1, 4],
  [[1, 2, 3, 4], 0, 1],
])('of %j the share %f does not exceed %f', (values, share, expected) => {
  expect(percentile(values, share)).toBe(expected);
});

it('leaves one of a hundred above the share 0.99', () => {
  const figures = Array.from({ length: 1_000 }, (_, index) => index + 1);
  expect(percentile(figures, 0.99)).toBe(990);
});

it('sorts figures as figures', () => {
  expect(ascending([10, 9, 100, 1])).toEqual([1, 9, 10, 100]);
});

it.each([
  [[3], { median: 3, least: 3, most: 3 }],
  [[10, 1, 4], { median: 4, least: 1, most: 10 }],
  [[10, 1, 4, 2], { median: 3, least: 1, most: 10 }],
])('the spread of %j is %j', (values, expected) => {
  expect(spread(values)).toEqual(expected);
});

it('has no spread of figures that are not all there', () => {
  expect(spread([1, undefined])).toBeUndefined();
  expect(spread([])).toBeUndefined();
});
