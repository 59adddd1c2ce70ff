import type { PostId, WorkspaceId } from '../domain/ids.ts';
import type { Step } from '../domain/post/step.ts';
import { condensed, type TimelineEntry } from '../domain/post/timeline.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { Posts } from './ports/posts.ts';
import type { Refusal } from './refusal.ts';

/** `workspaceId` absent: any workspace the caller may act in. */
export type PostName = { readonly postId: PostId; readonly workspaceId?: WorkspaceId };

/** With its attempts, and with what was done and came of it. */
export type GetPost = (
  input: PostName,
) => Promise<Result<{ readonly step: Step; readonly timeline: readonly TimelineEntry[] }, Refusal>>;

export function getPost({ posts }: { readonly posts: Posts }): GetPost {
  return async ({ postId, workspaceId }) => {
    const step = await posts.find(postId, workspaceId);
    if (step === undefined) return err({ code: 'NOT_FOUND', resource: 'post', id: postId });
    return ok({ step, timeline: condensed(await posts.timeline(postId)) });
  };
}
