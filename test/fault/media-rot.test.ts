import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { SMALLEST_LARGEST_CHUNK_BYTES } from '../../src/domain/post/chunk-plan.ts';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectNewAccount,
  endLeases,
  type Post,
  postThat,
  publish,
  publishedOnce,
  refused,
  ring,
  upload,
  uploadBytes,
  type Video,
} from '../support/story.ts';

const surroundings = realService();
const CHUNK = String(SMALLEST_LARGEST_CHUNK_BYTES);

let world: Surroundings;
let service: ServiceProcess;
let connection: Connection;

beforeAll(async () => {
  world = await surroundings({ pullFromLoopback: true });
  service = await world.start({ stoppable: true, environment: { TIKTOK_CHUNK_BYTES: CHUNK } });
  connection = await connectNewAccount({ clients: service.clients, sandbox: world.sandbox });
});

/** One bit of what is stored is another one now. */
async function rot({ video_id }: Pick<Video, 'video_id'>, at: number): Promise<void> {
  await using file = await open(join(world.videoFolder, video_id), 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 0x10;
  await file.write(byte, 0, 1, at);
}

const VERDICT = {
  state: 'POST_STATE_FAILED',
  error: {
    code: 'VIDEO_CORRUPT',
    message: expect.stringContaining('no longer those that were uploaded'),
    remedy: expect.stringContaining('Upload the video again'),
    retryable: false,
  },
};
const LOGGED = 'the stored bytes of a video changed: it is not sent';

const tiktokHas = ({ caption }: Pick<Post, 'caption'>) => {
  const { posts, inits, uploads } = world.sandbox.control.ledger();
  const ids = inits.filter(({ title }) => title === caption).map(({ publishId }) => publishId);
  return {
    posts: posts.filter(({ title }) => title === caption).length,
    inits: ids.length,
    bytes: uploads.filter(({ publishId }) => ids.includes(publishId)).map(({ receivedBytes }) => receivedBytes),
  };
};

const rottenVideos = async ({ httpUrl }: ServiceProcess): Promise<string | undefined> =>
  /rotten_videos_total (\d+)/.exec(await (await fetch(`${httpUrl}/metrics`)).text())?.[1];

describe('A video whose stored bytes changed', () => {
  it('is not announced to TikTok when it goes out in one piece, and its post says why (MED-04)', async () => {
    const video = await upload(service.clients);
    await rot(video, 50_000);
    const post = await publish(service.clients, aPost(connection, video));
    expect(await postThat(service.clients, post.post_id, 'FAILED')).toMatchObject(VERDICT);
    expect(tiktokHas(post)).toEqual({ posts: 0, inits: 0, bytes: [] });
    await service.logged(LOGGED, { videoId: video.video_id });
    expect(await rottenVideos(service)).toBe('1');
    const again = await refused(
      service.clients.posts.RetryPost({ post_id: post.post_id, request_id: 'again', accept_duplicate_risk: false }),
    );
    expect(again.reason).toBe('POST_NOT_RETRYABLE');
  });

  it.each([
    ['in what was sent already', 1_000_000],
    ['in what is still to be sent', SMALLEST_LARGEST_CHUNK_BYTES + 100],
  ])('%s never gets its last byte to TikTok, whoever goes on with it (MED-04)', async (_, at) => {
    const size = SMALLEST_LARGEST_CHUNK_BYTES + 5_000_000;
    const video = await uploadBytes(service.clients, await bigMp4Stream(size));
    const stop = await service.stopAt('chunk-stored');
    const post = await publish(service.clients, aPost(connection, video));
    await stop.reached();
    await rot(video, at);
    await service.kill();
    await endLeases(world);
    service = await world.start({ stoppable: true, environment: { TIKTOK_CHUNK_BYTES: CHUNK } });
    expect(await postThat(service.clients, post.post_id, 'FAILED')).toMatchObject(VERDICT);
    const { posts, inits, bytes } = tiktokHas(post);
    expect([posts, inits]).toEqual([0, 1]);
    for (const received of bytes) expect(received).toBeLessThan(size);
  });

  it('is not announced for TikTok to fetch (MED-04)', async () => {
    const pulling = await world.start({ environment: { TIKTOK_TRANSFER: 'pull' } });
    await service.kill();
    service = pulling;
    world.sandbox.control.changeApp({ verifiedUrlProperties: [`${pulling.httpUrl}/media/`] });
    const video = await upload(pulling.clients);
    await rot(video, 70_000);
    const post = await publish(pulling.clients, aPost(connection, video));
    expect(await postThat(pulling.clients, post.post_id, 'FAILED')).toMatchObject(VERDICT);
    expect(tiktokHas(post)).toEqual({ posts: 0, inits: 0, bytes: [] });

    const sound = await upload(pulling.clients);
    const good = await publish(pulling.clients, aPost(connection, sound));
    await ring(pulling.clients);
    publishedOnce(world.sandbox, await postThat(pulling.clients, good.post_id, 'PUBLISHED'), sound);
  });
});
