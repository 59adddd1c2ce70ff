import { LARGEST_CHUNK_BYTES } from '../domain/post/chunk-plan.ts';
import type { Step } from '../domain/post/step.ts';
import { inSeconds } from '../domain/time.ts';
import type { AdvancePost } from './advance-post.ts';
import { fairRoom } from './fair-room.ts';
import type { FetchVideo } from './fetch-video.ts';
import type { Clock } from './ports/clock.ts';
import type { Doorbell } from './ports/doorbell.ts';
import type { Log } from './ports/log.ts';
import type { Metrics } from './ports/metrics.ts';
import { type Crowded, type Lease, type PostQueue, SUSPECT_LAPSES } from './ports/post-queue.ts';
import type { Upcoming } from './ports/upcoming.ts';
import type { ImportLease, Videos } from './ports/videos.ts';

/** Bounded work per kind, so that one large upload never keeps a hundred small ones waiting. */
export type Capacity = {
  /** Posts advanced at once. */
  readonly posts: number;
  /** Posts that TikTok has all of, kept in hand until the first look at its verdict. */
  readonly pauses: number;
  /** Files that TikTok takes in one piece (`LARGEST_CHUNK_BYTES`) sent at once. */
  readonly smallUploads: number;
  /** Larger files sent at once. */
  readonly largeUploads: number;
  /** Addresses fetched at once. */
  readonly imports: number;
};

export const DEFAULT_CAPACITY: Capacity = { posts: 512, pauses: 2048, smallUploads: 64, largeUploads: 4, imports: 4 };

export interface Engine {
  start(): void;
  /**
   * Takes nothing new, lets what is under way end at its next chunk, and gives leases back. After `graceSeconds` what is left
   * is cut off; its leases end by themselves.
   */
  stop(graceSeconds: number): Promise<void>;
  /** When work was last looked for with success: the database answered. */
  lastLook(): Date | undefined;
}

/** A wake that was lost with its process is made good this often. */
const RESCUE_SECONDS = 30;
/** Claimed at once: the smaller, the sooner one tenant's crowd is seen. */
const BATCH = 32;
/** Who fills so much of a batch lets the others go first in the next. */
const CROWD = BATCH / 4;
/** After so many batches there is a look at what else is to do. */
const BATCHES = 8;
/** A post may be due by a database clock that runs this much behind ours; looking once too often is harmless. */
const CLOCK_SECONDS = 0.1;
/** Between two looks at what is due by our clock and not by the database's. */
const CLOCK_STEP_SECONDS = 0.02;
/** A lost ring is made good by the sweep, whatever became of the doorbell. */
const SWEEP_SECONDS = 5;
/** Work that was cut off gets this long to store where it stands; then its lease ends by itself. */
const LAST_WORD_SECONDS = 5;

