import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FailPointName } from '../../../src/application/ports/fail-point.ts';
import { disconnect, reconnect } from '../../../src/domain/connection/connection.ts';
import { cancel, edit, liveAttempt, type Post } from '../../../src/domain/post/post.ts';
import { restingStep } from '../../../src/domain/post/step.ts';
import { consequenceOf, type PublishError } from '../../../src/domain/publish-error.ts';
import { err, ok } from '../../../src/domain/result.ts';
import {
  aCancelledPost,
  aFailedPost,
  aFinalizingPost,
  aFinding,
  aHeldPost,
  anAnnouncedAttempt,
  anEndedAttempt,
  anImportingVideo,
  anInitializingPost,
  anUnconfirmedPost,
  anUploadingPost,
  aPreparingPost,
  aPublishedPost,
  aRejectedVideo,
  aRequest,
  aScheduledPost,
  aSpec,
  everyPublishError,
  later,
  NOW,
  someSettings,
} from '../../support/builders.ts';
import { answers, lostAfter, lostBefore, refuses, UNAVAILABLE } from '../../support/fake-tiktok.ts';
import { Crash, World } from './world.ts';

/** Three chunks: 0 to 43,333,333, to 86,666,666 and to the end. */
const SIZE = 130_000_000;

const lostChunk = answers({ kind: 'NOT_ANSWERED' as const, error: UNAVAILABLE });
const lostChunkAnswer = async (answer: () => Promise<unknown>) => {
  await answer();
  return { kind: 'NOT_ANSWERED' as const, error: UNAVAILABLE };
};
const asUsual = <T>(answer: () => Promise<T>): Promise<T> => answer();
const times = <T>(count: number, value: T): T[] => Array<T>(count).fill(value);

async function givenDuePost(world: World, parts: Partial<Post> = {}): Promise<Post> {
  const video = await world.givenVideo({ sizeBytes: SIZE });
  return world.givenPost((needed) => aScheduledPost({ ...needed, ...(parts as object) }), { video });
}

/** What holds at every chunk, whatever goes wrong: R4 and R7. */
function watchTheOrder(world: World, post: Post): void {
  world.tiktok.before('sendChunk', async () => {
    const stored = await world.post(post.id);
    const attempt = liveAttempt(stored);
    const ended = stored.attempts.some(({ publishId }) => publishId === world.tiktok.jobs.at(-1)?.publishId);
    expect(attempt?.publishId ?? ended, 'a byte left before its publish id was stored').toBeTruthy();
    if (world.tiktok.calls.at(-1)?.endsWith(`-${SIZE}`)) {
      expect(stored, 'the last byte left before FINALIZING was stored').toMatchObject({ phase: 'FINALIZING' });
    }
  });
}

const outcomes = ({ attempts }: Post) => attempts.map(({ outcome }) => outcome);

describe('advancing a post', () => {
  it('announces it, sends every chunk in order and waits for the verdict', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    watchTheOrder(world, post);
    await world.workUntilQuiet();
    expect(world.tiktok.calls.map((call) => call.replace(/ act\.\d+$/, ''))).toEqual([
      'readCreator',
      'announce',
      'sendChunk 0-43333333',
      'sendChunk 43333333-86666666',
      'sendChunk 86666666-130000000',
      'readStatus v_pub_file~1',
    ]);
    expect(await world.post(post.id)).toMatchObject({
      state: 'PUBLISHED',
      tiktokPostIds: ['7300000000000000001'],
      dispatchLatenessSeconds: 0,
      setbacks: 0,
      attempts: [{ number: 1, publishId: 'v_pub_file~1', bytesSent: SIZE, outcome: 'PUBLISHED' }],
    });
  });

  it('drops the upload address when the attempt ends', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    await world.workUntilQuiet();
    expect((await world.post(post.id)).attempts[0]).not.toHaveProperty('uploadUrl');
  });

  it('delivers a draft to the inbox, and does not ask what the account may post', async () => {
    const world = new World();
    world.tiktok.verdict = { state: 'IN_CREATOR_INBOX' };
    const post = await givenDuePost(world, { settings: someSettings({ draft: true }) });
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'IN_CREATOR_INBOX' });
    expect(world.tiktok.called('readCreator')).toBe(0);
  });
});

describe('the first look at the verdict', () => {
  const looked = async (world: World, post: Post) => {
    await world.work();
    const { post: stored, nextActionTime } = await world.step(post.id);
    return { stored, nextActionTime, looks: world.tiktok.called('readStatus') };
  };

  it('is at the post in hand: nothing is written in between, and the verdict at once', async () => {
    const world = new World();
    world.pauses = true;
    const post = await givenDuePost(world);
    let before: Post | undefined;
    world.tiktok.before('readStatus', async () => {
      before = await world.post(post.id);
    });
    const { stored, looks } = await looked(world, post);
    expect(before).toMatchObject({ phase: 'FINALIZING' });
    expect(looks).toBe(1);
    expect(stored).toMatchObject({ state: 'PUBLISHED', version: (before?.version ?? 0) + 1 });
  });

  it('that finds no verdict is stored with what it found', async () => {
    const world = new World();
    world.pauses = true;
    world.tiktok.verdict = { state: 'WORKING' };
    const { stored, nextActionTime } = await looked(world, await givenDuePost(world));
    expect(stored).toMatchObject({ phase: 'PROCESSING', attempts: [{ polls: 1, bytesSent: SIZE }] });
    expect(nextActionTime).toEqual(later(1, world.clock.now()));
  });

  it('is another worker’s when the post has to be let go', async () => {
    const world = new World();
    const { stored, nextActionTime, looks } = await looked(world, await givenDuePost(world));
    expect(looks).toBe(0);
    expect(stored).toMatchObject({ phase: 'PROCESSING', attempts: [{ polls: 0, bytesSent: SIZE }] });
    expect(nextActionTime).toEqual(later(1, world.clock.now()));
  });
});

