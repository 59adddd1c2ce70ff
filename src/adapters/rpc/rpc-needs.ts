import type { CancelPost } from '../../application/cancel-post.ts';
import type { CompleteConnection } from '../../application/complete-connection.ts';
import type { DeleteVideo } from '../../application/delete-video.ts';
import type { DisconnectConnection } from '../../application/disconnect-connection.ts';
import type { GetAccountMetrics } from '../../application/get-account-metrics.ts';
import type { GetConnection } from '../../application/get-connection.ts';
import type { GetPost } from '../../application/get-post.ts';
import type { GetPostMetrics } from '../../application/get-post-metrics.ts';
import type { GetPublishingCapabilities } from '../../application/get-publishing-capabilities.ts';
import type { GetVideo } from '../../application/get-video.ts';
import type { ImportVideo } from '../../application/import-video.ts';
import type { ListConnections } from '../../application/list-connections.ts';
import type { ListPostMetricSnapshots } from '../../application/list-post-metric-snapshots.ts';
import type { ListPostMetrics } from '../../application/list-post-metrics.ts';
import type { ListPosts } from '../../application/list-posts.ts';
import type { ListVideos } from '../../application/list-videos.ts';
import type { Traces } from '../../application/ports/traces.ts';
import type { PublishPost } from '../../application/publish-post.ts';
import type { ReconcilePost } from '../../application/reconcile-post.ts';
import type { RefreshConnection } from '../../application/refresh-connection.ts';
import type { RetryPost } from '../../application/retry-post.ts';
import type { ServiceHealth } from '../../application/service-health.ts';
import type { StartConnection } from '../../application/start-connection.ts';
import type { UpdatePost } from '../../application/update-post.ts';
import type { UploadVideo } from '../../application/upload-video.ts';
import type { WatchConnections } from '../../application/watch-connections.ts';
import type { WatchPosts } from '../../application/watch-posts.ts';
import type { Connection } from '../../domain/connection/connection.ts';
import type { ConnectionId } from '../../domain/ids.ts';
import type { AdmissionNeeds } from './admission.ts';
import type { ConnectionSurroundings } from './connection-messages.ts';

export type UseCases = {
  readonly startConnection: StartConnection;
  readonly completeConnection: CompleteConnection;
  readonly getConnection: GetConnection;
  readonly listConnections: ListConnections;
  readonly refreshConnection: RefreshConnection;
  readonly disconnectConnection: DisconnectConnection;
  readonly getPublishingCapabilities: GetPublishingCapabilities;
  readonly uploadVideo: UploadVideo;
  readonly importVideo: ImportVideo;
  readonly getVideo: GetVideo;
  readonly listVideos: ListVideos;
  readonly deleteVideo: DeleteVideo;
  readonly publishPost: PublishPost;
  readonly getPost: GetPost;
  readonly listPosts: ListPosts;
  readonly updatePost: UpdatePost;
  readonly cancelPost: CancelPost;
  readonly retryPost: RetryPost;
  readonly reconcilePost: ReconcilePost;
  readonly watchPosts: WatchPosts;
  readonly watchConnections: WatchConnections;
  readonly getPostMetrics: GetPostMetrics;
  readonly listPostMetrics: ListPostMetrics;
  readonly listPostMetricSnapshots: ListPostMetricSnapshots;
  readonly getAccountMetrics: GetAccountMetrics;
};

export type RpcNeeds = ConnectionSurroundings &
  AdmissionNeeds & {
    readonly useCases: UseCases;
    /** A connection of any workspace: posts speak of their account's handle and family. */
    readonly findConnection: (id: ConnectionId) => Promise<Connection | undefined>;
    /** Where a post can be seen. */
    readonly shareUri: (username: string, tiktokPostId: string) => string;
    /** True for failures that pass by themselves, such as a database that is down. */
    readonly isUnavailable: (error: unknown) => boolean;
    readonly health: ServiceHealth;
    readonly traces: Traces;
    /** Whether the contract can be asked for over gRPC itself. */
    readonly reflection: boolean;
    /** Aborts when the service begins to stop: open streams then end, so that watchers go on elsewhere. */
    readonly stopping: AbortSignal;
  };
