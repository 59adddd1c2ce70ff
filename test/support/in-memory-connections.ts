import type { Clock } from '../../src/application/ports/clock.ts';
import type { Connections } from '../../src/application/ports/connections.ts';
import { type Connection, warned } from '../../src/domain/connection/connection.ts';
import type { ConnectionId } from '../../src/domain/ids.ts';
import { err, ok } from '../../src/domain/result.ts';
import { copyOf } from './copy.ts';
import { fixedClock } from './fixed-clock.ts';
import { pageOf } from './page-of.ts';

export function inMemoryConnections({ clock = fixedClock() }: { readonly clock?: Clock } = {}): Connections & {
  isDisconnected(id: ConnectionId): boolean;
  /** Of all workspaces, oldest first. */
  all(): readonly Connection[];
} {
  const rows = new Map<string, Connection>();
  const all = () => [...rows.values()].toSorted((left, right) => (left.id < right.id ? -1 : 1));

  return {
    all: () => copyOf(all()),

    isDisconnected: (id) => rows.get(id)?.state === 'DISCONNECTED',

    async find(id, workspaceId) {
      const row = rows.get(id);
      return workspaceId === undefined || row?.workspaceId === workspaceId ? copyOf(row) : undefined;
    },

    async findByAccount(workspaceId, apiFamily, openId) {
      const same = (row: Connection) =>
        row.workspaceId === workspaceId && row.apiFamily === apiFamily && row.account.openId === openId;
      return copyOf(all().find(same));
    },

    async isConnected(apiFamily, openId) {
      return all().some(
        (row) => row.apiFamily === apiFamily && row.account.openId === openId && row.state !== 'DISCONNECTED',
      );
    },

    async ofAccount(apiFamily, openId) {
      return copyOf(all().filter((row) => row.apiFamily === apiFamily && row.account.openId === openId));
    },

    async list({ workspaceId, states }, page) {
      const wanted = all().filter(
        (row) => row.workspaceId === workspaceId && (states.length === 0 || states.includes(row.state)),
      );
      return copyOf(pageOf(wanted, page, ({ id }) => id));
    },

    async add(connection) {
      const taken = all().some(
        (row) =>
          row.workspaceId === connection.workspaceId &&
          row.apiFamily === connection.apiFamily &&
          row.account.openId === connection.account.openId,
      );
      if (!taken) rows.set(connection.id, copyOf(connection));
      return !taken;
    },

    async update(id, change) {
      const row = rows.get(id);
      if (row === undefined) return err({ code: 'NOT_FOUND' });
      const current = copyOf(row);
      const changed = change(current);
      if (!changed.ok || changed.value === current) return changed;
      const stored = { ...copyOf(changed.value), version: row.version + 1 };
      rows.set(id, stored);
      return ok(copyOf(stored));
    },

    async ending(limit) {
      return all()
        .flatMap((row) => warned(row, clock.now()) ?? [])
        .toSorted((left, right) => left.refreshExpireTime.getTime() - right.refreshExpireTime.getTime())
        .slice(0, limit)
        .map(({ id }) => id);
    },
  };
}
