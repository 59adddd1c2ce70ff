import type { HoldReason } from '../../domain/post/post.ts';
import type { PublishErrorCode } from '../../domain/publish-error.ts';

/** How much waits, over all workers. */
export type BacklogFigures = {
  /** Posts whose next step should have begun and that nobody has taken. Counted up to `COUNTED_AT_MOST`. */
  readonly overdue: number;
  /** Since when the one that waits longest should have gone on; 0 when none does. */
  readonly oldestOverdueSeconds: number;
  readonly held: Readonly<Record<HoldReason, number>>;
  readonly unconfirmed: number;
  /** Posts that were set aside because the work on them ended its workers. Those that may be out already count as unconfirmed. */
  readonly setAside: number;
  /** Gates that keep posts from going out, by why they were shut and whether one post is trying to pass. */
  readonly shutGates: readonly {
    readonly code: PublishErrorCode;
    readonly tried: boolean;
    readonly gates: number;
  }[];
};

/** More is as bad as this many, and counting on would cost what the posts themselves need. */
export const COUNTED_AT_MOST = 100_000;

export interface Backlog {
  /** One look at this moment. Throws when it can't be told within a second. */
  read(): Promise<BacklogFigures>;
}
