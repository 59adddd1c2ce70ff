import type { Quota, Quotas } from '../../../application/ports/tiktok.ts';

/** What TikTok allows the app, which depends on its level there, and each account (business-api §9.3). */
export type BusinessLimits = {
  readonly appCallsPerSecond: number;
  readonly appCallsPerMinute: number;
  readonly postsPerDay: number;
};

/** All apps begin at the level Basic. */
export const BUSINESS_LIMITS: BusinessLimits = { appCallsPerSecond: 10, appCallsPerMinute: 600, postsPerDay: 15 };

/** A minute, and how much longer than another a call may be on its way. */
const MINUTE_SECONDS = 62;
/** The same for a second. Less of it would let calls be refused that were late on their way; as much as above would cost most of them. */
const SECOND_SECONDS = 1.5;
/** So many calls of a second may come at once: the evener they come, the less it matters when one is late. */
const BURSTS_PER_SECOND = 5;
/** Whether TikTok's day slides is not told (business-api §13.2); this holds in either case. */
const DAY_SECONDS = 86_400 + 60;

/** For each account: 40 a minute at each endpoint, and 6 posts. */
export const BUSINESS_QUOTAS: Quotas = {
  ANNOUNCE: { calls: 6, windowSeconds: MINUTE_SECONDS },
  READ_CREATOR: { calls: 40, windowSeconds: MINUTE_SECONDS },
  READ_STATUS: { calls: 40, windowSeconds: MINUTE_SECONDS },
};

/** Who keeps to the calls of a second mostly keeps to those of a minute by that: then they are not counted as well. */
export function appQuotas({ appCallsPerSecond, appCallsPerMinute }: BusinessLimits): readonly Quota[] {
  const calls = Math.max(1, Math.floor(appCallsPerSecond / BURSTS_PER_SECOND));
  const burst = { calls, windowSeconds: (calls * SECOND_SECONDS) / appCallsPerSecond };
  const most = calls * Math.ceil(MINUTE_SECONDS / burst.windowSeconds);
  return most <= appCallsPerMinute ? [burst] : [burst, { calls: appCallsPerMinute, windowSeconds: MINUTE_SECONDS }];
}

export const postQuota = ({ postsPerDay }: BusinessLimits): Quota => ({
  calls: postsPerDay,
  windowSeconds: DAY_SECONDS,
});
