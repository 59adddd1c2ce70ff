import type { Connection } from '../../domain/connection/connection.ts';
import type { Quota, Quotas } from './tiktok.ts';

/** TikTok counts this call for this account. */
export const quotaKey = (name: keyof Quotas, { apiFamily, account }: Connection): string =>
  `${name}:${apiFamily}:${account.openId}`;

/** The direct posts of this account, of whichever connection. */
export const postsKey = ({ apiFamily, account }: Connection): string => `POSTS:${apiFamily}:${account.openId}`;

/**
 * Who may call TikTok when, counted for all workers together. No window of a quota's length ever holds more turns than it allows.
 * A key is a call and whom TikTok counts it for.
 */
export interface Turns {
  /** The next free turn, not before `notBefore`: now, or later behind those given already. It is the caller's for good. */
  next(key: string, quota: Quota, notBefore?: Date): Promise<Date>;
  /** A turn for now; when none is free, when the next one may be. Nothing is kept for the caller then. */
  take(
    key: string,
    quota: Quota,
  ): Promise<{ readonly taken: true } | { readonly taken: false; readonly freeTime: Date }>;
  /** A turn that was taken was not used after all: the latest one of the key is free again. Without any, nothing changes. */
  giveBack(key: string): Promise<void>;
  /** TikTok counts more calls than we do: no turn is free for a whole window. */
  exhaust(key: string, quota: Quota): Promise<void>;
}