describe.each([
  { dies: 'a worker that dies', pauses: false, writes: 7 },
  { dies: 'a worker that dies, and holds on to posts until the first look', pauses: true, writes: 6 },
])('$dies', ({ pauses, writes: leastWrites }) => {
  const points: readonly (readonly [point: string, name: FailPointName, jobs: number, attempts: number])[] = [
    ['C1', 'claimed', 1, 1],
    ['C2', 'intent-stored', 1, 2],
    ['C3 and C4', 'announced', 2, 2],
    ['C5', 'ids-stored', 1, 1],
    ['C6, before its offset is stored', 'chunk-sent', 1, 1],
    ['C6, after', 'chunk-stored', 1, 1],
    ['C7', 'finalizing-stored', 1, 1],
    ['C8 and C9', 'last-byte-sent', 1, 1],
    ['C10', 'verdict-due', 1, 1],
    ['C11', 'verdict-read', 1, 1],
  ];

  it.each(points)('at %s (%s) leaves one post behind, and no second', async (_, name, jobs, attempts) => {
    const world = new World();
    world.pauses = pauses;
    const post = await givenDuePost(world);
    watchTheOrder(world, post);
    world.crashAt = name;
    await world.workUntilQuiet();
    expect(world.crashAt, 'the point was never reached').toBeUndefined();
    expect(world.tiktok.posts).toHaveLength(1);
    expect(world.tiktok.jobs).toHaveLength(jobs);
    const ended = await world.post(post.id);
    expect(ended).toMatchObject({ state: 'PUBLISHED' });
    expect(ended.attempts.map(({ number }) => number)).toEqual(
      times(attempts, 0).map((zero, index) => zero + index + 1),
    );
  });

  it('before TikTok’s ids are stored leaves an orphan that never gets a byte (C3)', async () => {
    const world = new World();
    world.pauses = pauses;
    const post = await givenDuePost(world);
    world.crashAt = 'announced';
    await world.workUntilQuiet();
    expect(world.tiktok.jobs.map(({ bytes }) => bytes)).toEqual([0, SIZE]);
    expect(outcomes(await world.post(post.id))).toEqual(['ORPHANED', 'PUBLISHED']);
  });

  it.each(['before', 'after'])('at any write, %s it is stored, leaves one post behind', async (moment) => {
    for (let nth = 1; ; nth += 1) {
      const world = new World();
      world.pauses = pauses;
      const post = await givenDuePost(world);
      let writes = 0;
      const { queue } = world;
      const dying = <Write extends 'store' | 'finish'>(write: Write): (typeof queue)[Write] =>
        (async (lease: never, stored: never) => {
          writes += 1;
          if (writes === nth && moment === 'before') throw new Crash(write);
          const held = await queue[write](lease, stored);
          if (writes === nth) throw new Crash(write);
          return held;
        }) as (typeof queue)[Write];
      world.queue = { ...queue, store: dying('store'), finish: dying('finish') };
      watchTheOrder(world, post);
      await world.workUntilQuiet();
      expect(world.tiktok.posts, `write ${nth}`).toHaveLength(1);
      expect(await world.post(post.id), `write ${nth}`).toMatchObject({ state: 'PUBLISHED' });
      if (writes < nth) {
        expect(nth).toBeGreaterThanOrEqual(leastWrites);
        return;
      }
    }
  });

  it('is taken over while it sleeps, and stores nothing when it wakes (C14)', async () => {
    const world = new World();
    world.pauses = pauses;
    const post = await givenDuePost(world);
    let asleep = false;
    world.tiktok.before('sendChunk', async () => {
      if (asleep) return;
      asleep = true;
      world.clock.advance(61);
      while (await world.work({ owner: 'the other' })) world.clock.advance(5);
    });
    await world.work({ owner: 'the sleeper' });
    const ended = await world.post(post.id);
    expect(ended).toMatchObject({ state: 'PUBLISHED' });
    expect(world.tiktok.posts).toHaveLength(1);
    expect(world.tiktok.jobs).toHaveLength(1);
  });

  it('publishes once whatever is lost on the way, in any order', async () => {
    const point = fc.constantFrom<FailPointName>(...points.map(([, name]) => name));
    const method = fc.constantFrom('readCreator', 'announce', 'sendChunk', 'readStatus' as const);
    const fault = fc.oneof(
      fc.record({ crash: point }),
      fc.record({ method, skip: fc.nat({ max: 3 }), before: fc.boolean() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fault, { maxLength: 8 }), async (faults) => {
        const world = new World();
        world.pauses = pauses;
        const post = await givenDuePost(world);
        watchTheOrder(world, post);
        const crashes = faults.flatMap((one) => ('crash' in one ? [one.crash] : []));
        for (const one of faults) {
          if ('crash' in one) continue;
          const skipped = times(one.skip, asUsual);
          if (one.method === 'sendChunk') {
            world.tiktok.next(
              'sendChunk',
              ...(skipped as (typeof lostChunk)[]),
              one.before ? lostChunk : lostChunkAnswer,
            );
          } else {
            world.tiktok.next(
              one.method as 'announce',
              ...(skipped as (typeof lostBefore)[]),
              one.before ? lostBefore : lostAfter,
            );
          }
        }
        for (;;) {
          world.crashAt = crashes.shift();
          await world.workUntilQuiet();
          if (world.crashAt === undefined && crashes.length === 0) break;
          if ((await world.post(post.id)).state === 'PUBLISHED') break;
        }
        expect(world.tiktok.posts).toHaveLength(1);
        expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
      }),
      { numRuns: 150 },
    );
  });
});

