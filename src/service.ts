import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './adapters/embedded-postgres/embedded-postgres.ts';
import type { FailPoint } from './application/ports/fail-point.ts';
import type { KeyProvider } from './application/ports/key-provider.ts';
import type { Log } from './application/ports/log.ts';
import type { SealedSecrets } from './application/ports/sealed-secrets.ts';
import { NO_TRACES, type Traces } from './application/ports/traces.ts';
import { type SweptVideoStore, VideoStoreDown } from './application/ports/video-store.ts';
import { bundledSandbox } from './bundled-sandbox.ts';
import { type Config, inTheClear } from './config.ts';
import { connector, DRAIN_SECONDS, type Ground, tokens } from './container.ts';
import { configuredKeys, embeddedKeys, keysInTime } from './token-keys.ts';

export type Stop = () => Promise<void>;

/**
 * Starts everything in order, and gives what ends it in the reverse order. When a part does not start, those before it are ended
 * and its error is thrown on. `failPoint` is for fault tests; `keys` is for them, and for who keeps keys elsewhere than in settings.
 */
export async function startService(
  config: Config,
  failPoint: FailPoint = () => undefined,
  keys: KeyProvider = keysInTime(config.tokenKeys ? configuredKeys(config.tokenKeys) : embeddedKeys(config.dataDir)),
): Promise<Stop> {
  const stops: Stop[] = [];
  // What does not end well must not keep what comes after it from ending.
  async function stopAll(): Promise<readonly unknown[]> {
    const errors: unknown[] = [];
    for (const stop of stops.splice(0).reverse()) await stop().catch((error) => errors.push(error));
    return errors;
  }
  try {
    await startInOrder(config, failPoint, keys, stops);
  } catch (error) {
    // What could not be made can't be taken down either, for the same reason: that is told once.
    const others = (await stopAll()).filter((each) => each !== error);
    throw others.length === 0 ? error : new AggregateError([error, ...others], 'the service did not start');
  }
  return async () => {
    const errors = await stopAll();
    if (errors.length > 0) throw new AggregateError(errors, 'the service did not stop cleanly');
  };
}

async function startInOrder(config: Config, failPoint: FailPoint, keys: KeyProvider, stops: Stop[]): Promise<void> {
  await mkdir(config.dataDir, { recursive: true });
  const databaseUrl = config.databaseUrl ?? (await embeddedDatabase(config, stops)).url;
  const { tiktok, business } = config;
  const apps = tiktok || business ? { tiktok, business, sandbox: false } : await sandboxInstead(config, stops);
  const stopping = new AbortController();
  const owner = `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`;
  const ground: Ground = {
    config,
    databaseUrl,
    apps,
    tokenKeys: await keys.keyRing(),
    owner,
    failPoint,
    stopping: stopping.signal,
    traces: await tracesTo(config.tracing, owner, () => log, stops),
  };
  const container = connector(ground);
  stops.push(() => container.unbindAllAsync());

  const log = container.get(tokens.log);
  await sweepAtStart(await container.getAsync(tokens.store), log);
  await refuseForeignKeys(await container.getAsync(tokens.sealedSecrets));
  const doorbell = await container.getAsync(tokens.doorbell);
  const pending = await container.getAsync(tokens.pending);
  const clock = await container.getAsync(tokens.clock);
  const engine = await container.getAsync(tokens.engine);
  const webhooks = await container.getAsync(tokens.webhookHandling);
  const access = await container.getAsync(tokens.accountAccess);
  const tokenKeeping = await container.getAsync(tokens.tokenKeeping);
  const collecting = await container.getAsync(tokens.metricCollecting);
  const resealing = await container.getAsync(tokens.resealing);
  const garbage = await container.getAsync(tokens.garbageCollector);
  const health = await container.getAsync(tokens.serviceHealth);
  const rpc = await container.getAsync(tokens.rpcServer);
  const http = await container.getAsync(tokens.httpServer);
  const metricsAt = await container.getAsync(tokens.metricsServer);

  await doorbell.every('forget authorizations that nobody came back for', 600, () => pending.dropExpired(clock.now()));
  await doorbell.every('handle webhooks that wait', 30, () => webhooks.sweep());
  await doorbell.every('forget webhooks that were handled', 3600, () => webhooks.forgetOld());
  await doorbell.start();
  stops.push(() => doorbell.stop());
  stops.push(() => access.settled());
  stops.push(() => webhooks.settled());
  const rpcAddress = await listen(rpc, 'RPC', config.rpc);
  stops.push(() => rpc.close());
  const httpAddress = await listen(http, 'HTTP', config.http);
  stops.push(() => http.close());
  if (config.metrics === 'NOWHERE') {
    log.warn({}, 'metrics are not told: others can reach the HTTP port, and METRICS_PORT is not set');
  } else if (config.metrics !== 'HTTP_PORT') {
    const metrics = metricsAt(config.metrics);
    const metricsAddress = await listen(metrics, 'METRICS', config.metrics);
    stops.push(() => metrics.close());
    log.info({ metrics: metricsAddress }, 'metrics have a port of their own');
  }
  health.start();
  garbage.start();
  engine.start();
  tokenKeeping.start();
  collecting.start();
  if (ground.tokenKeys.length > 1) resealing.start();
  // All at once, so that the slowest of them is all that stopping takes.
  stops.push(async () => {
    stopping.abort(new Error('the service is stopping'));
    // Whoever watches our health hears of it while calls are still taken.
    await setImmediate();
    const others = [health, tokenKeeping, collecting, resealing, garbage];
    const work = [engine.stop(DRAIN_SECONDS), ...others.map((each) => each.stop())];
    await Promise.all([...work, rpc.close(), http.close()]);
  });

  if (apps.sandbox) {
    log.warn({ sandbox: apps.tiktok?.openApiUrl }, 'SANDBOX: no TikTok app is set, nothing reaches TikTok');
  }
  const clear = inTheClear(config);
  if (clear.length > 0) log.warn({ settings: clear }, 'keys and tokens pass here unencrypted: put TLS before it');
  log.info({ rpc: rpcAddress, http: httpAddress, publicUrl: config.publicUrl, next: nextStep(httpAddress) }, 'ready');
}

