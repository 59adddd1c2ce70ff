import type { Clock } from '../../application/ports/clock.ts';
import type { Log } from '../../application/ports/log.ts';
import type { Database } from './database.ts';

const EVERY_MILLISECONDS = 30_000;
/** A time that took longer to come may be wrong by half of that: a host's own clock drifts less in an hour. */
const SLOWEST_MILLISECONDS = 1_000;

/**
 * The database's time, known by how far this host's clock is off. Set right at the start and every half minute; between
 * two looks only the host's monotonic clock counts, so a host clock that is set anew changes nothing.
 */
export async function databaseClock({ pool }: Database, log: Log): Promise<Clock & { close(): void }> {
  async function measure(): Promise<{ readonly offset: number; readonly took: number }> {
    const before = performance.now();
    const { rows } = await pool.query<{ milliseconds: number }>(
      'select (extract(epoch from clock_timestamp()) * 1000)::float8 as milliseconds',
    );
    const [row] = rows;
    if (row === undefined) throw new Error('the database did not tell its time');
    const after = performance.now();
    return { offset: row.milliseconds - (before + after) / 2, took: after - before };
  }

  let { offset } = await measure();
  const timer = setInterval(() => {
    measure().then(
      (measured) => {
        if (measured.took <= SLOWEST_MILLISECONDS) ({ offset } = measured);
      },
      // The last offset is good for hours.
      (error) => log.warn({ error }, "the database's time could not be read anew"),
    );
  }, EVERY_MILLISECONDS).unref();
  return { now: () => new Date(Math.floor(performance.now() + offset)), close: () => clearInterval(timer) };
}
