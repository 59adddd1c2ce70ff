import type { Connections } from '../../application/ports/connections.ts';
import { WARNING_DAYS } from '../../domain/connection/connection.ts';
import type { ConnectionId } from '../../domain/ids.ts';
import { err, ok } from '../../domain/result.ts';
import { connectionFromRow, connectionToRow } from './connection-rows.ts';
import type { Database } from './database.ts';
import { gatheredRows } from './gathered.ts';
import { isStorable } from './json.ts';
import { prepared } from './prepared.ts';
import { type ConnectionRow, ConnectionRows } from './rows.ts';
import { inTransaction } from './transaction.ts';

const COLUMNS = [
  'id',
  'workspace_id',
  'api_family',
  'open_id',
  'state',
  'account',
  'granted_scopes',
  'reconnect_reason',
  'access_expire_time',
  'refresh_expire_time',
  'reconnect_warning',
  'grant_lost',
  'create_time',
  'update_time',
  'version',
] as const satisfies readonly (keyof Values)[];
/** For the hot path: what each post needs several times. */
const FIND = prepared(`select ${COLUMNS.join(', ')} from connection where id = any($1::text[])`);
const JSON_COLUMNS: ReadonlySet<string> = new Set(['account', 'granted_scopes', 'reconnect_reason']);
const PLACES = COLUMNS.map((_, index) => `$${index + 1}`).join(', ');

/**
 * Whoever changes a connection waits at this gate, and not at its row: PostgreSQL numbers a transaction before it waits for a row.
 * Readers of the outbox rely on it.
 */
const CONNECTION_GATE = 'select pg_advisory_xact_lock(hashtextextended($1, 1))';

const INSERT = `
  with written as (insert into connection (${COLUMNS.join(', ')}) values (${PLACES}) returning *)
  insert into connection_event (workspace_id, connection_id, connection)
  select workspace_id, id, to_jsonb(written) from written`;

/** Tokens that are renewed in time are nobody's business, and would be most of what there is to tell. */
const UNTOLD = `array['version', 'update_time', 'access_expire_time', 'refresh_expire_time']`;

/** Within the statement the table is read as it was before. */
const UPDATE = `
  with written as (
    update connection set (${COLUMNS.join(', ')}) = row (${PLACES}) where id = $1 returning *
  )
  insert into connection_event (workspace_id, connection_id, previous_state, connection)
  select written.workspace_id, written.id, before.state, to_jsonb(written)
  from written join connection as before on before.id = written.id
  where to_jsonb(written) - ${UNTOLD} <> to_jsonb(before) - ${UNTOLD}`;

/** Those whose refresh token ends within a warning that was not told yet. */
const ENDING = `
  select id from connection
  where state = 'ACTIVE' and refresh_expire_time <= now() + make_interval(days => ${WARNING_DAYS[0]})
    and exists (select 1 from unnest(array[${WARNING_DAYS.join(', ')}]) as days
      where refresh_expire_time <= now() + make_interval(days => days)
        and (reconnect_warning is null or reconnect_warning > days))
  order by refresh_expire_time limit $1`;

/** `announce` is called after every change that is stored. */
export function postgresConnections({ orm, pool }: Database, announce: () => void): Connections {
  const fork = () => orm.em.fork();
  const read = gatheredRows(
    (ids: readonly ConnectionId[]) => pool.query<ConnectionRow>(FIND(ids)),
    (row) => row.id,
  );
  return {
    async find(id, workspaceId) {
      if (!isStorable(id, workspaceId)) return undefined;
      const row = await read(id);
      const ours = row !== undefined && (workspaceId === undefined || row.workspace_id === workspaceId);
      return ours ? connectionFromRow(row) : undefined;
    },
    async findByAccount(workspaceId, apiFamily, openId) {
      const row = await fork().findOne(ConnectionRows, {
        workspace_id: workspaceId,
        api_family: apiFamily,
        open_id: openId,
      });
      return row === null ? undefined : connectionFromRow(row);
    },
    async isConnected(apiFamily, openId) {
      const count = await fork().count(ConnectionRows, {
        api_family: apiFamily,
        open_id: openId,
        state: { $ne: 'DISCONNECTED' },
      });
      return count > 0;
    },
    async ofAccount(apiFamily, openId) {
      const rows = await fork().find(
        ConnectionRows,
        { api_family: apiFamily, open_id: openId },
        { orderBy: { id: 'asc' } },
      );
      return rows.map(connectionFromRow);
    },
    async list({ workspaceId, states }, { size, after }) {
      const rows = await fork().find(
        ConnectionRows,
        {
          workspace_id: workspaceId,
          ...(states.length === 0 ? {} : { state: { $in: [...states] } }),
          ...(after === undefined ? {} : { id: { $gt: after } }),
        },
        { orderBy: { id: 'asc' }, limit: size + 1 },
      );
      const items = rows.slice(0, size).map(connectionFromRow);
      const last = items.at(-1);
      return rows.length > size && last !== undefined ? { items, next: last.id } : { items };
    },
    async add(connection) {
      const row = connectionToRow(connection);
      try {
        await inTransaction(pool, async (client) => {
          await client.query(CONNECTION_GATE, [connection.id]);
          await client.query(INSERT, valuesOf(row));
        });
      } catch (error) {
        if (isUniqueViolation(error)) return false;
        throw error;
      }
      announce();
      return true;
    },
    async update(id, change) {
      if (!isStorable(id)) return err({ code: 'NOT_FOUND' as const });
      const outcome = await inTransaction(pool, async (client) => {
        await client.query(CONNECTION_GATE, [id]);
        const { rows } = await client.query<ConnectionRow>('select * from connection where id = $1 for update', [id]);
        const [row] = rows;
        if (row === undefined) return err({ code: 'NOT_FOUND' as const });
        const current = connectionFromRow(row);
        const changed = change(current);
        if (!changed.ok || changed.value === current) return changed;
        const next = { ...changed.value, version: row.version + 1 };
        await client.query(UPDATE, valuesOf(connectionToRow(next)));
        return ok(next);
      });
      if (outcome.ok) announce();
      return outcome;
    },
    async ending(limit) {
      const { rows } = await pool.query<{ id: ConnectionId }>(ENDING, [limit]);
      return rows.map(({ id }) => id);
    },
  };
}

type Values = ReturnType<typeof connectionToRow>;

const valuesOf = (row: Values): unknown[] =>
  COLUMNS.map((column) => (JSON_COLUMNS.has(column) ? jsonOf(row[column]) : row[column]));

const jsonOf = (value: unknown): string | null => (value === null ? null : JSON.stringify(value));

const isUniqueViolation = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === '23505';
