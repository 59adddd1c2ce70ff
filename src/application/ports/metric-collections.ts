import type { AccountReading, Day, VideoReading } from '../../domain/analytics/reading.ts';
import type { ApiFamily } from '../../domain/connection/connection.ts';
import type { ConnectionId, WorkspaceId } from '../../domain/ids.ts';

/** How far the collection of one account's numbers has come. */
export type CollectionPlan = {
  /** When its newest videos were listed last. Absent: never. */
  readonly listedTime?: Date;
  /** When they are listed next. */
  readonly listTime: Date;
  /** Its list was gone through to the end once, so that what is on no page that is new is known. */
  readonly listedAll: boolean;
  /** What was created before this moment is to be listed still. Absent: nothing is left over. */
  readonly listBefore?: Date;
  /** When the account is read next. */
  readonly accountTime: Date;
  /** The last day that TikTok told something of. */
  readonly lastDay?: Day;
};

/** The right to collect the numbers of one connection, until it lapses. */
export type CollectionLease = {
  readonly connectionId: ConnectionId;
  readonly workspaceId: WorkspaceId;
  readonly apiFamily: ApiFamily;
  /** When the connection was made. */
  readonly connectTime: Date;
  /** Grows with each lease: whoever held an earlier one stores nothing any more. */
  readonly fence: number;
  /** Since when it has been due. */
  readonly dueTime: Date;
  /** How often it was put off in a row. */
  readonly failures: number;
  readonly plan: CollectionPlan;
};

/** What TikTok answered about videos at `time`, when it was asked. */
export type VideosTold = {
  readonly time: Date;
  /** Each video once. */
  readonly readings: readonly VideoReading[];
  /** Asked for by id and left out. Those that nothing was ever known of are left out here too. */
  readonly missing: readonly string[];
};

export type Recorded = {
  /** How many of them nothing was known of before. */
  readonly unknown: number;
  /** How many numbers had changed, and left a snapshot. */
  readonly snapshots: number;
};

/** Whose numbers are collected when, and what was told. Storing the same again, or something older, changes nothing. */
export interface MetricCollections {
  /**
   * Makes due, by its own clock, what nobody holds: connections that have become ACTIVE, whether for the first time or again, and
   * those whose videos were not listed since a post of ours became one of them. Gives how many, and whether anybody is due, of those
   * or of others.
   */
  discover(): Promise<{ readonly found: number; readonly isAnyDue: boolean }>;
  /**
   * Up to `limit` connections of `families` that are due, one of each workspace before the second of any, and within a workspace
   * the one that has been due longest. What was given comes due again after `leaseSeconds`, should nothing become of it.
   */
  claimDue(request: {
    readonly families: readonly ApiFamily[];
    readonly limit: number;
    readonly leaseSeconds: number;
  }): Promise<readonly CollectionLease[]>;
  /** Ids of up to `limit` videos to look at until `time`, the longest due first. */
  dueVideos(connectionId: ConnectionId, time: Date, limit: number): Promise<readonly string[]>;
  /** When the next video is to be looked at, and when the newest one was created. */
  outlook(connectionId: ConnectionId): Promise<{ readonly nextVideoTime?: Date; readonly newestCreateTime?: Date }>;
  /**
   * Stores what was told and how far that brings the plan, both or neither, and holds the lease for `leaseSeconds` more. A number
   * that was not told stays as it is known. Undefined, and nothing stored, when the lease is another's by now.
   */
  recordVideos(
    lease: CollectionLease,
    told: VideosTold,
    plan: CollectionPlan,
    leaseSeconds: number,
  ): Promise<Recorded | undefined>;
  /** The same for the account: `reading.days` with the day that is not over. False when the lease is another's by now. */
  recordAccount(
    lease: CollectionLease,
    told: { readonly time: Date; readonly reading: AccountReading },
    plan: CollectionPlan,
    leaseSeconds: number,
  ): Promise<boolean>;
  /** Gives the lease back, due again at `dueTime`. Nothing went wrong. */
  finish(lease: CollectionLease, plan: CollectionPlan, dueTime: Date): Promise<void>;
  /** Gives the lease back, due again at `dueTime`. A failure makes the next pause longer. */
  putOff(lease: CollectionLease, dueTime: Date, because: 'NO_TURN' | 'FAILURE'): Promise<void>;
  /** Gives the lease back, due again when `discover` finds the connection ACTIVE. */
  rest(lease: CollectionLease): Promise<void>;
}
