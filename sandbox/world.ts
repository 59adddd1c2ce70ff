import type { ByAccount } from './by-account.ts';
import type { Clock, Timeline } from './clock.ts';
import type { Faults } from './faults.ts';
import type { Ids } from './ids.ts';
import type { Insights } from './insights/told.ts';
import type { RateLimits } from './rate-limits.ts';
import type { State } from './state.ts';
import type { Webhooks } from './webhooks.ts';

/** What all parts of the sandbox share. There is one state; whoever changes it says so with `changed`. */
export type World = {
  readonly state: State;
  readonly byAccount: ByAccount;
  readonly clock: Clock;
  readonly timeline: Timeline;
  readonly ids: Ids;
  readonly limits: RateLimits;
  readonly faults: Faults;
  readonly webhooks: Webhooks;
  readonly insights: Insights;
  /** Where the sandbox listens, for the URLs it hands out. */
  origin(): string;
  /** Stores the change before the answer leaves, and looks whether somebody was waiting for it. */
  changed(): void;
  /** For what goes wrong where nobody is asking. */
  report(problem: string, error: unknown): void;
};
