import { LockMode, UniqueConstraintViolationException } from '@mikro-orm/core';
import type { Connections } from '../../application/ports/connections.ts';
import type { Account, Connection } from '../../domain/connection/connection.ts';
import type { ConnectionId, WorkspaceId } from '../../domain/ids.ts';
import { err, ok } from '../../domain/result.ts';
import type { Database } from './database.ts';
import { date, isStorable, present } from './json.ts';
import { publishErrorFromJson } from './publish-error-json.ts';
import { type ConnectionRow, ConnectionRows } from './rows.ts';

export function postgresConnections({ orm }: Database): Connections {
  const fork = () => orm.em.fork();
  return {
    async find(id, workspaceId) {
      if (!isStorable(id, workspaceId)) return undefined;
      const row = await fork().findOne(ConnectionRows, present({ id, workspace_id: workspaceId }));
      return row === null ? undefined : fromRow(row);
    },
    async findByAccount(workspaceId, apiFamily, openId) {
      const row = await fork().findOne(ConnectionRows, {
        workspace_id: workspaceId,
        api_family: apiFamily,
        open_id: openId,
      });
      return row === null ? undefined : fromRow(row);
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
      return rows.map(fromRow);
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
      const items = rows.slice(0, size).map(fromRow);
      const last = items.at(-1);
      return rows.length > size && last !== undefined ? { items, next: last.id } : { items };
    },
    async add(connection) {
      try {
        await fork().insert(ConnectionRows, toRow(connection));
        return true;
      } catch (error) {
        if (error instanceof UniqueConstraintViolationException) return false;
        throw error;
      }
    },
    update(id, change) {
      return fork().transactional(async (em) => {
        const row = await em.findOne(ConnectionRows, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE });
        if (row === null) return err({ code: 'NOT_FOUND' as const });
        const current = fromRow(row);
        const changed = change(current);
        if (!changed.ok || changed.value === current) return changed;
        const next = { ...changed.value, version: row.version + 1 };
        em.assign(row, toRow(next));
        return ok(next);
      });
    },
  };
}

function fromRow(row: ConnectionRow): Connection {
  const core = {
    id: row.id as ConnectionId,
    workspaceId: row.workspace_id as WorkspaceId,
    apiFamily: row.api_family as Connection['apiFamily'],
    account: row.account as Account,
    grantedScopes: row.granted_scopes,
    createTime: date(row.create_time),
    updateTime: date(row.update_time),
    version: row.version,
  };
  const state = row.state as Connection['state'];
  if (state === 'DISCONNECTED') return { ...core, state };
  const { access_expire_time, refresh_expire_time, reconnect_reason } = row;
  if (access_expire_time == null || refresh_expire_time == null) {
    throw new Error(`connection ${row.id} is ${state} without token times`);
  }
  const life = { accessExpireTime: date(access_expire_time), refreshExpireTime: date(refresh_expire_time) };
  if (state === 'ACTIVE') return { ...core, ...life, state };
  if (reconnect_reason == null) throw new Error(`connection ${row.id} needs a reconnect without a reason`);
  return { ...core, ...life, state, reconnectReason: publishErrorFromJson(reconnect_reason) };
}

const toRow = (connection: Connection) => ({
  id: connection.id,
  workspace_id: connection.workspaceId,
  api_family: connection.apiFamily,
  open_id: connection.account.openId,
  state: connection.state,
  account: connection.account,
  granted_scopes: [...connection.grantedScopes],
  reconnect_reason: connection.state === 'RECONNECT_REQUIRED' ? connection.reconnectReason : null,
  access_expire_time: connection.state === 'DISCONNECTED' ? null : connection.accessExpireTime,
  refresh_expire_time: connection.state === 'DISCONNECTED' ? null : connection.refreshExpireTime,
  create_time: connection.createTime,
  update_time: connection.updateTime,
  version: connection.version,
});
