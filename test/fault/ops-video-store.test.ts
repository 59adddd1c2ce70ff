import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { fixtureVideo, inChunks } from '../support/fixture-videos.ts';
import { allAnswer, answersTo, EACH_KIND, type Things, thingsToAskFor } from '../support/kinds-of-calls.ts';
import { BUCKET, CREDENTIALS, type S3Server, s3Server } from '../support/s3-server.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import { aPost, type Post, postThatHurries, publish, publishedOnce, upload, WORKSPACE } from '../support/story.ts';
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts';
import { activeResources, healthOf, noMoreResourcesThan } from '../support/what-operators-see.ts';

const surroundings = realService();
const POST_WAITS = 'the video store does not answer: the post waits for it';
const WELL = allAnswer('OK');
const SOON = { timeout: 30_000 };
const AWAY = { ...WELL, upload: 'UNAVAILABLE SERVICE_UNAVAILABLE' };

let world: Surroundings;
let s3: S3Server;
/** The only way to S3 for the service. */
let way: TcpProxy;
let service: ServiceProcess;
let things: Things;

beforeAll(async () => {
  world = await surroundings();
  s3 = await s3Server();
  way = await tcpProxy(s3.url);
  service = await world.start({
    environment: {
      ...CREDENTIALS,
      VIDEO_STORE: `s3://${BUCKET}/videos?endpoint=${way.through(s3.url)}&region=us-east-1&path_style=1`,
    },
  });
  things = await thingsToAskFor({ clients: service.clients, sandbox: world.sandbox });
});
beforeEach(() => way.resume());
afterAll(async () => {
  await way.close();
  await s3.close();
});

const answers = async () => answersTo(service, things, await things.consent());
const due = (): Promise<Post> => publish(service.clients, aPost(things.connection, things.video));

async function goesOutOnce({ post_id }: Post): Promise<void> {
  const after = await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'PUBLISHED');
  publishedOnce(world.sandbox, after, things.video);
}

/** It neither failed nor counts as one that ended its worker. */
async function waits({ post_id }: Post): Promise<void> {
  await service.logged(POST_WAITS, { postId: post_id });
  await vi.waitUntil(async () => {
    const [row] = await world.sql('select state, lapses, lease_owner from post where id = $1', [post_id]);
    return row?.['lease_owner'] === null && row['lapses'] === 0 && row['state'] !== 'FAILED';
  }, SOON);
}

describe('OPS-01 video store', { timeout: 120_000 }, () => {
  it('OPS-01 video store down: an upload is UNAVAILABLE with SERVICE_UNAVAILABLE after three tries; every other call is answered as ever', async () => {
    const stored = [...s3.objects.keys()];
    way.cut();
    expect(await answers()).toEqual(AWAY);
    const post = await due();
    await waits(post);
    expect(await healthOf(service)).toBe('SERVING,SERVING,SERVING');
    way.resume();
    expect([...s3.objects.keys()]).toEqual(stored);
    await goesOutOnce(post);
    expect(await answers()).toEqual(WELL);
  });

  it('OPS-01 video store slow: an upload lasts as long as the store, or until its deadline, and three tries of 20 s of silence are UNAVAILABLE with SERVICE_UNAVAILABLE; every other call is answered as ever', async () => {
    way.hold();
    const chunks = inChunks(await fixtureVideo('vertical.mp4'), 64 * 1024);
    // What comes of it once nobody waits is for no other test to count.
    const late = service.clients.upload({ workspace_id: 'ws_late' }, chunks, { deadlineMilliseconds: 1_000 });
    await expect(late).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    const slow = upload(service.clients);
    const others = EACH_KIND.filter((kind) => kind !== 'upload');
    const answered = await answersTo(service, things, await things.consent(), others);
    expect({ ...answered, upload: 'OK' }).toEqual(WELL);
    const post = await due();
    await vi.waitUntil(() => way.held() > 0, SOON);
    expect(await healthOf(service)).toBe('SERVING,SERVING,SERVING');

    way.resume();
    const video = await slow;
    expect(s3.objects.has(`videos/${video.video_id}`)).toBe(true);
    await goesOutOnce(post);
  });

  it('OPS-01 video store reset: an upload whose answers break off is UNAVAILABLE with SERVICE_UNAVAILABLE after three tries, and no video is made of it; every other call is answered as ever', async () => {
    const videos = async () => (await world.sql('select id from video where workspace_id = $1', [WORKSPACE])).length;
    const before = await videos();
    way.breakAnswers();
    expect(await answers()).toEqual(AWAY);
    expect(await videos()).toBe(before);
    const post = await due();
    await waits(post);
    expect(way.broken()).toBeGreaterThan(0);
    way.resume();
    await goesOutOnce(post);
    expect(await answers()).toEqual(WELL);
  });

  it('OPS-01 video store flapping: each upload is answered as the store is at that moment, OK or UNAVAILABLE; every other call is answered as ever', async () => {
    const active = await activeResources(service);
    const posts: Post[] = [];
    for (let round = 0; round < 4; round += 1) {
      if (round % 2 === 0) way.cut();
      else way.breakAnswers();
      const post = await due();
      posts.push(post);
      expect(await answers()).toEqual(AWAY);
      way.resume();
      expect(await answers()).toEqual(WELL);
    }
    for (const post of posts) await goesOutOnce(post);
    expect(s3.uploads.size).toBe(0);
    await noMoreResourcesThan(active, service);
  });
});
