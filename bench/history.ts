import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { openDatabase } from '../src/adapters/persistence/database.ts';
import { SNAPSHOT_COLUMNS } from '../src/adapters/persistence/metric-rows.ts';
import { postgresGarbage } from '../src/adapters/persistence/postgres-garbage.ts';
import { postgresVideoMetrics } from '../src/adapters/persistence/postgres-video-metrics.ts';
import { nextVideoTime } from '../src/domain/analytics/collection.ts';
import { VIDEO_NUMBERS } from '../src/domain/analytics/reading.ts';
import { thinned } from '../src/domain/analytics/thinning.ts';
import type { ConnectionId, WorkspaceId } from '../src/domain/ids.ts';
import type { Bench } from './support/bench.ts';
import { startDatabaseServer } from './support/database-server.ts';
import { ascending, percentile } from './support/statistics.ts';
import { machine, short, table } from './support/table.ts';

const DAY_MS = 86_400_000;
const YEAR_DAYS = 365;
/** What figures are extrapolated to. */
const GOAL = 100_000;
const POSTS_OF_AN_ACCOUNT = 50;
const ACCOUNTS_OF_A_WORKSPACE = 10;
const QUERIES = 300;

const LOOKED = VIDEO_NUMBERS.map((name) => SNAPSHOT_COLUMNS[name]);

/** When a video of that age was looked at, each time with a change, as far as thinning left it. */
function historyOf(createTime: Date, now: Date): readonly Date[] {
  const looks: Date[] = [];
  for (
    let time: Date | undefined = createTime;
    time !== undefined && time <= now;
    time = nextVideoTime(createTime, time)
  ) {
    looks.push(time);
  }
  const gone = new Set(thinned(looks, createTime, now).dropped.map(Number));
  return looks.filter((time) => !gone.has(Number(time)));
}

const VIDEOS = `
  insert into measured_video (workspace_id, connection_id, tiktok_post_id, create_time, caption, share_uri, duration_seconds,
    numbers, details, collect_time, activity_time, next_collect_at)
  select 'ws_' || n / $3::int / $4::int, 'conn_' || n / $3::int, (7400000000000000000 + n)::text,
    $1::timestamptz - (n * 7919 % 525600) * interval '1 minute', 'A caption of some length, with #hashtags and a few words',
    'https://www.tiktok.com/@acme/video/' || (7400000000000000000 + n), 21.5, $5::jsonb,
    jsonb_build_object('breakdowns', '{}'::jsonb, 'curves', jsonb_build_object('retention', jsonb_build_object('asOf', $1::text, 'value',
      (select jsonb_agg(jsonb_build_object('second', second, 'fraction', 0.5)) from generate_series(0, 20) as second)))),
    $1, $1, $1::timestamptz + interval '1 hour'
  from generate_series(0, $2::int - 1) as n`;

/** Of all videos of one minute of a year; the values are such that no two rows are alike. */
const snapshotsWith = (numbers: number): string => `
  insert into video_snapshot (video_id, time, ${LOOKED.slice(0, numbers).join(', ')})
  select id, time, ${LOOKED.slice(0, numbers)
    .map((_, index) => `(id * 13 + extract(epoch from time)::bigint) % ${10 ** (3 + (index % 5))}`)
    .join(', ')}
  from measured_video cross join unnest($2::timestamptz[]) as time where create_time = $1`;

async function fill(pool: Pool, now: Date, { posts, numbers }: { readonly posts: number; readonly numbers: number }) {
  const known = Object.fromEntries(VIDEO_NUMBERS.slice(0, numbers).map((name) => [name, { value: 12_345, asOf: now }]));
  await pool.query(VIDEOS, [now, posts, POSTS_OF_AN_ACCOUNT, ACCOUNTS_OF_A_WORKSPACE, JSON.stringify(known)]);
  await pool.query('create index bench_create_time on measured_video (create_time)');
  const { rows } = await pool.query<{ create_time: Date | string }>('select distinct create_time from measured_video');
  const insert = snapshotsWith(numbers);
  for (const row of rows) {
    const createTime = new Date(row.create_time);
    await pool.query(insert, [createTime, historyOf(createTime, now)]);
  }
  await pool.query('drop index bench_create_time');
  await pool.query('vacuum (analyze) measured_video, video_snapshot');
}

