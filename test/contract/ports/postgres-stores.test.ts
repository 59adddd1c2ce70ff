import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aesGcmCipher } from '../../../src/adapters/crypto/aes-gcm-cipher.ts';
import { type Database, openDatabase } from '../../../src/adapters/persistence/database.ts';
import { databaseClock } from '../../../src/adapters/persistence/database-clock.ts';
import { postgresAccountMetrics } from '../../../src/adapters/persistence/postgres-account-metrics.ts';
import { postgresConnections } from '../../../src/adapters/persistence/postgres-connections.ts';
import { postgresCredentials } from '../../../src/adapters/persistence/postgres-credentials.ts';
import { postgresGates } from '../../../src/adapters/persistence/postgres-gates.ts';
import { postgresMetricCollections } from '../../../src/adapters/persistence/postgres-metric-collections.ts';
import { postgresPendingAuthorizations } from '../../../src/adapters/persistence/postgres-pending-authorizations.ts';
import { postgresPostEvents } from '../../../src/adapters/persistence/postgres-post-events.ts';
import { postgresPostQueue } from '../../../src/adapters/persistence/postgres-post-queue.ts';
import { postgresPosts } from '../../../src/adapters/persistence/postgres-posts.ts';
import { postgresTurns } from '../../../src/adapters/persistence/postgres-turns.ts';
import { postgresUpcoming } from '../../../src/adapters/persistence/postgres-upcoming.ts';
import { postgresVideoMetrics } from '../../../src/adapters/persistence/postgres-video-metrics.ts';
import { postgresVideos } from '../../../src/adapters/persistence/postgres-videos.ts';
import { postgresWebhookInbox } from '../../../src/adapters/persistence/postgres-webhook-inbox.ts';
import type { Clock } from '../../../src/application/ports/clock.ts';
import { disconnect, reconnect } from '../../../src/domain/connection/connection.ts';
import type { Post } from '../../../src/domain/post/post.ts';
import { ok } from '../../../src/domain/result.ts';
import {
  aHeldPost,
  aNewCredential,
  anActiveConnection,
  anImportingVideo,
  anUploadingPost,
  aPreparingPost,
  aReadyVideo,
  aRequest,
  aScheduledPost,
  later,
  NOW,
} from '../../support/builders.ts';
import { freshDatabase } from '../../support/fresh-database.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { clockContract } from './clock.contract.ts';
import { connectionsContract } from './connections.contract.ts';
import { credentialsContract } from './credentials.contract.ts';
import { type GateStore, gatesContract } from './gates.contract.ts';
import { metricsContract } from './metrics.contract.ts';
import { pendingAuthorizationsContract } from './pending-authorizations.contract.ts';
import { postsContract } from './posts.contract.ts';
import { type TurnStore, turnsContract } from './turns.contract.ts';
import { upcomingContract } from './upcoming.contract.ts';
import { videosContract } from './videos.contract.ts';
import { webhookInboxContract } from './webhook-inbox.contract.ts';

const cipher = aesGcmCipher([{ id: 'test', bytes: Buffer.from('0123456789abcdef0123456789abcdef') }]);
let fresh: Awaited<ReturnType<typeof freshDatabase>>;
let database: Database;
let clock: Clock & { close(): void };

beforeAll(async () => {
  fresh = await freshDatabase();
  database = await openDatabase(fresh.url);
  clock = await databaseClock(database, recordingLog());
});

afterAll(async () => {
  clock.close();
  await database.close();
  await fresh.drop();
});

async function empty(): Promise<Database> {
  await database.pool.query(
    `truncate connection, connection_event, credential, pending_authorization, request_key, video, post, attempt, post_event, gate, turn,
       webhook_event, metric_collection, measured_video, video_snapshot, measured_account, account_day cascade`,
  );
  return database;
}

