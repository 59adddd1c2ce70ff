import type { Database } from '../../src/adapters/persistence/database.ts';
import { postgresConnections } from '../../src/adapters/persistence/postgres-connections.ts';
import { postgresCredentials } from '../../src/adapters/persistence/postgres-credentials.ts';
import type { Cipher } from '../../src/application/ports/cipher.ts';
import type { Clock } from '../../src/application/ports/clock.ts';
import type { Ids } from '../../src/application/ports/ids.ts';
import type { TokenGrant } from '../../src/application/ports/tiktok.ts';
import { tokenLife } from '../../src/application/token-life.ts';
import { type Active, type ApiFamily, connect } from '../../src/domain/connection/connection.ts';
import type { WorkspaceId } from '../../src/domain/ids.ts';

/** Stores a connection and its credentials as after a walk through OAuth. Its token is not renewed in the background. */
export async function putConnection(
  needs: { readonly database: Database; readonly cipher: Cipher; readonly ids: Ids; readonly clock: Clock },
  family: ApiFamily,
  workspaceId: WorkspaceId,
  username: string,
  grant: TokenGrant,
): Promise<Active> {
  const { database, cipher, ids, clock } = needs;
  const now = clock.now();
  const life = tokenLife(grant, now);
  const connection = connect(
    ids.connectionId(),
    workspaceId,
    family,
    {
      ...life,
      account: { openId: grant.openId, displayName: username, username },
      grantedScopes: grant.scopes,
    },
    now,
  );
  await postgresConnections(database, () => {}).add(connection);
  await postgresCredentials(database, cipher).put({
    ...life,
    connectionId: connection.id,
    workspaceId,
    accessToken: grant.accessToken,
    refreshToken: grant.refreshToken,
    refreshDueTime: life.accessExpireTime,
  });
  return connection;
}
