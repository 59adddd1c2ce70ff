import { describe, expect, it } from 'vitest';
import {
  type Active,
  type Connection,
  disconnect,
  requireReconnect,
} from '../../../src/domain/connection/connection.ts';
import { activeUsersGate, platformGate } from '../../../src/domain/post/gate.ts';
import type { Post, Scheduled } from '../../../src/domain/post/post.ts';
import type { PublishError } from '../../../src/domain/publish-error.ts';
import { ok } from '../../../src/domain/result.ts';
import { inSeconds } from '../../../src/domain/time.ts';
import { aPublishedPost, aScheduledPost, later, NOW, OTHER_WORKSPACE, someSettings } from '../../support/builders.ts';
import { answers, lostAfter, lostBefore, refuses, UNAVAILABLE } from '../../support/fake-tiktok.ts';
import { aShift, World } from './world.ts';

const HOUR = 3600;
const DAY = 86_400;
const QUOTA = { calls: 6, windowSeconds: 62 };
const CAP: PublishError = { code: 'ACCOUNT_DAILY_POST_CAP', tiktokCode: 'spam_risk_too_many_posts' };
const USERS: PublishError = { code: 'APP_DAILY_USER_CAP', tiktokCode: 'reached_active_user_cap' };
const SLOWED: PublishError = { code: 'UPSTREAM_RATE_LIMITED', tiktokCode: 'rate_limit_exceeded' };

const shutForOutage = (world: World, seconds = 30) =>
  world.gates.shut({ key: platformGate('OPEN'), seconds, atMostSeconds: 300 }, UNAVAILABLE);

async function givenDue(
  world: World,
  connection: Connection,
  count = 1,
  parts: Partial<Scheduled> = {},
): Promise<readonly Post[]> {
  const posts: Post[] = [];
  for (let post = 0; post < count; post += 1) {
    posts.push(await world.givenPost((needed) => aScheduledPost({ ...needed, ...parts }), { connection }));
  }
  return posts;
}

/** What was published from here within the last day. */
async function givenPublished(world: World, connection: Connection, ...secondsAgo: readonly number[]): Promise<void> {
  for (const seconds of secondsAgo) {
    const publishTime = later(-seconds, world.clock.now());
    await world.givenPost((needed) => aPublishedPost({ ...needed, publishTime }), { connection });
  }
}

/** When each announcement was made. */
function announcements(world: World): readonly Date[] {
  const times: Date[] = [];
  world.tiktok.before('announce', () => times.push(world.clock.now()));
  return times;
}

function expectWithinQuota(times: readonly Date[]): void {
  times.forEach((time, index) => {
    const behind = times[index + QUOTA.calls];
    if (behind !== undefined) {
      expect(behind.getTime() - time.getTime()).toBeGreaterThanOrEqual(QUOTA.windowSeconds * 1000);
    }
  });
}

