import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FAIL_REASONS } from '../../../src/adapters/tiktok/fail-reasons.ts';
import { cancelPost } from '../../../src/application/cancel-post.ts';
import type { Lease } from '../../../src/application/ports/post-queue.ts';
import { publishPost } from '../../../src/application/publish-post.ts';
import { liveAttempt, type Post } from '../../../src/domain/post/post.ts';
import type { LatePolicy } from '../../../src/domain/post/schedule.ts';
import { aPolicy, aScheduledPost, later, NOW, someSettings } from '../../support/builders.ts';
import { refuses, UNAVAILABLE } from '../../support/fake-tiktok.ts';
import { aShift, World } from './world.ts';

/** The rows of the reliability matrix that need no process, no database and no real time. */

const HOUR = 3600;
const DAY = 86_400;
/** Three chunks. */
const SIZE = 130_000_000;

async function givenDuePost(world: World): Promise<Post> {
  const video = await world.givenVideo({ sizeBytes: SIZE });
  return world.givenPost(aScheduledPost, { video });
}

async function claimed(world: World): Promise<Lease> {
  const lease = await world.claim();
  if (lease === undefined) throw new Error('nothing is due');
  return lease;
}

/** Everything that is asked of TikTok and of the record waits for its place in the schedule, before and after it is done. */
function interleave(world: World, scheduler: fc.Scheduler): { stop(): void } {
  let stopped = false;
  const turn = async (label: string): Promise<void> => {
    if (!stopped) await scheduler.schedule(Promise.resolve(), label);
  };
  for (const method of ['readCreator', 'announce', 'sendChunk', 'readStatus'] as const) {
    world.tiktok.before(method, () => turn(`TikTok gets ${method}`));
  }
  const { queue, posts } = world;
  const inTurn = <Arguments extends readonly unknown[], Answer>(
    label: string,
    work: (...given: Arguments) => Promise<Answer>,
  ) => {
    return async (...given: Arguments): Promise<Answer> => {
      await turn(`${label} is asked for`);
      const answer = await work(...given);
      await turn(`${label} is answered`);
      return answer;
    };
  };
  world.queue = {
    ...queue,
    store: inTurn('store', queue.store),
    finish: inTurn('finish', queue.finish),
    letGo: inTurn('letGo', queue.letGo),
  };
  world.posts = { ...posts, update: inTurn('update', posts.update) as typeof posts.update };
  return {
    stop() {
      stopped = true;
    },
  };
}

describe('a cancellation against a worker that is sending (PUB-13)', () => {
  it('PUB-13 wins with no post at all, or comes too late and says so, in whatever order things happen', async () => {
    const seen = { inTime: 0, tooLate: 0 };
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.nat({ max: 24 }), async (scheduler, patience) => {
        const world = new World();
        const post = await givenDuePost(world);
        const lease = await claimed(world);
        const order = interleave(world, scheduler);
        const sending = world.advance()(lease, aShift);
        const waiting = async (): Promise<void> => {
          for (let turn = 0; turn < patience; turn += 1) {
            await scheduler.schedule(Promise.resolve(), 'the person thinks');
          }
        };
        const cancelling = waiting().then(() => cancelPost(world)({ postId: post.id }));
        await scheduler.waitFor(Promise.all([sending, cancelling]));
        order.stop();
        const outcome = await cancelling;
        await world.workUntilQuiet();

        const ended = await world.post(post.id);
        if (outcome.ok) {
          seen.inTime += 1;
          expect(outcome.value.post.state).toBe('CANCELLED');
          expect(ended.state).toBe('CANCELLED');
          expect(world.tiktok.posts).toEqual([]);
          expect(liveAttempt(ended)).toBeUndefined();
        } else {
          seen.tooLate += 1;
          expect(outcome.error).toMatchObject({ code: 'POST_ALREADY_SENT' });
          expect(ended.state).toBe('PUBLISHED');
          expect(world.tiktok.posts).toHaveLength(1);
        }
      }),
      { numRuns: 400 },
    );
    // Both happened: neither of them wins by itself.
    expect(seen.inTime).toBeGreaterThan(20);
    expect(seen.tooLate).toBeGreaterThan(20);
  });
});

