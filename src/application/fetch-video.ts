import type { Finding } from '../domain/finding.ts';
import { MAX_LAPSES, restSeconds } from '../domain/post/pacing.ts';
import { reject, type Video } from '../domain/video/video.ts';
import type { Doorbell } from './ports/doorbell.ts';
import type { Log } from './ports/log.ts';
import type { Metrics } from './ports/metrics.ts';
import type { Posts } from './ports/posts.ts';
import type { Traces } from './ports/traces.ts';
import { FetchInterrupted, type FetchRefusal, type VideoFetcher } from './ports/video-fetcher.ts';
import { type VideoStore, VideoStoreDown } from './ports/video-store.ts';
import type { ImportLease, Videos } from './ports/videos.ts';
import { findingOf, findingOfFull, type TakeInVideo } from './take-in-video.ts';

/** Advances one import under its lease; `signal` aborts when the lease is lost or the process stops. */
export type FetchVideo = (lease: ImportLease, signal: AbortSignal) => Promise<void>;

type Tried = { readonly video: Video } | { readonly retry: Finding } | 'CUT_OFF' | 'STORE_DOWN';

const outcomeOf = (tried: Tried): string => {
  if (typeof tried === 'string') return tried;
  return 'retry' in tried ? 'NOT_FETCHED' : tried.video.state;
};

/** After so many tries the address is given up. */
const MAX_TRIES = 5;
/** The video store is asked again, however long it has been away. */
const STORE_RETRY_SECONDS = 30;

export function fetchVideo(needs: {
  readonly videos: Videos;
  readonly fetcher: VideoFetcher;
  readonly takeIn: TakeInVideo;
  readonly store: VideoStore;
  readonly posts: Posts;
  readonly doorbell: Doorbell;
  readonly maxBytes: number;
  /** For all videos of a workspace together. Absent: no limit. */
  readonly workspaceBytes?: number;
  /** How long a dead worker's lease goes on. */
  readonly leaseSeconds: number;
  readonly metrics: Metrics;
  readonly traces: Traces;
  readonly log: Log;
}): FetchVideo {
  const { videos, fetcher, takeIn, store, posts, doorbell, maxBytes, leaseSeconds, metrics, traces, log } = needs;

  return (lease, signal) =>
    traces.span({ name: 'import video', facts: { videoId: lease.video.id } }, () => advance(lease, signal));

  async function advance(...[lease, signal]: Parameters<FetchVideo>): Promise<void> {
    const { lapses, lapsed } = lease;
    const videoId = lease.video.id;
    const setAside = lapses >= MAX_LAPSES;
    const rest = lapsed && !setAside ? restSeconds(lapses, leaseSeconds) : 0;
    if (rest > 0) {
      await videos.restImport(lease, rest);
      log.warn({ videoId, lapses, seconds: rest }, 'workers ended over this video: it rests before the next try');
      return;
    }
    if (setAside) {
      log.error({ videoId, lapses }, 'a video ended its workers again and again: it is set aside');
      metrics.setAside('VIDEO');
    }
    const outcome = setAside ? { video: reject(lease.video, SET_ASIDE) } : await attempt(lease, signal);
    traces.tell({ outcome: outcomeOf(outcome) });
    if (outcome === 'CUT_OFF') return videos.releaseImport(lease);
    if (outcome === 'STORE_DOWN') {
      log.warn({ videoId, seconds: STORE_RETRY_SECONDS }, 'the video store does not answer: the import waits for it');
      return videos.restImport(lease, STORE_RETRY_SECONDS);
    }
    if ('retry' in outcome && lease.failures + 1 < MAX_TRIES) {
      await videos.postponeImport(lease, 5 * 4 ** lease.failures);
      log.info({ videoId: lease.video.id, finding: outcome.retry.observed }, 'a video could not be fetched yet');
      return;
    }
    const video: Video = 'retry' in outcome ? reject(lease.video, outcome.retry) : outcome.video;
    let finished = await videos.finishImport(lease, video, needs.workspaceBytes);
    if (typeof finished === 'object') {
      await store.delete(videoId);
      finished = await videos.finishImport(lease, reject(lease.video, findingOfFull(finished)));
    }
    if (finished !== true) {
      // Removed while it was fetched: nobody else will remove its bytes.
      if ((await videos.find(videoId)) === undefined) await store.delete(videoId);
      return;
    }
    await posts.wake({ videoId });
    await doorbell.ringNow();
  }

  async function attempt({ video }: ImportLease, signal: AbortSignal): Promise<Tried> {
    if (video.sourceUri === undefined) throw new Error(`video ${video.id} has no address to be fetched from`);
    try {
      const fetched = await fetcher.fetch(video.sourceUri, { maxBytes, signal });
      if (!fetched.ok) return judge(fetched.error);
      const { bytes, sizeBytes } = fetched.value;
      const taken = await takeIn(video, bytes, sizeBytes === undefined ? {} : { expectedSize: sizeBytes });
      if (taken.ok) return { video: taken.value };
      switch (taken.error.code) {
        case 'STORAGE_FULL':
          return { retry: STORAGE_FULL };
        case 'WORKSPACE_QUOTA_EXCEEDED':
          return { video: reject(video, findingOfFull(taken.error)) };
        case 'NOT_STORED':
          return { video: reject(video, taken.error.finding) };
      }
    } catch (error) {
      if (error instanceof FetchInterrupted) return judge(error.refusal);
      // This process stops, or another one has the import: nothing speaks against the video.
      if (signal.aborted) return 'CUT_OFF';
      if (error instanceof VideoStoreDown) return 'STORE_DOWN';
      throw error;
    }

    function judge(refusal: FetchRefusal): { readonly video: Video } | { readonly retry: Finding } {
      switch (refusal.code) {
        case 'URI_NOT_ALLOWED':
          return { video: reject(video, refusal.finding) };
        case 'FETCH_FAILED':
          return refusal.retryable ? { retry: refusal.finding } : { video: reject(video, refusal.finding) };
        case 'TOO_LARGE':
          return { video: reject(video, findingOf(refusal)) };
      }
    }
  }
}

const SET_ASIDE: Finding = {
  code: 'VIDEO_FETCH_FAILED',
  severity: 'ERROR',
  field: 'video_uri',
  message: 'The connector failed on this video again and again and set it aside.',
  remedy:
    'This is a fault of the connector: report it with the id of the video; upload the file another way meanwhile.',
  observed: `${MAX_LAPSES} tries in a row that did not end`,
  limit: 'a try that ends',
};

const STORAGE_FULL: Finding = {
  code: 'VIDEO_FETCH_FAILED',
  severity: 'ERROR',
  field: 'video_uri',
  message: 'The video could not be stored: the disk of this service is full.',
  remedy: 'Tell whoever runs this service; then send the video again.',
  observed: 'no space left',
  limit: 'room for the whole video',
};
