import { randomBytes } from 'node:crypto';
import type { Clock } from '../../application/ports/clock.ts';
import type { Ids } from '../../application/ports/ids.ts';
import type { ConnectionId, PostId, VideoId } from '../../domain/ids.ts';

/** Crockford's base 32 in lower case: sorts like the numbers it spells, and no letter is taken for a digit. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

const spell = (value: bigint, length: number): string =>
  Array.from({ length }, (_, index) => ALPHABET[Number((value >> BigInt(5 * (length - 1 - index))) & 31n)]).join('');

/** 48 bits of milliseconds in 10 letters, then 80 random bits in 16. */
export function randomIds(clock: Clock): Ids {
  const body = (): string =>
    spell(BigInt(clock.now().getTime()), 10) + spell(BigInt(`0x${randomBytes(10).toString('hex')}`), 16);
  return {
    connectionId: () => `conn_${body()}` as ConnectionId,
    videoId: () => `vid_${body()}` as VideoId,
    postId: () => `post_${body()}` as PostId,
    unguessable: () => randomBytes(32).toString('base64url'),
  };
}
