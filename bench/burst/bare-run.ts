import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startChild } from '../support/child.ts';
import type { SandboxProcess } from '../support/sandbox-process.ts';
import type { BareLoopResult } from './bare-loop.ts';
import { judge } from './judge.ts';
import { publishTask } from './publish-task.ts';

/** One run of the baseline. Seconds count from its beginning. */
export type BareFigures = {
  readonly firstInitSeconds: number;
  readonly lastInitSeconds: number;
  readonly lastPublishSeconds: number;
  readonly postsPerSecond: number;
  readonly callsPerPost: number;
  readonly cpuSecondsPerPost: number;
  readonly sandboxCpuSecondsPerPost: number | undefined;
  readonly peakBytes: number;
};

/** The same posts on a sandbox of the same size, without a service and without a database. */
export async function runBareLoop(needs: {
  readonly sandbox: SandboxProcess;
  readonly folder: string;
  readonly posts: number;
  readonly accounts: number;
  readonly resources: AsyncDisposableStack;
  readonly beforeItBegins: () => Promise<void>;
}): Promise<{ readonly figures: BareFigures; readonly failures: readonly string[] }> {
  const { sandbox, folder, posts, resources, beforeItBegins } = needs;
  const task = await publishTask(needs);
  const taskFile = join(folder, 'bare-loop.json');
  await writeFile(taskFile, JSON.stringify(task));
  await beforeItBegins();

  const before = await sandbox.usage();
  const child = resources.use(startChild('bench/burst/bare-loop.ts', {}, [taskFile]));
  const result = JSON.parse(await child.line((line) => line.startsWith('{'), 'it was done')) as BareLoopResult;
  const after = await sandbox.usage();
  await child.stop();

  const seen = judge(await sandbox.ledger(), posts);
  const sinceBegin = (time: number): number => (time - result.beginTime) / 1000;
  const lastPublishSeconds = sinceBegin(result.lastPublishTime);
  return {
    failures: seen.failures.map((failure) => `bare loop: ${failure}`),
    figures: {
      firstInitSeconds: sinceBegin(seen.firstInitTime),
      lastInitSeconds: sinceBegin(seen.lastInitTime),
      lastPublishSeconds,
      postsPerSecond: posts / lastPublishSeconds,
      callsPerPost: seen.calls / posts,
      cpuSecondsPerPost: result.cpuSeconds / posts,
      sandboxCpuSecondsPerPost:
        before === undefined || after === undefined ? undefined : (after.cpuSeconds - before.cpuSeconds) / posts,
      peakBytes: result.peakBytes,
    },
  };
}
