import { err, ok, type Result } from '../domain/result.ts';
import type { VideoName } from './get-video.ts';
import type { VideoStore } from './ports/video-store.ts';
import type { Videos } from './ports/videos.ts';
import type { Refusal } from './refusal.ts';

export type DeleteVideo = (input: VideoName) => Promise<Result<void, Refusal>>;

/** The record goes first, in one transaction with the look at the posts: no post can begin to need it in between. */
export function deleteVideo({ videos, store }: { readonly videos: Videos; readonly store: VideoStore }): DeleteVideo {
  return async ({ videoId, workspaceId }) => {
    switch (await videos.remove(videoId, workspaceId)) {
      case 'NOT_FOUND':
        return err({ code: 'NOT_FOUND', resource: 'video', id: videoId });
      case 'IN_USE':
        return err({ code: 'VIDEO_IN_USE', id: videoId });
      case 'REMOVED':
        await store.delete(videoId);
        return ok(undefined);
    }
  };
}
