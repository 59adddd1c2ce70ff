import { describe, expect, it } from 'vitest';
import { appTurns } from '../../../src/application/app-turns.ts';
import { COLLECTION_RATES, collectMetrics, type MetricCollecting } from '../../../src/application/collect-metrics.ts';
import type { MetricCollections } from '../../../src/application/ports/metric-collections.ts';
import type { Insights, TikTok } from '../../../src/application/ports/tiktok.ts';
import type { Turns } from '../../../src/application/ports/turns.ts';
import type { VideoReading } from '../../../src/domain/analytics/reading.ts';
import { type Active, disconnect, reconnect, requireReconnect } from '../../../src/domain/connection/connection.ts';
import { closingFor, collectionGate, platformGate } from '../../../src/domain/post/gate.ts';
import type { PublishError } from '../../../src/domain/publish-error.ts';
import { err, ok } from '../../../src/domain/result.ts';
import { anAccount, anActiveConnection, aPublishedPost, later, NOW } from '../../support/builders.ts';
import { answers, UNAVAILABLE } from '../../support/fake-tiktok.ts';
import { anAccountReading, aReading } from '../../support/readings.ts';
import { Crash, World } from './world.ts';

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;
const LIMITED: PublishError = { code: 'UPSTREAM_RATE_LIMITED', tiktokCode: 'rate_limit_exceeded' };

const collecting = (world: World, parts: { readonly collections?: MetricCollections } = {}): MetricCollecting =>
  collectMetrics({
    ...world,
    collections: world.measured.collections,
    access: world.access(),
    rates: COLLECTION_RATES,
    wait: world.wait,
    ...parts,
  });

/** Looks every so many seconds until so many have passed. */
async function run(world: World, collector: MetricCollecting, passed: number, every = MINUTE): Promise<void> {
  const end = later(passed, world.clock.now());
  while (world.clock.now() < end) {
    await collector.sweep();
    world.clock.advance(every);
  }
}

/** A connection whose token outlives the test, and what TikTok has of it. */
async function given(world: World, videos: readonly VideoReading[], parts: Partial<Active> = {}): Promise<Active> {
  world.tiktok.videoReadings = videos;
  return world.givenConnection({ createTime: world.clock.now(), ...parts });
}

/** The newest first, a quarter of a day between any two. */
const someVideos = (count: number, newest: Date = later(-MINUTE)): readonly VideoReading[] =>
  Array.from({ length: count }, (_, index) => aReading({ createTime: later(-index * 6 * HOUR, newest) }));

async function known(world: World, { workspaceId, id }: Active): Promise<readonly string[]> {
  const page = await world.measured.videoMetrics.list({ workspaceId, connectionIds: [id] }, { size: 100_000 });
  return page?.items.map(({ tiktokPostId }) => tiktokPostId) ?? [];
}

const idsOf = (videos: readonly VideoReading[]): readonly string[] => videos.map(({ tiktokPostId }) => tiktokPostId);
const find = (world: World, { id: connectionId }: Active, { tiktokPostId }: VideoReading) =>
  world.measured.videoMetrics.find({ connectionId, tiktokPostId });

