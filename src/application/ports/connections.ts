import type { Connection, ConnectionState } from '../../domain/connection/connection.ts';
import type { ConnectionId, WorkspaceId } from '../../domain/ids.ts';
import type { Result } from '../../domain/result.ts';
import type { Page, PageRequest } from './page.ts';

/** The connections of all workspaces. No tokens: those are `Credentials`. */
export interface Connections {
  /** With `workspaceId`, a connection of another workspace is not found. */
  find(id: ConnectionId, workspaceId?: WorkspaceId): Promise<Connection | undefined>;
  /** An account is connected at most once to a workspace and family. */
  findByAccount(
    workspaceId: WorkspaceId,
    apiFamily: Connection['apiFamily'],
    openId: string,
  ): Promise<Connection | undefined>;
  /**
   * Whether any workspace has the account connected. TikTok knows one grant of an account to an app: to revoke it for one workspace
   * would end it for all.
   */
  isConnected(apiFamily: Connection['apiFamily'], openId: string): Promise<boolean>;
  /** Every connection of the account, in whatever workspace and state, oldest first. */
  ofAccount(apiFamily: Connection['apiFamily'], openId: string): Promise<readonly Connection[]>;
  /** Oldest first. */
  list(
    filter: { readonly workspaceId: WorkspaceId; readonly states: readonly ConnectionState[] },
    page: PageRequest,
  ): Promise<Page<Connection>>;
  /** Stores a new connection; false, and nothing stored, when the account is already connected to the workspace. */
  add(connection: Connection): Promise<boolean>;
  /** Loads, applies `change`, stores with the next version, in one transaction. A refused change stores nothing, and neither
   * does one that gives back the very connection it got. `change` does no I/O. */
  update<E>(
    id: ConnectionId,
    change: (connection: Connection) => Result<Connection, E>,
  ): Promise<Result<Connection, E | { readonly code: 'NOT_FOUND' }>>;
  /**
   * Up to `limit` connections whose refresh token ends within one of `WARNING_DAYS` that was not told yet, by the store's clock,
   * the earliest end first.
   */
  ending(limit: number): Promise<readonly ConnectionId[]>;
}
