import { once } from 'node:events';
import { createServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import type {
  AccountMetricsSchema,
  PostMetricSnapshotSchema,
  PostMetricsSchema,
} from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_pb.js';
import {
  AnalyticsService,
  type GetAccountMetricsRequest,
  type ListPostMetricsRequest,
} from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_service_pb.js';
import type { ConnectionSchema } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/connection_pb.js';
import { ConnectionService } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/connection_service_pb.js';

/** What a message is made from, and never the message itself: it can be spread. */
type Init<Schema extends DescMessage> = Extract<MessageInitShape<Schema>, { readonly $typeName?: never }>;
export type CannedMetrics = Init<typeof PostMetricsSchema>;
export type CannedSnapshot = Init<typeof PostMetricSnapshotSchema>;
export type CannedAccount = Init<typeof AccountMetricsSchema>;
export type CannedConnection = Init<typeof ConnectionSchema>;

/** What the server knows, by id. */
export type Canned = {
  readonly posts?: Readonly<Record<string, { metrics: CannedMetrics; snapshots?: readonly CannedSnapshot[] }>>;
  readonly accounts?: Readonly<Record<string, { metrics: CannedAccount; videos?: readonly CannedMetrics[] }>>;
  readonly connections: Readonly<Record<string, CannedConnection>>;
  /** Without it nobody is checked. */
  readonly key?: string;
  /** Snapshots of one page, whatever was asked for. */
  readonly pageSize?: number;
};

export type AnalyticsServer = {
  /** `host:port`, gRPC over HTTP/2 without TLS. */
  readonly address: string;
  /** In the order they came. */
  readonly accountRequests: readonly GetAccountMetricsRequest[];
  readonly videoRequests: readonly ListPostMetricsRequest[];
  close(): Promise<void>;
};

/** Answers the RPCs that a report calls, with what it was given. */
export async function analyticsServer(canned: Canned): Promise<AnalyticsServer> {
  const accountRequests: GetAccountMetricsRequest[] = [];
  const videoRequests: ListPostMetricsRequest[] = [];
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer(connectNodeAdapter({ routes: analyticsRoutes(canned, accountRequests, videoRequests) }));
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    accountRequests,
    videoRequests,
    close: async () => {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What came is added to the two lists. */
export const analyticsRoutes =
  (
    { posts = {}, accounts = {}, connections, key, pageSize = 500 }: Canned,
    accountRequests: GetAccountMetricsRequest[] = [],
    videoRequests: ListPostMetricsRequest[] = [],
  ) =>
  (router: ConnectRouter): void => {
    const admit = ({ requestHeader }: HandlerContext): void => {
      if (key === undefined || requestHeader.get('authorization') === `Bearer ${key}`) return;
      throw new ConnectError('No such key.', Code.Unauthenticated);
    };
    const known = <T>(found: T | undefined): T => {
      if (found === undefined) throw new ConnectError('There is no such thing.', Code.NotFound);
      return found;
    };
    router.service(AnalyticsService, {
      getPostMetrics: ({ postId }, context) => {
        admit(context);
        return { metrics: known(posts[postId]).metrics };
      },
      listPostMetricSnapshots: ({ postId, pageToken }, context) => {
        admit(context);
        const { snapshots = [] } = known(posts[postId]);
        const from = Number(pageToken);
        const next = from + pageSize;
        return {
          snapshots: [...snapshots.slice(from, next)],
          nextPageToken: next < snapshots.length ? String(next) : '',
        };
      },
      getAccountMetrics: (request, context) => {
        admit(context);
        accountRequests.push(request);
        return { metrics: known(accounts[request.connectionId]).metrics };
      },
      listPostMetrics: (request, context) => {
        admit(context);
        videoRequests.push(request);
        const { videos = [] } = known(accounts[known(request.connectionIds[0])]);
        return { postMetrics: [...videos.slice(0, request.pageSize)] };
      },
    });
    router.service(ConnectionService, {
      getConnection: ({ connectionId }, context) => {
        admit(context);
        return { connection: known(connections[connectionId]) };
      },
    });
  };
