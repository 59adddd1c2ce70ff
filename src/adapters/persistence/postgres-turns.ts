import type { Turns } from '../../application/ports/turns.ts';
import type { Database } from './database.ts';
import { gathered, isOnesFault } from './gathered.ts';
import { date, type Time } from './json.ts';
import { prepared } from './prepared.ts';

/** Read once the row is ours, and so never before the turn that was given last. */
const NOW = "date_trunc('milliseconds', clock_timestamp())";

/** What is asked for, one for each key at most. In the order of the keys, so that nobody waits crosswise. */
const ASKED = `
  asked as materialized (
    select * from json_to_recordset($1::json)
      as asked(key text, calls integer, window_seconds double precision, not_before timestamptz)
    order by key
  )`;

/** Of the key whose row is `turn`. */
const asked = (column: 'calls' | 'window_seconds' | 'not_before'): string =>
  `(select ${column} from asked where asked.key = turn.key)`;

/**
 * The latest turns of each key, as many as its quota allows, oldest first. The next one is free a window after the oldest, and
 * behind all that were given.
 */
const LAST = 'turn.times[cardinality(turn.times)]';
const FREE = `greatest(${LAST}, case when cardinality(turn.times) >= ${asked('calls')}
  then turn.times[cardinality(turn.times) - ${asked('calls')} + 1] + make_interval(secs => ${asked('window_seconds')}) end)`;
const LATEST = `turn.times[greatest(1, cardinality(turn.times) - ${asked('calls')} + 2):]`;

const NEXT = prepared(`
  with ${ASKED}
  insert into turn (key, times) select key, array[greatest(${NOW}, not_before)] from asked
  on conflict (key) do update set times = ${LATEST}
    || greatest(${NOW}, ${asked('not_before')}, ${FREE})
  returning key, times[cardinality(times)] as time`);

const TAKE = prepared(`
  with ${ASKED}
  insert into turn (key, times) select key, array[${NOW}] from asked
  on conflict (key) do update set times = ${LATEST} || ${NOW}
    where coalesce(${FREE} <= ${NOW}, true)
  returning key`);

const FREE_TIME = prepared(
  `with ${ASKED} select key, greatest(${NOW}, ${FREE}) as time from turn join asked using (key)`,
);

type Asked = {
  readonly key: string;
  readonly calls: number;
  readonly window_seconds: number;
  readonly not_before?: Date;
};
type Taken = Awaited<ReturnType<Turns['take']>>;

export function postgresTurns({ pool }: Pick<Database, 'pool'>): Turns {
  const keyOf = ({ key }: Asked): string => key;
  const timesOf = async (statement: typeof NEXT, all: readonly Asked[]): Promise<ReadonlyMap<string, Date>> => {
    const { rows } = await pool.query<{ key: string; time: Time }>(statement(JSON.stringify(all)));
    return new Map(rows.map(({ key, time }) => [key, date(time)]));
  };
  const timeIn = (times: ReadonlyMap<string, Date>, key: string): Date => {
    const time = times.get(key);
    if (time === undefined) throw new Error(`no turn was given for ${key}`);
    return time;
  };

  const next = gathered({
    async run(all: readonly Asked[]) {
      const times = await timesOf(NEXT, all);
      return all.map(({ key }) => timeIn(times, key));
    },
    keyOf,
    isOnesFault,
  });

  const take = gathered({
    async run(all: readonly Asked[]): Promise<readonly Taken[]> {
      const { rows } = await pool.query<{ key: string }>(TAKE(JSON.stringify(all)));
      const taken = new Set(rows.map(({ key }) => key));
      const refused = all.filter(({ key }) => !taken.has(key));
      const times = refused.length === 0 ? new Map<string, Date>() : await timesOf(FREE_TIME, refused);
      return all.map(({ key }) => (taken.has(key) ? { taken: true } : { taken: false, freeTime: timeIn(times, key) }));
    },
    keyOf,
    isOnesFault,
  });

  return {
    next: (key, { calls, windowSeconds }, notBefore) =>
      next({
        key,
        calls,
        window_seconds: windowSeconds,
        ...(notBefore === undefined ? {} : { not_before: notBefore }),
      }),
    take: (key, { calls, windowSeconds }) => take({ key, calls, window_seconds: windowSeconds }),
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
