import { describe, expect, it, onTestFinished } from 'vitest';
import type { TracedCall } from '../../../src/application/ports/call-trace.ts';
import type { Clock } from '../../../src/application/ports/clock.ts';
import type { Connections } from '../../../src/application/ports/connections.ts';
import type { EventFilter, PostEvent, PostEvents } from '../../../src/application/ports/post-events.ts';
import { type Lease, type PostQueue, SUSPECT_LAPSES } from '../../../src/application/ports/post-queue.ts';
import type { PostFilter, Posts } from '../../../src/application/ports/posts.ts';
import type { RequestKey } from '../../../src/application/ports/request-key.ts';
import type { Videos } from '../../../src/application/ports/videos.ts';
import type { PostId, WorkspaceId } from '../../../src/domain/ids.ts';
import type { Attempt } from '../../../src/domain/post/attempt.ts';
import { cancel, hold, type Post, schedule } from '../../../src/domain/post/post.ts';
import { restingStep, type Step } from '../../../src/domain/post/step.ts';
import { err, ok } from '../../../src/domain/result.ts';
import { Secret } from '../../../src/domain/secret.ts';
import {
  aCancelledPost,
  aFailedPost,
  aFinalizingPost,
  aHeldPost,
  anActiveConnection,
  anAnnouncedAttempt,
  anAttempt,
  anEndedAttempt,
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
  everyPublishError,
  ids,
  later,
  NOW,
  OTHER_WORKSPACE,
  someSettings,
  WORKSPACE,
} from '../../support/builders.ts';
import { revealed } from '../../support/copy.ts';

export type PostStores = {
  readonly posts: Posts;
  readonly queue: PostQueue;
  readonly events: PostEvents;
  /** Of the same store: a post is taken only while its video is there. */
  readonly videos: Videos;
  readonly connections: Connections;
  /** The store's own time, roughly: leases and due times are measured in it. */
  readonly clock: Clock;
};

const MANY = { workspaceId: WORKSPACE, connectionIds: [], states: [] } satisfies PostFilter;
const ALL = { workspaceId: WORKSPACE, connectionIds: [], postIds: [] } satisfies EventFilter;
/** Whose posts only mark a moment. */
const MARKERS = 'ws_markers' as WorkspaceId;
const CLAIM = { owner: 'worker', limit: 10, leaseSeconds: 60 };

/** Version and time of change are the store's own; secrets are compared by their text. */
function asStored(post: Post): unknown {
  const { version: _, updateTime: __, ...rest } = post;
  return revealed(rest);
}

/** As lists and events tell it. */
const brief = (post: Post): Post => ({ ...post, attempts: post.attempts.slice(-1) });

const everything = {
  caption: 'Sömmer 🌞\n#sun "quoted" \\ \u2028 שלום',
  settings: someSettings({
    privacyLevel: 'FOLLOWER_OF_CREATOR',
    allowComment: false,
    allowDuet: true,
    allowStitch: true,
    coverMilliseconds: 1234,
    yourBrand: true,
    brandedContent: true,
    aiGenerated: true,
    consent: { userId: 'u-1', consentTime: new Date('2026-11-22T09:59:59.001Z'), declaration: 'I “agree” 🖋' },
  }),
  scheduleTime: new Date('2026-12-24T18:00:00.987Z'),
  latePolicy: { maxLatenessSeconds: 0.5, action: 'HOLD' as const },
  externalRef: 'campaign/7',
  requestId: 'request/7',
  labels: { team: 'Ünïcode 🎉', '': 'empty name', constructor: 'x', 'a.b c': '' },
  dispatchLatenessSeconds: 1.25,
  setbacks: 7,
};

const fullAttempts = [
  anEndedAttempt({
    plan: { sizeBytes: 4_294_967_296, chunkBytes: 63_161_283, chunkCount: 68 },
    bytesSent: 4_231_806_013,
    polls: 12,
    uploadExpireTime: later(3600.123),
    finalizeTime: later(1.5),
    outcome: 'FAILED',
    error: { code: 'PLATFORM_UNAVAILABLE', tiktokCode: 'internal', tiktokLogId: '20261122L' },
  }),
  anAttempt({ number: 2, endTime: later(90), outcome: 'ORPHANED' }),
];

const live = {
  number: 3,
  uploadUrl: new Secret('https://upload.tiktokapis.com/é?upload_token=s%3D1&x="'),
  bytesSent: 5,
};

const variants: readonly (readonly [name: string, build: () => Post])[] = [
  ['PREPARING', () => aPreparingPost()],
  ['PREPARING with everything', () => aPreparingPost(everything)],
  ['SCHEDULED', () => aScheduledPost()],
  [
    'SCHEDULED with everything',
    () => aScheduledPost({ ...everything, attempts: fullAttempts, turnTime: later(10.333) }),
  ],
  ['a draft without a privacy level', () => aScheduledPost({ settings: draftSettings() })],
  ['INITIALIZING', () => anInitializingPost()],
  ['INITIALIZING without an attempt', () => anInitializingPost({ attempts: [] })],
  [
    'INITIALIZING with everything',
    () =>
      anInitializingPost({
        ...everything,
        attempts: [...fullAttempts, anAttempt({ number: 3 })],
        error: { code: 'UPSTREAM_RATE_LIMITED', retryTime: later(60.5) },
        turnTime: later(70.125),
      }),
  ],
  ['UPLOADING', () => anUploadingPost()],
  [
    'UPLOADING with everything',
    () =>
      anUploadingPost({
        ...everything,
        attempts: [...fullAttempts, anAnnouncedAttempt(live)],
        error: { code: 'PLATFORM_UNAVAILABLE', tiktokLogId: 'L' },
      }),
  ],
  ['FINALIZING', () => aFinalizingPost()],
  [
    'FINALIZING with everything',
    () =>
      aFinalizingPost({
        ...everything,
        attempts: [...fullAttempts, anAnnouncedAttempt({ ...live, finalizeTime: later(2.25), polls: 1 })],
        error: { code: 'CONNECTOR_REQUEST_REJECTED', detail: 'chunk' },
      }),
  ],
  ['PROCESSING', () => aProcessingPost()],
  [
    'PROCESSING with everything',
    () =>
      aProcessingPost({
        ...everything,
        attempts: [...fullAttempts, anAnnouncedAttempt({ ...live, finalizeTime: later(2.25), polls: 99 })],
        error: { code: 'ACCOUNT_SESSION_INVALID' },
      }),
  ],
  ['HELD for a reconnect', () => aHeldPost()],
  [
    'HELD with everything',
    () =>
      aHeldPost({
        ...everything,
        attempts: [...fullAttempts, anAnnouncedAttempt(live)],
        hold: { reason: 'PLATFORM_OUTAGE', releaseTime: later(300.5) },
        error: { code: 'PLATFORM_UNAVAILABLE' },
        turnTime: later(400.75),
      }),
  ],
  ['HELD for a quota', () => aHeldPost({ hold: { reason: 'QUOTA', releaseTime: later(3600) } })],
  [
    'HELD for being late',
    () => aHeldPost({ hold: { reason: 'LATE' }, error: { code: 'SCHEDULE_MISSED', latenessSeconds: 0.25 } }),
  ],
  ['PUBLISHED', () => aPublishedPost()],
  [
    'PUBLISHED with everything',
    () =>
      aPublishedPost({
        ...everything,
        attempts: fullAttempts,
        publishTime: later(7.125),
        tiktokPostIds: ['7600000000000000001', '7600000000000000002'],
      }),
  ],
  ['PUBLISHED and hidden since', () => aPublishedPost({ tiktokPostIds: ['7600'], publiclyAvailable: false })],
  ['IN_CREATOR_INBOX', () => aPostInTheInbox()],
  [
    'IN_CREATOR_INBOX with everything',
    () => aPostInTheInbox({ ...everything, attempts: fullAttempts, publishTime: later(7.125) }),
  ],
  ['FAILED', () => aFailedPost()],
  [
    'FAILED with everything',
    () =>
      aFailedPost({
        ...everything,
        attempts: fullAttempts,
        edited: true,
        error: { code: 'CONTENT_FLAGGED', tiktokCode: 'spam_risk' },
      }),
  ],
  ['UNCONFIRMED', () => anUnconfirmedPost()],
  ['UNCONFIRMED with everything', () => anUnconfirmedPost({ ...everything, attempts: fullAttempts })],
  ['CANCELLED', () => aCancelledPost()],
  ['CANCELLED with everything', () => aCancelledPost({ ...everything, attempts: fullAttempts })],
];

function draftSettings() {
  const { privacyLevel: _, ...settings } = someSettings({ draft: true });
  return settings;
}

