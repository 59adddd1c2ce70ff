import type { Cipher } from '../../application/ports/cipher.ts';
import type { Credential, Credentials, DueCredential, NewCredential } from '../../application/ports/credentials.ts';
import type { ConnectionId, WorkspaceId } from '../../domain/ids.ts';
import type { Database } from './database.ts';
import { gatheredRows } from './gathered.ts';
import { date, optionalDate, present, type Time } from './json.ts';
import { NOW } from './now.ts';
import { prepared } from './prepared.ts';

type Row = {
  connection_id: string;
  workspace_id: string;
  access_token: Buffer;
  refresh_token: Buffer;
  access_expire_time: Time;
  refresh_expire_time: Time;
  version: number;
  unanswered_since: Time | null;
};

/** For the hot path: what each call needs. */
const FIND = prepared(`
  select connection_id, workspace_id, access_token, refresh_token, access_expire_time, refresh_expire_time, version, unanswered_since
  from credential where connection_id = any($1::text[]) and access_token is not null`);

/** Nothing is known against a new pair. */
const AFRESH = 'refresh_failures = 0, unanswered_since = null';

// The number stays: a pair that comes in late must not be taken for a child of the consent that comes next.
const DESTROY = `
  update credential set access_token = null, refresh_token = null, access_expire_time = null,
    refresh_expire_time = null, refreshing_by = null, refreshing_until = null, refresh_due = null, ${AFRESH},
    version = version + 1
  where connection_id = $1 and access_token is not null`;

/** A reconnect and this wait for each other at the row of the connection. */
const DESTROY_IF_DISCONNECTED = `
  with ended as materialized (
    select id from connection where id = $1 and state = 'DISCONNECTED' for share
  )
  ${DESTROY} and exists (select 1 from ended)`;

const DUE = 'coalesce(refresh_due, access_expire_time)';

/** What is due is few; after a standstill it is all there is, and one workspace must not be in the way of the others. */
const CLAIM_DUE = `
  with due as (
    select connection_id, row_number() over (partition by workspace_id order by ${DUE}) as place
    from credential where access_token is not null and ${DUE} <= now()
  ), chosen as (
    select credential.connection_id from credential join due using (connection_id)
    where access_token is not null and ${DUE} <= now()
    order by place, ${DUE} limit $1 for update of credential skip locked
  )
  update credential set refresh_due = ${NOW} + make_interval(secs => $2)
  from chosen where credential.connection_id = chosen.connection_id
  returning credential.connection_id, version, refresh_failures`;

const NEXT_DUE = `select min(${DUE}) as time from credential where access_token is not null and ${DUE} < 'infinity'`;

/** Where a token belongs: it opens nowhere else. */
export const credentialContext = (
  workspaceId: string,
  connectionId: string,
  field: 'access_token' | 'refresh_token',
): readonly string[] => ['credential', workspaceId, connectionId, field];

