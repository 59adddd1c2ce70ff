import type { Finding } from '../domain/finding.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { type ImportingVideo, judge, type ReadyVideo, type RejectedVideo } from '../domain/video/video.ts';
import type { VideoPolicy } from '../domain/video/video-policy.ts';
import type { Log } from './ports/log.ts';
import type { Traces } from './ports/traces.ts';
import type { VideoProbe } from './ports/video-probe.ts';
import type { PutLimits, StoreRefusal, VideoStore } from './ports/video-store.ts';
import type { Videos, WorkspaceFull } from './ports/videos.ts';

export type TakeInVideo = (
  video: ImportingVideo,
  bytes: AsyncIterable<Uint8Array>,
  announced: Omit<PutLimits, 'maxBytes'>,
) => Promise<
  Result<
    ReadyVideo | RejectedVideo,
    StorageFull | WorkspaceFull | { readonly code: 'NOT_STORED'; readonly finding: Finding }
  >
>;

type StorageFull = { readonly code: 'STORAGE_FULL' };

/** Stores the bytes, reads what they hold and judges it. The bytes of a rejected video are not kept. */
export function takeInVideo(needs: {
  readonly store: VideoStore;
  readonly probe: VideoProbe;
  readonly policy: VideoPolicy;
  readonly traces: Traces;
  readonly log: Log;
  /** For all videos of a workspace together. Absent: no limit. Who stores the record looks again: others take in as well. */
  readonly quota?: { readonly videos: Pick<Videos, 'usedBytes'>; readonly workspaceBytes: number };
}): TakeInVideo {
  const { store, probe, policy, traces, quota, log } = needs;
  return (video, bytes, announced) =>
    traces.span({ name: 'take in video', facts: { videoId: video.id } }, async () => {
      const taken = await takeIn(video, bytes, announced);
      traces.tell({ outcome: taken.ok ? taken.value.state : taken.error.code });
      if (taken.ok && taken.value.sizeBytes !== undefined) traces.tell({ sizeBytes: taken.value.sizeBytes });
      return taken;
    });

  async function takeIn(...[video, bytes, announced]: Parameters<TakeInVideo>): ReturnType<TakeInVideo> {
    const limitBytes = quota?.workspaceBytes ?? Number.POSITIVE_INFINITY;
    const usedBytes = (await quota?.videos.usedBytes(video.workspaceId)) ?? 0;
    const maxBytes = Math.min(policy.maxSizeBytes, Math.max(0, limitBytes - usedBytes));
    const stored = await store.put(video.id, bytes, { maxBytes, ...announced });
    if (!stored.ok) {
      const { error } = stored;
      if (error.code === 'TOO_LARGE' && error.seenBytes <= policy.maxSizeBytes) {
        return err({ code: 'WORKSPACE_QUOTA_EXCEEDED', usedBytes, limitBytes });
      }
      if (error.code !== 'NO_SPACE') return err({ code: 'NOT_STORED', finding: findingOf(error) });
      log.error({ videoId: video.id }, 'the video store is full: it takes nothing more in until there is room');
      return err({ code: 'STORAGE_FULL' });
    }
    try {
      const judged = await look();
      if (judged.state === 'REJECTED') await store.delete(video.id);
      return ok(judged);
    } catch (error) {
      await store.delete(video.id);
      throw error;
    }

    async function look(): Promise<ReadyVideo | RejectedVideo> {
      await using file = await store.open(video.id);
      if (file === undefined) throw new Error(`video ${video.id} is gone right after it was stored`);
      if (!stored.ok) throw stored.error;
      return judge(video, stored.value, await probe.probe(file), policy);
    }
  }
}

export function findingOf(refusal: Exclude<StoreRefusal, { code: 'NO_SPACE' }>): Finding {
  const about = { severity: 'ERROR', field: 'size_bytes' } as const;
  switch (refusal.code) {
    case 'EMPTY':
      return {
        ...about,
        code: 'VIDEO_CORRUPT',
        message: 'The file is empty.',
        remedy: 'Check the file and send it again.',
        observed: '0 bytes',
        limit: 'at least 1 byte',
      };
    case 'TOO_LARGE':
      return {
        ...about,
        code: 'VIDEO_TOO_LARGE',
        message: 'The file is larger than TikTok takes.',
        remedy: 'Export the video with a lower bit rate and send that file.',
        observed: `${refusal.seenBytes} bytes or more`,
        limit: `at most ${refusal.limitBytes} bytes`,
      };
    case 'SIZE_MISMATCH':
      return {
        ...about,
        code: 'VIDEO_SIZE_MISMATCH',
        message: 'The file does not have the announced length; nothing was kept.',
        remedy: 'Send the whole file again, or announce its true size_bytes.',
        observed: `${refusal.observedBytes} bytes`,
        limit: `exactly ${refusal.expectedBytes} bytes`,
      };
    case 'CHECKSUM_MISMATCH':
      return {
        ...about,
        field: 'sha256',
        code: 'VIDEO_CHECKSUM_MISMATCH',
        message: 'The bytes are not the announced ones; nothing was kept.',
        remedy: 'Send the file again, or announce its true sha256.',
        observed: refusal.observedSha256,
        limit: refusal.expectedSha256,
      };
  }
}

/** For whoever asked for a video that is fetched in the background. */
export const findingOfFull = ({ usedBytes, limitBytes }: WorkspaceFull): Finding => ({
  code: 'WORKSPACE_QUOTA_EXCEEDED',
  severity: 'ERROR',
  field: 'workspace_id',
  message: 'The workspace has no room left for this video; nothing was kept.',
  remedy:
    'Delete videos that are not needed any more, or have the operator raise WORKSPACE_VIDEO_BYTES; then send it again.',
  observed: `${usedBytes} bytes used`,
  limit: `${limitBytes} bytes`,
});
