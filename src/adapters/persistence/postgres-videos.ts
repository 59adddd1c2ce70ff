import type { PoolClient } from 'pg';
import { SUSPECT_LAPSES } from '../../application/ports/post-queue.ts';
import type { ImportLease, Videos, WorkspaceFull } from '../../application/ports/videos.ts';
import type { Finding } from '../../domain/finding.ts';
import type { VideoId, WorkspaceId } from '../../domain/ids.ts';
import type { PostState } from '../../domain/post/post.ts';
import { err, ok } from '../../domain/result.ts';
import type { ImportingVideo, Video } from '../../domain/video/video.ts';
import type { VideoSpec } from '../../domain/video/video-spec.ts';
import type { Database } from './database.ts';
import { gatheredRows } from './gathered.ts';
import { date, isStorable, optionalDate, present, type Time } from './json.ts';
import { NOW } from './now.ts';
import { prepared } from './prepared.ts';
import { bindRequestKey } from './request-keys.ts';
import { VideoRows } from './rows.ts';
import { inTransaction } from './transaction.ts';

/** A row of `video`, as the ORM and as plain SQL give it. */
type Row = {
  id: string;
  workspace_id: string;
  state: string;
  file_name?: string | null | undefined;
  request_id?: string | null | undefined;
  source_uri?: string | null | undefined;
  size_bytes?: string | number | null | undefined;
  sha256?: string | null | undefined;
  spec?: object | null | undefined;
  findings: readonly object[];
  create_time: Time;
  fence: string | number;
  failures: number;
  lapses: number;
};

/** Of all who add to one workspace; any number that every version of this service agrees on. */
const QUOTA_LOCK = 741_130;

/** For the hot path: what each post needs. */
const FIND = prepared(`
  select id, workspace_id, state, file_name, request_id, source_uri, size_bytes, sha256, spec, findings, create_time, fence, failures,
    lapses
  from video where id = any($1::text[])`);

/** Posts in these states may still need the bytes. */
export const NEEDING: readonly PostState[] = ['PREPARING', 'SCHEDULED', 'PUBLISHING', 'HELD'];

