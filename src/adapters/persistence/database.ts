import type { Socket } from 'node:net';
import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
import type { Client, Pool, PoolClient } from 'pg';
import { DATABASE_LIMITS, type DatabaseLimits } from './database-limits.ts';
import { BacklogIndex } from './migrations/backlog-index.ts';
import { FirstSchema } from './migrations/first-schema.ts';
import { GarbageIndexes } from './migrations/garbage-indexes.ts';
import { ImportLapses } from './migrations/import-lapses.ts';
import { MediaAddress } from './migrations/media-address.ts';
import { MetricTables } from './migrations/metric-tables.ts';
import { NeverTwice } from './migrations/never-twice.ts';
import { TokenLifeColumns } from './migrations/token-life.ts';
import { WebhookInboxTable } from './migrations/webhook-inbox.ts';
import { ConnectionRows, PendingAuthorizationRows, VideoRows } from './rows.ts';

/** One pool of connections, used by MikroORM and by the plain SQL of the hot path. */
export type Database = {
  readonly orm: MikroORM;
  readonly pool: Pool;
  close(): Promise<void>;
};

/** Any number that every version of this service agrees on. */
const MIGRATION_LOCK = 7_411_301_122;

/** Connections of one process. */
const POOL_SIZE = 16;

/** A process that froze inside of a transaction must not keep others from the rows it locked. */
const IDLE_TRANSACTION_MILLISECONDS = 30_000;

/** PostgreSQL has this long to say that it ended a statement. Where it says nothing at all, the way to it is taken for dead. */
const LAST_WORD_MILLISECONDS = 1_000;

/** Connects, and brings the schema up to date. Any number of processes may do so at once. */
export async function openDatabase(url: string, limits: DatabaseLimits = DATABASE_LIMITS): Promise<Database> {
  await migrate(url, limits);
  const orm = await MikroORM.init({
    clientUrl: url,
    entities: [ConnectionRows, PendingAuthorizationRows, VideoRows],
    pool: { min: 0, max: POOL_SIZE },
    driverOptions: {
      connectionTimeoutMillis: limits.connect,
      statement_timeout: limits.statement,
      // From its first connection on: one is made right away.
      onPoolCreated: (pool: Pool) =>
        pool.on('connect', (client) => cutWhenSilent(client, limits.statement + LAST_WORD_MILLISECONDS)),
      idle_in_transaction_session_timeout: IDLE_TRANSACTION_MILLISECONDS,
    },
    forceUtcTimezone: true,
    logger: () => {},
  });
  const pool: Pool = await orm.em.getConnection().getNativeClient();
  return { orm, pool, close: () => orm.close() };
}

/** Takes as long as it takes: an index on a large table, or another process that is at it. */
async function migrate(url: string, { connect }: DatabaseLimits): Promise<void> {
  const orm = await MikroORM.init({
    clientUrl: url,
    entities: [],
    extensions: [Migrator],
    migrations: {
      migrationsList: [
        { name: '2026-11-22-first-schema', class: FirstSchema },
        { name: '2026-11-22-never-twice', class: NeverTwice },
        { name: '2026-11-22-media-address', class: MediaAddress },
        { name: '2026-11-22-backlog-index', class: BacklogIndex },
        { name: '2026-11-22-webhook-inbox', class: WebhookInboxTable },
        { name: '2026-11-22-import-lapses', class: ImportLapses },
        { name: '2026-11-22-token-life', class: TokenLifeColumns },
        { name: '2026-11-22-garbage-indexes', class: GarbageIndexes },
        { name: '2026-11-22-metric-tables', class: MetricTables },
      ],
      snapshot: false,
      silent: true,
    },
    driverOptions: {
      connectionTimeoutMillis: connect,
      idle_in_transaction_session_timeout: IDLE_TRANSACTION_MILLISECONDS,
    },
    forceUtcTimezone: true,
    discovery: { warnWhenNoEntities: false },
    logger: () => {},
  });
  try {
    const pool: Pool = await orm.em.getConnection().getNativeClient();
    const lock = await pool.connect();
    try {
      await lock.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
      await orm.migrator.up();
    } finally {
      // The lock ends with its connection.
      lock.release(true);
    }
  } finally {
    await orm.close();
  }
}

/**
 * Breaks a connection on which a statement has had no answer for so long: packets that vanish on their way are no error to
 * anybody, for a quarter of an hour or for ever. Whoever waits for the statement hears that the connection ended.
 */
function cutWhenSilent(client: PoolClient, milliseconds: number): void {
  const { connection } = client as PoolClient & Pick<Client, 'connection'>; // the types leave it out of a pool's clients
  const socket = connection.stream as Socket;
  // All that was sent is answered when nothing waits any more.
  let answeredBytes = socket.bytesWritten;
  client.on('drain', () => {
    answeredBytes = socket.bytesWritten;
  });
  socket.setTimeout(milliseconds);
  socket.on('timeout', () => {
    if (socket.bytesWritten > answeredBytes) socket.destroy(new Error('Connection terminated: PostgreSQL is silent'));
  });
}
