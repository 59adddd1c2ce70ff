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
  /** TikTok was asked to renew this very pair, and nobody knows its answer: it may be spent. Since the first such time. */
  readonly unansweredSince?: Date;
};

export type NewCredential = Omit<Credential, 'version' | 'unansweredSince'> & {
  /** When it is to be renewed, should nobody need it before. */
  readonly refreshDueTime: Date;
};

/** A pair that is due to be renewed. */
export type DueCredential = Pick<Credential, 'connectionId' | 'version'> & {
  /** How often its renewal was put off in a row. */
  readonly failures: number;
};

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
  /** The same, unless the connection is not DISCONNECTED at that very moment: then it was reconnected with this pair. */
  destroyIfDisconnected(connectionId: ConnectionId): Promise<void>;
  /**
   * Marks that `owner` is about to spend the refresh token of pair `version`. BUSY when someone else is at it or the pair is
   * no longer current. Lapses by itself after `leaseSeconds`; TAKEN_OVER when an earlier claim had lapsed: its owner may still
   * come in with an answer, or have died with one, so the pair counts as unanswered from then on.
   */
  claimRefresh(
    connectionId: ConnectionId,
    version: number,
    owner: string,
    leaseSeconds: number,
  ): Promise<'CLAIMED' | 'TAKEN_OVER' | 'BUSY'>;
  /** Ends the claim of `owner`, where it still has it. */
  releaseRefresh(connectionId: ConnectionId, owner: string): Promise<void>;
  /** TikTok's answer about the pair `version` did not arrive. Nothing happens when a newer pair is there. */
  noteUnanswered(connectionId: ConnectionId, version: number): Promise<void>;
  /**
   * Up to `limit` pairs that are due, one of each workspace before the second of any, and within a workspace the one that has
   * been due longest. What was given comes due again after `leaseSeconds`, should nothing become of it.
   */
  claimDue(limit: number, leaseSeconds: number): Promise<readonly DueCredential[]>;
  /** When the next pair comes due by itself, or has. Undefined: none does. */
  nextDue(): Promise<Date | undefined>;
  /** The pair `version` comes due again in `seconds`; without them, not by itself. Nothing happens when a newer one is there. */
  putOff(connectionId: ConnectionId, version: number, seconds?: number): Promise<void>;
}