describe('two workers that are both at one post (PUB-05)', () => {
  it('PUB-05 send bytes for one publish object only, and make one post, in whatever order things happen', async () => {
    const points = fc.constantFrom('intent-stored', 'ids-stored', 'chunk-stored', 'finalizing-stored', undefined);
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), points, async (scheduler, crashed) => {
        const world = new World();
        const post = await givenDuePost(world);
        if (crashed !== undefined) {
          world.crashAt = crashed;
          await world.work({ owner: 'dead' }).catch(() => undefined);
          world.clock.advance(60);
        }
        // The claim lets one in; here two go on with what it gave.
        const lease = await claimed(world);
        const order = interleave(world, scheduler);
        const workers = [world.advance(), world.advance()].map((advance) => advance(lease, aShift));
        await scheduler.waitFor(Promise.allSettled(workers));
        order.stop();
        await world.workUntilQuiet();

        expect(world.tiktok.jobs.filter(({ bytes }) => bytes > 0)).toHaveLength(1);
        expect(world.tiktok.posts).toHaveLength(1);
        const ended = await world.post(post.id);
        expect(ended.state).toBe('PUBLISHED');
        const out = ended.attempts.filter(({ outcome }) => outcome === 'PUBLISHED');
        expect(out.map(({ publishId }) => publishId)).toEqual(world.tiktok.posts.map(({ publishId }) => publishId));
      }),
      { numRuns: 300 },
    );
  });
});

describe('the status of a post', () => {
  it('PUB-10 is asked for through two hours without an answer, at least once a minute, and then decides', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    const end = later(2 * HOUR);
    const asked: Date[] = [];
    world.tiktok.before('readStatus', () => {
      asked.push(world.clock.now());
    });
    world.tiktok.next(
      'readStatus',
      ...Array.from(
        { length: 1000 },
        () => (answer: () => Promise<unknown>) =>
          (world.clock.now() < end ? refuses(UNAVAILABLE)() : answer()) as never,
      ),
    );
    await world.workUntilQuiet({ withinDays: (2 * HOUR - 1) / DAY });
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHING', phase: 'PROCESSING' });
    expect(asked.length).toBeGreaterThan(110);
    await world.workUntilQuiet();
    const ended = await world.post(post.id);
    if (ended.state !== 'PUBLISHED') throw new Error(`it is ${ended.state}`);
    expect(ended.publishTime.getTime() - end.getTime()).toBeLessThanOrEqual(60_000);
    asked.slice(1).forEach((time, index) => {
      expect(time.getTime() - (asked[index] ?? NOW).getTime()).toBeLessThanOrEqual(60_000);
    });
    expect(world.tiktok.called('announce')).toBe(1);
    expect(world.tiktok.posts).toHaveLength(1);
  });

  it('PUB-11 that never decides leaves the outcome open after 24 hours: announced once, and never again', async () => {
    const world = new World();
    world.tiktok.verdict = { state: 'WORKING', uploadedBytes: SIZE };
    const post = await givenDuePost(world);
    await world.workUntilQuiet({ withinDays: 0.999 });
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHING', phase: 'PROCESSING' });
    await world.workUntilQuiet({ withinDays: 0.01 });
    expect(await world.post(post.id)).toMatchObject({
      state: 'UNCONFIRMED',
      error: { code: 'OUTCOME_UNCONFIRMED' },
      attempts: [{ number: 1, publishId: 'v_pub_file~1', outcome: 'UNCONFIRMED' }],
    });
    const entry = (await world.posts.timeline(post.id)).find(({ state }) => state === 'UNCONFIRMED');
    expect(((entry?.time ?? NOW).getTime() - NOW.getTime()) / HOUR / 1000).toBeCloseTo(24, 1);
    await world.workUntilQuiet({ withinDays: 60 });
    expect(world.tiktok.called('announce')).toBe(1);
    expect(world.tiktok.called('sendChunk')).toBe(3);
    expect((await world.post(post.id)).state).toBe('UNCONFIRMED');
  });
});

