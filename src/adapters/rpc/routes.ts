import type { ConnectRouter } from '@connectrpc/connect';
import { admission } from './admission.ts';
import { connectionService } from './connection-service.ts';
import { ConnectionService } from './gen/glowtify/tiktok/v1/connection_service_pb.js';
import { PostService } from './gen/glowtify/tiktok/v1/post_service_pb.js';
import { VideoService } from './gen/glowtify/tiktok/v1/video_service_pb.js';
import { answerInTime, hideFailures, refuseUnusableText } from './interceptors.ts';
import { postService } from './post-service.ts';
import type { RpcNeeds } from './rpc-needs.ts';
import { LARGEST_CHUNK_BYTES } from './upload.ts';
import { videoService } from './video-service.ts';

const MIB = 2 ** 20;
const MINUTE = 60;
const HOUR = 60 * MINUTE;

/** Without a deadline of the caller's. */
const UNARY_SECONDS = 30;
const UPLOAD_SECONDS = HOUR;

/** Longest deadline a caller may ask for: beyond these it is a wrong unit. */
const LONGEST_UNARY_SECONDS = 10 * MINUTE;
const LONGEST_UPLOAD_SECONDS = 24 * HOUR;
/** What a timer can hold. */
const LONGEST_WATCH_MILLISECONDS = 2 ** 31 - 1;

/** All RPCs. Who calls is looked at first, so that strangers learn nothing; failures to find out are hidden too. */
export function connectorRoutes(needs: RpcNeeds): (router: ConnectRouter) => void {
  const inside = [hideFailures(needs), admission(needs), refuseUnusableText(needs)];
  const unary = {
    readMaxBytes: MIB,
    maxTimeoutMs: LONGEST_UNARY_SECONDS * 1000,
    interceptors: [answerInTime(UNARY_SECONDS, needs), ...inside],
  };
  const upload = {
    // Room for chunks that are too large, so that they are refused in words.
    readMaxBytes: LARGEST_CHUNK_BYTES + MIB,
    maxTimeoutMs: LONGEST_UPLOAD_SECONDS * 1000,
    interceptors: [answerInTime(UPLOAD_SECONDS, needs), ...inside],
  };
  const watch = { readMaxBytes: MIB, maxTimeoutMs: LONGEST_WATCH_MILLISECONDS, interceptors: inside };

  return (router) => {
    const { watchConnections, ...connections } = connectionService(needs);
    const { uploadVideo, ...videos } = videoService(needs);
    const { watchPosts, ...posts } = postService(needs);
    // The streams come after their services: the later registration of an RPC is the one that counts.
    router
      .service(ConnectionService, connections, unary)
      .rpc(ConnectionService.method.watchConnections, watchConnections, watch)
      .service(VideoService, videos, unary)
      .rpc(VideoService.method.uploadVideo, uploadVideo, upload)
      .service(PostService, posts, unary)
      .rpc(PostService.method.watchPosts, watchPosts, watch);
  };
}