/** Numbers from 0 to 1 that look random and are the same each time. */
function seeded(): () => number {
  let state = 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

const statesOf = async (world: World, posts: readonly Post[]) =>
  Promise.all(posts.map(async ({ id }) => (await world.post(id)).state));
const nextOf = async (world: World, { id }: Post): Promise<Date> =>
  (await world.step(id)).nextActionTime ?? new Date(Number.NaN);
const reported = (world: World, name: string) => world.metrics.reports.filter(([report]) => report === name);

describe('while TikTok is not well', () => {
  it('nothing is announced, nobody is asked, and the posts say what they wait for', async () => {
    const world = new World();
    world.random = () => 0.5;
    const accounts = await world.givenAccounts(5);
    const posts = (await Promise.all(accounts.map((account) => givenDue(world, account)))).flat();
    const until = await shutForOutage(world);
    await world.workOnAll();
    expect(world.tiktok.calls).toEqual([]);
    for (const { id } of posts) {
      expect(await world.post(id)).toMatchObject({
        state: 'HELD',
        hold: { reason: 'PLATFORM_OUTAGE', releaseTime: later(30, until) },
        error: UNAVAILABLE,
        setbacks: 0,
        attempts: [],
      });
    }
  });

  it('they come back one by one, not all in the same moment', async () => {
    const world = new World();
    const numbers = [0, 0.25, 0.5, 0.75, 1];
    world.random = () => numbers.shift() ?? 0;
    const accounts = await world.givenAccounts(5);
    const posts = (await Promise.all(accounts.map((account) => givenDue(world, account)))).flat();
    const until = await shutForOutage(world);
    for (const _ of posts) await world.work();
    const waits = await Promise.all(posts.map((post) => nextOf(world, post)));
    expect(waits.map(Number).toSorted()).toEqual([0, 15, 30, 45, 60].map((wait) => later(wait, until).getTime()));
  });

  it('one post tries when the time has come, and the others wait for what comes of it', async () => {
    const world = new World();
    const accounts = await world.givenAccounts(5);
    for (const account of accounts) await givenDue(world, account);
    await shutForOutage(world);
    await world.workOnAll();
    world.clock.advance(30);
    expect(await world.workOnAll()).toBe(5);
    expect([world.tiktok.called('readCreator'), world.tiktok.called('announce')]).toEqual([1, 1]);
  });

  it.each([
    ['asked what the account may post', 'readCreator', 1, 0],
    ['announced', 'announce', 1, 1],
  ] as const)(
    'a try that is not answered when it is %s keeps it shut longer, and ever longer',
    async (_, method, asked, announced) => {
      const world = new World();
      const accounts = await world.givenAccounts(4);
      for (const account of accounts) await givenDue(world, account);
      await shutForOutage(world);
      await world.workOnAll();
      for (const [round, seconds] of [60, 120, 240, 300, 300].entries()) {
        world.clock.set((await world.gates.all())[0]?.until ?? NOW);
        world.tiktok.next(method, lostAfter);
        await world.workOnAll();
        expect([world.tiktok.called('readCreator'), world.tiktok.called('announce')]).toEqual([
          asked * (round + 1),
          announced * (round + 1),
        ]);
        expect(await world.gates.all()).toMatchObject([
          { key: 'platform:OPEN', tried: false, until: later(seconds, world.clock.now()) },
        ]);
        // The one that tried comes back first; it finds the gate shut like everyone else.
        world.clock.advance(6);
        await world.workOnAll();
      }
    },
  );

  it('a try that gets through opens it, and the others come back soon, a few at a time', async () => {
    const world = new World();
    const accounts = await world.givenAccounts(101);
    const posts = (await Promise.all(accounts.map((account) => givenDue(world, account)))).flat();
    await shutForOutage(world);
    await world.workOnAll();
    world.clock.advance(30);
    await world.work();
    const now = world.clock.now();
    expect(await world.gates.all()).toEqual([]);
    expect(world.tiktok.called('announce')).toBe(1);
    const waits: number[] = [];
    for (const post of posts) {
      const step = await world.step(post.id);
      if (step.post.state === 'HELD') waits.push(((step.nextActionTime ?? NOW).getTime() - now.getTime()) / 1000);
    }
    expect(waits).toHaveLength(100);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(0);
    // Twenty a second.
    expect(Math.max(...waits)).toBeLessThanOrEqual(5);
    expect(Math.max(...waits)).toBeGreaterThan(4);
    expect(world.logged('info')).toContain('TikTok is well again: the posts that waited for it go out one by one');
    await world.workUntilQuiet();
    expect(new Set(await statesOf(world, posts))).toEqual(new Set(['PUBLISHED']));
    expect(world.tiktok.posts).toHaveLength(101);
  });

  it('a try that TikTok answers with a no to this post alone opens it as well', async () => {
    const world = new World();
    const [first, second] = await world.givenAccounts(2);
    if (first === undefined || second === undefined) throw new Error('no accounts');
    const [refused] = await givenDue(world, first);
    const [fine] = await givenDue(world, second);
    await shutForOutage(world);
    await world.workOnAll();
    world.clock.advance(30);
    world.tiktok.next('readCreator', refuses({ code: 'ACCOUNT_NOT_ELIGIBLE', cause: 'BANNED' }));
    await world.work();
    expect(await world.gates.all()).toEqual([]);
    await world.workUntilQuiet();
    expect(await statesOf(world, [refused as Post, fine as Post])).toEqual(
      expect.arrayContaining(['FAILED', 'PUBLISHED']),
    );
  });

  it.each<[string, (world: World, connection: Active) => Promise<unknown>]>([
    [
      'whose account has to reconnect',
      (world, { id }) =>
        world.connections.update(id, (connection) =>
          ok(requireReconnect(connection as Active, { code: 'ACCOUNT_SESSION_INVALID' }, world.clock.now())),
        ),
    ],
    [
      'that has no turn to ask',
      async (world, { account }) => {
        for (let turn = 0; turn < 20; turn += 1) {
          await world.turns.take(`READ_CREATOR:OPEN:${account.openId}`, world.tiktok.quotas.READ_CREATOR);
        }
      },
    ],
  ])('a post %s asks nobody, and so it opens nothing', async (_, spoil) => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    await givenDue(world, connection);
    await shutForOutage(world);
    world.clock.advance(30);
    await spoil(world, connection);
    await world.work();
    expect(world.tiktok.calls).toEqual([]);
    expect(await world.gates.all()).toMatchObject([{ key: 'platform:OPEN' }]);
  });

  it('a try that never ends leaves the next one to another post', async () => {
    const world = new World();
    const accounts = await world.givenAccounts(2);
    for (const account of accounts) await givenDue(world, account);
    await shutForOutage(world);
    await world.workOnAll();
    world.clock.advance(30);
    world.crashAt = 'intent-stored';
    await expect(world.work({ owner: 'dead' })).rejects.toThrow();
    await world.work();
    expect(world.tiktok.called('announce')).toBe(0);
    world.clock.advance(60);
    await world.work();
    expect(world.tiktok.called('announce')).toBe(1);
    expect(await world.gates.all()).toEqual([]);
  });

  describe('a post that TikTok has already', () => {
    async function givenUploading(world: World, connection: Active): Promise<Post> {
      const video = await world.givenVideo({ sizeBytes: 130_000_000 });
      const post = await world.givenPost(aScheduledPost, { connection, video });
      world.tiktok.next('sendChunk', answers({ kind: 'NOT_ANSWERED', error: UNAVAILABLE } as const));
      await world.work();
      expect(await world.post(post.id)).toMatchObject({ phase: 'UPLOADING' });
      return post;
    }

    it('waits as well, keeps its attempt, and goes on with it once TikTok is well', async () => {
      const world = new World();
      const [first, second] = await world.givenAccounts(2);
      if (first === undefined || second === undefined) throw new Error('no accounts');
      const post = await givenUploading(world, first);
      await shutForOutage(world);
      world.clock.advance(5);
      const before = world.tiktok.calls.length;
      await world.work();
      expect(world.tiktok.calls).toHaveLength(before);
      expect(await world.post(post.id)).toMatchObject({
        state: 'HELD',
        hold: { reason: 'PLATFORM_OUTAGE' },
        attempts: [{ publishId: 'v_pub_file~1' }],
      });
      expect((await world.post(post.id)).attempts[0]).not.toHaveProperty('outcome');
      await givenDue(world, second);
      await world.workUntilQuiet();
      expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED', attempts: [{ number: 1 }] });
      expect(world.tiktok.posts).toHaveLength(2);
    });

    it('goes on when no other is there to find out that TikTok is well', async () => {
      const world = new World();
      const [connection] = await world.givenAccounts(1);
      if (connection === undefined) throw new Error('no account');
      const post = await givenUploading(world, connection);
      await shutForOutage(world);
      await world.workUntilQuiet({ withinDays: 0.1 });
      expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
    });
  });
});

