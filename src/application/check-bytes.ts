import type { PublishError } from '../domain/publish-error.ts';
import type { ReadyVideo } from '../domain/video/video.ts';
import type { Log } from './ports/log.ts';
import type { Metrics } from './ports/metrics.ts';
import type { Traces } from './ports/traces.ts';
import type { VideoReading, VideoStore } from './ports/video-store.ts';

/**
 * Undefined when its bytes are those that came and were judged; else why it must not go out. Reads what `reading` has not given away in
 * order, without one all of the video.
 */
export type CheckBytes = (video: ReadyVideo, reading?: VideoReading) => Promise<PublishError | undefined>;

/**
 * Disks rot, and people copy folders. A video whose bytes changed never gets to TikTok whole: it is looked at before its last byte
 * is sent.
 */
export function checkBytes(needs: {
  readonly store: VideoStore;
  readonly metrics: Pick<Metrics, 'videoRotten'>;
  readonly traces: Traces;
  readonly log: Log;
}): CheckBytes {
  const { store, metrics, traces, log } = needs;
  return async ({ id, sha256, sizeBytes }, reading = store.reading(id)) => {
    const facts = { videoId: id, sizeBytes };
    const observed = await traces.span({ name: 'check video', facts }, () => reading.digest());
    if (observed === sha256) return undefined;
    metrics.videoRotten();
    log.error({ videoId: id, expected: sha256, observed }, 'the stored bytes of a video changed: it is not sent');
    return {
      code: 'CHECK_FAILED',
      finding: {
        code: 'VIDEO_CORRUPT',
        severity: 'ERROR',
        field: 'video_id',
        message: 'The stored video is damaged: its bytes are no longer those that were uploaded.',
        remedy: 'Upload the video again and publish that one; have the operator check the disk of the video store.',
        observed: observed === undefined ? 'no file' : `SHA-256 ${observed}`,
        limit: `SHA-256 ${sha256}`,
      },
    };
  };
}
