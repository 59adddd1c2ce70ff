import type { Post } from '../domain/post/post.ts';
import type { Step } from '../domain/post/step.ts';
import type { TracedCall } from './ports/call-trace.ts';
import type { Lease, PostQueue } from './ports/post-queue.ts';

/** What the engine asks of a worker's surroundings. */
export type Shift = {
  /** Aborts when the lease is lost: nothing more may be sent. */
  readonly signal: AbortSignal;
  /** True when the process is about to stop: what is under way ends at the next chunk. */
  readonly ending: () => boolean;
  /** Runs an upload when there is room for one of its size. */
  readonly whenThereIsRoom: <T>(sizeBytes: number, send: () => Promise<T>) => Promise<T>;
  /**
   * Leaves its place to another post for so long, and holds on to its own. False when it should let go instead: too many pause
   * already, or the process is about to stop.
   */
  readonly pause: (seconds: number) => Promise<boolean>;
};

/** A claimed post in the hands of its worker. */
export type WorkInHand = {
  readonly shift: Shift;
  /** Stores it under the lease, with the calls that led there. Gives it as it is now known. */
  save<P extends Post>(post: P): Promise<P>;
  /** As `save`, again and again while the record can't be reached and the lease is not known to be lost. */
  saveHoweverLong<P extends Post>(post: P): Promise<P>;
  /** Throws unless the record says that the post is still in these hands: an older one may have taken the place of the one that knew. */
  holdOn(): Promise<void>;
  /** Stores the last step and lets go. */
  finish(step: Step): Promise<void>;
};

/** Another worker or a caller has the post: this one stores and sends nothing more. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

const RETRY_SECONDS = 0.5;

export function workInHand(
  needs: {
    readonly queue: PostQueue;
    readonly wait: (seconds: number) => Promise<void>;
    readonly leaseSeconds: number;
  },
  lease: Lease,
  shift: Shift,
  takeCalls: () => readonly TracedCall[],
): WorkInHand {
  const { queue, wait, leaseSeconds } = needs;
  // What was read but not stored yet, should storing it fail.
  let calls: readonly TracedCall[] = [];
  const circumstances = (post: Post) => {
    calls = [...calls, ...takeCalls()];
    return { calls, progressed: bytesAtTikTok(post) > bytesAtTikTok(lease.post) };
  };

  async function save<P extends Post>(post: P): Promise<P> {
    if (!(await queue.store(lease, post, circumstances(post)))) throw new LeaseLost();
    calls = [];
    return { ...post, version: post.version + 1 };
  }

  return {
    shift,
    save,
    async saveHoweverLong(post) {
      for (;;) {
        try {
          return await save(post);
        } catch (error) {
          if (error instanceof LeaseLost || shift.signal.aborted) throw error;
          await wait(RETRY_SECONDS);
        }
      }
    },
    async holdOn() {
      if (!(await queue.renew(lease, leaseSeconds))) throw new LeaseLost();
    },
    async finish(step) {
      const { post, nextActionTime } = step;
      const held = await (post === lease.post
        ? queue.letGo(lease, nextActionTime)
        : queue.finish(lease, step, circumstances(post)));
      if (!held) throw new LeaseLost();
    },
  };
}

const bytesAtTikTok = ({ attempts }: Post): number => attempts.reduce((sum, { bytesSent }) => sum + bytesSent, 0);
