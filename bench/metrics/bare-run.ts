import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiFamily } from '../../src/domain/connection/connection.ts';
import { startChild } from '../support/child.ts';
import type { SandboxProcess } from '../support/sandbox-process.ts';
import type { BareLoopResult, BareLoopTask } from './bare-loop.ts';

/** As many as the collector asks about at once. */
const ACCOUNTS_AT_ONCE = 8;

export type BareFigures = BareLoopResult & {
  readonly calls: number;
  /** Undefined where the system does not tell. */
  readonly sandboxCpuSeconds: number | undefined;
};

/** The calls of a first round about the same accounts, without a service and without a database. */
export async function runBareLoop(needs: {
  readonly sandbox: SandboxProcess;
  readonly family: ApiFamily;
  readonly accessTokens: readonly string[];
  readonly folder: string;
  readonly resources: AsyncDisposableStack;
}): Promise<BareFigures> {
  const { sandbox, family, accessTokens, folder, resources } = needs;
  const { origin } = sandbox;
  const task: BareLoopTask = { family, origin, accessTokens, accountsAtOnce: ACCOUNTS_AT_ONCE };
  const taskFile = join(folder, 'bare-loop.json');
  await writeFile(taskFile, JSON.stringify(task));
  const before = await sandbox.usage();
  const { sequence } = await sandbox.traffic();
  const child = resources.use(startChild('bench/metrics/bare-loop.ts', {}, [taskFile]));
  const result = JSON.parse(await child.line((line) => line.startsWith('{'), 'it was done')) as BareLoopResult;
  await child.stop();
  const after = await sandbox.usage();
  return {
    ...result,
    calls: (await sandbox.traffic()).sequence - sequence,
    sandboxCpuSeconds: before === undefined || after === undefined ? undefined : after.cpuSeconds - before.cpuSeconds,
  };
}
