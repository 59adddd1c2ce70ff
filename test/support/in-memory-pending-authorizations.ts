import type {
  PendingAuthorization,
  PendingAuthorizations,
} from '../../src/application/ports/pending-authorizations.ts';
import { mayActIn } from '../../src/domain/caller.ts';
import { copyOf } from './copy.ts';

export function inMemoryPendingAuthorizations(): PendingAuthorizations {
  const rows = new Map<string, PendingAuthorization>();
  return {
    async add(state, pending) {
      rows.set(state, copyOf(pending));
    },
    async take(state, now, workspaces) {
      const row = rows.get(state);
      if (row !== undefined && !mayActIn(workspaces, row.workspaceId)) return undefined;
      rows.delete(state);
      return row !== undefined && row.expireTime > now ? row : undefined;
    },
    async dropExpired(now) {
      for (const [state, { expireTime }] of rows) if (expireTime <= now) rows.delete(state);
    },
  };
}
