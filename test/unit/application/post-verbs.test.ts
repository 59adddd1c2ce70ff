import { describe, expect, it } from 'vitest';
import { cancelPost } from '../../../src/application/cancel-post.ts';
import { deleteVideo } from '../../../src/application/delete-video.ts';
import { pageTokenOf } from '../../../src/application/field-checks.ts';
import { getPost } from '../../../src/application/get-post.ts';
import { getVideo } from '../../../src/application/get-video.ts';
import { type ListPosts, listPosts } from '../../../src/application/list-posts.ts';
import { reconcilePost } from '../../../src/application/reconcile-post.ts';
import { retryPost } from '../../../src/application/retry-post.ts';
import { type UpdatePost, updatePost } from '../../../src/application/update-post.ts';
import { requireReconnect } from '../../../src/domain/connection/connection.ts';
import type { WorkspaceId } from '../../../src/domain/ids.ts';
import type { Post } from '../../../src/domain/post/post.ts';
import { err, ok } from '../../../src/domain/result.ts';
import {
  aFailedPost,
  aFinalizingPost,
  aHeldPost,
  anEndedAttempt,
  anImportingVideo,
  anInitializingPost,
  anUnconfirmedPost,
  anUploadingPost,
  aPostInTheInbox,
  aPreparingPost,
  aProcessingPost,
  aPublishedPost,
  aReadyVideo,
  aRequest,
  aScheduledPost,
  ids,
  later,
  NOW,
  OTHER_WORKSPACE,
  someSettings,
  WORKSPACE,
} from '../../support/builders.ts';
import { answers, refuses, UNAVAILABLE } from '../../support/fake-tiktok.ts';
import { World } from './world.ts';

const unchanged = async (world: World, post: Post) => expect(await world.post(post.id)).toEqual(post);

describe('updating a post', () => {
  const update = (world: World, post: Post, parts: Partial<Parameters<UpdatePost>[0]> = {}) =>
    updatePost(world)({ postId: post.id, change: { caption: 'New' }, etag: '1', validateOnly: false, ...parts });

  it('changes what is named, and nothing else', async () => {
    const world = new World();
    const post = await world.givenPost((needed) => aScheduledPost({ ...needed, scheduleTime: later(60) }));
    const change = { caption: 'New', labels: { a: 'b' } };
    const expected = { ...post, ...change, version: 2 };
    expect(await update(world, post, { change })).toEqual(
      ok({ step: { post: expected, nextActionTime: later(60) }, findings: [] }),
    );
    await unchanged(world, expected);
  });

  it.each([
    ['a later time', later(3600), later(3600)],
    ['a time that has passed', later(-60), NOW],
    ['no time any more', 'NOW', NOW],
  ] as const)('takes %s', async (_, scheduleTime, expected) => {
    const world = new World();
    const post = await world.givenPost((needed) => aScheduledPost({ ...needed, scheduleTime: later(60) }));
    expect(await update(world, post, { change: { scheduleTime } })).toMatchObject(
      ok({ step: { post: { scheduleTime: expected }, nextActionTime: expected } }),
    );
    expect(world.doorbell.nextRing).toEqual(expected > NOW ? expected : undefined);
  });

  it('refuses an etag that is not the current one, also when it only validates', async () => {
    const world = new World();
    const post = await world.givenPost(aScheduledPost);
    for (const validateOnly of [true, false]) {
      const outcome = await update(world, post, { etag: '7', validateOnly });
      expect(outcome).toEqual(err({ code: 'ETAG_MISMATCH', observed: '7', current: '1' }));
    }
    await unchanged(world, post);
  });

  it('has one winner when twenty come with the same etag', async () => {
    const world = new World();
    const post = await world.givenPost(aScheduledPost);
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => update(world, post)));
    expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(1);
  });

  it('refuses what would not be accepted, all at once, and stores nothing', async () => {
    const world = new World();
    const post = await world.givenPost(aScheduledPost);
    const outcome = await update(world, post, {
      etag: '',
      change: {
        caption: '',
        scheduleTime: later(1e9),
        settings: someSettings({ brandedContent: true, privacyLevel: 'SELF_ONLY', coverMilliseconds: 99_000 }),
        labels: { '': '' },
      },
    });
    expect(
      outcome.ok || (outcome.error.code === 'INVALID' && outcome.error.findings.map(({ field }) => field)),
    ).toEqual(['etag', 'caption', 'settings.branded_content', 'schedule_time', 'labels', 'settings.cover_timestamp']);
    await unchanged(world, post);
  });

  it('only validates when asked to', async () => {
    const world = new World();
    const post = await world.givenPost(aScheduledPost);
    expect(await update(world, post, { validateOnly: true })).toMatchObject(ok({ step: { post: { caption: 'New' } } }));
    await unchanged(world, post);
  });

  it.each([true, false])('is too late once the post is on its way (validate only: %s)', async (validateOnly) => {
    const world = new World();
    const post = await world.givenPost(anUploadingPost);
    const outcome = await update(world, post, { validateOnly });
    expect(outcome).toEqual(err({ code: 'POST_ALREADY_STARTED', state: 'PUBLISHING', id: post.id }));
    await unchanged(world, post);
  });

  it('finds no post of another workspace', async () => {
    const world = new World();
    const post = await world.givenPost(aScheduledPost);
    const missing = err({ code: 'NOT_FOUND', resource: 'post', id: post.id });
    expect(await update(world, post, { workspaceId: OTHER_WORKSPACE })).toEqual(missing);
    await unchanged(world, post);
  });

  it('refuses a lateness of 0, as publishing does', async () => {
    const world = new World();
    const post = await world.givenPost(aScheduledPost);
    const change = { latePolicy: { maxLatenessSeconds: 0, action: 'FAIL' } as const };
    expect(await update(world, post, { change })).toMatchObject(err({ code: 'INVALID' }));
  });

  it('leaves a post awake whose video has arrived', async () => {
    const world = new World();
    const importing = anImportingVideo();
    await world.videos.addImport(importing, aRequest());
    const post = await world.givenPost(aPreparingPost, { video: importing });
    const [lease] = await world.videos.claimImports({ owner: 'w', limit: 1, leaseSeconds: 60 });
    if (lease !== undefined) await world.videos.finishImport(lease, aReadyVideo({ id: importing.id }));
    await world.posts.wake({ videoId: importing.id });
    await update(world, post);
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED', caption: 'New' });
  });

  it('leaves a post awake whose account has come back', async () => {
    const world = new World();
    const post = await world.givenPost(aHeldPost);
    await world.posts.wake({ connectionId: post.connectionId });
    await update(world, post);
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED', caption: 'New' });
  });
});

