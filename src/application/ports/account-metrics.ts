import type { AccountBreakdown, AccountDay, AccountNumber, Day, Share } from '../../domain/analytics/reading.ts';
import type { ConnectionId } from '../../domain/ids.ts';
import type { Known } from './video-metrics.ts';

/** An account and the last that is known of each of its numbers: a later silence of TikTok takes nothing back. */
export type MeasuredAccount = {
  readonly connectionId: ConnectionId;
  readonly numbers: { readonly [Name in AccountNumber]?: Known<number> };
  readonly breakdowns: { readonly [Name in AccountBreakdown]?: Known<readonly Share[]> };
  /** Oldest first, each with when TikTok told the newest of its numbers. */
  readonly days: readonly (AccountDay & { readonly asOf: Date })[];
  /** When TikTok was last asked about the account. Absent: never. */
  readonly collectTime?: Date;
  /** When TikTok is asked next. Absent: not before the connection is ACTIVE again. */
  readonly nextCollectTime?: Date;
};

/** The numbers of accounts, as callers read them. */
export interface AccountMetrics {
  /** With the days from `from` to `until`, both included. Undefined when nothing was ever planned for this connection. */
  find(connectionId: ConnectionId, from: Day, until: Day): Promise<MeasuredAccount | undefined>;
}
