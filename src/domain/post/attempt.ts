import type { PublishError } from '../publish-error.ts';
import type { Secret } from '../secret.ts';
import type { ChunkPlan } from './chunk-plan.ts';

export type AttemptOutcome = 'PUBLISHED' | 'IN_CREATOR_INBOX' | 'FAILED' | 'ORPHANED' | 'UNCONFIRMED' | 'CANCELLED';

/** One try. A new one needs proof that the one before is dead. */
export type Attempt = {
  /** From 1. */
  readonly number: number;
  /** How the bytes reach TikTok: we send them, or TikTok fetches them from an address of ours. */
  readonly transfer: 'UPLOAD' | 'PULL';
  readonly plan: ChunkPlan;
  /** When the intent was stored, before TikTok was called. */
  readonly startTime: Date;
  /** Absent until TikTok's answer to the announcement is stored. */
  readonly publishId?: string;
  /** Whoever has it can send bytes for this post. Sent to no one. */
  readonly uploadUrl?: Secret;
  /** After this TikTok refuses bytes (open-api §4.2: one hour from issuance). */
  readonly uploadExpireTime?: Date;
  /** Confirmed by TikTok. */
  readonly bytesSent: number;
  /** How often TikTok was asked since the phase began. */
  readonly polls: number;
  /** When it was stored that the last byte is about to be sent; of a pull, that TikTok is about to be told where to fetch. */
  readonly finalizeTime?: Date;
  readonly endTime?: Date;
  /** Absent while it may still become a post. */
  readonly outcome?: AttemptOutcome;
  readonly error?: PublishError;
};

/** An attempt that has not ended. */
export type LiveAttempt = Omit<Attempt, 'endTime' | 'outcome'>;
export type SentAttempt = Attempt & { readonly publishId: string };

/** The upload address is of no use any more and is dropped. */
export function end(attempt: LiveAttempt, outcome: AttemptOutcome, now: Date, error?: PublishError): Attempt {
  const { uploadUrl: _, ...rest } = attempt;
  return { ...rest, outcome, endTime: now, ...(error === undefined ? {} : { error }) };
}
