import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { condensed, type TimelineEntry } from '../../../src/domain/post/timeline.ts';
import { later } from '../../support/builders.ts';

const anEntry = (seconds: number, parts: Partial<TimelineEntry> = {}): TimelineEntry => ({
  time: later(seconds),
  since: later(seconds),
  count: 1,
  state: 'PUBLISHING',
  phase: 'PROCESSING',
  attempt: 1,
  calls: [{ endpoint: '/v2/post/publish/status/fetch/', time: later(seconds), code: 'ok', logId: `L${seconds}` }],
  ...parts,
});

const DOWN = { code: 'PLATFORM_UNAVAILABLE', tiktokCode: 'internal_error' } as const;

describe('a timeline', () => {
  it('shows a day of polls as one entry: how often, since when, and what the last one found', () => {
    const polls = Array.from({ length: 1440 }, (_, minute) =>
      anEntry(minute * 60, { nextActionTime: later(minute * 60 + 60) }),
    );
    expect(condensed(polls)).toEqual([
      { ...anEntry(1439 * 60), since: later(0), count: 1440, nextActionTime: later(1440 * 60) },
    ]);
  });

  it.each<[string, Partial<TimelineEntry>]>([
    ['another state', { state: 'PUBLISHED' }],
    ['another phase', { phase: 'FINALIZING' }],
    ['another attempt', { attempt: 2 }],
    ['another reason to wait', { holdReason: 'QUOTA' }],
    ['an error', { error: DOWN }],
  ])('begins a new entry with %s, and again behind it', (_, parts) => {
    const entries = [anEntry(0), anEntry(1), anEntry(2, parts), anEntry(3, parts), anEntry(4)];
    expect(condensed(entries)).toEqual([
      { ...anEntry(1), since: later(0), count: 2 },
      { ...anEntry(3, parts), since: later(2), count: 2 },
      anEntry(4),
    ]);
  });

  it('tells errors apart by their code and by TikTok’s, and not by the log id', () => {
    const with_ = (error: TimelineEntry['error'], seconds: number) =>
      anEntry(seconds, error === undefined ? {} : { error });
    expect(
      condensed([
        with_(DOWN, 0),
        with_({ ...DOWN, tiktokLogId: 'another' }, 1),
        with_({ code: 'PLATFORM_UNAVAILABLE' }, 2),
        with_({ code: 'UPSTREAM_RATE_LIMITED' }, 3),
      ]).map(({ count }) => count),
    ).toEqual([2, 1, 1]);
  });

  it('of nothing is empty', () => {
    expect(condensed([])).toEqual([]);
  });

  it('loses no change and no moment, whatever happened, and is not condensed further', () => {
    const entry = fc.record({
      state: fc.constantFrom('SCHEDULED', 'PUBLISHING', 'HELD', 'PUBLISHED' as const),
      attempt: fc.integer({ min: 1, max: 2 }),
      error: fc.option(fc.constantFrom(DOWN, { code: 'CONTENT_FLAGGED' } as const), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 40 }), (parts) => {
        const entries = parts.map(({ error, ...rest }, index) =>
          anEntry(index, { ...rest, ...(error === undefined ? {} : { error }) }),
        );
        const short = condensed(entries);
        expect(short.reduce((sum, { count }) => sum + count, 0)).toBe(entries.length);
        expect(short.map(({ since }) => since)).toEqual(
          short.map((_, index) => later(short.slice(0, index).reduce((sum, { count }) => sum + count, 0))),
        );
        for (const kept of short) expect(entries).toContainEqual({ ...kept, since: kept.time, count: 1 });
        expect(condensed(short)).toEqual(short);
      }),
    );
  });
});
