import { isError } from '../domain/finding.ts';
import type { WorkspaceId } from '../domain/ids.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { Video } from '../domain/video/video.ts';
import { optionalText, requireText } from './field-checks.ts';
import type { Clock } from './ports/clock.ts';
import type { Digest } from './ports/digest.ts';
import type { Doorbell } from './ports/doorbell.ts';
import type { Ids } from './ports/ids.ts';
import type { VideoFetcher } from './ports/video-fetcher.ts';
import type { Videos } from './ports/videos.ts';
import type { Refusal } from './refusal.ts';

export type ImportVideo = (input: {
  readonly workspaceId: WorkspaceId;
  readonly uri: string;
  readonly requestId: string;
}) => Promise<Result<{ readonly video: Video; readonly replayed: boolean }, Refusal>>;

export function importVideo(needs: {
  readonly videos: Videos;
  readonly fetcher: VideoFetcher;
  readonly doorbell: Doorbell;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly digest: Digest;
}): ImportVideo {
  const { videos, fetcher, doorbell, clock, ids, digest } = needs;
  return async ({ workspaceId, uri, requestId }) => {
    const findings = [
      ...requireText('workspace_id', workspaceId, 200),
      ...requireText('request_id', requestId, 200),
      ...optionalText('uri', uri, 2_000),
      ...fetcher.check(uri).map((finding) => ({ ...finding, field: 'uri' })),
    ];
    if (findings.some(isError)) return err({ code: 'INVALID', findings });
    const added = await videos.addImport(
      { id: ids.videoId(), workspaceId, sourceUri: uri, createTime: clock.now(), state: 'IMPORTING' },
      { requestId, payloadHash: digest({ rpc: 'ImportVideo', uri }) },
    );
    if (!added.ok) return added;
    await doorbell.ringNow();
    return ok(added.value);
  };
}
