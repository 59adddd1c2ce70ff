import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from '../../src/adapters/persistence/database.ts';
import { postgresConnections } from '../../src/adapters/persistence/postgres-connections.ts';
import { postgresGarbage } from '../../src/adapters/persistence/postgres-garbage.ts';
import { postgresMetricCollections } from '../../src/adapters/persistence/postgres-metric-collections.ts';
import { postgresVideoMetrics } from '../../src/adapters/persistence/postgres-video-metrics.ts';
import type { CollectionLease } from '../../src/application/ports/metric-collections.ts';
import { disconnect } from '../../src/domain/connection/connection.ts';
import { ok } from '../../src/domain/result.ts';
import { anActiveConnection, later, NOW, WORKSPACE } from '../support/builders.ts';
import { freshDatabase } from '../support/fresh-database.ts';
import { aReading } from '../support/readings.ts';

const HOUR = 3600;
const DAY = 86_400;

let fresh: Awaited<ReturnType<typeof freshDatabase>>;
let database: Database;

beforeAll(async () => {
  fresh = await freshDatabase();
  database = await openDatabase(fresh.url);
});
beforeEach(() => database.pool.query('truncate connection, metric_collection, measured_video, video_snapshot cascade'));
afterAll(async () => {
  await database?.close();
  await fresh?.drop();
});

async function givenLease(): Promise<CollectionLease> {
  const collections = postgresMetricCollections(database);
  await postgresConnections(database, () => {}).add(anActiveConnection());
  await collections.discover();
  const [lease] = await collections.claimDue({ families: ['OPEN'], limit: 1, leaseSeconds: 60 });
  if (lease === undefined) throw new Error('nothing is due');
  return lease;
}

describe('a history in the database', () => {
  /** One video that is looked at so often, each time with more views. */
  async function grown(lease: CollectionLease, everySeconds: number, forSeconds: number) {
    const reading = aReading();
    for (let passed = 0; passed < forSeconds; passed += everySeconds) {
      const told = { time: later(passed), readings: [{ ...reading, numbers: { views: passed } }], missing: [] };
      await postgresMetricCollections(database).recordVideos(lease, told, lease.plan, 60);
    }
    const key = { connectionId: lease.connectionId, tiktokPostId: reading.tiktokPostId };
    return async () =>
      ((await postgresVideoMetrics(database).snapshots(key, { interval: 'STORED' }, { size: 500 }))?.items ?? []).map(
        ({ numbers }) => (numbers.views ?? Number.NaN) / HOUR,
      );
  }

  it('is thinned to one a day when it is a week old, in batches, and again as the days go by', async () => {
    const lease = await givenLease();
    const histories = [await grown(lease, 6 * HOUR, 4 * DAY), await grown(lease, 6 * HOUR, 4 * DAY)];
    const garbage = postgresGarbage(database);
    const hours = async () => Promise.all(histories.map((history) => history()));
    const whole = Array.from({ length: 16 }, (_, index) => index * 6);
    expect(await garbage.thinSnapshots(later(7 * DAY), 10)).toEqual({ videos: 0, dropped: 0 });
    // NOW is 10:00: the first day has three, and each other one four.
    expect(await garbage.thinSnapshots(later(9 * DAY), 1)).toEqual({ videos: 1, dropped: 5 });
    expect(await garbage.thinSnapshots(later(9 * DAY), 1)).toEqual({ videos: 1, dropped: 5 });
    expect(await garbage.thinSnapshots(later(9 * DAY), 1)).toEqual({ videos: 0, dropped: 0 });
    expect(await hours()).toEqual(Array(2).fill([12, 36, ...whole.filter((hour) => hour > 36)]));
    expect(await garbage.thinSnapshots(later(10 * DAY), 10)).toEqual({ videos: 2, dropped: 6 });
    expect(await garbage.thinSnapshots(later(20 * DAY), 10)).toEqual({ videos: 2, dropped: 6 });
    expect(await hours()).toEqual(Array(2).fill([12, 36, 60, 84, 90]));
    for (let day = 21; day < 400; day += 1) await garbage.thinSnapshots(later(day * DAY), 10);
    expect(await hours()).toEqual(Array(2).fill([12, 36, 60, 84, 90]));
    expect(await garbage.thinSnapshots(later(400 * DAY), 10)).toEqual({ videos: 0, dropped: 0 });
  });

  it('stays when its connection has ended', async () => {
    const lease = await givenLease();
    const history = await grown(lease, DAY, 3 * DAY);
    await postgresConnections(database, () => {}).update(lease.connectionId, (each) => ok(disconnect(each, NOW)));
    await postgresGarbage(database).thinSnapshots(later(300 * DAY), 10);
    expect(await history()).toEqual([0, 24, 48]);
  });
});

