import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { Log } from '../../application/ports/log.ts';
import { NO_TRACES, type Traces } from '../../application/ports/traces.ts';
import type { ServeMedia } from '../../application/serve-media.ts';
import { json } from './json.ts';
import { type HttpServer, listening } from './listening.ts';
import { MEDIA_PREFIX, mediaAnswer } from './media.ts';
import { type ExposeMetrics, METRICS_PATH, metricsAnswer } from './metrics.ts';
import { type OAuthCallbackNeeds, oauthCallback } from './oauth-callback.ts';

/** Where the services of the contract are. */
const RPC_PREFIXES = ['/glowtify.tiktok.v1.', '/grpc.health.v1.'];

/** How long a connection may be held without being used. Tests hand in shorter times. */
export type HttpLimits = {
  /** From the connection, or the first byte of a request, to the end of its headers. */
  readonly headersMilliseconds: number;
  /** Between two requests. */
  readonly keepAliveMilliseconds: number;
  /** How often the first of the two is looked after. */
  readonly lookMilliseconds: number;
};

const LIMITS: HttpLimits = { headersMilliseconds: 15_000, keepAliveMilliseconds: 65_000, lookMilliseconds: 5_000 };
const HEADER_BYTES = 16 * 2 ** 10;
const DRAIN_MILLISECONDS = 25_000;

type Answer = (query: URLSearchParams, response: ServerResponse, request: IncomingMessage) => void | Promise<void>;
type Route = {
  readonly methods: readonly string[];
  readonly answer: Answer;
  /** Its address in traces, without what is secret in it. Absent: of no interest there. */
  readonly traced?: string;
};

export function httpServer(
  options: OAuthCallbackNeeds & {
    readonly host: string;
    readonly port: number;
    /** Whether work can be taken in: storage and engine are there. */
    readonly ready: () => Promise<boolean>;
    /** Absent: there are no metrics at this port. */
    readonly metrics?: ExposeMetrics;
    /** Where TikTok tells what happened. */
    readonly webhook: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
    /** Videos for TikTok to fetch. */
    readonly serveMedia: ServeMedia;
    /** The RPCs, as Connect and gRPC-Web. */
    readonly rpc: RequestListener;
    readonly traces?: Traces;
    readonly log: Log;
    readonly drainMilliseconds?: number;
    readonly limits?: Partial<HttpLimits>;
  },
): HttpServer {
  const {
    host,
    port,
    ready,
    metrics,
    webhook,
    rpc,
    traces = NO_TRACES,
    log,
    drainMilliseconds = DRAIN_MILLISECONDS,
  } = options;
  const limits = { ...LIMITS, ...options.limits };

  // Not for HEAD: each call spends the state.
  const callback: Route = { methods: ['GET'], answer: oauthCallback(options), traced: '/oauth/tiktok/callback' };
  const routes: ReadonlyMap<string, Route> = new Map([
    ['/oauth/tiktok/callback', callback],
    // As TikTok's business portal wants it.
    ['/oauth/tiktok/callback/', callback],
    [
      '/webhooks/tiktok',
      {
        methods: ['POST'],
        answer: (_query, response, request) => webhook(request, response),
        traced: '/webhooks/tiktok',
      },
    ],
    ['/healthz', { methods: ['GET', 'HEAD'], answer: (_query, response) => json(response, 200, { status: 'ok' }) }],
    ['/readyz', { methods: ['GET', 'HEAD'], answer: readyz }],
  ] satisfies [string, Route][]);
  const metricsRoute = metrics && { methods: ['GET', 'HEAD'], answer: metricsAnswer(metrics) };

  const media = mediaAnswer(options.serveMedia);
  const mediaRoute = (request: IncomingMessage): Route => ({
    methods: ['GET', 'HEAD'],
    answer: (_query, response) => media(request, response),
    traced: '/media/{token}',
  });

  function routeOf(path: string, request: IncomingMessage): Route | undefined {
    if (path === METRICS_PATH) return metricsRoute;
    return path.startsWith(MEDIA_PREFIX) ? mediaRoute(request) : routes.get(path);
  }

  async function readyz(_query: URLSearchParams, response: ServerResponse): Promise<void> {
    const yes = await ready().catch((error: unknown) => {
      log.warn({ error }, 'readiness could not be told');
      return false;
    });
    json(response, yes ? 200 : 503, { status: yes ? 'ready' : 'not ready' });
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.parse(request.url ?? '', 'http://localhost');
    const route = url && routeOf(url.pathname, request);
    if (url === null || !route) {
      return json(response, 404, { error: 'NOT_FOUND', message: 'There is nothing at this address.' });
    }
    if (!route.methods.includes(request.method ?? '')) {
      response.setHeader('allow', route.methods.join(', '));
      return json(response, 405, {
        error: 'METHOD_NOT_ALLOWED',
        message: `This address takes ${route.methods.join(' and ')} only.`,
      });
    }
    const { traced: httpRoute } = route;
    if (httpRoute === undefined) return route.answer(url.searchParams, response, request);
    const { method: httpMethod = '' } = request;
    const work = { name: `${httpMethod} ${httpRoute}`, kind: 'SERVER', facts: { httpMethod, httpRoute } } as const;
    await traces.span(work, async () => {
      await route.answer(url.searchParams, response, request);
      traces.tell({ httpStatus: response.statusCode });
    });
  }

  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES,
      headersTimeout: limits.headersMilliseconds,
      keepAliveTimeout: limits.keepAliveMilliseconds,
      connectionsCheckingInterval: limits.lookMilliseconds,
      // Uploads may take longer than any limit for all requests; the RPCs limit each body themselves.
      requestTimeout: 0,
    },
    (request, response) => {
      if (RPC_PREFIXES.some((prefix) => request.url?.startsWith(prefix))) return rpc(request, response);
      // Whoever was answered and still sends the rest of a body, byte by byte, is no longer listened to.
      const { socket } = request;
      response.once('finish', () => request.complete || socket.destroySoon());
      answer(request, response).catch((error: unknown) => {
        log.error({ error }, 'an HTTP request failed');
        if (response.headersSent) response.destroy();
        else json(response, 500, { error: 'INTERNAL', message: 'Something went wrong in this service.' });
      });
    },
  );

  return listening(server, { host, port, drainMilliseconds });
}
