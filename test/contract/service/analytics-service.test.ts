import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectorRoutes } from '../../../src/adapters/rpc/routes.ts';
import { type RpcServer, rpcServer } from '../../../src/adapters/rpc/server.ts';
import type { VideoNumbers } from '../../../src/domain/analytics/reading.ts';
import { ROLES } from '../../../src/domain/caller.ts';
import { REQUESTED_SCOPES } from '../../../src/domain/connection/connection.ts';
import type { ConnectionId, PostId, WorkspaceId } from '../../../src/domain/ids.ts';
import { ok } from '../../../src/domain/result.ts';
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
} from '../../support/builders.ts';
import { type GrpcClients, grpcClients, type Message } from '../../support/grpc-client.ts';
import { realService, type Surroundings } from '../../support/service-process.ts';
import {
  aPost,
  connectAccount,
  fieldsOf,
  indistinguishable,
  methodsOf,
  postThat,
  publish,
  recorded,
  refused,
  timestamp,
  upload,
  WORKSPACE,
} from '../../support/story.ts';
import { fakeNeeds } from '../rpc/fake-needs.ts';

const HOUR_AGO = later(-3600);
/** Through the clients of each test. */
const called: ReadonlySet<string>[] = [];

let world: AnalyticsWorld;
let clients: GrpcClients;
let server: RpcServer;
/** Where the caller may act. */
let workspaces: 'ALL' | ReadonlySet<WorkspaceId>;

beforeEach(async () => {
  world = analyticsWorld();
  workspaces = 'ALL';
  const needs = fakeNeeds(world.useCases, {
    clock: world.clock,
    callers: { identify: async () => ok({ name: 'reader', workspaces, roles: new Set(ROLES) }) },
    workspaceOf: async (resource, id) =>
      resource === 'connection'
        ? (await world.connections.find(id as ConnectionId))?.workspaceId
        : (await world.posts.find(id as PostId))?.post.workspaceId,
  });
  server = rpcServer({
    host: '127.0.0.1',
    port: 0,
    routes: connectorRoutes(needs),
    log: needs.log,
    drainMilliseconds: 200,
  });
  const listening = recorded(grpcClients((await server.listen()).address));
  clients = listening.clients;
  called.push(listening.called);
});
afterEach(async () => {
  clients.close();
  await server.close();
});

type Metrics = Message & { readonly tiktok_post_id: string; readonly views: { readonly value?: string } };
const metricsOf = async (post_id: string, more = {}) =>
  (await clients.analytics.GetPostMetrics<{ metrics: Metrics }>({ post_id, ...more })).metrics;

const asOf = timestamp(HOUR_AGO);
const nothing = 'UNAVAILABLE_REASON_UNSPECIFIED';
const told = (value: string | number, stale = nothing) => ({
  value,
  as_of: asOf,
  unavailable_reason: nothing,
  stale_reason: stale,
});
const missing = (reason: string) => ({
  as_of: null,
  unavailable_reason: `UNAVAILABLE_REASON_${reason}`,
  stale_reason: nothing,
});
const COUNTS = ['views', 'likes', 'comments', 'shares', 'favorites', 'reach', 'new_followers', 'profile_views'];
const MEASURES = ['total_watch_seconds', 'average_watch_seconds', 'full_watch_rate'];
const CURVES = ['retention', 'likes_by_second'];
const BREAKDOWNS = [
  'impression_sources',
  'audience_types',
  'audience_genders',
  'audience_countries',
  'audience_cities',
];

