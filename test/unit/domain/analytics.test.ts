import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  dayOf,
  daysOf,
  daysToRead,
  nextAccountTime,
  nextListTime,
  nextVideoTime,
} from '../../../src/domain/analytics/collection.ts';
import { learn } from '../../../src/domain/analytics/known.ts';
import { VIDEO_NUMBERS, type VideoNumbers } from '../../../src/domain/analytics/reading.ts';
import { thinned } from '../../../src/domain/analytics/thinning.ts';
import { leftOut, snapshotOf, told, type VideoRecord } from '../../../src/domain/analytics/video-record.ts';
import { later, NOW } from '../../support/builders.ts';
import { anAccountReading, aReading } from '../../support/readings.ts';

const HOUR = 3600;
const DAY = 86_400;
const seconds = (from: Date, to: Date): number => (to.getTime() - from.getTime()) / 1000;

describe('a video is looked at', () => {
  it.each([
    [0, HOUR],
    [2 * DAY - 1, HOUR],
    [2 * DAY, 6 * HOUR],
    [7 * DAY - 1, 6 * HOUR],
    [7 * DAY, DAY],
    [30 * DAY, 3 * DAY],
    [90 * DAY - 1, 3 * DAY],
    [90 * DAY, 7 * DAY],
    [359 * DAY, 7 * DAY],
    // The last look, once TikTok has told the last number.
    [362 * DAY, 5 * DAY],
    [366 * DAY, DAY],
  ])('at the age of %i s again after %i s', (age, pause) => {
    const next = nextVideoTime(NOW, later(age));
    expect(next && seconds(later(age), next)).toBe(pause);
  });

  it('never again after 367 days', () => {
    expect(nextVideoTime(NOW, later(367 * DAY))).toBeUndefined();
    expect(nextVideoTime(NOW, later(5000 * DAY))).toBeUndefined();
  });

  it('ever more rarely, some 150 times in all, and once after the end', () => {
    const looks = [NOW];
    for (let next: Date | undefined = NOW; next !== undefined; ) {
      next = nextVideoTime(NOW, next);
      if (next !== undefined) looks.push(next);
    }
    const pauses = looks.slice(1).map((time, index) => seconds(looks[index] ?? NOW, time));
    expect(pauses.slice(0, -1)).toEqual(pauses.slice(0, -1).toSorted((left, right) => left - right));
    expect([looks.length, looks.at(-1)]).toEqual([152, later(367 * DAY)]);
    expect(looks.filter((time) => time >= later(365 * DAY))).toHaveLength(1);
  });

  it('always later than now, also when its clock is ahead of ours', () => {
    fc.assert(
      fc.property(fc.integer({ min: -DAY, max: 366 * DAY }), (age) => {
        const next = nextVideoTime(NOW, later(age));
        expect(next !== undefined && next > later(age)).toBe(true);
      }),
    );
  });
});