describe('an account that may post no more today', () => {
  it.each([
    ['for an hour, when nothing else is known', [], undefined, HOUR],
    ['until its oldest post of the day is a day old', [DAY - 600, 7200, 60], 3, 600],
    ['for an hour at most: other apps’ posts count as well', [7200, 60], 2, HOUR],
    ['for an hour, whatever went out before the last day', [DAY + 60], undefined, HOUR],
  ])('waits %s', async (_, published, seenCap, seconds) => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    await givenPublished(world, connection, ...published);
    const [post] = await givenDue(world, connection);
    if (post === undefined) throw new Error('no post');
    world.tiktok.next('announce', refuses(CAP));
    await world.work();
    expect(await world.post(post.id)).toMatchObject({
      state: 'HELD',
      hold: { reason: 'QUOTA', releaseTime: later(seconds) },
      error: { ...CAP, ...(seenCap === undefined ? {} : { seenCap }) },
      setbacks: 0,
    });
  });

  it.each(['readCreator', 'announce'] as const)(
    'keeps all its posts from asking again, when %s told, and each gets a turn of its own',
    async (method) => {
      const world = new World();
      const [mine, other] = await world.givenAccounts(2);
      if (mine === undefined || other === undefined) throw new Error('no accounts');
      const posts = await givenDue(world, mine, 25);
      world.tiktok.next(method, refuses(CAP));
      await world.work();
      const [elsewhere] = await givenDue(world, other);
      const asked = world.tiktok.called('readCreator');
      await world.workUntilQuiet({ withinDays: 0.9 / 24 });
      expect(await statesOf(world, posts)).toEqual(Array(25).fill('HELD'));
      expect(await statesOf(world, [elsewhere as Post])).toEqual(['PUBLISHED']);
      expect(world.tiktok.called('readCreator')).toBe(asked + 1);
      const releases = await Promise.all(posts.map((post) => nextOf(world, post)));
      const sorted = releases.toSorted((left, right) => left.getTime() - right.getTime());
      expect(sorted[0]?.getTime()).toBeGreaterThanOrEqual(later(HOUR).getTime());
      expectWithinQuota(sorted);
      for (const { id } of posts) {
        expect(await world.post(id)).toMatchObject({ hold: { reason: 'QUOTA' }, error: CAP, setbacks: 0 });
      }
    },
  );

  it('tries with one of them after an hour, and not with the others', async () => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    const posts = await givenDue(world, connection, 10);
    world.tiktok.next('announce', ...Array(5).fill(refuses(CAP)));
    await world.workUntilQuiet({ withinDays: 4.5 / 24 });
    expect(world.tiktok.called('announce')).toBe(5);
    await world.workUntilQuiet();
    expect(await statesOf(world, posts)).toEqual(Array(10).fill('PUBLISHED'));
    expect(world.tiktok.called('announce')).toBe(15);
  });

  it('sends what waited within its limits, once it may post again', async () => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    const posts = await givenDue(world, connection, 40);
    world.tiktok.next('announce', refuses(CAP));
    const times = announcements(world);
    await world.workUntilQuiet();
    expect(await statesOf(world, posts)).toEqual(Array(40).fill('PUBLISHED'));
    expect(times).toHaveLength(41);
    expectWithinQuota(times);
  });

  it('keeps its posts waiting as well when only a verdict tells, and fails none of them for it', async () => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    const posts = await givenDue(world, connection, 20);
    world.tiktok.verdict = { state: 'FAILED', error: CAP };
    await world.workUntilQuiet({ withinDays: 0.9 / 24 });
    // Those that were on their way already, and no other.
    expect(world.tiktok.called('announce')).toBeLessThanOrEqual(6);
    await world.workUntilQuiet({ withinDays: 5 / 24 });
    expect(new Set(await statesOf(world, posts))).toEqual(new Set(['HELD']));
    world.tiktok.verdict = undefined;
    await world.workUntilQuiet();
    expect(await statesOf(world, posts)).toEqual(Array(20).fill('PUBLISHED'));
  });

  it('may still deliver drafts, at once', async () => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    await givenDue(world, connection, 3);
    world.tiktok.next('announce', refuses(CAP));
    while (await world.work());
    const [draft] = await givenDue(world, connection, 1, { settings: someSettings({ draft: true }) });
    await world.workUntilQuiet({ withinDays: 0.1 / 24 });
    expect(await statesOf(world, [draft as Post])).toEqual(['IN_CREATOR_INBOX']);
  });

  it.each([
    ['HOLD', { state: 'HELD', hold: { reason: 'LATE' }, error: { code: 'SCHEDULE_MISSED', latenessSeconds: HOUR } }],
    ['FAIL', { state: 'FAILED', error: { code: 'SCHEDULE_MISSED', latenessSeconds: HOUR } }],
    ['PUBLISH', { state: 'HELD', hold: { reason: 'QUOTA' } }],
  ] as const)(
    'says at once what the late policy %s makes of a post that would wait too long',
    async (action, effect) => {
      const world = new World();
      const [connection] = await world.givenAccounts(1);
      if (connection === undefined) throw new Error('no account');
      const latePolicy = { maxLatenessSeconds: 600, action };
      const [met, barred] = await givenDue(world, connection, 2, { latePolicy });
      world.tiktok.next('announce', refuses(CAP));
      await world.work();
      await world.work();
      expect(world.tiktok.called('announce')).toBe(1);
      for (const post of [met, barred]) expect(await world.post((post as Post).id)).toMatchObject(effect);
    },
  );
});

