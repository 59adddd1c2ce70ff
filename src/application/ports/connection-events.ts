import type { Connection, ConnectionState } from '../../domain/connection/connection.ts';
import type { ConnectionId, WorkspaceId } from '../../domain/ids.ts';
import type { Outbox } from './outbox.ts';

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

/** A change that only moves the ends of the tokens is no event. */
export type ConnectionEvents = Outbox<ConnectionEvent, ConnectionEventFilter>;
