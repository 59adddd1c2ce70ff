import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countsAt, insightsAt, type Life, lastActivityAge } from './video-insights.ts';
import { type VideoModel, videoModel } from './video-model.ts';

const dayMs = 86_400_000;
const life = (set: Partial<VideoModel> = {}, durationSeconds = 15, seed = 'test'): Life => ({
  ...videoModel(seed, '7600000000000000001', set),
  durationSeconds,
});
const sum = (list: readonly { fraction: number }[]) => list.reduce((total, { fraction }) => total + fraction, 0);

const ages = fc.integer({ min: 0, max: 400 * dayMs });
/** Any seed, any duration, and what a test may set. */
const lives = fc
  .record({
    seed: fc.string(),
    duration: fc.integer({ min: 500, max: 90_000 }).map((ms) => ms / 1_000),
    finalViews: fc.integer({ min: 0, max: 5_000_000 }),
    halfLifeMs: fc.integer({ min: 0, max: 30 * dayMs }),
    meanWatchShare: fc.double({ min: 0.1, max: 0.99, noNaN: true }),
    fullShare: fc.double({ min: 0.01, max: 0.9, noNaN: true }),
    pauses: fc.array(fc.record({ fromMs: ages, untilMs: fc.option(ages) }), { maxLength: 3 }),
  })
  .map(({ seed, duration, fullShare, ...set }) =>
    life({ ...set, fullWatchRate: set.meanWatchShare * fullShare }, duration, seed),
  );

