import type { OutgoingHttpHeaders } from 'node:http';
import { constants, type Http2ServerRequest } from 'node:http2';
import { type ConnectRouter, createContextValues } from '@connectrpc/connect';
import { compressionGzip, connectNodeAdapter } from '@connectrpc/connect-node';
import type { Log } from '../../application/ports/log.ts';
import { clientCertificate } from './admission.ts';
import { certificateOf } from './client-certificate.ts';
import { VideoService } from './gen/glowtify/tiktok/v1/video_service_pb.js';
import { sendHeaders } from './send-headers.ts';

/** Fits the servers of `node:http` and `node:http2`. */
export type NodeHandler = ReturnType<typeof connectNodeAdapter>;
type Request = Parameters<NodeHandler>[0];
type Response = Parameters<NodeHandler>[1];

/** How long the body of a request may take to arrive. Uploads have their deadline instead. */
const BODY_MILLISECONDS = 30_000;

/** How long a client may go on sending what nobody reads any more. */
const LINGER_MILLISECONDS = 5_000;

const UPLOAD_PATH = `/${VideoService.typeName}/${VideoService.method.uploadVideo.name}`;

/** Serves the RPCs to whichever HTTP server hands it requests: gRPC needs HTTP/2, Connect and gRPC-Web take both. */
export function rpcHandler(options: {
  readonly routes: (router: ConnectRouter) => void;
  readonly log: Log;
}): NodeHandler {
  const { routes, log } = options;
  const responses = new WeakMap<Request, Response>();
  const handle = connectNodeAdapter({
    routes,
    acceptCompression: [compressionGzip],
    contextValues: (request) =>
      createContextValues()
        .set(clientCertificate, certificateOf(request))
        .set(sendHeaders, (headers) => {
          const response = responses.get(request);
          if (response !== undefined) writeEarly(response, headers);
        }),
  });

  return (request, response) => {
    responses.set(request, response);
    if (request.url !== UPLOAD_PATH) limitBody(request, response);
    keepMessageReadable(response);
    if ('stream' in request) request.stream.once('finish', () => leaveRest(request));
    else response.once('finish', () => request.complete || request.socket.destroySoon());
    try {
      handle(request, response);
    } catch (error) {
      // Connect throws here for a Host that is no host, and nobody above us would catch it.
      log.warn({ error }, 'a request could not be read');
      response.writeHead(400);
      response.end();
    }
  };
}

function limitBody(request: Request, response: Response): void {
  const slow = setTimeout(() => {
    if (request.complete) return;
    if ('stream' in request) request.stream.close(constants.NGHTTP2_CANCEL);
    else request.destroy();
  }, BODY_MILLISECONDS).unref();
  response.once('close', () => clearTimeout(slow));
}

/**
 * For an answer that came before the end of its request. A stream counts as open until its last byte is read, so what is
 * still on the way is thrown away; a client that doesn't care that it was answered is cut off.
 */
function leaveRest({ stream, readableEnded }: Http2ServerRequest): void {
  if (readableEnded) return;
  stream.removeAllListeners('data').resume();
  const deaf = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), LINGER_MILLISECONDS).unref();
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
  response.writeHead(200, Object.fromEntries(headers));
  if ('flushHeaders' in response) response.flushHeaders(); // HTTP/2 has sent them by now
  Object.assign(response, { writeHead: () => response });
}