export function postgresVideos({ orm, pool }: Database): Videos {
  const read = gatheredRows(
    (ids: readonly VideoId[]) => pool.query<Row>(FIND(ids)),
    (row) => row.id,
  );
  return {
    async find(id, workspaceId) {
      if (!isStorable(id, workspaceId)) return undefined;
      const row = await read(id);
      const ours = row !== undefined && (workspaceId === undefined || row.workspace_id === workspaceId);
      return ours ? fromRow(row) : undefined;
    },
    async list({ workspaceId, states }, { size, after }) {
      const rows = await orm.em.fork().find(
        VideoRows,
        {
          workspace_id: workspaceId,
          ...(states.length === 0 ? {} : { state: { $in: [...states] } }),
          ...(after === undefined ? {} : { id: { $lt: after } }),
        },
        { orderBy: { id: 'desc' }, limit: size + 1 },
      );
      const items = rows.slice(0, size).map(fromRow);
      const last = items.at(-1);
      return rows.length > size && last !== undefined ? { items, next: last.id } : { items };
    },
    usedBytes: (workspaceId) => usedBytes(pool, workspaceId),
    add(video, limitBytes) {
      return inTransaction(pool, async (client) => {
        const full = await fullFor(client, video, limitBytes);
        if (full !== undefined) return err(full);
        await client.query(INSERT, [...valuesOf(toRow(video))]);
        return ok(undefined);
      });
    },
    addImport(video, key) {
      return inTransaction(pool, async (client) => {
        const bound = await bindRequestKey(client, video.workspaceId, key, video.id);
        if (!bound.ok) return bound;
        if (bound.value.made !== undefined) {
          const { rows } = await client.query<Row>('select * from video where id = $1', [bound.value.made]);
          const [made] = rows;
          // Its video was deleted since: what the request made is gone, and is not made again.
          if (made !== undefined) return ok({ video: fromRow(made), replayed: true });
          return ok({ video: { ...video, id: bound.value.made as VideoId }, replayed: true });
        }
        await client.query(
          `insert into video (id, workspace_id, state, file_name, request_id, source_uri, create_time, next_action_at)
           values ($1, $2, 'IMPORTING', $3, $4, $5, $6, ${NOW})`,
          [
            video.id,
            video.workspaceId,
            video.fileName ?? null,
            video.requestId ?? null,
            video.sourceUri ?? null,
            video.createTime,
          ],
        );
        return ok({ video, replayed: false });
      });
    },
    remove(id, workspaceId) {
      return inTransaction(pool, async (client) => {
        const found = await client.query(
          'select 1 from video where id = $1 and ($2::text is null or workspace_id = $2) for update',
          [id, workspaceId ?? null],
        );
        if (found.rowCount === 0) return 'NOT_FOUND';
        const used = await client.query('select 1 from post where video_id = $1 and state = any($2::text[]) limit 1', [
          id,
          NEEDING,
        ]);
        if (used.rowCount !== 0) return 'IN_USE';
        await client.query('delete from video where id = $1', [id]);
        return 'REMOVED';
      });
    },
    async claimImports({ owner, limit, leaseSeconds }) {
      const { rows } = await pool.query<Row & { lapsed: boolean }>(
        `with suspect as (
           select id from video where next_action_at <= now() and lapses >= ${SUSPECT_LAPSES}
             and not exists (select from video as held
               where held.lease_owner = $2 and held.lapses >= ${SUSPECT_LAPSES} and held.next_action_at > now())
           order by next_action_at for update skip locked limit least($1, 1)
         ), innocent as (
           select id from video where next_action_at <= now() and lapses < ${SUSPECT_LAPSES}
           order by next_action_at for update skip locked limit $1
         ), due as (
           select video.id, video.lease_owner is not null as lapsed from video
           where id in (select id from suspect union all select id from innocent)
           order by next_action_at limit $1
         )
         update video set lease_owner = $2, fence = fence + 1, next_action_at = ${NOW} + make_interval(secs => $3),
           lapses = case when due.lapsed then lapses + 1 else lapses end
         from due where video.id = due.id
         returning video.*, due.lapsed`,
        [limit, owner, leaseSeconds],
      );
      return rows.map((row): ImportLease => {
        const video = fromRow(row);
        if (video.state !== 'IMPORTING') throw new Error(`video ${row.id} is due for an import but is ${row.state}`);
        const { failures, lapses, lapsed } = row;
        return { video, owner, fence: Number(row.fence), failures, lapses, lapsed };
      });
    },
    async renewImport({ video, owner, fence }, leaseSeconds) {
      const { rowCount } = await pool.query(
        `update video set next_action_at = ${NOW} + make_interval(secs => $4)
         where id = $1 and lease_owner = $2 and fence = $3`,
        [video.id, owner, fence, leaseSeconds],
      );
      return rowCount === 1;
    },
    finishImport({ owner, fence }, video, limitBytes) {
      return inTransaction(pool, async (client) => {
        const full = await fullFor(client, video, limitBytes);
        if (full !== undefined) return full;
        const row = toRow(video);
        const { rowCount } = await client.query(
          `update video set state = $4, size_bytes = $5, sha256 = $6, spec = $7, findings = $8,
             lease_owner = null, next_action_at = null
           where id = $1 and lease_owner = $2 and fence = $3`,
          [
            video.id,
            owner,
            fence,
            row.state,
            row.size_bytes,
            row.sha256,
            row.spec === null ? null : JSON.stringify(row.spec),
            JSON.stringify(row.findings),
          ],
        );
        return rowCount === 1;
      });
    },
    async postponeImport({ video, owner, fence }, seconds) {
      await pool.query(
        `update video set lease_owner = null, failures = failures + 1, lapses = 0,
           next_action_at = ${NOW} + make_interval(secs => $4)
         where id = $1 and lease_owner = $2 and fence = $3`,
        [video.id, owner, fence, seconds],
      );
    },
    async restImport({ video, owner, fence }, seconds) {
      await pool.query(
        `update video set lease_owner = null, next_action_at = ${NOW} + make_interval(secs => $4)
         where id = $1 and lease_owner = $2 and fence = $3`,
        [video.id, owner, fence, seconds],
      );
    },
    async releaseImport({ video, owner, fence }) {
      await pool.query(
        `update video set lease_owner = null, lapses = 0, next_action_at = ${NOW}
         where id = $1 and lease_owner = $2 and fence = $3`,
        [video.id, owner, fence],
      );
    },
    async earliestImport() {
      const { rows } = await pool.query<{ next_action_at: Time | null }>(
        `select min(next_action_at) as next_action_at from video
         where next_action_at is not null and (lapses < ${SUSPECT_LAPSES} or next_action_at > now())`,
      );
      return optionalDate(rows[0]?.next_action_at);
    },
  };
}

