import type { Pool } from 'pg';
import type { SchemaFacts } from '../../application/diagnosis/database.ts';
import { BacklogIndex } from './migrations/backlog-index.ts';
import { FirstSchema } from './migrations/first-schema.ts';
import { GarbageIndexes } from './migrations/garbage-indexes.ts';
import { HotUpdates } from './migrations/hot-updates.ts';
import { ImportLapses } from './migrations/import-lapses.ts';
import { MediaAddress } from './migrations/media-address.ts';
import { MetricTables } from './migrations/metric-tables.ts';
import { NeverTwice } from './migrations/never-twice.ts';
import { PostByState } from './migrations/post-by-state.ts';
import { PostTraceparent } from './migrations/post-traceparent.ts';
import { RequestOfPost } from './migrations/request-of-post.ts';
import { TokenLifeColumns } from './migrations/token-life.ts';
import { WebhookInboxTable } from './migrations/webhook-inbox.ts';

/** In the order in which they run. Names are stored: never rename one, and add new ones at the end. */
export const MIGRATIONS = [
  { name: '2026-11-22-first-schema', class: FirstSchema },
  { name: '2026-11-22-never-twice', class: NeverTwice },
  { name: '2026-11-22-media-address', class: MediaAddress },
  { name: '2026-11-22-backlog-index', class: BacklogIndex },
  { name: '2026-11-22-webhook-inbox', class: WebhookInboxTable },
  { name: '2026-11-22-import-lapses', class: ImportLapses },
  { name: '2026-11-22-token-life', class: TokenLifeColumns },
  { name: '2026-11-22-garbage-indexes', class: GarbageIndexes },
  { name: '2026-11-22-metric-tables', class: MetricTables },
  { name: '2026-11-22-hot-updates', class: HotUpdates },
  { name: '2026-11-22-post-traceparent', class: PostTraceparent },
  { name: '2026-11-22-request-of-post', class: RequestOfPost },
  { name: '2026-11-23-post-by-state', class: PostByState },
] as const;

/** As MikroORM names it. */
export const MIGRATION_TABLE = 'mikro_orm_migrations';

/** Reads only: makes no table, and waits for no lock. */
export async function readSchemaState(pool: Pick<Pool, 'query'>): Promise<SchemaFacts> {
  const { rows: tables } = await pool.query<{ there: boolean }>('select to_regclass($1) is not null as there', [
    MIGRATION_TABLE,
  ]);
  const { rows } = tables[0]?.there
    ? await pool.query<{ name: string }>(`select name from ${MIGRATION_TABLE} order by id`)
    : { rows: [] };
  const there = new Set(rows.map(({ name }) => name));
  const known = new Set<string>(MIGRATIONS.map(({ name }) => name));
  const pending = [...known].filter((name) => !there.has(name));
  return {
    applied: known.size - pending.length,
    pending,
    unknown: [...there].filter((name) => !known.has(name)),
  };
}
