import { describe, expect, it } from 'vitest';
import { REQUESTED_SCOPES } from '../../../src/domain/connection/connection.ts';
import type { Post, Published } from '../../../src/domain/post/post.ts';
import type { PublishStatus } from '../../../src/domain/post/verdict.ts';
import { aScheduledPost, later, someSettings } from '../../support/builders.ts';
import { answers, lostBefore, refuses } from '../../support/fake-tiktok.ts';
import { World } from './world.ts';

const [ID, NEXT] = ['7300000000000000001', '7300000000000000002'];
const told = (...tiktokPostIds: readonly string[]): PublishStatus => ({ state: 'PUBLISHED', tiktokPostIds });

/** What TikTok's status says of everything that was announced. */
function says(world: World, status: PublishStatus): void {
  for (const job of world.tiktok.jobs) job.verdict = status;
}

/** TikTok tells that something is new about it. */
async function rung(world: World): Promise<void> {
  await world.posts.wake({ publishId: 'v_pub_file~1' });
  await world.work();
}

async function givenPublished(world: World, parts: Parameters<World['givenConnection']>[0] = {}): Promise<Post> {
  const connection = await world.givenConnection(parts);
  const post = await world.givenPost(aScheduledPost, { connection });
  await world.workUntilQuiet();
  expect(await world.post(post.id)).toMatchObject({
    state: 'PUBLISHED',
    tiktokPostIds: [ID],
    publiclyAvailable: true,
  });
  return post;
}

describe('a published post', () => {
  it('that was hidden keeps its id and has no link, and nobody looks again by itself', async () => {
    const world = new World();
    const post = await givenPublished(world);
    const { publishTime } = (await world.post(post.id)) as Published;
    world.clock.advance(3600);
    world.tiktok.hidden.add(ID);
    await rung(world);
    const step = await world.step(post.id);
    expect(step.post).toMatchObject({ tiktokPostIds: [ID], publiclyAvailable: false, publishTime });
    expect(step).not.toHaveProperty('nextActionTime');
  });

  it('that is shown again has its link again', async () => {
    const world = new World();
    const post = await givenPublished(world);
    world.tiktok.hidden.add(ID);
    await rung(world);
    world.tiktok.hidden.delete(ID);
    await rung(world);
    expect(await world.post(post.id)).toMatchObject({ tiktokPostIds: [ID], publiclyAvailable: true });
  });

  it('that is still there stays as it is', async () => {
    const world = new World();
    const post = await givenPublished(world);
    const before = await world.post(post.id);
    await rung(world);
    expect(await world.step(post.id)).toEqual({ post: { ...before, version: before.version + 1 } });
  });

  it('with several ids is linked to the first that everyone can see, and forgets none', async () => {
    const world = new World();
    const post = await givenPublished(world);
    says(world, told(ID, NEXT));
    world.tiktok.hidden.add(ID);
    await rung(world);
    expect(await world.post(post.id)).toMatchObject({ tiktokPostIds: [NEXT, ID], publiclyAvailable: true });
    world.tiktok.hidden.add(NEXT);
    await rung(world);
    expect(await world.post(post.id)).toMatchObject({ tiktokPostIds: [NEXT, ID], publiclyAvailable: false });
  });

  it('is judged by its status when the person did not let us list videos', async () => {
    const world = new World();
    const grantedScopes = REQUESTED_SCOPES.OPEN.filter((scope) => scope !== 'video.list');
    const post = await givenPublished(world, { grantedScopes });
    says(world, told());
    await rung(world);
    expect(await world.post(post.id)).toMatchObject({ tiktokPostIds: [ID], publiclyAvailable: false });
    says(world, told(ID));
    await rung(world);
    expect(await world.post(post.id)).toMatchObject({ tiktokPostIds: [ID], publiclyAvailable: true });
    expect(world.tiktok.called('publicAmong')).toBe(0);
  });

  it.each([
    ['its status', 'readStatus'],
    ['what everyone can see', 'publicAmong'],
  ] as const)('is looked at again in ten minutes when TikTok does not tell %s', async (_, method) => {
    const world = new World();
    const post = await givenPublished(world);
    world.tiktok.hidden.add(ID);
    world.tiktok.next(method, lostBefore);
    await rung(world);
    expect(await world.step(post.id)).toMatchObject({
      post: { publiclyAvailable: true },
      nextActionTime: later(600, world.clock.now()),
    });
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ publiclyAvailable: false });
  });

  it.each([
    ['refuses to say', refuses({ code: 'CONNECTOR_REQUEST_REJECTED' })],
    ['says something else than before', answers({ ok: true, value: { state: 'WORKING' } } as const)],
  ])('stays published, with its link, when TikTok %s', async (_, answer) => {
    const world = new World();
    const post = await givenPublished(world);
    world.tiktok.next('readStatus', answer);
    await rung(world);
    const step = await world.step(post.id);
    expect(step.post).toMatchObject({ state: 'PUBLISHED', tiktokPostIds: [ID], publiclyAvailable: true });
    expect(step).not.toHaveProperty('nextActionTime');
  });

  it('without an id gets it when TikTok rings, and is asked about no further', async () => {
    const world = new World();
    world.tiktok.verdict = told();
    const post = await world.givenPost(aScheduledPost);
    await world.work();
    world.clock.advance(1);
    await world.work();
    expect(await world.step(post.id)).toMatchObject({
      post: { state: 'PUBLISHED', tiktokPostIds: [], publiclyAvailable: false },
      nextActionTime: later(2, world.clock.now()),
    });
    says(world, told(ID));
    await rung(world);
    const step = await world.step(post.id);
    expect(step.post).toMatchObject({ tiktokPostIds: [ID], publiclyAvailable: true });
    expect(step).not.toHaveProperty('nextActionTime');
  });
});

