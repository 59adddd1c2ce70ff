import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Log } from '../../application/ports/log.ts';
import type { Metrics } from '../../application/ports/metrics.ts';
import { NO_TRACES, type Traces } from '../../application/ports/traces.ts';
import type { TakeWebhook } from '../../application/take-webhook.ts';
import type { Webhook } from '../../domain/webhook.ts';
import { json } from './json.ts';
import { readWebhook, signerOf, type WebhookApp } from './signed-webhook.ts';

export type TikTokWebhookNeeds = {
  readonly takeWebhook: TakeWebhook;
  /** One for each family. Who signed is one of them, or it is not TikTok. */
  readonly apps: readonly WebhookApp[];
  /** True for failures that pass by themselves, such as a database that is down. */
  readonly isUnavailable: (error: unknown) => boolean;
  readonly metrics: Pick<Metrics, 'webhook'>;
  readonly traces?: Traces;
  readonly log: Log;
};

export type WebhookLimits = {
  readonly bodyBytes: number;
  /** The whole body has to be here by then. */
  readonly bodyMilliseconds: number;
  /** Bodies that are being read at once, whoever sends them: memory is bounded by so many of the longest. */
  readonly reading: number;
  /** Rightly signed ones that are being stored at once. TikTok sends what is turned away again. */
  readonly storing: number;
};

const LIMITS: WebhookLimits = { bodyBytes: 64 * 2 ** 10, bodyMilliseconds: 10_000, reading: 500, storing: 500 };

/** Anyone may send a wrong signature; the log tells of it no more often than this. */
const WARNING_MILLISECONDS = 60_000;

/**
 * TikTok calls here when something happened. Whatever is rightly signed is stored and answered with 200, also what we can't use:
 * anything else makes TikTok send it again and again for 72 hours (open-api §9). How old it is does not matter: a repeated one
 * may be signed with the time of its first try, and all it does is to make us ask.
 */
export function tiktokWebhook(needs: TikTokWebhookNeeds, limits: WebhookLimits = LIMITS) {
  const { takeWebhook, apps, isUnavailable, metrics, traces = NO_TRACES, log } = needs;
  let reading = 0;
  let storing = 0;
  let warnedAt = Number.NEGATIVE_INFINITY;

  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (reading >= limits.reading) {
      metrics.webhook('FAILED');
      response.setHeader('connection', 'close');
      return sendLater(response, 429, 'TOO_MANY');
    }
    reading += 1;
    const body = await readBody(request, limits).finally(() => {
      reading -= 1;
    });
    if (body === 'GONE') return;
    if (body === 'TOO_LARGE' || body === 'TOO_SLOW') {
      metrics.webhook('REFUSED');
      return cutOff(response, body);
    }
    const signer = signerOf(apps, request.headers['tiktok-signature'], body);
    if (signer !== undefined) {
      await take(readWebhook(body, signer), response);
    } else {
      metrics.webhook('REFUSED');
      warnNowAndThen();
      json(response, 401, { error: 'SIGNATURE_INVALID', message: 'TikTok-Signature does not fit this body.' });
    }
  };

  async function take(webhook: Webhook, response: ServerResponse): Promise<void> {
    if (storing >= limits.storing) {
      metrics.webhook('FAILED', webhook.event);
      return sendLater(response, 429, 'TOO_MANY');
    }
    storing += 1;
    if (webhook.event !== undefined) traces.tell({ event: webhook.event });
    try {
      const taken = await takeWebhook(webhook);
      metrics.webhook(taken === 'NEW' ? 'ACCEPTED' : 'REPEATED', webhook.event);
      json(response, 200, { status: 'ok' });
    } catch (error) {
      metrics.webhook('FAILED', webhook.event);
      log.error({ error }, 'a webhook could not be stored; TikTok sends it again');
      if (isUnavailable(error)) sendLater(response, 503, 'UNAVAILABLE');
      else json(response, 500, { error: 'INTERNAL', message: 'Something went wrong in this service.' });
    } finally {
      storing -= 1;
    }
  }

  function warnNowAndThen(): void {
    const now = performance.now();
    if (now - warnedAt < WARNING_MILLISECONDS) return;
    warnedAt = now;
    log.warn({}, 'a webhook was refused: it is not signed with the secret of our TikTok app');
  }
}

function sendLater(response: ServerResponse, status: number, error: string): void {
  response.setHeader('retry-after', '10');
  json(response, status, { error, message: 'This can not be taken in right now. Send it again later.' });
}

/** What is still on its way is not waited for. */
function cutOff(response: ServerResponse, reason: 'TOO_LARGE' | 'TOO_SLOW'): void {
  response.setHeader('connection', 'close');
  if (reason === 'TOO_LARGE') json(response, 413, { error: reason, message: 'This body is longer than any webhook.' });
  else json(response, 408, { error: reason, message: 'The body did not arrive in time.' });
}

function readBody(
  request: IncomingMessage,
  { bodyBytes, bodyMilliseconds }: WebhookLimits,
): Promise<Buffer | 'TOO_LARGE' | 'TOO_SLOW' | 'GONE'> {
  if (Number(request.headers['content-length']) > bodyBytes) return Promise.resolve('TOO_LARGE');
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let length = 0;
    const timer = setTimeout(() => done('TOO_SLOW'), bodyMilliseconds);
    const take = (part: Buffer): void => {
      length += part.length;
      if (length > bodyBytes) done('TOO_LARGE');
      else parts.push(part);
    };
    const done = (outcome: Buffer | 'TOO_LARGE' | 'TOO_SLOW' | 'GONE'): void => {
      clearTimeout(timer);
      request.off('data', take);
      resolve(outcome);
    };
    request.on('data', take);
    request.once('end', () => done(Buffer.concat(parts)));
    request.once('error', () => done('GONE'));
  });
}