/** Every account at one TikTok, each with videos of its own. Every call takes a tenth of a second. */
function crowd(world: World, family: TikTok['family'] = 'OPEN') {
  const videosOf = new Map<string, readonly VideoReading[]>();
  const calls: { readonly account: string; readonly call: string; readonly time: number }[] = [];
  const asked = (call: string, token: { reveal(): string }): readonly VideoReading[] => {
    calls.push({ account: token.reveal(), call, time: world.clock.now().getTime() });
    world.clock.advance(0.1);
    return videosOf.get(token.reveal()) ?? [];
  };
  const insights: Insights = {
    async listVideos(token, _, before) {
      const older = asked('list', token).filter(({ createTime }) => createTime < before);
      const videos = older.slice(0, 20);
      const olderThan = videos.at(-1)?.createTime;
      return ok({ videos, ...(older.length > 20 && olderThan !== undefined ? { olderThan } : {}) });
    },
    readVideos: async (token, _, ids) =>
      ok(asked('videos', token).filter(({ tiktokPostId }) => ids.includes(tiktokPostId))),
    async readAccount(token) {
      asked('account', token);
      return ok(anAccountReading());
    },
  };
  const { authorization, publishing, quotas } = world.tiktok;
  const tiktok: TikTok = { family, sandbox: true, authorization, publishing, quotas, appQuotas: [], insights };
  const tiktoks = { default: family, families: new Map([[family, tiktok]]) };
  Object.assign(world, { tiktoks, appTurns: appTurns({ ...world, tiktoks, wait: world.wait }) });
  return {
    calls,
    async account(videos: readonly VideoReading[], parts: Partial<Active> = {}): Promise<Active & { token: string }> {
      world.tiktok.keepsOlderPairs = true;
      const account = anAccount({ openId: `account-${videosOf.size}` });
      const connection = await world.givenConnection({
        apiFamily: family,
        account,
        accessExpireTime: later(1000 * DAY),
        ...parts,
      });
      const token = (await world.credentials.find(connection.id))?.accessToken.reveal() ?? '';
      videosOf.set(token, videos);
      return { ...connection, token };
    },
  };
}

/** When turns were taken, by key: what is waited for between a turn and its call is the world's, whose clock all share. */
function turnsOf(world: World) {
  const taken: { readonly key: string; readonly time: number }[] = [];
  const { turns } = world;
  world.turns = {
    ...turns,
    async take(key, quota) {
      const time = world.clock.now().getTime();
      const turn = await turns.take(key, quota);
      if (turn.taken) taken.push({ key, time });
      return turn;
    },
  };
  return { of: (key: string) => taken.filter((each) => each.key === key).map(({ time }) => time) };
}

/** The most that any window of so many seconds holds. */
function most(times: readonly number[], windowSeconds: number): number {
  const sorted = times.toSorted((left, right) => left - right);
  return Math.max(
    0,
    ...sorted.map((first) => sorted.filter((time) => time >= first && time < first + windowSeconds * 1000).length),
  );
}

describe('nobody who is due', () => {
  it('costs one question', async () => {
    const world = new World();
    await given(world, someVideos(1));
    const { collections } = world.measured;
    await collecting(world).sweep();
    world.gates = { ...world.gates, all: () => Promise.reject(new Error('nobody is due')) };
    const claimDue = () => Promise.reject(new Error('nobody is due'));
    await collecting(world, { collections: { ...collections, claimDue } }).sweep();
    world.clock.advance(HOUR);
    await expect(collecting(world).sweep()).rejects.toThrow('nobody is due');
  });
});

