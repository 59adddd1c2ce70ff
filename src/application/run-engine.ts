import pLimit from 'p-limit';
import { LARGEST_CHUNK_BYTES } from '../domain/post/chunk-plan.ts';
import type { Step } from '../domain/post/step.ts';
import { inSeconds } from '../domain/time.ts';
import type { AdvancePost } from './advance-post.ts';
import type { FetchVideo } from './fetch-video.ts';
import type { Clock } from './ports/clock.ts';
import type { Doorbell } from './ports/doorbell.ts';
import type { Log } from './ports/log.ts';
import type { Lease, PostQueue } from './ports/post-queue.ts';
import type { ImportLease, Videos } from './ports/videos.ts';

/** Bounded work per kind, so that one large upload never keeps a hundred small ones waiting. */
export type Capacity = {
  /** Posts advanced at once. */
  readonly posts: number;
  /** Files that TikTok takes in one piece (`LARGEST_CHUNK_BYTES`) sent at once. */
  readonly smallUploads: number;
  /** Larger files sent at once. */
  readonly largeUploads: number;
  /** Addresses fetched at once. */
  readonly imports: number;
};

export const DEFAULT_CAPACITY: Capacity = { posts: 128, smallUploads: 32, largeUploads: 4, imports: 4 };

export interface Engine {
  start(): void;
  /**
   * Takes nothing new, lets what is under way end at its next chunk, and gives leases back. After `graceSeconds` what is left
   * is cut off; its leases end by themselves.
   */
  stop(graceSeconds: number): Promise<void>;
  /** When work was last looked for with success. */
  lastLook(): Date | undefined;
}

/** A dead worker's posts come due again after this long. */
const LEASE_SECONDS = 60;
const RENEW_SECONDS = 15;
/** A lost ring is made good by the sweep, whatever became of the doorbell. */
const SWEEP_SECONDS = 5;
/** Work that was cut off gets this long to store where it stands; then its lease ends by itself. */
const LAST_WORD_SECONDS = 5;

