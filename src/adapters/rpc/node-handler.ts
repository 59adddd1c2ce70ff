import type { OutgoingHttpHeaders } from 'node:http';
import { constants, type Http2ServerRequest } from 'node:http2';
import { Code, type ConnectRouter, createConnectRouter, createContextValues } from '@connectrpc/connect';
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from '@connectrpc/connect-node';
import type { Log } from '../../application/ports/log.ts';
import { NO_TRACES, type Traces } from '../../application/ports/traces.ts';
import { clientCertificate } from './admission.ts';
import { certificateOf } from './client-certificate.ts';
import { VideoService } from './gen/glowtify/tiktok/v1/video_service_pb.js';
import { Health } from './gen/grpc/health/v1/health_pb.js';
import { isGone } from './gone.ts';
import { RPC_LIMITS, type RpcLimits } from './limits.ts';
import { readableMessages } from './readable-messages.ts';
import { sendHeaders } from './send-headers.ts';
import { outcomeOf, workOf } from './traced-calls.ts';

type Request = Parameters<typeof universalRequestFromNodeRequest>[0];
type Response = Parameters<typeof universalResponseToNodeResponse>[1];

/** Fits the servers of `node:http` and `node:http2`. */
export type NodeHandler = (request: Request, response: Response) => void;

const UPLOAD_PATH = `/${VideoService.typeName}/${VideoService.method.uploadVideo.name}`;

/**
 * Serves the RPCs to whichever HTTP server hands it requests: gRPC needs HTTP/2, Connect and gRPC-Web take both. Does what
 * `connectNodeAdapter` does, which tells the console of every caller that hangs up.
 */
export function rpcHandler(options: {
  readonly routes: (router: ConnectRouter) => void;
  readonly traces?: Traces;
  readonly log: Log;
  readonly limits?: Partial<RpcLimits>;
}): NodeHandler {
  const { routes, traces = NO_TRACES, log } = options;
  const limits = { ...RPC_LIMITS, ...options.limits };
  const router = createConnectRouter({ acceptCompression: [compressionGzip] });
  routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  async function answer(request: Request, response: Response): Promise<void> {
    const handler = handlers.get(request.url?.split('?', 1)[0] ?? '');
    if (handler === undefined) return answerUnknown(request, response);
    const given = readable(request, response);
    if (given === undefined) return;
    const body = readableMessages(handler.method.input, given);
    const send = async (): Promise<void> => {
      // Connect's promise resolves on an event that no response of Node's emits.
      const closed = new Promise<void>((resolve) => response.once('close', resolve));
      try {
        const answered = await handler({ ...given, body });
        await Promise.race([universalResponseToNodeResponse(answered, response), closed]);
        traces.tell(response.writableEnded ? outcomeOf(answered) : { rpcStatus: 'CANCELLED' });
      } catch (error) {
        // A caller that hangs up is no failure of ours.
        if (!isGone(error)) throw error;
        traces.tell({ rpcStatus: 'CANCELLED' });
      }
    };
    // Probes ask every few seconds, and nobody asks about them.
    const isProbe = handler.method.parent.typeName === Health.typeName;
    await (isProbe ? send() : traces.span(workOf(handler.method, request.headers), send));
  }

  function readable(request: Request, response: Response) {
    capDeadline(request);
    const values = createContextValues()
      .set(clientCertificate, certificateOf(request))
      .set(sendHeaders, (headers) => writeEarly(response, headers));
    try {
      return universalRequestFromNodeRequest(request, response, undefined, values);
    } catch (error) {
      // Such as a Host that is no host.
      log.warn({ error }, 'a request could not be read');
      response.writeHead(400);
      response.end();
      return undefined;
    }
  }

  return (request, response) => {
    if (request.url !== UPLOAD_PATH) limitBody(request, response, limits.bodyMilliseconds);
    keepMessageReadable(response);
    const { socket } = request; // afterwards the request may have lost it
    if ('stream' in request) request.stream.once('finish', () => leaveRest(request, limits.lingerMilliseconds));
    else response.once('finish', () => request.complete || socket.destroySoon());
    answer(request, response).catch((error: unknown) => {
      log.error({ error, path: request.url }, 'the answer of an RPC could not be sent');
      if ('stream' in response) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      else request.destroy();
    });
  };
}

/** gRPC has a status of its own for it, which its clients read at once, also while they still have something to say. */
function answerUnknown({ headers }: Request, response: Response): void {
  const contentType = headers['content-type'] ?? '';
  const grpc = /^application\/grpc(\+|$)/.test(contentType);
  response.writeHead(grpc ? 200 : 404, grpc ? { 'content-type': contentType } : {});
  if (grpc) {
    response.addTrailers({
      'grpc-status': String(Code.Unimplemented),
      'grpc-message': 'There is no such method here.',
    });
  }
  response.end();
}

/** What a timer can hold. */
const LONGEST_MILLISECONDS = 2 ** 31 - 1;

/** A deadline of years has to be refused in words, like one of days. Connect would first start a timer that ends at once. */
function capDeadline({ headers }: Request): void {
  const longestSeconds = Math.floor(LONGEST_MILLISECONDS / 1000);
  const grpc = /^(\d{1,8})([HMS])$/.exec(String(headers['grpc-timeout'] ?? ''));
  if (grpc !== null && Number(grpc[1]) * SECONDS_OF[grpc[2] as keyof typeof SECONDS_OF] > longestSeconds) {
    headers['grpc-timeout'] = `${longestSeconds}S`;
  }
  const connect = /^\d{10}$/.exec(String(headers['connect-timeout-ms'] ?? ''));
  if (connect !== null && Number(connect[0]) > LONGEST_MILLISECONDS) {
    headers['connect-timeout-ms'] = String(LONGEST_MILLISECONDS);
  }
}

const SECONDS_OF = { H: 3600, M: 60, S: 1 };

function limitBody(request: Request, response: Response, milliseconds: number): void {
  const slow = setTimeout(() => {
    if (request.complete) return;
    if ('stream' in request) request.stream.close(constants.NGHTTP2_CANCEL);
    else request.destroy();
  }, milliseconds).unref();
  response.once('close', () => clearTimeout(slow));
}

/**
 * For an answer that came before the end of its request. A stream counts as open until its last byte is read, so what is
 * still on the way is thrown away; a client that doesn't care that it was answered is cut off.
 */
function leaveRest({ stream, readableEnded }: Http2ServerRequest, milliseconds: number): void {
  if (readableEnded) return;
  stream.removeAllListeners('data').resume();
  const deaf = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), milliseconds).unref();
  stream.once('close', () => clearTimeout(deaf));
}

/**
 * gRPC encodes the status message less than Connect does, and grpc-js decodes no more than gRPC says: commas would reach
 * people as `%2C`.
 */
function keepMessageReadable(response: Response): void {
  const addTrailers = response.addTrailers.bind(response);
  response.addTrailers = (trailers: OutgoingHttpHeaders) => {
    const message = trailers['grpc-message'];
    addTrailers(
      typeof message === 'string' ? { ...trailers, 'grpc-message': encoded(decodeURIComponent(message)) } : trailers,
    );
  };
}

const encoded = (message: string): string => message.replace(/[^ -$&-~]+/g, encodeURIComponent);

/** Connect will write the headers again with the first message: by then they are on their way. */
function writeEarly(response: Response, headers: Headers): void {
  if ('stream' in response && response.stream.closed) return; // the caller is gone
  response.writeHead(200, Object.fromEntries(headers));
  if ('flushHeaders' in response) response.flushHeaders(); // HTTP/2 has sent them by now
  Object.assign(response, { writeHead: () => response });
}
