import type { Turns } from '../../application/ports/turns.ts';
import type { Database } from './database.ts';
import { date, type Time } from './json.ts';
import { prepared } from './prepared.ts';

/** Read once the row is ours, and so never before the turn that was given last. */
const NOW = "date_trunc('milliseconds', clock_timestamp())";

/**
 * The latest turns of each key, as many as its quota allows, oldest first. The next one is free a window after the oldest, and
 * behind all that were given. Parameters: key, calls, window in seconds.
 */
const LAST = 'turn.times[cardinality(turn.times)]';
const FREE = `greatest(${LAST}, case when cardinality(turn.times) >= $2
  then turn.times[cardinality(turn.times) - $2 + 1] + make_interval(secs => $3) end)`;
const LATEST = 'turn.times[greatest(1, cardinality(turn.times) - $2 + 2):]';

const NEXT = prepared(`
  insert into turn (key, times) values ($1, array[greatest(${NOW}, $4)])
  on conflict (key) do update set times = ${LATEST}
    || greatest(${NOW}, $4, ${FREE})
  returning times[cardinality(times)] as time`);

const TAKE = prepared(`
  insert into turn (key, times) values ($1, array[${NOW}])
  on conflict (key) do update set times = ${LATEST} || ${NOW}
    where coalesce(${FREE} <= ${NOW}, true)
  returning key`);

export function postgresTurns({ pool }: Pick<Database, 'pool'>): Turns {
  return {
    async next(key, { calls, windowSeconds }, notBefore) {
      const { rows } = await pool.query<{ time: Time }>(NEXT(key, calls, windowSeconds, notBefore ?? null));
      const [row] = rows;
      if (row === undefined) throw new Error(`no turn was given for ${key}`);
      return date(row.time);
    },
    async take(key, { calls, windowSeconds }) {
      const taken = await pool.query(TAKE(key, calls, windowSeconds));
      if (taken.rowCount === 1) return { taken: true };
      const { rows } = await pool.query<{ time: Time }>(
        `select greatest(${NOW}, ${FREE}) as time from turn where key = $1`,
        [key, calls, windowSeconds],
      );
      const [row] = rows;
      if (row === undefined) throw new Error(`the turns of ${key} are gone`);
      return { taken: false, freeTime: date(row.time) };
    },
    async giveBack(key) {
      await pool.query('update turn set times = times[:cardinality(times) - 1] where key = $1', [key]);
    },
    async exhaust(key, { calls }) {
      await pool.query(
        `insert into turn (key, times) values ($1, array_fill(${NOW}, array[$2::integer]))
         on conflict (key) do update
         set times = array_fill(greatest(${NOW}, ${LAST}), array[$2::integer])`,
        [key, calls],
      );
    },
  };
}
