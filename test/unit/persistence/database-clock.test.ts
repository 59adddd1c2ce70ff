import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Database } from '../../../src/adapters/persistence/database.ts';
import { databaseClock } from '../../../src/adapters/persistence/database-clock.ts';
import { recordingLog } from '../../support/recording-log.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A database an hour ahead, whose time is on its way for so many milliseconds once it was told. */
function database(onItsWay: () => number): Database {
  const query = async () => {
    const milliseconds = Date.now() + 3_600_000;
    await new Promise((resolve) => setTimeout(resolve, onItsWay()));
    return { rows: [{ milliseconds }] };
  };
  return { pool: { query } } as unknown as Database;
}

const ahead = ({ now }: { now(): Date }): number => now().getTime() - Date.now();

it('a time that was long on its way is not taken over: it may be wrong by half of that', async () => {
  let onItsWay = 0;
  const opened = databaseClock(
    database(() => onItsWay),
    recordingLog(),
  );
  await vi.advanceTimersByTimeAsync(0);
  const clock = await opened;
  expect(ahead(clock)).toBeCloseTo(3_600_000, -2);
  onItsWay = 10_000;
  await vi.advanceTimersByTimeAsync(45_000);
  expect(ahead(clock)).toBeCloseTo(3_600_000, -2);
  clock.close();
});
