import type { Client } from 'pg';
import { aesGcmCipher, parseKeyRing } from '../../src/adapters/crypto/aes-gcm-cipher.ts';
import { openDatabase } from '../../src/adapters/persistence/database.ts';
import { databaseClock } from '../../src/adapters/persistence/database-clock.ts';
import { postgresMetricCollections } from '../../src/adapters/persistence/postgres-metric-collections.ts';
import { randomIds } from '../../src/adapters/system/random-ids.ts';
import type { ApiFamily } from '../../src/domain/connection/connection.ts';
import type { WorkspaceId } from '../../src/domain/ids.ts';
import { inParallel } from '../support/in-parallel.ts';
import { putConnection } from '../support/put-connection.ts';
import type { CrowdAccount } from '../support/sandbox-process.ts';

const ACCOUNTS_OF_A_WORKSPACE = 25;
/** As many as the pool has connections. */
const AT_ONCE = 16;

/** Fills an empty database with connections, whose numbers are due tomorrow: a worker finds nothing to do until `makeAllDue`. */
export async function setTheStage(
  databaseUrl: string,
  tokenKeys: string,
  family: ApiFamily,
  crowd: readonly CrowdAccount[],
): Promise<void> {
  const database = await openDatabase(databaseUrl);
  const clock = await databaseClock(database, console);
  try {
    const needs = { database, clock, cipher: aesGcmCipher(parseKeyRing(tokenKeys)), ids: randomIds(clock) };
    await inParallel(AT_ONCE, crowd, ({ username, grant }, index) => {
      const workspaceId = `ws_bench_${Math.floor(index / ACCOUNTS_OF_A_WORKSPACE)}` as WorkspaceId;
      return putConnection(needs, family, workspaceId, username, grant);
    });
    await postgresMetricCollections(database).discover();
    await database.pool.query(`update metric_collection set due_at = now() + interval '1 day'`);
  } finally {
    clock.close();
    await database.close();
  }
}

/** All videos that are known are due; the worker finds them with their account. */
export async function makeVideosDue(client: Pick<Client, 'query'>): Promise<void> {
  await client.query('update measured_video set next_collect_at = now()');
  // As it would be after the hours that lie between two rounds: no trace of how they were put in.
  await client.query('vacuum (analyze)');
}

/** All accounts and lists are due at this moment, which it gives. */
export async function makeAccountsDue(client: Pick<Client, 'query'>): Promise<Date> {
  const { rows } = await client.query<{ moment: Date }>(
    'with made as (update metric_collection set due_at = now(), list_at = now(), account_at = now()) select now() as moment',
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the database has no time');
  return row.moment;
}
