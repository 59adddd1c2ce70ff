import type { NextWork, Upcoming } from '../../application/ports/upcoming.ts';
import type { Database } from './database.ts';
import { date, present, type Time } from './json.ts';
import { prepared } from './prepared.ts';

type Row = {
  post_time: Time | null;
  post_due: boolean | null;
  import_time: Time | null;
  import_due: boolean | null;
};

/** The first entry of each of two partial indexes, however much waits. */
const LOOK = prepared(`
  select post_time, post_time <= now() as post_due, import_time, import_time <= now() as import_due
  from (select min(next_action_at) as post_time from post where next_action_at is not null) as posts,
    (select min(next_action_at) as import_time from video where next_action_at is not null) as imports`);

export function postgresUpcoming({ pool }: Pick<Database, 'pool'>): Upcoming {
  const next = (time: Time | null, isDue: boolean | null): NextWork | undefined =>
    time === null ? undefined : { time: date(time), isDue: isDue === true };
  return {
    async look() {
      const { rows } = await pool.query<Row>(LOOK());
      const [row] = rows;
      if (row === undefined) throw new Error('the database did not tell what comes next');
      return present({
        posts: next(row.post_time, row.post_due),
        imports: next(row.import_time, row.import_due),
      });
    },
  };
}
