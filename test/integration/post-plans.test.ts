import { expect, it, onTestFinished } from 'vitest';
import { aesGcmCipher } from '../../src/adapters/crypto/aes-gcm-cipher.ts';
import { type Database, openDatabase } from '../../src/adapters/persistence/database.ts';
import { postgresPostQueue } from '../../src/adapters/persistence/postgres-post-queue.ts';
import { postgresPosts } from '../../src/adapters/persistence/postgres-posts.ts';
import { postgresVideos } from '../../src/adapters/persistence/postgres-videos.ts';
import { anUploadingPost, aReadyVideo, aRequest } from '../support/builders.ts';
import { freshDatabase } from '../support/fresh-database.ts';
import { recordingLog } from '../support/recording-log.ts';

type Step = {
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Step[];
};
type Query = { readonly text: string; readonly values: unknown[] };

const cipher = aesGcmCipher([{ id: 'test', bytes: Buffer.alloc(32, 7) }]);

/** So many due posts with an attempt each, in the order of their ids; the last has been due longest. */
async function databaseWith(posts: number): Promise<Database> {
  const fresh = await freshDatabase();
  onTestFinished(() => fresh.drop());
  const database = await openDatabase(fresh.url);
  onTestFinished(() => database.close());
  const post = anUploadingPost();
  await postgresVideos(database).add(aReadyVideo({ id: post.videoId }));
  await postgresPosts(database, cipher, () => undefined).add({ post, nextActionTime: new Date() }, aRequest());
  const copy = (table: string, changed: string) =>
    database.pool.query(
      `insert into ${table} select (jsonb_populate_record(${table}, jsonb_build_object(${changed}))).*
       from ${table}, generate_series(2, ${posts}) as copy`,
    );
  await copy('post', `'id', id || lpad(copy::text, 5, '0'), 'next_action_at', now() - copy * interval '1 second'`);
  await copy('attempt', `'post_id', post_id || lpad(copy::text, 5, '0'), 'upload_url', null`);
  return database;
}

/** How many rows of a table, taken or passed over, this statement reads. */
async function rowsRead({ pool }: Database, { text, values }: Query, table: string): Promise<number> {
  const { rows } = await pool.query<{ 'QUERY PLAN': [{ Plan: Step }] }>(
    `explain (analyze, format json) ${text}`,
    values,
  );
  const count = (step: Step): number =>
    (step['Relation Name'] === table
      ? (step['Actual Rows'] + (step['Rows Removed by Filter'] ?? 0)) * step['Actual Loops']
      : 0) + (step.Plans ?? []).reduce((sum, each) => sum + count(each), 0);
  return (rows[0]?.['QUERY PLAN'] ?? []).reduce((sum, { Plan }) => sum + count(Plan), 0);
}

it.each([
  { posts: 500, known: 'are news to the planner', analyze: false },
  { posts: 20_000, known: 'the planner knows of', analyze: true },
])('a claim reads what it takes and nothing else of $posts posts that $known', async ({ posts, analyze }) => {
  const database = await databaseWith(posts);
  if (analyze) await database.pool.query('analyze post, attempt');
  const sent: Query[] = [];
  const pool = {
    query(query: Query) {
      sent.push(query);
      return database.pool.query(query);
    },
  } as unknown as Database['pool'];
  const queue = postgresPostQueue({ ...database, pool }, cipher, () => undefined, recordingLog());
  const taken = await queue.claim({ owner: 'worker', limit: 5, leaseSeconds: 60 });
  expect(taken).toHaveLength(5);

  const [claim, attempts] = sent;
  if (claim === undefined || attempts === undefined) throw new Error('a claim asks for posts, and for their attempts');
  // Each is found as due, locked and written; those of the first claim are passed over.
  expect(await rowsRead(database, claim, 'post')).toBeLessThan(10 * taken.length);
  expect(await rowsRead(database, attempts, 'attempt')).toBe(taken.length);
});
