import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { startSandbox } from '../../sandbox/sandbox.ts';
import { aesGcmCipher } from '../../src/adapters/crypto/aes-gcm-cipher.ts';
import { type Database, openDatabase } from '../../src/adapters/persistence/database.ts';
import { postgresAccountMetrics } from '../../src/adapters/persistence/postgres-account-metrics.ts';
import { postgresConnections } from '../../src/adapters/persistence/postgres-connections.ts';
import { postgresMetricCollections } from '../../src/adapters/persistence/postgres-metric-collections.ts';
import { postgresPosts } from '../../src/adapters/persistence/postgres-posts.ts';
import { postgresVideoMetrics } from '../../src/adapters/persistence/postgres-video-metrics.ts';
import { postgresVideos } from '../../src/adapters/persistence/postgres-videos.ts';
import { connectorRoutes } from '../../src/adapters/rpc/routes.ts';
import { rpcServer } from '../../src/adapters/rpc/server.ts';
import { getAccountMetrics } from '../../src/application/get-account-metrics.ts';
import { getPostMetrics } from '../../src/application/get-post-metrics.ts';
import { listPostMetricSnapshots } from '../../src/application/list-post-metric-snapshots.ts';
import { listPostMetrics } from '../../src/application/list-post-metrics.ts';
import { refreshDueTime, tokenLife } from '../../src/application/token-life.ts';
import { type ApiFamily, REQUESTED_SCOPES } from '../../src/domain/connection/connection.ts';
import { fakeNeeds } from '../contract/rpc/fake-needs.ts';
import {
  anAccount,
  anActiveConnection,
  aPublishedPost,
  aReadyVideo,
  aRequest,
  WORKSPACE,
} from '../support/builders.ts';
import { freshDatabase } from '../support/fresh-database.ts';
import { grpcClients, type Message } from '../support/grpc-client.ts';
import { inMemoryCredentials } from '../support/in-memory-credentials.ts';
import { collectingFrom, sandboxTikTok } from '../support/sandbox-tiktok.ts';

const ACCOUNT = 'glow.bakery';
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const CIPHER = aesGcmCipher([{ id: 'test', bytes: Buffer.alloc(32, 7) }]);

let fresh: Awaited<ReturnType<typeof freshDatabase>>;
let database: Database;

beforeAll(async () => {
  fresh = await freshDatabase();
  database = await openDatabase(fresh.url);
});
beforeEach(() =>
  database.pool.query('truncate connection, metric_collection, measured_video, video_snapshot, post cascade'),
);
afterAll(async () => {
  await database?.close();
  await fresh?.drop();
});

