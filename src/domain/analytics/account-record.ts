import { type KnownOf, learn } from './known.ts';
import type { AccountDay, AccountNumbers, AccountReading } from './reading.ts';

/** An account and the last that is known of each of its numbers. */
export type AccountRecord = {
  readonly numbers: KnownOf<AccountNumbers>;
  readonly breakdowns: KnownOf<AccountReading['breakdowns']>;
  /** When TikTok was last asked about it. */
  readonly collectTime: Date;
};

/** TikTok told of it at `time`. A reading that is not newer than the last one changes nothing. */
export function accountTold(
  before: AccountRecord | undefined,
  { numbers, breakdowns }: AccountReading,
  time: Date,
): AccountRecord {
  if (before !== undefined && before.collectTime >= time) return before;
  return {
    numbers: learn(before?.numbers ?? {}, numbers, time),
    breakdowns: learn(before?.breakdowns ?? {}, breakdowns, time),
    collectTime: time,
  };
}

/** A day and when TikTok told the newest of its numbers. */
export type DayRecord = AccountDay & { readonly asOf: Date };

/** What is known of a day once TikTok told of it at `time`. Numbers that it left out stay. */
export function dayTold(before: DayRecord | undefined, day: AccountDay, time: Date): DayRecord {
  if (before === undefined) return { ...day, asOf: time };
  if (before.asOf >= time) return before;
  return { ...before, ...day, numbers: { ...before.numbers, ...day.numbers }, asOf: time };
}
