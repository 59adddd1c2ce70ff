import {
  getCreateIndexesSQL,
  getCreateTableSQL,
  getUpdateTimestampTriggerSQL,
  PostgresBackend,
  PostgresNotificationChannel,
} from '@agendajs/postgres-backend';
import { Pool, type PoolClient } from 'pg';
import type { AgendaStore } from './agenda-doorbell.ts';

export const AGENDA_TABLE = 'agenda_jobs';
/** Connections of one process. */
export const AGENDA_POOL_SIZE = 3;
/** What Agenda calls the index that lets a name have one job only. */
const ONE_OF_EACH = `${AGENDA_TABLE}_single_job_idx`;
/** Which of them stays does not matter: its time is at most one turn off. */
const LEAVE_ONE_OF_EACH = `delete from ${AGENDA_TABLE} one using ${AGENDA_TABLE} other
  where one.type = 'single' and other.type = 'single' and one.name = other.name and one.id > other.id`;
/** Any number that every version of this service agrees on, and no other use has. */
const SCHEMA_LOCK = 7_411_301_123;
/** Without it the driver waits for ever for a server that takes a call and never answers. */
const PATIENCE_MILLISECONDS = 5_000;
/** Agenda's own is a tenth of a second: too often for a server that has trouble coming up. */
const RECONNECT_MILLISECONDS = 1_000;

/** Agenda's jobs in PostgreSQL. A pool of its own: the ORM's reads times as text, which Agenda does not expect. */
export async function postgresAgendaStore(databaseUrl: string, lost: (error: unknown) => void): Promise<AgendaStore> {
  const pool = new Pool({
    connectionString: databaseUrl,
    application_name: 'tiktok-connector doorbell',
    max: AGENDA_POOL_SIZE,
    connectionTimeoutMillis: PATIENCE_MILLISECONDS,
    query_timeout: PATIENCE_MILLISECONDS,
  });
  pool.on('error', lost);
  const backend = new PostgresBackend({
    pool,
    tableName: AGENDA_TABLE,
    ensureSchema: false,
    disableNotifications: true,
  });
  try {
    await backend.connect();
  } catch (error) {
    await pool.end();
    throw error;
  }
  const channel = new LeakFreeChannel({
    pool,
    reconnect: { enabled: true, initialDelayMs: RECONNECT_MILLISECONDS },
  });
  // Three statements for each run, of which Agenda takes no notice in processes that have no names.
  channel.publishState = async () => undefined;
  return {
    backend,
    channel,
    prepare: async () => void (await makeTable(pool)),
    close: () => pool.end(),
  };
}

/** Agenda's own keeps the connection on which it could not listen: a few of them, and none is left in the pool for anybody, for ever. */
class LeakFreeChannel extends PostgresNotificationChannel {
  override async connect(): Promise<void> {
    try {
      await super.connect();
    } catch (error) {
      const kept = this as unknown as { listenClient?: PoolClient };
      const client = kept.listenClient;
      delete kept.listenClient;
      client?.release(true);
      throw error;
    }
  }
}

/** For an account that may not make tables when it opens the store. False when the table was there. */
export async function makeAgendaTable(databaseUrl: string): Promise<boolean> {
  const pool = new Pool({ connectionString: databaseUrl, max: 1 });
  try {
    return await makeTable(pool);
  } finally {
    await pool.end();
  }
}

/** Agenda's own schema creation races when several processes start at once, so it is done here under a lock. False when it was there. */
async function makeTable(pool: Pool): Promise<boolean> {
  // Not `to_regclass`: a connection that waited for the lock may still hold for missing what was made meanwhile.
  const isThere = async (query: Pick<Pool, 'query'>): Promise<boolean> => {
    const found = await query.query('select 1 from pg_class where relname = $1 and pg_table_is_visible(oid)', [
      ONE_OF_EACH,
    ]);
    return found.rowCount === 1;
  };
  if (await isThere(pool)) return false;
  const client = await pool.connect();
  let failed: Error | undefined;
  try {
    await client.query('begin');
    await client.query('select pg_advisory_xact_lock($1)', [SCHEMA_LOCK]);
    const missing = !(await isThere(client));
    if (missing) {
      await client.query(getCreateTableSQL(AGENDA_TABLE));
      await client.query(LEAVE_ONE_OF_EACH);
      for (const index of getCreateIndexesSQL(AGENDA_TABLE)) await client.query(index);
      await client.query(getUpdateTimestampTriggerSQL(AGENDA_TABLE));
    }
    await client.query('commit');
    return missing;
  } catch (error) {
    failed = error instanceof Error ? error : new Error(String(error));
    throw error;
  } finally {
    client.release(failed);
  }
}
