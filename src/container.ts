import { join } from 'node:path';
import { Container, type ServiceIdentifier } from 'inversify';
import { type Logger, pino } from 'pino';
import { anyone } from './adapters/callers/anyone.ts';
import { callersFile } from './adapters/callers/callers-file.ts';
import { aesGcmCipher } from './adapters/crypto/aes-gcm-cipher.ts';
import type { HttpServer } from './adapters/http/listening.ts';
import { metricsServer } from './adapters/http/metrics-server.ts';
import { httpServer } from './adapters/http/server.ts';
import type { WebhookApp } from './adapters/http/signed-webhook.ts';
import { tiktokWebhook } from './adapters/http/tiktok-webhook.ts';
import { type PrometheusMetrics, prometheusMetrics } from './adapters/metrics/prometheus-metrics.ts';
import { type Database, openDatabase } from './adapters/persistence/database.ts';
import { databaseClock } from './adapters/persistence/database-clock.ts';
import { isDatabaseDown } from './adapters/persistence/database-down.ts';
import { postgresAccountMetrics } from './adapters/persistence/postgres-account-metrics.ts';
import { postgresBacklog } from './adapters/persistence/postgres-backlog.ts';
import { postgresConnectionEvents } from './adapters/persistence/postgres-connection-events.ts';
import { postgresConnections } from './adapters/persistence/postgres-connections.ts';
import { postgresCredentials } from './adapters/persistence/postgres-credentials.ts';
import { postgresGarbage } from './adapters/persistence/postgres-garbage.ts';
import { postgresGates } from './adapters/persistence/postgres-gates.ts';
import { postgresMediaAddresses } from './adapters/persistence/postgres-media-addresses.ts';
import { postgresMetricCollections } from './adapters/persistence/postgres-metric-collections.ts';
import { postgresPendingAuthorizations } from './adapters/persistence/postgres-pending-authorizations.ts';
import { postgresPostEvents } from './adapters/persistence/postgres-post-events.ts';
import { postgresPostQueue } from './adapters/persistence/postgres-post-queue.ts';
import { postgresPosts } from './adapters/persistence/postgres-posts.ts';
import { postgresSealedSecrets } from './adapters/persistence/postgres-sealed-secrets.ts';
import { postgresTurns } from './adapters/persistence/postgres-turns.ts';
import { postgresUpcoming } from './adapters/persistence/postgres-upcoming.ts';
import { postgresVideoMetrics } from './adapters/persistence/postgres-video-metrics.ts';
import { postgresVideos } from './adapters/persistence/postgres-videos.ts';
import { postgresWebhookInbox } from './adapters/persistence/postgres-webhook-inbox.ts';
import { rpcHandler } from './adapters/rpc/node-handler.ts';
import { connectorRoutes } from './adapters/rpc/routes.ts';
import type { UseCases } from './adapters/rpc/rpc-needs.ts';
import { type RpcServer, rpcServer } from './adapters/rpc/server.ts';
import { answerTo } from './adapters/rpc/to-connect-error.ts';
import { agendaDoorbell, type OpenAgendaStore } from './adapters/scheduler/agenda-doorbell.ts';
import { postgresAgendaStore } from './adapters/scheduler/postgres-agenda-store.ts';
import { asyncCallTrace } from './adapters/system/async-call-trace.ts';
import { canonicalDigest } from './adapters/system/canonical-digest.ts';
import { loggableError } from './adapters/system/loggable-error.ts';
import { randomIds } from './adapters/system/random-ids.ts';
import { businessTikTok } from './adapters/tiktok/business/business-tiktok.ts';
import { BUSINESS_CODES } from './adapters/tiktok/business/errors.ts';
import { FAIL_REASONS } from './adapters/tiktok/fail-reasons.ts';
import type { Call } from './adapters/tiktok/http.ts';
import { ERROR_CODES, OAUTH_ERRORS } from './adapters/tiktok/open/errors.ts';
import { openTikTok } from './adapters/tiktok/open/open-tiktok.ts';
import { guardedVideoFetcher } from './adapters/video-fetcher/guarded-video-fetcher.ts';
import { mediabunnyVideoProbe } from './adapters/video-probe/mediabunny-video-probe.ts';
import { fileMarks } from './adapters/video-store/file-marks.ts';
import { fileVideoStore } from './adapters/video-store/file-video-store.ts';
import { type AccountAccess, accountAccess } from './application/account-access.ts';
import { type AdvancePost, advancePost } from './application/advance-post.ts';
import { type AppTurns, appTurns } from './application/app-turns.ts';
import { askTikTok } from './application/ask-tiktok.ts';
import { cancelPost } from './application/cancel-post.ts';
import { checkBytes } from './application/check-bytes.ts';
import { garbageCollector } from './application/collect-garbage.ts';
import { collectMetrics, type MetricCollecting } from './application/collect-metrics.ts';
import { completeConnection } from './application/complete-connection.ts';
import { deleteVideo } from './application/delete-video.ts';
import { disconnectConnection } from './application/disconnect-connection.ts';
import { fetchVideo } from './application/fetch-video.ts';
import { getAccountMetrics } from './application/get-account-metrics.ts';
import { getConnection } from './application/get-connection.ts';
import { getPost } from './application/get-post.ts';
import { getPostMetrics } from './application/get-post-metrics.ts';
import { getPublishingCapabilities } from './application/get-publishing-capabilities.ts';
import { getVideo } from './application/get-video.ts';
import { handleWebhooks, type WebhookHandling } from './application/handle-webhooks.ts';
import { importVideo } from './application/import-video.ts';
import { keepTokensFresh, type TokenKeeping } from './application/keep-tokens-fresh.ts';
import { listConnections } from './application/list-connections.ts';
import { listPostMetricSnapshots } from './application/list-post-metric-snapshots.ts';
import { listPostMetrics } from './application/list-post-metrics.ts';
import { listPosts } from './application/list-posts.ts';
import { listVideos } from './application/list-videos.ts';
import { type PlatformHealth, platformHealth } from './application/platform-health.ts';
import type { AccountMetrics } from './application/ports/account-metrics.ts';
import type { Callers } from './application/ports/callers.ts';
import type { Cipher } from './application/ports/cipher.ts';
import type { Clock } from './application/ports/clock.ts';
import type { Connections } from './application/ports/connections.ts';
import type { Credentials } from './application/ports/credentials.ts';
import type { Doorbell } from './application/ports/doorbell.ts';
import type { FailPoint } from './application/ports/fail-point.ts';
import type { Garbage } from './application/ports/garbage.ts';
import type { Gates } from './application/ports/gates.ts';
import type { Ids } from './application/ports/ids.ts';
import type { KeyRing } from './application/ports/key-provider.ts';
import type { Log } from './application/ports/log.ts';
import type { Marks } from './application/ports/marks.ts';
import type { MediaAddresses } from './application/ports/media-addresses.ts';
import type { MetricCollections } from './application/ports/metric-collections.ts';
import type { Metrics } from './application/ports/metrics.ts';
import type { PendingAuthorizations } from './application/ports/pending-authorizations.ts';
import type { PostQueue } from './application/ports/post-queue.ts';
import type { Posts } from './application/ports/posts.ts';
import type { SealedSecrets } from './application/ports/sealed-secrets.ts';
import type { TikTok } from './application/ports/tiktok.ts';
import { NO_TRACES, type TraceParent, type Traces } from './application/ports/traces.ts';
import type { Turns } from './application/ports/turns.ts';
import type { Upcoming } from './application/ports/upcoming.ts';
import type { VideoFetcher } from './application/ports/video-fetcher.ts';
import type { VideoMetrics } from './application/ports/video-metrics.ts';
import type { VideoProbe } from './application/ports/video-probe.ts';
import { type SweptVideoStore, VideoStoreDown } from './application/ports/video-store.ts';
import type { Videos } from './application/ports/videos.ts';
import type { WebhookInbox } from './application/ports/webhook-inbox.ts';
import { type PostPolicy, publishPost } from './application/publish-post.ts';
import { reconcilePost } from './application/reconcile-post.ts';
import { refreshConnection } from './application/refresh-connection.ts';
import type { Repeated } from './application/repeat.ts';
import { resealSecrets } from './application/reseal-secrets.ts';
import { retryPost } from './application/retry-post.ts';
import { DEFAULT_CAPACITY, type Engine, engine } from './application/run-engine.ts';
import { serveMedia } from './application/serve-media.ts';
import { type ServiceHealth, serviceHealth } from './application/service-health.ts';
import { startConnection } from './application/start-connection.ts';
import { takeInVideo } from './application/take-in-video.ts';
import { takeWebhook } from './application/take-webhook.ts';
import { type TikToks, tiktokOf } from './application/tiktoks.ts';
import { updatePost } from './application/update-post.ts';
import { uploadVideo } from './application/upload-video.ts';
import { watchConnections } from './application/watch-connections.ts';
import { watchPosts } from './application/watch-posts.ts';
import type { BusinessTikTokConfig, Config, TikTokConfig, VideoStoreConfig } from './config.ts';
import type { ApiFamily } from './domain/connection/connection.ts';
import type { ConnectionId, PostId, VideoId } from './domain/ids.ts';
import { openVideoPolicy } from './domain/video/video-policy.ts';
import { readTls, watchTls } from './tls-files.ts';

