import type { PostId, WorkspaceId } from '../domain/ids.ts';
import { cancel } from '../domain/post/post.ts';
import type { Step } from '../domain/post/step.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { Clock } from './ports/clock.ts';
import type { Posts } from './ports/posts.ts';
import type { Refusal } from './refusal.ts';
import { refusalOf } from './refusal-of-post.ts';

export type CancelPost = (input: {
  readonly postId: PostId;
  readonly workspaceId?: WorkspaceId;
}) => Promise<Result<Step, Refusal>>;

/** A worker that is sending at that moment loses its lease with our write, and with it the right to send the last byte. */
export function cancelPost({ posts, clock }: { readonly posts: Posts; readonly clock: Clock }): CancelPost {
  return async ({ postId, workspaceId }) => {
    const outcome = await posts.update(
      postId,
      (post) => {
        const cancelled = cancel(post, clock.now());
        return cancelled.ok ? ok({ post: cancelled.value }) : cancelled;
      },
      { workspaceId },
    );
    return outcome.ok ? ok(outcome.value.step) : err(refusalOf(outcome.error, postId));
  };
}
