import { setTimeout as wait } from 'node:timers/promises';
import type { MikroORM } from '@mikro-orm/postgresql';
import type { Pool } from 'pg';

/** Any number that every version of this service agrees on. */
const MIGRATION_LOCK = 7_411_301_122;

/** How long a migration waits for the tables that it changes. */
export type Patience = {
  /**
   * Whoever changes a table waits until nobody uses it, and everybody else waits behind: never for longer than this, so that a backup
   * which reads for hours, or a worker of an older version, holds up the migration and no post.
   */
  readonly lockMilliseconds: number;
  /** Between two tries: the others go on. */
  readonly pauseMilliseconds: number;
  readonly tries: number;
};

/** About a minute in all, less than any supervisor waits. */
const PATIENCE: Patience = { lockMilliseconds: 2_000, pauseMilliseconds: 1_000, tries: 20 };

/** PostgreSQL's lock_not_available. */
const LOCK_TIMEOUT = '55P03';

/** For whoever changes the schema: one process at a time, of every version. The others wait and find it done. */
export async function whileLocked<T>(pool: Pool, work: () => Promise<T>): Promise<T> {
  const lock = await pool.connect();
  try {
    await lock.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    return await work();
  } finally {
    // The lock ends with its connection.
    lock.release(true);
  }
}

/**
 * Applies what the database lacks, each migration in a transaction of its own; for one process at a time. Names of migrations that a later
 * version brought are none of ours. Throws when others keep a table locked all the time; what was applied before stays.
 */
export async function applyPending(orm: MikroORM, patience = PATIENCE): Promise<void> {
  for (const { name } of await orm.migrator.getPending()) await applyPatiently(orm, name, patience);
}

async function applyPatiently(orm: MikroORM, name: string, patience: Patience): Promise<void> {
  const { lockMilliseconds, pauseMilliseconds, tries } = patience;
  for (let triesLeft = tries - 1; ; triesLeft -= 1) {
    try {
      return await apply(orm, name, lockMilliseconds);
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      if (triesLeft === 0) {
        const remedy = 'look for it in pg_stat_activity (a backup?), let it end, and start again';
        throw new Error(`the migration ${name} waits for a table that a long transaction keeps locked: ${remedy}`, {
          cause: error,
        });
      }
    }
    await wait(pauseMilliseconds);
  }
}

function apply(orm: MikroORM, name: string, lockMilliseconds: number): Promise<void> {
  const connection = orm.em.getConnection();
  return connection.transactional(async (transaction) => {
    await connection.execute(`set local lock_timeout = ${lockMilliseconds}`, [], 'run', transaction);
    await orm.migrator.up({ migrations: [name], transaction });
  });
}

const isLockTimeout = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === LOCK_TIMEOUT;
