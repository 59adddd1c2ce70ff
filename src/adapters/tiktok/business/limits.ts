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
/** Less margin: who is counted into the wrong second is let in a second later, and a wide one would cost most of the calls. */
const SECOND_SECONDS = 1.25;
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
  const second = { calls: appCallsPerSecond, windowSeconds: SECOND_SECONDS };
  const most = appCallsPerSecond * Math.ceil(MINUTE_SECONDS / SECOND_SECONDS);
  return most <= appCallsPerMinute ? [second] : [second, { calls: appCallsPerMinute, windowSeconds: MINUTE_SECONDS }];
}

export const postQuota = ({ postsPerDay }: BusinessLimits): Quota => ({
  calls: postsPerDay,
  windowSeconds: DAY_SECONDS,
});
