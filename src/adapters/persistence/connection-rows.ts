import type { Account, Connection, WarningDays } from '../../domain/connection/connection.ts';
import type { ConnectionId, WorkspaceId } from '../../domain/ids.ts';
import { date } from './json.ts';
import { publishErrorFromJson } from './publish-error-json.ts';
import type { ConnectionRow } from './rows.ts';

/** A row as the ORM, plain SQL or `to_jsonb` give it. */
export function connectionFromRow(row: ConnectionRow): Connection {
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
  if (state === 'ACTIVE') {
    const warning = row.reconnect_warning;
    return { ...core, ...life, state, ...(warning == null ? {} : { reconnectWarning: warning as WarningDays }) };
  }
  if (reconnect_reason == null) throw new Error(`connection ${row.id} needs a reconnect without a reason`);
  return {
    ...core,
    ...life,
    state,
    reconnectReason: publishErrorFromJson(reconnect_reason),
    grantLost: row.grant_lost,
  };
}

export const connectionToRow = (connection: Connection) => ({
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
  reconnect_warning: connection.state === 'ACTIVE' ? (connection.reconnectWarning ?? null) : null,
  grant_lost: connection.state === 'RECONNECT_REQUIRED' && connection.grantLost,
  create_time: connection.createTime,
  update_time: connection.updateTime,
  version: connection.version,
});
