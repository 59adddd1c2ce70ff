import type { ConnectRouter } from '@connectrpc/connect';
import { admission } from './admission.ts';
import { analyticsService } from './analytics-service.ts';
import { connectionService } from './connection-service.ts';
import { AnalyticsService } from './gen/glowtify/tiktok/v1/analytics_service_pb.js';
import { ConnectionService } from './gen/glowtify/tiktok/v1/connection_service_pb.js';
import { PostService } from './gen/glowtify/tiktok/v1/post_service_pb.js';
import { VideoService } from './gen/glowtify/tiktok/v1/video_service_pb.js';
import { Health } from './gen/grpc/health/v1/health_pb.js';
import { ServerReflection } from './gen/grpc/reflection/v1/reflection_pb.js';
import { healthService } from './health-service.ts';
import { answerInTime, hideFailures, refuseStrangeCall, refuseUnusableText } from './interceptors.ts';
import { RPC_LIMITS, type RpcLimits } from './limits.ts';
import { postService } from './post-service.ts';
import { reflectionService } from './reflection-service.ts';
import type { RpcNeeds } from './rpc-needs.ts';
import { tellTraces } from './traced-calls.ts';
import { videoService } from './video-service.ts';

const OWN = [ConnectionService, VideoService, PostService, AnalyticsService];

/** All RPCs. Who calls is looked at first, so that strangers learn nothing; failures to find out are hidden too. */
export function connectorRoutes(
  needs: RpcNeeds & { readonly limits?: Partial<RpcLimits> },
): (router: ConnectRouter) => void {
  const limits = { ...RPC_LIMITS, ...needs.limits };
  const told = tellTraces(needs.traces);
  const inside = [hideFailures(needs), admission(needs), refuseUnusableText(needs)];
  const taking = (messageBytes: number, longestSeconds: number) => ({
    readMaxBytes: messageBytes,
    maxTimeoutMs: longestSeconds * 1000,
    requestGate: refuseStrangeCall(longestSeconds, needs),
  });
  const unary = {
    ...taking(limits.messageBytes, limits.longestUnarySeconds),
    interceptors: [told, answerInTime(limits.unarySeconds, needs), ...inside],
  };
  const upload = {
    ...taking(limits.uploadMessageBytes, limits.longestStreamSeconds),
    interceptors: [told, answerInTime(limits.uploadSeconds, needs), ...inside],
  };
  /** For each RPC that streams its answer: it lasts as long as the caller likes. */
  const watch = { ...taking(limits.messageBytes, limits.longestStreamSeconds), interceptors: [told, ...inside] };

  return (router) => {
    const { watchConnections, ...connections } = connectionService(needs);
    const { uploadVideo, ...videos } = videoService(needs, limits);
    const { watchPosts, ...posts } = postService(needs);
    const { watch: watchHealth, ...health } = healthService(OWN, limits, needs);
    // The streams come after their services: the later registration of an RPC is the one that counts.
    router
      .service(ConnectionService, connections, unary)
      .rpc(ConnectionService.method.watchConnections, watchConnections, watch)
      .service(VideoService, videos, unary)
      .rpc(VideoService.method.uploadVideo, uploadVideo, upload)
      .service(PostService, posts, unary)
      .rpc(PostService.method.watchPosts, watchPosts, watch)
      .service(AnalyticsService, analyticsService(needs), unary)
      .service(Health, health, unary)
      .rpc(Health.method.watch, watchHealth, watch);
    if (needs.reflection) {
      router.service(ServerReflection, reflectionService([...OWN, Health, ServerReflection], needs), watch);
    }
  };
}
