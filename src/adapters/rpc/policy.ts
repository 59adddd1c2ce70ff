import type { DescMethod, DescService, MessageShape } from '@bufbuild/protobuf';
import type { Role } from '../../domain/caller.ts';
import {
  AnalyticsService,
  type ListPostMetricSnapshotsRequest,
} from './gen/glowtify/tiktok/v1/analytics_service_pb.js';
import { ConnectionService } from './gen/glowtify/tiktok/v1/connection_service_pb.js';
import { PostService } from './gen/glowtify/tiktok/v1/post_service_pb.js';
import { VideoService } from './gen/glowtify/tiktok/v1/video_service_pb.js';
import { Health } from './gen/grpc/health/v1/health_pb.js';
import { ServerReflection } from './gen/grpc/reflection/v1/reflection_pb.js';

/** What the ids of a request name. */
export type Resource = 'connection' | 'video' | 'post';

/** Of the kind, and the id that the request has for it. */
type Named = { readonly resource: Resource; readonly id: string };

/** What keeps a call within the caller's workspaces. */
type Tenancy<Request> =
  /** The request names its workspace; undefined in a message of a stream that brings only bytes. */
  | { readonly by: 'WORKSPACE'; readonly workspaceOf: (request: Request) => string | undefined }
  /** The request names a resource, and may name a workspace beside it. */
  | { readonly by: 'RESOURCE'; readonly namedBy: (request: Request) => Named }
  /** The use case looks after it: what the request names is a secret that belongs to a workspace. */
  | { readonly by: 'USE_CASE' }
  /** Nothing that it asks for belongs to a workspace. */
  | { readonly by: 'NOTHING' };

export type Rule<Request = unknown> = { readonly role: Role; readonly tenancy: Tenancy<Request> };

/** For everybody who reaches the port, whoever it is: no login is looked at. */
export type OpenRule = { readonly role: 'ANYONE' };

/** A rule for every RPC: one without does not compile. */
type RulesOf<Service extends DescService> = {
  readonly [Name in keyof Service['method']]: Rule<MessageShape<Service['method'][Name]['input']>> | OpenRule;
};

const inWorkspace = (role: Role): Rule<{ readonly workspaceId: string }> => ({
  role,
  tenancy: { by: 'WORKSPACE', workspaceOf: ({ workspaceId }) => workspaceId },
});

const onResource =
  <Request extends { readonly workspaceId: string }>(resource: Resource, idOf: (request: Request) => string) =>
  (role: Role): Rule<Request> => ({
    role,
    tenancy: { by: 'RESOURCE', namedBy: (request) => ({ resource, id: idOf(request) }) },
  });

const onConnection = onResource(
  'connection',
  (request: { connectionId: string; workspaceId: string }) => request.connectionId,
);
const onVideo = onResource('video', (request: { videoId: string; workspaceId: string }) => request.videoId);
const onPost = onResource('post', (request: { postId: string; workspaceId: string }) => request.postId);

const CONNECTION_RULES: RulesOf<typeof ConnectionService> = {
  startConnection: inWorkspace('connect'),
  completeConnection: { role: 'connect', tenancy: { by: 'USE_CASE' } },
  getConnection: onConnection('read'),
  listConnections: inWorkspace('read'),
  refreshConnection: onConnection('connect'),
  disconnectConnection: onConnection('connect'),
  getPublishingCapabilities: onConnection('read'),
  watchConnections: inWorkspace('read'),
};

const VIDEO_RULES: RulesOf<typeof VideoService> = {
  uploadVideo: {
    role: 'publish',
    tenancy: {
      by: 'WORKSPACE',
      workspaceOf: ({ payload }) => (payload.case === 'metadata' ? payload.value.workspaceId : undefined),
    },
  },
  importVideo: inWorkspace('publish'),
  getVideo: onVideo('read'),
  listVideos: inWorkspace('read'),
  deleteVideo: onVideo('publish'),
};

const POST_RULES: RulesOf<typeof PostService> = {
  publishPost: inWorkspace('publish'),
  getPost: onPost('read'),
  listPosts: inWorkspace('read'),
  updatePost: {
    role: 'publish',
    tenancy: { by: 'RESOURCE', namedBy: ({ post }) => ({ resource: 'post', id: post?.postId ?? '' }) },
  },
  cancelPost: onPost('publish'),
  retryPost: onPost('publish'),
  reconcilePost: onPost('publish'),
  watchPosts: inWorkspace('read'),
};

/** A video has no id of ours: it is known by its post, or else by its account. */
const namedByVideo = ({ postId, connectionId }: ListPostMetricSnapshotsRequest): Named =>
  postId === '' ? { resource: 'connection', id: connectionId } : { resource: 'post', id: postId };

const ANALYTICS_RULES: RulesOf<typeof AnalyticsService> = {
  getPostMetrics: onPost('read'),
  listPostMetrics: inWorkspace('read'),
  listPostMetricSnapshots: { role: 'read', tenancy: { by: 'RESOURCE', namedBy: namedByVideo } },
  getAccountMetrics: onConnection('read'),
};

/** Probes and load balancers have no login, as with `/healthz`. */
const HEALTH_RULES: RulesOf<typeof Health> = {
  check: { role: 'ANYONE' },
  list: { role: 'ANYONE' },
  watch: { role: 'ANYONE' },
};

const REFLECTION_RULES: RulesOf<typeof ServerReflection> = {
  serverReflectionInfo: { role: 'read', tenancy: { by: 'NOTHING' } },
};

/** Every rule takes the request of its own method: `ruleOf` is the only way to one. */
const RULES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  [ConnectionService.typeName]: CONNECTION_RULES,
  [VideoService.typeName]: VIDEO_RULES,
  [PostService.typeName]: POST_RULES,
  [AnalyticsService.typeName]: ANALYTICS_RULES,
  [Health.typeName]: HEALTH_RULES,
  [ServerReflection.typeName]: REFLECTION_RULES,
};

/** Undefined: nobody may call it. */
export const ruleOf = (method: DescMethod): Rule | OpenRule | undefined => {
  const rules = RULES[method.parent.typeName];
  return rules !== undefined && Object.hasOwn(rules, method.localName)
    ? (rules[method.localName] as Rule | OpenRule)
    : undefined;
};
