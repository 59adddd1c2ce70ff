import { Pool } from 'pg';
import type { DatabaseFacts } from '../../application/diagnosis/database.ts';
import { MIGRATION_TABLE } from './migrations.ts';

/** Every table of ours, as the migrations leave them. */
export const TABLES = [
  'account_day',
  'attempt',
  'connection',
  'connection_event',
  'credential',
  'gate',
  'measured_account',
  'measured_video',
  'media_address',
  'media_fetch',
  'metric_collection',
  MIGRATION_TABLE,
  'pending_authorization',
  'post',
  'post_event',
  'request_key',
  'turn',
  'video',
  'video_snapshot',
  'webhook_event',
] as const;

/** For a look from outside: a few connections, none of which waits longer than `milliseconds` for anything. */
export const inspectionPool = (url: string, milliseconds: number): Pool =>
  new Pool({
    connectionString: url,
    max: 2,
    connectionTimeoutMillis: milliseconds,
    query_timeout: milliseconds,
    // A connection that ends while nobody uses it: the next query tells.
  }).on('error', () => undefined);

type Row = {
  version: string;
  version_number: number;
  read_only: boolean;
  encoding: string;
  date_style: string;
  schema: string | null;
  may_create: boolean | null;
  connections: number;
  in_use: number;
};

/** -1 is no limit; an account that sees no other sessions still sees which database they are in. */
const SERVER = `
  select current_setting('server_version') as version, current_setting('server_version_num')::integer as version_number,
    pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as read_only,
    current_setting('server_encoding') as encoding, current_setting('datestyle') as date_style, current_schema()::text as schema,
    has_schema_privilege(current_schema(), 'create') as may_create,
    least(
      current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
        - coalesce(current_setting('reserved_connections', true)::integer, 0),
      (select nullif(datconnlimit, -1) from pg_database where datname = current_database()),
      (select nullif(rolconnlimit, -1) from pg_roles where rolname = current_user)
    ) as connections,
    (select count(*)::integer from pg_stat_activity where datid is not null) as in_use`;

const RIGHTS = `
  select relname::text as name, has_table_privilege(oid, 'select') and has_table_privilege(oid, 'insert')
    and has_table_privilege(oid, 'update') and has_table_privilege(oid, 'delete') as allowed
  from pg_class where oid in (select to_regclass(name) from unnest($1::text[]) as name) order by relname`;

/** Reads only. `tables`: whose rights are asked for. */
export async function inspectDatabase(pool: Pool, tables: readonly string[]): Promise<DatabaseFacts> {
  const [server] = (await pool.query<Row>(SERVER)).rows;
  const { rows: rights } = await pool.query<{ name: string; allowed: boolean }>(RIGHTS, [tables]);
  const before = Date.now();
  const [clock] = (
    await pool.query<{ now: number }>('select (extract(epoch from clock_timestamp()) * 1000)::float8 as now')
  ).rows;
  const after = Date.now();
  if (server === undefined || clock === undefined) throw new Error('the database did not tell what it is');
  return {
    version: server.version,
    versionNumber: server.version_number,
    readOnly: server.read_only,
    encoding: server.encoding,
    dateStyle: server.date_style,
    ...(server.schema === null ? {} : { schema: server.schema }),
    mayCreate: server.may_create === true,
    tables: rights.map(({ name }) => name),
    forbidden: rights.filter(({ allowed }) => !allowed).map(({ name }) => name),
    connections: server.connections,
    connectionsInUse: server.in_use,
    aheadMilliseconds: clock.now - (before + after) / 2,
  };
}
