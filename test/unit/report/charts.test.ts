import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { byDay, byHour, exact, growth } from '../../../scripts/report/charts.ts';
import {
  AccountDaySchema,
  PostMetricSnapshotSchema,
  PostMetricsSchema,
} from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_pb.js';
import { at } from '../../support/canned-analytics.ts';

const ms = (time: string): number => Date.parse(time);

describe('What a chart shows', () => {
  const snapshots = [
    create(PostMetricSnapshotSchema, { time: at('2026-11-20T10:00:00Z'), views: 3n }),
    create(PostMetricSnapshotSchema, { time: at('2026-11-20T11:00:00Z'), likes: 1n }),
    create(PostMetricSnapshotSchema, { time: at('2026-11-20T12:00:00Z'), views: 9n, likes: 0n }),
  ];

  it('leaves out the moments at which a number was not known, and ends with the newest one', () => {
    const metrics = create(PostMetricsSchema, { views: { value: 9n, asOf: at('2026-11-22T10:00:00Z') } });
    expect(growth('views', snapshots, metrics)).toEqual({
      name: 'Views',
      points: [
        { x: ms('2026-11-20T10:00:00Z'), y: 3 },
        { x: ms('2026-11-20T12:00:00Z'), y: 9 },
        { x: ms('2026-11-22T10:00:00Z'), y: 9 },
      ],
    });
    expect(growth('likes', snapshots, metrics).points.map(({ y }) => y)).toEqual([1, 0]);
    expect(growth('reach', snapshots, metrics).points).toEqual([]);
  });

  it('does not show the newest number twice when a snapshot has it', () => {
    const metrics = create(PostMetricsSchema, { views: { value: 9n, asOf: at('2026-11-20T12:00:00Z') } });
    expect(growth('views', snapshots, metrics).points.map(({ y }) => y)).toEqual([3, 9]);
  });

  it('has a gap for a day without the number and for a day that nothing is known of', () => {
    const days = [
      create(AccountDaySchema, { date: '2026-02-27', videoViews: 5n }),
      create(AccountDaySchema, { date: '2026-03-01', followers: 7n }),
      create(AccountDaySchema, { date: '2026-03-02', videoViews: 0n }),
    ];
    expect(byDay('Views', days, ({ videoViews }) => videoViews).points).toEqual([
      { x: ms('2026-02-27'), y: 5 },
      { x: ms('2026-02-28'), y: null },
      { x: ms('2026-03-01'), y: null },
      { x: ms('2026-03-02'), y: 0 },
    ]);
    expect(byDay('Views', [], ({ videoViews }) => videoViews).points).toEqual([]);
  });

  it('averages each hour over the days that it is known of', () => {
    const days = [
      create(AccountDaySchema, {
        date: '2026-11-01',
        audienceActivity: [
          { hour: 5, count: 10n },
          { hour: 6, count: 1n },
        ],
      }),
      create(AccountDaySchema, { date: '2026-11-02', audienceActivity: [{ hour: 5, count: 20n }] }),
      create(AccountDaySchema, { date: '2026-11-03' }),
    ];
    const { points } = byHour('Active', days);
    expect(points).toHaveLength(24);
    expect(points.slice(4, 7)).toEqual([
      { x: 4, y: null },
      { x: 5, y: 15 },
      { x: 6, y: 1 },
    ]);
    expect(byHour('Active', [create(AccountDaySchema, {})]).points).toEqual([]);
  });

  it('is exact, or is not shown', () => {
    expect(exact(9_007_199_254_740_991n)).toBe(9_007_199_254_740_991);
    expect(() => exact(9_007_199_254_740_993n)).toThrow('9007199254740993 is too large');
  });
});
