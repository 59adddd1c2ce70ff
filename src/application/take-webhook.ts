import type { Webhook } from '../domain/webhook.ts';
import { WEBHOOK_LEASE_SECONDS, type WebhookHandling } from './handle-webhooks.ts';
import type { WebhookInbox } from './ports/webhook-inbox.ts';

/** Durable when it returns, and handled in the background. One that came before has no second effect. */
export type TakeWebhook = (webhook: Webhook) => Promise<'NEW' | 'REPEATED'>;

export function takeWebhook(needs: {
  readonly inbox: WebhookInbox;
  readonly handling: WebhookHandling;
  /** Names this process among all that share the database. */
  readonly owner: string;
}): TakeWebhook {
  const { inbox, handling, owner } = needs;
  return async (webhook) => {
    const lease = await inbox.add(webhook, { owner, leaseSeconds: WEBHOOK_LEASE_SECONDS });
    if (lease === undefined) return 'REPEATED';
    handling.begin(lease);
    return 'NEW';
  };
}