describe('a draft in the creator’s inbox', () => {
  async function givenDraft(world: World): Promise<Post> {
    const settings = someSettings({ draft: true });
    const post = await world.givenPost((needed) => aScheduledPost({ ...needed, settings }));
    await world.workUntilQuiet();
    expect(await world.step(post.id)).toMatchObject({ post: { state: 'IN_CREATOR_INBOX' } });
    return post;
  }

  it('is published once its creator finished it', async () => {
    const world = new World();
    const post = await givenDraft(world);
    world.clock.advance(7200);
    says(world, told(ID));
    await rung(world);
    const step = await world.step(post.id);
    expect(step.post).toMatchObject({
      state: 'PUBLISHED',
      publishTime: world.clock.now(),
      tiktokPostIds: [ID],
      publiclyAvailable: true,
      attempts: [{ number: 1, outcome: 'IN_CREATOR_INBOX' }],
    });
    expect(step).not.toHaveProperty('nextActionTime');
  });

  it('may be finished more than once: then it is published more than once', async () => {
    const world = new World();
    const post = await givenDraft(world);
    says(world, told(ID));
    await rung(world);
    says(world, told(ID, NEXT));
    await rung(world);
    expect(await world.post(post.id)).toMatchObject({ tiktokPostIds: [ID, NEXT], publiclyAvailable: true });
  });

  it('that its creator finished for some eyes only is published without a link', async () => {
    const world = new World();
    const post = await givenDraft(world);
    says(world, told());
    await rung(world);
    const step = await world.step(post.id);
    expect(step.post).toMatchObject({ state: 'PUBLISHED', tiktokPostIds: [], publiclyAvailable: false });
    expect(step).not.toHaveProperty('nextActionTime');
  });

  it.each([
    ['says that it is still there', answers({ ok: true, value: { state: 'IN_CREATOR_INBOX' } } as const)],
    ['does not answer', lostBefore],
    ['refuses to say', refuses({ code: 'ACCOUNT_SESSION_INVALID' })],
    [
      'says that it failed',
      answers({ ok: true, value: { state: 'FAILED', error: { code: 'CONTENT_FLAGGED' } } } as const),
    ],
  ])('stays there when TikTok %s', async (_, answer) => {
    const world = new World();
    const post = await givenDraft(world);
    world.tiktok.next('readStatus', answer, answer);
    await rung(world);
    const step = await world.step(post.id);
    expect(step.post.state).toBe('IN_CREATOR_INBOX');
    expect(step).not.toHaveProperty('nextActionTime');
  });
});