/** What has to be there before anything is built: the embedded parts are started by then. */
export type Ground = {
  readonly config: Config;
  readonly databaseUrl: string;
  readonly tokenKeys: KeyRing;
  /** Our apps at TikTok, one for each family that is served. */
  readonly apps: {
    readonly tiktok: TikTokConfig | undefined;
    readonly business: BusinessTikTokConfig | undefined;
    readonly sandbox: boolean;
  };
  /** Names this process among all that share the database. */
  readonly owner: string;
  readonly failPoint: FailPoint;
  /** Aborts when the service begins to stop. */
  readonly stopping: AbortSignal;
  readonly traces: Traces;
};

/** Calls and uploads under way get this long to end; then they are cut off, and posts are taken up by the next worker. */
export const DRAIN_SECONDS = 15;

/** Typed: a wrong order or type does not compile. */
const token = <T>(name: string): ServiceIdentifier<T> => Symbol(name);

export const tokens = {
  accountAccess: token<AccountAccess>('accountAccess'),
  accountMetrics: token<AccountMetrics>('accountMetrics'),
  addresses: token<MediaAddresses>('addresses'),
  advancePost: token<AdvancePost>('advancePost'),
  appTurns: token<AppTurns>('appTurns'),
  callers: token<Callers & { close(): void }>('callers'),
  cipher: token<Cipher>('cipher'),
  clock: token<Clock & { close(): void }>('clock'),
  connectionEvents: token<ReturnType<typeof postgresConnectionEvents>>('connectionEvents'),
  connections: token<Connections>('connections'),
  credentials: token<Credentials>('credentials'),
  database: token<Database>('database'),
  doorbell: token<Doorbell>('doorbell'),
  engine: token<Engine>('engine'),
  serviceHealth: token<ServiceHealth>('serviceHealth'),
  fetcher: token<VideoFetcher & AsyncDisposable>('fetcher'),
  garbage: token<Garbage>('garbage'),
  garbageCollector: token<Repeated>('garbageCollector'),
  gates: token<Gates>('gates'),
  health: token<PlatformHealth>('health'),
  httpServer: token<HttpServer>('httpServer'),
  ids: token<Ids>('ids'),
  log: token<Logger & Log>('log'),
  marks: token<Marks>('marks'),
  metricCollecting: token<MetricCollecting>('metricCollecting'),
  metricCollections: token<MetricCollections>('metricCollections'),
  metrics: token<PrometheusMetrics>('metrics'),
  metricsServer: token<(at: { readonly host: string; readonly port: number }) => HttpServer>('metricsServer'),
  pending: token<PendingAuthorizations>('pending'),
  policy: token<PostPolicy>('policy'),
  postEvents: token<ReturnType<typeof postgresPostEvents>>('postEvents'),
  postQueue: token<PostQueue>('postQueue'),
  posts: token<Posts>('posts'),
  probe: token<VideoProbe>('probe'),
  resealing: token<Repeated>('resealing'),
  routes: token<ReturnType<typeof connectorRoutes>>('routes'),
  rpcServer: token<RpcServer>('rpcServer'),
  sealedSecrets: token<SealedSecrets>('sealedSecrets'),
  store: token<SweptVideoStore>('store'),
  tiktoks: token<TikToks & { close(): Promise<void> }>('tiktoks'),
  tokenKeeping: token<TokenKeeping>('tokenKeeping'),
  trace: token<ReturnType<typeof asyncCallTrace>>('trace'),
  turns: token<Turns>('turns'),
  upcoming: token<Upcoming>('upcoming'),
  useCases: token<UseCases>('useCases'),
  videoMetrics: token<VideoMetrics>('videoMetrics'),
  videos: token<Videos>('videos'),
  webhookHandling: token<WebhookHandling>('webhookHandling'),
  webhookInbox: token<WebhookInbox>('webhookInbox'),
} as const;

