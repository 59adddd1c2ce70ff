import type { Clock } from '../../src/application/ports/clock.ts';
import { SUSPECT_LAPSES } from '../../src/application/ports/post-queue.ts';
import type { RequestKey } from '../../src/application/ports/request-key.ts';
import type { ImportLease, Videos, WorkspaceFull } from '../../src/application/ports/videos.ts';
import type { VideoId, WorkspaceId } from '../../src/domain/ids.ts';
import { err, ok } from '../../src/domain/result.ts';
import type { Video } from '../../src/domain/video/video.ts';
import { copyOf } from './copy.ts';
import { pageOf } from './page-of.ts';

type Import = {
  readonly dueTime: Date;
  readonly owner?: string;
  readonly fence: number;
  readonly failures: number;
  readonly lapses: number;
};
type Row = { readonly video: Video; readonly key?: RequestKey; readonly import?: Import };

export interface InMemoryVideos extends Videos {
  has(id: VideoId): boolean;
  /** When the first import comes due or its lease ends, whatever it did to its workers. */
  firstImport(): Date | undefined;
  /** The posts tell which videos they need; the database sees both tables at once. */
  neededBy(needs: (id: VideoId) => boolean): void;
}

export function inMemoryVideos({ clock }: { readonly clock: Clock }): InMemoryVideos {
  const rows = new Map<VideoId, Row>();
  let isNeeded = (_: VideoId): boolean => false;
  const inSeconds = (seconds: number) => new Date(clock.now().getTime() + seconds * 1000);

  /** The row and its import, as long as `lease` still holds it. */
  function heldBy(lease: ImportLease): (Row & { readonly import: Import }) | undefined {
    const row = rows.get(lease.video.id);
    return row?.import !== undefined && row.import.owner === lease.owner && row.import.fence === lease.fence
      ? { ...row, import: row.import }
      : undefined;
  }

  const usedBytes = (workspaceId: WorkspaceId): number =>
    [...rows.values()].reduce(
      (sum, { video }) => sum + (video.workspaceId === workspaceId && video.state === 'READY' ? video.sizeBytes : 0),
      0,
    );

  function fullFor(video: Video, limitBytes = Number.POSITIVE_INFINITY): WorkspaceFull | undefined {
    if (video.state !== 'READY') return undefined;
    const used = usedBytes(video.workspaceId);
    return used + video.sizeBytes > limitBytes
      ? { code: 'WORKSPACE_QUOTA_EXCEEDED', usedBytes: used, limitBytes }
      : undefined;
  }

  return {
    has: (id) => rows.has(id),
    firstImport() {
      const times = [...rows.values()].flatMap((row) => row.import?.dueTime.getTime() ?? []);
      return times.length === 0 ? undefined : new Date(Math.min(...times));
    },
    neededBy(needs) {
      isNeeded = needs;
    },

    async find(id, workspaceId) {
      const video = rows.get(id)?.video;
      return workspaceId === undefined || video?.workspaceId === workspaceId ? copyOf(video) : undefined;
    },

    async list({ workspaceId, states }, page) {
      const wanted = [...rows.values()]
        .map(({ video }) => video)
        .filter((video) => video.workspaceId === workspaceId && (states.length === 0 || states.includes(video.state)))
        .toSorted((left, right) => (left.id < right.id ? 1 : -1));
      return copyOf(pageOf(wanted, page, ({ id }) => id));
    },

    usedBytes: async (workspaceId) => usedBytes(workspaceId),

    async add(video, limitBytes) {
      const full = fullFor(video, limitBytes);
      if (full !== undefined) return err(full);
      rows.set(video.id, { video: copyOf(video) });
      return ok(undefined);
    },

    async addImport(video, key) {
      const before = [...rows.values()].find(
        (row) => row.video.workspaceId === video.workspaceId && row.key?.requestId === key.requestId,
      );
      if (before !== undefined) {
        return before.key?.payloadHash === key.payloadHash
          ? ok({ video: copyOf(before.video), replayed: true })
          : err({ code: 'REQUEST_ID_REUSED', requestId: key.requestId });
      }
      rows.set(video.id, {
        video: copyOf(video),
        key,
        import: { dueTime: clock.now(), fence: 0, failures: 0, lapses: 0 },
      });
      return ok({ video: copyOf(video), replayed: false });
    },

    async remove(id, workspaceId) {
      const row = rows.get(id);
      if (row === undefined || (workspaceId !== undefined && row.video.workspaceId !== workspaceId)) return 'NOT_FOUND';
      if (isNeeded(id)) return 'IN_USE';
      rows.delete(id);
      return 'REMOVED';
    },

    async claimImports({ owner, limit, leaseSeconds }) {
      const due = [...rows.values()]
        .filter((row) => row.import !== undefined && row.import.dueTime <= clock.now())
        .toSorted((left, right) => Number(left.import?.dueTime) - Number(right.import?.dueTime));
      const isSuspect = (row: Row): boolean => (row.import?.lapses ?? 0) >= SUSPECT_LAPSES;
      const hasSuspect = [...rows.values()].some(
        (row) => isSuspect(row) && row.import?.owner === owner && row.import.dueTime > clock.now(),
      );
      const [suspect] = hasSuspect ? [] : due.filter(isSuspect);
      const takeable = due.filter((row) => !isSuspect(row) || row === suspect);
      return takeable.slice(0, limit).flatMap((row): ImportLease[] => {
        if (row.video.state !== 'IMPORTING' || row.import === undefined) return [];
        const { failures } = row.import;
        const lapsed = row.import.owner !== undefined;
        const lapses = row.import.lapses + (lapsed ? 1 : 0);
        const fence = row.import.fence + 1;
        rows.set(row.video.id, {
          ...row,
          import: { dueTime: inSeconds(leaseSeconds), owner, fence, failures, lapses },
        });
        return [{ video: copyOf(row.video), owner, fence, failures, lapses, lapsed }];
      });
    },

    async renewImport(lease, leaseSeconds) {
      const row = heldBy(lease);
      if (row === undefined) return false;
      rows.set(lease.video.id, { ...row, import: { ...row.import, dueTime: inSeconds(leaseSeconds) } });
      return true;
    },

    async finishImport(lease, video, limitBytes) {
      const full = fullFor(video, limitBytes);
      if (full !== undefined) return full;
      const row = heldBy(lease);
      if (row === undefined) return false;
      const { import: _, ...rest } = row;
      rows.set(lease.video.id, { ...rest, video: copyOf(video) });
      return true;
    },

    async postponeImport(lease, seconds) {
      const row = heldBy(lease);
      if (row === undefined) return;
      const { owner: _, ...rest } = row.import;
      const postponed = { ...rest, dueTime: inSeconds(seconds), failures: row.import.failures + 1, lapses: 0 };
      rows.set(lease.video.id, { ...row, import: postponed });
    },

    async restImport(lease, seconds) {
      const row = heldBy(lease);
      if (row === undefined) return;
      const { owner: _, ...rest } = row.import;
      rows.set(lease.video.id, { ...row, import: { ...rest, dueTime: inSeconds(seconds) } });
    },

    async releaseImport(lease) {
      const row = heldBy(lease);
      if (row === undefined) return;
      const { owner: _, ...rest } = row.import;
      rows.set(lease.video.id, { ...row, import: { ...rest, dueTime: clock.now(), lapses: 0 } });
    },

    async earliestImport() {
      const times = [...rows.values()].flatMap((row) =>
        row.import === undefined || (row.import.lapses >= SUSPECT_LAPSES && row.import.dueTime <= clock.now())
          ? []
          : [row.import.dueTime.getTime()],
      );
      return times.length === 0 ? undefined : new Date(Math.min(...times));
    },
  };
}
