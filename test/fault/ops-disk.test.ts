import { readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { fixtureVideo, inChunks } from '../support/fixture-videos.ts';
import { initsOf } from '../support/judge.ts';
import { allAnswer, answersTo, EACH_KIND, type Things, thingsToAskFor } from '../support/kinds-of-calls.ts';
import { diskThatFails } from '../support/preloaded.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import { aPost, type Post, postThatHurries, publish, publishedOnce, upload, WORKSPACE } from '../support/story.ts';
import { activeResources, healthOf, noMoreResourcesThan } from '../support/what-operators-see.ts';

const surroundings = realService();
const POST_WAITS = 'the video store does not answer: the post waits for it';
const WELL = allAnswer('OK');
const SOON = { timeout: 30_000 };

let world: Surroundings;
let service: ServiceProcess;
let things: Things;

/** From here on, for every step that the store takes. */
async function disk(does: 'WELL' | 'SLOW' | 'ENOSPC' | 'EROFS' | 'EIO'): Promise<void> {
  const fault = join(world.dataDir, 'disk-fault');
  // In one step: nobody reads half of it.
  await writeFile(`${fault}.new`, does === 'WELL' ? '' : does);
  await rename(`${fault}.new`, fault);
}

beforeAll(async () => {
  world = await surroundings();
  service = await world.start({
    environment: { ...diskThatFails(world.videoFolder, join(world.dataDir, 'disk-fault')), GARBAGE_SECONDS: '1' },
  });
  things = await thingsToAskFor({ clients: service.clients, sandbox: world.sandbox });
});
beforeEach(() => disk('WELL'));

const answers = async () => answersTo(service, things, await things.consent());
const due = (): Promise<Post> => publish(service.clients, aPost(things.connection, things.video));
const files = async (): Promise<readonly string[]> =>
  (await readdir(world.videoFolder)).filter((name) => name !== 'marks').sort();

async function goesOutOnce({ post_id }: Post): Promise<void> {
  const after = await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'PUBLISHED');
  publishedOnce(world.sandbox, after, things.video);
}

/** It neither failed nor counts as one that ended its worker, and TikTok got no byte. */
async function waits({ post_id, caption }: Post): Promise<void> {
  await service.logged(POST_WAITS, { postId: post_id });
  await vi.waitUntil(async () => {
    const [row] = await world.sql('select state, lapses, lease_owner from post where id = $1', [post_id]);
    return row?.['lease_owner'] === null && row['lapses'] === 0 && row['state'] !== 'FAILED';
  }, SOON);
  const { uploads } = world.sandbox.control.ledger();
  for (const { publishId } of initsOf(world.sandbox, { caption }))
    expect(uploads.find((each) => each.publishId === publishId)?.receivedBytes ?? 0).toBe(0);
}

describe('OPS-01 disk', { timeout: 120_000 }, () => {
  it('OPS-01 disk down: an upload is RESOURCE_EXHAUSTED with STORAGE_FULL on a full disk and UNAVAILABLE with SERVICE_UNAVAILABLE on one that fails or only reads, and leaves nothing; every other call is answered as ever', async () => {
    const before = await files();
    await disk('ENOSPC');
    expect(await answers()).toEqual({ ...WELL, upload: 'RESOURCE_EXHAUSTED STORAGE_FULL' });
    await service.logged('the video store is full: it takes nothing more in until there is room');
    const posts = [await due()];
    for (const fault of ['EROFS', 'EIO'] as const) {
      await disk(fault);
      expect(await answers()).toEqual({ ...WELL, upload: 'UNAVAILABLE SERVICE_UNAVAILABLE' });
      posts.push(await due());
    }
    // No mark can be left of them (OPS-04), so TikTok gets no byte.
    for (const post of posts) await waits(post);
    expect(await healthOf(service)).toBe('SERVING,SERVING,SERVING');
    await disk('WELL');
    const uploaded = async () => (await files()).filter((name) => !before.includes(name));
    await vi.waitUntil(async () => (await uploaded()).length === 0, SOON);
    for (const post of posts) await goesOutOnce(post);
    expect(await answers()).toEqual(WELL);
  });

  it('OPS-01 disk slow: an upload lasts as long as the disk, or until its deadline, and 30 s without an end of one step are UNAVAILABLE with SERVICE_UNAVAILABLE; every other call is answered as ever', async () => {
    const before = await files();
    await disk('SLOW');
    const chunks = inChunks(await fixtureVideo('vertical.mp4'), 64 * 1024);
    const late = service.clients.upload({ workspace_id: WORKSPACE }, chunks, { deadlineMilliseconds: 1_000 });
    await expect(late).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    const slow = upload(service.clients);
    const others = EACH_KIND.filter((kind) => kind !== 'upload');
    const answered = await answersTo(service, things, await things.consent(), others);
    expect({ ...answered, upload: 'OK' }).toEqual(WELL);
    const post = await due();
    expect(await healthOf(service)).toBe('SERVING,SERVING,SERVING');

    await disk('WELL');
    const video = await slow;
    await goesOutOnce(post);
    // Nobody was there any more for the one whose deadline came.
    await vi.waitUntil(async () => (await files()).join() === [...before, video.video_id].sort().join(), SOON);
  });

  it('OPS-01 disk reset: an upload that breaks off in the middle is UNAVAILABLE with SERVICE_UNAVAILABLE and leaves nothing; every other call is answered as ever', async () => {
    const before = await files();
    const call = service.clients.openUpload();
    await call.send({ metadata: { workspace_id: WORKSPACE } });
    await call.send({ chunk: Buffer.alloc(64 * 1024) });
    await vi.waitUntil(async () => (await files()).length > before.length, SOON);
    await disk('EIO');
    await call.send({ chunk: Buffer.alloc(64 * 1024) }).catch(() => undefined);
    call.end();
    await expect(call.answer).rejects.toMatchObject({ code: status.UNAVAILABLE });
    await disk('WELL');
    // It could not be removed then.
    await vi.waitUntil(async () => (await files()).join() === before.join(), SOON);
    expect(await answers()).toEqual(WELL);
  });

  it('OPS-01 disk flapping: each upload is answered as the disk is at that moment, OK, RESOURCE_EXHAUSTED or UNAVAILABLE; every other call is answered as ever', async () => {
    const active = await activeResources(service);
    const posts: Post[] = [];
    for (const fault of ['EIO', 'ENOSPC', 'EROFS', 'EIO'] as const) {
      await disk(fault);
      const post = await due();
      posts.push(post);
      const answer = (await answers()).upload;
      expect(answer).toBe(fault === 'ENOSPC' ? 'RESOURCE_EXHAUSTED STORAGE_FULL' : 'UNAVAILABLE SERVICE_UNAVAILABLE');
      await disk('WELL');
      expect(await answers()).toEqual(WELL);
    }
    for (const post of posts) await goesOutOnce(post);
    await vi.waitUntil(async () => !(await files()).some((name) => name.endsWith('.partial')), SOON);
    await noMoreResourcesThan(active, service);
  });
});
