import type {
  PendingAuthorization,
  PendingAuthorizations,
} from '../../src/application/ports/pending-authorizations.ts';
import { copyOf } from './copy.ts';

export function inMemoryPendingAuthorizations(): PendingAuthorizations {
  const rows = new Map<string, PendingAuthorization>();
  return {
    async add(state, pending) {
      rows.set(state, copyOf(pending));
    },
    async take(state, now) {
      const row = rows.get(state);
      rows.delete(state);
      return row !== undefined && row.expireTime > now ? row : undefined;
    },
    async dropExpired(now) {
      for (const [state, { expireTime }] of rows) if (expireTime <= now) rows.delete(state);
    },
  };
}
