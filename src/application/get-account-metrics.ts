import { type UnavailableReason, whyDaysMissing } from '../domain/analytics/availability.ts';
import { dayOf } from '../domain/analytics/collection.ts';
import { daysBefore, daysBetween, startOf } from '../domain/analytics/day.ts';
import type { ApiFamily } from '../domain/connection/connection.ts';
import { type Finding, isError } from '../domain/finding.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { accountFacts, accountMetricsOf } from './explained-metrics.ts';
import { invalid } from './field-checks.ts';
import type { ConnectionName } from './get-connection.ts';
import type { AccountMetrics, MeasuredAccount } from './ports/account-metrics.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { Refusal } from './refusal.ts';

export type ExplainedAccount = ReturnType<typeof accountMetricsOf> &
  Omit<MeasuredAccount, 'numbers' | 'breakdowns'> & {
    readonly apiFamily: ApiFamily;
    /** Why none of the days has a number that only Business accounts get. Absent when one has. */
    readonly daysUnavailableReason?: UnavailableReason;
  };

/**
 * The account as it was collected, with the days from `startDate` to `endDate`, `YYYY-MM-DD`, both included. Without an end it is
 * today (UTC), without a start 28 days before the end.
 *
 * A connection holds counts of its account too; they are no metrics, since nobody knows when they were read. What was not collected has a
 * reason instead.
 */
export type GetAccountMetrics = (
  input: ConnectionName & { readonly startDate?: string; readonly endDate?: string },
) => Promise<Result<ExplainedAccount, Refusal>>;

const DEFAULT_DAYS = 28;
const MOST_DAYS = 366;

export function getAccountMetrics(needs: {
  readonly connections: Connections;
  readonly accountMetrics: AccountMetrics;
  readonly clock: Clock;
}): GetAccountMetrics {
  const { connections, accountMetrics, clock } = needs;
  return async ({ connectionId, workspaceId, startDate, endDate }) => {
    const now = clock.now();
    const end = endDate === undefined ? startOf(dayOf(now)) : startOf(endDate);
    const start = startDate === undefined ? end && daysBefore(end, DEFAULT_DAYS) : startOf(startDate);
    const wrong = [
      ...(startDate !== undefined && start === undefined ? [noDay('start_date', startDate)] : []),
      ...(endDate !== undefined && end === undefined ? [noDay('end_date', endDate)] : []),
      ...(start === undefined || end === undefined ? [] : checkDays(start, end)),
    ];
    if (start === undefined || end === undefined || wrong.some(isError))
      return err({ code: 'INVALID', findings: wrong });

    const connection = await connections.find(connectionId, workspaceId);
    if (connection === undefined) return err({ code: 'NOT_FOUND', resource: 'connection', id: connectionId });
    const account = (await accountMetrics.find(connectionId, dayOf(start), dayOf(end))) ?? nothingOf(connectionId);
    const { collectTime } = account;
    const facts = {
      ...accountFacts(connection, account, now),
      ...(collectTime === undefined ? {} : { collectTime }),
    };
    const daysUnavailableReason = whyDaysMissing(account.days, facts);
    return ok({
      ...account,
      ...accountMetricsOf(account, facts),
      apiFamily: connection.apiFamily,
      ...(daysUnavailableReason === undefined ? {} : { daysUnavailableReason }),
    });
  };
}

const nothingOf = (connectionId: MeasuredAccount['connectionId']): MeasuredAccount => ({
  connectionId,
  numbers: {},
  breakdowns: {},
  days: [],
});

const noDay = (field: string, observed: string): Finding =>
  invalid(
    field,
    observed.length <= 40 ? observed : `${observed.length} characters`,
    'YYYY-MM-DD, 1970-01-01 to 9999-12-31',
    'Send a day of the calendar.',
  );

function checkDays(start: Date, end: Date): readonly Finding[] {
  const days = daysBetween(start, end);
  if (days < 0) {
    return [invalid('end_date', dayOf(end), `start_date (${dayOf(start)}) or later`, 'Swap the two days.')];
  }
  if (days <= MOST_DAYS) return [];
  return [
    invalid(
      'end_date',
      `${days} days after start_date`,
      `at most ${MOST_DAYS} days after it`,
      'Ask for fewer at a time.',
    ),
  ];
}
