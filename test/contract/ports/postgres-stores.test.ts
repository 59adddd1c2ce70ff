import { afterAll, beforeAll } from 'vitest';
import { aesGcmCipher } from '../../../src/adapters/crypto/aes-gcm-cipher.ts';
import { type Database, openDatabase } from '../../../src/adapters/persistence/database.ts';
import { databaseClock } from '../../../src/adapters/persistence/database-clock.ts';
import { postgresConnections } from '../../../src/adapters/persistence/postgres-connections.ts';
import { postgresCredentials } from '../../../src/adapters/persistence/postgres-credentials.ts';
import { postgresPendingAuthorizations } from '../../../src/adapters/persistence/postgres-pending-authorizations.ts';
import { postgresPostEvents } from '../../../src/adapters/persistence/postgres-post-events.ts';
import { postgresPostQueue } from '../../../src/adapters/persistence/postgres-post-queue.ts';
import { postgresPosts } from '../../../src/adapters/persistence/postgres-posts.ts';
import { postgresVideos } from '../../../src/adapters/persistence/postgres-videos.ts';
import type { Clock } from '../../../src/application/ports/clock.ts';
import { freshDatabase } from '../../support/fresh-database.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { clockContract } from './clock.contract.ts';
import { connectionsContract } from './connections.contract.ts';
import { credentialsContract } from './credentials.contract.ts';
import { pendingAuthorizationsContract } from './pending-authorizations.contract.ts';
import { postsContract } from './posts.contract.ts';
import { videosContract } from './videos.contract.ts';

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
    'truncate connection, credential, pending_authorization, request_key, video, post, attempt, post_event',
  );
  return database;
}

async function stores() {
  const emptied = await empty();
  const events = postgresPostEvents(emptied, cipher);
  return {
    posts: postgresPosts(emptied, cipher, events.announce),
    queue: postgresPostQueue(emptied, cipher, events.announce),
    videos: postgresVideos(emptied),
    events,
    clock,
  };
}

clockContract('databaseClock', async () => clock);
connectionsContract('postgresConnections', async () => postgresConnections(await empty()));
credentialsContract('postgresCredentials', async () => postgresCredentials(await empty(), cipher));
pendingAuthorizationsContract('postgresPendingAuthorizations', async () =>
  postgresPendingAuthorizations(await empty()),
);
videosContract('postgresVideos', stores);
postsContract('postgresPosts, postgresPostQueue and postgresPostEvents', stores);