describe('an answer that is lost', () => {
  it.each([
    ['never arrives', lostBefore, 1],
    ['is carried out', lostAfter, 2],
  ])('of an announcement that %s costs an attempt, never a second post (PUB-02)', async (_, lost, jobs) => {
    const world = new World();
    const post = await givenDuePost(world);
    world.tiktok.next('announce', lost);
    await world.workUntilQuiet();
    expect(world.tiktok.jobs).toHaveLength(jobs);
    expect(world.tiktok.posts).toHaveLength(1);
    expect(outcomes(await world.post(post.id))).toEqual(['ORPHANED', 'PUBLISHED']);
  });

  it.each([
    ['first', 0],
    ['middle', 1],
    ['last', 2],
  ])('of the %s chunk goes on where TikTok stands (PUB-06, PUB-09)', async (_, skip) => {
    for (const lost of [lostChunk, lostChunkAnswer]) {
      const world = new World();
      const post = await givenDuePost(world);
      watchTheOrder(world, post);
      world.tiktok.next('sendChunk', ...(times(skip, asUsual) as (typeof lostChunk)[]), lost);
      await world.workUntilQuiet();
      expect(world.tiktok.called('sendChunk')).toBe(lost === lostChunk ? 4 : 3);
      expect(world.tiktok.called('announce')).toBe(1);
      expect(world.tiktok.posts).toHaveLength(1);
      expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
    }
  });

  it('of the status is asked for again, however long it takes (PUB-10)', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    world.tiktok.next('readStatus', ...times(40, lostBefore));
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
    expect(world.tiktok.called('announce')).toBe(1);
  });
});

describe('chunks', () => {
  it('go on where TikTok says it stands (PUB-07)', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    world.tiktok.next('sendChunk', asUsual, async (answer) => {
      const [job] = world.tiktok.jobs;
      if (job !== undefined) job.bytes = 50_000_000;
      return answer();
    });
    await world.workUntilQuiet();
    expect(world.tiktok.calls.filter((call) => call.startsWith('sendChunk'))).toEqual([
      'sendChunk 0-43333333',
      'sendChunk 43333333-86666666',
      'sendChunk 50000000-86666666',
      'sendChunk 86666666-130000000',
    ]);
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
  });

  it('go on where TikTok’s status says when the answer does not', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    world.tiktok.next('sendChunk', asUsual, answers({ kind: 'MISALIGNED', confirmedBytes: undefined } as const));
    await world.work();
    expect(await world.post(post.id)).toMatchObject({ phase: 'UPLOADING', setbacks: 1 });
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
    expect(world.tiktok.called('sendChunk')).toBe(4);
  });

  it('rest when they keep meeting another position', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    world.tiktok.next('sendChunk', ...times(9, answers({ kind: 'MISALIGNED', confirmedBytes: 0 } as const)));
    await world.work();
    expect(world.tiktok.called('sendChunk')).toBe(4);
    expect(await world.step(post.id)).toMatchObject({ post: { phase: 'UPLOADING' }, nextActionTime: later(5) });
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
  });

  it('that are refused as malformed fail the post, before the last byte', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    const error: PublishError = { code: 'CONNECTOR_REQUEST_REJECTED', detail: 'range' };
    world.tiktok.next('sendChunk', asUsual, answers({ kind: 'REFUSED', error } as const));
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'FAILED', error });
    expect(world.tiktok.posts).toHaveLength(0);
  });

  it('that are refused as malformed at the end fail the post, once no byte can come any more', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    const error: PublishError = { code: 'CONNECTOR_REQUEST_REJECTED', detail: 'range' };
    world.tiktok.next('sendChunk', asUsual, asUsual, ...times(500, answers({ kind: 'REFUSED', error } as const)));
    await world.workUntilQuiet({ withinDays: 1 / 24 });
    expect(await world.post(post.id)).toMatchObject({ phase: 'FINALIZING' });
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'FAILED', error });
    expect(world.tiktok.jobs).toHaveLength(1);
  });

  it('meet a dead address before the last one: a new attempt begins at byte 0 (C13)', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    world.tiktok.next('sendChunk', asUsual, async (answer) => {
      world.tiktok.expireAddresses();
      return answer();
    });
    await world.workUntilQuiet();
    expect(world.tiktok.jobs.map(({ bytes }) => bytes)).toEqual([43_333_333, SIZE]);
    expect(outcomes(await world.post(post.id))).toEqual(['FAILED', 'PUBLISHED']);
  });

  it('meet a dead address at the last one: a new attempt waits for the proof that no byte can come any more (C13)', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    world.tiktok.next('sendChunk', asUsual, asUsual, async (answer) => {
      world.tiktok.expireAddresses();
      return answer();
    });
    const moments: Date[] = [];
    world.tiktok.before('announce', () => moments.push(world.clock.now()));
    await world.workUntilQuiet();
    const [first, second] = moments;
    expect(moments).toHaveLength(2);
    expect(Number(second) - Number(first)).toBeGreaterThanOrEqual((3600 + 600) * 1000);
    expect(world.tiktok.posts).toHaveLength(1);
    expect(outcomes(await world.post(post.id))).toEqual(['FAILED', 'PUBLISHED']);
  });

  it('stop at the next one when the process ends, and go on from there without a wait', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    let ending = false;
    world.tiktok.next('sendChunk', async (answer) => {
      ending = true;
      return answer();
    });
    await world.work({ shift: { ending: () => ending } });
    expect(world.tiktok.called('sendChunk')).toBe(1);
    expect(await world.step(post.id)).toMatchObject({ post: { phase: 'UPLOADING' }, nextActionTime: NOW });
    await world.workUntilQuiet();
    expect(world.tiktok.called('sendChunk')).toBe(3);
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
  });

  it('wait for room by the size of the file', async () => {
    const world = new World();
    await givenDuePost(world);
    const sizes: number[] = [];
    await world.work({
      shift: {
        whenThereIsRoom: (sizeBytes, send) => {
          sizes.push(sizeBytes);
          return send();
        },
      },
    });
    expect(sizes).toEqual([SIZE]);
  });

  it('are sent ever more rarely while the last one is not answered', async () => {
    const world = new World();
    await givenDuePost(world);
    world.tiktok.next('sendChunk', asUsual, asUsual, ...times(500, lostChunk));
    await world.workUntilQuiet({ withinDays: 0.5 / 24 });
    expect(world.tiktok.called('sendChunk')).toBeLessThan(60);
  });

  it('are sent ever more rarely while none is answered, and the post says that it waits for TikTok', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    world.tiktok.next('sendChunk', ...times(500, lostChunk));
    await world.workUntilQuiet({ withinDays: 0.5 / 24 });
    expect(await world.post(post.id)).toMatchObject({ state: 'HELD', hold: { reason: 'PLATFORM_OUTAGE' } });
  });
});