/** A store that is away for now holds up posts and uploads, and not the start; one that refuses us will not mend by itself. */
async function sweepAtStart(store: SweptVideoStore, log: Log): Promise<void> {
  try {
    const swept = await store.sweep();
    if (swept > 0) log.info({ files: swept }, 'removed what interrupted uploads had left behind');
  } catch (error) {
    if (!(error instanceof VideoStoreDown))
      throw new Error('The video store (VIDEO_STORE) refuses us', { cause: error });
    log.error({ error }, 'the video store does not answer: posts and uploads wait for it');
  }
}

/** Without its key no stored account could be used, and nobody would know before a post is due. */
async function refuseForeignKeys(secrets: SealedSecrets): Promise<void> {
  const missing = await secrets.unopenable();
  if (missing.length === 0) return;
  const named = missing.map((id) => `"${id}"`).join(', ');
  throw new Error(
    `TOKEN_KEYS opens none of the stored tokens that the key ${named} sealed: put that key back, after the newest one (id:base64,id:base64). In the embedded mode it is the file token-keys in DATA_DIR.`,
  );
}

async function listen(
  server: { listen(): Promise<{ readonly address: string }> },
  name: 'RPC' | 'HTTP' | 'METRICS',
  { host, port }: { readonly host: string; readonly port: number },
): Promise<string> {
  try {
    return (await server.listen()).address;
  } catch (error) {
    const remedy = `${host}:${port} can't be listened on: end what uses it, or choose another ${name}_HOST or ${name}_PORT`;
    throw new Error(remedy, { cause: error });
  }
}

/** The packages for it are loaded only where somebody wants traces: they cost 25 MB and a fifth of a second. */
async function tracesTo(tracing: Config['tracing'], owner: string, log: () => Log, stops: Stop[]): Promise<Traces> {
  if (tracing === undefined) return NO_TRACES;
  const { otlpTraces } = await import('./adapters/traces/otlp-traces.ts');
  // Nothing is delivered, and so nothing is said, before the log is there.
  const traces = otlpTraces(tracing, {
    owner,
    log: { info: (...line) => log().info(...line), warn: (...line) => log().warn(...line) },
  });
  stops.push(() => traces.close());
  return traces;
}

async function embeddedDatabase(config: Config, stops: Stop[]): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres(join(config.dataDir, 'postgres'));
  stops.push(() => postgres.stop());
  return postgres;
}

async function sandboxInstead(config: Config, stops: Stop[]): Promise<Ground['apps']> {
  const { tiktok, business, close } = await bundledSandbox(config);
  stops.push(close);
  return { tiktok, business, sandbox: true };
}

/** What a person who sees this for the first time does next. */
const nextStep = (http: string): string =>
  `connect an account: curl -s http://${http}/glowtify.tiktok.v1.ConnectionService/StartConnection -H 'content-type: application/json' -d '{"workspaceId":"ws_demo"}' and open the authorizeUri it gives; README.md has the rest`;
