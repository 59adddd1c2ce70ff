import { isError } from '../domain/finding.ts';
import type { WorkspaceId } from '../domain/ids.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { ReadyVideo } from '../domain/video/video.ts';
import { invalid, optionalText, requireText } from './field-checks.ts';
import type { Clock } from './ports/clock.ts';
import type { Ids } from './ports/ids.ts';
import type { VideoStore } from './ports/video-store.ts';
import type { Videos } from './ports/videos.ts';
import type { Refusal } from './refusal.ts';
import type { TakeInVideo } from './take-in-video.ts';

export type UploadVideo = (input: {
  readonly workspaceId: WorkspaceId;
  readonly fileName?: string;
  readonly sizeBytes?: number;
  /** Hex. */
  readonly sha256?: string;
  /** What it throws is thrown on, and nothing is kept. */
  readonly bytes: AsyncIterable<Uint8Array>;
}) => Promise<Result<ReadyVideo, Refusal>>;

/** A refused file leaves nothing behind: the findings are the whole answer. */
export function uploadVideo(needs: {
  readonly videos: Videos;
  readonly store: VideoStore;
  readonly takeIn: TakeInVideo;
  readonly clock: Clock;
  readonly ids: Ids;
  /** For all videos of a workspace together. Absent: no limit. */
  readonly workspaceBytes?: number;
}): UploadVideo {
  const { videos, store, takeIn, clock, ids, workspaceBytes } = needs;
  return async ({ workspaceId, fileName, sizeBytes, sha256, bytes }) => {
    const findings = [
      ...requireText('metadata.workspace_id', workspaceId, 200),
      ...optionalText('metadata.file_name', fileName ?? '', 255),
      ...(sizeBytes === undefined || sizeBytes > 0
        ? []
        : [
            invalid(
              'metadata.size_bytes',
              String(sizeBytes),
              'more than 0',
              'Announce the true length, or leave it out.',
            ),
          ]),
      ...(sha256 === undefined || /^[0-9a-f]{64}$/i.test(sha256)
        ? []
        : [
            invalid(
              'metadata.sha256',
              sha256.slice(0, 80),
              '64 hex digits',
              'Announce the SHA-256 in hex, or leave it out.',
            ),
          ]),
    ];
    if (findings.some(isError)) return err({ code: 'INVALID', findings });

    const video = {
      id: ids.videoId(),
      workspaceId,
      createTime: clock.now(),
      state: 'IMPORTING' as const,
      ...(fileName === undefined ? {} : { fileName }),
    };
    const taken = await takeIn(video, bytes, {
      ...(sizeBytes === undefined ? {} : { expectedSize: sizeBytes }),
      ...(sha256 === undefined ? {} : { expectedSha256: sha256 }),
    });
    if (!taken.ok) {
      return taken.error.code === 'NOT_STORED'
        ? err({ code: 'INVALID', findings: [taken.error.finding] })
        : err(taken.error);
    }
    if (taken.value.state === 'REJECTED') return err({ code: 'INVALID', findings: taken.value.findings });
    try {
      const added = await videos.add(taken.value, workspaceBytes);
      if (!added.ok) {
        await store.delete(video.id);
        return added;
      }
    } catch (error) {
      await store.delete(video.id);
      throw error;
    }
    // A process that stood still for a day may have had its file taken for one that nobody needs.
    if ((await store.size(video.id)) === undefined) {
      await videos.remove(video.id);
      throw new Error(`the file of video ${video.id} was removed before its record was made`);
    }
    return ok(taken.value);
  };
}
