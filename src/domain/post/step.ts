import type { Post } from './post.ts';

/** A post and when the engine looks at it next. Absent: nothing more happens by itself. */
export type Step = { readonly post: Post; readonly nextActionTime?: Date };

/** When a resting post is looked at: at its time, or at the end of its hold. */
export function restingStep(post: Post): Step {
  switch (post.state) {
    case 'SCHEDULED':
      return { post, nextActionTime: post.scheduleTime };
    case 'HELD':
      return post.hold.releaseTime === undefined ? { post } : { post, nextActionTime: post.hold.releaseTime };
    case 'PREPARING':
    case 'PUBLISHING':
    case 'PUBLISHED':
    case 'IN_CREATOR_INBOX':
    case 'FAILED':
    case 'UNCONFIRMED':
    case 'CANCELLED':
      return { post };
  }
}
