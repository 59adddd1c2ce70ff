import type { PublishError } from './publish-error.ts';

/** One answer of TikTok's, or the lack of one. */
export type Outcome = { readonly time: Date; readonly error?: PublishError };

export const RATE_WINDOW_SECONDS = 30;
/** Fewer calls than this prove nothing. */
const LEAST_CALLS = 20;
const OUTAGE_SHARE = 0.5;

/** Whether an answer says that TikTok is not well, whoever asked. */
export const isTrouble = (error: PublishError | undefined): error is PublishError =>
  error?.code === 'PLATFORM_UNAVAILABLE';

/** The latest trouble, when at least half of the calls of the last half minute met the same kind; undefined while TikTok is well. */
export function outageIn(outcomes: readonly Outcome[], now: Date): PublishError | undefined {
  const recent = outcomes.filter(({ time }) => now.getTime() - time.getTime() <= RATE_WINDOW_SECONDS * 1000);
  const troubles = recent.map(({ error }) => error).filter(isTrouble);
  return recent.length >= LEAST_CALLS && troubles.length >= recent.length * OUTAGE_SHARE ? troubles.at(-1) : undefined;
}
