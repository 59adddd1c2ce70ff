import type { PostId, WorkspaceId } from '../domain/ids.ts';
import type { Step } from '../domain/post/step.ts';
import type { Result } from '../domain/result.ts';
import type { Refusal } from './refusal.ts';

export type ReconcilePost = (input: {
  readonly postId: PostId;
  readonly workspaceId?: WorkspaceId;
}) => Promise<Result<Step, Refusal>>;