describe("a video's numbers", () => {
  it('fit one another at any age of any video', () => {
    fc.assert(
      fc.property(lives, ages, (video, age) => {
        const told = insightsAt(video, age);
        const { views, retention } = told;
        expect(told.reach).toBeLessThanOrEqual(views);
        expect(views).toBeLessThanOrEqual(video.finalViews);
        expect(told.totalWatchSeconds).toBeLessThanOrEqual(views * video.durationSeconds);
        for (const part of [
          ...retention,
          ...told.likesBySecond,
          ...told.impressionSources,
          ...told.audienceCountries,
        ]) {
          expect(part.fraction).toBeGreaterThanOrEqual(0);
          expect(part.fraction).toBeLessThanOrEqual(1);
        }
        if (views === 0) {
          expect(told).toMatchObject({ averageWatchSeconds: 0, fullWatchRate: 0, retention: [], audienceTypes: [] });
          return;
        }
        expect(Math.abs(told.averageWatchSeconds - told.totalWatchSeconds / views)).toBeLessThanOrEqual(0.000501);
        expect(retention.map(({ second }) => second)).toEqual(retention.map((_, second) => second));
        expect(retention).toHaveLength(Math.ceil(video.durationSeconds) + 1);
        expect(retention[0]?.fraction).toBe(1);
        expect(retention.at(-1)?.fraction).toBe(told.fullWatchRate);
        for (const [second, { fraction }] of retention.entries()) {
          expect(fraction).toBeGreaterThanOrEqual(retention[second + 1]?.fraction ?? 0);
        }
        expect(sum(told.audienceGenders)).toBeCloseTo(1, 9);
        expect(sum(told.impressionSources)).toBeCloseTo(1, 9);
        expect(sum(told.likesBySecond)).toBeCloseTo(told.likes === 0 ? 0 : 1, 9);
        const share = (name: string) => told.audienceTypes.find((type) => type.name === name)?.fraction ?? Number.NaN;
        expect(share('NEW_VIEWER') + share('RETURN_VIEWER')).toBeCloseTo(1, 9);
        expect(share('FOLLOWER_PERCENT') + share('NON_FOLLOWER_PERCENT')).toBeCloseTo(1, 9);
        expect(told.audienceCountries.length).toBeLessThanOrEqual(10);
      }),
    );
  });

  it('never fall', () => {
    fc.assert(
      fc.property(lives, ages, ages, (video, one, other) => {
        const earlier = insightsAt(video, Math.min(one, other));
        const later = insightsAt(video, Math.max(one, other));
        for (const name of [...Object.keys(countsAt(video, 0)), 'totalWatchSeconds'] as const) {
          expect(later[name as 'views']).toBeGreaterThanOrEqual(earlier[name as 'views']);
        }
      }),
    );
  });

  it('are the same for the same seed, id and model, and others for another seed', () => {
    expect(insightsAt(life(), dayMs)).toEqual(insightsAt(life(), dayMs));
    expect(insightsAt(life({}, 15, 'other'), dayMs)).not.toEqual(insightsAt(life(), dayMs));
  });

  it('are half of all after one half-life, three quarters after two, all in the end, none before', () => {
    const video = life({ finalViews: 4_000, finalLikes: 400, halfLifeMs: dayMs });
    const at = (age: number) => [insightsAt(video, age).views, insightsAt(video, age).likes];
    expect([-1, 0, dayMs, 2 * dayMs, 365 * dayMs].map(at)).toEqual([
      [0, 0],
      [0, 0],
      [2_000, 200],
      [3_000, 300],
      [4_000, 400],
    ]);
    expect(insightsAt(life({ finalViews: 9, halfLifeMs: 0 }), 0).views).toBe(9);
  });

  it('have the mean, the end and the shares that were set, when all views have come', () => {
    const video = life(
      {
        finalViews: 1_000,
        meanWatchShare: 0.4,
        fullWatchRate: 0.125,
        followerShare: 0.2,
        impressionSources: { Search: 3, Follow: 1 },
      },
      20.5,
    );
    const told = insightsAt(video, 1_000 * dayMs);
    expect(told).toMatchObject({ averageWatchSeconds: 8.2, totalWatchSeconds: 8_200, fullWatchRate: 0.125 });
    expect(told.impressionSources).toEqual([
      { name: 'Search', fraction: 0.75 },
      { name: 'Follow', fraction: 0.25 },
    ]);
    expect(told.audienceTypes[2]).toEqual({ name: 'FOLLOWER_PERCENT', fraction: 0.2 });
    // The area under the curve is the average watch time.
    const area = told.retention.slice(1).reduce((total, { second, fraction }, index) => {
      const width = Math.min(second, 20.5) - index;
      return total + (width * (fraction + (told.retention[index]?.fraction ?? 0))) / 2;
    }, 0);
    expect(area).toBeCloseTo(8.2, 1);
  });

  it('begin with those who follow the account and watch longer', () => {
    const video = life({ finalViews: 10_000, halfLifeMs: dayMs });
    const early = insightsAt(video, 3_600_000);
    const late = insightsAt(video, 100 * dayMs);
    expect(early.averageWatchSeconds).toBeGreaterThan(late.averageWatchSeconds);
    expect(early.fullWatchRate).toBeGreaterThan(late.fullWatchRate);
    expect(early.audienceTypes[2]?.fraction).toBeGreaterThan(late.audienceTypes[2]?.fraction ?? 1);
  });

  it('stand still in a pause, of which those that overlap count once, and go on where they stopped', () => {
    const model = { finalViews: 4_000, halfLifeMs: dayMs };
    const pauses = [
      { fromMs: 2 * dayMs, untilMs: 10 * dayMs },
      { fromMs: dayMs, untilMs: 3 * dayMs },
    ];
    const video = life({ ...model, pauses });
    const viewsAt = (days: number) => insightsAt(video, days * dayMs).views;
    expect([1, 5, 10, 11].map(viewsAt)).toEqual([2_000, 2_000, 2_000, 3_000]);
    const ended = life({ ...model, pauses: [{ fromMs: dayMs, untilMs: null }] });
    expect(insightsAt(ended, 300 * dayMs).views).toBe(2_000);
  });
});

describe('the last activity', () => {
  it('is the moment since which nothing changed', () => {
    fc.assert(
      fc.property(lives, ages, (video, age) => {
        const since = lastActivityAge(video, age);
        expect(since).toBeLessThanOrEqual(age);
        expect(countsAt(video, since)).toEqual(countsAt(video, age));
        if (since > 0) expect(countsAt(video, since - 1).views).toBeLessThan(countsAt(video, age).views);
      }),
    );
  });

  it('is when the pause began, for as long as it lasts', () => {
    const video = life({
      finalViews: 100_000,
      halfLifeMs: 20 * dayMs,
      pauses: [{ fromMs: 5 * dayMs, untilMs: 20 * dayMs }],
    });
    const since = lastActivityAge(video, 15 * dayMs);
    expect(since).toBeLessThanOrEqual(5 * dayMs);
    expect(since).toBeGreaterThan(4.9 * dayMs);
    expect(lastActivityAge(video, 21 * dayMs)).toBeGreaterThan(20.9 * dayMs);
  });
});
