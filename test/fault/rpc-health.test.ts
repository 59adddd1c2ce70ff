import { status } from '@grpc/grpc-js';
import { beforeAll, expect, it } from 'vitest';
import { errorDetails, streamed } from '../support/grpc-client.ts';
import { call, envelope, FLAG, FRAME, frame, isGoaway, rawHttp2 } from '../support/raw-http2.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import { healthClient, reflectionCall } from '../support/standard-clients.ts';

const surroundings = realService();

let world: Surroundings;
const rpcOf = ({ environment }: ServiceProcess): string => `127.0.0.1:${environment['RPC_PORT']}`;

beforeAll(async () => {
  world = await surroundings();
});

it('tells that the engine is stuck, and /readyz with it, until it looks again', { timeout: 60_000 }, async () => {
  const service = await world.start();
  const client = healthClient(rpcOf(service));
  const ready = async () => (await fetch(`${service.httpUrl}/readyz`)).status;
  const watch = await client.watch('');
  // It may have asked before the first look was done.
  const first = await watch.next();
  if (first['status'] !== 'SERVING') expect(await watch.next()).toEqual({ status: 'SERVING' });
  expect(await ready()).toBe(200);

  await world.sql('begin');
  await world.sql('lock table post in access exclusive mode');
  const locked = performance.now();
  expect(await watch.next()).toEqual({ status: 'NOT_SERVING' });
  console.info(`told ${Math.round(performance.now() - locked)} ms after the table was locked`);
  expect(await ready()).toBe(503);
  expect([await client.check('engine'), await client.check('tiktok')]).toEqual(['NOT_SERVING', 'SERVING']);
  await world.sql('rollback');
  expect(await watch.next()).toEqual({ status: 'SERVING' });
  expect(await ready()).toBe(200);
  client.close();
});

it('on SIGTERM says NOT_SERVING to who watches, before it takes no more calls', async () => {
  const service = await world.start();
  const client = healthClient(rpcOf(service));
  const watch = await client.watch('engine');
  const first = await watch.next();
  if (first['status'] !== 'SERVING') expect(await watch.next()).toEqual({ status: 'SERVING' });
  const raw = await rawHttp2(rpcOf(service));
  raw.send(
    frame(FRAME.HEADERS, FLAG.END_HEADERS, 1, call('/grpc.health.v1.Health/Watch')),
    frame(FRAME.DATA, FLAG.END_STREAM, 1, envelope(Buffer.alloc(0))),
  );
  const isMessage = (wanted: number) => (each: ReturnType<typeof raw.frames>[number]) =>
    each.type === FRAME.DATA && each.streamId === 1 && each.payload.includes(Buffer.from([8, wanted]));
  await raw.seen(isMessage(1));

  const stopped = service.stop();
  await raw.seen(isGoaway);
  await raw.closed;
  const frames = raw.frames();
  const notServing = frames.findIndex(isMessage(2));
  expect(notServing).toBeGreaterThan(-1);
  expect(notServing).toBeLessThan(frames.findIndex(isGoaway));

  expect(await watch.next()).toEqual({ status: 'NOT_SERVING' });
  expect(errorDetails(await watch.next().catch((error: unknown) => error))).toMatchObject({
    code: status.UNAVAILABLE,
    reason: 'SERVICE_STOPPING',
  });
  expect(await stopped).toBe(0);
  client.close();
});

it('RPC-10 has reflection when it is asked for', async () => {
  const service = await world.start({ environment: { RPC_REFLECTION: '1' } });
  const { call: asking, close } = reflectionCall(rpcOf(service));
  const answers = streamed(asking);
  asking.write({ file_containing_symbol: 'glowtify.tiktok.v1.PostService' });
  expect(await (await answers).next()).toMatchObject({ message_response: 'file_descriptor_response' });
  close();
});
