import { describe, expect, it } from 'vitest';
import type { AccountMetrics } from '../../../src/application/ports/account-metrics.ts';
import type { Clock } from '../../../src/application/ports/clock.ts';
import type { Connections } from '../../../src/application/ports/connections.ts';
import type {
  CollectionLease,
  MetricCollections,
  VideosTold,
} from '../../../src/application/ports/metric-collections.ts';
import type { Posts } from '../../../src/application/ports/posts.ts';
import type { SnapshotFilter, VideoMetrics } from '../../../src/application/ports/video-metrics.ts';
import type { Videos } from '../../../src/application/ports/videos.ts';
import type { VideoReading } from '../../../src/domain/analytics/reading.ts';
import { type Active, disconnect, reconnect } from '../../../src/domain/connection/connection.ts';
import type { WorkspaceId } from '../../../src/domain/ids.ts';
import { ok } from '../../../src/domain/result.ts';
import {
  anAccount,
  anActiveConnection,
  aPublishedPost,
  aReadyVideo,
  aRequest,
  later,
  NOW,
  OTHER_WORKSPACE,
  WORKSPACE,
} from '../../support/builders.ts';
import { aFullReading, anAccountReading, aReading } from '../../support/readings.ts';

export type MetricStores = {
  readonly videoMetrics: VideoMetrics;
  readonly accountMetrics: AccountMetrics;
  readonly collections: MetricCollections;
  /** Of the same store. */
  readonly posts: Posts;
  readonly videos: Videos;
  readonly connections: Connections;
  /** The store's own time, roughly: leases and due times are measured in it. */
  readonly clock: Clock;
  /** Lets leases and pauses of that many seconds pass. */
  passTime(seconds: number): Promise<void>;
};

const FAMILIES = ['OPEN', 'BUSINESS'] as const;
const LEASE_SECONDS = 60;
const DAY = 86_400;
const EVER: SnapshotFilter = { interval: 'STORED' };
const ALL = { workspaceId: WORKSPACE, connectionIds: [] };

let accounts = 0;
const aConnection = (parts: Partial<Active> = {}): Active => {
  accounts += 1;
  return anActiveConnection({ account: anAccount({ openId: `measured-${accounts}` }), ...parts });
};

