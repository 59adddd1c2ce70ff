import { describe, expect, it } from 'vitest';
import { cancelPost } from '../../../src/application/cancel-post.ts';
import { garbageCollector } from '../../../src/application/collect-garbage.ts';
import type { MarkOwner, Marks } from '../../../src/application/ports/marks.ts';
import { VideoStoreDown } from '../../../src/application/ports/video-store.ts';
import { publishPost } from '../../../src/application/publish-post.ts';
import type { Mark } from '../../../src/domain/post/mark.ts';
import type { Post } from '../../../src/domain/post/post.ts';
import { err, ok } from '../../../src/domain/result.ts';
import { aScheduledPost, later, NOW } from '../../support/builders.ts';
import { inMemoryMarks } from '../../support/in-memory-marks.ts';
import { LEASE_SECONDS, World } from './world.ts';

const DUE = { scheduleTime: NOW, requestId: 'request' };
const dueUpload = (world: World) => world.givenPost((parts) => aScheduledPost({ ...parts, ...DUE }));
function duePull(world: World) {
  world.policy = { ...world.policy, transfer: 'PULL' };
  return dueUpload(world);
}
const kinds = async (world: World, post: MarkOwner) => (await world.marks.of(post)).map(({ kind }) => kind);
const methods = ({ tiktok }: World) => tiktok.calls.map((call) => call.split(' ')[0]);

/** Marks that can be read and not be left: as many as `after` are left before. */
function leftNoMore(after: number): Marks & { readonly tries: readonly Mark[] } {
  const marks = inMemoryMarks();
  const tries: Mark[] = [];
  return {
    ...marks,
    tries,
    async leave(owner, mark) {
      tries.push(mark);
      if (tries.length > after) throw new VideoStoreDown('no space left');
      await marks.leave(owner, mark);
    },
  };
}

describe('OPS-04 what is marked outside of the record', () => {
  it('is an upload with its id, before the first byte of it leaves', async () => {
    const world = new World();
    const post = await dueUpload(world);
    const marks = leftNoMore(0);
    world.marks = marks;
    await world.work();
    expect(methods(world)).toEqual(['readCreator', 'announce']);
    const step = await world.step(post.id);
    expect(step).toMatchObject({ post: { phase: 'FINALIZING', setbacks: 0 }, nextActionTime: later(30) });
    const [attempt] = step.post.attempts;
    expect(marks.tries).toEqual([
      expect.objectContaining({
        kind: 'ANNOUNCED',
        publishId: attempt?.publishId,
        intentTime: attempt?.startTime,
        uploadExpireTime: attempt?.uploadExpireTime,
      }),
    ]);
    expect(JSON.stringify(marks.tries)).not.toContain('upload_token');

    // The same attempt goes on once it can be marked, although another worker left no mark of it.
    world.marks = inMemoryMarks();
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
    expect(world.tiktok.called('announce')).toBe(1);
    expect(await kinds(world, post)).toEqual(['ANNOUNCED']);
  });

  it('is a pull before TikTok is told, and its id after', async () => {
    const world = new World();
    const post = await duePull(world);
    world.marks = leftNoMore(0);
    await world.work();
    expect(methods(world)).toEqual(['readCreator']);

    world.marks = inMemoryMarks();
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
    expect(world.tiktok.called('announcePull')).toBe(1);
    const [, sent] = (await world.post(post.id)).attempts;
    // The first was never announced, and was proven dead.
    expect(await world.marks.of(post)).toEqual([
      expect.objectContaining({ kind: 'CAME_TO_NOTHING' }),
      expect.not.objectContaining({ publishId: expect.anything() }),
      expect.objectContaining({ kind: 'ANNOUNCED', publishId: sent?.publishId, intentTime: sent?.finalizeTime }),
    ]);
  });

  it('is a pull that another worker takes meanwhile: TikTok is not told by this one', async () => {
    const world = new World();
    await duePull(world);
    const { marks } = world;
    const taken = { held: false };
    world.marks = {
      ...marks,
      async leave(...given) {
        await marks.leave(...given);
        // As where an older record has taken the place of the one that knew the intent.
        world.clock.advance(LEASE_SECONDS);
        taken.held = (await world.claim('another')) !== undefined;
      },
    };
    await world.work();
    expect(taken).toEqual({ held: true });
    expect(methods(world)).toEqual(['readCreator']);
  });

  it('is that nothing came of a pull that TikTok refused plainly', async () => {
    const world = new World();
    const post = await duePull(world);
    world.tiktok.next('announcePull', async () => err({ code: 'CONTENT_FLAGGED', tiktokCode: 'flagged' }));
    await world.work();
    expect(await kinds(world, post)).toEqual(['ANNOUNCED', 'CAME_TO_NOTHING']);
  });

  it('can not be read: nobody is asked anything, and the post waits without being to blame', async () => {
    const world = new World();
    const post = await dueUpload(world);
    world.marks = {
      ...inMemoryMarks(),
      of: async () => {
        throw new VideoStoreDown('away');
      },
    };
    await world.work();
    expect(world.tiktok.calls).toEqual([]);
    expect(await world.step(post.id)).toMatchObject({
      post: { state: 'SCHEDULED', attempts: [] },
      nextActionTime: later(30),
    });
  });

  it('is a cancel, and again when it is repeated; without the store it is cancelled all the same', async () => {
    const world = new World();
    const post = await world.givenPost((parts) => aScheduledPost({ ...parts, ...DUE, scheduleTime: later(60) }));
    world.marks = leftNoMore(0);
    expect(await cancelPost(world)({ postId: post.id })).toMatchObject(ok({ post: { state: 'CANCELLED' } }));
    expect(world.logged('warn')).toEqual([
      'a cancelled post could not be marked: a restored backup would not know of it',
    ]);
    world.marks = inMemoryMarks();
    expect(await cancelPost(world)({ postId: post.id })).toMatchObject(ok({ post: { state: 'CANCELLED' } }));
    expect(await kinds(world, post)).toEqual(['CANCELLED']);
  });

  it('is no cancel that was refused', async () => {
    const world = new World();
    const post = await dueUpload(world);
    await world.workUntilQuiet();
    expect(await cancelPost(world)({ postId: post.id })).toMatchObject({ ok: false });
    expect(await kinds(world, post)).toEqual(['ANNOUNCED']);
  });
});

