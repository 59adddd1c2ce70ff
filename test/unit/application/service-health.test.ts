import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Gates } from '../../../src/application/ports/gates.ts';
import { serviceHealth } from '../../../src/application/service-health.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Looks for so many seconds, and tells how often the database was asked. */
async function askedIn(
  seconds: number,
  { listens = false, stuck = false, all }: { listens?: boolean; stuck?: boolean; all?: Gates['all'] } = {},
) {
  let asked = 0;
  const clock = { now: () => new Date() };
  const begin = clock.now();
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const health = serviceHealth({
    engine: { lastLook: () => (stuck ? begin : clock.now()) },
    gates: {
      all(keys) {
        asked += 1;
        return all === undefined ? Promise.resolve([]) : all(keys);
      },
    },
    families: ['OPEN'],
    stopping: new AbortController().signal,
    clock,
    log,
  });
  if (listens) health.onChange(() => {});
  health.start();
  await vi.advanceTimersByTimeAsync(seconds * 1000);
  const report = health.now();
  await health.stop();
  return { asked, report };
}

it('asks the database four times a minute while nobody listens and the engine hears from it, and stays healthy', async () => {
  const { asked, report } = await askedIn(40);
  expect(asked).toBe(3);
  expect(report).toEqual({ service: 'SERVING', engine: 'SERVING', tiktok: 'SERVING' });
});

it('asks every second while somebody listens', async () => {
  expect((await askedIn(40, { listens: true })).asked).toBe(41);
});

it('asks every second once the engine hears nothing, and tells what it is', async () => {
  const { asked, report } = await askedIn(20, { stuck: true });
  expect(asked).toBe(1 + 14);
  expect(report).toEqual({ service: 'NOT_SERVING', engine: 'NOT_SERVING', tiktok: 'SERVING' });
});

it('asks every second once the database does not answer any more, and says so', async () => {
  let answers = 2; // at once, and after fifteen seconds
  const all = () => (answers-- > 0 ? Promise.resolve([]) : Promise.reject(new Error('the database is away')));
  const { asked, report } = await askedIn(45, { all });
  expect(asked).toBe(2 + 16);
  expect(report).toMatchObject({ service: 'NOT_SERVING', tiktok: 'UNKNOWN' });
});
