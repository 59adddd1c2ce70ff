import type { PostId, WorkspaceId } from '../domain/ids.ts';
import type { Step } from '../domain/post/step.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { Posts } from './ports/posts.ts';
import type { Refusal } from './refusal.ts';

export type GetPost = (input: {
  readonly postId: PostId;
  readonly workspaceId?: WorkspaceId;
}) => Promise<Result<Step, Refusal>>;

export function getPost({ posts }: { readonly posts: Posts }): GetPost {
  return async ({ postId, workspaceId }) => {
    const step = await posts.find(postId, workspaceId);
    return step === undefined ? err({ code: 'NOT_FOUND', resource: 'post', id: postId }) : ok(step);
  };
}