describe('an account', () => {
  it('is asked for new videos as often as its newest is looked at, and every six hours at least', () => {
    const after = (age: number | undefined): number =>
      seconds(NOW, nextListTime(age === undefined ? undefined : later(-age), NOW));
    expect([0, DAY, 3 * DAY, 20 * DAY, 400 * DAY, undefined].map(after)).toEqual([
      HOUR,
      HOUR,
      6 * HOUR,
      6 * HOUR,
      6 * HOUR,
      6 * HOUR,
    ]);
  });

  it('is read at the same time of each day: no day (UTC) is left out, and none is read twice', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: DAY - 1 }), fc.integer({ min: 0, max: 400 * DAY }), (connected, passed) => {
        const connectTime = later(connected);
        const next = nextAccountTime(connectTime, later(passed, connectTime));
        const pause = seconds(later(passed, connectTime), next);
        expect(pause > 0 && pause <= DAY).toBe(true);
        expect(seconds(connectTime, next) % DAY).toBe(0);
        expect(nextAccountTime(connectTime, next)).toEqual(later(DAY, next));
      }),
    );
  });

  it('is asked for the days since a few before the last that is known, 60 back at most, until yesterday', () => {
    expect(daysToRead(undefined, NOW)).toEqual({ from: '2026-09-23', until: '2026-11-21' });
    expect(daysToRead('2026-11-20', NOW)).toEqual({ from: '2026-11-17', until: '2026-11-21' });
    expect(daysToRead('2026-09-24', NOW)).toEqual({ from: '2026-09-23', until: '2026-11-21' });
    expect(daysToRead('2027-01-01', NOW)).toEqual({ from: '2026-11-21', until: '2026-11-21' });
  });

  it('has a day of today where its numbers are those of this day', () => {
    const { numbers } = anAccountReading();
    const known = { date: '2026-11-20', numbers: { videoViews: 3 } };
    expect(daysOf(anAccountReading(), 'OPEN', NOW)).toEqual([
      { date: '2026-11-22', numbers: { followers: 1520, totalLikes: 30_411, videoCount: 87 } },
    ]);
    expect(daysOf(anAccountReading({ days: [known], numbers: { ...numbers } }), 'BUSINESS', NOW)).toEqual([
      known,
      { date: '2026-11-22', numbers: { videoCount: 87 } },
    ]);
    expect(daysOf(anAccountReading({ days: [known], numbers: { followers: 3 } }), 'BUSINESS', NOW)).toEqual([known]);
    expect(dayOf(new Date('2026-11-22T23:59:59.999Z'))).toBe('2026-11-22');
  });
});

/** Readings in the order of their times, each with some of the numbers. */
const readings = fc
  .array(
    fc.record({
      seconds: fc.integer({ min: 1, max: 50 }),
      numbers: fc.dictionary(fc.constantFrom(...VIDEO_NUMBERS), fc.nat({ max: 3 })) as fc.Arbitrary<VideoNumbers>,
      missing: fc.boolean(),
    }),
    { maxLength: 12 },
  )
  .map((all) =>
    [...new Map(all.map((each) => [each.seconds, each])).values()].toSorted((a, b) => a.seconds - b.seconds),
  );

describe('what is known of a video', () => {
  const video = aReading();
  const tell = (
    before: VideoRecord | undefined,
    { seconds: at, numbers, missing }: { seconds: number; numbers: VideoNumbers; missing: boolean },
  ) => (missing && before !== undefined ? leftOut(before, later(at)) : told(before, { ...video, numbers }, later(at)));

  it('is of each number the last that was told, whatever was left out since', () => {
    fc.assert(
      fc.property(readings, (all) => {
        const first = all.findIndex(() => true);
        const known = all.reduce<VideoRecord | undefined>(tell, undefined);
        const spoke = all.filter(({ missing }, index) => !missing || index === first);
        for (const name of VIDEO_NUMBERS) {
          const last = spoke.findLast(({ numbers }) => numbers[name] !== undefined);
          expect(known?.numbers[name]).toEqual(last && { value: last.numbers[name], asOf: later(last.seconds) });
        }
      }),
    );
  });

  it('is the same when each was told twice, and when old ones come in late', () => {
    fc.assert(
      fc.property(readings, fc.nat(), (all, late) => {
        const once = all.reduce<VideoRecord | undefined>(tell, undefined);
        const again = all.reduce<VideoRecord | undefined>((before, each) => {
          const after = tell(before, each);
          expect(tell(after, each)).toBe(after);
          return after;
        }, undefined);
        expect(again).toEqual(once);
        const old = all[late % Math.max(all.length, 1)];
        if (old !== undefined && once !== undefined) expect(tell(once, { ...old, numbers: { views: 999 } })).toBe(once);
      }),
    );
  });

  it('leaves a snapshot exactly when a number is another one', () => {
    fc.assert(
      fc.property(readings, (all) => {
        let before: VideoRecord | undefined;
        for (const each of all) {
          const after = tell(before, each);
          const values = (record: VideoRecord | undefined) => VIDEO_NUMBERS.map((name) => record?.numbers[name]?.value);
          const changed = JSON.stringify(values(before)) !== JSON.stringify(values(after));
          expect(snapshotOf(before, after) !== undefined).toBe(changed);
          before = after;
        }
      }),
    );
  });

  it('has no number where TikTok told none, and 0 where it told 0', () => {
    expect(learn<VideoNumbers>({}, { views: 0 }, NOW)).toEqual({ views: { value: 0, asOf: NOW } });
    expect(learn<VideoNumbers>({}, {}, NOW)).toEqual({});
  });
});

