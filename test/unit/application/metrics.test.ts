import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Explained } from '../../../src/application/explained-metrics.ts';
import { pageTokenOf } from '../../../src/application/field-checks.ts';
import type { ListPostMetricSnapshots } from '../../../src/application/list-post-metric-snapshots.ts';
import type { ListPostMetrics } from '../../../src/application/list-post-metrics.ts';
import type { Refusal } from '../../../src/application/refusal.ts';
import {
  VIDEO_BREAKDOWNS,
  VIDEO_CURVES,
  VIDEO_NUMBERS,
  type VideoNumbers,
} from '../../../src/domain/analytics/reading.ts';
import { disconnect, REQUESTED_SCOPES } from '../../../src/domain/connection/connection.ts';
import type { Finding } from '../../../src/domain/finding.ts';
import type { ConnectionId, PostId } from '../../../src/domain/ids.ts';
import { ok, type Result } from '../../../src/domain/result.ts';
import {
  type AnalyticsWorld,
  analyticsWorld,
  aVideoReading,
  DAY,
  givenHistory,
} from '../../support/analytics-world.ts';
import {
  anAccount,
  aPostInTheInbox,
  aPublishedPost,
  aScheduledPost,
  ids,
  later,
  NOW,
  OTHER_WORKSPACE,
  someSettings,
  WORKSPACE,
} from '../../support/builders.ts';

const HOUR_AGO = later(-3600);