describe('cancelling a post', () => {
  it('ends it, and nobody looks at it again', async () => {
    const world = new World();
    const post = await world.givenPost(aScheduledPost);
    expect(await cancelPost(world)({ postId: post.id })).toMatchObject(ok({ post: { state: 'CANCELLED' } }));
    await world.workUntilQuiet();
    expect(world.tiktok.calls).toEqual([]);
  });

  it.each([
    ['its last byte may have been sent', aFinalizingPost],
    ['it is published', aPublishedPost],
  ] as const)('is too late when %s', async (_, build) => {
    const world = new World();
    const post = await world.givenPost((needed): Post => build(needed));
    expect(await cancelPost(world)({ postId: post.id })).toEqual(
      err({ code: 'POST_ALREADY_SENT', state: post.state, id: post.id }),
    );
    await unchanged(world, post);
  });

  it('finds no post of another workspace', async () => {
    const world = new World();
    const post = await world.givenPost(aScheduledPost);
    const outcome = await cancelPost(world)({ postId: post.id, workspaceId: OTHER_WORKSPACE });
    expect(outcome).toEqual(err({ code: 'NOT_FOUND', resource: 'post', id: post.id }));
    await unchanged(world, post);
  });
});

describe('retrying a post', () => {
  const retry = (world: World, post: Post, parts: Partial<Parameters<ReturnType<typeof retryPost>>[0]> = {}) =>
    retryPost(world)({ postId: post.id, requestId: 'retry', acceptDuplicateRisk: false, ...parts });

  it('publishes it now', async () => {
    const world = new World();
    const post = await world.givenPost((needed) =>
      aFailedPost({ ...needed, error: UNAVAILABLE, scheduleTime: later(-9e5) }),
    );
    expect(await retry(world, post)).toMatchObject(
      ok({ step: { post: { state: 'SCHEDULED', scheduleTime: NOW } }, replayed: false }),
    );
    expect(world.doorbell.rings).toBe(1);
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
  });

  it('of a post that waits for a cap tries at once whether it still holds: whoever asks may know', async () => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    const posts: Post[] = [];
    for (let post = 0; post < 3; post += 1) posts.push(await world.givenPost(aScheduledPost, { connection }));
    world.tiktok.next('announce', refuses({ code: 'ACCOUNT_DAILY_POST_CAP', tiktokCode: 'spam_risk_too_many_posts' }));
    for (const _ of posts) await world.work();
    const [retried] = posts;
    if (retried === undefined) throw new Error('no post');
    for (const { id } of posts) expect(await world.post(id)).toMatchObject({ hold: { reason: 'QUOTA' } });
    expect(await retry(world, retried)).toMatchObject({ ok: true });
    await world.workUntilQuiet({ withinDays: 0.5 / 24 });
    expect(await world.post(retried.id)).toMatchObject({ state: 'PUBLISHED' });
    expect(world.tiktok.called('announce')).toBe(2);
  });

  it('happens once for each request', async () => {
    const world = new World();
    const post = await world.givenPost((needed) => aFailedPost({ ...needed, error: UNAVAILABLE }));
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => retry(world, post)));
    expect(outcomes.filter((outcome) => outcome.ok && outcome.value.replayed)).toHaveLength(19);
    await world.workUntilQuiet();
    expect(await retry(world, post)).toMatchObject(ok({ step: { post: { state: 'PUBLISHED' } }, replayed: true }));
    expect(world.tiktok.posts).toHaveLength(1);
    expect(await retry(world, post, { acceptDuplicateRisk: true })).toEqual(
      err({ code: 'REQUEST_ID_REUSED', requestId: 'retry' }),
    );
  });

  it('needs a request id', async () => {
    const world = new World();
    const post = await world.givenPost(aFailedPost);
    expect(await retry(world, post, { requestId: '' })).toMatchObject(
      err({ code: 'INVALID', findings: [{ field: 'request_id' }] }),
    );
  });

  it('of an unconfirmed post needs the risk accepted', async () => {
    const world = new World();
    const post = await world.givenPost(anUnconfirmedPost);
    expect(await retry(world, post)).toMatchObject(err({ code: 'DUPLICATE_RISK_NOT_ACCEPTED', id: post.id }));
    await unchanged(world, post);
    expect(await retry(world, post, { acceptDuplicateRisk: true })).toMatchObject(ok({ replayed: false }));
  });

  it('is refused where the same would fail again, and says why', async () => {
    const world = new World();
    const post = await world.givenPost(aFailedPost);
    expect(await retry(world, post)).toEqual(
      err({ code: 'POST_NOT_RETRYABLE', state: 'FAILED', error: { code: 'CONTENT_FLAGGED' }, id: post.id }),
    );
    await unchanged(world, post);
  });

  it('goes on with what TikTok has of a held post', async () => {
    const world = new World();
    const video = await world.givenVideo({ sizeBytes: 130_000_000 });
    const post = await world.givenPost(aScheduledPost, { video });
    world.tiktok.next('sendChunk', answers({ kind: 'NOT_ANSWERED', error: UNAVAILABLE } as const));
    world.tiktok.next('readStatus', refuses({ code: 'ACCOUNT_DAILY_POST_CAP' }));
    await world.workUntilQuiet({ withinDays: 0.01 });
    expect(await world.post(post.id)).toMatchObject({ state: 'HELD', hold: { reason: 'QUOTA' } });
    await retry(world, post);
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED', attempts: [{ number: 1 }] });
  });
});

