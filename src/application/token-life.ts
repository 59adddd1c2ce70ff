import type { TokenLife } from '../domain/connection/connection.ts';
import { inSeconds } from '../domain/time.ts';
import type { TokenGrant } from './ports/tiktok.ts';

/** TikTok tells lengths of time; they count from the moment of its answer. */
export const tokenLife = ({ accessSeconds, refreshSeconds }: TokenGrant, answerTime: Date): TokenLife => ({
  accessExpireTime: inSeconds(answerTime, accessSeconds),
  refreshExpireTime: inSeconds(answerTime, refreshSeconds),
});
