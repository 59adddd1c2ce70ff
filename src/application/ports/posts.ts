import type { ApiFamily } from '../../domain/connection/connection.ts';
import type { ConnectionId, PostId, VideoId, WorkspaceId } from '../../domain/ids.ts';
import type { Post, PostState } from '../../domain/post/post.ts';
import type { Step } from '../../domain/post/step.ts';
import type { TimelineEntry } from '../../domain/post/timeline.ts';
import type { Result } from '../../domain/result.ts';
import type { Page, PageRequest } from './page.ts';
import type { RequestIdReused, RequestKey } from './request-key.ts';
import type { TraceParent } from './traces.ts';

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
   * meanwhile: nothing is stored. `traceparent` is of the call that brings the post: only whoever claims it hears of that.
   */
  add(
    step: Step,
    key: RequestKey,
    traceparent?: TraceParent,
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
  /**
   * Which of these publish ids no attempt has, and how many pulls of the account are still without TikTok's answer. Of one moment.
   */
  strayPublishIds(
    account: { readonly apiFamily: ApiFamily; readonly openId: string },
    publishIds: readonly string[],
  ): Promise<{ readonly stray: readonly string[]; readonly unansweredPulls: number }>;
  /** When posts of this connection were published since then, oldest first. */
  publishTimes(connectionId: ConnectionId, since: Date): Promise<readonly Date[]>;
  /** What was done for it and what came of it, oldest first: one entry for each stored change. */
  timeline(id: PostId): Promise<readonly TimelineEntry[]>;
  /**
   * Makes posts due now: those held for a reconnect or publishing on this connection, preparing with this video, or the one that
   * TikTok gave this publish id, when that attempt lives or its post is at rest with TikTok. One that a worker has is looked at
   * again as soon as it lets go, if there is still something to look for.
   */
  wake(
    what: { readonly connectionId: ConnectionId } | { readonly videoId: VideoId } | { readonly publishId: string },
  ): Promise<void>;
  /**
   * TikTok is well again: the posts of this family held for its outage come due at random within
   * `spread(posts)` seconds. Gives how many they are.
   */
  releaseOutage(apiFamily: ApiFamily, spread: (posts: number) => number): Promise<number>;
}