const t = tokens;

/** Builds nothing by itself: each part is made when it is first asked for, once. */
export function connector(ground: Ground): Container {
  const { config } = ground;
  const container = new Container({ defaultScope: 'Singleton' });

  container.bind(t.log).toResolvedValue(() => {
    const { traces } = ground;
    const mixin = traces === NO_TRACES ? {} : { mixin: () => idsOf(traces.here()) };
    return pino({ level: config.logLevel, serializers: { error: loggableError }, ...mixin });
  });
  container
    .bind(t.database)
    .toResolvedValue(() =>
      openDatabase(ground.databaseUrl, { migrates: config.migrateOnStart, limits: config.databaseLimits }),
    )
    .onDeactivation((database) => database.close());
  container
    .bind(t.clock)
    .toResolvedValue((database: Database, log: Log) => databaseClock(database, log), [t.database, t.log])
    .onDeactivation((clock) => clock.close());
  container.bind(t.ids).toResolvedValue((clock: Clock) => randomIds(clock), [t.clock]);
  container.bind(t.cipher).toConstantValue(aesGcmCipher(ground.tokenKeys));
  container.bind(t.trace).toConstantValue(asyncCallTrace());
  container.bind(t.metrics).toResolvedValue(
    (database: Database, log: Log) => {
      const tiktokCodes = [ERROR_CODES, FAIL_REASONS, OAUTH_ERRORS, BUSINESS_CODES].flatMap((codes) => [
        ...codes.keys(),
      ]);
      return prometheusMetrics({ backlog: postgresBacklog(database), tiktokCodes: ['ok', ...tiktokCodes], log });
    },
    [t.database, t.log],
  );
  container.bind(t.policy).toConstantValue({
    requireConsent: config.requireConsent,
    video: openVideoPolicy,
    latePolicy: config.latePolicy,
    largestChunkBytes: config.largestChunkBytes,
    transfer: config.transfer,
  });

  bindPersistence(container);
  bindNeighbours(container, ground);
  bindApplication(container, ground);
  bindServers(container, ground);
  return container;
}

