import type { Clock } from '../../src/application/ports/clock.ts';
import type { Doorbell } from '../../src/application/ports/doorbell.ts';

export interface InMemoryDoorbell extends Doorbell {
  /** When it is set to ring next. */
  readonly nextRing: Date | undefined;
  /** How often it has rung. */
  readonly rings: number;
  /** Rings when its time has come, and does the recurring work once. */
  tick(): Promise<void>;
}

export function inMemoryDoorbell({ clock }: { readonly clock: Clock }): InMemoryDoorbell {
  const listeners = new Set<() => void>();
  const recurring = new Map<string, () => Promise<void>>();
  let nextRing: Date | undefined;
  let rings = 0;
  let started = false;

  function ring(): void {
    rings += 1;
    for (const listener of listeners) listener();
  }

  function ringWhenDue(): void {
    if (nextRing === undefined || nextRing > clock.now()) return;
    nextRing = undefined;
    ring();
  }

  return {
    get nextRing() {
      return nextRing;
    },
    get rings() {
      return rings;
    },
    async ringAt(time) {
      if (nextRing === undefined || time < nextRing) nextRing = new Date(time);
      ringWhenDue();
    },
    async ringNow() {
      ring();
    },
    onRing(listener) {
      const own = () => listener();
      listeners.add(own);
      return () => {
        listeners.delete(own);
      };
    },
    async every(name, _, work) {
      recurring.set(name, work);
      if (started) await work();
    },
    async start() {
      started = true;
      for (const work of recurring.values()) await work();
    },
    async stop() {
      started = false;
    },
    async tick() {
      ringWhenDue();
      if (started) for (const work of recurring.values()) await work();
    },
  };
}
