import type { VideoId } from '../../domain/ids.ts';

/** What nobody needs any more, as the records have it. */
export interface Garbage {
  /** Runs `work`, unless any worker is at it: false then, and nothing was done. A worker that dies is at it no longer. */
  alone(work: () => Promise<void>): Promise<boolean>;
  /**
   * Up to `limit` videos that were made before `time` and that no post needs or used since. A post that is looked for at TikTok
   * needs its video.
   */
  unusedSince(time: Date, limit: number): Promise<readonly VideoId[]>;
  /** Of these, whose bytes must stay: their records say that they are here, or on the way. */
  kept(ids: readonly VideoId[]): Promise<ReadonlySet<VideoId>>;
  /** Forgets up to `limit` changes before `time` of posts that rest for good. Gives how many. */
  dropEvents(time: Date, limit: number): Promise<number>;
  /**
   * Thins the history of up to `limit` videos that have something to thin at `time`, as `thinned` says. Gives how many videos it looked
   * at, and how many snapshots went. Repeating goes on with others.
   */
  thinSnapshots(time: Date, limit: number): Promise<{ readonly videos: number; readonly dropped: number }>;
}
