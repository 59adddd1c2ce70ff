import type { Clock } from '../../application/ports/clock.ts';
import type { Database } from './database.ts';

/**
 * The database's time, known by how far this host's clock is off. Set right at the start and every `everySeconds`; between
 * two looks only the host's monotonic clock counts, so a host clock that is set anew changes nothing.
 */
export async function databaseClock(
  { pool }: Database,
  { everySeconds = 30 }: { readonly everySeconds?: number } = {},
): Promise<Clock & { close(): void }> {
  async function measure(): Promise<number> {
    const before = performance.now();
    const { rows } = await pool.query<{ milliseconds: number }>(
      'select (extract(epoch from clock_timestamp()) * 1000)::float8 as milliseconds',
    );
    const [row] = rows;
    if (row === undefined) throw new Error('the database did not tell its time');
    return row.milliseconds - (before + performance.now()) / 2;
  }

  let offset = await measure();
  const timer = setInterval(() => {
    measure().then(
      (measured) => {
        offset = measured;
      },
      // A database that is down is everyone's trouble and reported where it matters; the last offset is good for hours.
      () => undefined,
    );
  }, everySeconds * 1000).unref();
  return { now: () => new Date(Math.floor(performance.now() + offset)), close: () => clearInterval(timer) };
}