describe('a new account', () => {
  it('is read at once: itself and all its videos, whoever posted them, page by page', async () => {
    const world = new World();
    const videos = someVideos(95);
    const connection = await given(world, videos);
    await collecting(world).sweep();
    expect(await known(world, connection)).toEqual(idsOf(videos));
    expect([world.tiktok.called('listInsights'), world.tiktok.called('readInsights')]).toEqual([5, 0]);
    expect(await world.measured.accountMetrics.find(connection.id, '2026-11-01', '2026-11-30')).toMatchObject({
      numbers: { followers: { asOf: NOW } },
      days: [{ date: '2026-11-22' }],
      nextCollectTime: later(DAY),
    });
    const calls = world.tiktok.calls.length;
    await run(world, collecting(world), HOUR - MINUTE);
    expect(world.tiktok.calls).toHaveLength(calls);
    expect(world.metrics.reports).toContainEqual(['collectionEnded', 'DONE', 0]);
    expect(world.metrics.reports).toContainEqual(['snapshotsStored', 20]);
    expect(world.traces.spans[0]).toMatchObject({
      name: 'collect numbers',
      facts: { connectionId: connection.id, apiFamily: 'OPEN', outcome: 'DONE' },
    });
  });

  it('without a video is asked for some every six hours', async () => {
    const world = new World();
    await given(world, []);
    await run(world, collecting(world), DAY, 10 * MINUTE);
    expect(world.tiktok.called('listInsights')).toBe(4);
  });

  it('is gone through page by page also where pages are empty or short', async () => {
    const world = new World();
    const videos = someVideos(7);
    const connection = await given(world, videos);
    const empty = async () => ok({ videos: [], olderThan: later(1) });
    world.tiktok.pageSize = 3;
    world.tiktok.next('listInsights', empty as never);
    await collecting(world).sweep();
    expect(await known(world, connection)).toEqual(idsOf(videos));
  });

  it('that grants neither videos nor figures is asked nothing, and looked at again the next day', async () => {
    const world = new World();
    const connection = await given(world, someVideos(3), { grantedScopes: ['user.info.basic', 'video.publish'] });
    await run(world, collecting(world), 2 * DAY, HOUR);
    expect(world.tiktok.calls).toEqual([]);
    const { grantedScopes } = anActiveConnection();
    await world.connections.update(connection.id, (each) => ok({ ...each, grantedScopes }));
    await run(world, collecting(world), DAY, HOUR);
    expect(await known(world, connection)).toHaveLength(3);
  });

  it.each(['list', 'account'])('that grants only what the %s needs is asked for nothing else', async (granted) => {
    const world = new World();
    await given(world, someVideos(3), { grantedScopes: [granted === 'list' ? 'video.list' : 'user.info.stats'] });
    await run(world, collecting(world), 2 * DAY, HOUR);
    expect(world.tiktok.called('listInsights') > 0).toBe(granted === 'list');
    expect(world.tiktok.called('readAccountInsights') > 0).toBe(granted === 'account');
  });
});