/** As OpenTelemetry names them in log lines. */
function idsOf(traceparent: TraceParent | undefined): object {
  if (traceparent === undefined) return {};
  const [, trace_id, span_id] = traceparent.split('-');
  return { trace_id, span_id };
}

function bindPersistence(container: Container): void {
  container
    .bind(t.connectionEvents)
    .toResolvedValue((database: Database) => postgresConnectionEvents(database), [t.database]);
  container
    .bind(t.connections)
    .toResolvedValue(
      (database: Database, events: ReturnType<typeof postgresConnectionEvents>) =>
        postgresConnections(database, events.announce),
      [t.database, t.connectionEvents],
    );
  container
    .bind(t.credentials)
    .toResolvedValue(
      (database: Database, cipher: Cipher) => postgresCredentials(database, cipher),
      [t.database, t.cipher],
    );
  container
    .bind(t.sealedSecrets)
    .toResolvedValue(
      (database: Database, cipher: Cipher) => postgresSealedSecrets(database, cipher),
      [t.database, t.cipher],
    );
  container
    .bind(t.pending)
    .toResolvedValue((database: Database) => postgresPendingAuthorizations(database), [t.database]);
  container.bind(t.addresses).toResolvedValue((database: Database) => postgresMediaAddresses(database), [t.database]);
  container.bind(t.garbage).toResolvedValue((database: Database) => postgresGarbage(database), [t.database]);
  container.bind(t.gates).toResolvedValue((database: Database) => postgresGates(database), [t.database]);
  container.bind(t.turns).toResolvedValue((database: Database) => postgresTurns(database), [t.database]);
  container.bind(t.upcoming).toResolvedValue((database: Database) => postgresUpcoming(database), [t.database]);
  container.bind(t.videos).toResolvedValue((database: Database) => postgresVideos(database), [t.database]);
  container.bind(t.videoMetrics).toResolvedValue((database: Database) => postgresVideoMetrics(database), [t.database]);
  container
    .bind(t.accountMetrics)
    .toResolvedValue((database: Database) => postgresAccountMetrics(database), [t.database]);
  container
    .bind(t.metricCollections)
    .toResolvedValue((database: Database) => postgresMetricCollections(database), [t.database]);
  container.bind(t.webhookInbox).toResolvedValue((database: Database) => postgresWebhookInbox(database), [t.database]);
  container
    .bind(t.postEvents)
    .toResolvedValue(
      (database: Database, cipher: Cipher) => postgresPostEvents(database, cipher),
      [t.database, t.cipher],
    );
  container
    .bind(t.posts)
    .toResolvedValue(
      (database: Database, cipher: Cipher, events: ReturnType<typeof postgresPostEvents>) =>
        postgresPosts(database, cipher, events.announce),
      [t.database, t.cipher, t.postEvents],
    );
  container
    .bind(t.postQueue)
    .toResolvedValue(
      (database: Database, cipher: Cipher, events: ReturnType<typeof postgresPostEvents>, log: Log) =>
        postgresPostQueue(database, cipher, events.announce, log),
      [t.database, t.cipher, t.postEvents, t.log],
    );
}

