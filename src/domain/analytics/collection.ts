import type { ApiFamily } from '../connection/connection.ts';
import { inSeconds } from '../time.ts';
import type { AccountDay, AccountReading, Day } from './reading.ts';

const HOUR = 3600;
const DAY = 86_400;

/** How often a video is looked at until it is so old: views come early, and TikTok's own limits are for all accounts together. */
const LOOKS = [
  { untilAgeSeconds: 2 * DAY, everySeconds: HOUR },
  { untilAgeSeconds: 7 * DAY, everySeconds: 6 * HOUR },
  { untilAgeSeconds: 30 * DAY, everySeconds: DAY },
  { untilAgeSeconds: 90 * DAY, everySeconds: 3 * DAY },
  { untilAgeSeconds: 365 * DAY, everySeconds: 7 * DAY },
] as const;

/** TikTok stops counting 365 days after a post (business-api §5.2), and tells its last numbers up to two days later. */
const LAST_LOOK_AGE_SECONDS = 367 * DAY;

const ageSeconds = (createTime: Date, now: Date): number => (now.getTime() - createTime.getTime()) / 1000;

/** When a video that was looked at now is looked at next. Undefined: never again, for TikTok has told its last numbers. */
export function nextVideoTime(createTime: Date, now: Date): Date | undefined {
  const lastLook = inSeconds(createTime, LAST_LOOK_AGE_SECONDS);
  if (now >= lastLook) return undefined;
  const age = ageSeconds(createTime, now);
  const look = LOOKS.find(({ untilAgeSeconds }) => age < untilAgeSeconds);
  const next = look === undefined ? lastLook : inSeconds(now, look.everySeconds);
  return next > lastLook ? lastLook : next;
}

/** An account that posts nothing is asked for new videos this often all the same: they may come from elsewhere. */
const LONGEST_LIST_SECONDS = 6 * HOUR;

/** When an account whose newest videos were listed now is asked for newer ones: as often as its newest video is looked at. */
export function nextListTime(newestCreateTime: Date | undefined, now: Date): Date {
  const latest = inSeconds(now, LONGEST_LIST_SECONDS);
  const next = newestCreateTime === undefined ? undefined : nextVideoTime(newestCreateTime, now);
  return next === undefined || next > latest ? latest : next;
}

/** When an account is read next: once a day, at the time of day at which it was connected, so that no day is left out. */
export function nextAccountTime(connectTime: Date, now: Date): Date {
  const days = Math.floor(ageSeconds(connectTime, now) / DAY) + 1;
  return inSeconds(connectTime, Math.max(days, 1) * DAY);
}

/** TikTok keeps so many days of an account, today not counted (business-api §4). */
const DAYS_KEPT = 60;
/** Days that TikTok told of may still be corrected: its numbers lag by 24 to 48 hours. */
const DAYS_AGAIN = 3;

export const dayOf = (time: Date): Day => time.toISOString().slice(0, 10);

/** The days to ask for: from a few before the last one that TikTok told of, or as far back as it goes, up to yesterday (UTC). */
export function daysToRead(lastDay: Day | undefined, now: Date): { readonly from: Day; readonly until: Day } {
  const until = dayOf(inSeconds(now, -DAY));
  const earliest = dayOf(inSeconds(now, -DAYS_KEPT * DAY));
  const again =
    lastDay === undefined ? earliest : dayOf(inSeconds(new Date(`${lastDay}T00:00:00Z`), -DAYS_AGAIN * DAY));
  const from = again < earliest ? earliest : again;
  return { from: from > until ? until : from, until };
}

/** The days that a reading tells of: those in it, and today as far as the numbers of this moment are a day's. */
export function daysOf({ numbers, days }: AccountReading, apiFamily: ApiFamily, now: Date): readonly AccountDay[] {
  const { followers, totalLikes, videoCount } = numbers;
  const standing = apiFamily === 'OPEN' ? { followers, totalLikes, videoCount } : { videoCount };
  const told = Object.entries(standing).filter(([, value]) => value !== undefined);
  if (told.length === 0) return days;
  return [...days, { date: dayOf(now), numbers: Object.fromEntries(told) }];
}
