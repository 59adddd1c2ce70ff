import { describe, expect, it } from 'vitest';
import type { TracedCall } from '../../../src/application/ports/call-trace.ts';
import type { Circumstances, Lease, PostQueue } from '../../../src/application/ports/post-queue.ts';
import { LeaseLost, workInHand } from '../../../src/application/work-in-hand.ts';
import type { Post } from '../../../src/domain/post/post.ts';
import { ok } from '../../../src/domain/result.ts';
import {
  anAnnouncedAttempt,
  anEndedAttempt,
  anUploadingPost,
  aScheduledPost,
  later,
  NOW,
} from '../../support/builders.ts';
import { aShift, LEASE_SECONDS, World } from './world.ts';

const SIZE = 130_000_000;
const call = (endpoint: string): TracedCall => ({ endpoint, time: NOW, milliseconds: 5, code: 'ok' });
const down = async (): Promise<never> => {
  throw new Error('the database is down');
};

async function givenLease(world: World, post: Post = anUploadingPost()): Promise<Lease> {
  await world.givenPost((needed) => ({ ...post, ...needed }), { nextActionTime: NOW });
  const lease = await world.claim();
  if (lease === undefined) throw new Error('nothing is due');
  return lease;
}

describe('a post in the hands of its worker', () => {
  /** What came with each change, and calls as a test makes them. */
  async function given(world = new World(), post?: Post) {
    const lease = await givenLease(world, post);
    const stored: Circumstances[] = [];
    const { queue } = world;
    const noting: PostQueue = {
      ...queue,
      store: async (held, next, circumstances = {}) => {
        stored.push(circumstances);
        return queue.store(held, next, circumstances);
      },
      finish: async (held, step, circumstances = {}) => {
        stored.push(circumstances);
        return queue.finish(held, step, circumstances);
      },
    };
    const calls: TracedCall[] = [];
    const work = (parts: Partial<PostQueue> = {}) =>
      workInHand({ queue: { ...noting, ...parts }, wait: world.wait, leaseSeconds: LEASE_SECONDS }, lease, aShift, () =>
        calls.splice(0),
      );
    return { world, lease, stored, calls, work };
  }

  it('is stored with the calls that led there, each of them once', async () => {
    const { lease, stored, calls, work } = await given();
    const hands = work();
    calls.push(call('a'), call('b'));
    const first = await hands.save(lease.post);
    expect(first.version).toBe(lease.post.version + 1);
    calls.push(call('c'));
    const second = await hands.save(first);
    calls.push(call('d'));
    await hands.finish({ post: second });
    expect(stored.map((with_) => with_.calls?.map(({ endpoint }) => endpoint))).toEqual([['a', 'b'], ['c'], ['d']]);
  });

  it('keeps the calls of a change that could not be stored for the next one', async () => {
    const { world, lease, stored, calls, work } = await given();
    let failures = 2;
    const { queue } = world;
    const hands = work({
      store: async (...written) => {
        stored.push(written[2] ?? {});
        failures -= 1;
        return failures >= 0 ? down() : queue.store(...written);
      },
    });
    calls.push(call('a'));
    await expect(hands.save(lease.post)).rejects.toThrow('the database is down');
    calls.push(call('b'));
    await expect(hands.save(lease.post)).rejects.toThrow('the database is down');
    await hands.save(lease.post);
    expect(stored.map((with_) => with_.calls?.map(({ endpoint }) => endpoint))).toEqual([
      ['a'],
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });

  it.each<[string, (post: Post) => Post, boolean]>([
    ['the same bytes at TikTok', (post) => post, false],
    ['more', (post) => ({ ...post, attempts: [anAnnouncedAttempt({ bytesSent: 101 })] }), true],
    ['fewer', (post) => ({ ...post, attempts: [anAnnouncedAttempt({ bytesSent: 99 })] }), false],
    [
      'another attempt without any',
      (post) => ({ ...post, attempts: [anEndedAttempt({ bytesSent: 100 }), anAnnouncedAttempt({ number: 2 })] }),
      false,
    ],
    [
      'another attempt with some',
      (post) => ({
        ...post,
        attempts: [anEndedAttempt({ bytesSent: 100 }), anAnnouncedAttempt({ number: 2, bytesSent: 1 })],
      }),
      true,
    ],
  ])('has got on when there are %s', async (_, change, progressed) => {
    const post = anUploadingPost({ attempts: [anAnnouncedAttempt({ bytesSent: 100 })] });
    const { lease, stored, work } = await given(new World(), post);
    await work().save(change(lease.post));
    expect(stored).toMatchObject([{ progressed }]);
  });

  it('is in other hands when it can not be stored any more', async () => {
    const { world, lease, work } = await given();
    await world.posts.update(lease.postId, (post) => ok({ post: { ...post } }));
    await expect(work().save(lease.post)).rejects.toThrow(LeaseLost);
    await expect(work().saveHoweverLong(lease.post)).rejects.toThrow(LeaseLost);
    await expect(work().finish({ post: lease.post })).rejects.toThrow(LeaseLost);
    expect(world.waits).toEqual([]);
  });
});

describe('ids that TikTok gave, while the database is down', () => {
  /** The database is away from the answer to the announcement on, for as many tries as it says. */
  async function givenAnnounced(tries: number) {
    const world = new World();
    const video = await world.givenVideo({ sizeBytes: SIZE });
    const post = await world.givenPost(aScheduledPost, { video });
    const { queue } = world;
    let left = tries;
    let announced = false;
    world.tiktok.before('announce', () => {
      announced = true;
    });
    const away = async () => {
      if (!announced || left <= 0) return;
      left -= 1;
      await down();
    };
    world.queue = {
      ...queue,
      store: async (...written) => {
        await away();
        return queue.store(...written);
      },
    };
    return { world, post, queue };
  }

  it('are stored as soon as it is back, before any byte is sent', async () => {
    const { world, post } = await givenAnnounced(50);
    await world.work();
    expect(world.waits).toEqual(Array(50).fill(0.5));
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED', attempts: [{ number: 1 }] });
    expect(world.tiktok.jobs).toHaveLength(1);
  });

  it('are dropped once the lease is known to be lost, and nothing is sent', async () => {
    const { world, post } = await givenAnnounced(1_000_000);
    const lost = new AbortController();
    const { wait } = world;
    Object.assign(world, {
      wait: async (seconds: number) => {
        await wait(seconds);
        if (world.waits.length === 30) lost.abort(new Error('the lease was lost'));
      },
    });
    await expect(world.work({ shift: { signal: lost.signal } })).rejects.toThrow('the database is down');
    expect(world.waits).toHaveLength(30);
    expect(world.tiktok.called('sendChunk')).toBe(0);
    expect(await world.post(post.id)).toMatchObject({ phase: 'INITIALIZING', attempts: [{ number: 1 }] });
    expect((await world.post(post.id)).attempts[0]).not.toHaveProperty('publishId');
  });

  it('are dropped when another worker has the post by then: that one announces it anew', async () => {
    const { world, post, queue } = await givenAnnounced(LEASE_SECONDS * 2 + 2);
    const { wait } = world;
    Object.assign(world, {
      wait: async (seconds: number) => {
        await wait(seconds);
        // Only this worker can't reach the database.
        if (world.waits.length === LEASE_SECONDS * 2 + 1) {
          const [lease] = await queue.claim({ owner: 'another', limit: 1, leaseSeconds: LEASE_SECONDS });
          expect(lease?.postId).toBe(post.id);
        }
      },
    });
    await world.work({ owner: 'cut off' });
    expect(world.tiktok.called('sendChunk')).toBe(0);
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({
      state: 'PUBLISHED',
      attempts: [{ outcome: 'ORPHANED' }, { outcome: 'PUBLISHED' }],
    });
    expect(world.tiktok.jobs.map(({ bytes }) => bytes)).toEqual([0, SIZE]);
    expect(world.tiktok.posts).toHaveLength(1);
  });

  it('that were stored although the answer was lost are found by the next worker, which goes on with them', async () => {
    const { world, post } = await givenAnnounced(0);
    const { queue } = world;
    let lost = false;
    world.queue = {
      ...queue,
      store: async (...written) => {
        const stored = await queue.store(...written);
        const [, next] = written;
        if (lost || next.state !== 'PUBLISHING' || next.phase !== 'UPLOADING') return stored;
        lost = true;
        return down();
      },
    };
    await world.work();
    expect(world.tiktok.called('sendChunk')).toBe(0);
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED', attempts: [{ number: 1 }] });
    expect(world.tiktok.jobs).toHaveLength(1);
    expect(world.clock.now().getTime()).toBeLessThan(later(LEASE_SECONDS + 60).getTime());
  });
});