export function engine(needs: {
  readonly upcoming: Upcoming;
  readonly queue: PostQueue;
  readonly videos: Videos;
  readonly advance: AdvancePost;
  readonly fetchVideo: FetchVideo;
  readonly doorbell: Doorbell;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Names this process among all that share the database. */
  readonly owner: string;
  readonly capacity: Capacity;
  /** A dead worker's posts come due again after this long. Renewed each quarter of it. */
  readonly leaseSeconds: number;
}): Engine {
  const { upcoming, queue, videos, advance, fetchVideo, doorbell, clock, log, metrics, owner, capacity, leaseSeconds } =
    needs;
  const small = fairRoom(capacity.smallUploads);
  const large = fairRoom(capacity.largeUploads);
  const underWay = new Map<Promise<void>, AbortController>();
  /** Those that take a place. */
  const inHand = new Set<Lease>();
  /** Each ends the pause of a post. */
  const pausing = new Set<() => void>();
  /** Due posts may be left because their tenant has its share of the places, or a suspect is in hand. */
  let leftBehind = false;
  let rescueTime = 0;
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

  /** What was not due when its time had come by our clock is so soon by the database's: without asking over and over until then. */
  function wakeFor(time: Date | undefined): void {
    if (time === undefined) return;
    const now = clock.now();
    wakeAt(time > now ? time : inSeconds(now, CLOCK_STEP_SECONDS));
  }

  /**
   * Tenants at work share the places with one more who may come: however much one of them has waiting, there is room for the
   * others. The same within a tenant for its accounts.
   */
  function crowded(): Crowded {
    const tenants = new Set([...inHand].map(({ post }) => post.workspaceId)).size;
    const share = Math.max(1, Math.floor(capacity.posts / (tenants + 1)));
    return {
      workspaces: having(share, inHand, byWorkspace),
      connections: having(Math.max(1, Math.floor(share / 2)), inHand, byConnection),
    };
  }

  const isSuspect = ({ lapses }: Lease): boolean => lapses >= SUSPECT_LAPSES;

  /**
   * Shares of the places alone are not enough: a crowd whose posts are done as fast as they are claimed never fills its share, and
   * is always the earliest. So after each batch those who filled it stand back, until a batch finds nobody else.
   */
  async function claimPosts(): Promise<void> {
    leftBehind = false;
    let standBack: Crowded = NOBODY;
    for (let batch = 0; !ending; batch += 1) {
      const limit = Math.min(capacity.posts - inHand.size, BATCH);
      if (limit <= 0) return;
      if (batch === BATCHES) return ring();
      const full = crowded();
      const suspect = ![...inHand].some(isSuspect);
      const leases = await queue.claim({ owner, limit, leaseSeconds, crowded: both(full, standBack), suspect });
      for (const lease of leases) workOnPost(lease);
      leftBehind = full.workspaces.length > 0 || full.connections.length > 0 || !suspect || leases.some(isSuspect);
      if (leases.length === limit) standBack = both(standBack, crowdsOf(leases));
      else if (standBack.workspaces.length === 0 && standBack.connections.length === 0) return;
      else standBack = NOBODY;
    }
  }

  async function look(): Promise<void> {
    const asOf = clock.now();
    if (asOf.getTime() >= rescueTime) {
      rescueTime = asOf.getTime() + RESCUE_SECONDS * 1000;
      const rescued = await queue.rescue();
      if (rescued > 0) log.info({ posts: rescued }, 'posts were woken whose reason to wait was gone');
    }
    const { posts, imports } = await upcoming.look();
    if (posts?.isDue) await claimPosts();
    else leftBehind = false;
    const freeImports = capacity.imports - busyImports;
    if (imports?.isDue && freeImports > 0) {
      const leases = await videos.claimImports({ owner, limit: freeImports, leaseSeconds });
      for (const lease of leases) workOnImport(lease);
    }
    lastLook = clock.now();
    metrics.looked((lastLook.getTime() - asOf.getTime()) / 1000);
    // With every place taken nothing can be begun before one is free, however long it has been due. What was left behind although
    // it was due waits for a place as well.
    if (posts?.isDue) {
      if (inHand.size < capacity.posts) wakeFor(await queue.earliest(inSeconds(asOf, -CLOCK_SECONDS)));
    } else wakeFor(posts?.time);
    if (imports?.isDue) {
      if (busyImports < capacity.imports) wakeFor(await videos.earliestImport());
    } else wakeFor(imports?.time);
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
      const full = inHand.size >= capacity.posts;
      if (ending || (rung && !full)) continue;
      wakeAt(inSeconds(clock.now(), SWEEP_SECONDS));
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (rung && !full) resolve();
      });
    }
  }

  function workOnPost(lease: Lease): void {
    inHand.add(lease);
    const places = { postId: lease.postId, fence: lease.fence };
    const { workspaceId } = lease.post;
    underLease(
      places,
      () => queue.renew(lease, leaseSeconds),
      async (signal) => {
        const step: Step | undefined = await advance(lease, {
          signal,
          ending: () => ending,
          whenThereIsRoom: (sizeBytes, send) => (sizeBytes > LARGEST_CHUNK_BYTES ? large : small)(workspaceId, send),
          pause: (seconds) => pause(lease, seconds),
        });
        if (step === undefined) log.info(places, 'a post went to another worker');
        else if (step.nextActionTime !== undefined) wakeAt(step.nextActionTime);
      },
      () => leavePlace(lease),
    );
  }

  function leavePlace(lease: Lease): void {
    const full = inHand.size >= capacity.posts;
    inHand.delete(lease);
    if (full || leftBehind) ring();
  }

  /** What comes back takes a place even if there is none: it is nearly done. */
  async function pause(lease: Lease, seconds: number): Promise<boolean> {
    if (ending || pausing.size >= capacity.pauses) return false;
    leavePlace(lease);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(end, seconds * 1000);
      function end(): void {
        clearTimeout(timer);
        pausing.delete(end);
        resolve();
      }
      pausing.add(end);
    });
    inHand.add(lease);
    return !ending;
  }

  function workOnImport(lease: ImportLease): void {
    busyImports += 1;
    underLease(
      { videoId: lease.video.id },
      () => videos.renewImport(lease, leaseSeconds),
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
    }, leaseSeconds * 250);
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
      for (const end of pausing) end();
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

const NOBODY: Crowded = { workspaces: [], connections: [] };

const both = (some: Crowded, others: Crowded): Crowded => ({
  workspaces: [...some.workspaces, ...others.workspaces],
  connections: [...some.connections, ...others.connections],
});

const byWorkspace = ({ post }: Lease) => post.workspaceId;
const byConnection = ({ post }: Lease) => post.connectionId;

/** Who has so many of these and more. */
const having = <K>(limit: number, leases: Iterable<Lease>, tenant: (lease: Lease) => K): readonly K[] =>
  [...Map.groupBy(leases, tenant)].filter(([, found]) => found.length >= limit).map(([key]) => key);

/** A workspace is not to blame for what one account of it has too much of: its other accounts go on. */
function crowdsOf(batch: readonly Lease[]): Crowded {
  const connections = having(CROWD, batch, byConnection);
  const others = batch.filter((lease) => !connections.includes(byConnection(lease)));
  return { workspaces: having(CROWD, others, byWorkspace), connections };
}
