import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from '../support/child.ts';
import type { Figures } from '../support/comparison.ts';
import type { DatabaseServer } from '../support/database-server.ts';
import type { SandboxProcess } from '../support/sandbox-process.ts';
import { ascending, percentile } from '../support/statistics.ts';
import { judge } from './judge.ts';
import { publishTask } from './publish-task.ts';
import type { QueueLoopResult, QueueLoopTask, QueueName } from './queue-loop.ts';

/** Figures of the time before are read so long before the jobs are due. */
const LEAD_MILLISECONDS = 300;

/** The same posts on a sandbox of the same size, each a job of a queue. Seconds count from the due moment. */
export async function runQueue(needs: {
  readonly queue: QueueName;
  readonly server: DatabaseServer;
  /** Empty. The queue's alone, and unused by one that keeps its jobs in Redis. */
  readonly database: string;
  readonly redisUrl: string | undefined;
  readonly sandbox: SandboxProcess;
  readonly folder: string;
  readonly posts: number;
  readonly accounts: number;
  readonly resources: AsyncDisposableStack;
  readonly beforeItBegins: () => Promise<void>;
}): Promise<{ readonly figures: Figures; readonly failures: readonly string[] }> {
  const { queue, server, database, redisUrl, sandbox, folder, posts, resources } = needs;
  const { url: databaseUrl } = await server.create(database);
  const storeUrl = redisUrl ?? databaseUrl;
  const task: QueueLoopTask = { ...(await publishTask(needs)), queue, storeUrl };
  const taskFile = join(folder, 'queue-loop.json');
  await writeFile(taskFile, JSON.stringify(task));
  await needs.beforeItBegins();

  const child = resources.use(startChild('bench/burst/queue-loop.ts', {}, [taskFile]));
  const dueLine = await child.line((line) => line.startsWith('due at'), 'all jobs were stored');
  const dueTime = Number(dueLine.split(' ').at(-1));
  await server.checkpoint();
  await sleep(dueTime - LEAD_MILLISECONDS - Date.now());
  const measured = async () => ({
    sandbox: (await sandbox.usage())?.cpuSeconds,
    postgres: await server.cpuSeconds(),
    walBytes: await server.walBytes(),
    transactions: await server.transactions(database),
  });
  const before = await measured();
  const result = JSON.parse(await child.line((line) => line.startsWith('{'), 'it was done')) as QueueLoopResult;
  await child.stop();
  await server.untilAlone(database);
  const after = await measured();

  const seen = judge(await sandbox.ledger(), posts);
  const sinceDue = (time: number): number => (time - dueTime) / 1000;
  const perPost = (from: number | undefined, to: number | undefined): number | undefined =>
    from === undefined || to === undefined ? undefined : (to - from) / posts;
  const late = ascending(result.lateSeconds);
  const lastPublishSeconds = sinceDue(result.lastPublishTime);
  return {
    failures: seen.failures.map((failure) => `${queue}: ${failure}`),
    figures: {
      firstInitSeconds: sinceDue(seen.firstInitTime),
      lastInitSeconds: sinceDue(seen.lastInitTime),
      latenessP50Seconds: percentile(late, 0.5),
      latenessP99Seconds: percentile(late, 0.99),
      latenessMaxSeconds: percentile(late, 1),
      lastPublishSeconds,
      postsPerSecond: posts / lastPublishSeconds,
      callsPerPost: seen.calls / posts,
      cpuSecondsPerPost: result.cpuSeconds / posts,
      sandboxCpuSecondsPerPost: perPost(before.sandbox, after.sandbox),
      peakBytes: result.peakBytes,
      ...(redisUrl === undefined
        ? {
            transactionsPerPost: perPost(before.transactions, after.transactions),
            walBytesPerPost: perPost(before.walBytes, after.walBytes),
            postgresCpuSecondsPerPost: perPost(before.postgres, after.postgres),
          }
        : {}),
    },
  };
}