describe('a verdict', () => {
  it('that never comes leaves the outcome unconfirmed after a day, and nothing is sent again (PUB-11)', async () => {
    const world = new World();
    world.tiktok.verdict = { state: 'WORKING', uploadedBytes: SIZE };
    const post = await givenDuePost(world);
    await world.workUntilQuiet({ withinDays: 0.99 });
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHING', phase: 'PROCESSING' });
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'UNCONFIRMED', error: { code: 'OUTCOME_UNCONFIRMED' } });
    expect(world.tiktok.called('announce')).toBe(1);
  });

  it('that comes late is still taken in', async () => {
    const world = new World();
    world.tiktok.verdict = { state: 'WORKING' };
    const post = await givenDuePost(world);
    await world.workUntilQuiet({ withinDays: 2 });
    expect(await world.post(post.id)).toMatchObject({ state: 'UNCONFIRMED' });
    for (const job of world.tiktok.jobs) job.verdict = { state: 'PUBLISHED', tiktokPostIds: ['7'] };
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED', tiktokPostIds: ['7'] });
  });

  it('of a failure that may pass begins a new attempt (C17)', async () => {
    const world = new World();
    world.tiktok.verdict = { state: 'FAILED', error: UNAVAILABLE };
    const post = await givenDuePost(world);
    world.tiktok.next('readStatus', async (answer) => {
      world.tiktok.verdict = { state: 'PUBLISHED', tiktokPostIds: [] };
      return answer();
    });
    await world.workUntilQuiet({ withinDays: 0.5 });
    expect(outcomes(await world.post(post.id))).toEqual(['FAILED', 'PUBLISHED']);
    expect(world.tiktok.posts).toHaveLength(1);
  });

  it('of a failure fails the post at the third time (R9)', async () => {
    const world = new World();
    world.tiktok.verdict = { state: 'FAILED', error: UNAVAILABLE };
    const post = await givenDuePost(world);
    await world.workUntilQuiet();
    const ended = await world.post(post.id);
    expect(ended).toMatchObject({ state: 'FAILED', error: UNAVAILABLE });
    expect(outcomes(ended)).toEqual(['FAILED', 'FAILED', 'FAILED']);
  });

  it('says PUBLISHED first, and the link when TikTok tells it', async () => {
    const world = new World();
    world.tiktok.verdict = { state: 'PUBLISHED', tiktokPostIds: [] };
    const post = await givenDuePost(world);
    await world.workUntilQuiet({ withinDays: 0.2 });
    const published = await world.post(post.id);
    expect(published).toMatchObject({ state: 'PUBLISHED', tiktokPostIds: [] });
    for (const job of world.tiktok.jobs) job.verdict = { state: 'PUBLISHED', tiktokPostIds: ['7'] };
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({
      tiktokPostIds: ['7'],
      publishTime: published.state === 'PUBLISHED' && published.publishTime,
    });
  });

  it('of a post for some eyes only is complete without a link', async () => {
    const world = new World();
    world.tiktok.verdict = { state: 'PUBLISHED', tiktokPostIds: [] };
    const post = await givenDuePost(world, { settings: someSettings({ privacyLevel: 'SELF_ONLY' }) });
    await world.workUntilQuiet();
    expect(await world.step(post.id)).not.toHaveProperty('nextActionTime');
    expect(world.tiktok.called('readStatus')).toBe(1);
  });

  it('is waited for when TikTok has every byte although its answer was lost, and every byte counts as sent', async () => {
    const world = new World();
    world.tiktok.verdict = { state: 'WORKING', uploadedBytes: SIZE };
    const post = await givenDuePost(world);
    world.crashAt = 'last-byte-sent';
    await world.workUntilQuiet({ withinDays: 0.01 });
    expect(await world.post(post.id)).toMatchObject({ phase: 'PROCESSING' });
  });

  it('is waited for with every byte counted, also after the last answer was lost', async () => {
    const world = new World();
    world.tiktok.verdict = { state: 'WORKING', uploadedBytes: SIZE };
    const post = await givenDuePost(world);
    world.crashAt = 'last-byte-sent';
    await world.workUntilQuiet({ withinDays: 0.01 });
    expect(await world.post(post.id)).toMatchObject({ phase: 'PROCESSING', attempts: [{ bytesSent: SIZE }] });
  });

  it('that TikTok answers again about ends the setbacks', async () => {
    const world = new World();
    world.tiktok.verdict = { state: 'WORKING', uploadedBytes: SIZE };
    const post = await givenDuePost(world);
    world.tiktok.next('readStatus', ...times(4, lostBefore));
    await world.workUntilQuiet({ withinDays: 0.1 });
    expect(await world.post(post.id)).toMatchObject({ phase: 'PROCESSING', setbacks: 0 });
  });
});

