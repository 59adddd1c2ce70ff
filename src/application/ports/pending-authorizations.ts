import type { Workspaces } from '../../domain/caller.ts';
import type { ApiFamily } from '../../domain/connection/connection.ts';
import type { ConnectionId, WorkspaceId } from '../../domain/ids.ts';

/** An authorization that was begun and waits for the person. */
export type PendingAuthorization = {
  readonly workspaceId: WorkspaceId;
  readonly apiFamily: ApiFamily;
  readonly returnUri?: string;
  /** Only the account of this connection is accepted. */
  readonly reconnects?: ConnectionId;
  readonly expireTime: Date;
};

/** Keyed by `state`, of which only a digest is stored. */
export interface PendingAuthorizations {
  add(state: string, pending: PendingAuthorization): Promise<void>;
  /**
   * Gives it out once, to one caller. Undefined for an unknown, used or expired state, and for one of a workspace that is not
   * among `workspaces`: that one can still be taken by whom it belongs to.
   */
  take(state: string, now: Date, workspaces: Workspaces): Promise<PendingAuthorization | undefined>;
  /** Forgets what nobody came back for. */
  dropExpired(now: Date): Promise<void>;
}
