import type { ApiFamily } from './connection/connection.ts';

/**
 * What a webhook is a reason to look at. It tells where to look and nothing else: what becomes of the post or the connection,
 * TikTok's API says when it is asked. Whoever stole our secret can make us ask once more than we had to.
 */
export type WebhookSubject =
  /** How the post with this publish id stands. */
  | { readonly kind: 'POST'; readonly publishId: string }
  /** Whether the account still lets us in. */
  | { readonly kind: 'GRANT'; readonly apiFamily: ApiFamily; readonly openId: string }
  /** Nothing of ours. It is kept all the same, so that TikTok does not send it for three days. */
  | { readonly kind: 'NOTHING'; readonly reason: 'OTHER_APP' | 'UNKNOWN_EVENT' | 'UNREADABLE' };

/** A rightly signed call of TikTok. */
export type Webhook = {
  /** SHA-256 of its exact bytes, hex: the same bytes are the same webhook, however often they come. */
  readonly id: string;
  readonly subject: WebhookSubject;
  // What follows is kept for support. Nothing depends on it.
  readonly event?: string;
  readonly openId?: string;
  readonly createTime?: Date;
};

/** What came of the look. The words are stored; never rename one. */
export type LookOutcome =
  /** The post, if there is one with this publish id, is looked at by the engine. */
  | 'POST_WOKEN'
  /** TikTok no longer takes the grant of a connection at least. */
  | 'GRANT_ENDED'
  /** TikTok takes every grant as before: nothing changed. */
  | 'GRANT_GOOD'
  | 'NOT_CONNECTED'
  | 'IGNORED'
  /** TikTok could not be asked for as long as it would have repeated the webhook. The next use of the grant finds out. */
  | 'GIVEN_UP';