/** An account with a connection, everything between TikTok and the RPCs as in the service, and days that pass when the test says so. */
async function given(family: ApiFamily) {
  const sandbox = await startSandbox({ openRefreshMs: DAY, insightsRefreshMs: DAY });
  onTestFinished(() => sandbox.close());
  const { control } = sandbox;
  // Half past noon: no day ends between a question and its answer.
  control.advanceClock(1.5 * DAY + HOUR / 2 - (control.now() % DAY));
  control.changeAccount(ACCOUNT, { createTime: control.now() - 400 * DAY, analyticsSince: control.now() - 400 * DAY });
  const { tiktok, clock } = sandboxTikTok(family, sandbox);

  const scopes = REQUESTED_SCOPES[family];
  const consent = tiktok.authorization.authorizeUri({ state: 's', scopes });
  const { code } = await control.consent({ authorizeUri: consent, account: ACCOUNT });
  const grant = await tiktok.authorization.exchange(code);
  if (!grant.ok) throw new Error('no grant', { cause: grant.error });
  const { accessToken, refreshToken, openId } = grant.value;
  const account = await tiktok.authorization.readAccount(accessToken, scopes);
  if (!account.ok) throw new Error('no account', { cause: account.error });
  const life = tokenLife(grant.value, clock.now());
  const connection = anActiveConnection({
    apiFamily: family,
    account: anAccount({ ...account.value, openId }),
    grantedScopes: scopes,
    createTime: clock.now(),
    ...life,
  });
  const connections = postgresConnections(database, () => undefined);
  await connections.add(connection);
  const credentials = inMemoryCredentials({ clock, isDisconnected: () => false });
  const { id: connectionId, workspaceId } = connection;
  const refreshDue = { refreshDueTime: refreshDueTime(grant.value, clock.now(), 0) };
  await credentials.put({ connectionId, workspaceId, accessToken, refreshToken, ...life, ...refreshDue });

  const wait = async (seconds: number) => void control.advanceClock(Math.ceil(seconds * 1000));
  const collections = postgresMetricCollections(database);
  const { collector, log } = collectingFrom(tiktok, { connections, credentials, collections, clock, wait });

  const posts = postgresPosts(database, CIPHER, () => undefined);
  const reads = {
    connections,
    posts,
    clock,
    videoMetrics: postgresVideoMetrics(database),
    accountMetrics: postgresAccountMetrics(database),
  };
  const useCases = {
    getPostMetrics: getPostMetrics(reads),
    listPostMetrics: listPostMetrics(reads),
    listPostMetricSnapshots: listPostMetricSnapshots(reads),
    getAccountMetrics: getAccountMetrics(reads),
  };
  const server = rpcServer({
    host: '127.0.0.1',
    port: 0,
    routes: connectorRoutes(fakeNeeds(useCases, { clock, findConnection: (id) => connections.find(id) })),
    log,
    drainMilliseconds: 200,
  });
  const clients = grpcClients((await server.listen()).address);
  onTestFinished(async () => {
    clients.close();
    await server.close();
  });

  return {
    control,
    clients,
    connectionId,
    log,
    /** A post of ours that became this video. */
    async postOf(tiktokPostId: string): Promise<string> {
      const video = aReadyVideo();
      await postgresVideos(database).add(video);
      const post = aPublishedPost({
        connectionId,
        videoId: video.id,
        tiktokPostIds: [tiktokPostId],
        publishTime: clock.now(),
      });
      await posts.add({ post }, aRequest());
      return post.id;
    },
    /** The collector looks every hour. What it plans is in the database, whose clock knows nothing of these days. */
    async daysPass(days: number): Promise<void> {
      for (let hour = 0; hour < days * 24; hour += 1) {
        await database.pool.query('update metric_collection set due_at = now() where due_at <= $1', [clock.now()]);
        await collector.sweep();
        control.advanceClock(HOUR);
      }
    },
  };
}

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
type Metric = Message & { readonly value?: string | number; readonly unavailable_reason: string };
type Metrics = Message & Readonly<Record<string, Metric>>;
type Snapshot = Message & { readonly time: { readonly seconds: string; readonly nanos: number } };
const millis = (time: { readonly seconds: string; readonly nanos: number }): number =>
  Number(time.seconds) * 1000 + time.nanos / 1e6;

const NUMBERS = {
  OPEN: ['views', 'likes', 'comments', 'shares'],
  BUSINESS: [
    'views',
    'likes',
    'comments',
    'shares',
    'favorites',
    'reach',
    'totalWatchSeconds',
    'averageWatchSeconds',
    'fullWatchRate',
    'newFollowers',
    'profileViews',
  ],
} as const;

