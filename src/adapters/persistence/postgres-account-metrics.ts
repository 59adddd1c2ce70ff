import type { AccountMetrics, MeasuredAccount } from '../../application/ports/account-metrics.ts';
import type { AccountNumbers, AccountReading, DayNumbers, HourCount } from '../../domain/analytics/reading.ts';
import type { Database } from './database.ts';
import { date, isStorable, optionalDate, present, type Time } from './json.ts';
import { knownFromJson } from './metric-rows.ts';

type AccountRow = {
  numbers: Parameters<typeof knownFromJson>[0] | null;
  breakdowns: Parameters<typeof knownFromJson>[0] | null;
  collect_time: Time | null;
  next_time: Time | null;
};
type DayRow = { date: string; numbers: DayNumbers; audience_activity: readonly HourCount[] | null; as_of: Time };

export function postgresAccountMetrics({ pool }: Pick<Database, 'pool'>): AccountMetrics {
  return {
    async find(connectionId, from, until) {
      if (!isStorable(connectionId)) return undefined;
      const { rows: accounts } = await pool.query<AccountRow>(
        `select numbers, breakdowns, collect_time, case when connection.state = 'ACTIVE' then account_at end as next_time
         from metric_collection left join measured_account using (connection_id)
         left join connection on connection.id = metric_collection.connection_id
         where metric_collection.connection_id = $1`,
        [connectionId],
      );
      const [account] = accounts;
      if (account === undefined) return undefined;
      const { rows: days } = await pool.query<DayRow>(
        `select date::text as date, numbers, audience_activity, as_of from account_day
         where connection_id = $1 and date between $2::date and $3::date order by account_day.date`,
        [connectionId, from, until],
      );
      return present({
        connectionId,
        numbers: knownFromJson<AccountNumbers>(account.numbers ?? {}),
        breakdowns: knownFromJson<AccountReading['breakdowns']>(account.breakdowns ?? {}),
        days: days.map((row) =>
          present({
            date: row.date,
            numbers: row.numbers,
            audienceActivity: row.audience_activity ?? undefined,
            asOf: date(row.as_of),
          }),
        ),
        collectTime: optionalDate(account.collect_time),
        nextCollectTime: optionalDate(account.next_time),
      }) satisfies MeasuredAccount;
    },
  };
}