export function metricsContract(name: string, make: () => Promise<MetricStores>): void {
  describe(`VideoMetrics, AccountMetrics and MetricCollections, as ${name}`, () => {
    const claim = ({ collections }: MetricStores, limit = 100) =>
      collections.claimDue({ families: FAMILIES, limit, leaseSeconds: LEASE_SECONDS });

    /** An ACTIVE connection whose numbers may be stored. */
    async function givenLease(stores: MetricStores, parts: Partial<Active> = {}): Promise<CollectionLease> {
      const connection = aConnection(parts);
      await stores.connections.add(connection);
      await stores.collections.discover();
      const leases = await claim(stores);
      const lease = leases.find(({ connectionId }) => connectionId === connection.id);
      if (lease === undefined) throw new Error('nothing is due');
      return lease;
    }

    const tell = (
      { collections }: MetricStores,
      lease: CollectionLease,
      time: Date,
      told: Partial<Omit<VideosTold, 'time'>>,
    ) => collections.recordVideos(lease, { time, readings: [], missing: [], ...told }, lease.plan, LEASE_SECONDS);

    const known = async (
      { videoMetrics }: MetricStores,
      { connectionId }: CollectionLease,
      { tiktokPostId }: VideoReading,
    ) => videoMetrics.find({ connectionId, tiktokPostId });

    const history = async (
      { videoMetrics }: MetricStores,
      { connectionId }: CollectionLease,
      { tiktokPostId }: VideoReading,
      filter: SnapshotFilter = EVER,
    ) => (await videoMetrics.snapshots({ connectionId, tiktokPostId }, filter, { size: 500 }))?.items;

    async function givenPost(
      stores: MetricStores,
      { connectionId }: CollectionLease,
      tiktokPostIds: readonly string[],
    ) {
      const video = aReadyVideo();
      await stores.videos.add(video);
      const now = stores.clock.now();
      const post = aPublishedPost({ connectionId, videoId: video.id, tiktokPostIds, createTime: now, updateTime: now });
      const added = await stores.posts.add({ post }, aRequest());
      if (!added.ok) throw new Error(added.error.code);
      return post;
    }

    describe('a video', () => {
      it('is found with everything that TikTok told of it, each with its time', async () => {
        const stores = await make();
        const lease = await givenLease(stores);
        const reading = aFullReading();
        expect(await tell(stores, lease, later(60), { readings: [reading] })).toEqual({ unknown: 1, snapshots: 1 });
        const asOf = later(60);
        const { tiktokPostId, createTime, caption, shareUri, durationSeconds, numbers } = reading;
        expect(await known(stores, lease, reading)).toEqual({
          connectionId: lease.connectionId,
          workspaceId: lease.workspaceId,
          tiktokPostId,
          createTime,
          caption,
          shareUri,
          durationSeconds,
          numbers: Object.fromEntries(Object.entries(numbers).map(([each, value]) => [each, { value, asOf }])),
          curves: { retention: { value: reading.curves.retention, asOf } },
          breakdowns: {
            impressionSources: { value: reading.breakdowns.impressionSources, asOf },
            audienceCities: { value: reading.breakdowns.audienceCities, asOf },
          },
          collectTime: asOf,
          activityTime: createTime,
          nextCollectTime: later(3660),
        });
        expect(await history(stores, lease, reading)).toEqual([{ time: asOf, numbers }]);
        expect(await known(stores, lease, aReading())).toBeUndefined();
      });

      it('keeps what TikTok no longer tells, with its old time', async () => {
        const stores = await make();
        const lease = await givenLease(stores);
        const reading = aFullReading();
        await tell(stores, lease, later(60), { readings: [reading] });
        const { tiktokPostId } = reading;
        const short = aReading({ tiktokPostId, numbers: { views: 2_300_000_001 } });
        await tell(stores, lease, later(120), { readings: [short] });
        const video = await known(stores, lease, reading);
        expect(video?.numbers).toMatchObject({
          views: { value: 2_300_000_001, asOf: later(120) },
          reach: { value: 840, asOf: later(60) },
        });
        expect(video).toMatchObject({
          shareUri: reading.shareUri,
          durationSeconds: 21.5,
          curves: { retention: { asOf: later(60) } },
          breakdowns: { audienceCities: { asOf: later(60) } },
          activityTime: later(120),
        });
        expect((await history(stores, lease, reading))?.at(-1)).toEqual({
          time: later(120),
          numbers: { ...reading.numbers, views: 2_300_000_001 },
        });
      });

      it('is not changed by the same reading once more, nor by an older one', async () => {
        const stores = await make();
        const lease = await givenLease(stores);
        const reading = aReading();
        await tell(stores, lease, later(60), { readings: [reading] });
        const before = await known(stores, lease, reading);
        expect(await tell(stores, lease, later(60), { readings: [reading] })).toEqual({ unknown: 0, snapshots: 0 });
        const older = { ...reading, caption: 'Winter', numbers: { views: 7, reach: 3 } };
        await tell(stores, lease, later(30), { readings: [older], missing: [] });
        await tell(stores, lease, later(30), { missing: [reading.tiktokPostId] });
        expect(await known(stores, lease, reading)).toEqual(before);
        expect(await history(stores, lease, reading)).toHaveLength(1);
      });

      it('leaves a snapshot only when a number changed, while its times move on', async () => {
        const stores = await make();
        const lease = await givenLease(stores);
        const reading = aReading();
        for (const seconds of [60, 120, 180]) await tell(stores, lease, later(seconds), { readings: [reading] });
        const more = { ...reading, numbers: { ...reading.numbers, favorites: 0 } };
        await tell(stores, lease, later(240), { readings: [more] });
        expect(await history(stores, lease, reading)).toEqual([
          { time: later(60), numbers: reading.numbers },
          { time: later(240), numbers: more.numbers },
        ]);
        expect(await known(stores, lease, reading)).toMatchObject({
          numbers: { views: { value: 100, asOf: later(240) } },
          collectTime: later(240),
          activityTime: reading.createTime,
        });
      });

      it('is missing since TikTok first left it out, until it tells of it again', async () => {
        const stores = await make();
        const lease = await givenLease(stores);
        const reading = aReading();
        await tell(stores, lease, later(60), { readings: [reading] });
        for (const seconds of [120, 180])
          await tell(stores, lease, later(seconds), { missing: [reading.tiktokPostId, '1'] });
        expect(await known(stores, lease, reading)).toMatchObject({
          missingSince: later(120),
          collectTime: later(180),
          nextCollectTime: later(3780),
          numbers: { views: { value: 100, asOf: later(60) } },
        });
        await tell(stores, lease, later(240), { readings: [reading] });
        expect(await known(stores, lease, reading)).not.toHaveProperty('missingSince');
        expect(await stores.videoMetrics.find({ connectionId: lease.connectionId, tiktokPostId: '1' })).toBeUndefined();
      });

      it('takes any text that people write', async () => {
        const stores = await make();
        const lease = await givenLease(stores);
        const reading = aReading({ caption: 'a\0b \\u0000 \ud800 🌞 "quoted"' });
        await tell(stores, lease, later(60), { readings: [reading] });
        expect((await known(stores, lease, reading))?.caption).toMatch(/^a.?b \\u0000 . 🌞 "quoted"$/su);
      });

      it('belongs to the post that it is of, also when the post learns of it later', async () => {
        const stores = await make();
        const [lease, other] = [await givenLease(stores), await givenLease(stores)];
        const [first, second, foreign] = [aReading(), aReading(), aReading()];
        await tell(stores, lease, later(60), { readings: [first, second, foreign] });
        await tell(stores, other, later(60), { readings: [first] });
        const post = await givenPost(stores, lease, ['1', second.tiktokPostId, first.tiktokPostId]);
        expect((await known(stores, lease, first))?.postId).toBe(post.id);
        expect((await known(stores, lease, second))?.postId).toBe(post.id);
        expect(await known(stores, lease, foreign)).not.toHaveProperty('postId');
        expect(await known(stores, other, first)).not.toHaveProperty('postId');
        expect((await stores.videoMetrics.findByPost(post.id))?.tiktokPostId).toBe(second.tiktokPostId);
        expect(await stores.videoMetrics.findByPost((await givenPost(stores, lease, [])).id)).toBeUndefined();
        const { items = [] } = (await stores.videoMetrics.list(ALL, { size: 10 })) ?? {};
        expect(items.filter(({ postId }) => postId === post.id)).toHaveLength(2);
      });

      it('is asked for no more while its connection is not ACTIVE', async () => {
        const stores = await make();
        const lease = await givenLease(stores);
        const reading = aReading();
        await tell(stores, lease, later(60), { readings: [reading] });
        await stores.connections.update(lease.connectionId, (connection) => ok(disconnect(connection, NOW)));
        expect(await known(stores, lease, reading)).not.toHaveProperty('nextCollectTime');
        expect(await stores.accountMetrics.find(lease.connectionId, '2026-11-01', '2026-11-30')).not.toHaveProperty(
          'nextCollectTime',
        );
      });
    });

    describe('the list', () => {
      it('has the newest videos of a workspace first, page by page, without curves and breakdowns', async () => {
        const stores = await make();
        const [left, right] = [await givenLease(stores), await givenLease(stores)];
        const foreign = await givenLease(stores, { workspaceId: OTHER_WORKSPACE });
        const readings = Array.from({ length: 7 }, (_, index) =>
          aFullReading({ createTime: later(-60 * (index >> 1)) }),
        );
        for (const [index, reading] of readings.entries()) {
          await tell(stores, index % 2 === 0 ? left : right, later(60), { readings: [reading] });
        }
        await tell(stores, foreign, later(60), { readings: [aReading()] });
        const seen: string[] = [];
        for (let after: string | undefined, pages = 0; pages < 4; pages += 1) {
          const page = await stores.videoMetrics.list(ALL, { size: 2, ...(after === undefined ? {} : { after }) });
          if (page === undefined) throw new Error('the page is not there');
          expect(page.items).toHaveLength(pages === 3 ? 1 : 2);
          expect(
            page.items.every(({ curves, breakdowns }) => Object.keys({ ...curves, ...breakdowns }).length === 0),
          ).toBe(true);
          const times = page.items.map(({ createTime }) => createTime.getTime());
          expect(times).toEqual(times.toSorted((a, b) => b - a));
          seen.push(...page.items.map(({ tiktokPostId }) => tiktokPostId));
          after = page.next;
          expect(after === undefined).toBe(pages === 3);
        }
        expect(seen.toSorted()).toEqual(readings.map(({ tiktokPostId }) => tiktokPostId).toSorted());
      });

      it('keeps to its filters', async () => {
        const stores = await make();
        const [left, right] = [await givenLease(stores), await givenLease(stores)];
        const foreign = await givenLease(stores, { workspaceId: OTHER_WORKSPACE });
        const at = (seconds: number) => aReading({ createTime: later(seconds) });
        const [a, b, c, d] = [at(0), at(-60), at(-120), at(-180)] as const;
        await tell(stores, left, later(60), { readings: [a, c] });
        await tell(stores, right, later(60), { readings: [b, d] });
        await tell(stores, foreign, later(60), { readings: [at(0)] });
        const listed = async (filter: object, size = 10) =>
          (await stores.videoMetrics.list({ ...ALL, ...filter }, { size }))?.items.map(
            ({ tiktokPostId }) => tiktokPostId,
          );
        const idsOf = (...readings: VideoReading[]) => readings.map(({ tiktokPostId }) => tiktokPostId);
        expect(await listed({ connectionIds: [right.connectionId] })).toEqual(idsOf(b, d));
        expect(await listed({ connectionIds: [right.connectionId, left.connectionId, right.connectionId] })).toEqual(
          idsOf(a, b, c, d),
        );
        expect(await listed({ connectionIds: [foreign.connectionId] })).toEqual([]);
        expect(await listed({ publishedFrom: later(-120), publishedBefore: later(0) })).toEqual(idsOf(b, c));
        expect(await listed({ connectionIds: [left.connectionId], publishedBefore: later(0) })).toEqual(idsOf(c));
        expect(await listed({ workspaceId: 'ws_none\0' as WorkspaceId })).toEqual([]);
        const [first] =
          (await stores.videoMetrics.list({ ...ALL, connectionIds: [left.connectionId] }, { size: 1 }))?.items ?? [];
        const after = `${first?.connectionId}/${first?.tiktokPostId}`;
        const rest = await stores.videoMetrics.list({ ...ALL, connectionIds: [left.connectionId] }, { size: 1, after });
        expect(rest?.items.map(({ tiktokPostId }) => tiktokPostId)).toEqual(idsOf(c));
      });

      it.each(['x', '', 'conn_1/', '../..', 'a\0/1', `${'conn_0'}/1`])(
        'does not know a page after %j',
        async (after) => {
          const stores = await make();
          await tell(stores, await givenLease(stores), later(60), { readings: [aReading()] });
          expect(await stores.videoMetrics.list(ALL, { size: 10, after })).toBeUndefined();
        },
      );

      it('does not go on behind a video of another workspace', async () => {
        const stores = await make();
        const [lease, foreign] = [await givenLease(stores), await givenLease(stores, { workspaceId: OTHER_WORKSPACE })];
        const theirs = aReading();
        await tell(stores, lease, later(60), { readings: [aReading()] });
        await tell(stores, foreign, later(60), { readings: [theirs] });
        const after = `${foreign.connectionId}/${theirs.tiktokPostId}`;
        expect(await stores.videoMetrics.list(ALL, { size: 10, after })).toBeUndefined();
      });
    });

    describe('the history of a video', () => {
      /** Sunday 23:30, then half hours to Monday 01:00, then two days and a week on. */
      const TIMES = [
        '2026-11-22T23:10:00Z',
        '2026-11-22T23:30:00Z',
        '2026-11-23T00:00:00Z',
        '2026-11-23T00:59:59Z',
        '2026-11-24T08:00:00Z',
        '2026-11-30T00:00:00Z',
      ].map((time) => new Date(time));

      async function given() {
        const stores = await make();
        const lease = await givenLease(stores);
        const reading = aReading();
        for (const [views, time] of TIMES.entries()) {
          await tell(stores, lease, time, { readings: [{ ...reading, numbers: { views } }] });
        }
        await tell(stores, lease, later(60), { readings: [aReading()] });
        return { stores, lease, reading };
      }

      it.each([
        ['STORED', [0, 1, 2, 3, 4, 5]],
        ['HOUR', [1, 3, 4, 5]],
        ['DAY', [1, 3, 4, 5]],
        ['WEEK', [1, 4, 5]],
      ] as const)('by %s has the last of each', async (interval, wanted) => {
        const { stores, lease, reading } = await given();
        const times = (await history(stores, lease, reading, { interval }))?.map(({ time }) => time);
        expect(times).toEqual(wanted.map((index) => TIMES[index]));
      });

      it('is paged and cut: from a moment on, before another', async () => {
        const { stores, lease, reading } = await given();
        const { connectionId } = lease;
        const key = { connectionId, tiktokPostId: reading.tiktokPostId };
        const views = (items: readonly { numbers: { views?: number } }[] | undefined) =>
          items?.map(({ numbers }) => numbers.views);
        const window = { from: TIMES[1], before: TIMES[5] } as { from: Date; before: Date };
        expect(views(await history(stores, lease, reading, { ...EVER, ...window }))).toEqual([1, 2, 3, 4]);
        expect(views(await history(stores, lease, reading, { interval: 'DAY', before: TIMES[3] as Date }))).toEqual([
          1, 2,
        ]);
        const first = await stores.videoMetrics.snapshots(key, { interval: 'HOUR' }, { size: 2 });
        expect([views(first?.items), first?.next]).toEqual([[1, 3], '2026-11-23T00:59:59.000Z']);
        const second = await stores.videoMetrics.snapshots(
          key,
          { interval: 'HOUR' },
          { size: 2, after: first?.next ?? '' },
        );
        expect([views(second?.items), second?.next]).toEqual([[4, 5], undefined]);
        for (const after of ['', 'x', '2026', '2026-02-31T00:00:00.000Z', '\0']) {
          expect(await stores.videoMetrics.snapshots(key, EVER, { size: 2, after })).toBeUndefined();
        }
        expect(await stores.videoMetrics.snapshots({ connectionId, tiktokPostId: '0' }, EVER, { size: 2 })).toEqual({
          items: [],
        });
      });
    });

    describe('an account', () => {
      const NOVEMBER = ['2026-11-01', '2026-11-30'] as const;

      it('is known by what TikTok told last of each number and day', async () => {
        const stores = await make();
        const lease = await givenLease(stores);
        const { accountMetrics, collections } = stores;
        expect(await accountMetrics.find(aConnection().id, ...NOVEMBER)).toBeUndefined();
        expect(await accountMetrics.find(lease.connectionId, ...NOVEMBER)).toEqual({
          connectionId: lease.connectionId,
          numbers: {},
          breakdowns: {},
          days: [],
          nextCollectTime: lease.plan.accountTime,
        });
        const record = (time: Date, reading: Partial<ReturnType<typeof anAccountReading>>) =>
          collections.recordAccount(
            lease,
            { time, reading: { numbers: {}, days: [], breakdowns: {}, ...reading } },
            { ...lease.plan, accountTime: later(DAY), lastDay: '2026-11-20' },
            LEASE_SECONDS,
          );
        const activity = [{ hour: 8, count: 3 }];
        expect(
          await record(later(60), {
            numbers: { followers: 10, videoCount: 2 },
            breakdowns: { audienceAges: [{ name: '18-24', fraction: 0.5 }] },
            days: [
              { date: '2026-11-19', numbers: { videoViews: 5, reach: 3 }, audienceActivity: activity },
              { date: '2026-11-20', numbers: { videoViews: 6 } },
              { date: '2026-12-01', numbers: { videoViews: 7 } },
            ],
          }),
        ).toBe(true);
        await record(later(120), {
          numbers: { followers: 11 },
          days: [{ date: '2026-11-19', numbers: { videoViews: 6, likes: 1 } }],
        });
        // Late answers, one of them of a day that nothing is known of.
        await record(later(30), {
          numbers: { followers: 1 },
          days: [
            { date: '2026-11-19', numbers: { videoViews: 1 } },
            { date: '2026-11-18', numbers: { videoViews: 4 } },
          ],
        });
        expect(await accountMetrics.find(lease.connectionId, ...NOVEMBER)).toEqual({
          connectionId: lease.connectionId,
          numbers: { followers: { value: 11, asOf: later(120) }, videoCount: { value: 2, asOf: later(60) } },
          breakdowns: { audienceAges: { value: [{ name: '18-24', fraction: 0.5 }], asOf: later(60) } },
          days: [
            { date: '2026-11-18', numbers: { videoViews: 4 }, asOf: later(30) },
            {
              date: '2026-11-19',
              numbers: { videoViews: 6, reach: 3, likes: 1 },
              audienceActivity: activity,
              asOf: later(120),
            },
            { date: '2026-11-20', numbers: { videoViews: 6 }, asOf: later(60) },
          ],
          collectTime: later(120),
          nextCollectTime: later(DAY),
        });
        const days = (await accountMetrics.find(lease.connectionId, '2026-11-19', '2026-11-19'))?.days;
        expect(days?.map(({ date }) => date)).toEqual(['2026-11-19']);
      });
    });

    describe('what is due', () => {
      it('is every ACTIVE connection once, and again when it is given back with a time', async () => {
        const stores = await make();
        const { collections, connections } = stores;
        const ended = aConnection();
        await connections.add(ended);
        await connections.update(ended.id, (connection) => ok(disconnect(connection, NOW)));
        const lease = await givenLease(stores);
        expect(lease).toMatchObject({
          apiFamily: 'OPEN',
          workspaceId: WORKSPACE,
          failures: 0,
          plan: { listedAll: false },
        });
        expect(lease.connectTime).toEqual(NOW);
        expect(await collections.discover()).toMatchObject({ found: 0 });
        expect(await claim(stores)).toEqual([]);
        const now = stores.clock.now();
        const plan = {
          listedTime: now,
          listTime: later(3600, now),
          listedAll: true,
          listBefore: NOW,
          accountTime: later(DAY, now),
          lastDay: '2026-11-20',
        };
        await collections.finish(lease, plan, later(30, now));
        expect(await claim(stores)).toEqual([]);
        await stores.passTime(31);
        expect(await claim(stores)).toMatchObject([
          { connectionId: lease.connectionId, plan: { listedAll: true, lastDay: '2026-11-20', listBefore: NOW } },
        ]);
      });

      it('comes due again when its worker ended, and that worker stores nothing any more', async () => {
        const stores = await make();
        const lease = await givenLease(stores);
        await stores.passTime(LEASE_SECONDS + 1);
        const [next] = await claim(stores);
        if (next === undefined) throw new Error('nothing is due');
        expect(next.fence).toBeGreaterThan(lease.fence);
        const { collections } = stores;
        const reading = aReading();
        expect(await tell(stores, lease, later(60), { readings: [reading] })).toBeUndefined();
        const account = { time: later(60), reading: anAccountReading() };
        expect(await collections.recordAccount(lease, account, lease.plan, LEASE_SECONDS)).toBe(false);
        const now = stores.clock.now();
        await collections.finish(lease, lease.plan, now);
        await collections.putOff(lease, now, 'FAILURE');
        await collections.rest(lease);
        expect(await claim(stores)).toEqual([]);
        expect(await known(stores, lease, reading)).toBeUndefined();
        expect((await stores.accountMetrics.find(lease.connectionId, '2026-01-01', '2026-12-31'))?.numbers).toEqual({});
        expect(await tell(stores, next, later(60), { readings: [reading] })).toEqual({ unknown: 1, snapshots: 1 });
      });

      it('is held longer by storing', async () => {
        const stores = await make();
        const lease = await givenLease(stores);
        await stores.passTime(LEASE_SECONDS - 5);
        await tell(stores, lease, later(60), {});
        await stores.passTime(LEASE_SECONDS - 5);
        expect(await claim(stores)).toEqual([]);
        await stores.passTime(10);
        expect(await claim(stores)).toHaveLength(1);
      });

      it('counts failures in a row, and no turns that were not free', async () => {
        const stores = await make();
        let lease = await givenLease(stores);
        for (const [because, failures] of [
          ['FAILURE', 1],
          ['NO_TURN', 1],
          ['FAILURE', 2],
        ] as const) {
          await stores.collections.putOff(lease, stores.clock.now(), because);
          await stores.passTime(1);
          const [next] = await claim(stores);
          if (next === undefined) throw new Error('nothing is due');
          expect(next.failures).toBe(failures);
          lease = next;
        }
        await stores.collections.finish(lease, lease.plan, stores.clock.now());
        await stores.passTime(1);
        expect(await claim(stores)).toMatchObject([{ failures: 0 }]);
      });

      it('is not what rests, until its connection is ACTIVE again', async () => {
        const stores = await make();
        const { collections, connections } = stores;
        const lease = await givenLease(stores);
        await connections.update(lease.connectionId, (connection) => ok(disconnect(connection, NOW)));
        await collections.rest(lease);
        await stores.passTime(400 * DAY);
        expect(await collections.discover()).toEqual({ found: 0, isAnyDue: false });
        expect(await claim(stores)).toEqual([]);
        const { id: _, ...consent } = aConnection();
        await connections.update(lease.connectionId, (connection) => ok(reconnect(connection, consent, NOW)));
        expect(await collections.discover()).toMatchObject({ found: 1 });
        expect(await claim(stores)).toMatchObject([{ connectionId: lease.connectionId }]);
      });

      it('is an account that a post of ours reached, until its videos are listed', async () => {
        const stores = await make();
        const { collections, clock } = stores;
        const [lease, other] = [await givenLease(stores), await givenLease(stores)];
        const seen = aReading();
        await tell(stores, lease, later(60), { readings: [seen] });
        const now = clock.now();
        const plan = {
          ...lease.plan,
          listedTime: later(-600, now),
          listTime: later(DAY, now),
          accountTime: later(DAY, now),
        };
        await collections.finish(lease, plan, later(DAY, now));
        await collections.finish(other, plan, later(DAY, now));
        await givenPost(stores, lease, [seen.tiktokPostId]);
        await givenPost(stores, lease, []);
        expect(await collections.discover()).toMatchObject({ found: 0 });
        await givenPost(stores, lease, ['7400000000000000099']);
        expect(await collections.discover()).toMatchObject({ found: 1 });
        const [due, ...more] = await claim(stores);
        if (due === undefined) throw new Error('nothing is due');
        expect([due.connectionId, more]).toEqual([lease.connectionId, []]);
        expect(due.plan.listTime.getTime()).toBeLessThanOrEqual(clock.now().getTime());
        // Somebody is at it.
        expect(await collections.discover()).toMatchObject({ found: 0 });
        await collections.finish(due, { ...plan, listedTime: later(60, clock.now()) }, later(DAY, clock.now()));
        expect(await collections.discover()).toMatchObject({ found: 0 });
      });

      it('is given out one of each workspace before the second of any, and the longest due first', async () => {
        const stores = await make();
        const { collections, clock } = stores;
        const crowd: CollectionLease[] = [];
        for (let each = 0; each < 5; each += 1) crowd.push(await givenLease(stores));
        const small = await givenLease(stores, { workspaceId: OTHER_WORKSPACE });
        const now = clock.now();
        for (const [index, lease] of crowd.entries()) await collections.putOff(lease, later(index, now), 'NO_TURN');
        await collections.putOff(small, later(10, now), 'NO_TURN');
        await stores.passTime(20);
        const first = await claim(stores, 2);
        expect(new Set(first.map(({ connectionId }) => connectionId))).toEqual(
          new Set([crowd[0]?.connectionId, small.connectionId]),
        );
        expect(await claim(stores, 1)).toMatchObject([{ connectionId: crowd[1]?.connectionId }]);
      });

      it('is only of the families that are asked for', async () => {
        const stores = await make();
        const { collections, connections } = stores;
        const [open, business] = [aConnection(), aConnection({ apiFamily: 'BUSINESS' })];
        for (const connection of [open, business]) await connections.add(connection);
        expect(await collections.discover()).toEqual({ found: 2, isAnyDue: true });
        expect(await collections.discover()).toEqual({ found: 0, isAnyDue: true });
        const of = (families: readonly ('OPEN' | 'BUSINESS')[]) =>
          collections.claimDue({ families, limit: 10, leaseSeconds: LEASE_SECONDS });
        expect(await of([])).toEqual([]);
        expect(await of(['BUSINESS'])).toMatchObject([{ connectionId: business.id, apiFamily: 'BUSINESS' }]);
        expect(await of(['OPEN', 'BUSINESS'])).toMatchObject([{ connectionId: open.id }]);
        expect(await collections.discover()).toEqual({ found: 0, isAnyDue: false });
      });

      it('has one worker for each, when twenty look at once', async () => {
        const stores = await make();
        for (let each = 0; each < 5; each += 1) await stores.connections.add(aConnection());
        await Promise.all(Array.from({ length: 5 }, () => stores.collections.discover()));
        const claimed = (await Promise.all(Array.from({ length: 20 }, () => claim(stores, 3)))).flat();
        expect(new Set(claimed.map(({ connectionId }) => connectionId)).size).toBe(claimed.length);
        expect([...claimed, ...(await claim(stores))]).toHaveLength(5);
      });

      it('knows which videos are to be looked at, the longest due first', async () => {
        const stores = await make();
        const [lease, other] = [await givenLease(stores), await givenLease(stores)];
        const { collections } = stores;
        expect(await collections.outlook(lease.connectionId)).toEqual({});
        const fresh = aReading();
        const weekOld = aReading({ createTime: later(-7 * DAY) });
        const dead = aReading({ createTime: later(-400 * DAY) });
        await tell(stores, lease, later(0), { readings: [weekOld, dead] });
        await tell(stores, lease, later(60), { readings: [fresh] });
        await tell(stores, other, later(0), { readings: [aReading({ createTime: later(500) })] });
        expect(await collections.outlook(lease.connectionId)).toEqual({
          nextVideoTime: later(3660),
          newestCreateTime: fresh.createTime,
        });
        const due = (time: Date, limit = 10) => collections.dueVideos(lease.connectionId, time, limit);
        expect(await due(later(3659))).toEqual([]);
        expect(await due(later(3660))).toEqual([fresh.tiktokPostId]);
        expect(await due(later(DAY))).toEqual([fresh.tiktokPostId, weekOld.tiktokPostId]);
        expect(await due(later(DAY), 1)).toEqual([fresh.tiktokPostId]);
      });
    });
  });
}
