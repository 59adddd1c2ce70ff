import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Client, createClient, type Interceptor } from '@connectrpc/connect';
import { AnalyticsService } from '../gen/glowtify/tiktok/v1/analytics_service_pb.js';
import { ConnectionService } from '../gen/glowtify/tiktok/v1/connection_service_pb.js';
import type { Post } from '../gen/glowtify/tiktok/v1/post_pb.js';
import { PostService, type PublishPostRequestSchema } from '../gen/glowtify/tiktok/v1/post_service_pb.js';
import type { Video } from '../gen/glowtify/tiktok/v1/video_pb.js';
import { VideoService } from '../gen/glowtify/tiktok/v1/video_service_pb.js';
import { publishAndWatch } from './publish-and-watch.ts';
import { ordinarySurroundings, type RetrySurroundings, repeating } from './retry.ts';
import { readServiceConfig } from './service-config.ts';
import { type ConnectorAddress, connectorTransport } from './transport.ts';
import { type UploadOptions, uploadVideo } from './upload-video.ts';
import { type WatchFilter, type WatchOptions, type WatchStep, watchPosts } from './watch-posts.ts';

export { requestId } from './request-id.ts';

export type ConnectorOptions = ConnectorAddress & {
  /** Around each attempt of each call, repeats included: for traces and counts. */
  readonly interceptors?: readonly Interceptor[];
  /** Chance and time, for tests. */
  readonly surroundings?: RetrySurroundings;
};

/**
 * The service. Calls have the deadlines of `service-config.json` unless they bring `timeoutMs`, are repeated as it says, and fail with a
 * `ConnectorError`.
 */
export type ConnectorClient = {
  readonly connections: Client<typeof ConnectionService>;
  readonly videos: Client<typeof VideoService>;
  readonly posts: Client<typeof PostService>;
  readonly analytics: Client<typeof AnalyticsService>;
  /** See `upload-video.ts`. */
  uploadVideo(source: string | AsyncIterable<Uint8Array>, options: UploadOptions): Promise<Video>;
  /** See `watch-posts.ts`. */
  watchPosts(filter: WatchFilter, options?: WatchOptions): AsyncGenerator<WatchStep, void, undefined>;
  /** See `publish-and-watch.ts`. */
  publishAndWatch(
    request: MessageInitShape<typeof PublishPostRequestSchema>,
    options?: WatchOptions,
  ): AsyncGenerator<Post, void, undefined>;
  /** Ends the connection and, with CANCELED, every call and watch that is open. Later calls are refused likewise. */
  close(): void;
};

/** Connects with the first call. One client is enough for a process; it is safe to use from everywhere at once. */
export function connectorClient({
  interceptors = [],
  surroundings = ordinarySurroundings,
  ...address
}: ConnectorOptions): ConnectorClient {
  const config = readServiceConfig();
  const { transport, close } = connectorTransport(address, config, [
    // The first one is the outermost: a repeat goes through all others again.
    repeating(config, surroundings),
    ...interceptors,
  ]);
  const videos = createClient(VideoService, transport);
  const posts = createClient(PostService, transport);
  return {
    connections: createClient(ConnectionService, transport),
    videos,
    posts,
    analytics: createClient(AnalyticsService, transport),
    uploadVideo: (source, options) => uploadVideo(videos, source, options),
    watchPosts: (filter, options) => watchPosts(posts, surroundings, filter, options),
    publishAndWatch: (request, options) => publishAndWatch(posts, surroundings, request, options),
    close,
  };
}
