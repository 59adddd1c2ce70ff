import { timestampMs } from '@bufbuild/protobuf/wkt';
import type {
  AccountDay,
  Curve,
  PostMetricSnapshot,
  PostMetrics,
} from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_pb.js';

/** What the page's script draws. It is inlined as JSON. */
export type ChartData = {
  /** Of the canvas. */
  readonly id: string;
  readonly shape: 'LINE' | 'BAR';
  /** What `x` is. TIME: milliseconds of the epoch. DAY: those of its midnight, UTC. SECOND: of the video. HOUR: 0 to 23, UTC. */
  readonly axis: 'TIME' | 'DAY' | 'SECOND' | 'HOUR';
  /** What `y` is. FRACTION: 0 to 1. */
  readonly unit: 'COUNT' | 'FRACTION';
  readonly series: readonly Series[];
};

export type Series = {
  readonly name: string;
  readonly points: readonly Point[];
  /** Drawn downwards from 0, though its numbers are not negative: what was lost. */
  readonly below?: true;
};

/** `x` rises from point to point. `y` is null where nothing is known: a gap, never 0. */
export type Point = { readonly x: number; readonly y: number | null };

/** A whole number of the contract. Throws where a number of JavaScript would no longer be exact. */
export function exact(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new RangeError(`${value} is too large to be shown exactly`);
  return number;
}

export const orNull = (value: bigint | undefined): number | null => (value === undefined ? null : exact(value));

const GROWING = { views: 'Views', likes: 'Likes', comments: 'Comments', shares: 'Shares', reach: 'Reach' } as const;
export type Growing = keyof typeof GROWING;

/** How a number grew: what was known at each moment, and last what is known now. Empty when it never was known. */
export function growth(name: Growing, snapshots: readonly PostMetricSnapshot[], metrics: PostMetrics): Series {
  const points = snapshots.flatMap(({ time, [name]: value }) =>
    time === undefined || value === undefined ? [] : [{ x: timestampMs(time), y: exact(value) }],
  );
  const { value, asOf } = metrics[name] ?? {};
  const last = points.at(-1)?.x ?? Number.NEGATIVE_INFINITY;
  // A snapshot is stored only when something changed: the newest number may have been confirmed later.
  if (value !== undefined && asOf !== undefined && timestampMs(asOf) > last) {
    points.push({ x: timestampMs(asOf), y: exact(value) });
  }
  return { name: GROWING[name], points };
}

export const bySecond = (name: string, curve: Curve | undefined): Series => ({
  name,
  points: (curve?.points ?? []).map(({ second, fraction }) => ({ x: second, y: fraction })),
});

const midnight = (date: string): number => Date.parse(`${date}T00:00:00Z`);
const DAY_MS = 86_400_000;

/** Every day from the first that is known to the last: those that nothing is known of are gaps. */
export function byDay(
  name: string,
  days: readonly AccountDay[],
  numberOf: (day: AccountDay) => bigint | undefined,
): Series {
  const known = new Map(days.map((day) => [midnight(day.date), orNull(numberOf(day))]));
  const [first, last] = [Math.min(...known.keys()), Math.max(...known.keys())];
  const points: Point[] = [];
  for (let x = first; x <= last; x += DAY_MS) points.push({ x, y: known.get(x) ?? null });
  return { name, points };
}

/** Active followers in each hour of the day, averaged over the days that it is known of. */
export function byHour(name: string, days: readonly AccountDay[]): Series {
  const counts = new Map<number, number[]>();
  for (const { audienceActivity } of days) {
    for (const { hour, count } of audienceActivity) counts.set(hour, [...(counts.get(hour) ?? []), exact(count)]);
  }
  if (counts.size === 0) return { name, points: [] };
  const points = Array.from({ length: 24 }, (_, hour) => {
    const of = counts.get(hour);
    return { x: hour, y: of === undefined ? null : of.reduce((sum, each) => sum + each, 0) / of.length };
  });
  return { name, points };
}

export const knows = ({ points }: Series): boolean => points.some(({ y }) => y !== null);
