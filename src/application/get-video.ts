import type { VideoId, WorkspaceId } from '../domain/ids.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { Video } from '../domain/video/video.ts';
import type { Videos } from './ports/videos.ts';
import type { Refusal } from './refusal.ts';

/** `workspaceId` absent: any workspace the caller may act in. */
export type VideoName = { readonly videoId: VideoId; readonly workspaceId?: WorkspaceId };

export type GetVideo = (input: VideoName) => Promise<Result<Video, Refusal>>;

export function getVideo({ videos }: { readonly videos: Videos }): GetVideo {
  return async ({ videoId, workspaceId }) => {
    const video = await videos.find(videoId, workspaceId);
    return video === undefined ? err({ code: 'NOT_FOUND', resource: 'video', id: videoId }) : ok(video);
  };
}
