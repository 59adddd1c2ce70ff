import type { LookOutcome, Webhook, WebhookSubject } from '../../domain/webhook.ts';

/** The right to handle one webhook. Whoever claims it later has a higher fence, and this one can end nothing more. */
export type WebhookLease = {
  readonly id: string;
  readonly subject: WebhookSubject;
  readonly receivedTime: Date;
  /** How often it was postponed. */
  readonly failures: number;
  readonly owner: string;
  readonly fence: number;
};

type Holder = { readonly owner: string; readonly leaseSeconds: number };

/**
 * The webhooks that came in, each once. What is held is due again by itself when its lease ends: that is how a dead process's
 * webhooks are handled.
 */
export interface WebhookInbox {
  /**
   * Stores it, held by `owner` from the first moment. Undefined when it came before, handled or not; then nothing is stored. It is
   * durable when this returns.
   */
  add(webhook: Webhook, holder: Holder): Promise<WebhookLease | undefined>;
  /** Takes up to `limit` due ones that nobody holds, earliest first. */
  claim(request: Holder & { readonly limit: number }): Promise<readonly WebhookLease[]>;
  /** It is handled for good. False when the lease was lost: nothing was stored. */
  finish(lease: WebhookLease, outcome: LookOutcome): Promise<boolean>;
  /** Lets go; it is due again after `seconds`, with one failure more on its count. Harmless when the lease was lost. */
  postpone(lease: WebhookLease, seconds: number): Promise<void>;
  /** Posts that TikTok told of for this account since then, handled or not: each publish id once. */
  publishIds(openId: string, since: Date): Promise<readonly string[]>;
  /** Forgets what was handled before `time`, and would take it for new if it came again. */
  forgetHandledBefore(time: Date): Promise<void>;
}
