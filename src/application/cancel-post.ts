import type { PostId, WorkspaceId } from '../domain/ids.ts';
import { cancel } from '../domain/post/post.ts';
import type { Step } from '../domain/post/step.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { Clock } from './ports/clock.ts';
import type { Log } from './ports/log.ts';
import type { Marks } from './ports/marks.ts';
import type { Posts } from './ports/posts.ts';
import type { Refusal } from './refusal.ts';
import { refusalOf } from './refusal-of-post.ts';

export type CancelPost = (input: {
  readonly postId: PostId;
  readonly workspaceId?: WorkspaceId;
}) => Promise<Result<Step, Refusal>>;

/** A worker that is sending at that moment loses its lease with our write, and with it the right to send the last byte. */
export function cancelPost(needs: {
  readonly posts: Posts;
  readonly marks: Marks;
  readonly clock: Clock;
  readonly log: Log;
}): CancelPost {
  const { posts, marks, clock, log } = needs;
  return async ({ postId, workspaceId }) => {
    const outcome = await posts.update(
      postId,
      (post) => {
        const cancelled = cancel(post, clock.now());
        return cancelled.ok ? ok({ post: cancelled.value }) : cancelled;
      },
      { workspaceId },
    );
    if (!outcome.ok) return err(refusalOf(outcome.error, postId));
    const { step } = outcome.value;
    // It is cancelled, whether or not that will outlive a restored backup. Who cancels again leaves the mark.
    await marks.leave(step.post, { kind: 'CANCELLED' }).catch((error) => {
      log.warn({ postId, error }, 'a cancelled post could not be marked: a restored backup would not know of it');
    });
    return ok(step);
  };
}
