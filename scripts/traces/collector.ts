import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';

export type CollectedSpan = {
  readonly name: string;
  readonly kind: string;
  /** Ids in hex, as in a `traceparent`. */
  readonly traceId: string;
  readonly spanId: string;
  /** Absent at the root of a trace. */
  readonly parentId?: string;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly failed: boolean;
  /** Since 1970. */
  readonly startMilliseconds: number;
  readonly milliseconds: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** Of the process that it comes from. */
  readonly resource: Readonly<Record<string, string | number | boolean>>;
  /** All of it, as it was on the wire, in JSON: for whoever looks for what must not be there. */
  readonly raw: string;
};

type KeyValue = { readonly key: string; readonly value: Readonly<Record<string, string | number | boolean>> };
type WireSpan = Readonly<
  Record<'trace_id' | 'span_id' | 'parent_span_id', Buffer> &
    Record<'name' | 'kind' | 'start_time_unix_nano' | 'end_time_unix_nano', string>
> & {
  readonly attributes: readonly KeyValue[];
  readonly links: readonly Record<'trace_id' | 'span_id', Buffer>[];
  readonly status: { readonly code: string } | null;
};
type Delivery = {
  readonly resource_spans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] } | null;
    readonly scope_spans: readonly { readonly spans: readonly WireSpan[] }[];
  }[];
};

const definitions = loadSync(fileURLToPath(new URL('otlp.proto', import.meta.url)), {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
});
const { Export: delivering } = definitions['opentelemetry.TraceService'] as ServiceDefinition;

/** Takes traces as an OpenTelemetry collector does: OTLP over HTTP, in protobuf, on loopback. Gives the spans of each delivery. */
export async function collector(
  onSpans: (spans: readonly CollectedSpan[], request: IncomingMessage) => void,
  port = 0,
): Promise<{ readonly endpoint: string; close(): Promise<void> }> {
  const server = createServer(async (request, response) => {
    if (request.method !== 'POST' || request.url !== '/v1/traces') return void response.writeHead(404).end();
    const body = await buffer(request);
    const bytes = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
    onSpans(spansIn(delivering?.requestDeserialize(bytes) as Delivery), request);
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const spansIn = ({ resource_spans }: Delivery): readonly CollectedSpan[] =>
  resource_spans.flatMap(({ resource, scope_spans }) =>
    scope_spans.flatMap(({ spans }) => spans.map((span) => collected(span, valuesOf(resource?.attributes ?? [])))),
  );

function collected(span: WireSpan, resource: CollectedSpan['resource']): CollectedSpan {
  const [start, end] = [span.start_time_unix_nano, span.end_time_unix_nano].map((nanos) => Number(nanos) / 1e6);
  return {
    name: span.name,
    kind: span.kind,
    traceId: span.trace_id.toString('hex'),
    spanId: span.span_id.toString('hex'),
    ...(span.parent_span_id.length > 0 ? { parentId: span.parent_span_id.toString('hex') } : {}),
    links: span.links.map((link) => ({ traceId: link.trace_id.toString('hex'), spanId: link.span_id.toString('hex') })),
    failed: span.status?.code === 'ERROR',
    startMilliseconds: start ?? 0,
    milliseconds: (end ?? 0) - (start ?? 0),
    attributes: valuesOf(span.attributes),
    resource,
    raw: JSON.stringify(span),
  };
}

/** Whole numbers come as text, so that none of them loses a digit. */
const valuesOf = (pairs: readonly KeyValue[]): CollectedSpan['attributes'] =>
  Object.fromEntries(
    pairs.map(({ key, value: { value: kind, ...values } }) => {
      const value = values[String(kind)] ?? '';
      return [key, kind === 'int_value' ? Number(value) : value];
    }),
  );