/** What every store of posts does, through its three ports. `make` gives an empty one. */
export function postsContract(name: string, make: () => Promise<PostStores>): void {
  /** Adds the post and its video. */
  async function given({ posts, videos }: PostStores, step: Step | Post, key: RequestKey = aRequest()): Promise<Post> {
    const { post, ...rest } = 'post' in step ? step : { post: step };
    if ((await videos.find(post.videoId)) === undefined) {
      await videos.add(aReadyVideo({ id: post.videoId, workspaceId: post.workspaceId }));
    }
    const added = await posts.add({ post, ...rest }, key);
    if (!added.ok) throw new Error(`not added: ${added.error.code}`);
    return added.value.step.post;
  }

  async function found({ posts }: PostStores, id: PostId): Promise<Step> {
    const step = await posts.find(id);
    if (step === undefined) throw new Error(`${id} is not there`);
    return step;
  }

  /** A post that is due, and its lease. */
  async function claimed(stores: PostStores, post: Post, leaseSeconds = 60, owner = 'worker'): Promise<Lease> {
    await given(stores, { post, nextActionTime: later(-60, stores.clock.now()) });
    return claimAgain(stores, post.id, leaseSeconds, owner);
  }

  async function claimAgain({ queue }: PostStores, id: PostId, leaseSeconds = 60, owner = 'worker'): Promise<Lease> {
    const leases = await queue.claim({ owner, limit: 100, leaseSeconds });
    const lease = leases.find(({ postId }) => postId === id);
    if (lease === undefined) throw new Error(`${id} was not due`);
    return lease;
  }

  /**
   * The cursor behind all that has happened. An outbox may show a change a little late, when a transaction that has nothing to do
   * with it is still under way; so a post of another workspace is added, and waited for.
   */
  async function here(stores: PostStores): Promise<string> {
    const from = await stores.events.end();
    const marker = await given(stores, aScheduledPost({ workspaceId: MARKERS }));
    for (let cursor = from; ; ) {
      const rung = Promise.withResolvers<void>();
      const off = stores.events.subscribe({ workspaceId: MARKERS }, rung.resolve);
      try {
        const batch = await stores.events.after(cursor, { ...ALL, workspaceId: MARKERS, postIds: [marker.id] }, 10);
        const [seen] = batch?.events ?? [];
        if (seen !== undefined) return seen.cursor;
        if (batch === undefined || batch.reached === cursor) await rung.promise;
        cursor = batch?.reached ?? cursor;
      } finally {
        off();
      }
    }
  }

  /** Everything from a cursor up to this moment, in small batches. */
  async function allEvents(stores: PostStores, from: string, filter: EventFilter = ALL): Promise<readonly PostEvent[]> {
    await here(stores);
    const all: PostEvent[] = [];
    for (let cursor = from; ; ) {
      const batch = await stores.events.after(cursor, filter, 2);
      if (batch === undefined) throw new Error('a cursor of the store was not understood');
      all.push(...batch.events);
      if (batch.reached === cursor) return all;
      cursor = batch.reached;
    }
  }

  describe(`Posts, as ${name}`, () => {
    it.each(variants)('stores a post that is %s and gives it back', async (_, build) => {
      const stores = await make();
      const post = build();
      const stored = await given(stores, post);
      expect(asStored(stored)).toEqual(asStored(post));
      const step = await found(stores, post.id);
      expect(asStored(step.post)).toEqual(asStored(post));
      expect(step.post.version).toBe(1);
      expect(step).not.toHaveProperty('nextActionTime');
    });

    it('turns each kind of post into each other, and keeps nothing of the one before', async () => {
      const stores = await make();
      for (const [_, before] of variants) {
        const start = before();
        await given(stores, start);
        const others = variants.map(([, build]) => build());
        for (const [index, other] of others.entries()) {
          // An attempt is never taken back: what came after it has all that came before.
          const attempts = other.attempts.length > 0 ? other.attempts : [];
          if (attempts.length < (await found(stores, start.id)).post.attempts.length) continue;
          const { id, workspaceId, connectionId, videoId, requestId, createTime } = start;
          const { requestId: _, ...rest } = other;
          const named = requestId === undefined ? rest : { ...rest, requestId };
          const next: Post = { ...named, id, workspaceId, connectionId, videoId, createTime, attempts };
          const outcome = await stores.posts.update(id, () => ok({ post: next }));
          expect(outcome.ok, `${start.state} to ${index}`).toBe(true);
          expect(asStored((await found(stores, id)).post)).toEqual(asStored(next));
        }
      }
    });

    it.each(everyPublishError.map((error) => [error.code, error] as const))(
      'keeps the error %s as it was',
      async (_, error) => {
        const stores = await make();
        const post = aFailedPost({ error, attempts: [anEndedAttempt({ error })] });
        await given(stores, post);
        expect(asStored((await found(stores, post.id)).post)).toEqual(asStored(post));
      },
    );

    it('gives out copies: nobody changes what is stored by accident', async () => {
      const stores = await make();
      const post = aScheduledPost(everything);
      await given(stores, post);
      const { post: mine } = await found(stores, post.id);
      mine.scheduleTime.setTime(0);
      Object.assign(mine.labels, { team: 'other' });
      expect(asStored((await found(stores, post.id)).post)).toEqual(asStored(post));
    });

    it.each(['', 'nonsense', 'post_1', 'post_\0'])('finds nothing under %j', async (id) => {
      const { posts } = await make();
      expect(await posts.find(id as PostId)).toBeUndefined();
      expect(await posts.find(id as PostId, WORKSPACE)).toBeUndefined();
    });

    it('finds it in its own workspace only', async () => {
      const stores = await make();
      const post = await given(stores, aScheduledPost());
      expect((await stores.posts.find(post.id, WORKSPACE))?.post.id).toBe(post.id);
      expect(await stores.posts.find(post.id, OTHER_WORKSPACE)).toBeUndefined();
    });

    it('tells when it is looked at next', async () => {
      const stores = await make();
      const nextActionTime = new Date('2027-01-01T00:00:00.123Z');
      const post = await given(stores, { post: aScheduledPost(), nextActionTime });
      expect((await found(stores, post.id)).nextActionTime).toEqual(nextActionTime);
    });

    it('tells workers, and nobody else, which call brought it: also after edits, lapses and replays', async () => {
      const stores = await make();
      const start = await here(stores);
      const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
      const post = aScheduledPost();
      const step = { post, nextActionTime: later(-60, stores.clock.now()) };
      const key = aRequest();
      await stores.videos.add(aReadyVideo({ id: post.videoId, workspaceId: post.workspaceId }));
      await stores.posts.add(step, key, traceparent);
      await stores.posts.add(step, key, traceparent.replace('b7ad', 'ffff'));
      const lapsed = await claimAgain(stores, post.id, 0);
      await stores.posts.update(post.id, (current) => ok({ ...step, post: { ...current, caption: 'Another' } }));
      const lease = await claimAgain(stores, post.id);
      expect([lapsed.traceparent, lease.traceparent]).toEqual([traceparent, traceparent]);
      await stores.queue.finish(lease, { ...step, post: lease.post });
      expect((await claimAgain(stores, post.id)).traceparent).toBe(traceparent);
      const told = [await found(stores, post.id), await allEvents(stores, start), await stores.posts.timeline(post.id)];
      expect(JSON.stringify(told)).not.toContain(traceparent.slice(3, 35));
    });

    it('tells workers nothing of who brought it where nobody traced that', async () => {
      const stores = await make();
      expect(await claimed(stores, aScheduledPost())).not.toHaveProperty('traceparent');
    });

    it('answers a repeated request as before, also with a video that is not there', async () => {
      const stores = await make();
      const key = aRequest();
      const post = await given(stores, aScheduledPost(), key);
      const again = aScheduledPost();
      expect(await stores.posts.add({ post: again }, key)).toMatchObject(
        ok({ replayed: true, step: { post: { id: post.id } } }),
      );
      expect(await stores.posts.add({ post: again }, { ...key, payloadHash: 'another' })).toEqual(
        err({ code: 'REQUEST_ID_REUSED', requestId: key.requestId }),
      );
    });

    it('takes no post whose video is gone, and forgets that it was asked', async () => {
      const stores = await make();
      const key = aRequest();
      const start = await here(stores);
      const post = aScheduledPost();
      expect(await stores.posts.add({ post }, key)).toEqual(err({ code: 'VIDEO_GONE' }));
      expect(await stores.posts.find(post.id)).toBeUndefined();
      expect(await stores.posts.findRequest(WORKSPACE, key)).toEqual(ok(undefined));
      expect(await allEvents(stores, start)).toEqual([]);
      await given(stores, post, key);
      expect(await stores.posts.findRequest(WORKSPACE, key)).toMatchObject(ok({ post: { id: post.id } }));
    });

    describe('requests', () => {
      it('give back what they made, as it is now', async () => {
        const stores = await make();
        const key = aRequest();
        const post = await given(stores, aScheduledPost(), key);
        await stores.posts.update(post.id, (found) => cancelling(found));
        const again = aScheduledPost({ videoId: post.videoId });
        expect(await stores.posts.add({ post: again }, key)).toMatchObject(
          ok({ step: { post: { id: post.id, state: 'CANCELLED' } }, replayed: true }),
        );
        expect(await stores.posts.find(again.id)).toBeUndefined();
        expect(await stores.posts.findRequest(WORKSPACE, key)).toMatchObject(
          ok({ post: { id: post.id, state: 'CANCELLED' } }),
        );
      });

      it('are refused with another payload', async () => {
        const stores = await make();
        const key = aRequest();
        const post = await given(stores, aScheduledPost(), key);
        const other = { ...key, payloadHash: 'other' };
        const reused = err({ code: 'REQUEST_ID_REUSED', requestId: key.requestId });
        const again = aScheduledPost({ videoId: post.videoId });
        expect(await stores.posts.add({ post: again }, other)).toEqual(reused);
        expect(await stores.posts.findRequest(WORKSPACE, other)).toEqual(reused);
        expect(await stores.posts.update(post.id, cancelling, { key: other })).toEqual(reused);
        expect(await stores.posts.find(again.id)).toBeUndefined();
        expect((await found(stores, post.id)).post.state).toBe('SCHEDULED');
      });

      it('are known by workspace', async () => {
        const stores = await make();
        const key = aRequest();
        await given(stores, aScheduledPost(), key);
        expect(await stores.posts.findRequest(OTHER_WORKSPACE, key)).toEqual(ok(undefined));
        const elsewhere = aScheduledPost({ workspaceId: OTHER_WORKSPACE });
        expect((await given(stores, elsewhere, key)).id).toBe(elsewhere.id);
      });

      it('make one post and nineteen replays when twenty come at once', async () => {
        const stores = await make();
        const video = aReadyVideo();
        await stores.videos.add(video);
        const key = aRequest();
        const start = await here(stores);
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, () => stores.posts.add({ post: aScheduledPost({ videoId: video.id }) }, key)),
        );
        const made = outcomes.map((outcome) => (outcome.ok ? outcome.value : undefined));
        expect(made.filter((one) => one?.replayed === true)).toHaveLength(19);
        expect(new Set(made.map((one) => one?.step.post.id)).size).toBe(1);
        expect((await stores.posts.list(MANY, { size: 50 })).items).toHaveLength(1);
        expect(await allEvents(stores, start)).toHaveLength(1);
      });

      it('make one winner when twenty with different payloads come at once', async () => {
        const stores = await make();
        const video = aReadyVideo();
        await stores.videos.add(video);
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, (_, index) =>
            stores.posts.add(
              { post: aScheduledPost({ videoId: video.id }) },
              { requestId: 'same', payloadHash: `payload ${index}` },
            ),
          ),
        );
        expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1);
        expect((await stores.posts.list(MANY, { size: 50 })).items).toHaveLength(1);
      });
    });

    describe('a change', () => {
      it('is stored with the next version and a new time', async () => {
        const stores = await make();
        const post = await given(stores, aScheduledPost());
        const nextActionTime = new Date('2027-01-01T00:00:00Z');
        const held = hold(aScheduledPost(post as object), { reason: 'LATE' });
        const outcome = await stores.posts.update(post.id, () => ok({ post: held, nextActionTime }));
        if (!outcome.ok) throw new Error('refused');
        const { step, replayed } = outcome.value;
        expect(replayed).toBe(false);
        expect(asStored(step.post)).toEqual(asStored(held));
        expect(step.post.version).toBe(post.version + 1);
        expect(step.post.updateTime.getTime()).toBeGreaterThanOrEqual(post.updateTime.getTime());
        expect(step.nextActionTime).toEqual(nextActionTime);
        expect(revealed(await found(stores, post.id))).toEqual(revealed(step));
      });

      it('sees the post with all its attempts', async () => {
        const stores = await make();
        const post = aHeldPost({ attempts: [...fullAttempts, anAnnouncedAttempt(live)] });
        await given(stores, post);
        let seen: unknown;
        await stores.posts.update(post.id, (current) => {
          seen = asStored(current);
          return err({ code: 'NO' });
        });
        expect(seen).toEqual(asStored(post));
      });

      it('that is refused stores nothing, leaves no event and keeps the wait', async () => {
        const stores = await make();
        const nextActionTime = new Date('2027-01-01T00:00:00Z');
        const post = await given(stores, { post: aScheduledPost(), nextActionTime });
        const start = await here(stores);
        const before = revealed(await found(stores, post.id));
        expect(await stores.posts.update(post.id, () => err({ code: 'NO' }), { key: aRequest() })).toEqual(
          err({ code: 'NO' }),
        );
        expect(revealed(await found(stores, post.id))).toEqual(before);
        expect(await allEvents(stores, start)).toEqual([]);
      });

      it('that is refused does not use up its request', async () => {
        const stores = await make();
        const post = await given(stores, aScheduledPost());
        const key = aRequest();
        await stores.posts.update(post.id, () => err({ code: 'NO' }), { key });
        expect(await stores.posts.update(post.id, cancelling, { key: { ...key, payloadHash: 'other' } })).toMatchObject(
          ok({ replayed: false }),
        );
      });

      it('that is refused leaves the worker its lease', async () => {
        const stores = await make();
        const lease = await claimed(stores, aScheduledPost());
        await stores.posts.update(lease.postId, () => err({ code: 'NO' }));
        expect(await stores.queue.store(lease, lease.post)).toBe(true);
      });

      it('that throws stores nothing', async () => {
        const stores = await make();
        const post = await given(stores, aScheduledPost());
        const broken = stores.posts.update(post.id, () => {
          throw new Error('a bug');
        });
        await expect(broken).rejects.toThrow('a bug');
        expect((await found(stores, post.id)).post.version).toBe(1);
      });

      it('finds nothing in another workspace', async () => {
        const stores = await make();
        const post = await given(stores, aScheduledPost());
        const outcome = await stores.posts.update(post.id, cancelling, { workspaceId: OTHER_WORKSPACE });
        expect(outcome).toEqual(err({ code: 'NOT_FOUND' }));
        expect(await stores.posts.update(ids.postId(), cancelling)).toEqual(err({ code: 'NOT_FOUND' }));
        expect((await found(stores, post.id)).post.state).toBe('SCHEDULED');
        expect(await stores.posts.update(post.id, cancelling, { workspaceId: WORKSPACE })).toMatchObject({ ok: true });
      });

      it('with a request happens once', async () => {
        const stores = await make();
        const post = await given(stores, aScheduledPost());
        const key = aRequest();
        const start = await here(stores);
        expect(await stores.posts.update(post.id, counting, { key })).toMatchObject(ok({ replayed: false }));
        expect(await stores.posts.update(post.id, counting, { key })).toMatchObject(
          ok({ step: { post: { setbacks: 1, version: 2 } }, replayed: true }),
        );
        expect(await allEvents(stores, start)).toHaveLength(1);
      });

      it('with a request happens once when twenty come at once', async () => {
        const stores = await make();
        const post = await given(stores, aScheduledPost());
        const key = aRequest();
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, () => stores.posts.update(post.id, counting, { key })),
        );
        expect(outcomes.filter((outcome) => outcome.ok && outcome.value.replayed)).toHaveLength(19);
        expect((await found(stores, post.id)).post).toMatchObject({ setbacks: 1, version: 2 });
      });

      it('is not lost when twenty come at once', async () => {
        const stores = await make();
        const post = await given(stores, aScheduledPost());
        await Promise.all(Array.from({ length: 20 }, () => stores.posts.update(post.id, counting)));
        expect((await found(stores, post.id)).post).toMatchObject({ setbacks: 20, version: 21 });
      });
    });

    describe('lists', () => {
      async function pages({ posts }: PostStores, filter: PostFilter, size: number): Promise<PostId[][]> {
        const all: PostId[][] = [];
        let after: string | undefined;
        do {
          const page = await posts.list(filter, after === undefined ? { size } : { size, after });
          all.push(page.items.map(({ post }) => post.id));
          after = page.next;
        } while (after !== undefined);
        return all;
      }

      it('have the newest first, in pages that stay the same when newer ones come', async () => {
        const stores = await make();
        const stored: PostId[] = [];
        for (let index = 0; index < 5; index += 1) stored.unshift((await given(stores, aScheduledPost())).id);
        await given(stores, aScheduledPost({ workspaceId: OTHER_WORKSPACE }));
        expect(await pages(stores, MANY, 2)).toEqual([stored.slice(0, 2), stored.slice(2, 4), stored.slice(4)]);
        expect(await pages(stores, MANY, 5)).toEqual([stored]);

        const first = await stores.posts.list(MANY, { size: 2 });
        await given(stores, aScheduledPost());
        const second = await stores.posts.list(MANY, { size: 2, after: first.next ?? '' });
        expect(second.items.map(({ post }) => post.id)).toEqual(stored.slice(2, 4));
      });

      it('have those of several states in one order, each once, however often a state is named', async () => {
        const stores = await make();
        const stored: PostId[] = [];
        for (let index = 0; index < 3; index += 1) {
          stored.unshift((await given(stores, aScheduledPost())).id);
          await given(stores, aHeldPost());
          stored.unshift((await given(stores, aFailedPost())).id);
        }
        const several = { ...MANY, states: ['FAILED', 'SCHEDULED', 'FAILED'] } as const;
        expect(await pages(stores, several, 4)).toEqual([stored.slice(0, 4), stored.slice(4)]);
        expect(await pages(stores, several, 6)).toEqual([stored]);
      });

      it('show each post with its latest attempt only', async () => {
        const stores = await make();
        const post = anUploadingPost({ attempts: [...fullAttempts, anAnnouncedAttempt(live)] });
        await given(stores, post);
        const { items } = await stores.posts.list(MANY, { size: 1 });
        expect(items.map((step) => asStored(step.post))).toEqual([asStored(brief(post))]);
      });

      it('are empty for a workspace without posts', async () => {
        const stores = await make();
        await given(stores, aScheduledPost());
        expect(await stores.posts.list({ ...MANY, workspaceId: 'ws_none' as WorkspaceId }, { size: 5 })).toEqual({
          items: [],
        });
      });

      it('are filtered by connection, state, schedule and reference, and by all at once', async () => {
        const stores = await make();
        const connectionId = ids.connectionId();
        const at = (seconds: number) => ({ scheduleTime: later(seconds) });
        const early = await given(stores, aScheduledPost({ connectionId, ...at(0) }));
        const late = await given(stores, aFailedPost({ connectionId, ...at(100), externalRef: 'ref' }));
        const other = await given(stores, aScheduledPost({ ...at(100), externalRef: 'ref' }));
        const list = (parts: Partial<PostFilter>) => pages(stores, { ...MANY, ...parts }, 9).then((all) => all.flat());

        expect(await list({ connectionIds: [connectionId] })).toEqual([late.id, early.id]);
        expect(await list({ connectionIds: [connectionId, other.connectionId] })).toEqual([
          other.id,
          late.id,
          early.id,
        ]);
        expect(await list({ connectionIds: [ids.connectionId()] })).toEqual([]);
        expect(await list({ states: ['SCHEDULED'] })).toEqual([other.id, early.id]);
        expect(await list({ states: ['FAILED', 'CANCELLED'] })).toEqual([late.id]);
        expect(await list({ scheduledFrom: later(100) })).toEqual([other.id, late.id]);
        expect(await list({ scheduledBefore: later(100) })).toEqual([early.id]);
        expect(await list({ scheduledFrom: later(0), scheduledBefore: later(100.001) })).toEqual([
          other.id,
          late.id,
          early.id,
        ]);
        expect(await list({ externalRef: 'ref' })).toEqual([other.id, late.id]);
        expect(await list({ externalRef: 're' })).toEqual([]);
        const one = {
          connectionIds: [connectionId],
          states: ['FAILED'],
          externalRef: 'ref',
          scheduledFrom: later(1),
        } as const;
        expect(await list(one)).toEqual([late.id]);
      });
    });

    it('names the posts of a connection in some states, oldest first', async () => {
      const { posts, ...rest } = await make();
      const stores = { posts, ...rest };
      const connectionId = ids.connectionId();
      const first = await given(stores, aScheduledPost({ connectionId }));
      const second = await given(stores, aHeldPost({ connectionId }));
      await given(stores, aFailedPost({ connectionId }));
      await given(stores, aScheduledPost());
      expect(await posts.idsOf(connectionId, ['HELD', 'SCHEDULED'])).toEqual([first.id, second.id]);
      expect(await posts.idsOf(connectionId, [])).toEqual([]);
      expect(await posts.idsOf(ids.connectionId(), ['SCHEDULED'])).toEqual([]);
    });

    it('knows which post became one on TikTok, by connection', async () => {
      const { posts, ...rest } = await make();
      const post = await given(
        { posts, ...rest },
        aPublishedPost({ tiktokPostIds: ['7600000000000000001', '7600000000000000002'] }),
      );
      expect(await posts.findByTiktokPostId(post.connectionId, '7600000000000000002')).toBe(post.id);
      expect(await posts.findByTiktokPostId(post.connectionId, '7600000000000000003')).toBeUndefined();
      expect(await posts.findByTiktokPostId(ids.connectionId(), '7600000000000000001')).toBeUndefined();
    });

    it('tells publish ids that no attempt has, and how many pulls of the account wait for an answer', async () => {
      const stores = await make();
      const openId = ids.connectionId();
      const accountOf = async (parts: Parameters<typeof anActiveConnection>[0]) => {
        const connection = anActiveConnection(parts);
        await stores.connections.add(connection);
        return connection.id;
      };
      const account = { openId, displayName: 'Acme' };
      const mine = await accountOf({ account });
      const elsewhere = await accountOf({ account, workspaceId: OTHER_WORKSPACE });
      const business = await accountOf({ account, apiFamily: 'BUSINESS' });
      const another = await accountOf({ account: { ...account, openId: ids.connectionId() } });
      const { publishId: _, ...unanswered } = anEndedAttempt({ transfer: 'PULL' });
      const pull = anAttempt({ transfer: 'PULL', finalizeTime: NOW });
      await given(
        stores,
        aFinalizingPost({
          connectionId: mine,
          attempts: [
            { ...unanswered, number: 1 },
            { ...pull, number: 2 },
          ],
        }),
      );
      await given(stores, aFinalizingPost({ connectionId: elsewhere, workspaceId: OTHER_WORKSPACE, attempts: [pull] }));
      await given(stores, aFinalizingPost({ connectionId: business, attempts: [pull] }));
      await given(stores, aFinalizingPost({ connectionId: another, attempts: [pull] }));
      await given(stores, anInitializingPost({ connectionId: mine, attempts: [anAttempt()] }));
      await given(
        stores,
        aProcessingPost({
          connectionId: mine,
          attempts: [anAnnouncedAttempt({ transfer: 'PULL', publishId: 'v_pull~1' })],
        }),
      );
      await given(
        stores,
        aFailedPost({ connectionId: another, attempts: [anEndedAttempt({ publishId: 'v_pull~2' })] }),
      );

      const told = ['v_pull~1', 'v_pull~2', 'v_pull~3', 'v_pull~4'];
      const stray = await stores.posts.strayPublishIds({ apiFamily: 'OPEN', openId }, told);
      expect({ ...stray, stray: stray.stray.toSorted() }).toEqual({
        stray: ['v_pull~3', 'v_pull~4'],
        unansweredPulls: 2,
      });
      expect(await stores.posts.strayPublishIds({ apiFamily: 'OPEN', openId: 'nobody' }, [])).toEqual({
        stray: [],
        unansweredPulls: 0,
      });
    });

    it('knows when the posts of a connection were published since a moment, oldest first', async () => {
      const stores = await make();
      const connectionId = ids.connectionId();
      for (const seconds of [30, -10, 10, 0]) {
        await given(stores, aPublishedPost({ connectionId, publishTime: later(seconds) }));
      }
      await given(stores, aPostInTheInbox({ connectionId, publishTime: later(20) }));
      await given(stores, aPublishedPost({ publishTime: later(20) }));
      expect(await stores.posts.publishTimes(connectionId, NOW)).toEqual([later(10), later(30)]);
      expect(await stores.posts.publishTimes(connectionId, later(30))).toEqual([]);
      expect(await stores.posts.publishTimes(ids.connectionId(), NOW)).toEqual([]);
    });

    it('shows a hold that ends by itself as ending when it is looked at next, whenever that was moved to', async () => {
      const stores = await make();
      const releaseTime = later(3600, stores.clock.now());
      const moved = later(7200, stores.clock.now());
      const post = aHeldPost({ hold: { reason: 'QUOTA', releaseTime } });
      await given(stores, { post, nextActionTime: moved });
      const shown = { post: { hold: { reason: 'QUOTA', releaseTime: moved } }, nextActionTime: moved };
      expect(await found(stores, post.id)).toMatchObject(shown);
      expect((await stores.posts.list(MANY, { size: 1 })).items).toMatchObject([shown]);
    });

    describe('the timeline', () => {
      const call = (endpoint: string, parts: Partial<TracedCall> = {}): TracedCall => ({
        endpoint,
        time: later(1.5),
        milliseconds: 120.5,
        ...parts,
      });

      it('has what was done for a post, what came of it and what is to come, oldest first', async () => {
        const stores = await make();
        const nextActionTime = later(3600, stores.clock.now());
        const lease = await claimed(stores, aScheduledPost());
        const { postId } = lease;
        const identity = identityOf(lease.post);
        const announced = anUploadingPost({ ...identity, attempts: [anAnnouncedAttempt()] });
        const calls = [
          call('/v2/post/publish/creator_info/query/', { status: 200, code: 'ok', logId: 'L1' }),
          call('/v2/post/publish/video/init/', { status: 200, code: 'ok' }),
        ];
        const error = { code: 'PLATFORM_UNAVAILABLE', tiktokCode: 'internal_error' } as const;
        const held = aHeldPost({
          ...identity,
          version: 2,
          hold: { reason: 'PLATFORM_OUTAGE', releaseTime: nextActionTime },
          attempts: announced.attempts,
          error,
        });
        await stores.queue.store(lease, announced, { calls });
        await stores.queue.finish(lease, { post: held, nextActionTime }, { calls: [call('upload')] });
        await stores.posts.update(postId, cancelling);
        await given(stores, aScheduledPost());

        const entries = await stores.posts.timeline(postId);
        const told = calls.map(({ milliseconds: _, status: __, ...rest }) => rest);
        const now = stores.clock.now().getTime();
        for (const { time, since, count } of entries) {
          expect([since, count]).toEqual([time, 1]);
          expect(Math.abs(time.getTime() - now)).toBeLessThan(600_000);
        }
        expect(entries.map(({ time: _, since: __, count: ___, ...rest }) => rest)).toEqual([
          { state: 'SCHEDULED', calls: [], nextActionTime: expect.any(Date) },
          { state: 'PUBLISHING', phase: 'UPLOADING', attempt: 1, calls: told },
          {
            state: 'HELD',
            holdReason: 'PLATFORM_OUTAGE',
            attempt: 1,
            calls: [{ endpoint: 'upload', time: later(1.5) }],
            error,
            nextActionTime,
          },
          { state: 'CANCELLED', attempt: 1, calls: [] },
        ]);
      });

      it('tells of each kind of post what is true of it', async () => {
        const stores = await make();
        for (const [kind, build] of variants) {
          const post = build();
          await given(stores, post);
          const [entry] = await stores.posts.timeline(post.id);
          expect(entry, kind).toMatchObject({
            state: post.state,
            ...(post.state === 'PUBLISHING' ? { phase: post.phase } : {}),
            ...(post.state === 'HELD' ? { holdReason: post.hold.reason } : {}),
            ...('error' in post && post.error !== undefined ? { error: post.error } : {}),
            ...(post.attempts.length > 0 ? { attempt: post.attempts.length } : {}),
          });
        }
      });

      it('is empty for a post that nobody knows', async () => {
        const { posts } = await make();
        expect(await posts.timeline(ids.postId())).toEqual([]);
      });
    });

    describe('waking', () => {
      const waiting: readonly [string, (parts: object) => Post][] = [
        ['held for a reconnect', (parts) => aHeldPost(parts)],
        ['INITIALIZING', (parts) => anInitializingPost(parts)],
        ['UPLOADING', (parts) => anUploadingPost(parts)],
        ['FINALIZING', (parts) => aFinalizingPost(parts)],
        ['PROCESSING', (parts) => aProcessingPost(parts)],
      ];
      it.each(waiting)('a connection makes its post due that is %s', async (_, build) => {
        const stores = await make();
        const unset = build({});
        const distant = build({});
        await given(stores, unset);
        await given(stores, { post: distant, nextActionTime: later(86_400, stores.clock.now()) });
        await stores.posts.wake({ connectionId: unset.connectionId });
        await stores.posts.wake({ connectionId: distant.connectionId });
        const leases = await stores.queue.claim(CLAIM);
        expect(leases.map(({ postId }) => postId).toSorted()).toEqual([unset.id, distant.id].toSorted());
      });

      const resting: readonly [string, (parts: object) => Post][] = [
        ['SCHEDULED', (parts) => aScheduledPost(parts)],
        ['PREPARING', (parts) => aPreparingPost(parts)],
        ['held for a quota', (parts) => aHeldPost({ hold: { reason: 'QUOTA', releaseTime: later(1) }, ...parts })],
        [
          'held for an outage',
          (parts) => aHeldPost({ hold: { reason: 'PLATFORM_OUTAGE', releaseTime: later(1) }, ...parts }),
        ],
        ['held for being late', (parts) => aHeldPost({ hold: { reason: 'LATE' }, ...parts })],
        ['PUBLISHED', (parts) => aPublishedPost(parts)],
        ['UNCONFIRMED', (parts) => anUnconfirmedPost(parts)],
        ['FAILED', (parts) => aFailedPost(parts)],
        ['CANCELLED', (parts) => aCancelledPost(parts)],
      ];
      it.each(resting)('a connection leaves its post alone that is %s', async (_, build) => {
        const stores = await make();
        const post = build({});
        await given(stores, { post, nextActionTime: later(86_400, stores.clock.now()) });
        await stores.posts.wake({ connectionId: post.connectionId });
        expect(await stores.queue.claim(CLAIM)).toEqual([]);
      });

      it('a connection leaves those of others alone', async () => {
        const stores = await make();
        await given(stores, aHeldPost());
        await stores.posts.wake({ connectionId: ids.connectionId() });
        expect(await stores.queue.claim(CLAIM)).toEqual([]);
      });

      it('a video makes the posts due that wait for it, and no others', async () => {
        const stores = await make();
        const video = aReadyVideo();
        await stores.videos.add(video);
        const preparing = await given(stores, aPreparingPost({ videoId: video.id }));
        await given(stores, aHeldPost({ videoId: video.id }));
        await given(stores, aPreparingPost());
        await stores.posts.wake({ videoId: video.id });
        expect((await stores.queue.claim(CLAIM)).map(({ postId }) => postId)).toEqual([preparing.id]);
      });

      const [lives, over] = [undefined, 'FAILED'] as const;
      const byPublishId: readonly (readonly [
        state: string,
        outcome: Attempt['outcome'],
        woken: boolean,
        build: (parts: { readonly attempts: readonly Attempt[] }) => Post,
      ])[] = [
        ['UPLOADING', lives, true, (parts) => anUploadingPost(parts)],
        ['FINALIZING', lives, true, (parts) => aFinalizingPost(parts)],
        ['PROCESSING', lives, true, (parts) => aProcessingPost(parts)],
        ['HELD', lives, true, (parts) => aHeldPost({ ...parts, hold: { reason: 'QUOTA', releaseTime: later(1) } })],
        ['PUBLISHED', 'PUBLISHED', true, (parts) => aPublishedPost(parts)],
        ['IN_CREATOR_INBOX', 'IN_CREATOR_INBOX', true, (parts) => aPostInTheInbox(parts)],
        ['UNCONFIRMED', 'UNCONFIRMED', true, (parts) => anUnconfirmedPost(parts)],
        ['INITIALIZING', over, false, (parts) => anInitializingPost(parts)],
        ['HELD', over, false, (parts) => aHeldPost({ ...parts, hold: { reason: 'QUOTA', releaseTime: later(1) } })],
        ['PREPARING', over, false, (parts) => aPreparingPost(parts)],
        ['SCHEDULED', over, false, (parts) => aScheduledPost(parts)],
        ['FAILED', over, false, (parts) => aFailedPost(parts)],
        ['CANCELLED', 'CANCELLED', false, (parts) => aCancelledPost(parts)],
      ];
      it.each(byPublishId)(
        'a publish id makes its post due that is %s, its attempt being %s: %s',
        async (_, outcome, woken, build) => {
          const stores = await make();
          const attempt = (publishId: string, number = 1): Attempt =>
            outcome === undefined
              ? anAnnouncedAttempt({ number, publishId })
              : anEndedAttempt({ number, publishId, outcome });
          const mine = build({ attempts: [anEndedAttempt({ publishId: 'v_pub~old' }), attempt('v_pub~1', 2)] });
          const other = build({ attempts: [attempt('v_pub~2')] });
          await given(stores, { post: mine, nextActionTime: later(86_400, stores.clock.now()) });
          await given(stores, other);
          await stores.posts.wake({ publishId: 'v_pub~1' });
          expect((await stores.queue.claim(CLAIM)).map(({ postId }) => postId)).toEqual(woken ? [mine.id] : []);
        },
      );

      it('a publish id that nobody knows wakes nobody', async () => {
        const stores = await make();
        await given(stores, aProcessingPost());
        await stores.posts.wake({ publishId: 'v_pub~unknown' });
        expect(await stores.queue.claim(CLAIM)).toEqual([]);
      });

      const calls: readonly (readonly [string, (post: Post) => Parameters<Posts['wake']>[0], () => Post])[] = [
        ['its connection', ({ connectionId }) => ({ connectionId }), () => aProcessingPost()],
        ['its video', ({ videoId }) => ({ videoId }), () => aPreparingPost()],
        ['its publish id', () => ({ publishId: 'v_pub_file~1' }), () => aProcessingPost()],
      ];
      it.each(calls)(
        'by %s while a worker has it makes it due at once when the worker lets go',
        async (_, what, build) => {
          const stores = await make();
          const lease = await claimed(stores, build());
          await stores.posts.wake(what(lease.post));
          expect(await stores.queue.store(lease, lease.post)).toBe(true);
          const post = { ...lease.post, version: 2 };
          expect(await stores.queue.finish(lease, { post, nextActionTime: later(3600, stores.clock.now()) })).toBe(
            true,
          );
          const { nextActionTime } = await found(stores, lease.postId);
          expect(Math.abs((nextActionTime?.getTime() ?? 0) - stores.clock.now().getTime())).toBeLessThan(60_000);

          const next = await claimAgain(stores, lease.postId);
          expect(await stores.queue.finish(next, { post: next.post })).toBe(true);
          expect(await found(stores, lease.postId)).not.toHaveProperty('nextActionTime');
        },
      );

      const endings: readonly (readonly [state: string, due: boolean, build: (parts: object) => Post])[] = [
        ['PROCESSING', true, (parts) => aProcessingPost(parts)],
        ['UPLOADING', true, (parts) => anUploadingPost(parts)],
        ['held for a reconnect', true, (parts) => aHeldPost(parts)],
        ['PUBLISHED', true, (parts) => aPublishedPost(parts)],
        ['IN_CREATOR_INBOX', true, (parts) => aPostInTheInbox(parts)],
        ['UNCONFIRMED', true, (parts) => anUnconfirmedPost(parts)],
        [
          'INITIALIZING behind a failed attempt',
          false,
          (parts) => anInitializingPost({ attempts: [anEndedAttempt()], ...parts }),
        ],
        ['INITIALIZING before the first attempt', false, (parts) => anInitializingPost({ attempts: [], ...parts })],
        [
          'held for a quota',
          false,
          (parts) => aHeldPost({ hold: { reason: 'QUOTA', releaseTime: later(1) }, ...parts }),
        ],
        ['held for an outage', false, (parts) => aHeldPost({ hold: { reason: 'PLATFORM_OUTAGE' }, ...parts })],
        ['FAILED', false, (parts) => aFailedPost(parts)],
        ['CANCELLED', false, (parts) => aCancelledPost(parts)],
      ];
      it.each(endings)('while a worker had it makes a post due that ends up %s: %s', async (_, due, build) => {
        const stores = await make();
        const lease = await claimed(stores, anInitializingPost({ attempts: [] }));
        await stores.posts.wake({ connectionId: lease.post.connectionId });
        const post = build(identityOf(lease.post));
        expect(await stores.queue.finish(lease, { post, nextActionTime: later(3600, stores.clock.now()) })).toBe(true);
        expect(await stores.queue.claim(CLAIM)).toHaveLength(due ? 1 : 0);
      });

      it('is over with the claim that follows it', async () => {
        const stores = await make();
        const dead = await claimed(stores, aProcessingPost(), 0);
        await stores.posts.wake({ connectionId: dead.post.connectionId });
        const lease = await claimAgain(stores, dead.postId);
        expect(await stores.queue.finish(lease, { post: lease.post })).toBe(true);
        expect(await found(stores, dead.postId)).not.toHaveProperty('nextActionTime');
      });

      it('leaves a post to the worker that holds it', async () => {
        const stores = await make();
        const lease = await claimed(stores, anUploadingPost());
        await stores.posts.wake({ connectionId: lease.post.connectionId });
        expect(await stores.queue.claim(CLAIM)).toEqual([]);
        expect(await stores.queue.store(lease, lease.post)).toBe(true);
      });

      it('changes no post and leaves no event', async () => {
        const stores = await make();
        const post = await given(stores, aHeldPost());
        const start = await here(stores);
        await stores.posts.wake({ connectionId: post.connectionId });
        expect((await found(stores, post.id)).post.version).toBe(post.version);
        expect(await allEvents(stores, start)).toEqual([]);
      });
    });
  });

  describe(`The end of an outage, as ${name} takes it`, () => {
    const inADay = (stores: PostStores) => later(86_400, stores.clock.now());

    /** A post of a connection of that family, held until tomorrow. */
    async function heldFor(stores: PostStores, reason: 'PLATFORM_OUTAGE' | 'QUOTA', apiFamily: 'OPEN' | 'BUSINESS') {
      const connection = anActiveConnection({
        apiFamily,
        account: { openId: ids.connectionId(), displayName: 'Acme' },
      });
      await stores.connections.add(connection);
      const hold = { reason, releaseTime: inADay(stores) };
      return given(stores, restingStep(aHeldPost({ connectionId: connection.id, hold })));
    }

    it('makes the posts that were held for it due within the time that is given, and says how many they are', async () => {
      const stores = await make();
      const held: Post[] = [];
      for (let index = 0; index < 20; index += 1) held.push(await heldFor(stores, 'PLATFORM_OUTAGE', 'OPEN'));
      const before = stores.clock.now();
      const spreads: number[] = [];
      expect(
        await stores.posts.releaseOutage('OPEN', (posts) => {
          spreads.push(posts);
          return 3600;
        }),
      ).toBe(20);
      expect(spreads).toEqual([20]);
      const times: number[] = [];
      for (const { id } of held) {
        const { post, nextActionTime } = await found(stores, id);
        expect(post).toMatchObject({ state: 'HELD', version: 1, hold: { releaseTime: nextActionTime } });
        times.push(((nextActionTime?.getTime() ?? 0) - before.getTime()) / 1000);
      }
      // The store's own clock may differ a little from ours.
      expect(Math.min(...times)).toBeGreaterThan(-5);
      expect(Math.max(...times)).toBeLessThan(3605);
      expect(new Set(times.map((time) => Math.floor(time / 600))).size).toBeGreaterThan(2);
    });

    it('is none for other families, for other holds and for a post that a worker has', async () => {
      const stores = await make();
      const family = await heldFor(stores, 'PLATFORM_OUTAGE', 'BUSINESS');
      const quota = await heldFor(stores, 'QUOTA', 'OPEN');
      const leased = await heldFor(stores, 'PLATFORM_OUTAGE', 'OPEN');
      await stores.posts.update(leased.id, (post) =>
        ok({ post: { ...post }, nextActionTime: later(-1, stores.clock.now()) }),
      );
      const lease = await claimAgain(stores, leased.id);
      expect(await stores.posts.releaseOutage('OPEN', () => 0)).toBe(0);
      expect(await stores.queue.claim(CLAIM)).toEqual([]);
      expect(await stores.queue.store(lease, lease.post)).toBe(true);
      expect(await stores.posts.releaseOutage('BUSINESS', () => 0)).toBe(1);
      expect((await stores.queue.claim(CLAIM)).map(({ postId }) => postId)).toEqual([family.id]);
      expect((await found(stores, quota.id)).nextActionTime?.getTime()).toBeGreaterThan(
        later(80_000, stores.clock.now()).getTime(),
      );
    });

    it('leaves no event: nothing about the posts is new', async () => {
      const stores = await make();
      await heldFor(stores, 'PLATFORM_OUTAGE', 'OPEN');
      const start = await here(stores);
      expect(await stores.posts.releaseOutage('OPEN', () => 0)).toBe(1);
      expect(await allEvents(stores, start)).toEqual([]);
    });
  });

  describe(`PostQueue, as ${name}`, () => {
    it('claims due posts, the earliest first, up to the limit', async () => {
      const stores = await make();
      const now = stores.clock.now();
      const seconds = [-10, -30, -20, -40];
      const stored = new Map<number, PostId>();
      for (const second of seconds) {
        stored.set(second, (await given(stores, { post: aScheduledPost(), nextActionTime: later(second, now) })).id);
      }
      const first = await stores.queue.claim({ ...CLAIM, limit: 3 });
      expect(first.map(({ postId }) => postId)).toEqual([-40, -30, -20].map((second) => stored.get(second)));
      const rest = await stores.queue.claim({ ...CLAIM, limit: 3 });
      expect(rest.map(({ postId }) => postId)).toEqual([stored.get(-10)]);
    });

    it('gives each post as it is, with all its attempts', async () => {
      const stores = await make();
      const post = anUploadingPost({ ...everything, attempts: [...fullAttempts, anAnnouncedAttempt(live)] });
      const lease = await claimed(stores, post);
      expect(asStored(lease.post)).toEqual(asStored(post));
      expect(lease).toMatchObject({ postId: post.id, owner: 'worker', post: { version: 1 } });
    });

    it('claims no post that is not due yet, or never is', async () => {
      const stores = await make();
      await given(stores, { post: aScheduledPost(), nextActionTime: later(3600, stores.clock.now()) });
      await given(stores, aHeldPost());
      expect(await stores.queue.claim(CLAIM)).toEqual([]);
    });

    it('gives each post to one of ten workers', async () => {
      const stores = await make();
      const stored: PostId[] = [];
      for (let index = 0; index < 10; index += 1) {
        stored.push(
          (await given(stores, { post: aScheduledPost(), nextActionTime: later(-1, stores.clock.now()) })).id,
        );
      }
      const claims = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          stores.queue.claim({ owner: `worker-${index}`, limit: 3, leaseSeconds: 60 }),
        ),
      );
      const rest = await stores.queue.claim(CLAIM);
      expect([...claims.flat(), ...rest].map(({ postId }) => postId).toSorted()).toEqual(stored.toSorted());
    });

    it('gives a dead worker’s post to the next one, with a higher fence', async () => {
      const stores = await make();
      const dead = await claimed(stores, aScheduledPost(), 0, 'dead');
      const alive = await claimAgain(stores, dead.postId, 0, 'alive');
      const third = await claimAgain(stores, dead.postId, 60, 'third');
      expect(alive.fence).toBeGreaterThan(dead.fence);
      expect(third.fence).toBeGreaterThan(alive.fence);
    });

    it.each(['another', 'the same'])('lets a worker store nothing more once %s claimed its post', async (who) => {
      const stores = await make();
      const post = aScheduledPost();
      const old = await claimed(stores, post, 0);
      const start = await here(stores);
      await claimAgain(stores, post.id, 60, who === 'another' ? 'other' : 'worker');

      const cancelled = aCancelledPost(post as object);
      expect(await stores.queue.store(old, { ...cancelled, state: 'CANCELLED' })).toBe(false);
      expect(await stores.queue.finish(old, { post: { ...cancelled, state: 'CANCELLED' } })).toBe(false);
      expect(await stores.queue.renew(old, 60)).toBe(false);
      expect(await stores.queue.letGo(old)).toBe(false);
      expect((await found(stores, post.id)).post).toMatchObject({ state: 'SCHEDULED', version: 1 });
      expect(await allEvents(stores, start)).toEqual([]);
      expect(await stores.queue.claim(CLAIM)).toEqual([]);
    });

    it('stores nothing that does not follow from the post as it is, and goes on holding it', async () => {
      const stores = await make();
      const lease = await claimed(stores, anUploadingPost());
      expect(await stores.queue.store(lease, lease.post)).toBe(true);
      const start = await here(stores);
      for (const version of [1, 3]) {
        expect(await stores.queue.store(lease, { ...lease.post, version, setbacks: 9 })).toBe(false);
        expect(await stores.queue.finish(lease, { post: { ...lease.post, version, setbacks: 9 } })).toBe(false);
      }
      expect((await found(stores, lease.postId)).post).toMatchObject({ version: 2, setbacks: 0 });
      expect(await allEvents(stores, start)).toEqual([]);
      expect(await stores.queue.finish(lease, { post: { ...lease.post, version: 2 } })).toBe(true);
    });

    it('stores one of twenty writes that follow from the same version', async () => {
      const stores = await make();
      const lease = await claimed(stores, anUploadingPost());
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, setbacks) => stores.queue.store(lease, { ...lease.post, setbacks })),
      );
      expect(outcomes.filter((stored) => stored)).toHaveLength(1);
      expect((await found(stores, lease.postId)).post).toMatchObject({
        version: 2,
        setbacks: outcomes.findIndex((stored) => stored),
      });
    });

    it('judges each of many writes that come at the same time by itself', async () => {
      const stores = await make();
      const leases = [];
      for (let count = 0; count < 6; count += 1) leases.push(await claimed(stores, anUploadingPost()));
      const [lost] = leases;
      if (lost === undefined) throw new Error('no lease');
      await stores.posts.update(lost.postId, (post) => ok({ post: { ...post, setbacks: 99 } }));
      const start = await here(stores);
      const next = later(30, stores.clock.now());
      const outcomes = await Promise.all(
        leases.map((lease, index) => {
          const post = { ...lease.post, setbacks: index };
          return index % 2 === 0
            ? stores.queue.store(lease, post)
            : stores.queue.finish(lease, { post, nextActionTime: next });
        }),
      );
      expect(outcomes).toEqual([false, true, true, true, true, true]);
      for (const [index, { postId }] of leases.entries()) {
        const { post, nextActionTime } = await found(stores, postId);
        expect(post.setbacks).toBe(index === 0 ? 99 : index);
        if (index % 2 === 1) expect(nextActionTime).toEqual(next);
      }
      const told = (await allEvents(stores, start)).map(({ step }) => step.post.id);
      expect(told.toSorted()).toEqual(
        leases
          .slice(1)
          .map(({ postId }) => postId)
          .toSorted(),
      );
    });

    it('stores a post and goes on holding it', async () => {
      const stores = await make();
      const lease = await claimed(stores, aScheduledPost());
      const uploading = anUploadingPost({ ...identityOf(lease.post), attempts: [anAnnouncedAttempt()] });
      expect(await stores.queue.store(lease, uploading)).toBe(true);
      const { post } = await found(stores, lease.postId);
      expect(asStored(post)).toEqual(asStored(uploading));
      expect(post.version).toBe(2);
      expect(await stores.queue.claim(CLAIM)).toEqual([]);
      expect(await stores.queue.store(lease, { ...uploading, version: 2 })).toBe(true);
      expect((await found(stores, lease.postId)).post.version).toBe(3);
    });

    it('ends one attempt and begins another in one step', async () => {
      const stores = await make();
      const lease = await claimed(stores, anInitializingPost({ attempts: [anAttempt()] }));
      const next = anInitializingPost({
        ...identityOf(lease.post),
        attempts: [anAttempt({ outcome: 'ORPHANED', endTime: NOW }), anAttempt({ number: 2 })],
      });
      expect(await stores.queue.store(lease, next)).toBe(true);
      expect(asStored((await found(stores, lease.postId)).post)).toEqual(asStored(next));
    });

    it('holds a post as long as it is renewed', async () => {
      const stores = await make();
      const lease = await claimed(stores, aScheduledPost(), 0);
      expect(await stores.queue.renew(lease, 60)).toBe(true);
      expect(await stores.queue.claim(CLAIM)).toEqual([]);
    });

    it('finishes with what comes next, and lets go', async () => {
      const stores = await make();
      const lease = await claimed(stores, aPreparingPost());
      const scheduled = schedule(aPreparingPost(lease.post as object));
      expect(await stores.queue.finish(lease, { post: scheduled, nextActionTime: later(-1, stores.clock.now()) })).toBe(
        true,
      );
      expect(asStored((await found(stores, lease.postId)).post)).toEqual(asStored(scheduled));
      const current = { ...scheduled, version: 2 };
      expect(await stores.queue.store(lease, current)).toBe(false);
      expect(await stores.queue.finish(lease, { post: current })).toBe(false);
      expect(await stores.queue.renew(lease, 60)).toBe(false);
      const next = await claimAgain(stores, lease.postId);
      expect(next.fence).toBeGreaterThan(lease.fence);
    });

    it('finishes with a time that is yet to come, or with none', async () => {
      const stores = await make();
      const first = await claimed(stores, aScheduledPost(), 0);
      const nextActionTime = new Date(stores.clock.now().getTime() + 3_600_000);
      expect(await stores.queue.finish(first, { post: first.post, nextActionTime })).toBe(true);
      expect((await found(stores, first.postId)).nextActionTime).toEqual(nextActionTime);
      const second = await claimed(stores, aHeldPost(), 0);
      expect(await stores.queue.finish(second, { post: second.post })).toBe(true);
      expect(await found(stores, second.postId)).not.toHaveProperty('nextActionTime');
      expect(await stores.queue.claim(CLAIM)).toEqual([]);
    });

    it('lets go of a post as it was, and nobody is told of anything', async () => {
      const stores = await make();
      const lease = await claimed(stores, aProcessingPost());
      const start = await here(stores);
      const nextActionTime = later(3600, stores.clock.now());
      expect(await stores.queue.letGo(lease, nextActionTime)).toBe(true);
      expect(await stores.queue.letGo(lease, nextActionTime)).toBe(false);
      expect(await stores.queue.store(lease, lease.post)).toBe(false);
      const step = await found(stores, lease.postId);
      expect(step.nextActionTime).toEqual(nextActionTime);
      expect(revealed(step.post)).toEqual(revealed(lease.post));
      expect(await allEvents(stores, start)).toEqual([]);
      expect(await stores.queue.claim(CLAIM)).toEqual([]);
    });

    it('lets go without a time of what nothing more happens to by itself', async () => {
      const stores = await make();
      const lease = await claimed(stores, aScheduledPost(), 0);
      expect(await stores.queue.letGo(lease)).toBe(true);
      expect(await found(stores, lease.postId)).not.toHaveProperty('nextActionTime');
      expect(await stores.queue.claim(CLAIM)).toEqual([]);
    });

    it('lets go of a post that was woken meanwhile: it is due at once', async () => {
      const stores = await make();
      const lease = await claimed(stores, aProcessingPost());
      await stores.posts.wake({ connectionId: lease.post.connectionId });
      expect(await stores.queue.letGo(lease, later(3600, stores.clock.now()))).toBe(true);
      const again = await claimAgain(stores, lease.postId);
      expect(again).toMatchObject({ lapses: 0, post: { version: 1 } });
    });

    it('is taken from a worker by a caller’s change', async () => {
      const stores = await make();
      const lease = await claimed(stores, anUploadingPost());
      expect(await stores.posts.update(lease.postId, cancelling)).toMatchObject({ ok: true });
      expect(await stores.queue.store(lease, lease.post)).toBe(false);
      expect(await stores.queue.finish(lease, { post: lease.post })).toBe(false);
      expect(await stores.queue.renew(lease, 60)).toBe(false);
      expect((await found(stores, lease.postId)).post.state).toBe('CANCELLED');
      expect(await stores.queue.claim(CLAIM)).toEqual([]);
    });

    it('lets one of worker and caller win, never both', async () => {
      const stores = await make();
      for (let round = 0; round < 10; round += 1) {
        const lease = await claimed(stores, anUploadingPost());
        const finalizing = aFinalizingPost({
          ...identityOf(lease.post),
          attempts: [anAnnouncedAttempt({ finalizeTime: NOW })],
        });
        const [stored, cancelled] = await Promise.all([
          stores.queue.store(lease, finalizing),
          stores.posts.update(lease.postId, cancelling),
        ]);
        expect(cancelled.ok).toBe(!stored);
        expect((await found(stores, lease.postId)).post.state).toBe(stored ? 'PUBLISHING' : 'CANCELLED');
      }
    });

    it('makes a post due by a caller’s change while a worker held it', async () => {
      const stores = await make();
      const lease = await claimed(stores, aScheduledPost());
      await stores.posts.update(lease.postId, (post) =>
        ok({ post: { ...post }, nextActionTime: later(-1, stores.clock.now()) }),
      );
      expect((await claimAgain(stores, lease.postId)).fence).toBeGreaterThan(lease.fence);
    });

    describe('lapses', () => {
      /** Claimed as often, each time by a worker that does not let go. Gives the last lease. */
      async function lapsed(stores: PostStores, times: number, post: Post = aScheduledPost()): Promise<Lease> {
        let lease = await claimed(stores, post, 0);
        for (let lapse = 0; lapse < times; lapse += 1) lease = await suspected(stores, post.id);
        return lease;
      }

      /** Of the due posts this one, suspect or not. Its lease is over at once. */
      async function suspected({ queue }: PostStores, id: PostId): Promise<Lease> {
        const leases = await queue.claim({ owner: 'worker', limit: 100, leaseSeconds: 0, suspect: true });
        const lease = leases.find(({ postId }) => postId === id);
        if (lease === undefined) throw new Error(`${id} was not due`);
        return lease;
      }

      const claimedLater = async (stores: PostStores, { postId }: Lease) => (await suspected(stores, postId)).lapses;

      it('count the leases in a row that ended without their worker letting go', async () => {
        const stores = await make();
        const post = aScheduledPost();
        const counted = [(await claimed(stores, post, 0)).lapses];
        for (let lapse = 0; lapse < 4; lapse += 1) counted.push((await suspected(stores, post.id)).lapses);
        expect(counted).toEqual([0, 1, 2, 3, 4]);
      });

      it('are none while the worker renews, and none for a post that rested in between', async () => {
        const stores = await make();
        const lease = await claimed(stores, aScheduledPost(), 0);
        await stores.queue.renew(lease, 0);
        await stores.queue.renew(lease, 0);
        expect(
          await stores.queue.finish(lease, { post: lease.post, nextActionTime: later(-1, stores.clock.now()) }),
        ).toBe(true);
        expect(await claimedLater(stores, lease)).toBe(0);
      });

      it('are not forgotten when the post is put off, and are none more for it', async () => {
        const stores = await make();
        const lease = await lapsed(stores, 3);
        expect(lease.lapsed).toBe(true);
        expect(await stores.queue.putOff(lease, -1)).toBe(true);
        expect(await stores.queue.putOff(lease, -1)).toBe(false);
        expect(await suspected(stores, lease.postId)).toMatchObject({ lapses: 3, lapsed: false, post: { version: 1 } });
      });

      it('are over when a worker lets go', async () => {
        const stores = await make();
        const lease = await lapsed(stores, 3);
        await stores.queue.finish(lease, { post: lease.post, nextActionTime: later(-1, stores.clock.now()) });
        expect(await claimedLater(stores, lease)).toBe(0);
      });

      it('go on with a change that brought no byte further, and are over with one that did', async () => {
        const stores = await make();
        const lease = await lapsed(stores, 3);
        await stores.queue.store(lease, lease.post);
        const again = await suspected(stores, lease.postId);
        expect(again.lapses).toBe(4);
        await stores.queue.store(again, again.post, { progressed: true });
        expect(await claimedLater(stores, lease)).toBe(1);
      });

      it('are over when a caller changes the post', async () => {
        const stores = await make();
        const lease = await lapsed(stores, 3);
        await stores.posts.update(lease.postId, (post) =>
          ok({ post: { ...post }, nextActionTime: later(-1, stores.clock.now()) }),
        );
        expect(await claimedLater(stores, lease)).toBe(0);
      });

      it('make a suspect of a post, and suspects are taken one at a time, by who asks for them', async () => {
        const stores = await make();
        const suspects: PostId[] = [];
        for (let index = 0; index < 3; index += 1) {
          suspects.push((await claimed(stores, aScheduledPost(), 0)).postId);
        }
        for (let lapse = 0; lapse < SUSPECT_LAPSES; lapse += 1) {
          await stores.queue.claim({ owner: 'worker', limit: 100, leaseSeconds: 0 });
        }
        const innocent = await given(stores, { post: aScheduledPost(), nextActionTime: later(-1, stores.clock.now()) });

        expect((await stores.queue.claim(CLAIM)).map(({ postId }) => postId)).toEqual([innocent.id]);
        expect(await stores.queue.claim(CLAIM)).toEqual([]);
        const taken: PostId[] = [];
        for (let index = 0; index < 3; index += 1) {
          const leases = await stores.queue.claim({ ...CLAIM, suspect: true });
          expect(leases).toHaveLength(1);
          taken.push(...leases.map(({ postId }) => postId));
        }
        expect(taken.toSorted()).toEqual(suspects.toSorted());
        expect(await stores.queue.claim({ ...CLAIM, suspect: true })).toEqual([]);
      });

      it('do not let a suspect come on top of the limit', async () => {
        const stores = await make();
        await lapsed(stores, SUSPECT_LAPSES);
        await given(stores, { post: aScheduledPost(), nextActionTime: later(-1, stores.clock.now()) });
        const request = { ...CLAIM, limit: 1, suspect: true };
        expect([await stores.queue.claim(request), await stores.queue.claim(request)]).toMatchObject([[{}], [{}]]);
      });

      it('give a suspect to one of ten workers', async () => {
        const stores = await make();
        const { postId } = await lapsed(stores, SUSPECT_LAPSES);
        const claims = await Promise.all(
          Array.from({ length: 10 }, (_, index) =>
            stores.queue.claim({ owner: `worker-${index}`, limit: 5, leaseSeconds: 60, suspect: true }),
          ),
        );
        expect(claims.flat().map((lease) => lease.postId)).toEqual([postId]);
      });
    });

    it('passes over who is crowded, and takes the others, the earliest first', async () => {
      const stores = await make();
      const now = stores.clock.now();
      const connectionId = ids.connectionId();
      const due = async (seconds: number, parts: Partial<Post>) =>
        (await given(stores, { post: aScheduledPost(parts as object), nextActionTime: later(seconds, now) })).id;
      const busyWorkspace = await due(-50, { workspaceId: OTHER_WORKSPACE });
      const busyConnection = await due(-40, { connectionId });
      const second = await due(-20, {});
      const first = await due(-30, {});
      const crowded = { workspaces: [OTHER_WORKSPACE], connections: [connectionId] };
      const claimedIds = async (parts: object) =>
        (await stores.queue.claim({ ...CLAIM, ...parts })).map(({ postId }) => postId);
      expect(await claimedIds({ crowded, limit: 1 })).toEqual([first]);
      expect(await claimedIds({ crowded })).toEqual([second]);
      expect(await claimedIds({ crowded })).toEqual([]);
      expect(await claimedIds({ crowded: { workspaces: [OTHER_WORKSPACE], connections: [] } })).toEqual([
        busyConnection,
      ]);
      expect(await claimedIds({ crowded: { workspaces: [], connections: [] } })).toEqual([busyWorkspace]);
    });

    it('tells when the next post comes due after a moment, whatever is overdue', async () => {
      const stores = await make();
      const now = stores.clock.now();
      for (const seconds of [-3600, 3600, 7200]) {
        await given(stores, { post: aScheduledPost(), nextActionTime: later(seconds, now) });
      }
      expect(await stores.queue.earliest()).toEqual(later(-3600, now));
      expect(await stores.queue.earliest(later(-3600, now))).toEqual(later(3600, now));
      expect(await stores.queue.earliest(now)).toEqual(later(3600, now));
      expect(await stores.queue.earliest(later(3600, now))).toEqual(later(7200, now));
      expect(await stores.queue.earliest(later(7200, now))).toBeUndefined();
    });

    it('tells when the next post comes due or the next lease ends', async () => {
      const stores = await make();
      expect(await stores.queue.earliest()).toBeUndefined();
      await given(stores, aHeldPost());
      expect(await stores.queue.earliest()).toBeUndefined();
      const distant = new Date(stores.clock.now().getTime() + 3_600_000);
      await given(stores, { post: aScheduledPost(), nextActionTime: distant });
      expect(await stores.queue.earliest()).toEqual(distant);
      await claimed(stores, aScheduledPost(), 600);
      expect(await stores.queue.earliest()).toSatisfy(
        (time: Date) => time > later(300, stores.clock.now()) && time < later(900, stores.clock.now()),
      );
    });
  });

  describe(`PostEvents, as ${name}`, () => {
    it('has one event for each stored change, in order, with the state before', async () => {
      const stores = await make();
      const start = await here(stores);
      const lease = await claimed(stores, aScheduledPost());
      const { postId } = lease;
      const initializing = anInitializingPost({ ...identityOf(lease.post), attempts: [anAttempt()] });
      const uploading = anUploadingPost({ ...identityOf(lease.post), attempts: [anAnnouncedAttempt()] });
      await stores.queue.store(lease, initializing);
      await stores.queue.finish(lease, {
        post: { ...uploading, version: 2 },
        nextActionTime: later(3600, stores.clock.now()),
      });
      await stores.posts.update(postId, cancelling);

      const events = await allEvents(stores, start);
      expect(events.map(({ previousState, step }) => [previousState, step.post.state, step.post.version])).toEqual([
        [undefined, 'SCHEDULED', 1],
        ['SCHEDULED', 'PUBLISHING', 2],
        ['PUBLISHING', 'PUBLISHING', 3],
        ['PUBLISHING', 'CANCELLED', 4],
      ]);
      expect(events[0]).not.toHaveProperty('previousState');
      for (const { eventTime } of events) {
        expect(Math.abs(eventTime.getTime() - stores.clock.now().getTime())).toBeLessThan(600_000);
      }
    });

    it('shows each post as it was right after the change, with its latest attempt as it was then', async () => {
      const stores = await make();
      const start = await here(stores);
      const lease = await claimed(stores, aScheduledPost(everything));
      const { postId } = lease;
      const identity = { ...everything, ...identityOf(lease.post) };
      const story: readonly Post[] = [
        anInitializingPost({ ...identity, attempts: [anAttempt()] }),
        anUploadingPost({ ...identity, attempts: [anAnnouncedAttempt()] }),
        aFailedPost({ ...identity, attempts: [anEndedAttempt({ publishId: 'v_pub_file~1' })] }),
        anInitializingPost({
          ...identity,
          attempts: [anEndedAttempt({ publishId: 'v_pub_file~1' }), anAttempt({ number: 2 })],
        }),
      ];
      for (const [index, post] of story.entries()) await stores.queue.store(lease, { ...post, version: index + 1 });
      const events = await allEvents(stores, start, { ...ALL, postIds: [postId] });
      const withoutAddress = (post: Post) =>
        asStored({ ...post, attempts: post.attempts.map(({ uploadUrl: _, ...attempt }) => attempt) });
      expect(events.slice(1).map(({ step }) => withoutAddress(step.post))).toEqual(
        story.map((post) => withoutAddress(brief(post))),
      );
    });

    it('tells with each change when the post is looked at next', async () => {
      const stores = await make();
      const start = await here(stores);
      const nextActionTime = new Date('2027-01-01T00:00:00.123Z');
      await given(stores, { post: aScheduledPost(), nextActionTime });
      expect(await allEvents(stores, start)).toMatchObject([{ step: { nextActionTime } }]);
    });

    it('goes on exactly behind the event whose cursor it gets', async () => {
      const stores = await make();
      const start = await here(stores);
      for (let index = 0; index < 5; index += 1) await given(stores, aScheduledPost());
      const events = await allEvents(stores, start);
      expect(events).toHaveLength(5);
      for (const [index, { cursor }] of events.entries()) {
        expect(revealed(await allEvents(stores, cursor))).toEqual(revealed(events.slice(index + 1)));
      }
    });

    it('gives no more than was asked for, and says how far it got', async () => {
      const stores = await make();
      const start = await here(stores);
      for (let index = 0; index < 3; index += 1) await given(stores, aScheduledPost());
      await here(stores);
      const first = await stores.events.after(start, ALL, 2);
      expect(first?.events).toHaveLength(2);
      expect((await stores.events.after(first?.reached ?? '', ALL, 2))?.events).toHaveLength(1);
    });

    it('ends where nothing is new', async () => {
      const stores = await make();
      await given(stores, aScheduledPost());
      await here(stores);
      const end = await stores.events.end();
      expect(await stores.events.after(end, ALL, 10)).toEqual({ events: [], reached: end });
      const post = await given(stores, aScheduledPost());
      expect((await allEvents(stores, end)).map(({ step }) => step.post.id)).toEqual([post.id]);
    });

    it('is filtered by workspace, connection and post', async () => {
      const stores = await make();
      const start = await here(stores);
      const first = await given(stores, aScheduledPost());
      const second = await given(stores, aScheduledPost({ connectionId: first.connectionId }));
      const third = await given(stores, aScheduledPost());
      const foreign = await given(stores, aScheduledPost({ workspaceId: OTHER_WORKSPACE }));
      const seen = async (parts: Partial<EventFilter>) =>
        (await allEvents(stores, start, { ...ALL, ...parts })).map(({ step }) => step.post.id);

      expect(await seen({})).toEqual([first.id, second.id, third.id]);
      expect(await seen({ connectionIds: [first.connectionId] })).toEqual([first.id, second.id]);
      expect(await seen({ connectionIds: [third.connectionId, first.connectionId] })).toEqual([
        first.id,
        second.id,
        third.id,
      ]);
      expect(await seen({ postIds: [second.id, third.id] })).toEqual([second.id, third.id]);
      expect(await seen({ connectionIds: [first.connectionId], postIds: [third.id] })).toEqual([]);
      expect(await seen({ postIds: [foreign.id] })).toEqual([]);
      expect(await seen({ workspaceId: OTHER_WORKSPACE })).toEqual([foreign.id]);
    });

    it.each(['garbage', 'x1', '{}', '12 34', '-1', '%00', '🙂', '9'.repeat(30), "1'; drop table post_event"])(
      'takes %j for no cursor of its own',
      async (cursor) => {
        const { events } = await make();
        expect(await events.after(cursor, ALL, 10)).toBeUndefined();
      },
    );

    it('skips no event and repeats none when many posts change at once', async () => {
      const stores = await make();
      const stored: PostId[] = [];
      for (let index = 0; index < 10; index += 1) stored.push((await given(stores, aScheduledPost())).id);
      const start = await here(stores);
      let open = true;
      const changes = Promise.all(
        stored.flatMap((id) => Array.from({ length: 5 }, () => stores.posts.update(id, counting))),
      )
        .then(() => here(stores))
        .finally(() => {
          open = false;
        });
      const seen: PostEvent[] = [];
      for (let cursor = start, last = false, moved = true; moved || !last; ) {
        last = !open;
        const batch = await stores.events.after(cursor, ALL, 7);
        seen.push(...(batch?.events ?? []));
        moved = batch !== undefined && batch.reached !== cursor;
        cursor = batch?.reached ?? cursor;
        if (!moved) await new Promise(setImmediate);
      }
      await changes;
      expect(seen).toHaveLength(50);
      for (const id of stored) {
        const counts = seen.flatMap(({ step }) => (step.post.id === id ? [step.post.setbacks] : []));
        expect(counts).toEqual([1, 2, 3, 4, 5]);
      }
    });

    it('calls whoever listens after a change by a caller or a worker', async () => {
      const stores = await make();
      const lease = await claimed(stores, aScheduledPost());
      const changes: readonly (() => Promise<unknown>)[] = [
        () => stores.queue.store(lease, lease.post),
        () => stores.queue.finish(lease, { post: { ...lease.post, version: 2 } }),
        () => stores.posts.update(lease.postId, cancelling),
        () => given(stores, aScheduledPost()),
      ];
      for (const change of changes) {
        const call = Promise.withResolvers<void>();
        const off = stores.events.subscribe(ALL, call.resolve);
        onTestFinished(off);
        await change();
        await call.promise;
        off();
      }
    });

    it('calls nobody who went away', async () => {
      const stores = await make();
      let called = 0;
      stores.events.subscribe(ALL, () => {
        called += 1;
      })();
      const other = Promise.withResolvers<void>();
      onTestFinished(stores.events.subscribe(ALL, other.resolve));
      await given(stores, aScheduledPost());
      await other.promise;
      expect(called).toBe(0);
    });
  });
}

/** A worker's or caller's change that any post takes, and that can be counted. */
const counting = (post: Post) => ok({ post: { ...post, setbacks: post.setbacks + 1 } });

function cancelling(post: Post) {
  const cancelled = cancel(post, NOW);
  return cancelled.ok ? ok({ post: cancelled.value }) : cancelled;
}

/** What never changes about a post, and its version. */
const identityOf = ({ id, workspaceId, connectionId, videoId, createTime, version }: Post) => ({
  id,
  workspaceId,
  connectionId,
  videoId,
  createTime,
  version,
});
