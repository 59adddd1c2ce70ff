import type { OwnPostgres } from './own-postgres.ts';

/** What the service has stored of a post. */
export type PostRecord = {
  readonly id: string;
  readonly connection_id: string;
  readonly caption: string;
  readonly state: string;
  readonly phase: string | null;
  readonly hold: { readonly reason: string; readonly releaseTime?: string } | null;
  readonly error: { readonly code: string } | null;
  readonly next_action_at: Date | null;
  readonly lease_owner: string | null;
  readonly dispatch_lateness_seconds: number | null;
  /** Of the post's connection. */
  readonly connection_state: string;
};

export const readPosts = (postgres: OwnPostgres): Promise<readonly PostRecord[]> =>
  postgres.ask(
    `select post.id, connection_id, caption, post.state, phase, hold, error, next_action_at, lease_owner,
       dispatch_lateness_seconds, connection.state as connection_state
     from post join connection on connection.id = connection_id`,
  );

/** Everything stored of one post, to be shown to a person. */
export const readEverything = async (postgres: OwnPostgres, postId: string): Promise<readonly unknown[]> => [
  ...(await postgres.ask('select * from post where id = $1', [postId])),
  ...(await postgres.ask(
    'select attempt.*, upload_url is not null as upload_url from attempt where post_id = $1 order by number',
    [postId],
  )),
  ...(await postgres.ask(
    `select event_time, previous_state, post ->> 'state' as state, post ->> 'phase' as phase, post ->> 'hold' as hold,
       post ->> 'error' as error, post ->> 'fence' as fence, post ->> 'lease_owner' as lease_owner,
       post ->> 'next_action_at' as next_action_at
     from post_event where post_id = $1 order by txid, seq`,
    [postId],
  )),
];

const ENDS = new Set(['PUBLISHED', 'IN_CREATOR_INBOX', 'FAILED', 'UNCONFIRMED', 'CANCELLED']);

export const hasEnded = ({ state }: Pick<PostRecord, 'state'>): boolean => ENDS.has(state);

/**
 * Waits for something that is known to the team, and that comes by itself or by their doing. A post that waits for a reconnect
 * of an account that is well connected waits for nothing.
 */
export const isRightlyHeld = ({ state, hold, connection_state }: PostRecord): boolean => {
  if (state !== 'HELD' || hold === null) return false;
  return hold.reason === 'RECONNECT' ? connection_state === 'RECONNECT_REQUIRED' : hold.releaseTime !== undefined;
};
