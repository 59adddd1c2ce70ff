import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { beforeAll, expect, it } from 'vitest';
import { fixtureVideo } from '../support/fixture-videos.ts';
import { errorDetails, type GrpcClients, grpcClients } from '../support/grpc-client.ts';
import { listeningPorts } from '../support/listening-ports.ts';
import { call, ERROR, envelope, FLAG, FRAME, frame, goawayCode, isGoaway, rawHttp2 } from '../support/raw-http2.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import { aPost, connectAccount, timestamp, upload, WORKSPACE } from '../support/story.ts';

const surroundings = realService();

let world: Surroundings;
const rpcOf = ({ environment }: ServiceProcess): string => `127.0.0.1:${environment['RPC_PORT']}`;

beforeAll(async () => {
  world = await surroundings();
});

it('RPC-08 stops under load without a failure that a client which repeats on UNAVAILABLE could see', {
  timeout: 180_000,
}, async () => {
  const services = [await world.start(), await world.start()] as const;
  const [leaving, staying] = services;
  const connection = await connectAccount({ clients: staying.clients, sandbox: world.sandbox });
  const video = await upload(staying.clients);
  const tomorrow = timestamp(new Date(Date.now() + 86_400_000));

  /** Another process on each call; after UNAVAILABLE the next one, with the same request. AIP-194 allows no more. */
  let turn = 0;
  let repeated = 0;
  const ways = services.map((each) => grpcClients(rpcOf(each)));
  async function asClientsDo<T>(ask: (clients: GrpcClients) => Promise<T>): Promise<T> {
    turn += 1;
    for (let left = 3, way = turn; ; left -= 1, way += 1) {
      const clients = ways[way % 2] as GrpcClients;
      try {
        return await ask(clients);
      } catch (error) {
        if (left === 0 || errorDetails(error).code !== status.UNAVAILABLE) throw error;
        repeated += 1;
      }
    }
  }

  const failures: unknown[] = [];
  let succeeded = 0;
  let published = 0;
  let going = true;
  let enough = Promise.withResolvers<void>();
  let wanted = 100;
  const load = async (): Promise<void> => {
    while (going) {
      const request = { ...aPost(connection, video), schedule_time: tomorrow };
      try {
        await asClientsDo((clients) => clients.posts.PublishPost(request));
        published += 1;
        await asClientsDo((clients) => clients.posts.ListPosts({ workspace_id: WORKSPACE, page_size: 20 }));
        await asClientsDo((clients) => clients.connections.GetConnection({ connection_id: connection.connection_id }));
        succeeded += 1;
        if (succeeded === wanted) enough.resolve();
      } catch (error) {
        failures.push(error);
        enough.resolve();
      }
    }
  };
  const clients = Array.from({ length: 16 }, load);
  await enough.promise;

  // One upload is under way, and a connection that only listens.
  const file = await fixtureVideo('vertical.mp4');
  const uploading = leaving.clients.openUpload();
  await uploading.send({ metadata: { workspace_id: WORKSPACE } });
  await uploading.send({ chunk: file.subarray(0, 30_000) });
  const raw = await rawHttp2(rpcOf(leaving));
  raw.send(
    frame(FRAME.HEADERS, FLAG.END_HEADERS, 1, call('/glowtify.tiktok.v1.PostService/WatchPosts')),
    frame(FRAME.DATA, FLAG.END_STREAM, 1, envelope(Buffer.from([10, 4, ...Buffer.from(WORKSPACE)]))),
  );
  await raw.seen(({ type, streamId }) => type === FRAME.HEADERS && streamId === 1);
  expect((await fetch(`${leaving.httpUrl}/readyz`, { headers: { connection: 'close' } })).status).toBe(200);

  wanted = succeeded + 200;
  enough = Promise.withResolvers();
  const stopped = leaving.stop();
  expect(goawayCode(await raw.seen(isGoaway))).toBe(ERROR.NO_ERROR);
  await raw.closed; // its watch was ended, so that it goes on elsewhere
  // Not ready any more: whoever asks is turned away, while what was begun goes on.
  const ready = await fetch(`${leaving.httpUrl}/readyz`, { headers: { connection: 'close' } }).then(
    ({ status }) => status,
    () => 'refused',
  );
  expect(['refused', 503]).toContain(ready);
  await uploading.send({ chunk: file.subarray(30_000) });
  uploading.end();
  expect(await uploading.answer).toMatchObject({ video: { state: 'VIDEO_STATE_READY' } });

  // After 25 s it would end itself with 1.
  expect(await stopped).toBe(0);
  await enough.promise;
  going = false;
  await Promise.all(clients);
  for (const way of ways) way.close();
  console.info(`${succeeded} rounds of calls, ${repeated} of them repeated`);
  expect(failures).toEqual([]);
  const [row] = await world.sql(`select count(*)::integer as posts from post where state = 'SCHEDULED'`);
  expect(row).toEqual({ posts: published }); // repeated, and stored once
});

const onLinux = process.platform === 'linux';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

it.runIf(onLinux)(
  'RPC-10 listens where it was told to and nowhere else, also when asked for a debugger (reads /proc)',
  async () => {
    const metricsPort = await freePort();
    const service = await world.start({ environment: { METRICS_PORT: String(metricsPort) } });
    const { RPC_PORT, HTTP_PORT } = service.environment;
    const told = [RPC_PORT, HTTP_PORT, metricsPort].map(Number).sort((a, b) => a - b);
    expect(await listeningPorts(service.pid)).toEqual(told);

    process.kill(service.pid, 'SIGUSR1'); // Node's word for "open the debugger"
    await service.clients.posts.ListPosts({ workspace_id: WORKSPACE });
    expect(await listeningPorts(service.pid)).toEqual(told);

    const metrics = `http://127.0.0.1:${metricsPort}`;
    const scraped = await fetch(`${metrics}/metrics`);
    expect([scraped.status, (await scraped.text()).includes('tiktok_connector_backlog_readable 1')]).toEqual([
      200,
      true,
    ]);
    for (const path of ['/', '/healthz', '/readyz', '/oauth/tiktok/callback', '/metrics/x']) {
      expect((await fetch(`${metrics}${path}`)).status).toBe(404);
    }
    const beside = await fetch(`${service.httpUrl}/metrics`);
    expect([beside.status, (await beside.text()).includes('tiktok_connector')]).toEqual([404, false]);
    for (const path of [
      '/debug',
      '/debug/pprof',
      '/json/list',
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    ]) {
      expect((await fetch(`${service.httpUrl}${path}`)).status).toBe(404);
    }
  },
);

it('RPC-10 has no reflection', async () => {
  const service = await world.start();
  const client = new Client(rpcOf(service), credentials.createInsecure());
  for (const version of ['v1', 'v1alpha']) {
    const stream = client.makeBidiStreamRequest(
      `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
    );
    stream.write(Buffer.from([58, 0])); // list_services: ""
    const [error] = (await once(stream.resume(), 'error')) as [ServiceError];
    expect(error.code).toBe(status.UNIMPLEMENTED);
  }
  client.close();
});
