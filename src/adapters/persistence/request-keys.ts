import type { PoolClient } from 'pg';
import type { RequestIdReused, RequestKey } from '../../application/ports/request-key.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import { prepared } from './prepared.ts';

const FIND = prepared('select payload_hash, resource_id from request_key where workspace_id = $1 and request_id = $2');

/**
 * Binds `key` to what it is about to make. When it is bound already, gives the id of what it made; a caller with the same key
 * in another transaction waits here until that one ends.
 */
export async function bindRequestKey(
  client: PoolClient,
  workspaceId: string,
  key: RequestKey,
  resourceId: string,
): Promise<Result<{ readonly made: string | undefined }, RequestIdReused>> {
  const { rowCount } = await client.query(
    `insert into request_key (workspace_id, request_id, payload_hash, resource_id) values ($1, $2, $3, $4)
     on conflict do nothing`,
    [workspaceId, key.requestId, key.payloadHash, resourceId],
  );
  if (rowCount === 1) return ok({ made: undefined });
  return findRequestKey(client, workspaceId, key);
}

export async function findRequestKey(
  client: Pick<PoolClient, 'query'>,
  workspaceId: string,
  key: RequestKey,
): Promise<Result<{ readonly made: string | undefined }, RequestIdReused>> {
  const { rows } = await client.query<{ payload_hash: string; resource_id: string }>(FIND(workspaceId, key.requestId));
  const [row] = rows;
  if (row === undefined) return ok({ made: undefined });
  return row.payload_hash === key.payloadHash
    ? ok({ made: row.resource_id })
    : err({ code: 'REQUEST_ID_REUSED', requestId: key.requestId });
}