function accepted<T>(result: Result<T, Refusal>): T {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.error)}`);
  return result.value;
}
function findingsOf(result: Result<unknown, Refusal>): readonly Finding[] {
  if (result.ok || result.error.code !== 'INVALID') throw new Error('not refused as invalid');
  return result.error.findings;
}
const reasonOf = (metric: Explained<unknown>) =>
  'unavailableReason' in metric ? metric.unavailableReason : `known, ${metric.staleReason ?? 'and collected'}`;
const reasonsOf = (metrics: Readonly<Record<string, Explained<unknown>>>) => [
  ...new Set(Object.values(metrics).map(reasonOf)),
];

const everyNumber: VideoNumbers = {
  views: 903,
  likes: 61,
  comments: 0,
  shares: 3,
  favorites: 8,
  reach: 840,
  totalWatchSeconds: 6120.4,
  averageWatchSeconds: 6.778,
  fullWatchRate: 0.118,
  newFollowers: 2,
  profileViews: 14,
};

describe('the metrics of a post', () => {
  it('are what TikTok told last, each with its time', async () => {
    const world = analyticsWorld();
    const connection = await world.givenConnection();
    const curves = { retention: [{ second: 0, fraction: 1 }] };
    const breakdowns = { impressionSources: [{ name: 'For You', fraction: 0.81 }] };
    const { post, reading } = await world.givenMeasuredPost(connection, {
      numbers: everyNumber,
      curves,
      breakdowns,
      durationSeconds: 21.5,
    });
    const metrics = accepted(await world.useCases.getPostMetrics({ postId: post.id }));
    for (const name of VIDEO_NUMBERS) {
      expect(metrics.numbers[name]).toEqual({ value: everyNumber[name], asOf: HOUR_AGO });
    }
    expect(metrics.curves.retention).toEqual({ value: curves.retention, asOf: HOUR_AGO });
    expect(metrics.breakdowns.impressionSources).toEqual({ value: breakdowns.impressionSources, asOf: HOUR_AGO });
    expect(metrics).toMatchObject({ postId: post.id, tiktokPostId: reading.tiktokPostId });
    expect(metrics.video).toMatchObject({ durationSeconds: 21.5, collectTime: HOUR_AGO });
  });

  it('keep what TikTok once told, with the time it told it', async () => {
    const world = analyticsWorld();
    const connection = await world.givenConnection();
    const { post, reading } = await world.givenMeasuredPost(connection, { numbers: { views: 5, reach: 4 } });
    world.metrics.given(connection, { time: NOW, readings: [{ ...reading, numbers: { views: 9 } }] });
    const { numbers } = accepted(await world.useCases.getPostMetrics({ postId: post.id }));
    expect(numbers.views).toEqual({ value: 9, asOf: NOW });
    expect(numbers.reach).toEqual({ value: 4, asOf: HOUR_AGO });
    // Eleven quiet days later reach is withheld, and likes never came.
    world.clock.set(later(11 * DAY));
    const quiet = { time: later(11 * DAY - 60), readings: [{ ...reading, numbers: { views: 9 } }] };
    world.metrics.given(connection, quiet);
    const then = accepted(await world.useCases.getPostMetrics({ postId: post.id })).numbers;
    expect(then.views).toEqual({ value: 9, asOf: quiet.time });
    expect(then.reach).toEqual({ value: 4, asOf: HOUR_AGO, staleReason: 'IDLE' });
    expect(then.fullWatchRate).toEqual({ unavailableReason: 'IDLE' });
    expect(then.likes).toEqual({ unavailableReason: 'NOT_PROVIDED' });
  });

  it.each<[string, (world: AnalyticsWorld) => Promise<{ readonly id: PostId }>, string]>([
    ['that waits', (world) => world.givenPost(aScheduledPost), 'NOT_PUBLISHED'],
    ['that is a draft in the inbox', (world) => world.givenPost(aPostInTheInbox), 'NOT_PUBLISHED'],
    ['whose id TikTok has not told yet', (world) => world.givenPost(aPublishedPost), 'NOT_YET_COLLECTED'],
    [
      'that only its author sees',
      (world) =>
        world.givenPost((parts) => aPublishedPost({ ...parts, settings: someSettings({ privacyLevel: 'SELF_ONLY' }) })),
      'NOT_PUBLIC',
    ],
    [
      'that was hidden',
      (world) =>
        world.givenPost((parts) => aPublishedPost({ ...parts, tiktokPostIds: ['7'], publiclyAvailable: false })),
      'NOT_PUBLIC',
    ],
  ])('of a post %s say why there are none', async (_, given, reason) => {
    const world = analyticsWorld();
    const { id } = await given(world);
    const metrics = accepted(await world.useCases.getPostMetrics({ postId: id }));
    expect(metrics).not.toHaveProperty('video');
    expect(reasonsOf({ ...metrics.numbers, ...metrics.curves, ...metrics.breakdowns })).toEqual([reason]);
  });

  it('name the video that nothing was collected of, once TikTok named it', async () => {
    const world = analyticsWorld();
    const { id } = await world.givenPost((parts) =>
      aPublishedPost({ ...parts, tiktokPostIds: ['7551234567890123456', '7551234567890123457'] }),
    );
    expect(accepted(await world.useCases.getPostMetrics({ postId: id })).tiktokPostId).toBe('7551234567890123456');
  });

  it('stay when TikTok hides the video, and say so', async () => {
    const world = analyticsWorld();
    const connection = await world.givenConnection();
    const { post, reading } = await world.givenMeasuredPost(connection, { numbers: { views: 7 } });
    world.metrics.given(connection, { time: NOW, missing: [reading.tiktokPostId] });
    const { numbers } = accepted(await world.useCases.getPostMetrics({ postId: post.id }));
    expect(numbers.views).toEqual({ value: 7, asOf: HOUR_AGO, staleReason: 'NOT_PUBLIC' });
    expect(numbers.likes).toEqual({ unavailableReason: 'NOT_PUBLIC' });
  });

  it('stay when the account is disconnected', async () => {
    const world = analyticsWorld();
    const connection = await world.givenConnection();
    const { post } = await world.givenMeasuredPost(connection);
    await world.connections.update(connection.id, (it) => ok(disconnect(it, NOW)));
    const { numbers } = accepted(await world.useCases.getPostMetrics({ postId: post.id }));
    expect(reasonOf(numbers.views)).toBe('known, NOT_CONNECTED');
    expect(reasonOf(numbers.likes)).toBe('NOT_CONNECTED');
  });

  it('count the followers that were collected before those of the connection', async () => {
    const world = analyticsWorld();
    const connection = await world.givenConnection({
      account: anAccount({ accountType: 'BUSINESS', followerCount: 99 }),
    });
    const { post } = await world.givenMeasuredPost(connection);
    const cities = async () =>
      reasonOf(accepted(await world.useCases.getPostMetrics({ postId: post.id })).breakdowns.audienceCities);
    expect(await cities()).toBe('TOO_FEW_FOLLOWERS');
    const account = { numbers: { followers: 100 }, days: [], breakdowns: {} };
    world.metrics.given(connection, { time: HOUR_AGO, account });
    expect(await cities()).toBe('NOT_PROVIDED');
  });

  it('are not found elsewhere', async () => {
    const world = analyticsWorld();
    const { post } = await world.givenMeasuredPost(await world.givenConnection());
    for (const input of [{ postId: post.id, workspaceId: OTHER_WORKSPACE }, { postId: ids.postId() }]) {
      expect(await world.useCases.getPostMetrics(input)).toEqual({
        ok: false,
        error: { code: 'NOT_FOUND', resource: 'post', id: input.postId },
      });
    }
  });

  it('are known or explained, whatever TikTok told: what it left out is never 0', async () => {
    const told = fc.record(Object.fromEntries(VIDEO_NUMBERS.map((name) => [name, fc.nat(1_000_000)])), {
      requiredKeys: [],
    });
    await fc.assert(
      fc.asyncProperty(told, fc.constantFrom('OPEN', 'BUSINESS'), fc.nat(400), async (numbers, apiFamily, days) => {
        const world = analyticsWorld();
        const connection = await world.givenConnection({ apiFamily, grantedScopes: REQUESTED_SCOPES[apiFamily] });
        const createTime = later(-days * DAY - 7200);
        const { post } = await world.givenMeasuredPost(connection, { numbers, createTime });
        const metrics = accepted(await world.useCases.getPostMetrics({ postId: post.id }));
        for (const name of VIDEO_NUMBERS) {
          const value = (numbers as VideoNumbers)[name];
          const metric = metrics.numbers[name];
          if (value === undefined) expect(Object.keys(metric)).toEqual(['unavailableReason']);
          else expect(metric).toMatchObject({ value, asOf: HOUR_AGO });
        }
        for (const name of VIDEO_CURVES) expect(Object.keys(metrics.curves[name])).toEqual(['unavailableReason']);
        for (const name of VIDEO_BREAKDOWNS) {
          expect(Object.keys(metrics.breakdowns[name])).toEqual(['unavailableReason']);
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe('the metrics of a workspace', () => {
  const list = (world: AnalyticsWorld, parts: Partial<Parameters<ListPostMetrics>[0]> = {}) =>
    world.useCases.listPostMetrics({
      filter: { workspaceId: WORKSPACE, connectionIds: [] },
      pageSize: 0,
      pageToken: '',
      ...parts,
    });

  it('are of all of its videos, newest first, page by page, and of none of another', async () => {
    const world = analyticsWorld();
    const accounts = [await world.givenConnection(), await world.givenConnection({ apiFamily: 'OPEN' })];
    const other = await world.givenConnection({ workspaceId: OTHER_WORKSPACE });
    const expected: string[] = [];
    for (let day = 1; day <= 5; day += 1) {
      const reading = aVideoReading({ createTime: later(-day * DAY) });
      const [of] = day % 2 === 0 ? accounts : accounts.toReversed();
      if (of !== undefined) world.metrics.given(of, { time: HOUR_AGO, readings: [reading] });
      world.metrics.given(other, { time: HOUR_AGO, readings: [aVideoReading({ createTime: later(-day * DAY) })] });
      expected.push(reading.tiktokPostId);
    }
    const seen: (string | undefined)[] = [];
    let pageToken = '';
    const sizes: number[] = [];
    do {
      const page = accepted(await list(world, { pageSize: 2, pageToken }));
      seen.push(...page.items.map(({ tiktokPostId }) => tiktokPostId));
      sizes.push(page.items.length);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(seen).toEqual(expected);
    expect(sizes).toEqual([2, 2, 1]);
  });

  it('explain each number by its own account, and name the post where it is ours', async () => {
    const world = analyticsWorld();
    const business = await world.givenConnection();
    const open = await world.givenConnection({ apiFamily: 'OPEN', grantedScopes: REQUESTED_SCOPES.OPEN });
    const { post } = await world.givenMeasuredPost(business, { createTime: later(-3 * DAY) });
    world.metrics.given(open, { time: HOUR_AGO, readings: [aVideoReading({ createTime: later(-4 * DAY) })] });
    const [first, second] = accepted(await list(world)).items;
    expect([first?.postId, first?.connectionId]).toEqual([post.id, business.id]);
    expect([second?.postId, second?.connectionId]).toEqual([undefined, open.id]);
    expect(first && reasonOf(first.numbers.reach)).toBe('NOT_PROVIDED');
    expect(second && reasonOf(second.numbers.reach)).toBe('NEEDS_BUSINESS_API');
  });

  it('are narrowed to accounts and to a window: its beginning belongs to it, its end does not', async () => {
    const world = analyticsWorld();
    const [one, two] = [await world.givenConnection(), await world.givenConnection()];
    const of = (days: number) => aVideoReading({ createTime: later(-days * DAY) });
    const readings = [of(1), of(2), of(3)];
    world.metrics.given(one, { time: HOUR_AGO, readings });
    world.metrics.given(two, { time: HOUR_AGO, readings: [of(2)] });
    const window = { publishedFrom: later(-2 * DAY), publishedBefore: later(-DAY) };
    const page = accepted(
      await list(world, { filter: { workspaceId: WORKSPACE, connectionIds: [one.id], ...window } }),
    );
    expect(page.items.map(({ tiktokPostId }) => tiktokPostId)).toEqual([readings[1]?.tiktokPostId]);
  });

  it.each<[string, Partial<Parameters<ListPostMetrics>[0]>, Partial<Finding>]>([
    ['no workspace', { filter: { workspaceId: '' as typeof WORKSPACE, connectionIds: [] } }, { field: 'workspace_id' }],
    [
      'a window that ends where it begins',
      { filter: { workspaceId: WORKSPACE, connectionIds: [], publishedFrom: NOW, publishedBefore: NOW } },
      {
        field: 'publish_time_before',
        observed: '2026-11-22T10:00:00.000Z',
        limit: 'after publish_time_from (2026-11-22T10:00:00.000Z)',
        remedy: 'Swap the two times.',
      },
    ],
    [
      '501 accounts',
      { filter: { workspaceId: WORKSPACE, connectionIds: Array(501).fill(ids.connectionId()) } },
      { field: 'connection_ids', observed: '501 ids', limit: 'at most 500' },
    ],
    ['a page of 501', { pageSize: 501 }, { field: 'page_size', observed: '501', limit: '0 to 500' }],
    ['a token of its own making', { pageToken: 'garbage' }, { field: 'page_token', observed: 'garbage' }],
    ['a token with what can be no place', { pageToken: pageTokenOf(WORKSPACE, 'a\nb') }, { field: 'page_token' }],
    ['a token of another list', { pageToken: pageTokenOf(WORKSPACE, ids.postId()) }, { field: 'page_token' }],
  ])('are refused for %s', async (_, parts, finding) => {
    expect(findingsOf(await list(analyticsWorld(), parts))).toMatchObject([{ severity: 'ERROR', ...finding }]);
  });

  it('do not go on with the token of another workspace', async () => {
    const world = analyticsWorld();
    const readings = [aVideoReading(), aVideoReading()];
    for (const workspaceId of [WORKSPACE, OTHER_WORKSPACE]) {
      world.metrics.given(await world.givenConnection({ workspaceId }), { time: HOUR_AGO, readings });
    }
    const { nextPageToken } = accepted(await list(world, { pageSize: 1 }));
    const filter = { workspaceId: OTHER_WORKSPACE, connectionIds: [] };
    expect(findingsOf(await list(world, { filter, pageToken: nextPageToken }))).toMatchObject([
      { field: 'page_token' },
    ]);
  });
});

describe('the history of a video', () => {
  const snapshots = (world: AnalyticsWorld, parts: Partial<Parameters<ListPostMetricSnapshots>[0]>) =>
    world.useCases.listPostMetricSnapshots({
      video: { postId: ids.postId() },
      filter: { interval: 'STORED' },
      pageSize: 0,
      pageToken: '',
      ...parts,
    });

  async function story() {
    const world = analyticsWorld();
    const connection = await world.givenConnection();
    const reading = aVideoReading({ createTime: new Date('2026-11-14T08:00:00Z'), numbers: {} });
    givenHistory(world, connection, reading, [
      ['2026-11-14T09:00:00Z', { views: 1 }],
      ['2026-11-14T09:59:59Z', { views: 2 }],
      ['2026-11-14T10:00:00Z', { views: 3, likes: 0 }],
      ['2026-11-15T23:00:00Z', { views: 4 }],
      ['2026-11-16T00:00:00Z', { views: 5 }],
    ]);
    const published = { tiktokPostIds: [reading.tiktokPostId], publishTime: reading.createTime };
    const post = await world.givenPost((parts) => aPublishedPost({ ...parts, ...published }), connection);
    const { tiktokPostId } = reading;
    return { world, connection, post, tiktokPostId, key: { connectionId: connection.id, tiktokPostId } };
  }

  it.each<['STORED' | 'HOUR' | 'DAY' | 'WEEK', readonly number[]]>([
    ['STORED', [1, 2, 3, 4, 5]],
    ['HOUR', [2, 3, 4, 5]],
    ['DAY', [3, 4, 5]],
    ['WEEK', [4, 5]],
  ])('is told oldest first, by %s', async (interval, views) => {
    const { world, post } = await story();
    const page = accepted(await snapshots(world, { video: { postId: post.id }, filter: { interval } }));
    expect(page.items.map(({ numbers }) => numbers.views)).toEqual(views);
  });

  it('is told page by page, each once', async () => {
    const { world, post } = await story();
    const seen: (number | undefined)[] = [];
    let pageToken = '';
    do {
      const page = accepted(await snapshots(world, { video: { postId: post.id }, pageSize: 2, pageToken }));
      seen.push(...page.items.map(({ numbers }) => numbers.views));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(seen).toEqual([1, 2, 3, 4, 5]);
  });

  it('begins and ends with its window', async () => {
    const { world, post } = await story();
    const window = { from: new Date('2026-11-14T10:00:00Z'), before: new Date('2026-11-16T00:00:00Z') };
    const filter = { interval: 'STORED' as const, ...window };
    const page = accepted(await snapshots(world, { video: { postId: post.id }, filter }));
    expect(page.items.map(({ numbers }) => numbers.views)).toEqual([3, 4]);
  });

  it('is the same by the name that TikTok has for the video, and 0 is kept apart from nothing', async () => {
    const { world, post, key } = await story();
    const byName = accepted(await snapshots(world, { video: key, workspaceId: WORKSPACE }));
    expect(byName.items).toEqual(accepted(await snapshots(world, { video: { postId: post.id } })).items);
    expect(byName.items[1]?.numbers).toEqual({ views: 2 });
    expect(byName.items[2]?.numbers).toEqual({ views: 3, likes: 0 });
  });

  it('is empty for a post that nothing was collected of', async () => {
    const world = analyticsWorld();
    const { id } = await world.givenPost(aScheduledPost);
    expect(accepted(await snapshots(world, { video: { postId: id } }))).toEqual({ items: [], nextPageToken: '' });
  });

  it('is not found elsewhere', async () => {
    const { world, post, key } = await story();
    const notFound = (resource: string, id: string) => ({ ok: false, error: { code: 'NOT_FOUND', resource, id } });
    const nowhere = { workspaceId: OTHER_WORKSPACE };
    expect(await snapshots(world, { video: { postId: post.id }, ...nowhere })).toEqual(notFound('post', post.id));
    expect(await snapshots(world, { video: key, ...nowhere })).toEqual(notFound('connection', key.connectionId));
    const connectionId = 'conn_nowhere' as ConnectionId;
    expect(await snapshots(world, { video: { ...key, connectionId } })).toEqual(notFound('connection', connectionId));
    expect(await snapshots(world, { video: { ...key, tiktokPostId: '7' } })).toEqual(notFound('video', '7'));
  });

  it('does not go on with the token of another video, nor of other steps', async () => {
    const { world, connection, post, key } = await story();
    const { nextPageToken: pageToken } = accepted(await snapshots(world, { video: { postId: post.id }, pageSize: 1 }));
    const { post: another } = await world.givenMeasuredPost(connection);
    for (const parts of [
      { video: { postId: another.id } },
      { video: key },
      { video: { postId: post.id }, filter: { interval: 'DAY' as const } },
    ]) {
      expect(findingsOf(await snapshots(world, { ...parts, pageToken }))).toMatchObject([{ field: 'page_token' }]);
    }
  });

  it.each<[string, Partial<Parameters<ListPostMetricSnapshots>[0]>, Partial<Finding>]>([
    [
      'a window that ends before it begins',
      { filter: { interval: 'DAY', from: later(1), before: NOW } },
      {
        field: 'time_before',
        observed: '2026-11-22T10:00:00.000Z',
        limit: 'after time_from (2026-11-22T10:00:01.000Z)',
      },
    ],
    ['a page of -1', { pageSize: -1 }, { field: 'page_size', observed: '-1' }],
  ])('is refused for %s', async (_, parts, finding) => {
    const { world, post } = await story();
    expect(findingsOf(await snapshots(world, { video: { postId: post.id }, ...parts }))).toMatchObject([finding]);
  });

  it('is refused for a place that its store does not know', async () => {
    const { world, post } = await story();
    const pageToken = pageTokenOf(JSON.stringify(['STORED', post.id]), 'nowhere');
    expect(findingsOf(await snapshots(world, { video: { postId: post.id }, pageToken }))).toMatchObject([
      { field: 'page_token', remedy: 'Start again without it.' },
    ]);
  });
});

describe('the metrics of an account', () => {
  const day = (date: string, numbers = {}) => ({ date, numbers });

  async function told(parts: Parameters<AnalyticsWorld['givenConnection']>[0] = {}) {
    const world = analyticsWorld();
    const connection = await world.givenConnection(parts);
    const days = ['2026-10-24', '2026-10-25', '2026-11-20', '2026-11-22'].map((date) => day(date, { videoViews: 3 }));
    world.metrics.given(connection, {
      time: HOUR_AGO,
      account: {
        numbers: { followers: 1_520, totalLikes: 0 },
        days,
        breakdowns: { audienceGenders: [{ name: 'Female', fraction: 0.58 }] },
      },
    });
    const { id: connectionId } = connection;
    return {
      world,
      connection,
      account: (window = {}) => world.useCases.getAccountMetrics({ connectionId, ...window }),
    };
  }
  const datesOf = async (result: Promise<Result<{ readonly days: readonly { readonly date: string }[] }, Refusal>>) =>
    accepted(await result).days.map(({ date }) => date);

  it('are what TikTok told last, and the days of four weeks before today', async () => {
    const { account, connection } = await told();
    const metrics = accepted(await account());
    expect(metrics.numbers.followers).toEqual({ value: 1_520, asOf: HOUR_AGO });
    expect(metrics.numbers.totalLikes).toEqual({ value: 0, asOf: HOUR_AGO });
    expect(metrics.numbers.following).toEqual({ unavailableReason: 'NOT_PROVIDED' });
    expect(metrics.breakdowns.audienceGenders).toEqual({
      value: [{ name: 'Female', fraction: 0.58 }],
      asOf: HOUR_AGO,
    });
    expect(metrics.days.map(({ date }) => date)).toEqual(['2026-10-25', '2026-11-20', '2026-11-22']);
    expect(metrics).toMatchObject({ connectionId: connection.id, apiFamily: 'BUSINESS', collectTime: HOUR_AGO });
    expect(metrics.daysUnavailableReason).toBe('NOT_PROVIDED');
  });

  it('have the days asked for, the first and the last included', async () => {
    const { account } = await told();
    expect(await datesOf(account({ startDate: '2026-10-24', endDate: '2026-11-20' }))).toEqual([
      '2026-10-24',
      '2026-10-25',
      '2026-11-20',
    ]);
    expect(await datesOf(account({ endDate: '2026-11-21' }))).toEqual(['2026-10-24', '2026-10-25', '2026-11-20']);
    expect(await datesOf(account({ startDate: '2026-11-22' }))).toEqual(['2026-11-22']);
    expect(await datesOf(account({ startDate: '2025-11-20', endDate: '2026-11-21' }))).toHaveLength(3);
  });

  it('have no reason for their days where one has a number that only some accounts get', async () => {
    const { account, world, connection } = await told();
    const account2 = { numbers: {}, breakdowns: {}, days: [day('2026-11-21', { reach: 0 })] };
    world.metrics.given(connection, { time: NOW, account: account2 });
    expect(accepted(await account())).not.toHaveProperty('daysUnavailableReason');
  });

  it('are nothing but reasons before the first look, whatever the connection says of the account', async () => {
    const world = analyticsWorld();
    const parts = { followerCount: 5, followingCount: 1, likesCount: 9, videoCount: 2 };
    const connection = await world.givenConnection({
      apiFamily: 'OPEN',
      grantedScopes: REQUESTED_SCOPES.OPEN,
      account: anAccount(parts),
    });
    const metrics = accepted(await world.useCases.getAccountMetrics({ connectionId: connection.id }));
    expect(reasonsOf(metrics.numbers)).toEqual(['NOT_YET_COLLECTED']);
    expect(reasonsOf(metrics.breakdowns)).toEqual(['NEEDS_BUSINESS_API']);
    expect(metrics).toMatchObject({ days: [], daysUnavailableReason: 'NEEDS_BUSINESS_API' });
    expect(metrics).not.toHaveProperty('collectTime');
  });

  it('say which scope is missing', async () => {
    const { account } = await told({ grantedScopes: ['user.info.basic', 'video.publish'] });
    const metrics = accepted(await account());
    expect(reasonOf(metrics.numbers.followers)).toBe('known, NEEDS_SCOPE');
    expect(reasonOf(metrics.breakdowns.audienceAges)).toBe('NEEDS_SCOPE');
    expect(metrics.daysUnavailableReason).toBe('NEEDS_SCOPE');
  });

  it('are not found elsewhere', async () => {
    const { account, connection } = await told();
    expect(await account({ workspaceId: OTHER_WORKSPACE })).toEqual({
      ok: false,
      error: { code: 'NOT_FOUND', resource: 'connection', id: connection.id },
    });
  });

  it.each<[string, object, readonly Partial<Finding>[]]>([
    [
      'the 30th of February',
      { startDate: '2026-02-30' },
      [
        {
          field: 'start_date',
          observed: '2026-02-30',
          limit: 'YYYY-MM-DD, 1970-01-01 to 9999-12-31',
          remedy: 'Send a day of the calendar.',
        },
      ],
    ],
    ['a 29th of February that was none', { endDate: '2025-02-29' }, [{ field: 'end_date', observed: '2025-02-29' }]],
    ['a moment', { endDate: '2026-11-22T10:00:00Z' }, [{ field: 'end_date' }]],
    ['another way to write a day', { startDate: '22.11.2026' }, [{ field: 'start_date' }]],
    ['a day before all days', { startDate: '1969-12-31' }, [{ field: 'start_date' }]],
    ['a long text', { endDate: 'x'.repeat(500) }, [{ field: 'end_date', observed: '500 characters' }]],
    [
      'two that are none',
      { startDate: '2026-13-01', endDate: '2026-00-10' },
      [{ field: 'start_date' }, { field: 'end_date' }],
    ],
    [
      'an end before its start',
      { startDate: '2026-11-22', endDate: '2026-11-21' },
      [
        {
          field: 'end_date',
          observed: '2026-11-21',
          limit: 'start_date (2026-11-22) or later',
          remedy: 'Swap the two days.',
        },
      ],
    ],
    [
      '367 days between them',
      { startDate: '2025-11-19', endDate: '2026-11-21' },
      [{ field: 'end_date', observed: '367 days after start_date', limit: 'at most 366 days after it' }],
    ],
  ])('are refused for %s', async (_, window, findings) => {
    const { account } = await told();
    expect(findingsOf(await account(window))).toMatchObject(findings);
  });

  it('take the 29th of February of a leap year', async () => {
    const { account } = await told();
    expect(await datesOf(account({ startDate: '2024-02-29', endDate: '2024-03-01' }))).toEqual([]);
  });
});