/** What is left of a post that met `error`, by the table of the contract. */
function effectOf(error: PublishError, at: Date): object {
  const consequence = consequenceOf(error);
  switch (consequence.kind) {
    case 'HOLD_RECONNECT':
      return { state: 'HELD', hold: { reason: 'RECONNECT' }, error };
    case 'HOLD_QUOTA':
      return { state: 'HELD', hold: { reason: 'QUOTA', releaseTime: later(consequence.seconds, at) }, error };
    case 'BACK_OFF':
      return { state: 'PUBLISHING', phase: 'INITIALIZING', error };
    case 'FAIL':
      return { state: 'FAILED', error, edited: false };
  }
}

/** The same before TikTok took the post on: what it would say to others as well is kept from them, and nobody asks meanwhile. */
const effectBefore = (error: PublishError, at: Date): object =>
  error.code === 'APP_CREDENTIALS_REJECTED'
    ? { state: 'HELD', hold: { reason: 'PLATFORM_OUTAGE', releaseTime: later(30, at) }, error }
    : effectOf(error, at);

describe('what TikTok refuses with (PUB-17)', () => {
  const errors = everyPublishError.map((error) => [error.code, error] as const);

  it.each(errors)('%s when asked what the account may post', async (_, error) => {
    const world = new World();
    const post = await givenDuePost(world);
    world.tiktok.next('readCreator', refuses(error), refuses(error));
    await world.work();
    expect(await world.post(post.id)).toMatchObject(effectBefore(error, NOW));
    expect(world.tiktok.jobs).toEqual([]);
  });

  it.each(errors)('%s when the post is announced', async (_, error) => {
    const world = new World();
    const post = await givenDuePost(world);
    world.tiktok.next('announce', refuses(error), refuses(error));
    await world.work();
    const met = await world.post(post.id);
    expect(met).toMatchObject(effectBefore(error, NOW));
    expect(liveAttempt(met)).toBeUndefined();
    expect(world.tiktok.called('sendChunk')).toBe(0);
  });

  it.each(errors)('%s as a verdict', async (_, error) => {
    const world = new World();
    world.tiktok.verdict = { state: 'FAILED', error };
    const post = await givenDuePost(world);
    await world.work();
    world.clock.advance(1);
    await world.work();
    const met = await world.post(post.id);
    expect(met).toMatchObject(effectOf(error, world.clock.now()));
    expect(outcomes(met)).toEqual(['FAILED']);
  });

  it.each(errors)(
    '%s when a stored attempt is asked about: it goes on with the same attempt, or ends',
    async (_, error) => {
      const world = new World();
      const post = await givenDuePost(world);
      world.tiktok.next('sendChunk', lostChunk);
      await world.work();
      world.clock.advance(5);
      world.tiktok.next('readStatus', refuses(error), refuses(error));
      await world.work();
      const met = await world.post(post.id);
      const { phase: _phase, ...effect } = effectOf(error, world.clock.now()) as { readonly phase?: string };
      expect(met).toMatchObject(effect);
      expect(liveAttempt(met)?.publishId).toBe(met.state === 'FAILED' ? undefined : 'v_pub_file~1');
    },
  );

  it.each(errors)('%s while the verdict is awaited: only TikTok’s status decides', async (_, error) => {
    const world = new World();
    const post = await givenDuePost(world);
    await world.work();
    world.clock.advance(1);
    world.tiktok.next('readStatus', refuses(error), refuses(error));
    await world.work();
    const step = await world.step(post.id);
    expect(step.post).toMatchObject({ state: 'PUBLISHING', phase: 'PROCESSING' });
    // To be slowed down is no fault.
    if (error.code === 'UPSTREAM_RATE_LIMITED') expect(step.post).toMatchObject({ setbacks: 0 });
    else expect(step.post).toMatchObject({ error, setbacks: 1 });
    expect(step.nextActionTime).toBeDefined();
  });

  it('as an outage, when it goes on: the post says so, and goes out when TikTok is well again', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    world.tiktok.next('readCreator', ...times(10, lostBefore));
    const moments: number[] = [];
    world.tiktok.before('readCreator', () => moments.push((world.clock.now().getTime() - NOW.getTime()) / 1000));
    for (let round = 0; round < 4; round += 1) {
      await world.work();
      world.clock.set((await world.step(post.id)).nextActionTime ?? NOW);
    }
    expect(moments).toEqual([0, 5, 25, 105]);
    expect(await world.post(post.id)).toMatchObject({ state: 'HELD', hold: { reason: 'PLATFORM_OUTAGE' } });
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED', setbacks: 0 });
  });

  it('a rate limit, which is left alone for a minute (PUB-16)', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    world.tiktok.next('announce', refuses({ code: 'UPSTREAM_RATE_LIMITED' }));
    await world.work();
    expect((await world.step(post.id)).nextActionTime).toEqual(later(60));
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
  });
});

