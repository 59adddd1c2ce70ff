import type { ConnectionId, WorkspaceId } from '../../domain/ids.ts';
import type { Secret } from '../../domain/secret.ts';

/** The tokens of one connection as they are stored, encrypted and bound to their row. */
export type Credential = {
  readonly connectionId: ConnectionId;
  readonly workspaceId: WorkspaceId;
  readonly accessToken: Secret;
  readonly refreshToken: Secret;
  readonly accessExpireTime: Date;
  readonly refreshExpireTime: Date;
  /** Grows by one with every pair: names the pair without showing it. */
  readonly version: number;
};

export type NewCredential = Omit<Credential, 'version'>;

/** Only `put` and `replace` ever store a pair; both are durable when they return. */
export interface Credentials {
  find(connectionId: ConnectionId): Promise<Credential | undefined>;
  /** A fresh consent: replaces whatever was there. */
  put(credential: NewCredential): Promise<Credential>;
  /**
   * Compare and set: stores the pair that came from the pair `parentVersion`. Undefined, and nothing stored, when a newer
   * pair or none is there.
   */
  replace(credential: NewCredential, parentVersion: number): Promise<Credential | undefined>;
  /** Gone at once. Repeating is harmless. */
  destroy(connectionId: ConnectionId): Promise<void>;
  /**
   * Marks that `owner` is about to spend the refresh token of pair `version`. BUSY when someone else is at it or the pair is
   * no longer current. Lapses by itself after `leaseSeconds`; TAKEN_OVER when an earlier claim had lapsed: its owner may still
   * come in with an answer.
   */
  claimRefresh(
    connectionId: ConnectionId,
    version: number,
    owner: string,
    leaseSeconds: number,
  ): Promise<'CLAIMED' | 'TAKEN_OVER' | 'BUSY'>;
  /** Ends the claim of `owner`, where it still has it. */
  releaseRefresh(connectionId: ConnectionId, owner: string): Promise<void>;
}
