import { describe, expect, it } from 'vitest';
import { retryPost } from '../../../src/application/retry-post.ts';
import type { Post } from '../../../src/domain/post/post.ts';
import {
  aCancelledPost,
  aFailedPost,
  aFinalizingPost,
  aHeldPost,
  anAnnouncedAttempt,
  anInitializingPost,
  anUnconfirmedPost,
  anUploadingPost,
  aPostInTheInbox,
  aPreparingPost,
  aProcessingPost,
  aPublishedPost,
  aScheduledPost,
  later,
  NOW,
} from '../../support/builders.ts';
import { World } from './world.ts';

const CRASHES = 12;
const SET_ASIDE = 'a post ended its workers again and again: it is set aside';
const attempts = [anAnnouncedAttempt()];

/** A post whose workers ended over it so often. It is due. */
async function givenLapsed(world: World, lapses: number, build: (needed: object) => Post): Promise<Post> {
  const post = await world.givenPost((needed) => build(needed), { nextActionTime: NOW });
  await world.lapse(lapses);
  return post;
}

describe('a post that ended its workers eight times', () => {
  it.each<[string, (needed: object) => Post, string | undefined]>([
    ['PREPARING', (needed) => aPreparingPost(needed), undefined],
    ['SCHEDULED', (needed) => aScheduledPost(needed), undefined],
    ['HELD', (needed) => aHeldPost(needed), undefined],
    ['HELD with an attempt', (needed) => aHeldPost({ ...needed, attempts }), 'FAILED'],
    ['INITIALIZING', (needed) => anInitializingPost(needed), 'FAILED'],
    ['UPLOADING', (needed) => anUploadingPost(needed), 'FAILED'],
  ])('while it was %s has failed: nothing can come of it any more', async (_, build, outcome) => {
    const world = new World();
    const post = await givenLapsed(world, CRASHES, build);
    await world.work();
    const step = await world.step(post.id);
    expect(step).toMatchObject({ post: { state: 'FAILED', error: { code: 'CONNECTOR_FAILED', crashes: CRASHES } } });
    expect(step).not.toHaveProperty('nextActionTime');
    expect(step.post.attempts.map((attempt) => attempt.outcome)).toEqual(outcome === undefined ? [] : [outcome]);
    expect(world.tiktok.calls).toEqual([]);
    expect(world.metrics.reports).toContainEqual(['setAside', 'POST']);
    expect(world.logged('error')).toEqual([SET_ASIDE]);
  });

  it.each<[string, (needed: object) => Post]>([
    ['FINALIZING', (needed) => aFinalizingPost(needed)],
    ['PROCESSING', (needed) => aProcessingPost(needed)],
  ])('while it was %s is unconfirmed: its attempt may be out, and stays known', async (_, build) => {
    const world = new World();
    const post = await givenLapsed(world, CRASHES, build);
    await world.work();
    expect(await world.post(post.id)).toMatchObject({
      state: 'UNCONFIRMED',
      error: { code: 'OUTCOME_UNCONFIRMED' },
      attempts: [{ number: 1, publishId: 'v_pub_file~1', outcome: 'UNCONFIRMED' }],
    });
    expect(world.tiktok.calls).toEqual([]);
    expect(world.metrics.reports).toContainEqual(['attemptEnded', 'UNCONFIRMED', 'OUTCOME_UNCONFIRMED']);
  });

  it.each<[string, (needed: object) => Post]>([
    ['PUBLISHED', (needed) => aPublishedPost(needed)],
    ['IN_CREATOR_INBOX', (needed) => aPostInTheInbox(needed)],
    ['UNCONFIRMED', (needed) => anUnconfirmedPost(needed)],
    ['FAILED', (needed) => aFailedPost(needed)],
    ['CANCELLED', (needed) => aCancelledPost(needed)],
  ])('while it was %s is what it is, and is left alone', async (_, build) => {
    const world = new World();
    const post = await givenLapsed(world, CRASHES, build);
    await world.work();
    const step = await world.step(post.id);
    expect(step.post).toEqual(post);
    expect(step).not.toHaveProperty('nextActionTime');
    expect(world.tiktok.calls).toEqual([]);
  });

  it('may be retried like any other, and has all its tries again', async () => {
    const world = new World();
    const post = await givenLapsed(world, CRASHES, (needed) => aScheduledPost(needed));
    await world.work();
    const input = { postId: post.id, requestId: 'again', acceptDuplicateRisk: false };
    expect(await retryPost(world)(input)).toMatchObject({ ok: true });
    await world.lapse(CRASHES - 1);
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
  });
});

