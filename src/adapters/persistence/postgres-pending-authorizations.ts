import { createHash } from 'node:crypto';
import type { PendingAuthorizations } from '../../application/ports/pending-authorizations.ts';
import type { ApiFamily } from '../../domain/connection/connection.ts';
import type { ConnectionId, WorkspaceId } from '../../domain/ids.ts';
import type { Database } from './database.ts';
import { date, present, type Time } from './json.ts';
import { PendingAuthorizationRows } from './rows.ts';

type Row = {
  workspace_id: string;
  api_family: string;
  return_uri: string | null;
  reconnects: string | null;
  expire_time: Time;
};

export function postgresPendingAuthorizations({ orm, pool }: Database): PendingAuthorizations {
  const digest = (state: string): string => createHash('sha256').update(state).digest('hex');
  return {
    async add(state, pending) {
      await orm.em.fork().insert(PendingAuthorizationRows, {
        state_sha256: digest(state),
        workspace_id: pending.workspaceId,
        api_family: pending.apiFamily,
        return_uri: pending.returnUri ?? null,
        reconnects: pending.reconnects ?? null,
        expire_time: pending.expireTime,
      });
    },
    async take(state, now, workspaces) {
      const { rows } = await pool.query<Row>(
        `delete from pending_authorization
         where state_sha256 = $1 and ($2::text[] is null or workspace_id = any($2)) returning *`,
        [digest(state), workspaces === 'ALL' ? null : [...workspaces]],
      );
      const [row] = rows;
      if (row === undefined || date(row.expire_time) <= now) return undefined;
      return present({
        workspaceId: row.workspace_id as WorkspaceId,
        apiFamily: row.api_family as ApiFamily,
        returnUri: row.return_uri ?? undefined,
        reconnects: (row.reconnects ?? undefined) as ConnectionId | undefined,
        expireTime: date(row.expire_time),
      });
    },
    async dropExpired(now) {
      await pool.query('delete from pending_authorization where expire_time <= $1', [now]);
    },
  };
}