describe('GetPostMetrics', () => {
  it('gives all that TikTok told, to the last digit', async () => {
    const connection = await world.givenConnection();
    const { post, reading } = await world.givenMeasuredPost(connection, {
      tiktokPostId: '7551234567890123499',
      caption: 'How we roast ☕ #coffee',
      shareUri: 'https://www.tiktok.com/@acme/video/7551234567890123499',
      durationSeconds: 21.507,
      numbers: {
        views: 9_007_199_254_740_991,
        likes: 0,
        comments: 4,
        shares: 3,
        favorites: 8,
        reach: 840,
        totalWatchSeconds: 6120.4,
        averageWatchSeconds: 0,
        fullWatchRate: 0.118,
        newFollowers: 2,
        profileViews: 14,
      },
      curves: {
        retention: [
          { second: 0, fraction: 1 },
          { second: 1, fraction: 0.83 },
        ],
        likesBySecond: [{ second: 7, fraction: 0.25 }],
      },
      breakdowns: {
        impressionSources: [
          { name: 'For You', fraction: 0.81 },
          { name: 'Personal Profile', fraction: 0.11 },
        ],
        audienceTypes: [{ name: 'NEW_VIEWER', fraction: 0.7 }],
        audienceGenders: [{ name: 'Female', fraction: 0.58 }],
        audienceCountries: [{ name: 'DE', fraction: 0.9 }],
        audienceCities: [{ name: 'Berlin', fraction: 0 }],
      },
    });
    const breakdown = (...shares: readonly object[]) => ({
      shares,
      as_of: asOf,
      unavailable_reason: nothing,
      stale_reason: nothing,
    });
    const curve = (...points: readonly object[]) => ({
      points,
      as_of: asOf,
      unavailable_reason: nothing,
      stale_reason: nothing,
    });
    expect(await metricsOf(post.id)).toEqual({
      post_id: post.id,
      connection_id: connection.id,
      tiktok_post_id: '7551234567890123499',
      share_uri: 'https://www.tiktok.com/@acme/video/7551234567890123499',
      caption: 'How we roast ☕ #coffee',
      publish_time: timestamp(reading.createTime),
      duration_seconds: 21.507,
      collect_time: asOf,
      next_collect_time: timestamp(later(DAY, HOUR_AGO)),
      views: told('9007199254740991'),
      likes: told('0'),
      comments: told('4'),
      shares: told('3'),
      favorites: told('8'),
      reach: told('840'),
      total_watch_seconds: told(6120.4),
      average_watch_seconds: told(0),
      full_watch_rate: told(0.118),
      new_followers: told('2'),
      profile_views: told('14'),
      retention: curve({ second: 0, fraction: 1 }, { second: 1, fraction: 0.83 }),
      likes_by_second: curve({ second: 7, fraction: 0.25 }),
      impression_sources: breakdown({ name: 'For You', fraction: 0.81 }, { name: 'Personal Profile', fraction: 0.11 }),
      audience_types: breakdown({ name: 'NEW_VIEWER', fraction: 0.7 }),
      audience_genders: breakdown({ name: 'Female', fraction: 0.58 }),
      audience_countries: breakdown({ name: 'DE', fraction: 0.9 }),
      audience_cities: breakdown({ name: 'Berlin', fraction: 0 }),
    });
  });

  it.each([
    ['waits', aScheduledPost, 'NOT_PUBLISHED'],
    ['is a draft in the inbox', aPostInTheInbox, 'NOT_PUBLISHED'],
    ['was published, without an id yet', aPublishedPost, 'NOT_YET_COLLECTED'],
  ])('gives reasons, and no value anywhere, for a post that %s', async (_, build, reason) => {
    const post = await world.givenPost<ReturnType<typeof build>>(build);
    const metrics = await metricsOf(post.id);
    for (const name of [...COUNTS, ...MEASURES]) expect(metrics[name], name).toEqual(missing(reason));
    for (const name of CURVES) expect(metrics[name], name).toEqual({ points: [], ...missing(reason) });
    for (const name of BREAKDOWNS) expect(metrics[name], name).toEqual({ shares: [], ...missing(reason) });
    expect(metrics).toMatchObject({ post_id: post.id, tiktok_post_id: '', publish_time: null, collect_time: null });
    expect(metrics).not.toHaveProperty('duration_seconds');
  });

  it('gives a reason for each number that TikTok left out, and says what moves no more', async () => {
    const connection = await world.givenConnection({ apiFamily: 'OPEN', grantedScopes: REQUESTED_SCOPES.OPEN });
    const { post, reading } = await world.givenMeasuredPost(connection, { numbers: { views: 7 } });
    world.metrics.given(connection, { time: NOW, missing: [reading.tiktokPostId] });
    expect(await metricsOf(post.id)).toMatchObject({
      views: told('7', 'UNAVAILABLE_REASON_NOT_PUBLIC'),
      likes: missing('NOT_PUBLIC'),
      reach: missing('NEEDS_BUSINESS_API'),
    });
  });

  it('finds nothing in another workspace, whoever asks', async () => {
    const { post } = await world.givenMeasuredPost(await world.givenConnection());
    await indistinguishable((id) => metricsOf(id, { workspace_id: OTHER_WORKSPACE }), {
      foreign: post.id,
      missing: ids.postId(),
    });
    workspaces = new Set([OTHER_WORKSPACE]);
    expect(await refused(metricsOf(post.id))).toMatchObject({ code: status.NOT_FOUND });
    workspaces = new Set(['ws_c' as WorkspaceId, WORKSPACE as WorkspaceId]);
    expect((await metricsOf(post.id))['post_id']).toBe(post.id);
  });

  it('refuses a request without a post', async () => {
    expect(fieldsOf(await refused(metricsOf('')))).toEqual(['post_id FIELD_REQUIRED']);
  });
});

