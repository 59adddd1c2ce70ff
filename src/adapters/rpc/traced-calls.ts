import type { IncomingHttpHeaders } from 'node:http';
import type { DescMethod } from '@bufbuild/protobuf';
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import type { UniversalServerResponse } from '@connectrpc/connect/protocol';
import type { Facts, Traces, Work } from '../../application/ports/traces.ts';
import type { ConnectionId, PostId, VideoId } from '../../domain/ids.ts';

/** A call as a piece of work. It is a part of its caller's trace where the caller has one. */
export function workOf({ name, parent }: DescMethod, headers: IncomingHttpHeaders): Work {
  const rpcMethod = `${parent.typeName}/${name}`;
  const { traceparent, tracestate } = headers;
  return {
    name: rpcMethod,
    kind: 'SERVER',
    caller: { traceparent: String(traceparent ?? ''), tracestate: tracestate && String(tracestate) },
    facts: { rpcMethod, rpcSystem: isGrpc(headers) ? 'grpc' : 'connectrpc' },
  };
}

const isGrpc = (headers: IncomingHttpHeaders): boolean => /^application\/grpc/.test(headers['content-type'] ?? '');

/** As gRPC spells it. */
const statusOf = (code: Code): string =>
  code === Code.Canceled ? 'CANCELLED' : (Code[code] ?? 'Unknown').replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();

/** What of the answer is known without its body. A call that is refused before it can be read gets no further than this. */
export function outcomeOf({ status, trailer }: UniversalServerResponse): Facts {
  const grpcStatus = trailer?.get('grpc-status') ?? '0';
  if (grpcStatus !== '0') return { rpcStatus: statusOf(Number(grpcStatus)) };
  return status >= 400 && status < 500 ? { httpStatus: status } : {};
}

/** Tells how calls ended and, of what they answered, which of our things they were about. */
export const tellTraces =
  (traces: Traces): Interceptor =>
  (next) =>
  async (request) => {
    const failed = (error: unknown): never => {
      traces.tell({ rpcStatus: statusOf(ConnectError.from(error).code) });
      throw error;
    };
    async function* told<T extends object>(messages: AsyncIterable<T>): AsyncIterable<T> {
      try {
        for await (const message of messages) {
          if (request.method.methodKind === 'client_streaming') traces.tell(idsIn(message));
          yield message;
        }
        traces.tell({ rpcStatus: 'OK' });
      } catch (error) {
        failed(error);
      }
    }
    const response = await next(request).catch(failed);
    if (response.stream) return { ...response, message: told(response.message) };
    traces.tell({ rpcStatus: 'OK', ...idsIn(response.message) });
    return response;
  };

/** Of the one post, connection or video in an answer. All of them are ours; what a request names may be anything. */
function idsIn(answer: object): Facts {
  const { post, connection, video } = answer as {
    readonly post?: { readonly postId: string; readonly connectionId: string; readonly videoId: string };
    readonly connection?: { readonly connectionId: string };
    readonly video?: { readonly videoId: string };
  };
  const connectionId = post?.connectionId ?? connection?.connectionId;
  const videoId = post?.videoId ?? video?.videoId;
  return {
    ...(post && { postId: post.postId as PostId }),
    ...(connectionId && { connectionId: connectionId as ConnectionId }),
    ...(videoId && { videoId: videoId as VideoId }),
  };
}
