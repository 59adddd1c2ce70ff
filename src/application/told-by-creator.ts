import type { Account } from '../domain/connection/connection.ts';
import type { CreatorInfo } from './ports/tiktok.ts';

/** What only the creator info tells of an account, and is kept with it until it is told anew. */
export const toldByCreator = (creator: CreatorInfo): Pick<Account, 'username' | 'maxVideoSeconds' | 'forbids'> => ({
  maxVideoSeconds: creator.maxVideoSeconds,
  forbids: [
    ...(creator.commentAvailable ? [] : (['COMMENT'] as const)),
    ...(creator.duetAvailable ? [] : (['DUET'] as const)),
    ...(creator.stitchAvailable ? [] : (['STITCH'] as const)),
  ],
  ...(creator.username === undefined ? {} : { username: creator.username }),
});
