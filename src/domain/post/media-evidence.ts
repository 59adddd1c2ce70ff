import { inSeconds } from '../time.ts';

/** Bytes of a video that may have left for TikTok. `endExclusive` > `start` ≥ 0. */
export type ServedRange = { readonly start: number; readonly endExclusive: number };

/** What the witness of a pulled video saw: each range is noted before it is sent, so nothing was fetched that is not here. */
export type MediaEvidence = {
  readonly served: readonly ServedRange[];
  /** When the latest of them was noted. */
  readonly lastTime?: Date;
  /** When the address was closed: nothing is served after. */
  readonly closeTime?: Date;
};

/** TikTok fetches within seconds; who has not fetched anything for so long has probably never heard of the address. */
const QUIET_SECONDS = 120;
/** What was on its way when the address was closed is over by then. */
const SETTLE_SECONDS = 60;

/** How many different bytes of the video the ranges cover. */
export function bytesCovered(ranges: readonly ServedRange[]): number {
  let covered = 0;
  let reached = 0;
  for (const { start, endExclusive } of ranges.toSorted((left, right) => left.start - right.start)) {
    covered += Math.max(0, endExclusive - Math.max(start, reached));
    reached = Math.max(reached, endExclusive);
  }
  return covered;
}

/** What is to be done about an announcement whose answer is missing (reliability, "Init with PULL_FROM_URL"). */
export type PullJudgement =
  /** TikTok may hold the whole video: whatever became of it, it must not be sent again. */
  | { readonly kind: 'TAKEN' }
  /** Not to be judged before then. */
  | { readonly kind: 'WAIT'; readonly until: Date }
  /** Nothing, or not all of it, was fetched for a while: nothing more must be. */
  | { readonly kind: 'CLOSE' }
  /** Closed, and TikTok cannot have the whole video: this attempt can never become a post. */
  | { readonly kind: 'DEAD' };

export function judgePull(
  { served, lastTime, closeTime }: MediaEvidence,
  { sizeBytes, startTime }: { readonly sizeBytes: number; readonly startTime: Date },
  now: Date,
): PullJudgement {
  if (bytesCovered(served) >= sizeBytes) return { kind: 'TAKEN' };
  if (closeTime !== undefined) {
    const settled = inSeconds(closeTime, SETTLE_SECONDS);
    return settled <= now ? { kind: 'DEAD' } : { kind: 'WAIT', until: settled };
  }
  const quiet = inSeconds(lastTime ?? startTime, QUIET_SECONDS);
  return quiet <= now ? { kind: 'CLOSE' } : { kind: 'WAIT', until: quiet };
}