describe('ListPostMetrics', () => {
  type Listed = { readonly post_metrics: readonly Metrics[]; readonly next_page_token: string };
  const list = (request: object = {}) =>
    clients.analytics.ListPostMetrics<Listed>({ workspace_id: WORKSPACE, ...request });
  const at = (days: number) => timestamp(later(-days * DAY));

  it('gives every video once, newest first, without curves and breakdowns', async () => {
    const connection = await world.givenConnection();
    const { post, reading: ours } = await world.givenMeasuredPost(connection, { createTime: later(-4 * DAY) });
    const others = [3, 5, 6].map((days) => aVideoReading({ createTime: later(-days * DAY) }));
    world.metrics.given(connection, { time: HOUR_AGO, readings: others });
    const found: Metrics[] = [];
    let page_token = '';
    do {
      const page = await list({ page_size: 3, page_token });
      expect(page.post_metrics.length).toBeLessThanOrEqual(3);
      found.push(...page.post_metrics);
      page_token = page.next_page_token;
    } while (page_token !== '');
    const [first, ...rest] = others;
    expect(found.map(({ tiktok_post_id }) => tiktok_post_id)).toEqual(
      [first, ours, ...rest].map((reading) => reading?.tiktokPostId),
    );
    expect(found.map(({ post_id }) => post_id)).toEqual(['', post.id, '', '']);
    for (const metrics of found) {
      for (const name of [...CURVES, ...BREAKDOWNS]) expect(metrics[name], name).toBeNull();
      expect(metrics).toMatchObject({ views: told('1'), likes: missing('NOT_PROVIDED') });
    }
  });

  it('is narrowed to accounts and a window', async () => {
    const [one, two] = [await world.givenConnection(), await world.givenConnection()];
    const readings = [1, 2, 3].map((days) => aVideoReading({ createTime: later(-days * DAY) }));
    world.metrics.given(one, { time: HOUR_AGO, readings });
    world.metrics.given(two, { time: HOUR_AGO, readings: [aVideoReading({ createTime: later(-2 * DAY) })] });
    const { post_metrics } = await list({
      connection_ids: [one.id],
      publish_time_from: at(2),
      publish_time_before: at(1),
    });
    expect(post_metrics.map(({ tiktok_post_id }) => tiktok_post_id)).toEqual([readings[1]?.tiktokPostId]);
    expect((await list({ connection_ids: [ids.connectionId()] })).post_metrics).toEqual([]);
  });

  it('shows nothing of another workspace', async () => {
    const theirs = await world.givenConnection({ workspaceId: OTHER_WORKSPACE });
    world.metrics.given(theirs, { time: HOUR_AGO, readings: [aVideoReading()] });
    expect((await list()).post_metrics).toEqual([]);
    expect((await list({ connection_ids: [theirs.id] })).post_metrics).toEqual([]);
    workspaces = new Set([WORKSPACE as WorkspaceId]);
    expect(await refused(list({ workspace_id: OTHER_WORKSPACE }))).toMatchObject({ code: status.NOT_FOUND });
  });

  it.each([
    ['no workspace', { workspace_id: '' }, ['workspace_id FIELD_REQUIRED']],
    ['a page of 501', { page_size: 501 }, ['page_size FIELD_INVALID']],
    ['a token that is not ours', { page_token: 'abc' }, ['page_token FIELD_INVALID']],
    ['an empty id', { connection_ids: [''] }, ['connection_ids FIELD_REQUIRED']],
    ['501 accounts', { connection_ids: Array.from({ length: 501 }, () => 'c') }, ['connection_ids FIELD_INVALID']],
    ['a time that is none', { publish_time_from: { seconds: '1', nanos: -1 } }, ['publish_time_from FIELD_INVALID']],
    [
      'a window that ends before it begins',
      { publish_time_from: at(1), publish_time_before: at(2) },
      ['publish_time_before FIELD_INVALID'],
    ],
  ])('refuses %s', async (_, request, fields) => {
    expect(fieldsOf(await refused(list(request)))).toEqual(fields);
  });
});