function bindNeighbours(container: Container, { config, databaseUrl, apps, traces }: Ground): void {
  container
    .bind(t.store)
    .toResolvedValue(() => videoStore(config.videoStore))
    .onDeactivation((store) => store.close?.());
  container
    .bind(t.marks)
    .toResolvedValue(() => marksBeside(config.videoStore))
    .onDeactivation((marks) => marks.close?.());
  container.bind(t.probe).toResolvedValue(() => mediabunnyVideoProbe());
  container
    .bind(t.fetcher)
    .toResolvedValue(() =>
      guardedVideoFetcher({
        allowedOrigins: config.importAllowedOrigins,
        ...(config.videoUriAllow === undefined ? {} : { allowedHosts: config.videoUriAllow }),
      }),
    )
    .onDeactivation(async (fetcher) => fetcher[Symbol.asyncDispose]());
  container
    .bind(t.tiktoks)
    .toResolvedValue(
      (log: Log, metrics: Metrics, trace: ReturnType<typeof asyncCallTrace>, clock: Clock) => {
        const onCall = (call: Call): void => {
          const { method, server, ...made } = call;
          trace.record({ ...made, time: clock.now() });
          traces.called(call);
          metrics.tiktokAnswered({ ...call, seconds: call.milliseconds / 1000 });
          if (call.code !== 'ok' && call.code !== undefined) log.info(call, 'TikTok refused a call');
        };
        const { tiktok, business, sandbox } = apps;
        const callback = `${config.publicUrl}/oauth/tiktok/callback`;
        const common = { limits: config.tiktokLimits, sandbox, onCall };
        const all = [
          ...(tiktok ? [openTikTok({ ...tiktok, ...common, pkce: config.pkce, redirectUri: callback })] : []),
          // TikTok's business portal registers addresses with a slash at the end only.
          ...(business
            ? [
                businessTikTok({
                  ...business,
                  ...common,
                  clock,
                  granted: config.businessLimits,
                  redirectUri: `${callback}/`,
                }),
              ]
            : []),
        ];
        return {
          default: config.defaultFamily,
          families: new Map<ApiFamily, TikTok>(all.map((each) => [each.family, each])),
          close: async () => void (await Promise.all(all.map((each) => each.close()))),
        };
      },
      [t.log, t.metrics, t.trace, t.clock],
    )
    .onDeactivation((tiktoks) => tiktoks.close());
  container.bind(t.doorbell).toResolvedValue(
    (metrics: Metrics, log: Log) => {
      const { agendaMongodbUrl } = config;
      const openStore: OpenAgendaStore = async (lost) => {
        if (agendaMongodbUrl === undefined) return postgresAgendaStore(databaseUrl, lost);
        const { mongoAgendaStore } = await import('./adapters/scheduler/mongo-agenda-store.ts');
        return mongoAgendaStore(agendaMongodbUrl);
      };
      return agendaDoorbell({ openStore, metrics, log });
    },
    [t.metrics, t.log],
  );
}

