import type { Connection, ConnectionState } from '../domain/connection/connection.ts';
import { isError } from '../domain/finding.ts';
import type { WorkspaceId } from '../domain/ids.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { isIdWith, pageRequest, requireText } from './field-checks.ts';
import type { Connections } from './ports/connections.ts';
import type { Page } from './ports/page.ts';
import type { Refusal } from './refusal.ts';

export type ListConnections = (input: {
  readonly workspaceId: WorkspaceId;
  /** Empty: all. */
  readonly states: readonly ConnectionState[];
  readonly pageSize: number;
  readonly pageToken: string;
}) => Promise<Result<Page<Connection>, Refusal>>;

export function listConnections({ connections }: { readonly connections: Connections }): ListConnections {
  return async ({ workspaceId, states, ...request }) => {
    const { page, findings } = pageRequest({ scope: workspaceId, ...request }, isIdWith('conn'));
    const wrong = [...requireText('workspace_id', workspaceId, 200), ...findings];
    return wrong.some(isError)
      ? err({ code: 'INVALID', findings: wrong })
      : ok(await connections.list({ workspaceId, states }, page));
  };
}