describe('Twenty days of an account, through the RPCs', () => {
  it.each(['BUSINESS', 'OPEN'] as const)('come out as TikTok put them in (%s)', async (family) => {
    const { control, clients, connectionId, postOf, daysPass, log } = await given(family);
    const model = { finalViews: 40_000, halfLifeMs: 3 * DAY };
    const [ours, inTheApp] = control.addVideos(ACCOUNT, [
      { createTime: control.now(), caption: 'Posted by us', durationSeconds: 31.5, model },
      { createTime: control.now() - 90 * DAY, caption: 'Posted in the app', model },
    ]);
    if (ours === undefined || inTheApp === undefined) throw new Error('no videos');
    expect(ours.postId).toMatch(/^\d{19}$/);
    const post_id = await postOf(ours.postId);
    await daysPass(20);
    expect(log.lines.filter(({ level }) => level !== 'info')).toEqual([]);

    const { metrics } = await clients.analytics.GetPostMetrics<{ metrics: Metrics }>({ post_id });
    expect(metrics).toMatchObject({
      tiktok_post_id: ours.postId,
      connection_id: connectionId,
      caption: 'Posted by us',
    });
    const { values } = control.insights(ours.postId, { at: control.now() - HOUR, family });
    for (const name of NUMBERS[family])
      expect([name, Number(metrics[snake(name)]?.value)]).toEqual([name, values[name]]);
    if (family === 'BUSINESS') {
      const points = (name: string) => (metrics[name] as unknown as { points: object[] }).points;
      const shares = (name: string) => (metrics[name] as unknown as { shares: object[] }).shares;
      expect(points('retention')).toEqual(values.retention);
      expect(points('likes_by_second')).toEqual(values.likesBySecond);
      expect(shares('impression_sources')).toEqual(values.impressionSources);
      expect(shares('audience_countries')).toEqual(values.audienceCountries);
    } else {
      for (const name of ['total_watch_seconds', 'full_watch_rate', 'retention', 'reach']) {
        expect(metrics[name]).toMatchObject({ unavailable_reason: 'UNAVAILABLE_REASON_NEEDS_BUSINESS_API' });
        expect(metrics[name]?.value).toBeUndefined();
      }
    }

    const history = await clients.analytics.ListPostMetricSnapshots<{
      snapshots: (Snapshot & Record<string, unknown>)[];
    }>({
      post_id,
      page_size: 500,
    });
    expect(history.snapshots.length).toBeGreaterThan(15);
    const views: number[] = [];
    for (const snapshot of history.snapshots) {
      const { values: then } = control.insights(ours.postId, { at: millis(snapshot.time), family });
      for (const name of NUMBERS[family]) {
        const seen = snapshot[snake(name)];
        // A number that TikTok does not tell yet is missing, and none that it tells is.
        expect([name, seen === undefined ? undefined : Number(seen)]).toEqual([name, then[name]]);
      }
      views.push(Number(snapshot['views']));
    }
    expect(views).toEqual(views.toSorted((left, right) => left - right));
    expect(views.at(-1)).toBeGreaterThan((views[0] ?? 0) * 2);

    const listed = await clients.analytics.ListPostMetrics<{ post_metrics: Metrics[] }>({ workspace_id: WORKSPACE });
    const ids = listed.post_metrics.map(({ tiktok_post_id, post_id }) => [tiktok_post_id, post_id]);
    expect(ids).toContainEqual([ours.postId, post_id]);
    expect(ids).toContainEqual([inTheApp.postId, '']);

    if (family === 'BUSINESS') {
      const date = (time: number) => new Date(time).toISOString().slice(0, 10);
      const range = { startDate: date(control.now() - 30 * DAY), endDate: date(control.now() - 3 * DAY) };
      const { metrics: of } = await clients.analytics.GetAccountMetrics<{
        metrics: { days: Record<string, string>[] };
      }>({
        connection_id: connectionId,
        start_date: range.startDate,
        end_date: range.endDate,
      });
      const truth = control.accountInsights(ACCOUNT, { family, ...range }).values.days ?? [];
      expect(truth.length).toBe(28);
      const brief = ({ date, videoViews, reach, likes, newFollowers, lostFollowers }: (typeof truth)[number]) =>
        [date, videoViews, reach, likes, newFollowers, lostFollowers].map(String);
      expect(
        of.days.map((day) =>
          [
            day['date'],
            day['video_views'],
            day['reach'],
            day['likes'],
            day['new_followers'],
            day['lost_followers'],
          ].map(String),
        ),
      ).toEqual(truth.map(brief));
    }
  });
});
