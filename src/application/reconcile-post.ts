import type { PostId, WorkspaceId } from '../domain/ids.ts';
import { type Post, published, sentAttempt } from '../domain/post/post.ts';
import type { Step } from '../domain/post/step.ts';
import { afterPublished, type PublishStatus, takeVerdict } from '../domain/post/verdict.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { AskTikTok } from './ask-tiktok.ts';
import type { Clock } from './ports/clock.ts';
import type { Posts } from './ports/posts.ts';
import type { Refusal } from './refusal.ts';

export type ReconcilePost = (input: {
  readonly postId: PostId;
  readonly workspaceId?: WorkspaceId;
}) => Promise<Result<Step, Refusal>>;

/** Asks, and takes in what TikTok said. Never sends anything. */
export function reconcilePost(needs: {
  readonly posts: Posts;
  readonly ask: AskTikTok;
  readonly clock: Clock;
}): ReconcilePost {
  const { posts, ask, clock } = needs;
  return async ({ postId, workspaceId }) => {
    const found = await posts.find(postId, workspaceId);
    if (found === undefined) return err({ code: 'NOT_FOUND', resource: 'post', id: postId });
    const { post } = found;
    const asked = atTikTok(post);
    if (asked === undefined) return err({ code: 'POST_NOT_SENT', state: post.state, id: postId });

    const status = await ask(asked);
    if (!status.ok) return err({ code: 'TIKTOK_REFUSED', error: status.error });
    if (settled(asked, status.value, clock.now()) === undefined) return ok(found);

    const outcome = await posts.update(postId, (current): Result<Step, { readonly code: 'MOVED_ON' }> => {
      const still = atTikTok(current);
      const same = still !== undefined && sentAttempt(still)?.publishId === sentAttempt(asked)?.publishId;
      const step = same ? settled(still, status.value, clock.now()) : undefined;
      return step === undefined ? err({ code: 'MOVED_ON' }) : ok(step);
    });
    if (outcome.ok) return ok(outcome.value.step);
    const now = await posts.find(postId, workspaceId);
    return now === undefined ? err({ code: 'NOT_FOUND', resource: 'post', id: postId }) : ok(now);
  };
}

function atTikTok(post: Post) {
  switch (post.state) {
    case 'PUBLISHED':
    case 'IN_CREATOR_INBOX':
    case 'UNCONFIRMED':
      return post;
    case 'PUBLISHING':
      return post.phase === 'INITIALIZING' ? undefined : post;
    case 'PREPARING':
    case 'SCHEDULED':
    case 'HELD':
    case 'FAILED':
    case 'CANCELLED':
      return undefined;
  }
}

function settled(post: NonNullable<ReturnType<typeof atTikTok>>, status: PublishStatus, now: Date): Step | undefined {
  switch (post.state) {
    case 'PUBLISHED':
      return status.state === 'PUBLISHED' && status.tiktokPostIds.length > post.tiktokPostIds.length
        ? afterPublished(published(post, status.tiktokPostIds, now), now)
        : undefined;
    case 'IN_CREATOR_INBOX':
      // The creator finished the draft.
      return status.state === 'PUBLISHED' ? afterPublished(published(post, status.tiktokPostIds, now), now) : undefined;
    case 'PUBLISHING':
    case 'UNCONFIRMED':
      return takeVerdict(post, status, now);
  }
}