describe('the account', () => {
  it('that was disconnected by its person holds the post, before the last byte (C15)', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    world.tiktok.next('sendChunk', lostChunk);
    await world.work();
    world.tiktok.kill('grant');
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'HELD', hold: { reason: 'RECONNECT' } });
    expect(await world.connection(post.connectionId)).toMatchObject({ state: 'RECONNECT_REQUIRED' });

    const { accessToken, refreshToken } = world.tiktok.issue();
    const known = await world.credentials.find(post.connectionId);
    if (known === undefined) throw new Error('the old pair is gone');
    await world.credentials.put({ ...known, accessToken, refreshToken, refreshDueTime: known.accessExpireTime });
    await world.connections.update(post.connectionId, (connection) =>
      ok(reconnect(connection, { ...known, account: connection.account, grantedScopes: [] }, world.clock.now())),
    );
    await world.posts.wake({ connectionId: post.connectionId });
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
    expect(world.tiktok.jobs).toHaveLength(1);
  });

  it('that was disconnected by its person leaves the outcome open, after the last byte (C15)', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    await world.work();
    world.tiktok.kill('grant');
    await world.workUntilQuiet({ withinDays: 0.9 });
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHING', phase: 'PROCESSING' });
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'UNCONFIRMED' });
  });

  it('that a caller disconnected takes no post', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    await world.connections.update(post.connectionId, (connection) => ok(disconnect(connection, NOW)));
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'HELD', error: { code: 'ACCOUNT_ACCESS_REVOKED' } });
    expect(world.tiktok.calls).toEqual([]);
  });

  it('that may not post for this audience any more fails the post, and says which it may', async () => {
    const world = new World();
    world.tiktok.creator = { ...world.tiktok.creator, privacyLevels: ['SELF_ONLY'] };
    const post = await givenDuePost(world);
    await world.workUntilQuiet();
    const error = { code: 'PRIVACY_LEVEL_NOT_ALLOWED', allowed: ['SELF_ONLY'] };
    expect(await world.post(post.id)).toMatchObject({ state: 'FAILED', error });
  });

  it('whose own limit is shorter than the video fails the post', async () => {
    const world = new World();
    world.tiktok.creator = { ...world.tiktok.creator, maxVideoSeconds: 10 };
    const post = await givenDuePost(world);
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({
      state: 'FAILED',
      error: { code: 'CHECK_FAILED', finding: { code: 'VIDEO_TOO_LONG', limit: 'at most 10 s' } },
    });
  });

  it('that switched comments off gets its post without them, and the post keeps what was chosen', async () => {
    const world = new World();
    world.tiktok.creator = { ...world.tiktok.creator, commentAvailable: false };
    const settings = someSettings({ allowComment: true, allowStitch: true });
    const post = await givenDuePost(world, { settings });
    await world.workUntilQuiet();
    expect(world.tiktok.jobs.map(({ settings }) => settings)).toEqual([{ ...settings, allowComment: false }]);
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED', settings });
  });

  it('that came back while its post was on the way to a hold wakes it', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    world.tiktok.verdict = { state: 'FAILED', error: { code: 'ACCOUNT_ACCESS_REVOKED' } };
    world.tiktok.next('readStatus', async (answer) => {
      const status = await answer();
      world.tiktok.verdict = { state: 'PUBLISHED', tiktokPostIds: ['7'] };
      return status;
    });
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
  });
});

