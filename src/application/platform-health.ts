import type { ApiFamily } from '../domain/connection/connection.ts';
import { type Outcome, outageIn, RATE_WINDOW_SECONDS } from '../domain/error-rate.ts';
import { platformGate } from '../domain/post/gate.ts';
import type { PublishError } from '../domain/publish-error.ts';
import type { Clock } from './ports/clock.ts';
import type { Gates } from './ports/gates.ts';
import type { Log } from './ports/log.ts';

/** What each call tells of TikTok's health. When most calls of this process fail, nothing new is begun in any process. */
export interface PlatformHealth {
  /** One call ended; `error` when it was not answered as it should have been. */
  note(apiFamily: ApiFamily, error?: PublishError): void;
}

/** Before one post tries again: half a minute, and twice as long after each try that failed. */
const OUTAGE = { seconds: 30, atMostSeconds: 300 } as const;

export function platformHealth(needs: {
  readonly gates: Gates;
  readonly clock: Clock;
  readonly log: Log;
}): PlatformHealth {
  const { gates, clock, log } = needs;
  const outcomes = new Map<ApiFamily, Outcome[]>();

  async function shut(apiFamily: ApiFamily, error: PublishError): Promise<void> {
    const until = await gates.shut({ key: platformGate(apiFamily), ...OUTAGE }, error);
    log.error({ apiFamily, ...error, until }, 'TikTok is not well: nothing new is begun until one post gets through');
  }

  return {
    note(apiFamily, error) {
      const now = clock.now();
      const before = outcomes.get(apiFamily) ?? [];
      const oldest = now.getTime() - RATE_WINDOW_SECONDS * 1000;
      const kept = before.findIndex(({ time }) => time.getTime() >= oldest);
      before.splice(0, kept === -1 ? before.length : kept);
      before.push(error === undefined ? { time: now } : { time: now, error });
      outcomes.set(apiFamily, before);
      const outage = error === undefined ? undefined : outageIn(before, now);
      if (outage === undefined) return;
      // What led to this is no reason to shut again once it is over.
      outcomes.delete(apiFamily);
      shut(apiFamily, outage).catch((failure: unknown) =>
        log.error({ error: failure }, 'the breaker could not be opened; it is tried again with the next failures'),
      );
    },
  };
}