describe('over the days', () => {
  it('a video is looked at hourly for two days, every six hours for a week, then daily', async () => {
    const world = new World();
    const [video] = someVideos(1) as [VideoReading];
    const connection = await given(world, [video]);
    const collector = collecting(world);
    world.tiktok.before('listInsights', () => {
      world.tiktok.videoReadings = [{ ...video, numbers: { views: world.clock.now().getTime() } }];
    });
    world.tiktok.before('readInsights', () => {
      world.tiktok.videoReadings = [{ ...video, numbers: { views: world.clock.now().getTime() } }];
    });
    await run(world, collector, 9 * DAY, 10 * MINUTE);
    const key = { connectionId: connection.id, tiktokPostId: video.tiktokPostId };
    const page = await world.measured.videoMetrics.snapshots(key, { interval: 'STORED' }, { size: 1000 });
    const times = page?.items.map(({ time }) => (time.getTime() - NOW.getTime()) / HOUR / 1000) ?? [];
    const within = (from: number, to: number) => times.filter((hour) => hour >= from && hour < to).length;
    expect([within(0, 48), within(48, 168)]).toEqual([48, 20]);
    // The list of an old account is still asked for every six hours, and has its numbers with it.
    expect(within(168, 216)).toBe(8);
    expect(world.tiktok.called('readAccountInsights')).toBe(9);
  });

  it('numbers on the pages are enough where a page holds all, and no video is asked for by itself', async () => {
    const world = new World();
    await given(world, someVideos(12));
    await run(world, collecting(world), DAY, 10 * MINUTE);
    expect([world.tiktok.called('listInsights'), world.tiktok.called('readInsights')]).toEqual([24, 0]);
  });

  it('new videos are found by a page or two, not by going through everything again', async () => {
    const world = new World();
    const videos = someVideos(95);
    const connection = await given(world, videos);
    const collector = collecting(world);
    await collector.sweep();
    world.clock.advance(HOUR);
    const newer = someVideos(25, later(HOUR - 60));
    const all = [...newer, ...videos].toSorted((left, right) => Number(right.createTime) - Number(left.createTime));
    world.tiktok.videoReadings = all;
    const before = world.tiktok.called('listInsights');
    await collector.sweep();
    expect((await known(world, connection)).toSorted()).toEqual(idsOf(all).toSorted());
    expect(world.tiktok.called('listInsights') - before).toBeLessThanOrEqual(4);
  });

  it('new videos are found behind a page that TikTok left empty', async () => {
    const world = new World();
    const videos = someVideos(3, later(-DAY));
    const connection = await given(world, videos);
    const collector = collecting(world);
    await collector.sweep();
    world.clock.advance(HOUR);
    const newer = someVideos(2, later(HOUR - 60));
    world.tiktok.videoReadings = [...newer, ...videos];
    world.tiktok.next('listInsights', (async () => ok({ videos: [], olderThan: later(HOUR - 1) })) as never);
    await collector.sweep();
    expect((await known(world, connection)).toSorted()).toEqual(idsOf([...newer, ...videos]).toSorted());
  });

  it('videos that are on no page are asked for by their ids, twenty at a time, when they are due', async () => {
    const world = new World();
    const videos = someVideos(95);
    const connection = await given(world, videos);
    const collector = collecting(world);
    await collector.sweep();
    await run(world, collector, 6 * HOUR + 10 * MINUTE, 10 * MINUTE);
    // The 20 newest come with the list; videos 21 to 28 are younger than a week.
    expect(world.tiktok.called('readInsights')).toBe(1);
    const last = videos.at(-1) as VideoReading;
    expect((await find(world, connection, last))?.collectTime).toEqual(NOW);
    await run(world, collector, DAY, 10 * MINUTE);
    expect((await find(world, connection, last))?.collectTime.getTime()).toBeGreaterThanOrEqual(
      later(DAY - HOUR).getTime(),
    );
    for (const call of world.tiktok.calls.filter((each) => each.startsWith('readInsights'))) {
      expect(call.split(' ').length - 1).toBeLessThanOrEqual(20);
    }
  });

  it('a video is looked at once after TikTok stopped counting, and never again', async () => {
    const world = new World();
    // Young enough to keep the old one off the only page that is listed.
    const videos = [...someVideos(20), aReading({ createTime: later(-360 * DAY) })];
    const old = videos.at(-1) as VideoReading;
    const connection = await given(world, videos);
    await run(world, collecting(world), 12 * DAY, HOUR);
    expect((await find(world, connection, old))?.collectTime.getTime()).toBeGreaterThanOrEqual(
      later(7 * DAY).getTime(),
    );
    expect(await find(world, connection, old)).not.toHaveProperty('nextCollectTime');
    const asked = world.tiktok.calls.filter((call) => call.includes(old.tiktokPostId)).length;
    await run(world, collecting(world), 30 * DAY, HOUR);
    expect(world.tiktok.calls.filter((call) => call.includes(old.tiktokPostId))).toHaveLength(asked);
  });

  it('a video that was hidden keeps its numbers and is known as missing, until it is there again', async () => {
    const world = new World();
    const videos = someVideos(25);
    const connection = await given(world, videos);
    const collector = collecting(world);
    await collector.sweep();
    const last = videos.at(-1) as VideoReading;
    world.tiktok.hidden.add(last.tiktokPostId);
    await run(world, collector, 2 * DAY, HOUR);
    expect(await find(world, connection, last)).toMatchObject({
      numbers: { views: { value: 100, asOf: NOW } },
      missingSince: expect.any(Date),
      nextCollectTime: expect.any(Date),
    });
    world.tiktok.hidden.clear();
    await run(world, collector, 2 * DAY, HOUR);
    expect(await find(world, connection, last)).not.toHaveProperty('missingSince');
  });

  it('a post of ours has its first numbers soon after it is out, however quiet its account is', async () => {
    const world = new World();
    const videos = someVideos(3, later(-100 * DAY));
    const connection = await given(world, videos);
    const collector = collecting(world);
    await collector.sweep();
    await run(world, collector, HOUR);
    const mine = aReading({ createTime: world.clock.now() });
    world.tiktok.videoReadings = [mine, ...videos];
    const updateTime = world.clock.now();
    const post = await world.givenPost(
      (parts) => aPublishedPost({ ...parts, tiktokPostIds: [mine.tiktokPostId], updateTime }),
      { connection },
    );
    world.clock.advance(10);
    await collector.sweep();
    expect(await world.measured.videoMetrics.findByPost(post.id)).toMatchObject({
      tiktokPostId: mine.tiktokPostId,
      numbers: { views: { value: 100 } },
    });
    const calls = world.tiktok.calls.length;
    await run(world, collector, HOUR / 2);
    expect(world.tiktok.calls).toHaveLength(calls);
  });

  it('days are asked for back to sixty at first, and then from a few before the last that TikTok told', async () => {
    const world = new World();
    const connection = await given(world, [], { grantedScopes: ['user.info.stats', 'user.insights'] });
    world.tiktok.accountReading = anAccountReading({ days: [{ date: '2026-11-20', numbers: { videoViews: 4 } }] });
    await run(world, collecting(world), DAY + HOUR, HOUR);
    expect(world.tiktok.calls.filter((call) => call.startsWith('readAccountInsights'))).toEqual([
      'readAccountInsights 2026-09-23 2026-11-21',
      'readAccountInsights 2026-11-17 2026-11-22',
    ]);
    const account = await world.measured.accountMetrics.find(connection.id, '2026-11-01', '2026-11-30');
    expect(account?.days.map(({ date }) => date)).toEqual(['2026-11-20', '2026-11-22', '2026-11-23']);
  });
});