describe('ListPostMetricSnapshots', () => {
  type Snapshots = { readonly snapshots: readonly (Message & { views: string })[]; readonly next_page_token: string };
  const history = (request: object) => clients.analytics.ListPostMetricSnapshots<Snapshots>(request);

  async function story() {
    const connection = await world.givenConnection();
    const reading = aVideoReading({ createTime: new Date('2026-11-14T08:00:00Z') });
    const everything: VideoNumbers = {
      views: 3,
      likes: 0,
      comments: 1,
      shares: 1,
      favorites: 1,
      reach: 2,
      totalWatchSeconds: 1.5,
      averageWatchSeconds: 0.75,
      fullWatchRate: 0,
      newFollowers: 1,
      profileViews: 1,
    };
    givenHistory(world, connection, reading, [
      ['2026-11-14T09:00:00Z', { views: 1 }],
      ['2026-11-14T09:30:00Z', { views: 2 }],
      ['2026-11-14T10:00:00Z', everything],
      ['2026-11-15T23:00:00Z', { views: 4 }],
      ['2026-11-16T00:00:00Z', { views: 5 }],
    ]);
    const published = { tiktokPostIds: [reading.tiktokPostId], publishTime: reading.createTime };
    const post = await world.givenPost((parts) => aPublishedPost({ ...parts, ...published }), connection);
    return { connection, post, byPost: { post_id: post.id }, byName: nameOf(connection.id, reading.tiktokPostId) };
  }
  const nameOf = (connection_id: string, tiktok_post_id: string) => ({ connection_id, tiktok_post_id });
  const viewsOf = ({ snapshots }: Snapshots) => snapshots.map(({ views }) => views);

  it('gives what was known at each moment, and leaves out what was not', async () => {
    const { byPost } = await story();
    const { snapshots } = await history(byPost);
    expect(snapshots[0]).toEqual({ time: timestamp(new Date('2026-11-14T09:00:00Z')), views: '1' });
    expect(snapshots[2]).toEqual({
      time: timestamp(new Date('2026-11-14T10:00:00Z')),
      views: '3',
      likes: '0',
      comments: '1',
      shares: '1',
      favorites: '1',
      reach: '2',
      total_watch_seconds: 1.5,
      average_watch_seconds: 0.75,
      full_watch_rate: 0,
      new_followers: '1',
      profile_views: '1',
    });
  });

  it.each([
    ['UNSPECIFIED', ['1', '2', '3', '4', '5']],
    ['HOUR', ['2', '3', '4', '5']],
    ['DAY', ['3', '4', '5']],
    ['WEEK', ['4', '5']],
  ])('thins it to one for each %s', async (interval, views) => {
    const { byPost, byName } = await story();
    for (const name of [byPost, byName]) {
      expect(viewsOf(await history({ ...name, interval: `SNAPSHOT_INTERVAL_${interval}` }))).toEqual(views);
    }
  });

  it('goes through a window page by page', async () => {
    const { byName } = await story();
    const window = {
      time_from: timestamp(new Date('2026-11-14T09:30:00Z')),
      time_before: timestamp(new Date('2026-11-16T00:00:00Z')),
    };
    const first = await history({ ...byName, ...window, page_size: 2 });
    expect(viewsOf(first)).toEqual(['2', '3']);
    const second = await history({ ...byName, ...window, page_size: 2, page_token: first.next_page_token });
    expect([viewsOf(second), second.next_page_token]).toEqual([['4'], '']);
  });

  it('is empty for a post that nothing was collected of', async () => {
    const post = await world.givenPost(aScheduledPost);
    expect(await history({ post_id: post.id })).toEqual({ snapshots: [], next_page_token: '' });
  });

  it('finds nothing in another workspace, by whatever name', async () => {
    const { byPost, byName, connection } = await story();
    const elsewhere = { workspace_id: OTHER_WORKSPACE };
    await indistinguishable((post_id) => history({ ...elsewhere, post_id }), {
      foreign: byPost.post_id,
      missing: ids.postId(),
    });
    await indistinguishable((connection_id) => history({ ...elsewhere, ...byName, connection_id }), {
      foreign: connection.id,
      missing: ids.connectionId(),
    });
    expect(await refused(history({ ...byName, tiktok_post_id: '7551' }))).toMatchObject({ code: status.NOT_FOUND });
    // One workspace, and several: the owner is looked up by what the request names.
    for (const some of [[OTHER_WORKSPACE], [OTHER_WORKSPACE, 'ws_c' as WorkspaceId]]) {
      workspaces = new Set(some);
      for (const name of [byPost, byName]) {
        expect(await refused(history(name))).toMatchObject({ code: status.NOT_FOUND });
      }
    }
    workspaces = new Set(['ws_c' as WorkspaceId, WORKSPACE as WorkspaceId]);
    for (const name of [byPost, byName]) expect(viewsOf(await history(name))).toHaveLength(5);
  });

  it.each([
    ['no name at all', {}, ['post_id FIELD_REQUIRED']],
    ['an account without a video', { connection_id: 'conn_x' }, ['tiktok_post_id FIELD_REQUIRED']],
    ['a video without an account', { tiktok_post_id: '7551' }, ['connection_id FIELD_REQUIRED']],
    ['both names', { post_id: 'post_x', ...nameOf('conn_x', '7551') }, ['post_id FIELD_INVALID']],
    [
      'a workspace of 201 letters',
      { post_id: 'post_x', workspace_id: 'w'.repeat(201) },
      ['workspace_id FIELD_INVALID'],
    ],
    ['an interval that nobody knows', { post_id: 'post_x', interval: 42 }, ['interval FIELD_INVALID']],
    ['a page of -1', { post_id: 'post_x', page_size: -1 }, ['page_size FIELD_INVALID']],
    ['a token that is not ours', { post_id: 'post_x', page_token: 'abc' }, ['page_token FIELD_INVALID']],
    [
      'two times that are none',
      { post_id: 'post_x', time_from: { seconds: '1', nanos: -1 }, time_before: { seconds: '1', nanos: 1e9 } },
      ['time_from FIELD_INVALID', 'time_before FIELD_INVALID'],
    ],
    [
      'a window that ends before it begins',
      { post_id: 'post_x', time_from: timestamp(NOW), time_before: timestamp(HOUR_AGO) },
      ['time_before FIELD_INVALID'],
    ],
  ])('refuses %s', async (_, request, fields) => {
    expect(fieldsOf(await refused(history(request)))).toEqual(fields);
  });
});

