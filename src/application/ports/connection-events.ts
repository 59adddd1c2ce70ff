import type { Connection, ConnectionState } from '../../domain/connection/connection.ts';
import type { ConnectionId, WorkspaceId } from '../../domain/ids.ts';

export type ConnectionEvent = {
  /** The connection right after the change. */
  readonly connection: Connection;
  /** Absent for a new connection. */
  readonly previousState?: ConnectionState;
  readonly eventTime: Date;
  /** Opaque: where to go on after this event. */
  readonly cursor: string;
};

export type ConnectionEventFilter = {
  readonly workspaceId: WorkspaceId;
  /** Empty: all. */
  readonly connectionIds: readonly ConnectionId[];
};

/**
 * The outbox of connections. Events of one connection are in the order of its changes; no event is ever skipped, however late it
 * commits. A change that only moves the ends of the tokens is none.
 */
export interface ConnectionEvents {
  /** Where the outbox ends at this moment. */
  end(): Promise<string>;
  /** Undefined for a text that is no cursor of ours. `reached` is where to go on, also when every event was filtered out. */
  after(
    cursor: string,
    filter: ConnectionEventFilter,
    limit: number,
  ): Promise<{ readonly events: readonly ConnectionEvent[]; readonly reached: string } | undefined>;
  /** Calls `listener` soon after something may be new, in whichever process it happened; now and then for nothing. */
  subscribe(listener: () => void): () => void;
}