export function postgresCredentials({ pool }: Database, cipher: Cipher): Credentials {
  const context = (
    { workspaceId, connectionId }: Pick<Credential, 'workspaceId' | 'connectionId'>,
    field: 'access_token' | 'refresh_token',
  ) => credentialContext(workspaceId, connectionId, field);

  const sealed = (credential: NewCredential) => [
    credential.connectionId,
    credential.workspaceId,
    cipher.seal(credential.accessToken, context(credential, 'access_token')),
    cipher.seal(credential.refreshToken, context(credential, 'refresh_token')),
    credential.accessExpireTime,
    credential.refreshExpireTime,
    credential.refreshDueTime,
  ];

  const stored = ({ refreshDueTime: _, ...credential }: NewCredential, version: number): Credential => ({
    ...credential,
    version,
  });

  function fromRow(row: Row): Credential {
    const names = {
      connectionId: row.connection_id as ConnectionId,
      workspaceId: row.workspace_id as WorkspaceId,
    };
    return present({
      ...names,
      accessToken: cipher.open(row.access_token, context(names, 'access_token')),
      refreshToken: cipher.open(row.refresh_token, context(names, 'refresh_token')),
      accessExpireTime: date(row.access_expire_time),
      refreshExpireTime: date(row.refresh_expire_time),
      version: row.version,
      unansweredSince: optionalDate(row.unanswered_since),
    });
  }

  const read = gatheredRows(
    (ids: readonly ConnectionId[]) => pool.query<Row>(FIND(ids)),
    (row) => row.connection_id,
  );

  return {
    async find(connectionId) {
      const row = await read(connectionId);
      return row === undefined ? undefined : fromRow(row);
    },
    async put(credential) {
      const { rows } = await pool.query<{ version: number }>(
        `insert into credential as old (connection_id, workspace_id, access_token, refresh_token, access_expire_time,
           refresh_expire_time, refresh_due, version)
         values ($1, $2, $3, $4, $5, $6, $7, 1)
         on conflict (connection_id) do update set
           workspace_id = excluded.workspace_id, access_token = excluded.access_token,
           refresh_token = excluded.refresh_token, access_expire_time = excluded.access_expire_time,
           refresh_expire_time = excluded.refresh_expire_time, version = old.version + 1,
           refreshing_by = null, refreshing_until = null, refresh_due = excluded.refresh_due, ${AFRESH}
         returning version`,
        sealed(credential),
      );
      return stored(credential, rows[0]?.version ?? 1);
    },
    async replace(credential, parentVersion) {
      const { rowCount } = await pool.query(
        `update credential set
           access_token = $3, refresh_token = $4, access_expire_time = $5, refresh_expire_time = $6,
           version = version + 1, refreshing_by = null, refreshing_until = null, refresh_due = $7, ${AFRESH}
         where connection_id = $1 and workspace_id = $2 and version = $8 and access_token is not null`,
        [...sealed(credential), parentVersion],
      );
      return rowCount === 1 ? stored(credential, parentVersion + 1) : undefined;
    },
    async destroy(connectionId) {
      await pool.query(DESTROY, [connectionId]);
    },
    async destroyIfDisconnected(connectionId) {
      await pool.query(DESTROY_IF_DISCONNECTED, [connectionId]);
    },
    async claimRefresh(connectionId, version, owner, leaseSeconds) {
      const { rows } = await pool.query<{ lapsed: boolean }>(
        `with claimable as (
           select connection_id, refreshing_by is not null as lapsed from credential
           where connection_id = $1 and version = $2 and access_token is not null
             and (refreshing_by is null or refreshing_until <= now())
           for update
         )
         update credential set refreshing_by = $3, refreshing_until = ${NOW} + make_interval(secs => $4),
           unanswered_since = case when lapsed then coalesce(unanswered_since, ${NOW}) else unanswered_since end
         from claimable where credential.connection_id = claimable.connection_id
         returning claimable.lapsed`,
        [connectionId, version, owner, leaseSeconds],
      );
      if (rows[0] === undefined) return 'BUSY';
      return rows[0].lapsed ? 'TAKEN_OVER' : 'CLAIMED';
    },
    async releaseRefresh(connectionId, owner) {
      await pool.query(
        `update credential set refreshing_by = null, refreshing_until = null
         where connection_id = $1 and refreshing_by = $2`,
        [connectionId, owner],
      );
    },
    async noteUnanswered(connectionId, version) {
      await pool.query(
        `update credential set unanswered_since = coalesce(unanswered_since, ${NOW})
         where connection_id = $1 and version = $2 and access_token is not null`,
        [connectionId, version],
      );
    },
    async claimDue(limit, leaseSeconds) {
      const { rows } = await pool.query<{ connection_id: string; version: number; refresh_failures: number }>(
        CLAIM_DUE,
        [limit, leaseSeconds],
      );
      return rows.map(
        (row): DueCredential => ({
          connectionId: row.connection_id as ConnectionId,
          version: row.version,
          failures: row.refresh_failures,
        }),
      );
    },
    async nextDue() {
      const { rows } = await pool.query<{ time: Time | null }>(NEXT_DUE);
      return optionalDate(rows[0]?.time);
    },
    async putOff(connectionId, version, seconds) {
      await pool.query(
        `update credential set refresh_failures = refresh_failures + 1,
           refresh_due = case when $3::float8 is null then 'infinity' else ${NOW} + make_interval(secs => $3) end
         where connection_id = $1 and version = $2 and access_token is not null`,
        [connectionId, version, seconds ?? null],
      );
    },
  };
}