describe('the video', () => {
  it.each([
    ['is ready', 'SCHEDULED'],
    ['is on its way', 'PREPARING'],
    ['was rejected', 'FAILED'],
    ['is gone', 'FAILED'],
  ] as const)('that a post waits for %s: %s', async (what, state) => {
    const world = new World();
    const importing = anImportingVideo();
    await world.videos.addImport(importing, aRequest());
    const scheduleTime = later(3600);
    const post = await world.givenPost((needed) => aPreparingPost({ ...needed, scheduleTime }), {
      video: importing,
      nextActionTime: NOW,
    });
    const [lease] = await world.videos.claimImports({ owner: 'fetcher', limit: 1, leaseSeconds: 60 });
    if (lease === undefined) throw new Error('no import');
    const finding = aFinding();
    if (what === 'is ready')
      await world.videos.finishImport(lease, { ...(await world.givenVideo()), id: importing.id });
    if (what === 'was rejected')
      await world.videos.finishImport(lease, aRejectedVideo({ id: importing.id, findings: [finding] }));
    if (what === 'is gone') world.videos = { ...world.videos, find: async () => undefined };
    await world.work();
    const step = await world.step(post.id);
    expect(step.post.state).toBe(state);
    expect(step.nextActionTime).toEqual(what === 'is ready' ? scheduleTime : undefined);
    if (what === 'was rejected') expect(step.post).toMatchObject({ error: { code: 'CHECK_FAILED', finding } });
    if (what === 'is gone') expect(step.post).toMatchObject({ error: { code: 'VIDEO_MISSING' } });
  });

  it('whose bytes are not all there any more fails the post, and TikTok is not asked', async () => {
    const world = new World();
    const post = await givenDuePost(world);
    Object.assign(world.store, { size: async () => SIZE - 1 });
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'FAILED', error: { code: 'VIDEO_MISSING' } });
    expect(world.tiktok.calls).toEqual([]);
  });

  it.each([
    ['mp4', 'video/mp4'],
    ['mov', 'video/quicktime'],
    ['webm', 'video/webm'],
  ])('in %s is sent as %s', async (container, contentType) => {
    const world = new World();
    const video = await world.givenVideo({ spec: aSpec({ container }) });
    await world.givenPost(aScheduledPost, { video });
    const types: string[] = [];
    const { sendChunk } = world.tiktok.publishing;
    world.tiktok.publishing.sendChunk = (request) => {
      types.push(request.contentType);
      return sendChunk(request);
    };
    await world.workUntilQuiet();
    expect(types).toEqual([contentType]);
  });
});

describe('a late post', () => {
  const late = { maxLatenessSeconds: 60 };
  it.each([
    ['PUBLISH', { state: 'PUBLISHED' }],
    ['HOLD', { state: 'HELD', hold: { reason: 'LATE' }, error: { code: 'SCHEDULE_MISSED', latenessSeconds: 61 } }],
    ['FAIL', { state: 'FAILED', error: { code: 'SCHEDULE_MISSED', latenessSeconds: 61 } }],
  ] as const)('does what its policy says: %s', async (action, effect) => {
    const world = new World();
    const post = await givenDuePost(world, { latePolicy: { ...late, action } });
    world.clock.advance(61);
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject(effect);
    expect(world.tiktok.posts).toHaveLength(action === 'PUBLISH' ? 1 : 0);
  });

  it('is not late at the very end of what is allowed', async () => {
    const world = new World();
    const post = await givenDuePost(world, { latePolicy: { ...late, action: 'FAIL' } });
    world.clock.advance(60);
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED', dispatchLatenessSeconds: 60 });
  });

  it('never loses an attempt that TikTok has: it goes on', async () => {
    const world = new World();
    const post = await givenDuePost(world, { latePolicy: { ...late, action: 'FAIL' } });
    world.crashAt = 'chunk-stored';
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
  });
});

describe('a post that was rescheduled while it was held', () => {
  it.each(['RECONNECT', 'QUOTA', 'PLATFORM_OUTAGE'] as const)(
    'for %s does not go out before its new time',
    async (reason) => {
      const world = new World();
      const scheduleTime = later(7 * 86_400);
      const post = await world.givenPost((needed) =>
        aHeldPost({ ...needed, hold: { reason, releaseTime: later(60) } }),
      );
      await world.posts.update(post.id, (held) => {
        const edited = edit(held, { scheduleTime });
        return edited.ok ? ok(restingStep(edited.value)) : edited;
      });
      await world.workUntilQuiet({ withinDays: 6 });
      expect(world.tiktok.posts).toEqual([]);
    },
  );
});

describe('a cancellation', () => {
  const cancelled = (world: World, post: Post) =>
    world.posts.update(post.id, (current) => {
      const outcome = cancel(current, world.clock.now());
      return outcome.ok ? ok({ post: outcome.value }) : outcome;
    });

  it.each([
    ['readCreator', 1],
    ['announce', 1],
    ['sendChunk', 1],
    ['sendChunk', 2],
    ['sendChunk', 3],
    ['readStatus', 1],
  ] as const)(
    'at %s %i either wins with no post, or comes too late and the post goes out (C16, PUB-13)',
    async (method, nth) => {
      const world = new World();
      const post = await givenDuePost(world);
      let calls = 0;
      let won: boolean | undefined;
      world.tiktok.before(method, async () => {
        calls += 1;
        if (calls !== nth) return;
        const outcome = await cancelled(world, post);
        won = outcome.ok;
        if (!outcome.ok) expect(outcome).toEqual(err({ code: 'POST_ALREADY_SENT', state: 'PUBLISHING' }));
      });
      await world.workUntilQuiet();
      expect(won).toBe(method !== 'readStatus' && nth < 3);
      expect(world.tiktok.posts).toHaveLength(won ? 0 : 1);
      expect(await world.post(post.id)).toMatchObject({ state: won ? 'CANCELLED' : 'PUBLISHED' });
    },
  );
});

