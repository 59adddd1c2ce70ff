import { Code, ConnectError, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import type {
  AccountMetrics,
  PostMetricSnapshot,
  PostMetrics,
} from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_pb.js';
import { AnalyticsService } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_service_pb.js';
import type { Connection } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/connection_pb.js';
import { ConnectionService } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/connection_service_pb.js';
import type { Subject } from './options.ts';
import { ReportError } from './report-error.ts';

/** Days of an account that a report shows, today included: as many as TikTok itself keeps. */
export const DAYS = 60;
/** Videos of an account that a report shows. */
export const VIDEOS = 50;

const PATIENCE_MS = 30_000;

/** What the service knows of one post. */
export type PostReport = {
  readonly about: 'POST';
  readonly makeTime: Date;
  readonly metrics: PostMetrics;
  /** Oldest first, as dense as they are stored. */
  readonly snapshots: readonly PostMetricSnapshot[];
  readonly connection: Connection;
};

/** What the service knows of one account. */
export type AccountReport = {
  readonly about: 'ACCOUNT';
  readonly makeTime: Date;
  readonly metrics: AccountMetrics;
  /** Newest first, without curves and breakdowns; at most VIDEOS. */
  readonly videos: readonly PostMetrics[];
  readonly connection: Connection;
};

export type Report = PostReport | AccountReport;

/** The service, by a transport that is there already or by the address of its gRPC port: `host:port`, or `https://host:port`. */
export type Service = { readonly transport: Transport } | { readonly address: string; readonly key?: string };

/** Asks the service. ReportError: it can't be reached, refuses, or does not know the subject. */
export async function collect(service: Service, subject: Subject, makeTime: Date): Promise<Report> {
  if ('transport' in service) return ask(service.transport, subject, makeTime).catch(explain('the service', subject));
  const { address, key } = service;
  const baseUrl = address.includes('://') ? address : `http://${address}`;
  const interceptors = key === undefined ? [] : [bearer(key)];
  // Its idle connection keeps no process alive.
  const transport = createGrpcTransport({ baseUrl, interceptors, defaultTimeoutMs: PATIENCE_MS });
  return ask(transport, subject, makeTime).catch(explain(`the service at ${address}`, subject));
}

const bearer =
  (key: string): Interceptor =>
  (next) =>
  (request) => {
    request.header.set('authorization', `Bearer ${key}`);
    return next(request);
  };

async function ask(transport: Transport, subject: Subject, makeTime: Date): Promise<Report> {
  const analytics = createClient(AnalyticsService, transport);
  const connections = createClient(ConnectionService, transport);
  const connectionOf = async (connectionId: string) =>
    there((await connections.getConnection({ connectionId })).connection);

  if ('post' in subject) {
    const postId = subject.post;
    const metrics = there((await analytics.getPostMetrics({ postId })).metrics);
    const snapshots: PostMetricSnapshot[] = [];
    for (let pageToken: string | undefined = ''; pageToken !== undefined; ) {
      const page = await analytics.listPostMetricSnapshots({ postId, pageSize: 500, pageToken });
      snapshots.push(...page.snapshots);
      pageToken = page.nextPageToken === '' ? undefined : page.nextPageToken;
    }
    return { about: 'POST', makeTime, metrics, snapshots, connection: await connectionOf(metrics.connectionId) };
  }

  const connectionId = subject.connection;
  const connection = await connectionOf(connectionId);
  const { workspaceId } = connection;
  const endDate = dateOf(makeTime);
  const startDate = dateOf(new Date(makeTime.getTime() - (DAYS - 1) * 86_400_000));
  const metrics = there((await analytics.getAccountMetrics({ connectionId, startDate, endDate })).metrics);
  const request = { workspaceId, connectionIds: [connectionId], pageSize: VIDEOS };
  const { postMetrics } = await analytics.listPostMetrics(request);
  return { about: 'ACCOUNT', makeTime, metrics, videos: postMetrics, connection };
}

/** Its day in UTC. */
const dateOf = (time: Date): string => time.toISOString().slice(0, 10);

function there<T>(answer: T | undefined): T {
  if (answer === undefined) throw new Error('the service answered without what was asked for');
  return answer;
}

const explain = (who: string, subject: Subject) => (error: unknown) => {
  if (!(error instanceof ConnectError)) throw error;
  throw new ReportError(explanation(who, subject, error), { cause: error });
};

function explanation(who: string, subject: Subject, { code, cause, rawMessage }: ConnectError): string {
  const flag = 'post' in subject ? `--post: seen "${subject.post}"` : `--connection: seen "${subject.connection}"`;
  const said = rawMessage.replaceAll(/\s+/g, ' ').trim();
  const unreachable = `${sentenceStart(who)} can not be reached (${said}): start it with npm start, or say with --server HOST:PORT where its gRPC port is.`;
  // Only what failed on this side has a cause: a refusal of the service comes without.
  if (cause !== undefined) return unreachable;
  switch (code) {
    case Code.Canceled:
    case Code.Aborted:
      return unreachable;
    case Code.NotFound:
      return `${flag}; ${who} knows no such id, or the key is of another workspace. Take an id that it listed.`;
    case Code.Unauthenticated:
      return `--key: ${who} does not accept this caller (${said}). Give the key of a caller with the role read.`;
    case Code.PermissionDenied:
      return `--key: this caller may not read here (${said}). Give the key of a caller with the role read.`;
    case Code.Unimplemented:
      return `--server: ${who} has no AnalyticsService. Start a newer version of it.`;
    case Code.DeadlineExceeded:
      return `${sentenceStart(who)} did not answer within ${PATIENCE_MS / 1000} seconds. Look at its log, and try again.`;
    case Code.Unavailable:
      return `${sentenceStart(who)} can not answer now (${said}). Try again later.`;
    default:
      return `${sentenceStart(who)} did not answer as it should (${Code[code]}: ${said}). Look at its log.`;
  }
}

const sentenceStart = (who: string): string => `T${who.slice(1)}`;
