import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './adapters/embedded-postgres/embedded-postgres.ts';
import type { FailPoint } from './application/ports/fail-point.ts';
import { bundledSandbox } from './bundled-sandbox.ts';
import type { Config } from './config.ts';
import { connector, DRAIN_SECONDS, type Ground, tokens } from './container.ts';
import { embeddedTokenKeys } from './token-keys.ts';

export type Stop = () => Promise<void>;

/**
 * Starts everything in order, and gives what ends it in the reverse order. When a part does not start, those before it are ended
 * and its error is thrown on. `failPoint` is for fault tests.
 */
export async function startService(config: Config, failPoint: FailPoint = () => undefined): Promise<Stop> {
  const stops: Stop[] = [];
  // What does not end well must not keep what comes after it from ending.
  const stopAll: Stop = async () => {
    const errors: unknown[] = [];
    for (const stop of stops.splice(0).reverse()) await stop().catch((error) => errors.push(error));
    if (errors.length > 0) throw new AggregateError(errors, 'the service did not stop cleanly');
  };
  try {
    await startInOrder(config, failPoint, stops);
    return stopAll;
  } catch (error) {
    await stopAll();
    throw error;
  }
}

async function startInOrder(config: Config, failPoint: FailPoint, stops: Stop[]): Promise<void> {
  await mkdir(config.dataDir, { recursive: true });
  const databaseUrl = config.databaseUrl ?? (await embeddedDatabase(config, stops)).url;
  const tiktok = config.tiktok ? { ...config.tiktok, sandbox: false } : await sandboxInstead(config, stops);
  const stopping = new AbortController();
  const ground: Ground = {
    config,
    databaseUrl,
    tiktok,
    tokenKeys: config.tokenKeys ?? (await embeddedTokenKeys(config.dataDir)),
    owner: `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`,
    failPoint,
    stopping: stopping.signal,
  };
  const container = connector(ground);
  stops.push(() => container.unbindAllAsync());

  const log = container.get(tokens.log);
  const swept = await container.get(tokens.store).sweep();
  if (swept > 0) log.info({ files: swept }, 'removed what interrupted uploads had left behind');
  const doorbell = await container.getAsync(tokens.doorbell);
  const pending = await container.getAsync(tokens.pending);
  const clock = await container.getAsync(tokens.clock);
  const engine = await container.getAsync(tokens.engine);
  const webhooks = await container.getAsync(tokens.webhookHandling);
  const access = await container.getAsync(tokens.accountAccess);
  const garbage = await container.getAsync(tokens.garbageCollector);
  const rpc = await container.getAsync(tokens.rpcServer);
  const http = await container.getAsync(tokens.httpServer);

  await doorbell.every('forget authorizations that nobody came back for', 600, () => pending.dropExpired(clock.now()));
  await doorbell.every('handle webhooks that wait', 15, () => webhooks.sweep());
  await doorbell.every('forget webhooks that were handled', 3600, () => webhooks.forgetOld());
  await doorbell.start();
  stops.push(() => doorbell.stop());
  stops.push(() => access.settled());
  stops.push(() => webhooks.settled());
  const rpcAddress = await listen(rpc, 'RPC', config.rpc);
  stops.push(() => rpc.close());
  const httpAddress = await listen(http, 'HTTP', config.http);
  stops.push(() => http.close());
  garbage.start();
  engine.start();
  // All at once, so that the slowest of them is all that stopping takes.
  stops.push(async () => {
    stopping.abort(new Error('the service is stopping'));
    await Promise.all([engine.stop(DRAIN_SECONDS), garbage.stop(), rpc.close(), http.close()]);
  });

  if (tiktok.sandbox) {
    log.warn({ sandbox: tiktok.openApiUrl }, 'SANDBOX: no TikTok app is set, nothing reaches TikTok');
  }
  log.info({ rpc: rpcAddress, http: httpAddress, publicUrl: config.publicUrl, next: nextStep(httpAddress) }, 'ready');
}

async function listen(
  server: { listen(): Promise<{ readonly address: string }> },
  name: 'RPC' | 'HTTP',
  { host, port }: { readonly host: string; readonly port: number },
): Promise<string> {
  try {
    return (await server.listen()).address;
  } catch (error) {
    const remedy = `${host}:${port} can't be listened on: end what uses it, or choose another ${name}_HOST or ${name}_PORT`;
    throw new Error(remedy, { cause: error });
  }
}

async function embeddedDatabase(config: Config, stops: Stop[]): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres(join(config.dataDir, 'postgres'));
  stops.push(() => postgres.stop());
  return postgres;
}

async function sandboxInstead(config: Config, stops: Stop[]): Promise<Ground['tiktok']> {
  const { tiktok, close } = await bundledSandbox(config);
  stops.push(close);
  return { ...tiktok, sandbox: true };
}

/** What a person who sees this for the first time does next. */
const nextStep = (http: string): string =>
  `connect an account: curl -s http://${http}/glowtify.tiktok.v1.ConnectionService/StartConnection -H 'content-type: application/json' -d '{"workspaceId":"ws_demo"}' and open the authorizeUri it gives; README.md has the rest`;
