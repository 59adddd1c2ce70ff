import type { VideoId } from '../domain/ids.ts';
import { inSeconds } from '../domain/time.ts';
import type { Clock } from './ports/clock.ts';
import type { FailPoint } from './ports/fail-point.ts';
import type { Garbage } from './ports/garbage.ts';
import type { Log } from './ports/log.ts';
import type { Marks } from './ports/marks.ts';
import type { Metrics } from './ports/metrics.ts';
import type { Traces } from './ports/traces.ts';
import type { VideoStore } from './ports/video-store.ts';
import type { Videos } from './ports/videos.ts';
import { cutOff, type Repeated, repeat } from './repeat.ts';

/** How many days what is done is kept. Absent: for ever. */
export type Retention = {
  /** Since the last change of a post that used the video; since it came when none did. */
  readonly videoDays?: number;
  /** Changes of posts that rest: their timeline, and what WatchPosts can resume from. */
  readonly eventDays?: number;
};

/**
 * A file is taken for one that no record will ever name when it is this old: far longer than an upload takes from its last byte to
 * its record.
 */
const ORPHAN_SECONDS = 86_400;
const LAST_WORD_SECONDS = 5;
/** Of an older backup nobody thinks any more. */
const MARK_DAYS = 90;
const BATCH = 100;
const DAY_SECONDS = 86_400;

/**
 * Removes what nobody needs any more, over and over, one worker at a time. Each step may be the last one of its process and may be
 * repeated: a record goes before its file, and a file without a record is found by itself. So stopping does not wait for long.
 */
export function garbageCollector(needs: {
  readonly garbage: Garbage;
  readonly videos: Videos;
  readonly store: VideoStore;
  readonly marks: Marks;
  /** Removes what dead processes left half written. Gives how many files. */
  readonly sweep: () => Promise<number>;
  readonly retention: Retention;
  readonly everySeconds: number;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'collected'>;
  readonly traces: Traces;
  readonly log: Log;
  readonly failPoint: FailPoint;
}): Repeated {
  const { garbage, videos, store, marks, sweep, retention, everySeconds, clock, metrics, traces, log, failPoint } =
    needs;
  let ending = (): boolean => false;
  let marksTime: Date | undefined;

  const before = (seconds: number): Date => inSeconds(clock.now(), -seconds);

  /** A video that a post began to need meanwhile stays, here and in the records. */
  async function dropVideos(days: number): Promise<number> {
    let dropped = 0;
    while (!ending()) {
      let removed = 0;
      for (const id of await garbage.unusedSince(before(days * DAY_SECONDS), BATCH)) {
        if (ending()) break;
        if ((await videos.remove(id)) !== 'REMOVED') continue;
        await failPoint('video-forgotten');
        await store.delete(id);
        removed += 1;
      }
      dropped += removed;
      if (removed === 0) break;
    }
    return dropped;
  }

  async function dropOrphans(): Promise<number> {
    let dropped = 0;
    let batch: VideoId[] = [];
    const judge = async (): Promise<void> => {
      const kept = await garbage.kept(batch);
      for (const id of batch) {
        if (kept.has(id)) continue;
        await store.delete(id);
        dropped += 1;
      }
      batch = [];
    };
    for await (const id of store.storedBefore(before(ORPHAN_SECONDS))) {
      if (ending()) break;
      batch.push(id);
      if (batch.length === BATCH) await judge();
    }
    await judge();
    return dropped;
  }

  /** Once a day is enough for what stays so long, and there are many. */
  async function dropMarks(): Promise<number> {
    if (marksTime !== undefined && marksTime > before(DAY_SECONDS)) return 0;
    const dropped = await marks.dropBefore(before(MARK_DAYS * DAY_SECONDS));
    marksTime = clock.now();
    return dropped;
  }

  async function dropEvents(days: number): Promise<number> {
    let dropped = 0;
    while (!ending()) {
      const count = await garbage.dropEvents(before(days * DAY_SECONDS), BATCH * 10);
      dropped += count;
      if (count === 0) break;
    }
    return dropped;
  }

  /** What is left of a video's history is its owner's: it stays, also when the connection has ended. */
  async function thinSnapshots(): Promise<number> {
    let dropped = 0;
    while (!ending()) {
      const thinned = await garbage.thinSnapshots(clock.now(), BATCH);
      dropped += thinned.dropped;
      if (thinned.videos === 0) break;
    }
    return dropped;
  }

  async function collect(): Promise<void> {
    const { videoDays, eventDays } = retention;
    const collected = {
      VIDEO: videoDays === undefined ? 0 : await dropVideos(videoDays),
      FILE: (await sweep()) + (await dropOrphans()) + (await dropMarks()),
      EVENT: eventDays === undefined ? 0 : await dropEvents(eventDays),
      SNAPSHOT: await thinSnapshots(),
    };
    for (const kind of ['VIDEO', 'FILE', 'EVENT', 'SNAPSHOT'] as const) metrics.collected(kind, collected[kind]);
    const { VIDEO, FILE, EVENT, SNAPSHOT } = collected;
    traces.tell({ removed: VIDEO + FILE + EVENT + SNAPSHOT });
    if (VIDEO + FILE + EVENT + SNAPSHOT > 0) {
      log.info({ videos: VIDEO, files: FILE, events: EVENT, snapshots: SNAPSHOT }, 'removed what nobody needs');
    }
  }

  const repeated = repeat(
    everySeconds,
    async (isEnding) => {
      ending = isEnding;
      await garbage.alone(() => traces.span({ name: 'collect garbage' }, collect));
    },
    (error) => log.error({ error }, 'garbage could not be collected; it is tried again'),
    'AFTER_A_PAUSE',
  );

  return cutOff(repeated, LAST_WORD_SECONDS);
}
