import { once } from 'node:events';
import { createSecureServer, createServer, type ServerHttp2Session, type ServerOptions } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { ConnectRouter } from '@connectrpc/connect';
import type { Log } from '../../application/ports/log.ts';
import type { Traces } from '../../application/ports/traces.ts';
import { RPC_LIMITS, type RpcLimits } from './limits.ts';
import { rpcHandler } from './node-handler.ts';

export type RpcServer = {
  /** `host:port` as it was bound; tells the port when 0 was asked for. */
  listen(): Promise<{ readonly address: string }>;
  /** New connections meet these certificates; those that are open stay. Only for a server that began with TLS. */
  renew(tls: Tls): void;
  /** Takes no more calls, tells clients to go elsewhere, waits for what is under way and cuts off the rest. */
  close(): Promise<void>;
};

/** PEM. With `clientCa`, nobody connects without a certificate of one of these authorities. */
export type Tls = { readonly cert: Buffer; readonly key: Buffer; readonly clientCa?: Buffer };

/** What a client may send before we have read it: enough to keep a chunk moving, little enough for many uploads at once. */
const STREAM_WINDOW_BYTES = 256 * 2 ** 10;

const HANDSHAKE_MILLISECONDS = 10_000;
const DRAIN_MILLISECONDS = 25_000;

export function rpcServer(options: {
  readonly host: string;
  readonly port: number;
  /** Absent: h2c. */
  readonly tls?: Tls;
  readonly routes: (router: ConnectRouter) => void;
  readonly traces?: Traces;
  readonly log: Log;
  readonly drainMilliseconds?: number;
  readonly limits?: Partial<RpcLimits>;
}): RpcServer {
  const { host, port, tls, log, drainMilliseconds = DRAIN_MILLISECONDS } = options;
  const limits = { ...RPC_LIMITS, ...options.limits };
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();

  const http2 = sessionOptions(limits);
  const handle = rpcHandler({ ...options, limits });
  const server =
    tls === undefined ? createServer(http2, handle) : createSecureServer({ ...http2, ...secured(tls) }, handle);
  server.on('tlsClientError', (error) => log.info({ error }, 'a client could not connect over TLS'));
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    // Room for every stream, so that one upload that waits for the disk never stops the others of its connection.
    session.setLocalWindowSize(limits.streamsPerConnection * STREAM_WINDOW_BYTES);
    endWithoutGreeting(session, limits.greetingMilliseconds);
    endWhenIdle(session, limits.idleMilliseconds);
    endWhenDead(session, limits.pingMilliseconds);
  });
  server.on('sessionError', (error) => log.info({ error }, 'an RPC connection broke'));

  return {
    async listen() {
      server.listen(port, host);
      await once(server, 'listening');
      const { address, port: bound, family } = server.address() as AddressInfo;
      return { address: family === 'IPv6' ? `[${address}]:${bound}` : `${address}:${bound}` };
    },
    renew(next) {
      if (!('setSecureContext' in server)) throw new Error('a server without TLS has no certificate to renew');
      server.setSecureContext(secured(next));
    },
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      for (const session of sessions) session.close();
      const cut = setTimeout(() => {
        for (const session of sessions) session.destroy();
        for (const socket of sockets) socket.destroy();
      }, drainMilliseconds);
      await closed;
      clearTimeout(cut);
    },
  };
}

const secured = ({ cert, key, clientCa }: Tls) => ({
  cert,
  key,
  minVersion: 'TLSv1.2' as const,
  handshakeTimeout: HANDSHAKE_MILLISECONDS,
  ...(clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
});

/** What HTTP/2 itself holds a client to. nghttp2 also ends floods of CONTINUATION, of settings and of pings. */
const sessionOptions = ({
  streamsPerConnection,
  headerBytes,
  resetBurst,
  resetsPerSecond,
}: RpcLimits): ServerOptions => ({
  maxSessionMemory: 64,
  settings: {
    maxConcurrentStreams: streamsPerConnection,
    initialWindowSize: STREAM_WINDOW_BYTES,
    maxHeaderListSize: headerBytes,
  },
  streamResetBurst: resetBurst,
  streamResetRate: resetsPerSecond,
});

/** Ends a connection that does not begin to speak HTTP/2. */
function endWithoutGreeting(session: ServerHttp2Session, milliseconds: number): void {
  const silent = setTimeout(() => session.destroy(), milliseconds).unref();
  const heard = () => clearTimeout(silent);
  session.once('remoteSettings', heard);
  session.once('close', heard);
}

/** Ends a connection on which nothing was called for a while. Clients open another one when they need it. */
function endWhenIdle(session: ServerHttp2Session, milliseconds: number): void {
  let open = 0;
  const wait = () => setTimeout(() => session.close(), milliseconds).unref();
  let idle = wait();
  session.on('stream', (stream) => {
    open += 1;
    clearTimeout(idle);
    stream.once('close', () => {
      open -= 1;
      if (open === 0) idle = wait();
    });
  });
  session.once('close', () => clearTimeout(idle));
}

/** Ends a connection whose other side no longer answers: nobody tells us of a cable that was pulled. */
function endWhenDead(session: ServerHttp2Session, milliseconds: number): void {
  let answered = true;
  const pings = setInterval(() => {
    if (!answered) return session.destroy();
    answered = false;
    session.ping(() => {
      answered = true;
    });
  }, milliseconds).unref();
  session.once('close', () => clearInterval(pings));
}
