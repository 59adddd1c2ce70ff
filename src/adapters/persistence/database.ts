import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
import type { Pool } from 'pg';
import { BacklogIndex } from './migrations/backlog-index.ts';
import { FirstSchema } from './migrations/first-schema.ts';
import { GarbageIndexes } from './migrations/garbage-indexes.ts';
import { ImportLapses } from './migrations/import-lapses.ts';
import { MediaAddress } from './migrations/media-address.ts';
import { MetricTables } from './migrations/metric-tables.ts';
import { NeverTwice } from './migrations/never-twice.ts';
import { RequestOfPost } from './migrations/request-of-post.ts';
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

/** Those that are read in the order of (transaction, sequence). */
const OUTBOXES = ['post_event', 'connection_event'] as const;

/**
 * A dump that is restored into another cluster brings the numbers of transactions that are still to come here: nobody would see these
 * events before, and newer ones would lie before them. They become part of this transaction, in the order of their sequence.
 */
const endOfOtherCluster = (table: (typeof OUTBOXES)[number]): string =>
  `update ${table} set txid = pg_current_xact_id() where txid > pg_current_xact_id()`;

/** Connections of one process. */
const POOL_SIZE = 16;

/** A process that froze inside of a transaction must not keep others from the rows it locked. */
const IDLE_TRANSACTION_MILLISECONDS = 30_000;

/** Connects, and brings the schema up to date. Any number of processes may do so at once. */
export async function openDatabase(url: string): Promise<Database> {
  const orm = await MikroORM.init({
    clientUrl: url,
    entities: [ConnectionRows, PendingAuthorizationRows, VideoRows],
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
        { name: '2026-11-22-request-of-post', class: RequestOfPost },
      ],
      snapshot: false,
      silent: true,
    },
    pool: { min: 0, max: POOL_SIZE },
    driverOptions: { idle_in_transaction_session_timeout: IDLE_TRANSACTION_MILLISECONDS },
    forceUtcTimezone: true,
    discovery: { warnWhenNoEntities: false },
    logger: () => {},
  });
  const pool: Pool = await orm.em.getConnection().getNativeClient();
  const lock = await pool.connect();
  try {
    await lock.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await orm.migrator.up();
    for (const table of OUTBOXES) await lock.query(endOfOtherCluster(table));
  } finally {
    // The lock ends with its connection.
    lock.release(true);
  }
  return { orm, pool, close: () => orm.close() };
}
