import type { PostId } from '../../domain/ids.ts';
import type { Post } from '../../domain/post/post.ts';
import type { Step } from '../../domain/post/step.ts';

/** The right to advance one post. Whoever claims it later has a higher fence, and this one can store nothing more. */
export type Lease = {
  readonly postId: PostId;
  readonly owner: string;
  readonly fence: number;
  /** With its attempts, as it was when claimed. */
  readonly post: Post;
};

/** The posts, as workers take them: due ones first, on the database's clock. */
export interface PostQueue {
  /**
   * Takes up to `limit` due posts that nobody holds, earliest first. Each is held for `leaseSeconds` and then due again by
   * itself: that is how a dead worker's posts go on.
   */
  claim(request: {
    readonly owner: string;
    readonly limit: number;
    readonly leaseSeconds: number;
  }): Promise<readonly Lease[]>;
  /** Holds it for another `leaseSeconds`. False when it was lost: send nothing more. */
  renew(lease: Lease, leaseSeconds: number): Promise<boolean>;
  /** Stores the post and goes on holding it. False when the lease was lost: nothing was stored, send nothing more. */
  store(lease: Lease, post: Post): Promise<boolean>;
  /** Stores the step and lets go. False when the lease was lost: nothing was stored. */
  finish(lease: Lease, step: Step): Promise<boolean>;
  /** Lets go without a change; the post is due at once. Harmless when the lease was lost. */
  release(lease: Lease): Promise<void>;
  /** When the next post that nobody holds comes due, or the next lease ends. Undefined when nothing waits. */
  earliest(): Promise<Date | undefined>;
}
