import type { TokenLife } from '../domain/connection/connection.ts';
import { inSeconds } from '../domain/time.ts';
import type { TokenGrant } from './ports/tiktok.ts';

/** TikTok tells lengths of time; they count from the moment of its answer. */
export const tokenLife = ({ accessSeconds, refreshSeconds }: TokenGrant, answerTime: Date): TokenLife => ({
  accessExpireTime: inSeconds(answerTime, accessSeconds),
  refreshExpireTime: inSeconds(answerTime, refreshSeconds),
});

/** Half of the life is left for tries that fail; not all accounts that were connected together are renewed together. */
const SHARE_OF_LIFE = { least: 0.5, spread: 0.1 } as const;
const SOONEST_SECONDS = 60;

/**
 * When a pair is renewed in the background, from 50 to 60 % of the life of its access token; or of its refresh token, should that
 * one end before. `random` is from 0 to 1.
 */
export function refreshDueTime({ accessSeconds, refreshSeconds }: TokenGrant, answerTime: Date, random: number): Date {
  const share = SHARE_OF_LIFE.least + SHARE_OF_LIFE.spread * random;
  return inSeconds(answerTime, Math.max(SOONEST_SECONDS, Math.min(accessSeconds, refreshSeconds) * share));
}
