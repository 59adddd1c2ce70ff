import {
  getCreateIndexesSQL,
  getCreateTableSQL,
  getUpdateTimestampTriggerSQL,
  PostgresBackend,
  PostgresNotificationChannel,
} from '@agendajs/postgres-backend';
import { Pool } from 'pg';
import type { AgendaStore } from './agenda-doorbell.ts';

const TABLE = 'agenda_jobs';
/** What Agenda calls the index that lets a name have one job only. */
const ONE_OF_EACH = `${TABLE}_single_job_idx`;
/** Which of them stays does not matter: its time is at most one turn off. */
const LEAVE_ONE_OF_EACH = `delete from ${TABLE} one using ${TABLE} other
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
    max: 3,
    connectionTimeoutMillis: PATIENCE_MILLISECONDS,
    query_timeout: PATIENCE_MILLISECONDS,
  });
  pool.on('error', lost);
  const backend = new PostgresBackend({ pool, tableName: TABLE, ensureSchema: false, disableNotifications: true });
  try {
    await backend.connect();
  } catch (error) {
    await pool.end();
    throw error;
  }
  return {
    backend,
    channel: new PostgresNotificationChannel({
      pool,
      reconnect: { enabled: true, initialDelayMs: RECONNECT_MILLISECONDS },
    }),
    prepare: () => makeTable(pool),
    close: () => pool.end(),
  };
}

/** Agenda's own schema creation races when several processes start at once, so it is done here under a lock. */
async function makeTable(pool: Pool): Promise<void> {
  // Not `to_regclass`: a connection that waited for the lock may still hold for missing what was made meanwhile.
  const isThere = async (query: Pick<Pool, 'query'>): Promise<boolean> => {
    const found = await query.query('select 1 from pg_class where relname = $1 and pg_table_is_visible(oid)', [
      ONE_OF_EACH,
    ]);
    return found.rowCount === 1;
  };
  if (await isThere(pool)) return;
  const client = await pool.connect();
  let failed: Error | undefined;
  try {
    await client.query('begin');
    await client.query('select pg_advisory_xact_lock($1)', [SCHEMA_LOCK]);
    if (!(await isThere(client))) {
      await client.query(getCreateTableSQL(TABLE));
      await client.query(LEAVE_ONE_OF_EACH);
      for (const index of getCreateIndexesSQL(TABLE)) await client.query(index);
      await client.query(getUpdateTimestampTriggerSQL(TABLE));
    }
    await client.query('commit');
  } catch (error) {
    failed = error instanceof Error ? error : new Error(String(error));
    throw error;
  } finally {
    client.release(failed);
  }
}