describe('a full inbox of drafts', () => {
  const FULL: PublishError = { code: 'ACCOUNT_PENDING_DRAFT_CAP', tiktokCode: 'spam_risk_too_many_pending_share' };

  it('keeps drafts of the account waiting, and not its posts', async () => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    const settings = someSettings({ draft: true });
    const [first, second] = await givenDue(world, connection, 2, { settings });
    world.tiktok.next('announce', refuses(FULL));
    await world.work();
    await world.work();
    expect(world.tiktok.called('announce')).toBe(1);
    for (const post of [first, second]) {
      expect(await world.post((post as Post).id)).toMatchObject({
        state: 'HELD',
        hold: { reason: 'QUOTA' },
        error: FULL,
      });
    }
    const keys = (await world.gates.all()).map(({ key }) => key);
    expect(keys).toEqual(['drafts:OPEN:account-1']);
  });
});

describe('an app that has its number of posting accounts for today', () => {
  async function givenFull(world: World) {
    const [met, fresh, busy, stale] = await world.givenAccounts(4);
    if (met === undefined || fresh === undefined || busy === undefined || stale === undefined) {
      throw new Error('no accounts');
    }
    await givenPublished(world, busy, HOUR);
    await givenPublished(world, stale, DAY + HOUR);
    const posts = { met, fresh, busy, stale };
    world.tiktok.next('announce', refuses(USERS));
    const [first] = await givenDue(world, met);
    await world.work();
    if (first === undefined) throw new Error('no post');
    return { ...posts, first };
  }

  it('keeps accounts waiting that did not post today, and lets pass those that did', async () => {
    const world = new World();
    const { fresh, busy, stale, first } = await givenFull(world);
    const waiting = [first, ...(await givenDue(world, fresh)), ...(await givenDue(world, stale))];
    const going = await givenDue(world, busy);
    await world.workUntilQuiet({ withinDays: 0.9 / 24 });
    expect(await statesOf(world, waiting)).toEqual(['HELD', 'HELD', 'HELD']);
    expect(await statesOf(world, going)).toEqual(['PUBLISHED']);
    expect(world.tiktok.called('announce')).toBe(2);
    for (const { id } of waiting) {
      expect(await world.post(id)).toMatchObject({ hold: { reason: 'QUOTA' }, error: USERS });
    }
    expect((await world.gates.all()).map(({ key }) => key)).toEqual([activeUsersGate('OPEN')]);
  });

  it('does not let an account pass that meets another gate', async () => {
    const world = new World();
    const { busy } = await givenFull(world);
    await shutForOutage(world, 10);
    const [post] = await givenDue(world, busy);
    await world.work();
    expect(await world.post((post as Post).id)).toMatchObject({ hold: { reason: 'PLATFORM_OUTAGE' } });
    expect(world.tiktok.called('announce')).toBe(1);
  });

  it('tries again after an hour with one account, and lets the others out when it may', async () => {
    const world = new World();
    const { fresh, stale, first } = await givenFull(world);
    const waiting = [first, ...(await givenDue(world, fresh)), ...(await givenDue(world, stale))];
    await world.workUntilQuiet();
    expect(await statesOf(world, waiting)).toEqual(Array(3).fill('PUBLISHED'));
  });
});

