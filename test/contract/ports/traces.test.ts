import { SpanKind } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { describe, expect, it } from 'vitest';
import { ATTRIBUTES } from '../../../src/adapters/traces/attributes.ts';
import { openTelemetryTraces } from '../../../src/adapters/traces/opentelemetry-traces.ts';
import { type SamplerName, samplerOf } from '../../../src/adapters/traces/sampler.ts';
import { type EndedCall, type Facts, NO_TRACES } from '../../../src/application/ports/traces.ts';
import { type RecordedSpan, recordingTraces } from '../../support/recording-traces.ts';
import { tracesContract } from './traces.contract.ts';

tracesContract('recordingTraces', () => {
  const traces = recordingTraces();
  return { traces, ended: () => traces.spans };
});

function inMemory(sampler: Sampler = samplerOf('parentbased_always_on', 1)) {
  const exporter = new InMemorySpanExporter();
  const spanProcessors = [new SimpleSpanProcessor({ exporter })];
  return { exporter, traces: openTelemetryTraces(new TracerProvider({ sampler, spanProcessors })) };
}

const parentOf = (context: ReturnType<ReadableSpan['spanContext']>): string =>
  `00-${context.traceId}-${context.spanId}-0${context.traceFlags}`;

const factsOf = ({ attributes }: ReadableSpan): Facts =>
  Object.fromEntries(
    Object.entries(ATTRIBUTES).flatMap(([fact, name]) => (name in attributes ? [[fact, attributes[name]]] : [])),
  );

const callOf = ({ attributes, duration: [seconds, nanos] }: ReadableSpan): EndedCall => ({
  method: String(attributes['http.request.method']),
  server: `https://${attributes['server.address']}`,
  endpoint: String(attributes['url.template']),
  milliseconds: seconds * 1000 + nanos / 1e6,
  status: Number(attributes['http.response.status_code']),
  code: String(attributes['tiktok.error_code']),
  logId: String(attributes['tiktok.log_id']),
});

/** As the suite sees them. */
function recorded(spans: readonly ReadableSpan[]): readonly RecordedSpan[] {
  const calls = spans.filter(({ kind }) => kind === SpanKind.CLIENT);
  return spans
    .filter((span) => !calls.includes(span))
    .map((span) => ({
      name: span.name,
      kind: span.kind === SpanKind.SERVER ? 'SERVER' : 'INTERNAL',
      here: parentOf(span.spanContext()),
      facts: factsOf(span),
      calls: calls
        .filter(({ parentSpanContext }) => parentSpanContext?.spanId === span.spanContext().spanId)
        .map(callOf),
      ...(span.parentSpanContext && { parent: parentOf(span.parentSpanContext) }),
      ...(span.links[0] && { cause: parentOf(span.links[0].context) }),
    }));
}

tracesContract('openTelemetryTraces', () => {
  const { traces, exporter } = inMemory();
  return { traces, ended: () => recorded(exporter.getFinishedSpans()) };
});

describe('openTelemetryTraces', () => {
  it('is nowhere in a call to TikTok: TikTok is told of no trace', async () => {
    const { traces, exporter } = inMemory();
    traces.called({ method: 'GET', server: 'http://127.0.0.1:8090', endpoint: '/v2/x/', milliseconds: 5_000 });
    const [call] = exporter.getFinishedSpans();
    expect(call).toMatchObject({ name: 'GET /v2/x/', kind: SpanKind.CLIENT, duration: [5, 0], status: { code: 0 } });
    expect(call?.attributes).toEqual({
      'http.request.method': 'GET',
      'server.address': '127.0.0.1',
      'server.port': 8090,
      'url.template': '/v2/x/',
    });
  });

  it.each([
    [{ status: 200, code: 'ok' }, undefined],
    [{ status: 200, code: '40105' }, '40105'],
    [{ status: 401, code: 'access_token_invalid' }, 'access_token_invalid'],
    [{ status: 503 }, '503'],
    [{ code: 'UND_ERR_SOCKET' }, 'UND_ERR_SOCKET'],
  ])('counts the call %o as failed by %s', async (answer, failure) => {
    const { traces, exporter } = inMemory();
    traces.called({ method: 'GET', server: 'https://tiktok.example', endpoint: '/', milliseconds: 1, ...answer });
    const { attributes, status } = exporter.getFinishedSpans()[0] as ReadableSpan;
    expect([attributes['error.type'], status.code]).toEqual([failure, failure === undefined ? 0 : 2]);
  });

  it.each([
    [{ rpcStatus: 'OK' }, undefined],
    [{ rpcStatus: 'NOT_FOUND' }, undefined],
    [{ rpcStatus: 'CANCELLED' }, undefined],
    [{ rpcStatus: 'UNAVAILABLE' }, 'UNAVAILABLE'],
    [{ rpcStatus: 'DEADLINE_EXCEEDED' }, 'DEADLINE_EXCEEDED'],
    [{ httpStatus: 404 }, undefined],
    [{ httpStatus: 503 }, '503'],
    [{ failure: 'CONTENT_FLAGGED' }, 'CONTENT_FLAGGED'],
  ])('counts work of which %o is told as failed by %s', async (facts, failure) => {
    const { traces, exporter } = inMemory();
    await traces.span({ name: 'work' }, async () => traces.tell(facts));
    const { attributes, status } = exporter.getFinishedSpans()[0] as ReadableSpan;
    expect([attributes['error.type'], status]).toEqual([failure, failure === undefined ? { code: 0 } : { code: 2 }]);
  });

  const KEPT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const NOT_KEPT = KEPT.replace(/01$/, '00');
  /** Which of work with no cause, with a cause that is kept and with one that is not, and of the same with callers, are kept. */
  it.each<[SamplerName, number, readonly string[]]>([
    ['always_on', 0, ['alone', 'caused kept', 'caused not', 'called kept', 'called not']],
    ['always_off', 1, []],
    ['traceidratio', 1, ['alone', 'caused kept', 'caused not', 'called kept', 'called not']],
    ['traceidratio', 0, []],
    ['parentbased_always_on', 0, ['alone', 'caused kept', 'called kept']],
    ['parentbased_always_off', 1, ['caused kept', 'called kept']],
    ['parentbased_traceidratio', 1, ['alone', 'caused kept', 'called kept']],
    ['parentbased_traceidratio', 0, ['caused kept', 'called kept']],
  ])('with the sampler %s and %d keeps: %j', async (name, ratio, kept) => {
    const { traces, exporter } = inMemory(samplerOf(name, ratio));
    const nothing = async () => undefined;
    await traces.span({ name: 'alone' }, nothing);
    await traces.span({ name: 'caused kept', cause: KEPT }, nothing);
    await traces.span({ name: 'caused not', cause: NOT_KEPT }, nothing);
    await traces.span({ name: 'called kept', caller: { traceparent: KEPT } }, nothing);
    await traces.span({ name: 'called not', caller: { traceparent: NOT_KEPT } }, nothing);
    expect(exporter.getFinishedSpans().map((span) => span.name)).toEqual(kept);
  });

  it('knows where it is in a span that is not kept, so that what it causes is not kept either', async () => {
    const { traces } = inMemory(samplerOf('always_off', 1));
    const here = await traces.span({ name: 'answer', caller: { traceparent: KEPT } }, async () => traces.here());
    expect(here).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[\da-f]{16}-00$/);
  });
});

it('NO_TRACES runs the work and nothing else', async () => {
  const run = async () => NO_TRACES.here();
  expect(await NO_TRACES.span({ name: 'work' }, run)).toBeUndefined();
  NO_TRACES.tell({ outcome: 'NOTHING' });
});