describe('a history', () => {
  const day = (time: Date): number => Math.floor(time.getTime() / (DAY * 1000));
  const week = (time: Date): number => Math.floor((day(time) - 4) / 7);
  const history = fc
    .uniqueArray(fc.integer({ min: 0, max: 400 * 24 }), { maxLength: 60 })
    .map((hours) => hours.toSorted((left, right) => left - right).map((hour) => later(hour * HOUR)));

  it('is whole for seven days, has one a day until the video is 90 days old, and one a week after that', () => {
    fc.assert(
      fc.property(history, fc.integer({ min: 0, max: 420 * 24 }), (times, hour) => {
        const now = later(hour * HOUR);
        const past = times.filter((time) => time <= now);
        const gone = new Set(thinned(past, NOW, now).dropped.map(Number));
        const kept = past.filter((time) => !gone.has(Number(time)));
        const spans = (among: readonly Date[]) =>
          new Set(among.map((time) => (time < later(90 * DAY) ? `d${day(time)}` : `w${week(time)}`)));
        expect(kept.filter((time) => time >= later(-7 * DAY, now))).toEqual(
          past.filter((time) => time >= later(-7 * DAY, now)),
        );
        // Of each span that is over one stays, the last; but where the week of the 90th day begins on the day before.
        const over = (among: readonly Date[]) =>
          among.filter(
            (time) =>
              (time < later(90 * DAY) ? (day(time) + 1) * DAY : (week(time) * 7 + 11) * DAY) * 1000 <=
              now.getTime() - 7 * DAY * 1000,
          );
        expect(over(kept).length).toBeLessThanOrEqual(spans(over(past)).size);
        expect(over(kept).length).toBeGreaterThanOrEqual(spans(over(past)).size - 1);
        expect(kept.at(-1)).toEqual(past.at(-1));
      }),
    );
  });

  it('is thinned once and for all: again changes nothing, and nothing before the mark is ever thinned later', () => {
    fc.assert(
      fc.property(history, fc.integer({ min: 0, max: 420 * 24 }), fc.nat({ max: 60 * 24 }), (times, hour, passed) => {
        const [now, after] = [later(hour * HOUR), later((hour + passed) * HOUR)];
        const past = times.filter((time) => time <= now);
        const { dropped, until } = thinned(past, NOW, now);
        const gone = new Set(dropped.map(Number));
        const kept = past.filter((time) => !gone.has(Number(time)));
        expect(thinned(kept, NOW, now).dropped).toEqual([]);
        const all = [...kept, ...times.filter((time) => time > now && time <= after)];
        expect(thinned(all, NOW, after).dropped.filter((time) => time < until)).toEqual([]);
      }),
    );
  });

  it('keeps the last of each day that is over for a week', () => {
    const at = (text: string) => new Date(`2026-11-${text}:00Z`);
    const times = ['22T10:00', '22T23:59', '23T00:00', '23T08:00', '24T09:00', '24T11:00'].map(at);
    const { dropped } = thinned(times, NOW, new Date('2026-12-01T10:00:00Z'));
    expect(dropped).toEqual(['22T10:00', '23T00:00'].map(at));
  });
});
