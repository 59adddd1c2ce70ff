import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesCovered, judgePull, type ServedRange } from '../../../src/domain/post/media-evidence.ts';
import { later, NOW } from '../../support/builders.ts';

const aRange = fc
  .tuple(fc.nat(50), fc.integer({ min: 1, max: 30 }))
  .map(([start, length]): ServedRange => ({ start, endExclusive: start + length }));

describe('The bytes that ranges cover', () => {
  it('are counted once, however they overlap', () => {
    fc.assert(
      fc.property(fc.array(aRange), (ranges) => {
        const bytes = new Set(
          ranges.flatMap(({ start, endExclusive }) =>
            Array.from({ length: endExclusive - start }, (_, index) => start + index),
          ),
        );
        expect(bytesCovered(ranges)).toBe(bytes.size);
      }),
    );
  });
});

describe('An announcement of a pull whose answer is missing', () => {
  const pull = { sizeBytes: 100, startTime: NOW };
  const part: readonly ServedRange[] = [{ start: 0, endExclusive: 99 }];
  const all: readonly ServedRange[] = [
    { start: 50, endExclusive: 100 },
    { start: 0, endExclusive: 50 },
  ];

  it.each([
    ['nothing fetched, a moment later', { served: [] }, 119, { kind: 'WAIT', until: later(120) }],
    ['nothing fetched for two minutes', { served: [] }, 120, { kind: 'CLOSE' }],
    ['still being fetched', { served: part, lastTime: later(100) }, 219, { kind: 'WAIT', until: later(220) }],
    [
      'fetched in part, and nothing more for two minutes',
      { served: part, lastTime: later(100) },
      220,
      { kind: 'CLOSE' },
    ],
    ['closed a moment ago', { served: [], closeTime: later(130) }, 189, { kind: 'WAIT', until: later(190) }],
    ['closed a minute ago, nothing fetched', { served: [], closeTime: later(130) }, 190, { kind: 'DEAD' }],
    ['closed a minute ago, all but one byte fetched', { served: part, closeTime: later(130) }, 190, { kind: 'DEAD' }],
    ['all fetched', { served: all }, 5, { kind: 'TAKEN' }],
    ['all fetched, and closed since', { served: all, closeTime: later(130) }, 9_999, { kind: 'TAKEN' }],
  ] as const)('%s', (_, evidence, seconds, judgement) => {
    expect(judgePull(evidence, pull, later(seconds))).toEqual(judgement);
  });

  it('is never dead while TikTok may hold every byte, nor before its address was closed for a minute', () => {
    fc.assert(
      fc.property(
        fc.array(aRange),
        fc.option(fc.nat(500), { nil: undefined }),
        fc.nat(1_000),
        (served, closed, seconds) => {
          const evidence = { served, ...(closed === undefined ? {} : { closeTime: later(closed) }) };
          const { kind } = judgePull(evidence, { sizeBytes: 60, startTime: NOW }, later(seconds));
          if (kind !== 'DEAD') return;
          expect(bytesCovered(served)).toBeLessThan(60);
          expect(seconds - (closed ?? Number.POSITIVE_INFINITY)).toBeGreaterThanOrEqual(60);
        },
      ),
    );
  });
});
