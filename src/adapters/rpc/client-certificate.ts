import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest, Http2Session } from 'node:http2';
import { TLSSocket } from 'node:tls';
import type { ClientCertificate } from '../../domain/caller.ts';

/** A certificate is read once for each connection: all its calls have the same one. */
const read = new WeakMap<Http2Session, ClientCertificate | undefined>();

/** Undefined unless the client proved to hold a certificate of an authority that we ask for. */
export function certificateOf(request: IncomingMessage | Http2ServerRequest): ClientCertificate | undefined {
  const session = 'stream' in request ? request.stream.session : undefined;
  if (session === undefined) return undefined;
  if (!read.has(session)) read.set(session, certificateOn(session));
  return read.get(session);
}

function certificateOn({ socket }: Http2Session): ClientCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  return { subject: certificate.subject.split('\n'), expireTime: certificate.validToDate };
}