async function stores() {
  const emptied = await empty();
  const events = postgresPostEvents(emptied, cipher);
  return {
    posts: postgresPosts(emptied, cipher, events.announce),
    queue: postgresPostQueue(emptied, cipher, events.announce, recordingLog()),
    videos: postgresVideos(emptied),
    connections: postgresConnections(emptied, () => {}),
    events,
    clock,
  };
}

/** The statements of a test take seconds at most. */
const DRIFT_SECONDS = 20;

/**
 * The database's clock can't be moved, so that what it holds is moved into the past instead. Seen from here its clock has gone on:
 * `ahead` is a moment of the database's as the test sees it, `back` the other way round.
 */
function movable(move: string) {
  let passed = 0;
  return {
    clock: { now: () => later(passed, clock.now()) },
    driftSeconds: DRIFT_SECONDS,
    async passTime(seconds: number) {
      passed += seconds;
      await database.pool.query(move, [seconds]);
    },
    ahead: (time: Date): Date => later(passed, time),
    back: (time: Date): Date => later(-passed, time),
  };
}

async function gateStore(): Promise<GateStore> {
  const gates = postgresGates(await empty());
  const { ahead, ...moved } = movable('update gate set shut_until = shut_until - make_interval(secs => $1)');
  return {
    ...moved,
    gates: {
      async pass(keys, trySeconds) {
        const passed = await gates.pass(keys, trySeconds);
        return passed.shut === undefined ? passed : { shut: { ...passed.shut, until: ahead(passed.shut.until) } };
      },
      shut: async (closing, error) => ahead(await gates.shut(closing, error)),
      hasten: (keys) => gates.hasten(keys),
      handBack: (keys) => gates.handBack(keys),
      open: (key) => gates.open(key),
      all: async (among) => (await gates.all(among)).map((gate) => ({ ...gate, until: ahead(gate.until) })),
    },
  };
}

async function turnStore(): Promise<TurnStore> {
  const turns = postgresTurns(database);
  const { ahead, back, ...moved } = movable(
    `update turn set times = array(
       select time - make_interval(secs => $1) from unnest(times) with ordinality as given(time, place) order by place)`,
  );
  return {
    ...moved,
    turns: {
      next: async (key, quota, notBefore) =>
        ahead(await turns.next(key, quota, ...(notBefore === undefined ? [] : [back(notBefore)]))),
      async take(key, quota) {
        const turn = await turns.take(key, quota);
        return turn.taken ? turn : { taken: false, freeTime: ahead(turn.freeTime) };
      },
      giveBack: (key) => turns.giveBack(key),
      exhaust: (key, quota) => turns.exhaust(key, quota),
    },
  };
}

clockContract('databaseClock', async () => clock);
connectionsContract(
  'postgresConnections',
  async () => postgresConnections(await empty(), () => {}),
  () => clock.now(),
);
credentialsContract('postgresCredentials', async () => postgresCredentials(await empty(), cipher));
pendingAuthorizationsContract('postgresPendingAuthorizations', async () =>
  postgresPendingAuthorizations(await empty()),
);
videosContract('postgresVideos', stores);
postsContract('postgresPosts, postgresPostQueue and postgresPostEvents', stores);
upcomingContract('postgresUpcoming', async () => ({ ...(await stores()), upcoming: postgresUpcoming(database) }));
webhookInboxContract('postgresWebhookInbox', async () => ({ inbox: postgresWebhookInbox(await empty()), clock }));
metricsContract('postgresVideoMetrics, postgresAccountMetrics and postgresMetricCollections', async () => ({
  ...(await stores()),
  videoMetrics: postgresVideoMetrics(database),
  accountMetrics: postgresAccountMetrics(database),
  collections: postgresMetricCollections(database),
  async passTime(seconds) {
    await database.pool.query(
      `update metric_collection set due_at = due_at - make_interval(secs => $1),
         leased_until = leased_until - make_interval(secs => $1)`,
      [seconds],
    );
  },
}));
gatesContract('postgresGates', gateStore);
turnsContract('postgresTurns', turnStore, { runs: 25 });

