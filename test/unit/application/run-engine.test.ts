import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AdvancePost, Shift } from '../../../src/application/advance-post.ts';
import type { FetchVideo } from '../../../src/application/fetch-video.ts';
import type { Lease } from '../../../src/application/ports/post-queue.ts';
import { type Capacity, engine } from '../../../src/application/run-engine.ts';
import type { PostId } from '../../../src/domain/ids.ts';
import type { Step } from '../../../src/domain/post/step.ts';
import { anImportingVideo, aRequest, aScheduledPost, later, NOW } from '../../support/builders.ts';
import { World } from './world.ts';

const CAPACITY: Capacity = { posts: 8, smallUploads: 2, largeUploads: 1, imports: 1 };
/** Lets everything go on that waits for nothing but its turn. */
const settle = () => vi.advanceTimersByTimeAsync(0);
const pass = async (world: World, seconds: number) => {
  for (let second = 0; second < seconds; second += 1) {
    world.clock.advance(1);
    await vi.advanceTimersByTimeAsync(1000);
  }
};

type Job = {
  readonly lease: Lease;
  readonly shift: Shift;
  readonly end: (step?: Step) => void;
  readonly fail: (error: Error) => void;
};

/** An engine whose posts and videos end when the test says so. */
function given(capacity: Partial<Capacity> = {}) {
  const world = new World();
  const jobs: Job[] = [];
  const advance: AdvancePost = (lease, shift) => {
    const { promise, resolve, reject } = Promise.withResolvers<Step | undefined>();
    const end = async (step: Step = { post: lease.post }) =>
      resolve((await world.queue.finish(lease, step)) ? step : undefined);
    jobs.push({ lease, shift, end, fail: reject });
    return promise;
  };
  const fetches: { readonly signal: AbortSignal; readonly end: () => void }[] = [];
  const fetchVideo: FetchVideo = (lease, signal) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = async () => {
      await world.videos.postponeImport(lease, 3600);
      resolve();
    };
    fetches.push({ signal, end });
    return promise;
  };
  const running = () =>
    engine({ ...world, advance, fetchVideo, owner: 'this process', capacity: { ...CAPACITY, ...capacity } });
  return { world, jobs, fetches, running };
}

async function duePost(world: World, time: Date = NOW): Promise<PostId> {
  const { id: videoId } = await world.givenVideo();
  const post = aScheduledPost({ videoId });
  await world.posts.add({ post, nextActionTime: time }, aRequest());
  return post.id;
}

const dueImport = (world: World) => world.videos.addImport(anImportingVideo(), aRequest());

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the engine', () => {
  it('works on everything that is due when it starts, the earliest first', async () => {
    const { world, jobs, fetches, running } = given();
    const second = await duePost(world, later(-1));
    const first = await duePost(world, later(-2));
    await duePost(world, later(3600));
    await dueImport(world);
    const it = running();
    it.start();
    await settle();
    expect(jobs.map(({ lease }) => lease.postId)).toEqual([first, second]);
    expect(fetches).toHaveLength(1);
    expect(it.lastLook()).toEqual(NOW);
  });

  it('looks when the bell rings', async () => {
    const { world, jobs, running } = given();
    running().start();
    await settle();
    const id = await duePost(world);
    await world.doorbell.ringNow();
    await settle();
    expect(jobs.map(({ lease }) => lease.postId)).toEqual([id]);
  });

  it('looks at the moment when a post comes due, without a bell', async () => {
    const { world, jobs, running } = given();
    await duePost(world, later(2));
    running().start();
    await settle();
    expect(jobs).toEqual([]);
    await pass(world, 2);
    expect(jobs).toHaveLength(1);
  });

  it('sweeps every five seconds, whatever became of the bell', async () => {
    const { world, jobs, running } = given();
    running().start();
    await settle();
    await duePost(world);
    await pass(world, 4);
    expect(jobs).toEqual([]);
    await pass(world, 1);
    expect(jobs).toHaveLength(1);
  });

  it('goes on with a post that comes due again soon', async () => {
    const { world, jobs, running } = given();
    await duePost(world);
    running().start();
    await settle();
    jobs[0]?.end({ post: jobs[0].lease.post, nextActionTime: later(1) });
    await settle();
    await pass(world, 1);
    expect(jobs).toHaveLength(2);
  });

  it('takes no more at once than it has room for, and the next as soon as one is done', async () => {
    const { world, jobs, running } = given({ posts: 2 });
    for (let index = 0; index < 5; index += 1) await duePost(world, later(index - 5));
    running().start();
    await settle();
    expect(jobs).toHaveLength(2);
    jobs[0]?.end();
    await settle();
    expect(jobs).toHaveLength(3);
    for (const { end } of jobs.slice(1)) end();
    await settle();
    expect(jobs).toHaveLength(5);
  });

  it('takes all of a thousand due posts, however few at once', async () => {
    const { world, jobs, running } = given({ posts: 10 });
    for (let index = 0; index < 1000; index += 1) await duePost(world, later(-1));
    running().start();
    for (let done = 0; done < 1000; ) {
      await settle();
      expect(jobs.length).toBeGreaterThan(done);
      for (; done < jobs.length; done += 1) jobs[done]?.end();
    }
    expect(new Set(jobs.map(({ lease }) => lease.postId)).size).toBe(1000);
  });

  it('does imports beside posts, within their own room', async () => {
    const { world, jobs, fetches, running } = given({ posts: 1, imports: 1 });
    await duePost(world);
    await dueImport(world);
    await dueImport(world);
    running().start();
    await settle();
    expect([jobs.length, fetches.length]).toEqual([1, 1]);
    fetches[0]?.end();
    await settle();
    expect(fetches).toHaveLength(2);
  });

  it('goes on after the database was down', async () => {
    const { world, jobs, running } = given();
    const { queue } = world;
    let down = true;
    world.queue = {
      ...queue,
      claim: async (request) => {
        if (down) throw new Error('the database is down');
        return queue.claim(request);
      },
    };
    await duePost(world);
    const it = running();
    it.start();
    await settle();
    expect([world.logged('error'), it.lastLook()]).toEqual([['the engine could not look for work'], undefined]);
    down = false;
    await pass(world, 5);
    expect(jobs).toHaveLength(1);
  });

  it('is not stopped by work that fails: the post comes due again when its lease ends', async () => {
    const { world, jobs, running } = given();
    await duePost(world);
    running().start();
    await settle();
    jobs[0]?.fail(new Error('a bug'));
    await settle();
    expect(world.logged('error')).toHaveLength(1);
    await pass(world, 59);
    expect(jobs).toHaveLength(1);
    await pass(world, 2);
    expect(jobs).toHaveLength(2);
  });

  it('asks the database no more than now and then while every place is taken', async () => {
    const { world, running } = given({ posts: 1 });
    await duePost(world, later(-2));
    await duePost(world, later(-1));
    const { queue } = world;
    let asked = 0;
    world.queue = {
      ...queue,
      earliest: async () => {
        asked += 1;
        return queue.earliest();
      },
    };
    running().start();
    await pass(world, 3);
    expect(asked).toBeLessThan(20);
  });
});

