import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Log } from '../../application/ports/log.ts';
import type { ServeMedia } from '../../application/serve-media.ts';
import { json } from './json.ts';
import { MEDIA_PREFIX, mediaAnswer } from './media.ts';
import { type ExposeMetrics, metricsAnswer } from './metrics.ts';
import { type OAuthCallbackNeeds, oauthCallback } from './oauth-callback.ts';

export type HttpServer = {
  /** `host:port` as it was bound; tells the port when 0 was asked for. */
  listen(): Promise<{ readonly address: string }>;
  /** Takes no more requests, waits for those under way and cuts off the rest. */
  close(): Promise<void>;
};

/** Where the services of the contract are. */
const RPC_PREFIX = '/glowtify.tiktok.v1.';

const HEADER_BYTES = 16 * 2 ** 10;
const HEADERS_MILLISECONDS = 15_000;
const IDLE_MILLISECONDS = 65_000;
const DRAIN_MILLISECONDS = 25_000;

type Answer = (query: URLSearchParams, response: ServerResponse, request: IncomingMessage) => void | Promise<void>;
type Route = { readonly methods: readonly string[]; readonly answer: Answer };

export function httpServer(
  options: OAuthCallbackNeeds & {
    readonly host: string;
    readonly port: number;
    /** Whether work can be taken in: storage and engine are there. */
    readonly ready: () => Promise<boolean>;
    readonly metrics: ExposeMetrics;
    /** Where TikTok tells what happened. */
    readonly webhook: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
    /** Videos for TikTok to fetch. */
    readonly serveMedia: ServeMedia;
    /** The RPCs, as Connect and gRPC-Web. */
    readonly rpc: RequestListener;
    readonly log: Log;
    readonly drainMilliseconds?: number;
  },
): HttpServer {
  const { host, port, ready, metrics, webhook, rpc, log, drainMilliseconds = DRAIN_MILLISECONDS } = options;

  const routes: ReadonlyMap<string, Route> = new Map([
    // Not for HEAD: each call spends the state.
    ['/oauth/tiktok/callback', { methods: ['GET'], answer: oauthCallback(options) }],
    ['/webhooks/tiktok', { methods: ['POST'], answer: (_query, response, request) => webhook(request, response) }],
    ['/healthz', { methods: ['GET', 'HEAD'], answer: (_query, response) => json(response, 200, { status: 'ok' }) }],
    ['/readyz', { methods: ['GET', 'HEAD'], answer: readyz }],
    ['/metrics', { methods: ['GET', 'HEAD'], answer: metricsAnswer(metrics) }],
  ] satisfies [string, Route][]);

  const media = mediaAnswer(options.serveMedia);
  const mediaRoute = (request: IncomingMessage): Route => ({
    methods: ['GET', 'HEAD'],
    answer: (_query, response) => media(request, response),
  });

  async function readyz(_query: URLSearchParams, response: ServerResponse): Promise<void> {
    const yes = await ready().catch((error: unknown) => {
      log.warn({ error }, 'readiness could not be told');
      return false;
    });
    json(response, yes ? 200 : 503, { status: yes ? 'ready' : 'not ready' });
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.parse(request.url ?? '', 'http://localhost');
    const route = url?.pathname.startsWith(MEDIA_PREFIX) ? mediaRoute(request) : routes.get(url?.pathname ?? '');
    if (url === null || route === undefined) {
      return json(response, 404, { error: 'NOT_FOUND', message: 'There is nothing at this address.' });
    }
    if (!route.methods.includes(request.method ?? '')) {
      response.setHeader('allow', route.methods.join(', '));
      return json(response, 405, {
        error: 'METHOD_NOT_ALLOWED',
        message: `This address takes ${route.methods.join(' and ')} only.`,
      });
    }
    await route.answer(url.searchParams, response, request);
  }

  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES,
      headersTimeout: HEADERS_MILLISECONDS,
      keepAliveTimeout: IDLE_MILLISECONDS,
      // Uploads may take longer than any limit for all requests; the RPCs limit each body themselves.
      requestTimeout: 0,
    },
    (request, response) => {
      if (request.url?.startsWith(RPC_PREFIX)) return rpc(request, response);
      answer(request, response).catch((error: unknown) => {
        log.error({ error }, 'an HTTP request failed');
        if (response.headersSent) response.destroy();
        else json(response, 500, { error: 'INTERNAL', message: 'Something went wrong in this service.' });
      });
    },
  );

  return {
    async listen() {
      server.listen(port, host);
      await once(server, 'listening');
      const { address, port: bound, family } = server.address() as AddressInfo;
      return { address: family === 'IPv6' ? `[${address}]:${bound}` : `${address}:${bound}` };
    },
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      const cut = setTimeout(() => server.closeAllConnections(), drainMilliseconds);
      await closed;
      clearTimeout(cut);
    },
  };
}