describe('postgresPostQueue', () => {
  it('makes due what waits for something that has come, should whoever was to wake it have died', async () => {
    const { posts, queue, videos, connections } = await stores();
    const [ready, importing] = [aReadyVideo(), anImportingVideo()];
    await videos.add(ready);
    await videos.addImport(importing, aRequest());
    const soon = later(3600, clock.now());
    const reconnected = anActiveConnection({ updateTime: soon });
    const before = anActiveConnection({ updateTime: later(-3600, clock.now()) });
    for (const connection of [reconnected, before]) await connections.add(connection);
    const waiting = async (post: Post) => {
      expect((await posts.add({ post }, aRequest())).ok).toBe(true);
      return post.id;
    };
    const hold = { reason: 'RECONNECT' } as const;
    const wanted = [
      await waiting(aPreparingPost({ videoId: ready.id })),
      await waiting(aHeldPost({ videoId: ready.id, connectionId: reconnected.id, hold })),
    ];
    await waiting(aPreparingPost({ videoId: importing.id }));
    await waiting(aHeldPost({ videoId: ready.id, connectionId: before.id, hold }));
    await waiting(aHeldPost({ videoId: ready.id, connectionId: reconnected.id, hold: { reason: 'LATE' } }));
    expect(await queue.rescue()).toBe(2);
    const leases = await queue.claim({ owner: 'worker', limit: 10, leaseSeconds: 60 });
    expect(leases.map(({ postId }) => postId).sort()).toEqual(wanted.sort());
    expect(await queue.rescue()).toBe(0);
  });

  it('gives out what can be read when one of the due posts can not, for a key that is gone or a row that was harmed', async () => {
    const { posts, queue, videos } = await stores();
    const video = aReadyVideo();
    await videos.add(video);
    const due = async (post: Post) => {
      const added = await posts.add({ post, nextActionTime: later(-60, clock.now()) }, aRequest());
      expect(added.ok).toBe(true);
      return post.id;
    };
    const unreadable = await due(anUploadingPost({ videoId: video.id }));
    await database.pool.query(`update attempt set upload_url = '\\x00' where post_id = $1`, [unreadable]);
    const readable = [
      await due(aScheduledPost({ videoId: video.id })),
      await due(aScheduledPost({ videoId: video.id })),
    ];
    const leases = await queue.claim({ owner: 'worker', limit: 10, leaseSeconds: 60 });
    expect(leases.map(({ postId }) => postId)).toEqual(expect.arrayContaining(readable));
  });
});

describe('postgresCredentials', () => {
  it('destroys what a disconnect left, and nothing of a connection that was reconnected at that moment (TOK-05)', async () => {
    const { connections } = await stores();
    const credentials = postgresCredentials(database, cipher);
    const connection = anActiveConnection();
    await connections.add(connection);
    const { id, workspaceId } = connection;
    const consent = { ...connection, accessExpireTime: later(60), refreshExpireTime: later(600) };
    for (let round = 0; round < 20; round += 1) {
      await credentials.put(aNewCredential({ connectionId: id, workspaceId }));
      await connections.update(id, (each) => ok(disconnect(each, NOW)));
      await Promise.all([
        credentials.destroyIfDisconnected(id),
        connections
          .update(id, (each) => ok(reconnect(each, consent, NOW)))
          .then(async () => {
            // As a reconnect does: what is still there now, stays.
            if ((await credentials.find(id)) === undefined) {
              await credentials.put(aNewCredential({ connectionId: id, workspaceId }));
            }
          }),
      ]);
      expect(await credentials.find(id)).toBeDefined();
    }
    await connections.update(id, (each) => ok(disconnect(each, NOW)));
    await credentials.destroyIfDisconnected(id);
    expect(await credentials.find(id)).toBeUndefined();
  });
});