async function usedBytes(client: Pick<PoolClient, 'query'>, workspaceId: WorkspaceId): Promise<number> {
  const { rows } = await client.query<{ bytes: string }>(
    `select coalesce(sum(size_bytes), 0) as bytes from video where workspace_id = $1 and state = 'READY'`,
    [workspaceId],
  );
  return Number(rows[0]?.bytes);
}

/** Whoever adds to a workspace that has a limit waits for who did before: together they keep to it. */
async function fullFor(
  client: PoolClient,
  video: Video,
  limitBytes: number | undefined,
): Promise<WorkspaceFull | undefined> {
  if (limitBytes === undefined || video.state !== 'READY') return undefined;
  await client.query('select pg_advisory_xact_lock($1, hashtext($2))', [QUOTA_LOCK, video.workspaceId]);
  const used = await usedBytes(client, video.workspaceId);
  return used + video.sizeBytes > limitBytes
    ? { code: 'WORKSPACE_QUOTA_EXCEEDED', usedBytes: used, limitBytes }
    : undefined;
}

const INSERT = `insert into video
    (id, workspace_id, state, file_name, request_id, source_uri, size_bytes, sha256, spec, findings, create_time)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`;

const valuesOf = (row: ReturnType<typeof toRow>): readonly unknown[] => [
  row.id,
  row.workspace_id,
  row.state,
  row.file_name,
  row.request_id,
  row.source_uri,
  row.size_bytes,
  row.sha256,
  row.spec === null ? null : JSON.stringify(row.spec),
  JSON.stringify(row.findings),
  row.create_time,
];

function fromRow(row: Row): Video {
  const common = present({
    id: row.id as VideoId,
    workspaceId: row.workspace_id as WorkspaceId,
    fileName: row.file_name ?? undefined,
    requestId: row.request_id ?? undefined,
    sourceUri: row.source_uri ?? undefined,
    createTime: date(row.create_time),
  });
  const file = present({
    sizeBytes: row.size_bytes == null ? undefined : Number(row.size_bytes),
    sha256: row.sha256 ?? undefined,
    spec: (row.spec ?? undefined) as VideoSpec | undefined,
  });
  const state = row.state as Video['state'];
  switch (state) {
    case 'IMPORTING':
      return { ...common, state } satisfies ImportingVideo;
    case 'READY': {
      const { sizeBytes, sha256, spec } = file;
      if (sizeBytes === undefined || sha256 === undefined || spec === undefined) {
        throw new Error(`video ${row.id} is READY without its file`);
      }
      return { ...common, state, sizeBytes, sha256, spec, findings: row.findings as readonly Finding[] };
    }
    case 'REJECTED':
      return { ...common, ...file, state, findings: row.findings as readonly [Finding, ...Finding[]] };
  }
}

const toRow = (video: Video) => ({
  id: video.id,
  workspace_id: video.workspaceId,
  state: video.state,
  file_name: video.fileName ?? null,
  request_id: video.requestId ?? null,
  source_uri: video.sourceUri ?? null,
  size_bytes: video.state === 'IMPORTING' ? null : (video.sizeBytes ?? null),
  sha256: video.state === 'IMPORTING' ? null : (video.sha256 ?? null),
  spec: video.state === 'IMPORTING' ? null : (video.spec ?? null),
  findings: video.state === 'IMPORTING' ? [] : [...video.findings],
  create_time: video.createTime,
});
