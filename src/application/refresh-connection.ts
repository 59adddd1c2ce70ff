import { type Connection, described } from '../domain/connection/connection.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { TokenUse } from './account-access.ts';
import type { ConnectionName } from './get-connection.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { Doorbell } from './ports/doorbell.ts';
import type { Posts } from './ports/posts.ts';
import type { Refusal } from './refusal.ts';
import { type TikToks, tiktokOf } from './tiktoks.ts';
import { toldByCreator } from './told-by-creator.ts';

export type RefreshConnection = (input: ConnectionName) => Promise<Result<Connection, Refusal>>;

export function refreshConnection(needs: {
  readonly connections: Connections;
  readonly access: TokenUse;
  readonly posts: Posts;
  readonly doorbell: Doorbell;
  readonly tiktoks: TikToks;
  readonly clock: Clock;
}): RefreshConnection {
  const { connections, access, posts, doorbell, tiktoks, clock } = needs;
  return async ({ connectionId, workspaceId }) => {
    const connection = await connections.find(connectionId, workspaceId);
    if (connection === undefined) return err({ code: 'NOT_FOUND', resource: 'connection', id: connectionId });
    if (connection.state === 'DISCONNECTED') {
      return err({ code: 'CONNECTION_DISCONNECTED', state: connection.state, id: connectionId });
    }
    const credential = await access.refresh(connectionId);
    if (!credential.ok) return err({ code: 'TIKTOK_REFUSED', error: credential.error });

    const { authorization, publishing } = tiktokOf(tiktoks, connection.apiFamily);
    const account = await access.call(connectionId, (token) =>
      authorization.readAccount(token, connection.grantedScopes),
    );
    if (!account.ok) return err({ code: 'TIKTOK_REFUSED', error: account.error });
    const creator = await access.call(connectionId, (token) => publishing.readCreator(token), 'READ_CREATOR');
    // What only the creator info tells stays known while it is not told.
    const { maxVideoSeconds, forbids, username } = connection.account;
    const told = creator.ok
      ? toldByCreator(creator.value)
      : {
          ...(maxVideoSeconds === undefined ? {} : { maxVideoSeconds }),
          ...(forbids === undefined ? {} : { forbids }),
          ...(username === undefined ? {} : { username }),
        };

    const outcome = await connections.update(connectionId, (current) =>
      current.state === 'ACTIVE'
        ? ok(described(current, { ...told, ...account.value }, clock.now()))
        : err({ code: 'CONNECTION_DISCONNECTED' as const, state: current.state, id: connectionId }),
    );
    if (!outcome.ok) {
      return outcome.error.code === 'NOT_FOUND'
        ? err({ code: 'NOT_FOUND', resource: 'connection', id: connectionId })
        : err(outcome.error);
    }
    // A grant that works again releases what waited for it.
    await posts.wake({ connectionId });
    await doorbell.ringNow();
    return ok(outcome.value);
  };
}