describe('an account with more posts than TikTok takes in a minute', () => {
  it('announces what it may, and the others wait for their turn: not held, no setback, one look for each', async () => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    const posts = await givenDue(world, connection, 10);
    await world.workOnAll();
    expect(world.tiktok.called('announce')).toBe(6);
    const waiting: Post[] = [];
    for (const { id } of posts) {
      const step = await world.step(id);
      if (step.post.state !== 'SCHEDULED') continue;
      expect(step).toMatchObject({ post: { setbacks: 0, turnTime: later(62), version: 2 }, nextActionTime: later(62) });
      waiting.push(step.post);
    }
    expect(waiting).toHaveLength(4);
    world.clock.advance(62);
    await world.workOnAll();
    expect(world.tiktok.called('announce')).toBe(10);
    for (const { id } of waiting) {
      const timeline = await world.posts.timeline(id);
      expect(timeline.filter(({ state }) => state === 'SCHEDULED')).toHaveLength(2);
      expect(await world.post(id)).toMatchObject({ phase: 'PROCESSING', dispatchLatenessSeconds: 62 });
    }
    expect(reported(world, 'waited')).toEqual(Array(4).fill(['waited', 'ANNOUNCE', 62]));
    expect(reported(world, 'dispatched').map(([, seconds]) => seconds)).toEqual([
      ...Array(6).fill(0),
      ...Array(4).fill(62),
    ]);
  });

  it('never has more announced in any minute than TikTok takes, whatever happens on the way', async () => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    const posts = await givenDue(world, connection, 60);
    const times = announcements(world);
    world.tiktok.next('announce', ...[lostBefore, lostAfter, lostBefore, lostAfter, refuses(SLOWED), refuses(CAP)]);
    await world.workUntilQuiet();
    expect(await statesOf(world, posts)).toEqual(Array(60).fill('PUBLISHED'));
    expect(world.tiktok.posts).toHaveLength(60);
    expectWithinQuota(times);
  });

  it('shares its turns with no other account', async () => {
    const world = new World();
    const accounts = await world.givenAccounts(4);
    for (const account of accounts) await givenDue(world, account, 6);
    await world.workOnAll();
    expect(world.tiktok.called('announce')).toBe(24);
  });

  it('is one account to TikTok, whichever workspaces connected it', async () => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    const { account } = connection;
    const same = await world.givenConnection({ account, workspaceId: OTHER_WORKSPACE });
    await givenDue(world, connection, 4);
    await givenDue(world, same, 4);
    await world.workOnAll();
    expect(world.tiktok.called('announce')).toBe(6);
  });

  it('does not let turns of the past all come at once after a standstill', async () => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    const posts = await givenDue(world, connection, 30);
    const times = announcements(world);
    await world.workOnAll();
    world.clock.advance(HOUR);
    await world.workUntilQuiet();
    expect(await statesOf(world, posts)).toEqual(Array(30).fill('PUBLISHED'));
    expectWithinQuota(times);
  });

  it('goes on at the turn that it was given, a little late or not', async () => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    await givenDue(world, connection, 7);
    await world.workOnAll();
    world.clock.advance(62 + 15);
    await world.workOnAll();
    expect(world.tiktok.called('announce')).toBe(7);
  });

  it('does not wait for a turn that is free, when the clock of the turns runs a little ahead', async () => {
    const world = new World();
    const { turns } = world;
    world.turns = { ...turns, next: async (...request) => inSeconds(await turns.next(...request), 0.005) };
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    await givenDue(world, connection);
    await world.work();
    expect(world.tiktok.called('announce')).toBe(1);
  });

  it.each([
    ['HOLD', { state: 'HELD', hold: { reason: 'LATE' }, error: { code: 'SCHEDULE_MISSED', latenessSeconds: 62 } }],
    ['FAIL', { state: 'FAILED', error: { code: 'SCHEDULE_MISSED', latenessSeconds: 62 } }],
    ['PUBLISH', { state: 'SCHEDULED', turnTime: later(62) }],
  ] as const)('says at once what the late policy %s makes of a turn that comes too late', async (action, effect) => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    const posts = await givenDue(world, connection, 7, { latePolicy: { maxLatenessSeconds: 60, action } });
    await world.workOnAll();
    const last = (await Promise.all(posts.map(({ id }) => world.post(id)))).filter(
      ({ state }) => state !== 'PUBLISHING',
    );
    expect(last).toMatchObject([effect]);
  });

  it('waits for its turn to ask what it may post, without a hold and without a setback', async () => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    for (let turn = 0; turn < 20; turn += 1) {
      await world.turns.take('READ_CREATOR:OPEN:account-1', world.tiktok.quotas.READ_CREATOR);
    }
    const [post] = await givenDue(world, connection);
    if (post === undefined) throw new Error('no post');
    await world.work();
    expect(world.tiktok.calls).toEqual([]);
    expect(await world.step(post.id)).toMatchObject({
      post: { state: 'PUBLISHING', phase: 'INITIALIZING', setbacks: 0, attempts: [] },
      nextActionTime: later(62),
    });
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
  });

  it.each(['readCreator', 'announce'] as const)(
    'waits a minute when TikTok says at %s that it is too fast, and none of its posts asks meanwhile',
    async (method) => {
      const world = new World();
      const [connection] = await world.givenAccounts(1);
      if (connection === undefined) throw new Error('no account');
      const posts = await givenDue(world, connection, 5);
      world.tiktok.next(method, refuses(SLOWED));
      await world.work();
      const asked = world.tiktok.calls.length;
      await world.workOnAll();
      expect(world.tiktok.calls).toHaveLength(asked);
      for (const { id } of posts) {
        const step = await world.step(id);
        expect(step.post.state).not.toBe('HELD');
        expect(step.post.setbacks).toBe(0);
        expect(step.nextActionTime?.getTime()).toBeGreaterThanOrEqual(later(60).getTime());
      }
      await world.workUntilQuiet();
      expect(await statesOf(world, posts)).toEqual(Array(5).fill('PUBLISHED'));
    },
  );
});

