import { inSeconds } from '../time.ts';

const DAY_SECONDS = 86_400;
/** All of the last so many days are kept. */
const WHOLE_DAYS = 7;
/** One a day until the video is so old, one a week after that. */
const DAILY_UNTIL_AGE_SECONDS = 90 * DAY_SECONDS;
/** The first Monday after the beginning of JavaScript's time. */
const A_MONDAY = new Date('1970-01-05T00:00:00Z');

/** The end of the day, or of the week from Monday, that a moment is in. UTC. */
function endOf(time: Date, days: 1 | 7): Date {
  const length = days * DAY_SECONDS;
  const passed = (time.getTime() - A_MONDAY.getTime()) / 1000;
  return inSeconds(A_MONDAY, (Math.floor(passed / length) + 1) * length);
}

/** The day or week whose last snapshot stays. */
const spanEnd = (time: Date, createTime: Date): Date =>
  endOf(time, time < inSeconds(createTime, DAILY_UNTIL_AGE_SECONDS) ? 1 : 7);

/**
 * Which snapshots of a video, oldest first, nobody needs any more: of each day or week that ended before the last seven days, all but
 * the last one. What stays is never thinned again by the same rule. `until` is a moment before which nothing is left to thin, ever.
 */
export function thinned(
  times: readonly Date[],
  createTime: Date,
  now: Date,
): { readonly dropped: readonly Date[]; readonly until: Date } {
  const wholeFrom = inSeconds(now, -WHOLE_DAYS * DAY_SECONDS);
  const dropped = times.filter((time, index) => {
    const end = spanEnd(time, createTime);
    const next = times[index + 1];
    return end <= wholeFrom && next !== undefined && spanEnd(next, createTime).getTime() === end.getTime();
  });
  return { dropped, until: inSeconds(endOf(wholeFrom, 7), -7 * DAY_SECONDS) };
}
