import { dayOf } from './collection.ts';

const DAY_MILLISECONDS = 86_400_000;

/** Midnight (UTC) at which this day begins. Undefined for what is no day of the calendar from 1970-01-01 to 9999-12-31. */
export function startOf(day: string): Date | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) return undefined;
  const time = new Date(`${day}T00:00:00Z`);
  // JavaScript takes the 30th of February for the 1st of March.
  return time.getTime() >= 0 && dayOf(time) === day ? time : undefined;
}

/** Whole days between the beginnings of two days; negative when `until` is the earlier one. */
export const daysBetween = (from: Date, until: Date): number => (until.getTime() - from.getTime()) / DAY_MILLISECONDS;

export const daysBefore = (time: Date, days: number): Date => new Date(time.getTime() - days * DAY_MILLISECONDS);
