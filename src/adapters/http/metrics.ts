import type { ServerResponse } from 'node:http';

/** All metrics at this moment, in the form that `contentType` names. */
export type ExposeMetrics = () => Promise<{ readonly contentType: string; readonly text: string }>;

export const METRICS_PATH = '/metrics';

/** For a collector such as Prometheus, which asks every few seconds. */
export const metricsAnswer =
  (expose: ExposeMetrics) =>
  async (_query: URLSearchParams, response: ServerResponse): Promise<void> => {
    const { contentType, text } = await expose();
    response.writeHead(200, {
      'content-type': contentType,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    response.end(text);
  };
