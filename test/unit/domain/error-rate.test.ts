import { describe, expect, it } from 'vitest';
import { isTrouble, type Outcome, outageIn } from '../../../src/domain/error-rate.ts';
import type { PublishError } from '../../../src/domain/publish-error.ts';
import { everyPublishError, later, NOW } from '../../support/builders.ts';

const DOWN: PublishError = { code: 'PLATFORM_UNAVAILABLE', tiktokCode: 'internal_error' };

/** So many calls, one after the other up to now; the failed ones first. */
const calls = (failed: number, well: number, secondsAgo = 0, error: PublishError = DOWN): readonly Outcome[] => [
  ...Array.from({ length: failed }, () => ({ time: later(-secondsAgo), error })),
  ...Array.from({ length: well }, () => ({ time: later(-secondsAgo) })),
];

describe('an outage', () => {
  it.each<[string, boolean, readonly Outcome[]]>([
    ['nothing', false, []],
    ['twenty calls of which half failed', true, calls(10, 10)],
    ['twenty calls of which less than half failed', false, calls(9, 11)],
    ['nineteen calls that all failed', false, calls(19, 0)],
    ['twenty calls that all failed', true, calls(20, 0)],
    ['a hundred calls of which half failed', true, calls(50, 50)],
    ['a hundred calls of which not quite half failed', false, calls(49, 51)],
    ['failures of just half a minute ago', true, calls(20, 0, 30)],
    ['failures of longer ago', false, calls(20, 0, 30.001)],
    ['old failures beside new ones that are too few', false, [...calls(30, 0, 31), ...calls(19, 0)]],
    ['old successes beside new failures', true, [...calls(0, 100, 31), ...calls(20, 0)]],
  ])('is seen in %s: %s', (_, seen, outcomes) => {
    expect(outageIn(outcomes, NOW)).toEqual(seen ? DOWN : undefined);
  });

  it('is told by the latest failure', () => {
    const latest: PublishError = { code: 'PLATFORM_UNAVAILABLE', tiktokCode: 'ECONNRESET' };
    expect(outageIn([...calls(30, 0, 5), { time: NOW, error: latest }, ...calls(0, 5)], NOW)).toEqual(latest);
  });

  it('is no outage when TikTok answers with a no', () => {
    for (const error of everyPublishError) {
      expect(isTrouble(error)).toBe(error.code === 'PLATFORM_UNAVAILABLE');
      if (!isTrouble(error)) expect(outageIn(calls(100, 0, 0, error), NOW)).toBeUndefined();
    }
    expect(isTrouble(undefined)).toBe(false);
  });
});