function bindApplication(container: Container, ground: Ground): void {
  const { traces } = ground;
  const { workspaceBytes } = ground.config;
  const quota = workspaceBytes === undefined ? {} : { workspaceBytes };
  const quotaOf = (videos: Videos) => (workspaceBytes === undefined ? {} : { quota: { videos, workspaceBytes } });
  const wait = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  container
    .bind(t.health)
    .toResolvedValue(
      (gates: Gates, clock: Clock, log: Log) => platformHealth({ gates, clock, log }),
      [t.gates, t.clock, t.log],
    );
  container
    .bind(t.appTurns)
    .toResolvedValue(
      (turns: Turns, tiktoks: TikToks, clock: Clock) =>
        appTurns({ turns, tiktoks, traces, clock, wait, stopping: ground.stopping }),
      [t.turns, t.tiktoks, t.clock],
    );
  container.bind(t.accountAccess).toResolvedValue(
    (
      connections: Connections,
      credentials: Credentials,
      tiktoks: TikToks,
      turns: Turns,
      shared: AppTurns,
      gates: Gates,
      health: PlatformHealth,
      metrics: Metrics,
      clock: Clock,
      log: Log,
    ) =>
      accountAccess({
        connections,
        credentials,
        tiktoks,
        turns,
        appTurns: shared,
        gates,
        health,
        metrics,
        traces,
        clock,
        log,
        wait,
        random: Math.random,
        owner: ground.owner,
        stopping: ground.stopping,
        failPoint: ground.failPoint,
      }),
    [t.connections, t.credentials, t.tiktoks, t.turns, t.appTurns, t.gates, t.health, t.metrics, t.clock, t.log],
  );
  container.bind(t.tokenKeeping).toResolvedValue(
    (
      credentials: Credentials,
      connections: Connections,
      access: AccountAccess,
      gates: Gates,
      turns: Turns,
      tiktoks: TikToks,
      metrics: Metrics,
      clock: Clock,
      log: Log,
    ) => {
      const random = Math.random;
      return keepTokensFresh({
        credentials,
        connections,
        access,
        gates,
        turns,
        tiktoks,
        metrics,
        clock,
        log,
        wait,
        random,
      });
    },
    [t.credentials, t.connections, t.accountAccess, t.gates, t.turns, t.tiktoks, t.metrics, t.clock, t.log],
  );
  container.bind(t.metricCollecting).toResolvedValue(
    (
      collections: MetricCollections,
      connections: Connections,
      access: AccountAccess,
      gates: Gates,
      turns: Turns,
      tiktoks: TikToks,
      metrics: Metrics,
      clock: Clock,
      log: Log,
    ) =>
      collectMetrics({
        collections,
        connections,
        access,
        gates,
        turns,
        tiktoks,
        rates: ground.config.collectionRates,
        metrics,
        traces,
        clock,
        log,
        wait,
        random: Math.random,
      }),
    [t.metricCollections, t.connections, t.accountAccess, t.gates, t.turns, t.tiktoks, t.metrics, t.clock, t.log],
  );
  container.bind(t.resealing).toResolvedValue(
    (secrets: SealedSecrets, metrics: Metrics, log: Log) => {
      const [{ id: newestKey }] = ground.tokenKeys;
      return resealSecrets({ secrets, newestKey, metrics, log, failPoint: ground.failPoint });
    },
    [t.sealedSecrets, t.metrics, t.log],
  );
  container.bind(t.advancePost).toResolvedValue(
    (
      queue: PostQueue,
      posts: Posts,
      connections: Connections,
      videos: Videos,
      store: SweptVideoStore,
      addresses: MediaAddresses,
      marks: Marks,
      inbox: WebhookInbox,
      ids: Ids,
      access: AccountAccess,
      tiktoks: TikToks,
      gates: Gates,
      turns: Turns,
      health: PlatformHealth,
      trace: ReturnType<typeof asyncCallTrace>,
      metrics: Metrics,
      clock: Clock,
      policy: PostPolicy,
      log: Log,
    ) =>
      advancePost({
        queue,
        posts,
        connections,
        videos,
        store,
        addresses,
        marks,
        inbox,
        ids,
        access,
        ask: askTikTok({ posts, connections, videos, access, tiktoks, clock }),
        tiktoks,
        gates,
        turns,
        health,
        trace,
        traces,
        metrics,
        clock,
        policy,
        log,
        publicUrl: ground.config.publicUrl,
        leaseSeconds: ground.config.leaseSeconds,
        random: Math.random,
        wait,
        failPoint: ground.failPoint,
      }),
    [
      t.postQueue,
      t.posts,
      t.connections,
      t.videos,
      t.store,
      t.addresses,
      t.marks,
      t.webhookInbox,
      t.ids,
      t.accountAccess,
      t.tiktoks,
      t.gates,
      t.turns,
      t.health,
      t.trace,
      t.metrics,
      t.clock,
      t.policy,
      t.log,
    ],
  );
  container.bind(t.engine).toResolvedValue(
    (
      upcoming: Upcoming,
      queue: PostQueue,
      posts: Posts,
      videos: Videos,
      store: SweptVideoStore,
      probe: VideoProbe,
      fetcher: VideoFetcher,
      advance: AdvancePost,
      doorbell: Doorbell,
      clock: Clock,
      policy: PostPolicy,
      metrics: Metrics,
      log: Log,
    ) => {
      const takeIn = takeInVideo({ store, probe, policy: policy.video, traces, log, ...quotaOf(videos) });
      const maxBytes = policy.video.maxSizeBytes;
      const fetchOne = fetchVideo({
        videos,
        fetcher,
        takeIn,
        store,
        posts,
        doorbell,
        maxBytes,
        ...quota,
        leaseSeconds: ground.config.leaseSeconds,
        metrics,
        traces,
        log,
      });
      const { owner } = ground;
      return engine({
        upcoming,
        queue,
        videos,
        advance,
        fetchVideo: fetchOne,
        doorbell,
        clock,
        log,
        metrics,
        owner,
        capacity: DEFAULT_CAPACITY,
        leaseSeconds: ground.config.leaseSeconds,
      });
    },
    [
      t.upcoming,
      t.postQueue,
      t.posts,
      t.videos,
      t.store,
      t.probe,
      t.fetcher,
      t.advancePost,
      t.doorbell,
      t.clock,
      t.policy,
      t.metrics,
      t.log,
    ],
  );
  container.bind(t.garbageCollector).toResolvedValue(
    (
      garbage: Garbage,
      videos: Videos,
      store: SweptVideoStore,
      marks: Marks,
      clock: Clock,
      metrics: Metrics,
      log: Log,
    ) =>
      garbageCollector({
        garbage,
        videos,
        store,
        marks,
        sweep: () => store.sweep(),
        retention: ground.config.retention,
        everySeconds: ground.config.garbageSeconds,
        clock,
        metrics,
        traces,
        log,
        failPoint: ground.failPoint,
      }),
    [t.garbage, t.videos, t.store, t.marks, t.clock, t.metrics, t.log],
  );
  container.bind(t.webhookHandling).toResolvedValue(
    (
      inbox: WebhookInbox,
      posts: Posts,
      connections: Connections,
      access: AccountAccess,
      tiktoks: TikToks,
      doorbell: Doorbell,
      clock: Clock,
      log: Log,
    ) => {
      const { owner } = ground;
      const keptSeconds = ground.config.webhookDays * 86_400;
      return handleWebhooks({
        inbox,
        posts,
        connections,
        access,
        tiktoks,
        doorbell,
        traces,
        clock,
        log,
        owner,
        keptSeconds,
      });
    },
    [t.webhookInbox, t.posts, t.connections, t.accountAccess, t.tiktoks, t.doorbell, t.clock, t.log],
  );
  container.bind(t.useCases).toResolvedValue(
    (
      connections: Connections,
      credentials: Credentials,
      pending: PendingAuthorizations,
      posts: Posts,
      events: ReturnType<typeof postgresPostEvents>,
      connectionEvents: ReturnType<typeof postgresConnectionEvents>,
      videos: Videos,
      videoMetrics: VideoMetrics,
      accountMetrics: AccountMetrics,
      store: SweptVideoStore,
      marks: Marks,
      probe: VideoProbe,
      fetcher: VideoFetcher,
      access: AccountAccess,
      tiktoks: TikToks,
      shared: AppTurns,
      gates: Gates,
      doorbell: Doorbell,
      clock: Clock,
      ids: Ids,
      policy: PostPolicy,
      log: Log,
    ): UseCases => {
      const digest = canonicalDigest;
      const takeIn = takeInVideo({ store, probe, policy: policy.video, traces, log, ...quotaOf(videos) });
      const ask = askTikTok({ posts, connections, videos, access: access.forCallers, tiktoks, clock });
      return {
        startConnection: startConnection({ connections, pending, tiktoks, clock, ids }),
        completeConnection: completeConnection({
          connections,
          credentials,
          pending,
          posts,
          doorbell,
          tiktoks,
          appTurns: shared,
          clock,
          ids,
          log,
          random: Math.random,
        }),
        getConnection: getConnection({ connections }),
        listConnections: listConnections({ connections }),
        refreshConnection: refreshConnection({
          connections,
          access: access.forCallers,
          posts,
          doorbell,
          tiktoks,
          clock,
        }),
        disconnectConnection: disconnectConnection({
          connections,
          credentials,
          posts,
          tiktoks,
          appTurns: shared,
          clock,
          log,
        }),
        getPublishingCapabilities: getPublishingCapabilities({
          connections,
          access: access.forCallers,
          tiktoks,
          clock,
        }),
        uploadVideo: uploadVideo({ videos, store, takeIn, clock, ids, ...quota }),
        importVideo: importVideo({ videos, fetcher, doorbell, clock, ids, digest }),
        getVideo: getVideo({ videos }),
        listVideos: listVideos({ videos }),
        deleteVideo: deleteVideo({ videos, store }),
        publishPost: publishPost({ posts, connections, videos, fetcher, doorbell, clock, ids, digest, policy, traces }),
        getPost: getPost({ posts }),
        listPosts: listPosts({ posts }),
        updatePost: updatePost({ posts, connections, videos, doorbell, clock, policy }),
        cancelPost: cancelPost({ posts, marks, clock, log }),
        retryPost: retryPost({ posts, connections, gates, doorbell, clock, digest }),
        reconcilePost: reconcilePost({ posts, ask, clock }),
        watchPosts: watchPosts({ events }),
        watchConnections: watchConnections({ events: connectionEvents }),
        getPostMetrics: getPostMetrics({ posts, connections, videoMetrics, accountMetrics, clock }),
        listPostMetrics: listPostMetrics({ connections, videoMetrics, clock }),
        listPostMetricSnapshots: listPostMetricSnapshots({ posts, connections, videoMetrics }),
        getAccountMetrics: getAccountMetrics({ connections, accountMetrics, clock }),
      };
    },
    [
      t.connections,
      t.credentials,
      t.pending,
      t.posts,
      t.postEvents,
      t.connectionEvents,
      t.videos,
      t.videoMetrics,
      t.accountMetrics,
      t.store,
      t.marks,
      t.probe,
      t.fetcher,
      t.accountAccess,
      t.tiktoks,
      t.appTurns,
      t.gates,
      t.doorbell,
      t.clock,
      t.ids,
      t.policy,
      t.log,
    ],
  );
}

