import type { Socket } from 'node:net';
import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
import { type Client, Pool, type PoolClient } from 'pg';
import type { SchemaFacts } from '../../application/diagnosis/database.ts';
import { DATABASE_LIMITS, type DatabaseLimits } from './database-limits.ts';
import { applyPending, whileLocked } from './migrate.ts';
import { MIGRATIONS, readSchemaState } from './migrations.ts';
import { ConnectionRows, PendingAuthorizationRows, VideoRows } from './rows.ts';

/** One pool of connections, used by MikroORM and by the plain SQL of the hot path. */
export type Database = {
  readonly orm: MikroORM;
  readonly pool: Pool;
  close(): Promise<void>;
};

/** Those that are read in the order of (transaction, sequence). */
const OUTBOXES = ['post_event', 'connection_event'] as const;

/**
 * A dump that is restored into another cluster brings the numbers of transactions that are still to come here: nobody would see these
 * events before, and newer ones would lie before them. They become part of this transaction, in the order of their sequence.
 */
const endOfOtherCluster = (table: (typeof OUTBOXES)[number]): string =>
  `update ${table} set txid = pg_current_xact_id() where txid > pg_current_xact_id()`;

/** Connections of one process. */
export const POOL_SIZE = 16;

/** A process that froze inside of a transaction must not keep others from the rows it locked. */
const IDLE_TRANSACTION_MILLISECONDS = 30_000;

/**
 * Each question of the service has its index. Of a small table PostgreSQL would rather read all, and keep to that plan while the table grows.
 */
const PLANS = '-c enable_seqscan=off -c jit=off';

/** PostgreSQL has this long to say that it ended a statement. Where it says nothing at all, the way to it is taken for dead. */
const LAST_WORD_MILLISECONDS = 1_000;

/**
 * Connects, and brings the schema up to date; any number of processes may do so at once. Without `migrates` it throws when the
 * schema lacks something. A schema that is ahead is taken as it is: a release changes it so that the one before still works.
 */
export async function openDatabase(
  url: string,
  { migrates = true, limits = DATABASE_LIMITS }: { readonly migrates?: boolean; readonly limits?: DatabaseLimits } = {},
): Promise<Database> {
  await withMigrator(url, (orm, pool) => whileLocked(pool, () => bringUpToDate(orm, pool, migrates)), limits);
  const orm = await MikroORM.init({
    clientUrl: url,
    entities: [ConnectionRows, PendingAuthorizationRows, VideoRows],
    pool: { min: 0, max: POOL_SIZE },
    driverOptions: {
      connectionTimeoutMillis: limits.connect,
      statement_timeout: limits.statement,
      options: PLANS,
      // From its first connection on: one is made right away.
      onPoolCreated: (pool: Pool) =>
        pool.on('connect', (client) => cutWhenSilent(client, limits.statement + LAST_WORD_MILLISECONDS)),
      idle_in_transaction_session_timeout: IDLE_TRANSACTION_MILLISECONDS,
    },
    forceUtcTimezone: true,
    logger: () => {},
  });
  try {
    return { orm, pool: await poolOf(orm), close: () => orm.close() };
  } catch (error) {
    await orm.close();
    throw error;
  }
}

/**
 * Applies what the database lacks, as `applyPending`. Of several at once one works and the others wait for it. Applies nothing when
 * each knows something that the other does not: then nobody knows in which order it had to be. Gives the state that it found.
 */
export const migrateDatabase = (url: string): Promise<SchemaFacts> =>
  withMigrator(url, (orm, pool) =>
    whileLocked(pool, async () => {
      const found = await readSchemaState(pool);
      if (found.pending.length > 0 && found.unknown.length === 0) await applyPending(orm);
      return found;
    }),
  );

/** Reads only, as `readSchemaState`. */
export async function readDatabaseState(url: string): Promise<SchemaFacts> {
  const pool = new Pool({ connectionString: url, max: 1 });
  try {
    return await readSchemaState(pool);
  } finally {
    await pool.end();
  }
}

/** The statements of these migrations as they would run, in their order. Runs none of them. */
export async function migrationStatements(
  url: string,
  names: readonly string[],
): Promise<readonly { readonly name: string; readonly statements: readonly string[] }[]> {
  return withMigrator(url, async (orm) =>
    MIGRATIONS.filter(({ name }) => names.includes(name)).map(({ name, class: Migration }) => {
      const migration = new Migration(orm.em.getDriver(), orm.config);
      migration.up();
      return { name, statements: migration.getQueries().map(String) };
    }),
  );
}

/** A migration takes as long as it takes: an index on a large table, or another process that is at it. */
async function withMigrator<T>(
  url: string,
  work: (orm: MikroORM, pool: Pool) => Promise<T>,
  { connect }: DatabaseLimits = DATABASE_LIMITS,
): Promise<T> {
  const orm = await MikroORM.init({
    clientUrl: url,
    entities: [],
    extensions: [Migrator],
    migrations: { migrationsList: [...MIGRATIONS], snapshot: false, silent: true },
    driverOptions: {
      connectionTimeoutMillis: connect,
      idle_in_transaction_session_timeout: IDLE_TRANSACTION_MILLISECONDS,
    },
    forceUtcTimezone: true,
    discovery: { warnWhenNoEntities: false },
    logger: () => {},
  });
  try {
    return await work(orm, await poolOf(orm));
  } finally {
    await orm.close();
  }
}

async function bringUpToDate(orm: MikroORM, pool: Pool, migrates: boolean): Promise<void> {
  if (migrates) await applyPending(orm);
  else refusePending(await readSchemaState(pool));
  for (const table of OUTBOXES) await pool.query(endOfOtherCluster(table));
}

const poolOf = (orm: MikroORM): Promise<Pool> => orm.em.getConnection().getNativeClient();

function refusePending({ pending }: SchemaFacts): void {
  if (pending.length === 0) return;
  throw new Error(
    `The database lacks migrations of this version (${pending.join(', ')}), and MIGRATE_ON_START=0 leaves them to you: run npm run migrate, in the image node src/migrate.ts, and start again.`,
  );
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
