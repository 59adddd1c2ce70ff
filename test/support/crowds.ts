import { expect } from 'vitest';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { aesGcmCipher, parseKeyRing } from '../../src/adapters/crypto/aes-gcm-cipher.ts';
import { openDatabase } from '../../src/adapters/persistence/database.ts';
import { postgresConnections } from '../../src/adapters/persistence/postgres-connections.ts';
import { postgresCredentials } from '../../src/adapters/persistence/postgres-credentials.ts';
import type { ConnectionId, WorkspaceId } from '../../src/domain/ids.ts';
import { Secret } from '../../src/domain/secret.ts';
import { aNewCredential, anActiveConnection } from './builders.ts';
import type { ServiceProcess, Surroundings } from './service-process.ts';
import { type Connection, type Post, unique, type Video, WORKSPACE } from './story.ts';

/**
 * Connected accounts by the hundred: through the service's own adapters and not through TikTok's pages. TikTok knows them, and their
 * tokens are good.
 */
export async function manyConnections(
  { sandbox, databaseUrl }: Pick<Surroundings, 'sandbox' | 'databaseUrl'>,
  { environment }: ServiceProcess,
  count: number,
  workspaceId = WORKSPACE,
): Promise<readonly Pick<Connection, 'connection_id' | 'workspace_id'>[]> {
  const database = await openDatabase(databaseUrl);
  try {
    const connections = postgresConnections(database, () => {});
    const credentials = postgresCredentials(database, aesGcmCipher(parseKeyRing(environment['TOKEN_KEYS'] ?? '')));
    return await Promise.all(
      Array.from({ length: count }, async () => {
        const username = unique('many').replaceAll('-', '.');
        const account = sandbox.control.addAccount({ username, dailyPostCap: 1_000_000 });
        const grant = sandbox.control.issueTokens(account.openId);
        const now = new Date();
        const life = {
          accessExpireTime: new Date(now.getTime() + grant.expires_in * 1000),
          refreshExpireTime: new Date(now.getTime() + grant.refresh_expires_in * 1000),
        };
        const connection = anActiveConnection({
          ...life,
          id: unique('conn_many') as ConnectionId,
          workspaceId: workspaceId as WorkspaceId,
          account: { openId: account.openId, displayName: account.displayName, username },
        });
        await connections.add(connection);
        await credentials.put(
          aNewCredential({
            ...life,
            connectionId: connection.id,
            workspaceId: connection.workspaceId,
            accessToken: new Secret(grant.access_token),
            refreshToken: new Secret(grant.refresh_token),
            refreshDueTime: life.accessExpireTime,
          }),
        );
        return { connection_id: connection.id, workspace_id: connection.workspaceId };
      }),
    );
  } finally {
    await database.close();
  }
}

/**
 * Copies of a post that the service took in, spread over the connections in turn, all due in the same millisecond: the one in which
 * this statement runs. Gives their captions, no two alike.
 */
export async function manyPosts(
  sql: Surroundings['sql'],
  original: Pick<Post, 'post_id'>,
  count: number,
  connections: readonly Pick<Connection, 'connection_id' | 'workspace_id'>[],
): Promise<readonly string[]> {
  const name = unique('post_many');
  const rows = await sql(
    `insert into post
     select copy.* from post original
       cross join generate_series(1, $2::integer) as number
       cross join (select $3::text[] as ids, $4::text[] as workspaces, date_trunc('milliseconds', now()) as now) as given
       cross join lateral (select 1 + (number - 1) % cardinality(ids) as place) as turn
       cross join lateral jsonb_populate_record(original, jsonb_build_object(
         'id', $5 || '_' || lpad(number::text, 6, '0'), 'request_id', $5 || number, 'caption', $5 || ' ' || number,
         'connection_id', given.ids[turn.place], 'workspace_id', given.workspaces[turn.place],
         'schedule_time', given.now, 'next_action_at', given.now, 'create_time', given.now, 'update_time', given.now
       )) as copy
     where original.id = $1
     returning caption`,
    [
      original.post_id,
      count,
      connections.map(({ connection_id }) => connection_id),
      connections.map(({ workspace_id }) => workspace_id),
      name,
    ],
  );
  return rows.map(({ caption }) => String(caption));
}

/** As `publishedOnce`, for many at once: each of these captions is on TikTok once, with these bytes. Other tries got none. */
export function eachPublishedOnce(sandbox: Sandbox, captions: readonly string[], { sha256 }: Pick<Video, 'sha256'>) {
  const ledger = sandbox.control.ledger();
  expect(ledger.duplicates).toEqual([]);
  const wanted = new Set<string | null>(captions);
  const real = Map.groupBy(
    ledger.posts.filter(({ title }) => wanted.has(title)),
    ({ title }) => title,
  );
  expect(captions.filter((caption) => real.get(caption)?.length !== 1)).toEqual([]);
  expect([...real.values()].flat().filter((post) => post.sha256 !== sha256)).toEqual([]);
  const published = new Set(ledger.posts.map(({ publishId }) => publishId));
  const receivedBytes = new Map(ledger.uploads.map((upload) => [upload.publishId, upload.receivedBytes]));
  const others = ledger.inits.filter(({ title, publishId }) => wanted.has(title) && !published.has(publishId));
  expect(others.filter(({ publishId }) => receivedBytes.get(publishId) !== 0)).toEqual([]);
}

/** The value below which so many percent of them lie. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}