describe('many accounts', () => {
  it('share what TikTok allows: half of it, whatever the number of processes', async () => {
    const world = new World();
    const taken = turnsOf(world);
    const tiktok = crowd(world);
    for (let each = 0; each < 40; each += 1) await tiktok.account(someVideos(30));
    const collectors = [collecting(world), collecting(world), collecting(world)];
    for (let look = 0; look < 60; look += 1) {
      await Promise.all(collectors.map((collector) => collector.sweep()));
      world.clock.advance(10);
    }
    for (const [call, key] of [
      ['list', 'COLLECT:OPEN:LIST'],
      ['account', 'COLLECT:OPEN:ACCOUNT'],
    ] as const) {
      const calls = tiktok.calls.filter((each) => each.call === call);
      expect([calls.length >= 40, taken.of(key).length]).toEqual([true, calls.length]);
      expect(most(taken.of(key), 1)).toBeLessThanOrEqual(5);
      expect(
        most(
          calls.map(({ time }) => time),
          60,
        ),
      ).toBeLessThanOrEqual(300);
    }
  });

  it('of the Business family share four calls a second, and each endpoint of an account has twenty a minute', async () => {
    const world = new World();
    const taken = turnsOf(world);
    const tiktok = crowd(world, 'BUSINESS');
    const huge = await tiktok.account(someVideos(1200));
    for (let each = 0; each < 10; each += 1) await tiktok.account(someVideos(3));
    await run(world, collecting(world), 10 * MINUTE, 10);
    expect(await known(world, huge)).toHaveLength(1200);
    expect(taken.of('COLLECT:BUSINESS')).toHaveLength(tiktok.calls.length);
    expect(most(taken.of('COLLECT:BUSINESS'), 1)).toBeLessThanOrEqual(4);
    const own = tiktok.calls.filter(({ account, call }) => account === huge.token && call !== 'account');
    const ownTurns = taken.of(`COLLECT:BUSINESS:video/list:${huge.account.openId}`);
    expect([own.length >= 60, ownTurns.length >= own.length]).toEqual([true, true]);
    expect(most(ownTurns, 62)).toBeLessThanOrEqual(20);
  });

  it('are not behind one that has ten thousand videos, not even in its own workspace', async () => {
    const world = new World();
    const tiktok = crowd(world);
    const huge = await tiktok.account(someVideos(10_000));
    const small: (Active & { token: string })[] = [];
    for (let each = 0; each < 20; each += 1) small.push(await tiktok.account(someVideos(50)));
    const collector = collecting(world);
    await run(world, collector, 5 * MINUTE, 10);
    const firstCallOf = (token: string) => tiktok.calls.findIndex(({ account }) => account === token);
    // At most one round of the huge one is before each of them.
    for (const [place, { token }] of small.entries()) expect(firstCallOf(token)).toBeLessThanOrEqual((place + 2) * 11);
    for (const each of small) expect(await known(world, each)).toHaveLength(50);
    const lastOfSmall = Math.max(
      ...small.map(({ token }) => tiktok.calls.findLastIndex(({ account }) => account === token)),
    );
    expect(tiktok.calls.slice(0, lastOfSmall).filter(({ account }) => account === huge.token).length).toBeLessThan(60);
    await run(world, collector, 5 * MINUTE, 10);
    expect(await known(world, huge)).toHaveLength(10_000);
    expect(world.metrics.reports).toContainEqual(['collectionEnded', 'MORE', expect.any(Number)]);
  });

  it('are asked about once, when four processes look at the same moment', async () => {
    const world = new World();
    const tiktok = crowd(world);
    for (let each = 0; each < 12; each += 1) await tiktok.account(someVideos(3));
    await Promise.all(Array.from({ length: 4 }, () => collecting(world).sweep()));
    await run(world, collecting(world), MINUTE, 10);
    expect(tiktok.calls.filter(({ call }) => call === 'list')).toHaveLength(12);
    expect(tiktok.calls.filter(({ call }) => call === 'account')).toHaveLength(12);
  });

  it('of a family with a rate of 0 are left alone', async () => {
    const world = new World();
    await given(world, someVideos(3));
    const rates = { ...COLLECTION_RATES, OPEN: { callsPerSecond: 0 } };
    const { collections } = world.measured;
    const none = collectMetrics({ ...world, collections, access: world.access(), rates, wait: world.wait });
    await run(world, none, DAY, HOUR);
    expect(world.tiktok.calls).toEqual([]);
  });

  it('are put off to the time of their turn, and not for a failure, when TikTok’s limits leave none', async () => {
    const world = new World();
    const connection = await given(world, someVideos(3));
    const { turns } = world;
    const none: Turns = { ...turns, take: async () => ({ taken: false, freeTime: later(40, world.clock.now()) }) };
    world.turns = none;
    await collecting(world).sweep();
    expect(world.tiktok.calls).toEqual([]);
    expect(world.waits).toEqual([]);
    expect(world.metrics.reports).toContainEqual(['collectionEnded', 'NO_TURN', 0]);
    world.turns = turns;
    world.clock.advance(39);
    await collecting(world).sweep();
    expect(world.tiktok.calls).toEqual([]);
    world.clock.advance(1);
    await collecting(world).sweep();
    expect(await known(world, connection)).toHaveLength(3);
  });
});

