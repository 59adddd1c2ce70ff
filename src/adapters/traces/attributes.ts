import { type Attributes, type Span, SpanStatusCode } from '@opentelemetry/api';
import type { EndedCall, Facts } from '../../application/ports/traces.ts';

/** Under which names facts are exported: OpenTelemetry's own (semantic conventions 1.45) where it has one. */
export const ATTRIBUTES: Readonly<Record<keyof Facts, string>> = {
  postId: 'tiktok_connector.post.id',
  connectionId: 'tiktok_connector.connection.id',
  videoId: 'tiktok_connector.video.id',
  apiFamily: 'tiktok_connector.api_family',
  stateBefore: 'tiktok_connector.post.state.before',
  stateAfter: 'tiktok_connector.post.state.after',
  effect: 'tiktok_connector.post.effect',
  attempt: 'tiktok_connector.post.attempt',
  postError: 'tiktok_connector.post.error',
  waitSeconds: 'tiktok_connector.post.wait_seconds',
  sizeBytes: 'tiktok_connector.video.size_bytes',
  event: 'tiktok_connector.webhook.event',
  removed: 'tiktok_connector.removed',
  outcome: 'tiktok_connector.outcome',
  rpcMethod: 'rpc.method',
  rpcSystem: 'rpc.system.name',
  rpcStatus: 'rpc.status_code',
  httpMethod: 'http.request.method',
  httpRoute: 'http.route',
  httpStatus: 'http.response.status_code',
  failure: 'error.type',
};

/** The statuses that are the server's fault and not its caller's (semantic conventions for gRPC). */
const FAULTS: ReadonlySet<string> = new Set([
  'UNKNOWN',
  'DEADLINE_EXCEEDED',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
]);

/** Why a span with these facts counts as failed. */
function failureIn({ failure, rpcStatus = 'OK', httpStatus = 0 }: Facts): string | undefined {
  if (failure !== undefined) return failure;
  if (FAULTS.has(rpcStatus)) return rpcStatus;
  return httpStatus >= 500 ? String(httpStatus) : undefined;
}

export function addFacts(span: Span, facts: Facts): void {
  for (const [name, value] of Object.entries(facts)) span.setAttribute(ATTRIBUTES[name as keyof Facts], value);
  const failure = failureIn(facts);
  if (failure === undefined) return;
  span.setAttribute(ATTRIBUTES.failure, failure);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** What its answer says went wrong: TikTok's code, else HTTP's. In the Business family refusals come with HTTP 200. */
export const failureOfCall = ({ code = 'ok', status = 0 }: EndedCall): string | undefined => {
  if (code !== 'ok') return code;
  return status >= 400 ? String(status) : undefined;
};

export function attributesOfCall(call: EndedCall): Attributes {
  const { method, server, endpoint, status, code, logId } = call;
  const { hostname, port, protocol } = new URL(server);
  return {
    'http.request.method': method,
    'server.address': hostname,
    'server.port': Number(port) || (protocol === 'http:' ? 80 : 443),
    'url.template': endpoint,
    'http.response.status_code': status,
    'tiktok.error_code': code,
    'tiktok.log_id': logId,
    'error.type': failureOfCall(call),
  };
}
