import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AdvancePost } from '../../../src/application/advance-post.ts';
import type { FetchVideo } from '../../../src/application/fetch-video.ts';
import { type Lease, SUSPECT_LAPSES } from '../../../src/application/ports/post-queue.ts';
import { type Capacity, engine } from '../../../src/application/run-engine.ts';
import type { Shift } from '../../../src/application/work-in-hand.ts';
import type { PostId, WorkspaceId } from '../../../src/domain/ids.ts';
import type { Scheduled } from '../../../src/domain/post/post.ts';
import type { Step } from '../../../src/domain/post/step.ts';
import { anImportingVideo, aRequest, aScheduledPost, ids, later, NOW } from '../../support/builders.ts';
import { LEASE_SECONDS, World } from './world.ts';

const CAPACITY: Capacity = { posts: 8, pauses: 1, smallUploads: 2, largeUploads: 1, imports: 1 };
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
    engine({
      ...world,
      advance,
      fetchVideo,
      owner: 'this process',
      capacity: { ...CAPACITY, ...capacity },
      leaseSeconds: LEASE_SECONDS,
    });
  return { world, jobs, fetches, running };
}

async function duePost(world: World, time: Date = NOW, parts: Partial<Scheduled> = {}): Promise<PostId> {
  const { id: videoId } = await world.givenVideo();
  const post = aScheduledPost({ videoId, ...parts });
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

  it('asks one question in each sweep while nothing is due, and nothing else', async () => {
    const { world, running } = given();
    await duePost(world, later(3600));
    const { upcoming, queue, videos } = world;
    let looks = 0;
    world.upcoming = {
      look() {
        looks += 1;
        return upcoming.look();
      },
    };
    const never = () => Promise.reject(new Error('asked although nothing is due'));
    world.queue = { ...queue, claim: never, earliest: never };
    world.videos = { ...videos, claimImports: never, earliestImport: never };
    const it = running();
    it.start();
    await settle();
    await pass(world, 20);
    expect([looks, world.logged('error'), it.lastLook()]).toEqual([1 + 4, [], later(20)]);
  });

  it('looks for a post that is due by its clock and not yet by the database’s, soon and not all the time', async () => {
    const { world, jobs, running } = given();
    const { upcoming } = world;
    let looks = 0;
    world.upcoming = {
      async look() {
        looks += 1;
        const { posts } = await upcoming.look();
        return posts === undefined ? {} : { posts: { ...posts, isDue: posts.isDue && looks > 10 } };
      },
    };
    await duePost(world);
    running().start();
    await settle();
    expect([looks, jobs.length]).toEqual([1, 0]);
    await vi.advanceTimersByTimeAsync(1000);
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
    for (let index = 0; index < 5; index += 1) {
      await duePost(world, later(index - 5), { workspaceId: `ws_${index}` as WorkspaceId });
    }
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

describe('places', () => {
  const [MANY, FEW, NEW] = ['ws_many', 'ws_few', 'ws_new'] as [WorkspaceId, WorkspaceId, WorkspaceId];
  const inHand = (jobs: readonly Job[], workspaceId: WorkspaceId) =>
    jobs.filter(({ lease }) => lease.post.workspaceId === workspaceId).length;

  /** Due for a while, each to an account of its own unless said. */
  async function givenBacklog(world: World, count: number, parts: Partial<Scheduled>): Promise<void> {
    for (let post = 0; post < count; post += 1) await duePost(world, later(-10), parts);
  }

  it('are taken by one workspace up to its share, and another’s newly due post gets one at once', async () => {
    const { world, jobs, running } = given({ posts: 256 });
    await givenBacklog(world, 300, { workspaceId: MANY });
    running().start();
    await settle();
    expect(jobs).toHaveLength(128);
    await duePost(world, NOW, { workspaceId: NEW });
    await world.doorbell.ringNow();
    await settle();
    expect(inHand(jobs, NEW)).toBe(1);
    expect(inHand(jobs, MANY)).toBe(128);
  });

  it('leave room for a third workspace when two have more to do than there is room for', async () => {
    const { world, jobs, running } = given({ posts: 256 });
    await givenBacklog(world, 300, { workspaceId: MANY });
    await givenBacklog(world, 300, { workspaceId: FEW });
    running().start();
    await settle();
    expect([inHand(jobs, MANY), inHand(jobs, FEW)]).toSatisfy((taken: number[]) =>
      taken.every((count) => count >= 85 && count < 85 + 43 + 32),
    );
    expect(jobs.length).toBeLessThan(256);
    await duePost(world, NOW, { workspaceId: NEW });
    await world.doorbell.ringNow();
    await settle();
    expect(inHand(jobs, NEW)).toBe(1);
  });

  it('are taken by one account up to half of its workspace’s share, and the workspace’s others get theirs', async () => {
    const { world, jobs, running } = given({ posts: 256 });
    const connectionId = ids.connectionId();
    await givenBacklog(world, 200, { workspaceId: MANY, connectionId });
    await duePost(world, NOW, { workspaceId: MANY });
    running().start();
    await settle();
    expect(jobs.filter(({ lease }) => lease.post.connectionId === connectionId)).toHaveLength(64);
    expect(jobs).toHaveLength(65);
  });

  it('are filled again as soon as one is free, and everything gets one in the end', async () => {
    const { world, jobs, running } = given({ posts: 256 });
    await givenBacklog(world, 150, { workspaceId: MANY });
    running().start();
    await settle();
    expect(jobs).toHaveLength(128);
    jobs[0]?.end();
    await settle();
    expect(jobs.length).toBeGreaterThan(128);
    for (const { end } of jobs.slice(1)) end();
    await settle();
    expect(jobs).toHaveLength(150);
  });

  it.each([
    ['workspace', 'workspaceId', MANY],
    ['account', 'connectionId', ids.connectionId()],
  ])('go to the others in between, however fast the posts of one %s are done', async (_, tenant, crowd) => {
    const { world, jobs, running } = given({ posts: 256 });
    await givenBacklog(world, 1_000, { workspaceId: MANY, [tenant]: crowd });
    await givenBacklog(world, 20, { workspaceId: tenant === 'workspaceId' ? NEW : MANY });
    const { queue } = world;
    let ended = 0;
    world.queue = {
      ...queue,
      // Done as fast as they are claimed: nobody ever has many places.
      claim: async (request) => {
        for (; ended < jobs.length; ended += 1) jobs[ended]?.end();
        await new Promise(setImmediate);
        return queue.claim(request);
      },
    };
    running().start();
    await vi.waitUntil(() => jobs.length === 1_020);
    const others = jobs.flatMap(({ lease }, place) => (lease.post[tenant as 'workspaceId'] === crowd ? [] : [place]));
    expect(others).toHaveLength(20);
    expect(Math.max(...others)).toBeLessThan(64);
  });

  it('that nobody may take are not asked for again and again', async () => {
    const { world, running } = given({ posts: 256 });
    await givenBacklog(world, 300, { workspaceId: MANY });
    const { queue } = world;
    let claims = 0;
    world.queue = {
      ...queue,
      claim: (request) => {
        claims += 1;
        return queue.claim(request);
      },
    };
    running().start();
    await pass(world, 10);
    expect(claims).toBeLessThan(12);
  });
});

describe('a post that may be what ends its workers', () => {
  /** Each of them has ended workers before. Due for a while. */
  async function givenSuspects(world: World, count: number): Promise<readonly PostId[]> {
    const suspects: PostId[] = [];
    for (let suspect = 0; suspect < count; suspect += 1) suspects.push(await duePost(world, later(-10)));
    for (let lapse = 0; lapse <= SUSPECT_LAPSES; lapse += 1) {
      await world.queue.claim({ owner: 'dead', limit: 100, leaseSeconds: 0 });
    }
    world.clock.advance(1);
    return suspects;
  }

  it('is worked on alone, while the others flow', async () => {
    const { world, jobs, running } = given();
    const suspects = await givenSuspects(world, 3);
    const innocents = [await duePost(world), await duePost(world)];
    running().start();
    await settle();
    const taken = () => jobs.map(({ lease }) => lease.postId);
    expect(taken().filter((id) => suspects.includes(id))).toHaveLength(1);
    expect(taken()).toEqual(expect.arrayContaining(innocents));

    innocents.push(await duePost(world));
    await world.doorbell.ringNow();
    await settle();
    expect(taken()).toEqual(expect.arrayContaining(innocents));
    expect(taken().filter((id) => suspects.includes(id))).toHaveLength(1);
  });

  it('is followed by the next one as soon as it is done', async () => {
    const { world, jobs, running } = given();
    const suspects = await givenSuspects(world, 3);
    running().start();
    for (let done = 0; done < 3; done += 1) {
      await settle();
      expect(jobs).toHaveLength(done + 1);
      jobs[done]?.end();
    }
    expect(jobs.map(({ lease }) => lease.postId).toSorted()).toEqual([...suspects].toSorted());
  });

  it('takes no place that is not there', async () => {
    const { world, jobs, running } = given({ posts: 1 });
    await givenSuspects(world, 1);
    await duePost(world);
    running().start();
    await settle();
    expect(jobs).toHaveLength(1);
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

describe('a post that pauses', () => {
  it('leaves its place to another, and goes on in time although none is free', async () => {
    const { world, jobs, running } = given({ posts: 1 });
    await duePost(world);
    await duePost(world);
    running().start();
    await settle();
    expect(jobs).toHaveLength(1);
    const back = jobs[0]?.shift.pause(2);
    await settle();
    expect(jobs).toHaveLength(2);
    await pass(world, 2);
    expect(await back).toBe(true);
    await duePost(world);
    jobs[1]?.end();
    await pass(world, 5);
    expect(jobs, 'it has the place that was left').toHaveLength(2);
    jobs[0]?.end();
    await settle();
    expect(jobs).toHaveLength(3);
  });

  it('is let go when as many pause as may', async () => {
    const { world, jobs, running } = given({ pauses: 1 });
    await duePost(world);
    await duePost(world);
    running().start();
    await settle();
    const first = jobs[0]?.shift.pause(1);
    expect(await jobs[1]?.shift.pause(1)).toBe(false);
    await pass(world, 1);
    expect(await first).toBe(true);
    const next = jobs[1]?.shift.pause(1);
    await pass(world, 1);
    expect(await next).toBe(true);
  });

  it('is let go at once when the process is about to stop', async () => {
    const { world, jobs, running } = given();
    await duePost(world);
    const it = running();
    it.start();
    await settle();
    const back = jobs[0]?.shift.pause(60);
    const stopped = it.stop(10);
    expect(await back).toBe(false);
    expect(await jobs[0]?.shift.pause(60)).toBe(false);
    jobs[0]?.end();
    await stopped;
  });
});

describe('room for uploads', () => {
  it('is shared by the workspaces: a hundred of one keep no other waiting', async () => {
    const { world, jobs, running } = given({ posts: 256, smallUploads: 1 });
    for (let post = 0; post < 100; post += 1)
      await duePost(world, later(-10), { workspaceId: 'ws_many' as WorkspaceId });
    await duePost(world, later(-9), { workspaceId: 'ws_one' as WorkspaceId });
    running().start();
    await settle();
    const started: WorkspaceId[] = [];
    let end = (): void => {};
    for (const { lease, shift } of jobs) {
      void shift.whenThereIsRoom(1, () => {
        started.push(lease.post.workspaceId);
        const { promise, resolve } = Promise.withResolvers<void>();
        end = resolve;
        return promise;
      });
    }
    for (let upload = 0; upload < 3; upload += 1) {
      await settle();
      end();
    }
    expect(started.slice(0, 3)).toEqual(['ws_many', 'ws_many', 'ws_one']);
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