describe('the posts of an account in a day, where TikTok tells how many those are', () => {
  const DAILY = { calls: 15, windowSeconds: DAY };

  async function givenFullDay(world: World) {
    world.tiktok.postQuota = DAILY;
    world.tiktok.quotas = {
      ANNOUNCE: { calls: 100, windowSeconds: 62 },
      READ_CREATOR: { calls: 100, windowSeconds: 62 },
      READ_STATUS: { calls: 1000, windowSeconds: 62 },
    };
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    await givenDue(world, connection, 15);
    await world.workOnAll();
    await world.workUntilQuiet({ withinDays: 0.5 });
    expect(world.tiktok.called('announce')).toBe(15);
    return connection;
  }

  it('are followed by none: the next one waits with its time, and TikTok is not asked', async () => {
    const world = new World();
    const connection = await givenFullDay(world);
    const [post] = await givenDue(world, connection);
    if (post === undefined) throw new Error('no post');
    const calls = world.tiktok.calls.length;
    await world.work();
    expect(world.tiktok.calls).toHaveLength(calls);
    expect(await world.post(post.id)).toMatchObject({
      state: 'HELD',
      hold: { reason: 'QUOTA', releaseTime: later(DAY) },
      error: { code: 'ACCOUNT_DAILY_POST_CAP', seenCap: 15 },
      attempts: [],
    });
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
    expect(world.tiktok.called('announce')).toBe(16);
  });

  it('do not keep drafts back', async () => {
    const world = new World();
    const connection = await givenFullDay(world);
    const [draft] = await givenDue(world, connection, 1, { settings: someSettings({ draft: true }) });
    if (draft === undefined) throw new Error('no post');
    await world.work();
    await world.workUntilQuiet({ withinDays: 0.5 });
    expect(await world.post(draft.id)).toMatchObject({ state: 'IN_CREATOR_INBOX' });
  });

  it('hold what comes too late by then, as its late policy says', async () => {
    const world = new World();
    const connection = await givenFullDay(world);
    const latePolicy = { maxLatenessSeconds: 60, action: 'FAIL' } as const;
    const scheduleTime = world.clock.now();
    const [post] = await givenDue(world, connection, 1, { latePolicy, scheduleTime });
    if (post === undefined) throw new Error('no post');
    await world.work();
    expect(await world.post(post.id)).toMatchObject({ state: 'FAILED', error: { code: 'SCHEDULE_MISSED' } });
  });

  it.each<[string, PublishError]>([
    ['readCreator', { code: 'PRIVACY_LEVEL_NOT_ALLOWED', allowed: [], tiktokCode: 'x' }],
    ['announcePull', { code: 'CONNECTOR_REQUEST_REJECTED', tiktokCode: '40002' }],
  ] as const)('do not count what TikTok refused at %s', async (method, error) => {
    const world = new World();
    world.policy = { ...world.policy, transfer: 'PULL' };
    world.tiktok.postQuota = { ...DAILY, calls: 1 };
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    world.tiktok.next(method as 'announcePull', refuses(error));
    const [refused] = await givenDue(world, connection);
    await world.work();
    expect(await world.post(refused?.id as Post['id'])).toMatchObject({ state: 'FAILED' });
    const [next] = await givenDue(world, connection);
    await world.work();
    expect((await world.post(next?.id as Post['id'])).state).not.toBe('HELD');
    expect(world.tiktok.called('announcePull')).toBe(method === 'announcePull' ? 2 : 1);
  });
});

