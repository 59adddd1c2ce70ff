import type { ConnectionId, PostId, VideoId, WorkspaceId } from '../../domain/ids.ts';
import type { Post, PostState } from '../../domain/post/post.ts';
import type { Step } from '../../domain/post/step.ts';
import type { Result } from '../../domain/result.ts';
import type { Page, PageRequest } from './page.ts';
import type { RequestIdReused, RequestKey } from './request-key.ts';

export type PostFilter = {
  readonly workspaceId: WorkspaceId;
  /** Empty: all. */
  readonly connectionIds: readonly ConnectionId[];
  /** Empty: all. */
  readonly states: readonly PostState[];
  readonly scheduledFrom?: Date;
  readonly scheduledBefore?: Date;
  readonly externalRef?: string;
};

/** The posts, as callers change them. Every stored change leaves one event, in the same transaction. */
export interface Posts {
  /** With its attempts. With `workspaceId`, a post of another workspace is not found. */
  find(id: PostId, workspaceId?: WorkspaceId): Promise<Step | undefined>;
  /** What `key` made before in this workspace, when the payload is the same. */
  findRequest(workspaceId: WorkspaceId, key: RequestKey): Promise<Result<Step | undefined, RequestIdReused>>;
  /** Newest first. Without attempts but the latest. */
  list(filter: PostFilter, page: PageRequest): Promise<Page<Step>>;
  /**
   * Stores a new post, or gives back what `key` made before, however many call at once. VIDEO_GONE when its video was removed
   * meanwhile: nothing is stored.
   */
  add(
    step: Step,
    key: RequestKey,
  ): Promise<
    Result<{ readonly step: Step; readonly replayed: boolean }, RequestIdReused | { readonly code: 'VIDEO_GONE' }>
  >;
  /**
   * Loads, applies `change`, stores with the next version, in one transaction that no worker's write can overlap; a worker at
   * it loses its lease. A refused change stores nothing, and neither does one that gives back the
   * very post it got (without `key`). `change` does no I/O; it gets the post with its attempts,
   * and when it would have been looked at, so that a wake is not lost with an edit. With `key`,
   * a replay changes nothing and gives the post as it is.
   */
  update<E>(
    id: PostId,
    change: (post: Post, nextActionTime: Date | undefined) => Result<Step, E>,
    options?: { readonly workspaceId?: WorkspaceId | undefined; readonly key?: RequestKey },
  ): Promise<
    Result<{ readonly step: Step; readonly replayed: boolean }, E | { readonly code: 'NOT_FOUND' } | RequestIdReused>
  >;
  /** Posts of a connection in these states, oldest first. */
  idsOf(connectionId: ConnectionId, states: readonly PostState[]): Promise<readonly PostId[]>;
  /** Which post is known to have become this one on TikTok. */
  findByTiktokPostId(connectionId: ConnectionId, tiktokPostId: string): Promise<PostId | undefined>;
  /** Makes waiting posts due now: those held for a reconnect or publishing on this connection, or preparing with this video. */
  wake(what: { readonly connectionId: ConnectionId } | { readonly videoId: VideoId }): Promise<void>;
}
