import type { Finding } from '../finding.ts';

/** What to do with a post that can't go out on time. */
export type LatePolicy = {
  /** Positive. */
  readonly maxLatenessSeconds: number;
  readonly action: 'PUBLISH' | 'HOLD' | 'FAIL';
};

export function checkLatePolicy(policy: LatePolicy | undefined): readonly Finding[] {
  if (policy === undefined || policy.maxLatenessSeconds > 0) return [];
  return [
    {
      code: 'FIELD_INVALID',
      severity: 'ERROR',
      field: 'late_policy.max_lateness',
      message: 'A post can not be required to go out before its time.',
      remedy: 'Set a positive length of time, or leave late_policy out.',
      observed: `${policy.maxLatenessSeconds} s`,
      limit: 'more than 0 s',
    },
  ];
}

/** A year: long enough for every campaign, short enough to catch a wrong unit. */
export const SCHEDULE_LIMIT_DAYS = 366;

/** A moment that has passed means now. */
export const dueTime = (wanted: Date | undefined, now: Date): Date =>
  wanted === undefined || wanted < now ? now : wanted;

export function checkSchedule(wanted: Date | undefined, now: Date): readonly Finding[] {
  const latest = new Date(now.getTime() + SCHEDULE_LIMIT_DAYS * 86_400_000);
  if (wanted === undefined || wanted <= latest) return [];
  return [
    {
      code: 'SCHEDULE_TOO_FAR',
      severity: 'ERROR',
      field: 'schedule_time',
      message: 'The post is scheduled more than a year ahead.',
      remedy: 'Choose a time within a year.',
      observed: wanted.toISOString(),
      limit: `at most ${latest.toISOString()}`,
    },
  ];
}