function bindServers(container: Container, { config, apps, stopping, owner, traces }: Ground): void {
  const isSandbox = (): boolean => apps.sandbox;
  container
    .bind(t.callers)
    .toResolvedValue(
      (clock: Clock, log: Log) => {
        const { callersFile: path, rpc } = config;
        if (path !== undefined)
          return callersFile({ path, clientCertificates: rpc.tls?.clientCa !== undefined, clock, log });
        log.info({}, 'callers are not checked: everybody on this machine may do everything, in every workspace');
        return { ...anyone, close: () => undefined };
      },
      [t.clock, t.log],
    )
    .onDeactivation((callers) => callers.close());
  container.bind(t.serviceHealth).toResolvedValue(
    (running: Engine, gates: Gates, clock: Clock, log: Log) => {
      const families: ApiFamily[] = [];
      if (apps.tiktok) families.push('OPEN');
      if (apps.business) families.push('BUSINESS');
      return serviceHealth({ engine: running, gates, families, stopping, clock, log });
    },
    [t.engine, t.gates, t.clock, t.log],
  );
  container.bind(t.routes).toResolvedValue(
    (
      useCases: UseCases,
      callers: Callers,
      connections: Connections,
      videos: Videos,
      posts: Posts,
      tiktoks: TikToks,
      health: ServiceHealth,
      metrics: Metrics,
      clock: Clock,
      log: Log,
    ) =>
      connectorRoutes({
        onRefused: (code) => metrics.callerRefused(code),
        useCases,
        callers,
        async workspaceOf(resource, id) {
          switch (resource) {
            case 'connection':
              return (await connections.find(id as ConnectionId))?.workspaceId;
            case 'video':
              return (await videos.find(id as VideoId))?.workspaceId;
            case 'post':
              return (await posts.find(id as PostId))?.post.workspaceId;
          }
        },
        clock,
        log,
        isSandbox,
        health,
        traces,
        reflection: config.rpc.reflection,
        stopping,
        findConnection: (id) => connections.find(id),
        // Addresses on TikTok's site are the same whichever way a post got there.
        shareUri: (username, id) => tiktokOf(tiktoks, tiktoks.default).publishing.shareUri(username, id),
        profileUri: (username) => tiktokOf(tiktoks, tiktoks.default).authorization.profileUri(username),
        isUnavailable,
      }),
    [t.useCases, t.callers, t.connections, t.videos, t.posts, t.tiktoks, t.serviceHealth, t.metrics, t.clock, t.log],
  );
  container.bind(t.rpcServer).toResolvedValue(
    async (routes: ReturnType<typeof connectorRoutes>, log: Log) => {
      const { tls: files, host, port } = config.rpc;
      const options = { host, port, routes, traces, log, drainMilliseconds: DRAIN_SECONDS * 1000 };
      if (files === undefined) return rpcServer(options);
      const tls = await readTls(files);
      const server = rpcServer({ ...options, tls });
      const end = watchTls(files, { before: tls, onChange: server.renew, log });
      return {
        ...server,
        async close() {
          end();
          await server.close();
        },
      };
    },
    [t.routes, t.log],
  );
  container
    .bind(t.metricsServer)
    .toResolvedValue(
      (metrics: PrometheusMetrics, log: Log) => (at: { readonly host: string; readonly port: number }) =>
        metricsServer({ ...at, metrics: () => metrics.expose(), log }),
      [t.metrics, t.log],
    );
  container.bind(t.httpServer).toResolvedValue(
    (
      useCases: UseCases,
      routes: ReturnType<typeof connectorRoutes>,
      health: ServiceHealth,
      metrics: PrometheusMetrics,
      addresses: MediaAddresses,
      marks: Marks,
      posts: Posts,
      videos: Videos,
      store: SweptVideoStore,
      inbox: WebhookInbox,
      handling: WebhookHandling,
      log: Log,
    ) =>
      httpServer({
        ...config.http,
        completeConnection: useCases.completeConnection,
        explainRefusal: answerTo,
        isSandbox,
        isUnavailable,
        rpc: rpcHandler({ routes, traces, log }),
        traces,
        ready: async () => health.now().service === 'SERVING',
        ...(config.metrics === 'HTTP_PORT' ? { metrics: () => metrics.expose() } : {}),
        webhook: tiktokWebhook({
          takeWebhook: takeWebhook({ inbox, handling, owner }),
          apps: webhookApps(apps),
          isUnavailable,
          metrics,
          traces,
          log,
        }),
        serveMedia: serveMedia({
          addresses,
          marks,
          posts,
          videos,
          store,
          checkBytes: checkBytes({ store, metrics, traces, log }),
        }),
        log,
        drainMilliseconds: DRAIN_SECONDS * 1000,
      }),
    [
      t.useCases,
      t.routes,
      t.serviceHealth,
      t.metrics,
      t.addresses,
      t.marks,
      t.posts,
      t.videos,
      t.store,
      t.webhookInbox,
      t.webhookHandling,
      t.log,
    ],
  );
}

