import type { ConnectionId, PostId, WorkspaceId } from '../../domain/ids.ts';
import type { Post } from '../../domain/post/post.ts';
import type { Step } from '../../domain/post/step.ts';
import type { TracedCall } from './call-trace.ts';
import type { TraceParent } from './traces.ts';

/** The right to advance one post. Whoever claims it later has a higher fence, and this one can store nothing more. */
export type Lease = {
  readonly postId: PostId;
  readonly owner: string;
  readonly fence: number;
  /** With its attempts, as it was when claimed. */
  readonly post: Post;
  /** Leases in a row that ended without their worker letting go, and without a byte more at TikTok. */
  readonly lapses: number;
  /** The latest of them ended right before this claim. */
  readonly lapsed: boolean;
  /** Of the call that brought the post. Absent when nobody traced it. */
  readonly traceparent?: TraceParent;
};

/** Where places are taken: these get no more until some are free. */
export type Crowded = {
  readonly workspaces: readonly WorkspaceId[];
  readonly connections: readonly ConnectionId[];
};

/** A post that lapsed this often may be what ends its workers: one at a time is taken, so that it takes no other with it. */
export const SUSPECT_LAPSES = 2;

/** What came with a change. */
export type Circumstances = {
  /** The calls to TikTok that led to it. */
  readonly calls?: readonly TracedCall[];
  /** TikTok has more bytes than when it was claimed: whatever lapsed before, it gets on. */
  readonly progressed?: boolean;
};

/**
 * The posts, as workers take them: due ones first, on the database's clock. What a worker stores must follow from the version it
 * knows: `store` and `finish` are false when the lease was lost or the post changed under it.
 */
export interface PostQueue {
  /**
   * Takes up to `limit` due posts that nobody holds, earliest first, none of who is `crowded`; suspects only one, and only with
   * `suspect`. Each is held for `leaseSeconds` and then due again by itself: that is how a dead worker's posts go on.
   */
  claim(request: {
    readonly owner: string;
    readonly limit: number;
    readonly leaseSeconds: number;
    readonly crowded?: Crowded;
    readonly suspect?: boolean;
  }): Promise<readonly Lease[]>;
  /** Holds it for another `leaseSeconds`. False when it was lost: send nothing more. */
  renew(lease: Lease, leaseSeconds: number): Promise<boolean>;
  /** Stores the post with the next version and goes on holding it. False: nothing was stored, send nothing more. */
  store(lease: Lease, post: Post, circumstances?: Circumstances): Promise<boolean>;
  /** Stores the step with the next version and lets go. False: nothing was stored. */
  finish(lease: Lease, step: Step, circumstances?: Circumstances): Promise<boolean>;
  /** Lets go of a post that is as it was: nobody is told of anything. False when the lease was lost. */
  letGo(lease: Lease, nextActionTime?: Date): Promise<boolean>;
  /** Lets go of a suspect for so long: what it lapsed is not forgotten. False when the lease was lost. */
  putOff(lease: Lease, seconds: number): Promise<boolean>;
  /**
   * Makes due what waits for something that has come: for a reconnect that was made since, or for a video that is there. Whoever was
   * to wake them may have died before. Gives how many they were.
   */
  rescue(): Promise<number>;
  /** When the next post comes due after `after`, or the next lease ends. Undefined when nothing waits. */
  earliest(after?: Date): Promise<Date | undefined>;
}
