/** Counts calls of the last minute, or of another window, to the millisecond (sliding, as TikTok documents it). */
export type RateLimits = {
  /** Counts the call and says yes, or says no and counts nothing. */
  admit(key: string, most: number, windowMs?: number): boolean;
  clear(): void;
};

const minuteMs = 60_000;

export function slidingWindows(clock: { now(): number }): RateLimits {
  const admitted = new Map<string, number[]>(); // times, oldest first
  return {
    admit(key, most, windowMs = minuteMs) {
      const now = clock.now();
      const recent = (admitted.get(key) ?? []).filter((time) => time > now - windowMs);
      admitted.set(key, recent);
      if (recent.length >= most) return false;
      recent.push(now);
      return true;
    },
    clear: () => admitted.clear(),
  };
}
