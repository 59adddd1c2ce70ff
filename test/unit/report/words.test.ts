import { expect, it } from 'vitest';
import { countryName, duration, partName, time, why } from '../../../scripts/report/words.ts';
import { UnavailableReason } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_pb.js';

it.each([
  [7.44, '7.4 s'],
  [59.94, '59.9 s'],
  [59.97, '1 min 0 s'],
  [63.4, '1 min 3 s'],
  [3599.6, '1 h 0 min'],
  [7_500, '2 h 5 min'],
  [9_508_282.4, '2,641 h'],
])('tells %s seconds as %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

it('says a moment in UTC, wherever it is made', () => {
  expect(time(new Date('2026-11-22T23:30:00Z')).toString()).toBe(
    '<time datetime="2026-11-22T23:30:00.000Z">22 Nov 2026, 23:30 UTC</time>',
  );
});

it('leaves a word of TikTok that is new as it is', () => {
  expect(partName('NEW_VIEWER')).toBe('New viewers');
  expect(partName('Friends Tab')).toBe('Friends Tab');
  expect(countryName('DE')).toBe('Germany');
  expect(countryName('Others')).toBe('Others');
});

it('has words for every reason of the contract, and says so of one that is newer', () => {
  const reasons = Object.values(UnavailableReason).filter((reason) => typeof reason === 'number');
  expect(reasons).toHaveLength(13);
  expect(new Set(reasons.map((reason) => why(reason).because)).size).toBe(reasons.length);
  expect(why(99 as UnavailableReason).because).toContain('99');
});
