import { type Connection, disconnect } from '../domain/connection/connection.ts';
import { cancel } from '../domain/post/post.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { Secret } from '../domain/secret.ts';
import type { AppTurns } from './app-turns.ts';
import type { ConnectionName } from './get-connection.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { Credential, Credentials } from './ports/credentials.ts';
import type { Log } from './ports/log.ts';
import type { Posts } from './ports/posts.ts';
import type { Authorization } from './ports/tiktok.ts';
import type { Refusal } from './refusal.ts';
import { type TikToks, tiktokOf } from './tiktoks.ts';

export type DisconnectConnection = (
  input: ConnectionName,
) => Promise<Result<{ readonly connection: Connection; readonly cancelledPostCount: number }, Refusal>>;

export function disconnectConnection(needs: {
  readonly connections: Connections;
  readonly credentials: Credentials;
  readonly posts: Posts;
  readonly tiktoks: TikToks;
  readonly clock: Clock;
  readonly appTurns: AppTurns;
  readonly log: Log;
}): DisconnectConnection {
  const { connections, credentials, posts, tiktoks, appTurns, clock, log } = needs;
  return async ({ connectionId, workspaceId }) => {
    const found = await connections.find(connectionId, workspaceId);
    if (found === undefined) return err({ code: 'NOT_FOUND', resource: 'connection', id: connectionId });

    const credential = await credentials.find(connectionId);
    const outcome = await connections.update(connectionId, (connection) => ok(disconnect(connection, clock.now())));
    if (!outcome.ok) return err({ code: 'NOT_FOUND', resource: 'connection', id: connectionId });
    await credentials.destroyIfDisconnected(connectionId);

    let cancelledPostCount = 0;
    for (const id of await posts.idsOf(connectionId, ['PREPARING', 'SCHEDULED', 'HELD', 'PUBLISHING'])) {
      const cancelled = await posts.update(id, (post) => {
        const step = cancel(post, clock.now());
        return step.ok ? ok({ post: step.value }) : step;
      });
      if (cancelled.ok) cancelledPostCount += 1;
    }
    const { apiFamily, account } = found;
    if (credential !== undefined && !(await connections.isConnected(apiFamily, account.openId))) {
      // Without a turn it is asked all the same: one call too many does less harm than a grant that lives on.
      await appTurns.take(apiFamily);
      await revoke(tiktokOf(tiktoks, apiFamily).authorization, credential);
    }
    return ok({ connection: outcome.value, cancelledPostCount });
  };

  /** TikTok revokes by access token only; an expired one is first exchanged for a good one. */
  async function revoke(authorization: Authorization, credential: Credential): Promise<void> {
    let token: Secret = credential.accessToken;
    if (credential.accessExpireTime <= clock.now()) {
      const grant = await authorization.refresh(credential.refreshToken);
      if (grant.ok) token = grant.value.accessToken;
      else if (grant.error.code === 'INVALID_GRANT') return;
    }
    const revoked = await authorization.revoke(token);
    if (!revoked.ok) {
      log.warn(
        { connectionId: credential.connectionId, ...revoked.error },
        'TikTok did not confirm the revocation: the person may still see the app among the connected ones',
      );
    }
  }
}