describe('a worker that ends', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9])('after what it stored %i times leaves nothing undone', async (crashAt) => {
    const world = new World();
    const videos = someVideos(95);
    const connection = await given(world, videos);
    const { collections } = world.measured;
    let stored = 0;
    const crash = (): void => {
      stored += 1;
      if (stored === crashAt) throw new Crash('stored');
    };
    const dying: MetricCollections = {
      ...collections,
      async recordVideos(...said) {
        const recorded = await collections.recordVideos(...said);
        crash();
        return recorded;
      },
      async recordAccount(...said) {
        const recorded = await collections.recordAccount(...said);
        crash();
        return recorded;
      },
      async finish(...said) {
        crash();
        await collections.finish(...said);
      },
    };
    await collecting(world, { collections: dying }).sweep();
    const newer = aReading({ createTime: later(5) });
    world.tiktok.videoReadings = [newer, ...videos];
    await run(world, collecting(world), 2 * HOUR, MINUTE);
    expect(await known(world, connection)).toEqual(idsOf([newer, ...videos]));
    expect((await world.measured.accountMetrics.find(connection.id, '2026-11-22', '2026-11-22'))?.days).toHaveLength(1);
  });

  it('while newer videos are listed leaves no gap between them and those that were known', async () => {
    const world = new World();
    const videos = someVideos(10, later(-DAY));
    const connection = await given(world, videos);
    await collecting(world).sweep();
    world.clock.advance(6 * HOUR);
    const newer = Array.from({ length: 70 }, (_, index) =>
      aReading({ createTime: later(-index - 1, world.clock.now()) }),
    );
    world.tiktok.videoReadings = [...newer, ...videos];
    const { collections } = world.measured;
    const dying: MetricCollections = {
      ...collections,
      async recordVideos(...said) {
        await collections.recordVideos(...said);
        throw new Crash('stored');
      },
    };
    await collecting(world, { collections: dying }).sweep();
    world.clock.advance(301);
    await collecting(world).sweep();
    expect((await known(world, connection)).toSorted()).toEqual(idsOf([...newer, ...videos]).toSorted());
  });

  it('or whose lease is another’s by now stores nothing more', async () => {
    const world = new World();
    await given(world, someVideos(95));
    let lost = false;
    const collector = collecting(world);
    const other = collecting(world);
    world.tiktok.before('listInsights', async () => {
      if (lost) return;
      lost = true;
      world.clock.advance(301);
      await other.sweep();
    });
    await collector.sweep();
    expect(world.metrics.reports).toContainEqual(['collectionEnded', 'LOST', 0]);
    expect(world.tiktok.called('listInsights')).toBe(6);
  });
});

