/** TikTok gives no upper bound for a verdict; moderation takes hours at worst (open-api §4.5). */
export const VERDICT_DEADLINE_SECONDS = 24 * 3600;

/** An upload address that expired this long ago and shows missing bytes is dead for good (reliability R6). */
export const ADDRESS_GRACE_SECONDS = 600;

const POLL_SECONDS = [1, 2, 5, 5, 10, 20, 40] as const;

/** Before the next status call when `polls` were made: soon at first, then once a minute. At most 30 a minute are allowed. */
export const pollDelaySeconds = (polls: number): number => POLL_SECONDS[polls] ?? 60;

/** Before the next try when `setbacks` ≥ 1 tries in a row failed: 5 s, 20 s, 80 s, then five minutes. */
export const backOff = (setbacks: number): number => Math.min(5 * 4 ** (setbacks - 1), 300);

/**
 * A post or an import over which its workers ended so often in a row is set aside. So many, for whatever else ends workers meets what takes
 * long most often: a post whose token is being renewed, an import that begins from nothing each time.
 */
export const MAX_LAPSES = 12;

/**
 * Before a post whose workers ended over it `lapses` times in a row is tried again, on top of the lease they left. From the third
 * time on it rests, longer each time: whatever else ends workers just now should not be taken for its doing.
 */
export const restSeconds = (lapses: number, leaseSeconds: number): number =>
  lapses < 3 ? 0 : Math.min(leaseSeconds * 2 ** Math.min(lapses - 2, 5), 300);

/** Setbacks in a row after which a post says that it waits for TikTok to be well again. */
export const OUTAGE_AFTER_SETBACKS = 4;

/** Attempts that TikTok takes on and ends with a failure before the post fails for good (reliability R9). */
export const MAX_FAILED_ATTEMPTS = 3;
