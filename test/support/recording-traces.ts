import { AsyncLocalStorage } from 'node:async_hooks';
import type { EndedCall, Facts, TraceParent, Traces } from '../../src/application/ports/traces.ts';

export type RecordedSpan = {
  readonly name: string;
  readonly kind: 'SERVER' | 'INTERNAL';
  readonly here: TraceParent;
  /** The span it is a part of, our caller's included. */
  readonly parent?: TraceParent;
  readonly cause?: TraceParent;
  readonly facts: Facts;
  readonly calls: readonly EndedCall[];
};

/** Keeps what it is told, spans in the order of their ends. Every one of them is sampled. */
export function recordingTraces(): Traces & { readonly spans: readonly RecordedSpan[] } {
  type Open = { -readonly [Key in keyof RecordedSpan]: RecordedSpan[Key] } & { calls: EndedCall[] };
  const storage = new AsyncLocalStorage<Open>();
  const spans: RecordedSpan[] = [];
  let serial = 0;
  const fresh = (length: number): string => (++serial).toString(16).padStart(length, '0');

  return {
    spans,
    async span({ name, kind, caller, cause, facts = {} }, run) {
      const around = caller === undefined ? storage.getStore()?.here : readable(caller.traceparent);
      const parent = cause === undefined ? around : undefined;
      const trace = parent?.split('-')[1] ?? fresh(32);
      const own: Open = {
        name,
        kind: kind ?? 'INTERNAL',
        here: `00-${trace}-${fresh(16)}-01`,
        facts,
        calls: [],
        ...(parent === undefined ? {} : { parent }),
        ...(readable(cause) === undefined ? {} : { cause: readable(cause) as string }),
      };
      try {
        return await storage.run(own, run);
      } catch (error) {
        own.facts = { ...own.facts, failure: error instanceof Error ? error.name : typeof error };
        throw error;
      } finally {
        spans.push(own);
      }
    },
    tell(facts) {
      const own = storage.getStore();
      if (own !== undefined) own.facts = { ...own.facts, ...facts };
    },
    called: (call) => void storage.getStore()?.calls.push(call),
    here: () => storage.getStore()?.here,
  };
}

const readable = (traceparent: string | undefined): TraceParent | undefined =>
  /^00-(?!0{32})[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/.test(traceparent ?? '') ? traceparent : undefined;
