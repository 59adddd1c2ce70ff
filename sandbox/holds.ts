import type { EndpointName } from './endpoint.ts';
import { notFound } from './input.ts';

/** A call that waits, because of a `hold` fault, for somebody to let it go. */
export type Hold = {
  readonly id: string;
  readonly faultId: string;
  readonly endpoint: EndpointName;
  readonly account: string | null;
  readonly when: 'before' | 'after';
};

export type HoldMatch = { faultId?: string; endpoint?: EndpointName };

export type Holds = {
  /** Resolves when released, with how the call shall end. */
  wait(hold: Omit<Hold, 'id'>): Promise<'answer' | 'drop'>;
  list(): Hold[];
  /** Resolves with a call that is held now, or with the next one that is. */
  arrival(match: HoldMatch): Promise<Hold>;
  /** Of one call, or of all; gives how many. */
  release(id: string | undefined, how: 'answer' | 'drop'): number;
};

export function heldCalls(): Holds {
  let serial = 0;
  const held = new Map<string, { hold: Hold; release: (how: 'answer' | 'drop') => void }>();
  let waiters: { match: HoldMatch; resolve: (hold: Hold) => void }[] = [];

  const fits = (hold: Hold, match: HoldMatch) =>
    (match.faultId ?? hold.faultId) === hold.faultId && (match.endpoint ?? hold.endpoint) === hold.endpoint;

  return {
    wait(call) {
      serial += 1;
      const hold: Hold = { ...call, id: `hold-${serial}` };
      return new Promise((resolve) => {
        held.set(hold.id, { hold, release: resolve });
        const served = waiters.filter(({ match }) => fits(hold, match));
        waiters = waiters.filter((waiter) => !served.includes(waiter));
        for (const waiter of served) waiter.resolve(hold);
      });
    },
    list: () => [...held.values()].map(({ hold }) => hold),
    arrival(match) {
      const present = [...held.values()].find(({ hold }) => fits(hold, match));
      if (present) return Promise.resolve(present.hold);
      return new Promise((resolve) => {
        waiters.push({ match, resolve });
      });
    },
    release(id, how) {
      const chosen = id === undefined ? [...held.keys()] : [id];
      for (const each of chosen) {
        const found = held.get(each) ?? notFound('hold', each, 'GET /_sandbox/holds lists the calls that wait.');
        held.delete(each);
        found.release(how);
      }
      return chosen.length;
    },
  };
}
