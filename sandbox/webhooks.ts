import { createHmac } from 'node:crypto';
import { businessIdOf } from './business/business-id.ts';
import { chance } from './ids.ts';
import { notFound } from './input.ts';
import type { Family, Webhook } from './state.ts';
import type { World } from './world.ts';

export type Webhooks = {
  /** Written down in the ledger always; sent when the app has a webhook URL. */
  announce(news: { family: Family; event: string; openId: string; content: object }): void;
  /** Sends it once more now, whatever was before. Resolves with the status that came back, null for none. */
  deliver(id: string): Promise<number | null>;
  /** After a restart: goes on with what was waiting. */
  resume(): void;
  /** Breaks off what is being sent and resolves when that is over. */
  close(): Promise<void>;
};

const givenUpAfterMs = 72 * 3_600_000;
const answerTimeoutMs = 10_000;

/** `TikTok-Signature` over the exact body, at `seconds` since 1970. */
export function signature(clientSecret: string, seconds: number, body: string): string {
  const digest = createHmac('sha256', clientSecret).update(`${seconds}.${body}`).digest('hex');
  return `t=${seconds},s=${digest}`;
}

export function webhookSender(world: Omit<World, 'webhooks'>): Webhooks {
  const { state, clock, timeline } = world;
  const stopping = new AbortController();
  const underWay = new Set<Promise<unknown>>();

  const subscribers = {
    OPEN: () => ({ key: state.app.clientKey, secret: state.app.clientSecret, url: state.app.webhookUrl }),
    // Which type of event authorization.removed belongs to is not documented.
    BUSINESS: () => ({
      key: state.business.appId,
      secret: state.business.secret,
      url: state.business.callbackUrls.VIDEO ?? null,
    }),
  };

  async function send(webhook: Webhook, url: string): Promise<number | null> {
    const now = clock.now();
    const first = webhook.attempts[0];
    const signed =
      first && state.settings.webhookTimestamp === 'first'
        ? first.signature
        : signature(subscribers[webhook.family]().secret, Math.floor(now / 1000), webhook.body);
    const attempt: Webhook['attempts'][number] = { time: now, signature: signed, status: null, error: null };
    webhook.attempts.push(attempt);
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'tiktok-signature': signed,
          ...(webhook.family === 'BUSINESS' ? { 'webhook-schema-version': '1.0' } : {}),
          'x-tt-logid': world.ids.logId(now),
        },
        body: webhook.body,
        redirect: 'manual',
        signal: AbortSignal.any([stopping.signal, AbortSignal.timeout(answerTimeoutMs)]),
      });
      await response.body?.cancel();
      attempt.status = response.status;
    } catch (error) {
      attempt.error = error instanceof Error ? String(error.cause ?? error) : String(error);
    }
    if (attempt.status === 200) webhook.state = 'DELIVERED';
    world.changed();
    return attempt.status;
  }

  function track<T>(work: Promise<T>): Promise<T> {
    underWay.add(work);
    const forget = () => underWay.delete(work);
    work.then(forget, forget);
    return work;
  }

  function attemptAt(time: number, webhook: Webhook, tries: number): void {
    timeline.at(time, () => {
      const { url } = subscribers[webhook.family]();
      if (url === null || stopping.signal.aborted || state.webhooks.get(webhook.id) !== webhook) return;
      track(send(webhook, url)).then(
        (status) => {
          if (status === 200 || stopping.signal.aborted) return;
          const retryTime = clock.now() + state.settings.webhookRetryMs * 2 ** tries;
          if (retryTime - webhook.createdTime <= givenUpAfterMs) {
            attemptAt(retryTime, webhook, tries + 1);
            return;
          }
          if (webhook.state === 'WAITING') webhook.state = 'GIVEN_UP';
          world.changed();
        },
        (error: unknown) => world.report(`Webhook ${webhook.id} could not be handled.`, error),
      );
    });
  }

  function schedule(webhook: Webhook, from: number): void {
    if (state.settings.webhookMode === 'manual' || subscribers[webhook.family]().url === null) return;
    for (let copy = 0; copy < state.settings.webhookCopies; copy += 1) {
      const lateness = chance(state.seed, `${webhook.id}/late`, copy) * state.settings.webhookJitterMs;
      attemptAt(from + Math.floor(lateness), webhook, 0);
    }
  }

  return {
    announce({ family, event, openId, content }) {
      const now = clock.now();
      const webhook: Webhook = {
        id: `webhook-${state.webhooks.size + 1}`,
        family,
        openId,
        event,
        body: JSON.stringify({
          client_key: subscribers[family]().key,
          event,
          create_time: Math.floor(now / 1000),
          user_openid: family === 'OPEN' ? openId : businessIdOf(openId),
          content: JSON.stringify(content),
        }),
        createdTime: now,
        state: 'WAITING',
        attempts: [],
      };
      state.webhooks.set(webhook.id, webhook);
      schedule(webhook, now);
      world.changed();
    },
    async deliver(id) {
      const webhook = state.webhooks.get(id) ?? notFound('webhook', id, 'GET /_sandbox/ledger lists them.');
      const url =
        subscribers[webhook.family]().url ??
        notFound('webhook url', null, 'Set app.webhookUrl, or business.callbackUrls.VIDEO.');
      return track(send(webhook, url));
    },
    resume() {
      for (const webhook of state.webhooks.values()) if (webhook.state === 'WAITING') schedule(webhook, clock.now());
    },
    async close() {
      stopping.abort();
      await Promise.allSettled(underWay);
    },
  };
}
