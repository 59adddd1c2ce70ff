import { readFile } from 'node:fs/promises';
import { PostgresBackend } from '@agendajs/postgres-backend';
import { Agenda } from 'agenda';
import { Queue, Worker } from 'bullmq';
import { PgBoss } from 'pg-boss';
import { inParallel } from '../support/in-parallel.ts';
import { type PublishTask, publishing } from './publishing.ts';

/**
 * The baselines with a queue: one job for each post, due at one moment, whose handler makes the same calls as the bare loop. What the queue
 * keeps of its jobs is all that is kept. Run with a file that holds a `QueueLoopTask`; says `due at …` once all jobs are
 * stored, and what it took at the end.
 */
export type QueueLoopTask = PublishTask & {
  readonly queue: QueueName;
  /** Of its own database, or of its Redis. */
  readonly storeUrl: string;
};

export type QueueName = 'Agenda' | 'pg-boss' | 'BullMQ';

export type QueueLoopResult = {
  /** Milliseconds since 1970. */
  readonly lastPublishTime: number;
  /** From the due moment until the first call, of each post. */
  readonly lateSeconds: readonly number[];
  /** From the due moment on. */
  readonly cpuSeconds: number;
  readonly peakBytes: number;
};

/** Until the jobs are due: what storing them takes, and some time to come to rest. */
const LEAD_MILLISECONDS = 8_000;
const LEAD_MILLISECONDS_PER_POST = 4;
const STORED_AT_ONCE = 16;
const JOBS_OF_A_STATEMENT = 1_000;

const [, , taskFile = ''] = process.argv;
const task = JSON.parse(await readFile(taskFile, 'utf8')) as QueueLoopTask;
const { publish, close } = await publishing(task);
const due = new Date(Date.now() + LEAD_MILLISECONDS + LEAD_MILLISECONDS_PER_POST * task.posts.length);
const indexes = task.posts.keys().toArray();
const lateSeconds: number[] = [];
const allDone = Promise.withResolvers<void>();
let left = task.posts.length;

async function handle(index: number): Promise<void> {
  const post = task.posts[index];
  if (post === undefined) throw new Error(`there is no post ${index}`);
  lateSeconds.push((Date.now() - due.getTime()) / 1000);
  await publish(post);
  left -= 1;
  if (left === 0) allDone.resolve();
}

/** Stores the jobs and works on them. Gives what ends it, once its own records are written. */
const queues: Readonly<Record<QueueName, () => Promise<() => Promise<void>>>> = {
  async Agenda() {
    const backend = new PostgresBackend({ connectionString: task.storeUrl });
    const { postsAtOnce } = task;
    const agenda = new Agenda({
      backend,
      processEvery: 1_000,
      maxConcurrency: postsAtOnce,
      defaultConcurrency: postsAtOnce,
    });
    agenda.on('error', allDone.reject);
    agenda.on('fail:publish', allDone.reject);
    await agenda.ready;
    await inParallel(STORED_AT_ONCE, indexes, (index) => agenda.schedule(due, 'publish', { index }));
    agenda.define<{ index: number }>('publish', ({ attrs }) => handle(attrs.data.index));
    await agenda.start();
    return async () => {
      await agenda.drain();
      await backend.disconnect();
    };
  },

  async 'pg-boss'() {
    const boss = new PgBoss(task.storeUrl);
    boss.on('error', allDone.reject);
    await boss.start();
    await boss.createQueue('publish', { retryLimit: 0 });
    for (let from = 0; from < indexes.length; from += JOBS_OF_A_STATEMENT) {
      const some = indexes.slice(from, from + JOBS_OF_A_STATEMENT);
      await boss.insert(
        'publish',
        some.map((index) => ({ data: { index }, startAfter: due })),
      );
    }
    // As many at once as the others, in batches: one at a time they would wait half a second for each.
    const batchSize = 16;
    const localConcurrency = task.postsAtOnce / batchSize;
    const options = { localConcurrency, batchSize, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true };
    await boss.work<{ index: number }>('publish', options, async (jobs) => {
      await Promise.all(jobs.map(({ data }) => handle(data.index))).catch(allDone.reject);
    });
    return () => boss.stop({ graceful: true });
  },

  async BullMQ() {
    const { hostname: host, port } = new URL(task.storeUrl);
    const connection = { host, port: Number(port), maxRetriesPerRequest: null };
    // A Redis that was given may have others' jobs in it.
    const prefix = `bench-${due.getTime()}`;
    const queue = new Queue<{ index: number }>('publish', { connection, prefix });
    for (let from = 0; from < indexes.length; from += JOBS_OF_A_STATEMENT) {
      const some = indexes.slice(from, from + JOBS_OF_A_STATEMENT);
      const delay = due.getTime() - Date.now();
      await queue.addBulk(some.map((index) => ({ name: 'publish', data: { index }, opts: { delay } })));
    }
    const worker = new Worker<{ index: number }>('publish', ({ data }) => handle(data.index), {
      connection,
      prefix,
      concurrency: task.postsAtOnce,
    });
    worker.on('failed', (_, error) => allDone.reject(error));
    return async () => {
      await worker.close();
      await queue.obliterate();
      await queue.close();
    };
  },
};

const end = await queues[task.queue]();
if (Date.now() > due.getTime() - LEAD_MILLISECONDS / 4)
  throw new Error('this machine is too slow to store the jobs before they are due');
console.log(`due at ${due.getTime()}`);
await new Promise((resolve) => setTimeout(resolve, due.getTime() - Date.now()));
const before = process.cpuUsage();
await allDone.promise;
const lastPublishTime = Date.now();
await end();
const { user, system } = process.cpuUsage(before);
const result: QueueLoopResult = {
  lastPublishTime,
  lateSeconds,
  cpuSeconds: (user + system) / 1e6,
  peakBytes: process.resourceUsage().maxRSS * 1024,
};
console.log(JSON.stringify(result));
await close();
process.exit(0);
