import {
  getCreateIndexesSQL,
  getCreateTableSQL,
  getUpdateTimestampTriggerSQL,
  PostgresBackend,
} from '@agendajs/postgres-backend';
import { Pool } from 'pg';
import type { Log } from '../../application/ports/log.ts';
import type { AgendaStore } from './agenda-doorbell.ts';

export const AGENDA_TABLE = 'agenda_jobs';
/** Connections of one process. */
export const AGENDA_POOL_SIZE = 3;
/** Any number that every version of this service agrees on, and no other use has. */
const SCHEMA_LOCK = 7_411_301_123;

/**
 * Agenda's jobs in PostgreSQL. A pool of its own: the ORM's reads times as text, which Agenda does not expect.
 */
export async function postgresAgendaStore(databaseUrl: string, log: Log): Promise<AgendaStore> {
  const pool = new Pool({ connectionString: databaseUrl, max: AGENDA_POOL_SIZE });
  pool.on('error', (error) => log.warn({ error }, "a connection to the doorbell's store was lost"));
  try {
    await makeTable(pool);
  } catch (error) {
    await pool.end();
    throw error;
  }
  return {
    backend: new PostgresBackend({ pool, tableName: AGENDA_TABLE, ensureSchema: false }),
    close: () => pool.end(),
  };
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

/** Agenda's own creation of its schema races when several processes start at once: done here, under a lock. */
async function makeTable(pool: Pool): Promise<boolean> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query('select pg_advisory_xact_lock($1)', [SCHEMA_LOCK]);
    const [known] = (await client.query('select to_regclass($1) as name', [AGENDA_TABLE])).rows;
    if (known?.name === null) {
      await client.query(getCreateTableSQL(AGENDA_TABLE));
      for (const index of getCreateIndexesSQL(AGENDA_TABLE)) await client.query(index);
      await client.query(getUpdateTimestampTriggerSQL(AGENDA_TABLE));
    }
    await client.query('commit');
    return known?.name === null;
  } finally {
    client.release();
  }
}
