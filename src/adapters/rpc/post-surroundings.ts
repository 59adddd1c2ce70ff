import type { Clock } from '../../application/ports/clock.ts';
import type { Connection } from '../../domain/connection/connection.ts';
import type { ConnectionId } from '../../domain/ids.ts';
import type { Post } from '../../domain/post/post.ts';
import type { PostSurroundings } from './post-messages.ts';
import type { RpcNeeds } from './rpc-needs.ts';

/** A handle changes once a month at most; links made with the old one go on working for a while. */
const KEEP_MILLISECONDS = 60_000;
const MOST_KEPT = 10_000;

/** Finds what posts don't know of their accounts, with one look-up a minute for each account however long the list. */
export function postSurroundings(
  needs: Pick<RpcNeeds, 'findConnection' | 'isSandbox' | 'shareUri'> & { readonly clock: Clock },
): (post: Post) => Promise<PostSurroundings> {
  const { findConnection, isSandbox, shareUri, clock } = needs;
  const kept = new Map<
    ConnectionId,
    { readonly until: number; readonly connection: Promise<Connection | undefined> }
  >();

  function connectionOf(id: ConnectionId): Promise<Connection | undefined> {
    const now = clock.now().getTime();
    const known = kept.get(id);
    if (known !== undefined && known.until > now) return known.connection;

    const connection = findConnection(id);
    const entry = { until: now + KEEP_MILLISECONDS, connection };
    kept.delete(id); // so that the first key is always the oldest
    kept.set(id, entry);
    // Whoever asked hears of a failure; only nobody after them should.
    connection.catch(() => kept.get(id) === entry && kept.delete(id));
    const [oldest] = kept.keys();
    if (kept.size > MOST_KEPT && oldest !== undefined) kept.delete(oldest);
    return connection;
  }

  return async ({ connectionId }) => {
    const connection = await connectionOf(connectionId);
    const username = connection?.account.username;
    return {
      sandbox: connection !== undefined && isSandbox(connection.apiFamily),
      shareUri: (tiktokPostId) => (username === undefined ? undefined : shareUri(username, tiktokPostId)),
    };
  };
}
