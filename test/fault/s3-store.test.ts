import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { SMALLEST_LARGEST_CHUNK_BYTES } from '../../src/domain/post/chunk-plan.ts';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { fixtureVideo } from '../support/fixture-videos.ts';
import { outcomesOf } from '../support/judge.ts';
import { watchMemory } from '../support/process-memory.ts';
import { BUCKET, CREDENTIALS, type S3Server, s3Server } from '../support/s3-server.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectNewAccount,
  getPost,
  hurry,
  postThatHurries,
  publish,
  publishedOnce,
  refused,
  ring,
  upload,
  uploadBytes,
  WORKSPACE,
} from '../support/story.ts';
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts';

const surroundings = realService();
const MIB = 2 ** 20;
const DAY = 24 * 3_600_000;
const POST_WAITS = 'the video store does not answer: the post waits for it';

let world: Surroundings;
let s3: S3Server;
/** The only way to S3 for the service. */
let way: TcpProxy;
let service: ServiceProcess;
let connection: Connection;

const start = (environment: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> =>
  world.start({
    stoppable: true,
    environment: {
      ...CREDENTIALS,
      VIDEO_STORE: `s3://${BUCKET}/videos?endpoint=${way.through(s3.url)}&region=us-east-1&path_style=1`,
      TIKTOK_CHUNK_BYTES: String(SMALLEST_LARGEST_CHUNK_BYTES),
      ...environment,
    },
  });

beforeAll(async () => {
  world = await surroundings();
  s3 = await s3Server();
  way = await tcpProxy(s3.url);
  service = await start();
  connection = await connectNewAccount({ clients: service.clients, sandbox: world.sandbox });
});
beforeEach(() => way.resume());
afterAll(async () => {
  await way.close();
  await s3.close();
});

const published = (postId: string) =>
  postThatHurries({ clients: service.clients, sql: world.sql }, postId, 'PUBLISHED');
const timesLogged = (message: string): number => service.log().filter(({ msg }) => msg === message).length;

it('Videos in S3 are taken in, published and deleted there, and leave no file here', async () => {
  const small = await upload(service.clients);
  const big = await uploadBytes(service.clients, await bigMp4Stream(23_000_000));
  for (const video of [small, big]) {
    expect(s3.objects.get(`videos/${video.video_id}`)?.bytes.length).toBe(Number(video.size_bytes));
    const post = await publish(service.clients, aPost(connection, video));
    publishedOnce(world.sandbox, await published(post.post_id), video);
  }
  const unused = await upload(service.clients);
  await service.clients.videos.DeleteVideo({ video_id: unused.video_id });
  expect(s3.objects.has(`videos/${unused.video_id}`)).toBe(false);
});

describe('A process that is killed in the middle of an upload', () => {
  it('leaves no video, and the next one that starts a day later removes the rest', async () => {
    const before = [...s3.objects.keys()];
    s3.setTime(new Date(Date.now() - DAY - 60_000));
    const call = service.clients.openUpload();
    await call.send({ metadata: { workspace_id: WORKSPACE } });
    const parts = s3.asked.filter((each) => each === 'UploadPart').length;
    const sending = (async () => {
      for (let sent = 0; sent < 11; sent += 1) await call.send({ chunk: Buffer.alloc(MIB, sent) });
    })();
    await s3.askedFor('UploadPart', parts + 2);
    await service.kill();
    await Promise.allSettled([sending, call.answer]);
    s3.setTime(undefined);
    expect([...s3.objects.keys()]).toEqual(before);
    expect(s3.uploads.size).toBe(1);

    service = await start();
    await service.logged('removed what interrupted uploads had left behind', { files: 1 });
    expect(s3.uploads.size).toBe(0);
  });
});

describe('While S3 is away', () => {
  it('a post that is due waits, however often it is looked at, and goes out when S3 is back', async () => {
    const video = await upload(service.clients);
    way.cut();
    const { post_id } = await publish(service.clients, aPost(connection, video));
    for (let looks = 1; looks <= 10; looks += 1) {
      await vi.waitUntil(() => timesLogged(POST_WAITS) >= looks, { timeout: 20_000 });
      const [row] = await world.sql('select lapses, lease_owner from post where id = $1', [post_id]);
      expect(row).toMatchObject({ lapses: 0 });
      await hurry({ clients: service.clients, sql: world.sql }, post_id);
    }
    expect((await getPost(service.clients, post_id)).attempts).toEqual([]);
    way.resume();
    publishedOnce(world.sandbox, await published(post_id), video);
  });

  it('a post that is half sent waits, and goes on with the same attempt when S3 is back', async () => {
    const video = await uploadBytes(service.clients, await bigMp4Stream(SMALLEST_LARGEST_CHUNK_BYTES + 5_000_000));
    const stop = await service.stopAt('chunk-stored');
    const looks = timesLogged(POST_WAITS);
    const { post_id } = await publish(service.clients, aPost(connection, video));
    await stop.reached();
    way.cut();
    await stop.goOn();
    await vi.waitUntil(() => timesLogged(POST_WAITS) > looks, { timeout: 20_000 });
    way.resume();
    const post = await published(post_id);
    publishedOnce(world.sandbox, post, video);
    expect(outcomesOf(post)).toEqual(['PUBLISHED']);
  });

  it('an upload is answered as one to repeat, and an import waits', async () => {
    const bytes = await fixtureVideo('vertical.mp4');
    const origin = createServer((_, response) => void response.end(bytes)).listen(0, '127.0.0.1');
    await once(origin, 'listening');
    const address = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`;
    await service.stop();
    way.cut();
    service = await start({ IMPORT_ALLOWED_ORIGINS: address });
    await service.logged('the video store does not answer: posts and uploads wait for it');
    expect(await refused(upload(service.clients))).toMatchObject({ reason: 'SERVICE_UNAVAILABLE' });

    const { video } = await service.clients.videos.ImportVideo<{ video: { video_id: string; state: string } }>({
      workspace_id: WORKSPACE,
      uri: `${address}/video.mp4`,
      request_id: 'an import',
    });
    await service.logged('the video store does not answer: the import waits for it', { videoId: video.video_id });
    way.resume();
    await vi.waitUntil(
      async () => {
        await world.sql(
          `update video set next_action_at = now() where id = $1 and state = 'IMPORTING' and lease_owner is null`,
          [video.video_id],
        );
        await ring(service.clients);
        const found = await service.clients.videos.GetVideo<{ video: { state: string } }>({ video_id: video.video_id });
        return found.video.state === 'VIDEO_STATE_READY';
      },
      { timeout: 20_000, interval: 200 },
    );
    origin.close();
  });
});

it('A bucket that refuses us is told at the start, with what S3 said', async () => {
  const environment = { ...service.environment, AWS_ACCESS_KEY_ID: 'somebody' };
  await expect(world.start({ environment })).rejects.toThrow(
    /The video store \(VIDEO_STORE\) refuses us\s+because: AccessDenied/,
  );
});

it.skipIf(process.platform !== 'linux')(
  'Eight uploads of 40 MB at once take at most 256 MiB more than one of 74 kB: nobody holds them whole (reads /proc)',
  async () => {
    await upload(service.clients);
    const grown = await watchMemory(service.pid);
    await Promise.all(
      Array.from({ length: 8 }, async () => uploadBytes(service.clients, await bigMp4Stream(40_000_000))),
    );
    const growth = await grown();
    console.info(`grew by ${(growth / MIB).toFixed(1)} MiB`);
    expect(growth).toBeLessThanOrEqual(256 * MIB);
  },
);