describe('reconciling a post', () => {
  const reconcile = (world: World, post: Post) => reconcilePost({ ...world, ask: world.ask() })({ postId: post.id });

  it('takes in a verdict, and sends nothing', async () => {
    const world = new World();
    const post = await world.givenPost(aProcessingPost);
    world.tiktok.next('readStatus', answers(ok({ state: 'PUBLISHED', tiktokPostIds: ['7'] } as const)));
    expect(await reconcile(world, post)).toMatchObject(ok({ post: { state: 'PUBLISHED', tiktokPostIds: ['7'] } }));
    expect(world.tiktok.calls).toEqual(['readStatus v_pub_file~1']);
  });

  it('changes nothing while TikTok works on it', async () => {
    const world = new World();
    const post = await world.givenPost(aProcessingPost);
    world.tiktok.next('readStatus', answers(ok({ state: 'WORKING' } as const)));
    expect(await reconcile(world, post)).toEqual(ok({ post }));
    await unchanged(world, post);
  });

  it('takes in the id of a published post once TikTok tells it, and never takes one back', async () => {
    const world = new World();
    const post = await world.givenPost((needed) => aPublishedPost({ ...needed, tiktokPostIds: ['7'] }));
    world.tiktok.next('readStatus', answers(ok({ state: 'PUBLISHED', tiktokPostIds: [] } as const)));
    expect(await reconcile(world, post)).toEqual(ok({ post }));
    world.tiktok.next('readStatus', answers(ok({ state: 'PUBLISHED', tiktokPostIds: ['7', '8'] } as const)));
    expect(await reconcile(world, post)).toMatchObject(ok({ post: { tiktokPostIds: ['7', '8'] } }));
  });

  it('gives the post as it is when someone else took the verdict in meanwhile', async () => {
    const world = new World();
    const post = await world.givenPost(aProcessingPost);
    const published = {
      ...aPublishedPost({ tiktokPostIds: ['7'] }),
      id: post.id,
      attempts: [anEndedAttempt({ publishId: 'v_pub_file~1' })],
    };
    world.tiktok.next('readStatus', async () => {
      await world.posts.update(post.id, (current) => ok({ post: { ...current, ...published } as Post }));
      return ok({ state: 'FAILED', error: UNAVAILABLE } as const);
    });
    expect(await reconcile(world, post)).toMatchObject(ok({ post: { state: 'PUBLISHED', tiktokPostIds: ['7'] } }));
  });

  it('gives no verdict on a new attempt by the answer for an old one', async () => {
    const world = new World();
    const post = await world.givenPost(aProcessingPost);
    world.tiktok.next('readStatus', async () => {
      const attempts = [anEndedAttempt({ publishId: 'v_pub_file~1' }), ...anUploadingPost().attempts].map(
        (attempt, index) => ({
          ...attempt,
          number: index + 1,
          publishId: `v_pub_file~${index + 1}`,
        }),
      );
      await world.posts.update(post.id, (current) => ok({ post: { ...current, attempts } }));
      return ok({ state: 'PUBLISHED', tiktokPostIds: ['7'] } as const);
    });
    expect(await reconcile(world, post)).toMatchObject(ok({ post: { state: 'PUBLISHING' } }));
  });

  it.each<[string, (needed: object) => Post]>([
    ['SCHEDULED', (needed) => aScheduledPost(needed)],
    ['INITIALIZING', (needed) => anInitializingPost(needed)],
    ['HELD', (needed) => aHeldPost(needed)],
    ['FAILED', (needed) => aFailedPost(needed)],
  ])('is refused for a post that is %s: TikTok does not have it', async (_, build) => {
    const world = new World();
    const post = await world.givenPost((needed) => build(needed));
    expect(await reconcile(world, post)).toEqual(err({ code: 'POST_NOT_SENT', state: post.state, id: post.id }));
    expect(world.tiktok.calls).toEqual([]);
  });

  it('asks about a draft in the inbox, and learns that its creator finished it', async () => {
    const world = new World();
    const post = await world.givenPost((needed) => aPostInTheInbox(needed));
    world.tiktok.next('readStatus', answers(ok({ state: 'IN_CREATOR_INBOX' } as const)));
    expect(await reconcile(world, post)).toEqual(ok({ post }));
    world.tiktok.next('readStatus', answers(ok({ state: 'PUBLISHED', tiktokPostIds: ['7'] } as const)));
    expect(await reconcile(world, post)).toMatchObject(
      ok({ post: { state: 'PUBLISHED', tiktokPostIds: ['7'], publiclyAvailable: true } }),
    );
  });

  it('says what TikTok refused with', async () => {
    const world = new World();
    const post = await world.givenPost(aProcessingPost);
    world.tiktok.next('readStatus', refuses(UNAVAILABLE));
    expect(await reconcile(world, post)).toEqual(err({ code: 'TIKTOK_REFUSED', error: UNAVAILABLE }));
    await unchanged(world, post);
  });

  it('works for a post whose account has to reconnect by saying so', async () => {
    const world = new World();
    const post = await world.givenPost(aProcessingPost);
    const reason = { code: 'ACCOUNT_ACCESS_REVOKED' } as const;
    await world.connections.update(post.connectionId, (connection) =>
      connection.state === 'DISCONNECTED' ? err(undefined) : ok(requireReconnect(connection, reason, NOW)),
    );
    expect(await reconcile(world, post)).toEqual(err({ code: 'TIKTOK_REFUSED', error: reason }));
  });
});