describe('a verdict of TikTok’s', () => {
  const AGAIN = { state: 'PUBLISHING', phase: 'INITIALIZING' } as const;
  const HELD = (reason: string) => ({ state: 'HELD', hold: { reason } }) as const;
  const FINAL = { state: 'FAILED', edited: false } as const;

  /** Every documented `fail_reason` (open-api §4.6), what it means, and what comes of the post. */
  const reasons: Readonly<Record<string, readonly [code: string, comesOfIt: object]>> = {
    auth_removed: ['ACCOUNT_ACCESS_REVOKED', HELD('RECONNECT')],
    duration_check_failed: ['VIDEO_DURATION_REJECTED', FINAL],
    file_format_check_failed: ['VIDEO_FORMAT_REJECTED', FINAL],
    frame_rate_check_failed: ['VIDEO_FRAME_RATE_REJECTED', FINAL],
    internal: ['PLATFORM_UNAVAILABLE', AGAIN],
    photo_pull_failed: ['MEDIA_PULL_FAILED', AGAIN],
    picture_size_check_failed: ['VIDEO_RESOLUTION_REJECTED', FINAL],
    publish_cancelled: ['CONNECTOR_REQUEST_REJECTED', FINAL],
    spam_risk: ['CONTENT_FLAGGED', FINAL],
    spam_risk_text: ['CONTENT_FLAGGED', FINAL],
    spam_risk_too_many_posts: ['ACCOUNT_DAILY_POST_CAP', HELD('QUOTA')],
    spam_risk_user_banned_from_posting: ['ACCOUNT_NOT_ELIGIBLE', FINAL],
    video_pull_failed: ['MEDIA_PULL_FAILED', AGAIN],
  };

  it('PUB-17 has a row here for every reason that TikTok documents', () => {
    expect(Object.keys(reasons).toSorted()).toEqual([...FAIL_REASONS.keys()].toSorted());
  });

  it.each(Object.entries(reasons))(
    'PUB-17 %s means %j: retried, final or held, and never silent',
    async (reason, [code, comesOfIt]) => {
      const meaning = FAIL_REASONS.get(reason);
      if (meaning === undefined) throw new Error(`${reason} is not documented`);
      const error = { ...meaning, tiktokCode: reason };
      const world = new World();
      world.tiktok.verdict = { state: 'FAILED', error };
      const post = await givenDuePost(world);
      await world.work();
      world.clock.advance(1);
      await world.work();
      const step = await world.step(post.id);
      expect(step.post).toMatchObject({
        ...comesOfIt,
        error: { code, tiktokCode: reason },
        attempts: [{ number: 1, outcome: 'FAILED', error: { code } }],
      });
      expect(liveAttempt(step.post)).toBeUndefined();
      if (comesOfIt === AGAIN) expect(step.nextActionTime).toBeDefined();
      // Whoever retries: one post in the end, or none and a reason.
      world.tiktok.verdict = undefined;
      await world.workUntilQuiet();
      const ended = await world.post(post.id);
      const again = comesOfIt === AGAIN || ended.state === 'PUBLISHED';
      expect(world.tiktok.posts).toHaveLength(again ? 1 : 0);
      if (!again) expect(ended).toMatchObject({ error: { code } });
    },
  );
});

describe('a service that was off for six hours (SCH-10)', () => {
  const hour = (action: LatePolicy['action']): LatePolicy => ({ maxLatenessSeconds: HOUR, action });
  const policies: readonly (readonly [string, LatePolicy | undefined])[] = [
    ['PUBLISH', hour('PUBLISH')],
    ['HOLD', hour('HOLD')],
    ['FAIL', hour('FAIL')],
    ['the operator’s: a day, then HOLD', undefined],
  ];

  it.each(policies)(
    'SCH-10 sends, holds or fails every post that came due meanwhile, by its policy %s, and says why',
    async (_, latePolicy) => {
      const world = new World();
      world.policy = aPolicy({ latePolicy: { maxLatenessSeconds: DAY, action: 'HOLD' } });
      const dueMinutes = [1, 30, 120, 299, 300, 301, 330, 359, 360, 361, 600];
      const accounts = await world.givenAccounts(dueMinutes.length);
      const posts: { readonly post: Post; readonly minutes: number }[] = [];
      for (const [index, minutes] of dueMinutes.entries()) {
        const { id: videoId } = await world.givenVideo();
        const made = await publishPost(world)({
          workspaceId: accounts[index]?.workspaceId as never,
          connectionId: accounts[index]?.id as never,
          requestId: `request ${minutes}`,
          validateOnly: false,
          destination: 'tiktok',
          caption: `due after ${minutes} minutes`,
          video: { videoId },
          scheduleTime: later(minutes * 60),
          settings: someSettings(),
          labels: {},
          ...(latePolicy === undefined ? {} : { latePolicy }),
        });
        if (!made.ok) throw new Error(made.error.code);
        posts.push({ post: made.value.step.post, minutes });
      }
      // Off: nobody looks.
      world.clock.advance(6 * HOUR);
      await world.workUntilQuiet();

      const policy = latePolicy ?? world.policy.latePolicy;
      for (const { post, minutes } of posts) {
        const step = await world.step(post.id);
        const latenessSeconds = Math.max(0, 6 * HOUR - minutes * 60);
        const missed = latenessSeconds > policy.maxLatenessSeconds && policy.action !== 'PUBLISH';
        const error = { code: 'SCHEDULE_MISSED', latenessSeconds };
        if (!missed)
          expect(step.post, `${minutes}`).toMatchObject({
            state: 'PUBLISHED',
            dispatchLatenessSeconds: latenessSeconds,
          });
        else if (policy.action === 'FAIL') expect(step.post, `${minutes}`).toMatchObject({ state: 'FAILED', error });
        else expect(step.post, `${minutes}`).toMatchObject({ state: 'HELD', hold: { reason: 'LATE' }, error });
        expect(step, 'something was still to come').not.toHaveProperty('nextActionTime');
      }
      const published = (await Promise.all(posts.map(({ post }) => world.post(post.id)))).filter(
        ({ state }) => state === 'PUBLISHED',
      );
      expect(world.tiktok.posts).toHaveLength(published.length);
    },
  );
});
