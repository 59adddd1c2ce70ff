import { mayBeRetriedUnchanged } from '../publish-error.ts';
import { err, ok, type Result } from '../result.ts';
import { liveAttempt, type Post, planOf, type Scheduled, type WrongState } from './post.ts';

/**
 * Makes the post due now, or at the later time it was moved to since. A retry is a new schedule: lateness and attempts count from
 * there.
 */
export function retry(
  post: Post,
  { acceptDuplicateRisk }: { readonly acceptDuplicateRisk: boolean },
  now: Date,
): Result<Post, WrongState> {
  const { dispatchLatenessSeconds: _, ...plan } = planOf(post);
  const scheduleTime = post.scheduleTime > now ? post.scheduleTime : now;
  const again: Scheduled = { ...plan, state: 'SCHEDULED', scheduleTime, setbacks: 0 };
  switch (post.state) {
    case 'FAILED':
      return post.edited || mayBeRetriedUnchanged(post.error)
        ? ok(again)
        : err({ code: 'POST_NOT_RETRYABLE', state: post.state, error: post.error });
    case 'HELD':
      return ok(
        liveAttempt(post) === undefined
          ? again
          : { ...post, scheduleTime: now, hold: { ...post.hold, releaseTime: now } },
      );
    case 'UNCONFIRMED':
      return acceptDuplicateRisk ? ok(again) : err({ code: 'DUPLICATE_RISK_NOT_ACCEPTED', state: post.state });
    case 'PREPARING':
    case 'SCHEDULED':
    case 'PUBLISHING':
    case 'PUBLISHED':
    case 'IN_CREATOR_INBOX':
    case 'CANCELLED':
      return err({ code: 'POST_NOT_RETRYABLE', state: post.state });
  }
}
