import { mayBeRetriedUnchanged } from '../publish-error.ts';
import { err, ok, type Result } from '../result.ts';
import { liveAttempt, type Post, planOf, type Scheduled, type WrongState } from './post.ts';

/** Makes the post due now: a retry is a new schedule, so the late policy counts from here. */
export function retry(
  post: Post,
  { acceptDuplicateRisk }: { readonly acceptDuplicateRisk: boolean },
  now: Date,
): Result<Post, WrongState> {
  const { dispatchLatenessSeconds: _, ...plan } = planOf(post);
  const again: Scheduled = { ...plan, state: 'SCHEDULED', scheduleTime: now, setbacks: 0 };
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