describe('uploads', () => {
  it('of large files wait for each other, and never for small ones', async () => {
    const { world, jobs, running } = given({ smallUploads: 2, largeUploads: 1 });
    for (let index = 0; index < 5; index += 1) await duePost(world);
    running().start();
    await settle();
    const started: number[] = [];
    const hang = new Promise<never>(() => {});
    const sizes = [64_000_001, 4e9, 64_000_000, 1, 2];
    jobs.forEach(({ shift }, index) => {
      void shift.whenThereIsRoom(sizes[index] ?? 0, () => {
        started.push(index);
        return hang;
      });
    });
    await settle();
    expect(started.toSorted()).toEqual([0, 2, 3]);
  });
});

describe('a lease', () => {
  it('is renewed every fifteen seconds while its work goes on', async () => {
    const { world, jobs, running } = given();
    await duePost(world);
    running().start();
    await settle();
    await pass(world, 300);
    expect(jobs).toHaveLength(1);
    expect(jobs[0]?.shift.signal.aborted).toBe(false);
  });

  it('that is lost cuts its work off', async () => {
    const { world, jobs, running } = given();
    const id = await duePost(world);
    running().start();
    await settle();
    await world.posts.update(id, (post) => ({ ok: true, value: { post: { ...post } } }));
    await pass(world, 14);
    expect(jobs[0]?.shift.signal.aborted).toBe(false);
    await pass(world, 1);
    expect(jobs[0]?.shift.signal.aborted).toBe(true);
  });

  it('that can not be renewed cuts its work off: another may have it by now (R2)', async () => {
    const { world, jobs, running } = given();
    world.queue = {
      ...world.queue,
      renew: async () => {
        throw new Error('the database is down');
      },
    };
    await duePost(world);
    running().start();
    await settle();
    await pass(world, 15);
    expect(jobs[0]?.shift.signal.aborted).toBe(true);
    expect(world.logged('warn')).toEqual(['a lease could not be renewed']);
  });

  it('of an import is renewed, and cuts it off when it is lost', async () => {
    const { world, fetches, running } = given();
    await dueImport(world);
    const { videos } = world;
    let lost = false;
    world.videos = { ...videos, renewImport: async (...lease) => !lost && videos.renewImport(...lease) };
    running().start();
    await settle();
    await pass(world, 120);
    expect([fetches.length, fetches[0]?.signal.aborted]).toEqual([1, false]);
    lost = true;
    await pass(world, 15);
    expect(fetches[0]?.signal.aborted).toBe(true);
  });
});

describe('stopping', () => {
  it('takes nothing new, and waits for what is under way', async () => {
    const { world, jobs, running } = given();
    await duePost(world);
    const it = running();
    it.start();
    await settle();
    expect(jobs[0]?.shift.ending()).toBe(false);
    let stopped = false;
    const stop = it.stop(20).then(() => {
      stopped = true;
    });
    await settle();
    expect([stopped, jobs[0]?.shift.ending(), jobs[0]?.shift.signal.aborted]).toEqual([false, true, false]);

    await duePost(world);
    await world.doorbell.ringNow();
    await pass(world, 10);
    expect(jobs).toHaveLength(1);
    jobs[0]?.end();
    await stop;
  });

  it('cuts off what is still under way when its time is over', async () => {
    const { world, jobs, running } = given();
    await duePost(world);
    const it = running();
    it.start();
    await settle();
    const stop = it.stop(20);
    jobs[0]?.shift.signal.addEventListener('abort', () => jobs[0]?.fail(new Error('cut off')));
    await pass(world, 19);
    expect(jobs[0]?.shift.signal.aborted).toBe(false);
    await pass(world, 1);
    await stop;
    expect(jobs[0]?.shift.signal.aborted).toBe(true);
  });

  it('at rest is done at once, and leaves no timer behind', async () => {
    const { running } = given();
    const it = running();
    it.start();
    await settle();
    await it.stop(20);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not wait for ever for work that does not heed the signal', async () => {
    const { world, running } = given();
    await duePost(world);
    const it = running();
    it.start();
    await settle();
    let stopped = false;
    void it.stop(20).then(() => {
      stopped = true;
    });
    await pass(world, 60);
    expect(stopped).toBe(true);
  });
});
