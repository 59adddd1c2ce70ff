import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../../src/adapters/embedded-postgres/embedded-postgres.ts';
import { familyCpuSeconds } from './process-usage.ts';

export type DatabaseServer = AsyncDisposable & {
  readonly version: string;
  /** An empty one. */
  create(name: string): Promise<{ readonly url: string }>;
  drop(name: string): Promise<void>;
  /** Connections tell of their transactions late: complete only when nobody is connected any more. */
  transactions(name: string): Promise<number>;
  untilAlone(name: string): Promise<void>;
  /** Where the log of all databases stands, in bytes. */
  walBytes(): Promise<number>;
  /** Of the whole server. Undefined where the system does not tell. */
  cpuSeconds(): Promise<number | undefined>;
  /** From now on whoever connects to this database has all its statements in the log. */
  logStatements(name: string): Promise<void>;
  /** From now on whoever connects to this database has the plans of all its statements in the log. */
  logPlans(name: string): Promise<void>;
  /** All that it wrote so far. */
  log(): Promise<string>;
  /** So that no measurement pays for what was written before. */
  checkpoint(): Promise<void>;
};

/** A PostgreSQL that nobody else uses, as the service starts it when it is given none. */
export async function startDatabaseServer(folder: string): Promise<DatabaseServer> {
  const server = await startEmbeddedPostgres(folder);
  const client = new Client({ connectionString: server.url });
  await client.connect();
  const figure = async (text: string, values: readonly unknown[] = []): Promise<string> => {
    const { rows } = await client.query<{ figure: string }>(text, [...values]);
    return rows[0]?.figure ?? '';
  };
  return {
    version: await figure(`select current_setting('server_version') as figure`),
    async create(name) {
      await client.query(`create database ${name}`);
      const url = new URL(server.url);
      url.pathname = `/${name}`;
      return { url: url.href };
    },
    async drop(name) {
      await client.query(`drop database if exists ${name} with (force)`);
    },
    transactions: async (name) =>
      Number(
        await figure('select xact_commit + xact_rollback as figure from pg_stat_database where datname = $1', [name]),
      ),
    async untilAlone(name) {
      while ((await figure('select count(*) as figure from pg_stat_activity where datname = $1', [name])) !== '0') {
        await sleep(100);
      }
    },
    walBytes: async () => Number(await figure(`select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') as figure`)),
    async cpuSeconds() {
      const [pid = ''] = (await readFile(join(folder, 'cluster', 'postmaster.pid'), 'utf8')).split('\n');
      return familyCpuSeconds(Number(pid));
    },
    async logStatements(name) {
      await client.query(`alter database ${name} set log_statement = 'all'`);
    },
    async logPlans(name) {
      await client.query(`alter database ${name} set session_preload_libraries = 'auto_explain'`);
      await client.query(`alter database ${name} set auto_explain.log_min_duration = 0`);
    },
    log: () => readFile(join(folder, 'server.log'), 'utf8'),
    async checkpoint() {
      await client.query('checkpoint');
    },
    async [Symbol.asyncDispose]() {
      await client.end();
      await server.stop();
    },
  };
}