describe('GetAccountMetrics', () => {
  type Account = Message & { readonly days: readonly Message[] };
  const account = async (connection_id: string, more = {}) =>
    (await clients.analytics.GetAccountMetrics<{ metrics: Account }>({ connection_id, ...more })).metrics;

  it('gives all that TikTok told of an account and its days', async () => {
    const connection = await world.givenConnection();
    world.metrics.given(connection, {
      time: HOUR_AGO,
      account: {
        numbers: { followers: 1_520, following: 0, totalLikes: 9_007_199_254_740_991, videoCount: 87 },
        days: [
          { date: '2026-11-19', numbers: { videoViews: 0 } },
          {
            date: '2026-11-20',
            numbers: {
              videoViews: 4_021,
              reach: 3_000,
              profileViews: 12,
              likes: 210,
              comments: 12,
              shares: 9,
              followers: 1_504,
              newFollowers: 8,
              lostFollowers: 1,
              engagedAudience: 200,
              bioLinkClicks: 0,
              totalLikes: 30_411,
              videoCount: 86,
            },
            audienceActivity: [
              { hour: 0, count: 0 },
              { hour: 23, count: 41 },
            ],
          },
        ],
        breakdowns: { audienceAges: [{ name: '18-24', fraction: 0.5 }] },
      },
    });
    const unknown = { shares: [], ...missing('NOT_PROVIDED') };
    expect(await account(connection.id)).toEqual({
      connection_id: connection.id,
      api_family: 'API_FAMILY_BUSINESS',
      followers: told('1520'),
      following: told('0'),
      total_likes: told('9007199254740991'),
      video_count: told('87'),
      audience_ages: {
        shares: [{ name: '18-24', fraction: 0.5 }],
        as_of: asOf,
        unavailable_reason: nothing,
        stale_reason: nothing,
      },
      audience_genders: unknown,
      audience_countries: unknown,
      audience_cities: unknown,
      days: [
        { date: '2026-11-19', video_views: '0', audience_activity: [], as_of: asOf },
        {
          date: '2026-11-20',
          video_views: '4021',
          reach: '3000',
          profile_views: '12',
          likes: '210',
          comments: '12',
          shares: '9',
          followers: '1504',
          new_followers: '8',
          lost_followers: '1',
          engaged_audience: '200',
          bio_link_clicks: '0',
          total_likes: '30411',
          video_count: '86',
          audience_activity: [
            { hour: 0, count: '0' },
            { hour: 23, count: '41' },
          ],
          as_of: asOf,
        },
      ],
      days_unavailable_reason: nothing,
      collect_time: asOf,
      next_collect_time: timestamp(NOW),
    });
    expect((await account(connection.id, { end_date: '2026-11-19' })).days).toHaveLength(1);
    expect((await account(connection.id, { start_date: '2026-11-21' })).days).toEqual([]);
  });

  it('gives reasons before the first look, though the connection has counts', async () => {
    const connection = await world.givenConnection({
      apiFamily: 'OPEN',
      grantedScopes: REQUESTED_SCOPES.OPEN,
      account: anAccount({ followerCount: 5, likesCount: 9 }),
    });
    expect(await account(connection.id)).toMatchObject({
      api_family: 'API_FAMILY_OPEN',
      followers: missing('NOT_YET_COLLECTED'),
      total_likes: missing('NOT_YET_COLLECTED'),
      audience_ages: missing('NEEDS_BUSINESS_API'),
      days: [],
      days_unavailable_reason: 'UNAVAILABLE_REASON_NEEDS_BUSINESS_API',
      collect_time: null,
      next_collect_time: null,
    });
  });

  it('finds nothing in another workspace, whoever asks', async () => {
    const { id } = await world.givenConnection();
    await indistinguishable((connection_id) => account(connection_id, { workspace_id: OTHER_WORKSPACE }), {
      foreign: id,
      missing: ids.connectionId(),
    });
    workspaces = new Set([OTHER_WORKSPACE]);
    expect(await refused(account(id))).toMatchObject({ code: status.NOT_FOUND });
  });

  it.each([
    ['no account', { connection_id: '' }, ['connection_id FIELD_REQUIRED']],
    [
      'days that are none',
      { start_date: '2026-02-30', end_date: 'today' },
      ['start_date FIELD_INVALID', 'end_date FIELD_INVALID'],
    ],
    ['an end before its start', { start_date: '2026-11-22', end_date: '2026-11-21' }, ['end_date FIELD_INVALID']],
    ['more than 366 days', { start_date: '2025-11-20' }, ['end_date FIELD_INVALID']],
  ])('refuses %s', async (_, request, fields) => {
    expect(fieldsOf(await refused(account('conn_x', request)))).toEqual(fields);
  });
});

