import type { World } from '../world.ts';

/** Whoever goes over a limit of a minute is refused for a while, whatever the window says. */
export type Limits = {
  /** Counts a query of the account at the endpoint and says yes, or says no and counts nothing. */
  admit(endpoint: string, openId: string): boolean;
  /** The same for a video post, which counts beside the query itself. */
  admitPost(openId: string): boolean;
  clear(): void;
};

const secondMs = 1_000;
const minuteMs = 60_000;

export function businessLimits({ state, clock, limits }: World): Limits {
  const barredUntil = new Map<string, number>();

  function withinMinute(key: string, most: number): boolean {
    const now = clock.now();
    if ((barredUntil.get(key) ?? 0) > now) return false;
    if (limits.admit(key, most, minuteMs)) return true;
    barredUntil.set(key, now + state.settings.businessPenaltyMs);
    return false;
  }

  return {
    admit(endpoint, openId) {
      const { businessPerMinute, businessAppPerMinute, businessAppPerSecond } = state.settings;
      return (
        withinMinute(`business ${endpoint} ${openId}`, businessPerMinute) &&
        limits.admit('business app second', businessAppPerSecond, secondMs) &&
        withinMinute('business app', businessAppPerMinute)
      );
    },
    // Six a minute is a rule of posting and not of the API's traffic: it bars nobody for longer.
    admitPost: (openId) => limits.admit(`business post ${openId}`, state.settings.businessPublishPerMinute, minuteMs),
    clear: () => barredUntil.clear(),
  };
}
