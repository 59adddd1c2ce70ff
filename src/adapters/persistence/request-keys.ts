import type { PoolClient } from 'pg';
import type { RequestIdReused, RequestKey } from '../../application/ports/request-key.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import { prepared } from './prepared.ts';

export type RequestKeyRow = {
  readonly workspace_id: string;
  readonly request_id: string;
  readonly payload_hash: string;
  readonly resource_id: string;
};

/** The one parameter: an array of pairs, of a workspace and a request in it. */
export const FIND_KEYS = prepared(`
  select workspace_id, request_id, payload_hash, resource_id
  from jsonb_array_elements($1::jsonb) as asked
    join request_key on workspace_id = asked->>0 and request_id = asked->>1`);

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
  const { rows } = await client.query<RequestKeyRow>(FIND_KEYS(JSON.stringify([[workspaceId, key.requestId]])));
  return madeOf(rows[0], key);
}

/** What a request has made already, if anything. Another payload must not come with its id. */
export function madeOf(
  row: RequestKeyRow | undefined,
  { requestId, payloadHash }: RequestKey,
): Result<{ readonly made: string | undefined }, RequestIdReused> {
  if (row === undefined) return ok({ made: undefined });
  return row.payload_hash === payloadHash
    ? ok({ made: row.resource_id })
    : err({ code: 'REQUEST_ID_REUSED', requestId });
}