describe('reading posts and videos', () => {
  it('gives one, and none of another workspace', async () => {
    const world = new World();
    const post = await world.givenPost(aScheduledPost);
    expect(await getPost(world)({ postId: post.id, workspaceId: WORKSPACE })).toMatchObject(
      ok({ step: { post: { id: post.id } }, timeline: [{ state: 'SCHEDULED', count: 1 }] }),
    );
    const missing = err({ code: 'NOT_FOUND', resource: 'post', id: post.id });
    expect(await getPost(world)({ postId: post.id, workspaceId: OTHER_WORKSPACE })).toEqual(missing);
    const name = { videoId: post.videoId, workspaceId: OTHER_WORKSPACE };
    expect(await getVideo(world)(name)).toEqual(err({ code: 'NOT_FOUND', resource: 'video', id: post.videoId }));
  });

  const list = (world: World, parts: Partial<Parameters<ListPosts>[0]> = {}) =>
    listPosts(world)({
      filter: { workspaceId: WORKSPACE, connectionIds: [], states: [] },
      pageSize: 0,
      pageToken: '',
      ...parts,
    });

  it('lists fifty where nothing else is said', async () => {
    const world = new World();
    const { connectionId, videoId } = await world.givenPost(aScheduledPost);
    for (let index = 0; index < 50; index += 1)
      await world.posts.add({ post: aScheduledPost({ connectionId, videoId }) }, aRequest());
    const page = await list(world);
    expect(page.ok && page.value.items).toHaveLength(50);
    expect(page.ok && page.value.next).toMatch(/^post_/);
  });

  it.each<[string, Partial<Parameters<ListPosts>[0]>, string]>([
    ['a page of -1', { pageSize: -1 }, 'page_size'],
    ['a page of 501', { pageSize: 501 }, 'page_size'],
    ['a page of 1.5', { pageSize: 1.5 }, 'page_size'],
    ['a page token of its own making', { pageToken: 'garbage' }, 'page_token'],
    ['a page token of another list', { pageToken: pageTokenOf(WORKSPACE, ids.videoId()) }, 'page_token'],
    [
      'a page token of another workspace',
      { pageToken: pageTokenOf('ws_other' as WorkspaceId, ids.postId()) },
      'page_token',
    ],
    [
      'a window that ends before it begins',
      {
        filter: {
          workspaceId: WORKSPACE,
          connectionIds: [],
          states: [],
          scheduledFrom: later(1),
          scheduledBefore: NOW,
        },
      },
      'schedule_time_before',
    ],
    [
      'too many connections',
      { filter: { workspaceId: WORKSPACE, connectionIds: Array(501).fill(ids.connectionId()), states: [] } },
      'connection_ids',
    ],
    [
      'no workspace',
      { filter: { workspaceId: '' as typeof WORKSPACE, connectionIds: [], states: [] } },
      'workspace_id',
    ],
  ])('refuses %s', async (_, parts, field) => {
    expect(await list(new World(), parts)).toMatchObject(err({ code: 'INVALID', findings: [{ field }] }));
  });
});

describe('deleting a video', () => {
  it('deletes record and bytes, unless a post needs it', async () => {
    const world = new World();
    const deleted: string[] = [];
    Object.assign(world.store, { delete: async (id: string) => deleted.push(id) });
    const post = await world.givenPost(aScheduledPost);
    const video = await world.givenVideo();
    const remove = deleteVideo(world);
    expect(await remove({ videoId: post.videoId })).toEqual(err({ code: 'VIDEO_IN_USE', id: post.videoId }));
    const foreign = { videoId: video.id, workspaceId: OTHER_WORKSPACE };
    expect(await remove(foreign)).toEqual(err({ code: 'NOT_FOUND', resource: 'video', id: video.id }));
    expect(deleted).toEqual([]);
    expect(await remove({ videoId: video.id, workspaceId: WORKSPACE })).toEqual(ok(undefined));
    expect(deleted).toEqual([video.id]);
  });
});