describe('an unconfirmed post', () => {
  const duration = 20.5;
  const listed = {
    tiktokPostId: '7600',
    createTime: later(10),
    caption: 'Summer sale #sun',
    durationSeconds: 20,
  };

  async function given(world: World, parts: Partial<Parameters<typeof anUnconfirmedPost>[0]> = {}) {
    const video = await world.givenVideo({ spec: aSpec({ durationSeconds: duration }) });
    return world.givenPost((needed) => anUnconfirmedPost({ ...needed, ...parts }), { video, nextActionTime: NOW });
  }
  const unknown = refuses({ code: 'CONNECTOR_REQUEST_REJECTED', tiktokCode: 'invalid_publish_id' });

  it('is found in the account’s list when just one video looks like it', async () => {
    const world = new World();
    const post = await given(world);
    world.tiktok.next('readStatus', unknown);
    world.tiktok.listed = [{ ...listed, tiktokPostId: '7599', caption: 'another' }, listed];
    await world.work();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED', tiktokPostIds: ['7600'] });
  });

  it.each([
    ['nothing looks like it', []],
    ['two look like it', [listed, { ...listed, tiktokPostId: '7601' }]],
  ])('stays unconfirmed when %s: absence proves nothing', async (_, list) => {
    const world = new World();
    const post = await given(world);
    world.tiktok.next('readStatus', unknown);
    world.tiktok.listed = list;
    await world.work();
    expect(await world.step(post.id)).toMatchObject({ post: { state: 'UNCONFIRMED' }, nextActionTime: later(3600) });
  });

  it('does not take the video that another post became', async () => {
    const world = new World();
    const post = await given(world);
    const { connectionId, videoId } = post;
    await world.posts.add({ post: aPublishedPost({ connectionId, videoId, tiktokPostIds: ['7600'] }) }, aRequest());
    world.tiktok.next('readStatus', unknown);
    world.tiktok.listed = [listed];
    await world.work();
    expect(await world.post(post.id)).toMatchObject({ state: 'UNCONFIRMED' });
  });

  it('fails for good when TikTok says so, and is not sent again by itself', async () => {
    const world = new World();
    const post = await given(world);
    world.tiktok.next('readStatus', answers(ok({ state: 'FAILED', error: UNAVAILABLE } as const)));
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'FAILED', error: UNAVAILABLE });
    expect(world.tiktok.called('announce')).toBe(0);
  });

  it('is looked for during a week, and never sent again', async () => {
    const world = new World();
    await given(world);
    await world.workUntilQuiet({ withinDays: 30 });
    expect(world.clock.now().getTime()).toBeGreaterThan(later(7 * 86_400).getTime());
    expect(world.clock.now().getTime()).toBeLessThan(later(8 * 86_400).getTime());
    expect(world.tiktok.called('announce')).toBe(0);
  });

  it('does not cost the connection when the person did not let us list videos', async () => {
    const world = new World();
    const post = await given(world);
    world.tiktok.next('readStatus', unknown);
    world.tiktok.next('listVideos', refuses({ code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.list'] }));
    await world.work();
    expect(await world.connection(post.connectionId)).toMatchObject({ state: 'ACTIVE' });
  });
});

describe('a stored attempt', () => {
  it.each([
    ['UPLOADING', anUploadingPost],
    ['FINALIZING', aFinalizingPost],
  ] as const)('that is %s is never replaced without proof that it is dead (R5)', async (_, build) => {
    const world = new World();
    const grant = await world.tiktok.publishing.announce(world.tiktok.issue().accessToken, {
      caption: '',
      settings: someSettings(),
      plan: anAnnouncedAttempt().plan,
    });
    if (!grant.ok) throw new Error('not announced');
    const { publishId, uploadUrl } = grant.value;
    const finalizeTime = NOW;
    const attempt = anAnnouncedAttempt({
      publishId,
      uploadUrl,
      ...(build === aFinalizingPost ? { finalizeTime } : {}),
    });
    const post = await world.givenPost((needed) => build({ ...needed, attempts: [attempt] }), { nextActionTime: NOW });
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED', attempts: [{ number: 1 }] });
    expect(world.tiktok.called('announce')).toBe(1);
  });

  it('that is INITIALIZING after an ended one gets the next number', async () => {
    const world = new World();
    const post = await world.givenPost(
      (needed) => anInitializingPost({ ...needed, attempts: [anEndedAttempt({ number: 1, outcome: 'ORPHANED' })] }),
      { nextActionTime: NOW },
    );
    await world.workUntilQuiet();
    expect((await world.post(post.id)).attempts.map(({ number, outcome }) => [number, outcome])).toEqual([
      [1, 'ORPHANED'],
      [2, 'PUBLISHED'],
    ]);
  });

  it.each([
    ['FAILED', aFailedPost],
    ['CANCELLED', aCancelledPost],
  ] as const)('of a post that is %s is left alone, whoever wakes it', async (state, build) => {
    const world = new World();
    const post = await world.givenPost((needed): Post => build(needed), { nextActionTime: NOW });
    await world.workUntilQuiet();
    expect(await world.step(post.id)).toMatchObject({ post: { state } });
    expect(world.tiktok.calls).toEqual([]);
  });
});