describe('a video that TikTok fetches, announced when the app has no turn left', () => {
  it('was never told of: its address is closed, and it goes out later, once', async () => {
    const world = new World();
    world.policy = { ...world.policy, transfer: 'PULL' };
    // Enough to read the creator, and nothing more for a minute.
    world.tiktok.appQuotas = [{ calls: 1, windowSeconds: 60 }];
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    const [post] = await givenDue(world, connection);
    if (post === undefined) throw new Error('no post');
    await world.work();
    expect(world.tiktok.calls.map((call) => call.split(' ')[0])).toEqual(['readCreator']);
    expect(await world.step(post.id)).toMatchObject({
      post: { phase: 'INITIALIZING', setbacks: 0, attempts: [{ outcome: 'FAILED' }] },
      nextActionTime: later(60),
    });
    world.tiktok.appQuotas = [];
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
    expect(world.tiktok.called('announcePull')).toBe(1);
  });
});

describe('the verdict of many posts of one account', () => {
  it('is asked for no more often than TikTok allows, and nothing counts as a setback', async () => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    world.tiktok.quotas = {
      ...world.tiktok.quotas,
      ANNOUNCE: { calls: 100, windowSeconds: 62 },
      READ_CREATOR: { calls: 100, windowSeconds: 62 },
    };
    world.tiktok.verdict = { state: 'WORKING' };
    world.random = seeded();
    const posts = await givenDue(world, connection, 50);
    const times: Date[] = [];
    world.tiktok.before('readStatus', () => times.push(world.clock.now()));
    await world.workOnAll();
    await world.workUntilQuiet({ withinDays: 0.5 / 24 });
    times.forEach((time, index) => {
      const behind = times[index + 30];
      if (behind !== undefined) expect(behind.getTime() - time.getTime()).toBeGreaterThanOrEqual(62_000);
    });
    for (const { id } of posts) {
      const step = await world.step(id);
      expect(step.post).toMatchObject({ phase: 'PROCESSING', setbacks: 0 });
      expect(step.post).not.toHaveProperty('error');
      // None is starved: each was asked about.
      expect(step.post.attempts[0]?.polls).toBeGreaterThan(0);
    }
  });

  it('is asked for a window later once TikTok says that it is too often', async () => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    const [post] = await givenDue(world, connection);
    if (post === undefined) throw new Error('no post');
    await world.work();
    world.clock.advance(1);
    world.tiktok.next('readStatus', refuses(SLOWED));
    await world.work();
    const again = await nextOf(world, post);
    expect(again).toEqual(later(60, world.clock.now()));
    world.clock.set(again);
    await world.work();
    // The turns of the account are used up for two seconds more.
    expect(world.tiktok.called('readStatus')).toBe(1);
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
  });
});

