import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import { pageTokenOf } from '../../application/field-checks.ts';
import type { VideoName } from '../../application/get-video.ts';
import type { VideoId, WorkspaceId } from '../../domain/ids.ts';
import type { UploadVideoRequest, VideoService } from './gen/glowtify/tiktok/v1/video_service_pb.js';
import { endOf } from './interceptors.ts';
import type { RpcLimits } from './limits.ts';
import { checkName, readEnums } from './request-fields.ts';
import type { RpcNeeds } from './rpc-needs.ts';
import { refusals } from './to-connect-error.ts';
import { openUpload } from './upload.ts';
import { VIDEO_STATE_OF, videoMessage } from './video-messages.ts';

export function videoService(
  { useCases, clock }: RpcNeeds,
  limits: Pick<RpcLimits, 'uploadPatienceMilliseconds' | 'uploadBytesPerSecond'>,
): ServiceImpl<typeof VideoService> {
  const { accept, refuse } = refusals(clock);

  function named({ videoId, workspaceId }: { videoId: string; workspaceId: string }): VideoName {
    refuse(checkName('video_id', videoId, workspaceId));
    return {
      videoId: videoId as VideoId,
      ...(workspaceId === '' ? {} : { workspaceId: workspaceId as WorkspaceId }),
    };
  }

  return {
    async uploadVideo(requests: AsyncIterable<UploadVideoRequest>, { signal }: HandlerContext) {
      const upload = await openUpload(requests, { signal, clock, limits });
      const video = accept(await useCases.uploadVideo(upload));
      if (signal.aborted) {
        // Nobody will hear of this video. And it may be half of one: clients that give up (grpc-js) end their stream
        // before they reset it, so that for a moment it looks whole.
        await useCases.deleteVideo({ videoId: video.id, workspaceId: video.workspaceId });
        throw endOf(signal, clock.now());
      }
      return { video: videoMessage(video) };
    },

    async importVideo({ workspaceId, uri, requestId }) {
      const { video, replayed } = accept(
        await useCases.importVideo({ workspaceId: workspaceId as WorkspaceId, uri, requestId }),
      );
      return { video: videoMessage(video), replayed };
    },

    async getVideo(request) {
      return { video: videoMessage(accept(await useCases.getVideo(named(request)))) };
    },

    async listVideos({ workspaceId, pageSize, pageToken: token, ...request }) {
      const states = readEnums('states', request.states, VIDEO_STATE_OF);
      refuse(states.findings);
      const page = accept(
        await useCases.listVideos({
          workspaceId: workspaceId as WorkspaceId,
          states: states.value,
          pageSize,
          pageToken: token,
        }),
      );
      return {
        videos: page.items.map(videoMessage),
        nextPageToken: pageTokenOf(workspaceId as WorkspaceId, page.next),
      };
    },

    async deleteVideo(request) {
      accept(await useCases.deleteVideo(named(request)));
      return {};
    },
  };
}
