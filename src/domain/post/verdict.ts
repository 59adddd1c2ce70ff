import { consequenceOf, type PublishError } from '../publish-error.ts';
import { inSeconds } from '../time.ts';
import type { LiveAttempt } from './attempt.ts';
import { backOff, MAX_FAILED_ATTEMPTS, pollDelaySeconds, VERDICT_DEADLINE_SECONDS } from './pacing.ts';
import {
  deliveredToInbox,
  type Finalizing,
  fail,
  failedAttempts,
  giveUpWaiting,
  hold,
  type Post,
  type Processing,
  polled,
  published,
  setBack,
  startOver,
  type Unconfirmed,
  type Uploading,
} from './post.ts';
import type { Moment } from './setback.ts';
import { restingStep, type Step } from './step.ts';

/** What TikTok says of a publish job. A word we don't know means that it still works on it (open-api §4.5). */
export type PublishStatus =
  /** `uploadedBytes` are TikTok's count; absent when it did not say. */
  | { readonly state: 'WORKING'; readonly uploadedBytes?: number }
  /** Ids are there only for public posts that passed moderation. */
  | { readonly state: 'PUBLISHED'; readonly tiktokPostIds: readonly string[] }
  | { readonly state: 'IN_CREATOR_INBOX' }
  /** Proof that this job never becomes a post. */
  | { readonly state: 'FAILED'; readonly error: PublishError };

/** Takes in a final status. Undefined while TikTok still works on it. */
export function takeVerdict(
  post: Uploading | Finalizing | Processing | Unconfirmed,
  status: PublishStatus,
  now: Date,
): Step | undefined {
  switch (status.state) {
    case 'WORKING':
      return undefined;
    case 'PUBLISHED':
      return afterPublished(published(post, status.tiktokPostIds, now), now);
    case 'IN_CREATOR_INBOX':
      return { post: deliveredToInbox(post, now) };
    case 'FAILED':
      // Someone may have posted it by hand since it was unconfirmed: only they decide about another try.
      return post.state === 'UNCONFIRMED'
        ? { post: fail(post, status.error, now) }
        : afterFailure(post, status.error, now);
  }
}

/** TikTok tells the id of a public post late; nothing else is left to do. */
export function afterPublished(post: Post & { state: 'PUBLISHED' }, now: Date): Step {
  const age = (now.getTime() - post.publishTime.getTime()) / 1000;
  const expected = !post.settings.draft && post.settings.privacyLevel === 'PUBLIC_TO_EVERYONE';
  if (!expected || post.tiktokPostIds.length > 0 || age > LINK_DEADLINE_SECONDS) return { post };
  return { post, nextActionTime: inSeconds(now, Math.min(Math.max(age, 2), 600)) };
}

/** Moderation takes hours at worst (open-api §4.5); after two days nobody waits for a link any more. */
const LINK_DEADLINE_SECONDS = 48 * 3600;

/** The job is proven dead: what follows is up to the reason. */
function afterFailure(post: Uploading | Finalizing | Processing, error: PublishError, now: Date): Step {
  const consequence = consequenceOf(error);
  const ended = startOver(post, 'FAILED', error, now);
  switch (consequence.kind) {
    case 'HOLD_RECONNECT':
      return restingStep(hold(ended, { reason: 'RECONNECT' }, error));
    case 'HOLD_QUOTA':
      return restingStep(hold(ended, { reason: 'QUOTA', releaseTime: inSeconds(now, consequence.seconds) }, error));
    case 'BACK_OFF': {
      const failures = failedAttempts(ended);
      if (failures >= MAX_FAILED_ATTEMPTS) return { post: fail(ended, error, now) };
      return { post: ended, nextActionTime: inSeconds(now, backOff(failures)) };
    }
    case 'FAIL':
      return { post: fail(ended, error, now) };
  }
}

/** Asked, and nothing final: ask again later, or say honestly that nobody knows. */
export const keepWaiting = (post: Processing | Finalizing, attempt: LiveAttempt, now: Date): Step =>
  atDeadline(post, attempt, now) ?? {
    post: polled(post, attempt),
    nextActionTime: inSeconds(now, pollDelaySeconds(attempt.polls)),
  };

/**
 * Could not even be asked: the same, but the setbacks grow and with them the time until the next look. Without our own turn
 * nothing went wrong.
 */
export function keepTrying(
  post: Processing | Finalizing,
  attempt: LiveAttempt,
  error: PublishError,
  { now, random }: Moment,
): Step {
  const late = atDeadline(post, attempt, now);
  if (late !== undefined) return late;
  if (error.code === 'UPSTREAM_RATE_LIMITED') {
    return { post, nextActionTime: inSeconds(error.retryTime ?? inSeconds(now, 60), 30 * random) };
  }
  const later = setBack(post, error);
  const delay = consequenceOf(error).kind === 'BACK_OFF' ? Math.min(backOff(later.setbacks), 60) : 60;
  return { post: later, nextActionTime: inSeconds(now, delay) };
}

function atDeadline(post: Processing | Finalizing, attempt: LiveAttempt, now: Date): Step | undefined {
  const since = attempt.finalizeTime ?? attempt.startTime;
  if (now.getTime() - since.getTime() < VERDICT_DEADLINE_SECONDS * 1000) return undefined;
  return { post: giveUpWaiting(post, { code: 'OUTCOME_UNCONFIRMED' }, now), nextActionTime: inSeconds(now, 600) };
}
