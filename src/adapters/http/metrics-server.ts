import { createServer } from 'node:http';
import type { Log } from '../../application/ports/log.ts';
import { json } from './json.ts';
import { type HttpServer, listening } from './listening.ts';
import { type ExposeMetrics, METRICS_PATH, metricsAnswer } from './metrics.ts';

const REQUEST_MILLISECONDS = 15_000;
const DRAIN_MILLISECONDS = 5_000;

/** The metrics at a port of their own, which needs to be open to the collector alone. There is nothing else at it. */
export function metricsServer(options: {
  readonly host: string;
  readonly port: number;
  readonly metrics: ExposeMetrics;
  readonly log: Log;
}): HttpServer {
  const { metrics, log } = options;
  const answer = metricsAnswer(metrics);
  const server = createServer({ requestTimeout: REQUEST_MILLISECONDS }, (request, response) => {
    if (request.method !== 'GET' || request.url !== METRICS_PATH) {
      return json(response, 404, { error: 'NOT_FOUND', message: `There is nothing here but GET ${METRICS_PATH}.` });
    }
    answer(new URLSearchParams(), response).catch((error: unknown) => {
      log.error({ error }, 'the metrics could not be told');
      json(response, 500, { error: 'INTERNAL', message: 'Something went wrong in this service.' });
    });
  });
  return listening(server, { ...options, drainMilliseconds: DRAIN_MILLISECONDS });
}