describe('A whole service, over its database', () => {
  const surroundings = realService();
  const SERVICE_DAY = '2026-01-05';

  /** What its own collecting never touches: a video that TikTok does not know, and days that it no longer keeps. */
  async function given({ sql }: Surroundings, connection_id: string): Promise<string> {
    const tiktokPostId = '7551234567890123999';
    const known = (value: unknown) => ({ value, asOf: '2026-01-08T09:00:00.000Z' });
    const [video] = await sql(
      `insert into measured_video (workspace_id, connection_id, tiktok_post_id, create_time, caption, numbers, details, collect_time,
         activity_time) values ($1, $2, $3, '2026-01-05T08:00:00Z', 'A caption', $4, $5, '2026-01-08T09:00:00Z', now()) returning id`,
      [
        WORKSPACE,
        connection_id,
        tiktokPostId,
        { views: known(9_007_199_254_740_991), likes: known(0) },
        { curves: {}, breakdowns: {} },
      ],
    );
    await sql(
      `insert into video_snapshot (video_id, time, views, likes) values
         ($1, '2026-01-06T09:00:00Z', 9007199254740990, null), ($1, '2026-01-08T09:00:00Z', 9007199254740991, 0)`,
      [video?.['id']],
    );
    // Its first turn may have come already.
    await sql(
      `insert into metric_collection (connection_id, workspace_id, api_family, connect_time, due_at, list_at, account_at)
         values ($1, $2, 'OPEN', now(), now(), now(), now()) on conflict do nothing`,
      [connection_id, WORKSPACE],
    );
    await sql(
      `insert into account_day (connection_id, date, numbers, as_of) values ($1, $2, $3, '2026-01-08T09:00:00Z')`,
      [connection_id, SERVICE_DAY, { followers: 0 }],
    );
    return tiktokPostId;
  }

  it('reads back every digit, and nothing for what was not told', async () => {
    const all = await surroundings();
    // No numbers but those given here.
    const { clients: real } = await all.start({ environment: { ANALYTICS_OPEN_CALLS_PER_SECOND: '0' } });
    const connection = await connectAccount({ clients: real, sandbox: all.sandbox });
    const { connection_id } = connection;
    const { post_id } = await publish(real, aPost(connection, await upload(real)));
    await postThat(real, post_id, 'PUBLISHED');
    const tiktok_post_id = await given(all, connection_id);
    await all.sql('update post set tiktok_post_ids = array[$1] where id = $2', [tiktok_post_id, post_id]);

    const at = timestamp(new Date('2026-01-08T09:00:00Z'));
    const views = { ...told('9007199254740991'), as_of: at };
    const numbers = { views, likes: { ...told('0'), as_of: at }, comments: missing('NOT_PROVIDED') };
    const about = { post_id, connection_id, tiktok_post_id, ...numbers, favorites: missing('NEEDS_BUSINESS_API') };
    expect((await real.analytics.GetPostMetrics<{ metrics: Metrics }>({ post_id })).metrics).toMatchObject(about);

    const { post_metrics } = await real.analytics.ListPostMetrics<{ post_metrics: readonly Metrics[] }>({
      workspace_id: WORKSPACE,
      publish_time_before: timestamp(new Date('2026-01-06T00:00:00Z')),
    });
    expect(post_metrics).toMatchObject([about]);

    const name = { connection_id, tiktok_post_id };
    type Snapshots = { readonly snapshots: readonly Message[]; readonly next_page_token: string };
    const first = await real.analytics.ListPostMetricSnapshots<Snapshots>({ ...name, page_size: 1 });
    const page_token = first.next_page_token;
    const second = await real.analytics.ListPostMetricSnapshots<Snapshots>({ ...name, page_size: 1, page_token });
    expect([...first.snapshots, ...second.snapshots]).toEqual([
      { time: timestamp(new Date('2026-01-06T09:00:00Z')), views: '9007199254740990' },
      { time: at, views: '9007199254740991', likes: '0' },
    ]);
    expect(second.next_page_token).toBe('');

    const window = { start_date: SERVICE_DAY, end_date: SERVICE_DAY };
    const { metrics } = await real.analytics.GetAccountMetrics<{ metrics: Message }>({ connection_id, ...window });
    expect(metrics['days']).toEqual([{ date: SERVICE_DAY, followers: '0', audience_activity: [], as_of: at }]);
  });
});

it('Every method of AnalyticsService was called', () => {
  const all = new Set(called.flatMap((some) => [...some]));
  expect(methodsOf('AnalyticsService').filter((method) => !all.has(method))).toEqual([]);
});