describe('a post that ended its workers less often', () => {
  it('is tried as if nothing had happened', async () => {
    const world = new World();
    const post = await givenLapsed(world, CRASHES - 1, (needed) => aScheduledPost(needed));
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
    expect(world.logged('error')).toEqual([]);
  });

  it.each([
    [2, 0],
    [3, 120],
    [4, 240],
    [5, 300],
    [6, 300],
    [11, 300],
  ])('rests after the time number %i for %i s, and is then tried', async (lapses, seconds) => {
    const world = new World();
    const post = await givenLapsed(world, lapses, (needed) => aScheduledPost(needed));
    const before = world.clock.now();
    await world.work();
    if (seconds > 0) {
      expect(world.tiktok.calls).toEqual([]);
      expect((await world.step(post.id)).nextActionTime).toEqual(later(seconds, before));
      world.clock.advance(seconds);
      await world.work();
    }
    expect(world.tiktok.calls).not.toEqual([]);
  });

  it('is never set aside while each of them brings it a little further', async () => {
    const world = new World();
    const video = await world.givenVideo({ sizeBytes: 1_000_000_000 });
    const post = await world.givenPost(aScheduledPost, { video });
    for (let chunk = 0; chunk < 10; chunk += 1) {
      world.crashAt = 'chunk-stored';
      await world.workUntilQuiet({ withinDays: 0.01 });
    }
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED', attempts: [{ number: 1 }] });
    expect(world.logged('error')).toEqual([]);
  });

  it('is not at fault for workers that stopped in between as they should', async () => {
    const world = new World();
    const video = await world.givenVideo({ sizeBytes: 130_000_000 });
    const post = await world.givenPost(aScheduledPost, { video });
    for (let stop = 0; stop < CRASHES; stop += 1) await world.work({ shift: { ending: () => true } });
    expect(await world.post(post.id)).toMatchObject({ phase: 'UPLOADING' });
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
  });
});

describe('a post that ends every worker', () => {
  it.each([
    ['intent-stored', 'FAILED', CRASHES],
    ['announced', 'FAILED', CRASHES],
    ['chunk-sent', 'FAILED', CRASHES],
    // After the first a worker asks where TikTok stands, and lets the post rest.
    ['finalizing-stored', 'UNCONFIRMED', CRASHES + 1],
    ['verdict-read', 'UNCONFIRMED', CRASHES],
  ] as const)('at %s comes to rest as %s, and is never sent twice', async (name, state, times) => {
    const world = new World();
    const video = await world.givenVideo({ sizeBytes: 1_000_000_000 });
    const post = await world.givenPost(aScheduledPost, { video });
    let crashes = 0;
    Object.assign(world, {
      failPoint: async (at: string) => {
        if (at !== name) return;
        crashes += 1;
        throw new Error('out of memory');
      },
    });
    for (let worker = 0; worker < 600; worker += 1) {
      await world.work({ owner: `worker ${worker}` }).catch(() => undefined);
      world.clock.advance(20);
    }
    expect((await world.post(post.id)).state).toBe(state);
    expect(crashes).toBe(times);
    expect(world.tiktok.posts.length).toBeLessThanOrEqual(1);
    expect(world.logged('error')).toEqual([SET_ASIDE]);
  });
});