export function engine(needs: {
  readonly queue: PostQueue;
  readonly videos: Videos;
  readonly advance: AdvancePost;
  readonly fetchVideo: FetchVideo;
  readonly doorbell: Doorbell;
  readonly clock: Clock;
  readonly log: Log;
  /** Names this process among all that share the database. */
  readonly owner: string;
  readonly capacity: Capacity;
}): Engine {
  const { queue, videos, advance, fetchVideo, doorbell, clock, log, owner, capacity } = needs;
  const small = pLimit(capacity.smallUploads);
  const large = pLimit(capacity.largeUploads);
  const underWay = new Map<Promise<void>, AbortController>();
  let busyPosts = 0;
  let busyImports = 0;
  let ending = false;
  let lastLook: Date | undefined;
  let wake: () => void = () => {};
  let rung = false;
  let loop: Promise<void> = Promise.resolve();
  let alarm: { readonly time: number; readonly timer: NodeJS.Timeout } | undefined;

  const ring = (): void => {
    rung = true;
    wake();
  };

  /** Wakes the loop at `time`; of several times the earliest counts. */
  function wakeAt(time: Date): void {
    const at = time.getTime();
    if (alarm !== undefined && alarm.time <= at) return;
    if (alarm !== undefined) clearTimeout(alarm.timer);
    const delay = Math.min(Math.max(at - clock.now().getTime(), 0), SWEEP_SECONDS * 1000);
    const timer = setTimeout(() => {
      alarm = undefined;
      ring();
    }, delay);
    alarm = { time: at, timer };
  }

  async function look(): Promise<void> {
    const freePosts = capacity.posts - busyPosts;
    if (freePosts > 0) {
      const leases = await queue.claim({ owner, limit: freePosts, leaseSeconds: LEASE_SECONDS });
      for (const lease of leases) workOnPost(lease);
      if (leases.length === freePosts) rung = true;
    }
    const freeImports = capacity.imports - busyImports;
    if (freeImports > 0) {
      const leases = await videos.claimImports({ owner, limit: freeImports, leaseSeconds: LEASE_SECONDS });
      for (const lease of leases) workOnImport(lease);
    }
    lastLook = clock.now();
    // With every place taken nothing can be begun before one is free, however long it has been due.
    const nextPost = busyPosts < capacity.posts ? await queue.earliest() : undefined;
    const nextImport = busyImports < capacity.imports ? await videos.earliestImport() : undefined;
    if (nextPost !== undefined) wakeAt(nextPost);
    if (nextImport !== undefined) wakeAt(nextImport);
  }

  async function run(): Promise<void> {
    while (!ending) {
      rung = false;
      try {
        await look();
      } catch (error) {
        log.error({ error }, 'the engine could not look for work');
      }
      // With every place taken there is nothing to look for until one is free.
      const full = busyPosts >= capacity.posts;
      if (ending || (rung && !full)) continue;
      wakeAt(inSeconds(clock.now(), SWEEP_SECONDS));
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (rung && !full) resolve();
      });
    }
  }

  function workOnPost(lease: Lease): void {
    busyPosts += 1;
    const places = { postId: lease.postId, fence: lease.fence };
    underLease(
      places,
      () => queue.renew(lease, LEASE_SECONDS),
      async (signal) => {
        const step: Step | undefined = await advance(lease, {
          signal,
          ending: () => ending,
          whenThereIsRoom: (sizeBytes, send) => (sizeBytes > LARGEST_CHUNK_BYTES ? large : small)(send),
        });
        if (step === undefined) log.info(places, 'a post went to another worker');
        else if (step.nextActionTime !== undefined) wakeAt(step.nextActionTime);
      },
      () => {
        if (busyPosts-- === capacity.posts) ring();
      },
    );
  }

  function workOnImport(lease: ImportLease): void {
    busyImports += 1;
    underLease(
      { videoId: lease.video.id },
      () => videos.renewImport(lease, LEASE_SECONDS),
      (signal) => fetchVideo(lease, signal),
      () => {
        if (busyImports-- === capacity.imports) ring();
      },
    );
  }

  /** Renews while `work` runs and cuts it off when the lease is lost. What throws keeps its lease, and comes due when it ends. */
  function underLease(
    names: object,
    renew: () => Promise<boolean>,
    work: (signal: AbortSignal) => Promise<void>,
    done: () => void,
  ): void {
    const lost = new AbortController();
    const renewal = setInterval(() => {
      renew().then(
        (held) => held || lost.abort(new Error('the lease was lost')),
        (error) => {
          log.warn({ ...names, error }, 'a lease could not be renewed');
          lost.abort(error);
        },
      );
    }, RENEW_SECONDS * 1000);
    const job = work(lost.signal)
      .catch((error) => {
        log.error({ ...names, error }, 'work stopped on a failure; it is taken up again when its lease ends');
      })
      .finally(() => {
        clearInterval(renewal);
        underWay.delete(job);
        done();
      });
    underWay.set(job, lost);
  }

  const off = doorbell.onRing(ring);

  return {
    start() {
      loop = run();
    },
    async stop(graceSeconds) {
      ending = true;
      off();
      ring();
      await loop;
      if (alarm !== undefined) clearTimeout(alarm.timer);
      const cut = setTimeout(() => {
        for (const lost of underWay.values()) lost.abort(new Error('the process stops'));
      }, graceSeconds * 1000);
      const left = Promise.withResolvers<void>();
      const leave = setTimeout(left.resolve, (graceSeconds + LAST_WORD_SECONDS) * 1000);
      await Promise.race([Promise.all(underWay.keys()), left.promise]);
      clearTimeout(cut);
      clearTimeout(leave);
    },
    lastLook: () => lastLook,
  };
}
