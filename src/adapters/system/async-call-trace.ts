import { AsyncLocalStorage } from 'node:async_hooks';
import type { CallTrace, TracedCall } from '../../application/ports/call-trace.ts';

/** Whoever makes a call tells it here; it lands with the work that it was made for. */
export function asyncCallTrace(): CallTrace & { record(call: TracedCall): void } {
  const storage = new AsyncLocalStorage<{ calls: TracedCall[] }>();
  return {
    record: (call) => {
      storage.getStore()?.calls.push(call);
    },
    during: (work) => {
      const own = { calls: [] as TracedCall[] };
      return storage.run(own, () => work(() => own.calls.splice(0)));
    },
  };
}