export const history: Bench<'posts' | 'numbers'> = {
  about: 'a year of snapshots: rows, bytes and how long a page takes, scaled down and extrapolated to 100,000 posts',
  flags: {
    posts: { fallback: 5_000, quick: 300, least: 50, most: GOAL, meaning: 'posts, spread evenly over the year' },
    numbers: {
      fallback: VIDEO_NUMBERS.length,
      quick: VIDEO_NUMBERS.length,
      least: 1,
      most: VIDEO_NUMBERS.length,
      meaning: `numbers of each: 4 are the open family's, ${VIDEO_NUMBERS.length} the Business family's`,
    },
  },
  check: () => undefined,

  async run({ posts, numbers }, resources, tell) {
    const where = machine();
    const folder = await mkdtemp(join(tmpdir(), 'bench-history-'));
    resources.defer(() => rm(folder, { recursive: true, force: true }));
    tell('starting a PostgreSQL');
    const server = resources.use(await startDatabaseServer(join(folder, 'postgres')));
    const database = await openDatabase((await server.create('history')).url);
    resources.defer(() => database.close());
    const { pool } = database;
    const now = new Date();
    tell(`storing a year of ${posts} posts`);
    await fill(pool, now, { posts, numbers });
    await server.checkpoint();

    const size = async (name: string): Promise<{ readonly rows: number; readonly bytes: number }> => {
      const { rows } = await pool.query<{ rows: string; bytes: string }>(
        `select (select count(*) from ${name}) as rows, pg_total_relation_size('${name}') as bytes`,
      );
      return { rows: Number(rows[0]?.rows), bytes: Number(rows[0]?.bytes) };
    };
    const [snapshots, videos] = [await size('video_snapshot'), await size('measured_video')];

    const metrics = postgresVideoMetrics(database);
    const any = (below: number): number => Math.floor(Math.random() * below);
    const accounts = Math.ceil(posts / POSTS_OF_AN_ACCOUNT);
    const aKey = () => {
      const post = any(posts);
      const connectionId = `conn_${Math.floor(post / POSTS_OF_AN_ACCOUNT)}` as ConnectionId;
      return { connectionId, tiktokPostId: String(7_400_000_000_000_000_000n + BigInt(post)) };
    };
    const aWorkspace = () => `ws_${Math.floor(any(accounts) / ACCOUNTS_OF_A_WORKSPACE)}` as WorkspaceId;
    const failures: string[] = [];
    const timed = async (name: string, query: () => Promise<{ readonly items: readonly unknown[] } | undefined>) => {
      tell(name);
      const times: number[] = [];
      let items = 0;
      for (let each = 0; each < QUERIES; each += 1) {
        const began = performance.now();
        items += (await query())?.items.length ?? 0;
        times.push(performance.now() - began);
      }
      if (items === 0) failures.push(`${name}: nothing was found`);
      const sorted = ascending(times);
      return {
        name,
        items: items / QUERIES,
        p50Milliseconds: percentile(sorted, 0.5),
        p99Milliseconds: percentile(sorted, 0.99),
      };
    };
    const queries = [
      await timed('history of a video, as stored', () =>
        metrics.snapshots(aKey(), { interval: 'STORED' }, { size: 500 }),
      ),
      await timed('history of a video, by day', () => metrics.snapshots(aKey(), { interval: 'DAY' }, { size: 500 })),
      await timed('50 newest videos of a workspace', () =>
        metrics.list({ workspaceId: aWorkspace(), connectionIds: [] }, { size: 50 }),
      ),
      await timed('current numbers of a video', async () => {
        const found = await metrics.find(aKey());
        return { items: found === undefined ? [] : [found] };
      }),
    ];

    tell('thinning all of it');
    // What is there is thinned already: the pass finds that, for each video, and drops nothing of the last week.
    await pool.query('update measured_video set thin_at = $1', [new Date(now.getTime() - DAY_MS)]);
    const garbage = postgresGarbage(database);
    const began = performance.now();
    let dropped = 0;
    for (;;) {
      const batch = await garbage.thinSnapshots(now, 100);
      dropped += batch.dropped;
      if (batch.videos === 0) break;
    }
    const thinSeconds = (performance.now() - began) / 1000;
    if (dropped > 0) failures.push(`${dropped} snapshots were thinned that were thin already`);

    const scale = GOAL / posts;
    const megabytes = (bytes: number): string => `${short(bytes / 1e6)} MB`;
    const figures = {
      where: { ...where, postgresql: server.version },
      posts,
      numbers,
      days: YEAR_DAYS,
      snapshots,
      videos,
      rowsPerPost: snapshots.rows / posts,
      bytesPerSnapshot: snapshots.bytes / snapshots.rows,
      extrapolated: {
        posts: GOAL,
        snapshotRows: Math.round(snapshots.rows * scale),
        snapshotBytes: Math.round(snapshots.bytes * scale),
        videoBytes: Math.round(videos.bytes * scale),
        thinSeconds: thinSeconds * scale,
      },
      thinSeconds,
      queries,
    };
    const text = table(
      ['figure', `${short(posts)} posts, seen`, `${short(GOAL)} posts, extrapolated`],
      [
        ['snapshots', short(snapshots.rows), short(snapshots.rows * scale)],
        ['snapshots of a post', short(snapshots.rows / posts), ''],
        ['size of the snapshots, index included', megabytes(snapshots.bytes), megabytes(snapshots.bytes * scale)],
        ['bytes of a snapshot, index included', short(snapshots.bytes / snapshots.rows), ''],
        ['size of the current numbers, indexes included', megabytes(videos.bytes), megabytes(videos.bytes * scale)],
        ['one pass of thinning', `${short(thinSeconds)} s`, `${short(thinSeconds * scale)} s`],
        ...queries.map(({ name, p50Milliseconds, p99Milliseconds, items }) => [
          `${name} (${short(items)} rows)`,
          `p50 ${short(p50Milliseconds)} ms, p99 ${short(p99Milliseconds)} ms`,
          'not extrapolated',
        ]),
      ],
    );
    // How large things are has no baseline, and times of a PostgreSQL alone say nothing of another machine.
    return { table: text, figures, ratios: {}, failures };
  },
};
