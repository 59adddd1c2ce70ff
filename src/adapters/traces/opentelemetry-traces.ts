import { type Context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { parseTraceParent, W3CTraceContextPropagator } from '@opentelemetry/core';
import type { TracerProvider } from '@opentelemetry/sdk-trace';
import type { Traces, Work } from '../../application/ports/traces.ts';
import { addFacts, attributesOfCall, failureOfCall } from './attributes.ts';

const propagator = new W3CTraceContextPropagator();
const headers = {
  get: (carrier: NonNullable<Work['caller']>, name: string) => carrier[name as keyof typeof carrier],
  keys: Object.keys,
};

/** Nothing of it is global: what libraries would tell through OpenTelemetry's own globals is not in our traces. */
export function openTelemetryTraces(provider: TracerProvider): Traces {
  const tracer = provider.getTracer('tiktok-connector');
  const contexts = new AsyncLocalStorageContextManager();

  function contextOf({ caller, cause }: Work): Context {
    if (cause !== undefined) return ROOT_CONTEXT;
    return caller === undefined ? contexts.active() : propagator.extract(ROOT_CONTEXT, caller, headers);
  }

  function begin(work: Work, context: Context): Span {
    const cause = work.cause === undefined ? null : parseTraceParent(work.cause);
    const span = tracer.startSpan(
      work.name,
      {
        kind: work.kind === 'SERVER' ? SpanKind.SERVER : SpanKind.INTERNAL,
        links: cause === null ? [] : [{ context: cause }],
      },
      context,
    );
    if (work.facts !== undefined) addFacts(span, work.facts);
    return span;
  }

  return {
    async span(work, run) {
      const context = contextOf(work);
      const span = begin(work, context);
      try {
        return await contexts.with(trace.setSpan(context, span), run);
      } catch (error) {
        addFacts(span, { failure: error instanceof Error ? error.name : typeof error });
        throw error;
      } finally {
        span.end();
      }
    },

    tell(facts) {
      const span = trace.getSpan(contexts.active());
      // What goes on after its span has ended, such as a refresh that its caller gave up waiting for, has nothing to add to.
      if (span?.isRecording()) addFacts(span, facts);
    },

    called(call) {
      const now = Date.now();
      const span = tracer.startSpan(
        `${call.method} ${call.endpoint}`,
        { kind: SpanKind.CLIENT, startTime: now - call.milliseconds, attributes: attributesOfCall(call) },
        contexts.active(),
      );
      if (failureOfCall(call) !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end(now);
    },

    here() {
      const carrier: { traceparent?: string } = {};
      propagator.inject(contexts.active(), carrier, {
        set: (to, name, value) => void Object.assign(to, { [name]: value }),
      });
      return carrier.traceparent;
    },
  };
}