/** Both families tell at one address; whose secret signed says which of them it is. */
const webhookApps = ({ tiktok, business }: Ground['apps']): readonly WebhookApp[] => [
  ...(tiktok
    ? [
        {
          apiFamily: 'OPEN' as const,
          clientKey: tiktok.clientKey,
          clientSecrets: [tiktok.clientSecret, tiktok.previousClientSecret].filter((secret) => secret !== undefined),
        },
      ]
    : []),
  ...(business
    ? [
        {
          apiFamily: 'BUSINESS' as const,
          clientKey: business.appId,
          clientSecrets: [business.secret, business.previousSecret].filter((secret) => secret !== undefined),
        },
      ]
    : []),
];

/** Amazon's library is large: only who keeps videos there loads it. */
export async function videoStore(at: VideoStoreConfig): Promise<SweptVideoStore> {
  if (at.kind === 'FILE') return fileVideoStore(at.folder);
  const { s3VideoStore } = await import('./adapters/video-store/s3-video-store.ts');
  return s3VideoStore(at);
}

/** With the videos, and so without PostgreSQL: what restores the record leaves them alone. */
async function marksBeside(at: VideoStoreConfig): Promise<Marks> {
  if (at.kind === 'FILE') return fileMarks(join(at.folder, 'marks'));
  const { s3Marks } = await import('./adapters/video-store/s3-marks.ts');
  return s3Marks(at);
}

const isUnavailable = (error: unknown): boolean => error instanceof VideoStoreDown || isDatabaseDown(error);