describe('what TikTok refuses', () => {
  it('for it is too often rests all accounts of the family, until one gets through', async () => {
    const world = new World();
    const accounts = await world.givenAccounts(20);
    world.tiktok.videoReadings = someVideos(2);
    const end = later(5 * MINUTE);
    world.tiktok.next(
      'readAccountInsights',
      ...Array(200).fill(async (answer: () => Promise<unknown>) => (world.clock.now() < end ? err(LIMITED) : answer())),
    );
    const collector = collecting(world);
    await run(world, collector, 5 * MINUTE, 10);
    // Those that were under way, then one after 60 s and one after 120 s more.
    expect(world.tiktok.called('readAccountInsights')).toBeLessThanOrEqual(8 + 2);
    expect((await world.gates.all([collectionGate('OPEN')])).length).toBe(1);
    await run(world, collector, 20 * MINUTE, 10);
    for (const each of accounts) expect(await known(world, each)).toHaveLength(2);
    expect(await world.gates.all()).toEqual([]);
    for (const { id } of accounts) expect(await world.connection(id)).toMatchObject({ state: 'ACTIVE' });
  });

  it('for the grant is dead ends the questions until the person has reconnected, and they go on at once then', async () => {
    const world = new World();
    const connection = await given(world, someVideos(2));
    world.tiktok.kill('grant');
    const collector = collecting(world);
    await run(world, collector, 3 * DAY, HOUR);
    expect(await world.connection(connection.id)).toMatchObject({ state: 'RECONNECT_REQUIRED' });
    expect(world.tiktok.called('readAccountInsights')).toBe(1);
    const grant = world.tiktok.issue();
    await world.credentials.put({
      connectionId: connection.id,
      workspaceId: connection.workspaceId,
      accessToken: grant.accessToken,
      refreshToken: grant.refreshToken,
      accessExpireTime: later(5 * DAY),
      refreshExpireTime: later(300 * DAY),
      refreshDueTime: later(4 * DAY),
    });
    const { id: _, ...consent } = { ...connection, accessExpireTime: later(5 * DAY) };
    await world.connections.update(connection.id, (each) => ok(reconnect(each, consent, world.clock.now())));
    await collector.sweep();
    expect(await known(world, connection)).toHaveLength(2);
  });

  it.each([
    ['ended', disconnect],
    ['dead', (each: Active) => requireReconnect(each, { code: 'ACCOUNT_SESSION_INVALID' }, NOW)],
  ] as const)('nothing, for nothing is asked of a connection that is %s; what is known stays', async (_, end) => {
    const world = new World();
    const connection = await given(world, someVideos(2));
    const collector = collecting(world);
    await collector.sweep();
    const calls = world.tiktok.calls.length;
    await world.connections.update(connection.id, (each) => ok(end(each as Active, world.clock.now())));
    await run(world, collector, 5 * DAY, HOUR);
    expect(world.tiktok.calls).toHaveLength(calls);
    expect(await known(world, connection)).toHaveLength(2);
    expect(world.metrics.reports).toContainEqual(['collectionEnded', 'NOT_CONNECTED', expect.any(Number)]);
  });

  it('of the account alone keeps no video from being looked at, and is asked again later and later', async () => {
    const world = new World();
    const connection = await given(world, someVideos(2));
    world.tiktok.next(
      'readAccountInsights',
      ...Array(4).fill(answers(err({ code: 'CONNECTOR_REQUEST_REJECTED' } as const))),
    );
    const tries: number[] = [];
    world.tiktok.before('readAccountInsights', () => tries.push(world.clock.now().getTime() / 1000));
    await run(world, collecting(world), DAY, 30);
    expect(await known(world, connection)).toHaveLength(2);
    const pauses = tries.slice(1, 5).map((time, index) => time - (tries[index] ?? 0));
    expect(pauses).toHaveLength(4);
    for (const [index, pause] of pauses.entries()) expect(pause).toBeGreaterThanOrEqual(45 * 2 ** index);
    expect((await world.measured.accountMetrics.find(connection.id, '2026-11-22', '2026-11-22'))?.days).toHaveLength(1);
  });

  it('for a permission that it says is missing is asked again the next day', async () => {
    const world = new World();
    await given(world, someVideos(2));
    const missing = err({ code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.list'] } as const);
    world.tiktok.next('listInsights', answers(missing));
    await run(world, collecting(world), DAY - MINUTE, 10 * MINUTE);
    expect(world.tiktok.called('listInsights')).toBe(1);
    await run(world, collecting(world), 20 * MINUTE);
    expect(world.tiktok.called('listInsights')).toBe(2);
  });

  it('while it is not well is not made worse: nothing is asked until its gate may be tried, and one account at a time then', async () => {
    const world = new World();
    const accounts = await world.givenAccounts(10);
    world.tiktok.videoReadings = someVideos(2);
    const [first] = accounts as [Active];
    const closing = closingFor({ code: 'APP_CREDENTIALS_REJECTED' }, first);
    if (closing === undefined) throw new Error('no gate');
    await world.gates.shut({ ...closing, key: platformGate('OPEN') }, UNAVAILABLE);
    const collector = collecting(world);
    await collector.sweep();
    expect(world.tiktok.calls).toEqual([]);
    world.clock.advance(closing.seconds);
    await collector.sweep();
    expect(world.tiktok.called('readAccountInsights')).toBe(1);
    await world.gates.open(platformGate('OPEN'));
    await collector.sweep();
    for (const each of accounts) expect(await known(world, each)).toHaveLength(2);
  });

  it('by not answering is tried again, and no account has to reconnect', async () => {
    const world = new World();
    const connection = await given(world, someVideos(2));
    world.tiktok.next('listInsights', answers(err(UNAVAILABLE)), answers(err(UNAVAILABLE)));
    await run(world, collecting(world), 10 * MINUTE);
    expect(await known(world, connection)).toHaveLength(2);
    expect(await world.connection(connection.id)).toMatchObject({ state: 'ACTIVE' });
  });

  it('is not the end of the others: one that can’t be stored is tried again when its lease ends', async () => {
    const world = new World();
    const accounts = await world.givenAccounts(3);
    world.tiktok.videoReadings = someVideos(2);
    const { collections } = world.measured;
    let broken = true;
    const failing: MetricCollections = {
      ...collections,
      async recordVideos(lease, ...rest) {
        if (broken && lease.connectionId === accounts[0]?.id) throw new Error('it can’t be stored');
        return collections.recordVideos(lease, ...rest);
      },
    };
    const collector = collecting(world, { collections: failing });
    await collector.sweep();
    const counts = async () => Promise.all(accounts.map(async (each) => (await known(world, each)).length));
    expect(await counts()).toEqual([0, 2, 2]);
    expect(world.metrics.reports).toContainEqual(['collectionEnded', 'FAILED', 0]);
    broken = false;
    world.clock.advance(301);
    await collector.sweep();
    expect(await counts()).toEqual([2, 2, 2]);
  });
});
