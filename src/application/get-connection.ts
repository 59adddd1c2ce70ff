import type { Connection } from '../domain/connection/connection.ts';
import type { ConnectionId, WorkspaceId } from '../domain/ids.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { Connections } from './ports/connections.ts';
import type { Refusal } from './refusal.ts';

/** `workspaceId` absent: any workspace the caller may act in. */
export type ConnectionName = { readonly connectionId: ConnectionId; readonly workspaceId?: WorkspaceId };

export type GetConnection = (input: ConnectionName) => Promise<Result<Connection, Refusal>>;

export function getConnection({ connections }: { readonly connections: Connections }): GetConnection {
  return async ({ connectionId, workspaceId }) => {
    const connection = await connections.find(connectionId, workspaceId);
    return connection === undefined
      ? err({ code: 'NOT_FOUND', resource: 'connection', id: connectionId })
      : ok(connection);
  };
}