describe('our own credentials', () => {
  const REJECTED: PublishError = { code: 'APP_CREDENTIALS_REJECTED', tiktokCode: 'invalid_client' };

  it('that TikTok refuses hold every post until one gets through, and cost no account its connection', async () => {
    const world = new World();
    const accounts = await world.givenAccounts(3);
    const posts = (await Promise.all(accounts.map((account) => givenDue(world, account)))).flat();
    world.tiktok.next('readCreator', refuses(REJECTED));
    await world.workOnAll();
    expect((await world.gates.all()).map(({ key }) => key)).toEqual(['credentials:OPEN']);
    const held = await Promise.all(posts.map(({ id }) => world.post(id)));
    expect(held.filter(({ state }) => state === 'HELD').length).toBeGreaterThan(0);
    await world.workUntilQuiet();
    expect(await statesOf(world, posts)).toEqual(Array(3).fill('PUBLISHED'));
    for (const { id } of accounts) expect(await world.connection(id)).toMatchObject({ state: 'ACTIVE' });
  });
});

describe('a connection that ended', () => {
  it('meets no gate: its posts wait for a reconnect, whatever TikTok is up to', async () => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    const [post] = await givenDue(world, connection);
    await shutForOutage(world);
    await world.connections.update(connection.id, (current) => ok(disconnect(current, NOW)));
    await world.work();
    expect(await world.post((post as Post).id)).toMatchObject({ state: 'HELD', hold: { reason: 'RECONNECT' } });
  });
});

describe('the first attempt of a post', () => {
  it('is reported once, with how late it was, however often it is tried', async () => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    const [post] = await givenDue(world, connection);
    world.clock.advance(3);
    world.tiktok.next('announce', lostBefore, lostBefore);
    await world.workUntilQuiet();
    expect(await world.post((post as Post).id)).toMatchObject({ state: 'PUBLISHED' });
    expect(reported(world, 'dispatched')).toEqual([['dispatched', 3]]);
    expect(reported(world, 'attemptEnded')).toEqual([
      ['attemptEnded', 'ORPHANED', 'PLATFORM_UNAVAILABLE'],
      ['attemptEnded', 'ORPHANED', 'PLATFORM_UNAVAILABLE'],
      ['attemptEnded', 'PUBLISHED', undefined],
    ]);
  });

  it('is not reported when its intent could not be stored', async () => {
    const world = new World();
    const [connection] = await world.givenAccounts(1);
    if (connection === undefined) throw new Error('no account');
    await givenDue(world, connection);
    const lease = await world.claim();
    if (lease === undefined) throw new Error('nothing is due');
    await world.posts.update(lease.postId, (post) => ok({ post: { ...post }, nextActionTime: NOW }));
    expect(await world.advance()(lease, aShift)).toBeUndefined();
    expect(reported(world, 'dispatched')).toEqual([]);
    await world.workUntilQuiet();
    expect(reported(world, 'dispatched')).toHaveLength(1);
  });
});