describe('OPS-04 a record that is as it was before', () => {
  /** What TikTok and the marks are after a post went out, and a record that knows nothing of it but the post. */
  async function forgetful(due: (world: World) => Promise<Post>) {
    const before = new World();
    const post = await due(before);
    await before.workUntilQuiet();
    const world = new World();
    Object.assign(world, { marks: before.marks });
    return { before, post, world };
  }

  it('tells of each post that it forgot, in the log and in figures', async () => {
    const { post, world } = await forgetful(dueUpload);
    await world.givenPost((parts) => aScheduledPost({ ...parts, ...DUE }));
    world.tiktok.next('readStatus', async () => ok({ state: 'PUBLISHED', tiktokPostIds: [] }));
    await world.work();
    expect(world.logged('error')).toEqual([expect.stringContaining('the record has forgotten')]);
    expect(world.metrics.reports).toContainEqual(['recalled', 'PUBLISHING']);
    expect(methods(world)).toEqual(['readStatus']);
    expect(world.log.lines.find(({ level }) => level === 'error')?.fields).toMatchObject({ requestId: post.requestId });
  });

  it('asks before it finds a post too late', async () => {
    const { world } = await forgetful(dueUpload);
    const late = { maxLatenessSeconds: 60, action: 'FAIL' } as const;
    const again = await world.givenPost((parts) => aScheduledPost({ ...parts, ...DUE, latePolicy: late }));
    world.clock.advance(3600);
    world.tiktok.next('readStatus', async () => ok({ state: 'PUBLISHED', tiktokPostIds: [] }));
    await world.work();
    expect(await world.post(again.id)).toMatchObject({ state: 'PUBLISHED' });
  });

  it('goes on with a new attempt when TikTok says that the forgotten one failed', async () => {
    const { world } = await forgetful(dueUpload);
    const again = await world.givenPost((parts) => aScheduledPost({ ...parts, ...DUE }));
    world.tiktok.next('readStatus', async () => ok({ state: 'FAILED', error: { code: 'PLATFORM_UNAVAILABLE' } }));
    await world.workUntilQuiet();
    const post = await world.post(again.id);
    expect(post).toMatchObject({ state: 'PUBLISHED' });
    expect(post.attempts.map(({ outcome }) => outcome)).toEqual(['FAILED', 'PUBLISHED']);
  });
});

it('a post keeps what its caller named it, as marks are kept under that', async () => {
  const world = new World();
  const { id: connectionId, workspaceId } = await world.givenConnection();
  const { id: videoId } = await world.givenVideo({ workspaceId });
  const { settings, labels, caption } = aScheduledPost();
  const published = await publishPost(world)({
    workspaceId,
    connectionId,
    requestId: 'the name of the caller',
    validateOnly: false,
    destination: 'tiktok',
    caption,
    settings,
    labels,
    video: { videoId },
  });
  if (!published.ok) throw new Error(published.error.code);
  await world.workUntilQuiet();
  const owner = { id: 'post_other' as Post['id'], workspaceId, requestId: 'the name of the caller' };
  expect(await kinds(world, owner)).toEqual(['ANNOUNCED']);
});

it('marks go after ninety days, and are looked through once a day', async () => {
  const world = new World();
  const dropped: Date[] = [];
  const rounds = Promise.withResolvers<void>();
  let round = 0;
  const collector = garbageCollector({
    ...world,
    garbage: {
      alone: async (work) => {
        await work();
        round += 1;
        world.clock.advance(round === 1 ? 3600 : 86_400);
        if (round === 3) rounds.resolve();
        return true;
      },
      unusedSince: async () => [],
      kept: async () => new Set(),
      dropEvents: async () => 0,
      thinSnapshots: async () => ({ videos: 0, dropped: 0 }),
    },
    marks: { ...world.marks, dropBefore: async (time) => dropped.push(time) },
    sweep: async () => 0,
    retention: {},
    everySeconds: 0.001,
  });
  collector.start();
  await rounds.promise;
  await collector.stop();
  expect(dropped.slice(0, 2)).toEqual([later(-90 * 86_400), later(-90 * 86_400 + 3600 + 86_400)]);
});
