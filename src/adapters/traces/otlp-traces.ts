import { DiagLogLevel, diag } from '@opentelemetry/api';
import { ExportResultCode } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Log } from '../../application/ports/log.ts';
import type { Traces } from '../../application/ports/traces.ts';
import type { Secret } from '../../domain/secret.ts';
import { openTelemetryTraces } from './opentelemetry-traces.ts';
import { type SamplerName, samplerOf } from './sampler.ts';

export type OtlpTracing = {
  /** Of the collector, as in `OTEL_EXPORTER_OTLP_ENDPOINT`: `/v1/traces` is added. Without a slash at the end. */
  readonly endpoint: string;
  /** Sent with each delivery: what the collector wants for a login. */
  readonly headers: Readonly<Record<string, Secret>>;
  readonly serviceName: string;
  readonly sampler: SamplerName;
  /** Of the traces that the sampler decides about. From 0 to 1. */
  readonly ratio: number;
};

/** Ended spans that wait for their delivery: a few MB. Whatever comes when they are so many is lost. */
const MOST_WAITING = 4096;
/** Between two deliveries, while there is little to deliver. */
const PAUSE_MILLISECONDS = 1_000;
/** As long as the collector may take for one delivery, tries again included. */
const DELIVERY_MILLISECONDS = 5_000;
/** At the end of the process. */
const FLUSH_MILLISECONDS = 2_000;
/** What the SDK complains about is said no more often. */
const COMPLAINT_MILLISECONDS = 60_000;

/**
 * Delivers spans to a collector by OTLP over HTTP (protobuf), in the background. A collector that is away is said once; nothing waits
 * for it, and what does not fit is lost. `close` delivers what is left, within two seconds.
 */
export function otlpTraces(
  { endpoint, headers, serviceName, sampler, ratio }: OtlpTracing,
  { owner, log }: { readonly owner: string; readonly log: Pick<Log, 'info' | 'warn'> },
): Traces & { close(): Promise<void> } {
  let away = false;
  let lost = 0;
  let complainedAt = Number.NEGATIVE_INFINITY;

  /** Such as spans that were dropped because deliveries take too long, or that the collector took only a part of. */
  function complain(complaint: string): void {
    const now = performance.now();
    if (away || now - complainedAt < COMPLAINT_MILLISECONDS) return;
    complainedAt = now;
    log.warn({ endpoint, complaint }, 'traces are incomplete');
  }
  const silent = () => undefined;
  diag.setLogger(
    { warn: complain, error: silent, info: silent, debug: silent, verbose: silent },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );

  const exporter = new OTLPTraceExporter({
    url: `${endpoint}/v1/traces`,
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.reveal()])),
    timeoutMillis: DELIVERY_MILLISECONDS,
  });
  const watched: SpanExporter = {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const failed = result.code !== ExportResultCode.SUCCESS;
        if (failed) lost += spans.length;
        if (failed && !away) {
          log.warn(
            { endpoint, error: result.error },
            'traces are not delivered: they are lost until the collector answers',
          );
        }
        if (!failed && away) {
          log.info({ endpoint, spans: lost }, 'traces are delivered again; so many spans were lost');
          lost = 0;
        }
        away = failed;
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
  };
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName, 'service.instance.id': owner }),
    sampler: samplerOf(sampler, ratio),
    spanLimits: { attributeValueLengthLimit: 256 },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: watched,
        maxQueueSize: MOST_WAITING,
        scheduledDelayMillis: PAUSE_MILLISECONDS,
      }),
    ],
  });

  return {
    ...openTelemetryTraces(provider),
    async close() {
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, FLUSH_MILLISECONDS);
      // What could not be delivered was said where it failed.
      await Promise.race([provider.shutdown().catch(() => undefined), late.promise]);
      clearTimeout(timer);
    },
  };
}
