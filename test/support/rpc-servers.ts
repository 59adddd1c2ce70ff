import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';
import { httpServer } from '../../src/adapters/http/server.ts';
import type { RpcLimits } from '../../src/adapters/rpc/limits.ts';
import { rpcHandler } from '../../src/adapters/rpc/node-handler.ts';
import { connectorRoutes } from '../../src/adapters/rpc/routes.ts';
import type { RpcNeeds } from '../../src/adapters/rpc/rpc-needs.ts';
import { rpcServer } from '../../src/adapters/rpc/server.ts';
import { answerTo } from '../../src/adapters/rpc/to-connect-error.ts';

export type RpcServers = {
  /** HTTP/2, `host:port`. */
  readonly rpc: string;
  /** HTTP/1.1, `host:port`. */
  readonly http: string;
  close(): Promise<void>;
};

/** Both servers on ports of their own, as the container puts them together. */
export async function rpcServers(
  needs: RpcNeeds,
  limits: Partial<RpcLimits> & Parameters<typeof httpServer>[0]['limits'] = {},
): Promise<RpcServers> {
  const { log, traces } = needs;
  const routes = connectorRoutes({ ...needs, limits });
  const here = { host: '127.0.0.1', port: 0, traces, log, drainMilliseconds: 200 };
  const rpc = rpcServer({ ...here, routes, limits });
  const http = httpServer({
    ...here,
    limits,
    ready: async () => needs.health.now().service === 'SERVING',
    serveMedia: async () => ({ kind: 'NOT_FOUND' }),
    webhook: () => Promise.reject(new Error('no webhook is expected')),
    isSandbox: needs.isSandbox,
    isUnavailable: needs.isUnavailable,
    completeConnection: needs.useCases.completeConnection,
    explainRefusal: answerTo,
    rpc: rpcHandler({ routes, traces, log, limits }),
  });
  return {
    rpc: (await rpc.listen()).address,
    http: (await http.listen()).address,
    close: async () => void (await Promise.all([rpc.close(), http.close()])),
  };
}

/** Every protocol over every version of HTTP that has it. */
export const PROTOCOLS = [
  'gRPC over HTTP/2',
  'Connect over HTTP/2',
  'gRPC-Web over HTTP/2',
  'Connect over HTTP/1.1',
  'gRPC-Web over HTTP/1.1',
] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** A client's way to the servers. `close` ends its connection, if it keeps one. */
export function wayTo({ rpc, http }: Pick<RpcServers, 'rpc' | 'http'>, protocol: Protocol) {
  const two = `http://${rpc}`;
  const sessionManager = new Http2SessionManager(two);
  const h2 = { baseUrl: two, sessionManager };
  const h1 = { baseUrl: `http://${http}`, httpVersion: '1.1', nodeOptions: { agent: false } } as const;
  const make = {
    'gRPC over HTTP/2': () => createGrpcTransport(h2),
    'Connect over HTTP/2': () => createConnectTransport({ ...h2, httpVersion: '2' }),
    'gRPC-Web over HTTP/2': () => createGrpcWebTransport({ ...h2, httpVersion: '2' }),
    'Connect over HTTP/1.1': () => createConnectTransport(h1),
    'gRPC-Web over HTTP/1.1': () => createGrpcWebTransport(h1),
  } satisfies Record<Protocol, () => unknown>;
  return { transport: make[protocol](), close: () => sessionManager.abort() };
}