describe('the way to a page', () => {
  /** What PostgreSQL does for a statement that `read` sends, at each of its steps. */
  async function planOf(read: (database: Pick<Database, 'pool'>) => Promise<unknown>) {
    const sent: { readonly text: string; readonly values: unknown[] }[] = [];
    const pool = {
      async query(statement: string | { text: string; values: unknown[] }, values: unknown[] = []) {
        const each = typeof statement === 'string' ? { text: statement, values } : statement;
        sent.push(each);
        return database.pool.query(each.text, each.values);
      },
    } as unknown as Database['pool'];
    await read({ pool });
    const last = sent.at(-1);
    if (last === undefined) throw new Error('nothing was asked');
    const { rows } = await database.pool.query<{ 'QUERY PLAN': [{ Plan: Step }] }>(
      `explain (analyze, format json) ${last.text}`,
      last.values,
    );
    const steps: Step[] = [];
    const walk = (step: Step): void => {
      steps.push(step);
      for (const each of step.Plans ?? []) walk(each);
    };
    walk((rows[0] as { 'QUERY PLAN': [{ Plan: Step }] })['QUERY PLAN'][0].Plan);
    return steps;
  }
  type Step = {
    'Node Type': string;
    'Relation Name'?: string;
    'Actual Rows': number;
    'Actual Loops': number;
    Plans?: Step[];
  };
  const rowsRead = (steps: readonly Step[], table: string) =>
    steps
      .filter((step) => step['Relation Name'] === table)
      .reduce((sum, step) => sum + step['Actual Rows'] * step['Actual Loops'], 0);

  it('reads the page, and sorts nothing but the page, however many videos and snapshots there are', async () => {
    await database.pool.query(
      `insert into measured_video (workspace_id, connection_id, tiktok_post_id, create_time, caption, numbers, details, collect_time, activity_time)
       select $1, 'conn_' || n % 100, n::text, $2::timestamptz - n * interval '1 minute', '', '{}', '{}', $2, $2
       from generate_series(1, 20000) as n`,
      [WORKSPACE, NOW],
    );
    await database.pool.query(
      `insert into video_snapshot (video_id, time, views)
       select id, $1::timestamptz + n * interval '1 hour', n from (select id from measured_video limit 40) as video, generate_series(1, 500) as n`,
      [NOW],
    );
    await database.pool.query('analyze measured_video, video_snapshot');
    const filter = { workspaceId: WORKSPACE, connectionIds: [] as never[] };
    const [middle] =
      (await postgresVideoMetrics(database).list({ ...filter, publishedBefore: later(-5000 * 60) }, { size: 1 }))
        ?.items ?? [];
    if (middle === undefined) throw new Error('nothing is listed');
    const { connectionId, tiktokPostId } = middle;
    const after = `${connectionId}/${tiktokPostId}`;
    const page = await planOf((each) => postgresVideoMetrics(each).list(filter, { size: 50, after }));
    expect(rowsRead(page, 'measured_video')).toBe(51);
    const own = await planOf((each) =>
      postgresVideoMetrics(each).list(
        { ...filter, connectionIds: [connectionId, 'conn_7' as never] },
        { size: 50, after },
      ),
    );
    expect(rowsRead(own, 'measured_video')).toBeLessThanOrEqual(2 * 51);
    const [first] = (
      await database.pool.query('select tiktok_post_id, connection_id from measured_video order by id limit 1')
    ).rows;
    const key = { connectionId: first.connection_id, tiktokPostId: first.tiktok_post_id };
    for (const interval of ['STORED', 'DAY'] as const) {
      const history = await planOf((each) => postgresVideoMetrics(each).snapshots(key, { interval }, { size: 50 }));
      expect(rowsRead(history, 'video_snapshot')).toBeLessThanOrEqual(500);
      expect(rowsRead(history, 'measured_video')).toBe(1);
    }
  });
});
