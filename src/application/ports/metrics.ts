import type { Denial, LoginRefusal } from '../../domain/caller.ts';
import type { WarningDays } from '../../domain/connection/connection.ts';
import type { AttemptOutcome } from '../../domain/post/attempt.ts';
import type { Recalled } from '../../domain/post/mark.ts';
import type { PublishErrorCode } from '../../domain/publish-error.ts';
import type { GrantRefusal, Quotas } from './tiktok.ts';

/** One call to TikTok as it ended. */
export type AnsweredCall = {
  /** Path without a query; `upload` for a chunk. */
  readonly endpoint: string;
  /** Absent when there was no answer. */
  readonly status?: number;
  /** TikTok's code (`ok`), or what the network said. Absent when the answer named none. */
  readonly code?: string;
  readonly seconds: number;
};

/** `FAILED`: nobody could ask, for the tokens can't be read or the database is away. */
export type RefreshOutcome = 'RENEWED' | GrantRefusal['code'] | 'FAILED';

/** What became of a message that claims to be TikTok's. `REPEATED`: known already, and harmless. */
export type WebhookOutcome = 'ACCEPTED' | 'REPEATED' | 'REFUSED' | 'FAILED';

/**
 * What became of one round of collecting the numbers of an account. `MORE`: it goes on soon, for others wait. `NO_TURN`: TikTok's
 * limits left none. `LOST`: it took so long that another worker took over.
 */
export const COLLECTION_OUTCOMES = ['DONE', 'MORE', 'NO_TURN', 'NOT_CONNECTED', 'REFUSED', 'LOST', 'FAILED'] as const;
export type CollectionOutcome = (typeof COLLECTION_OUTCOMES)[number];

/** What a post is that the record had forgotten, until TikTok has been asked. */
export const RECALLED_STATES = [
  'PUBLISHING',
  'UNCONFIRMED',
  'CANCELLED',
] as const satisfies readonly Recalled['state'][];
export type RecalledState = Recalled['state'];

/** What of an account is asked for: a page of its list, videos by their ids, the account itself. */
export const COLLECTION_CALLS = ['LIST', 'VIDEOS', 'ACCOUNT'] as const;
export type CollectionCall = (typeof COLLECTION_CALLS)[number];

/** What the service tells of its own work to whoever watches over it. Telling never waits and never fails. */
export interface Metrics {
  /** The first attempt of a post is stored. Once for each post. */
  dispatched(latenessSeconds: number): void;
  /** An attempt has its outcome; `code` says why when it was not to be. */
  attemptEnded(outcome: AttemptOutcome, code?: PublishErrorCode): void;
  /** A call had to wait for its turn within what TikTok allows. */
  waited(call: keyof Quotas, seconds: number): void;
  /** Work that ended its worker again and again is left alone. */
  setAside(kind: 'POST' | 'VIDEO'): void;
  /** The record had forgotten what became of a post, which is known again from its marks. Once for each, as what it was recalled. */
  recalled(state: RecalledState): void;
  /** The stored bytes of a video are no longer those that came. Once for each time it is noticed. */
  videoRotten(): void;
  /** So much was removed that nobody needed any more: videos with their records, files without one, changes of posts, snapshots. */
  collected(kind: 'VIDEO' | 'FILE' | 'EVENT' | 'SNAPSHOT', count: number): void;
  /** A round of collecting numbers ended that was due so long before it began. */
  collectionEnded(outcome: CollectionOutcome, latenessSeconds: number): void;
  /** TikTok was asked for numbers. */
  collectionAsked(call: CollectionCall): void;
  /** So many numbers had changed and left a snapshot. */
  snapshotsStored(count: number): void;
  /** The engine looked for work, with success; how long that took. */
  looked(seconds: number): void;
  /** Whether the store answers that the processes ring each other by. At each look at it. */
  doorbellReached(isReached: boolean): void;
  tiktokAnswered(call: AnsweredCall): void;
  /** A refresh token was spent, or could not be. One report for each refresh, not for each call. */
  tokenRefreshed(outcome: RefreshOutcome): void;
  /** An answer of TikTok that held the only good tokens of an account was lost. Once for each. */
  grantLost(): void;
  /** A person was told that so many days are left to reconnect. Once for each connection and warning. */
  reconnectWarned(days: WarningDays): void;
  /** Secrets were sealed with the newest key that older keys had sealed. */
  resealed(secrets: number): void;
  /** So many secrets are still under older keys. */
  underOlderKeys(secrets: number): void;
  /** `event` is TikTok's word for it; absent while nothing proves that TikTok sent it. */
  webhook(outcome: WebhookOutcome, event?: string): void;
  /** A call, or a stream that was open, was refused for its caller's sake. */
  callerRefused(code: LoginRefusal['code'] | Denial): void;
}
