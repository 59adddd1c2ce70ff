/** Counts calls in the last minute, to the millisecond (a sliding window, as TikTok documents it). */
export type RateLimits = {
  /** Counts the call and says yes, or says no and counts nothing. */
  admit(key: string, perMinute: number): boolean;
  clear(): void;
};

const windowMs = 60_000;

export function slidingWindows(clock: { now(): number }): RateLimits {
  const admitted = new Map<string, number[]>(); // times, oldest first
  return {
    admit(key, perMinute) {
      const now = clock.now();
      const recent = (admitted.get(key) ?? []).filter((time) => time > now - windowMs);
      admitted.set(key, recent);
      if (recent.length >= perMinute) return false;
      recent.push(now);
      return true;
    },
    clear: () => admitted.clear(),
  };
}
