import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { DatabaseServer } from '../support/database-server.ts';
import { errorsIn } from '../support/errors-in.ts';
import { measure } from '../support/measure.ts';
import type { SandboxProcess } from '../support/sandbox-process.ts';
import { ascending, percentile } from '../support/statistics.ts';
import { startWorker } from '../support/worker.ts';
import { judge } from './judge.ts';
import { setTheMoment, setTheStage } from './stage.ts';

/** One run of the service. Seconds count from the moment that all posts are due; what is per post is divided by all posts. */
export type ServiceFigures = {
  readonly allClaimedSeconds: number;
  readonly firstInitSeconds: number;
  readonly lastInitSeconds: number;
  readonly latenessP50Seconds: number;
  readonly latenessP99Seconds: number;
  readonly latenessMaxSeconds: number;
  readonly lastPublishSeconds: number;
  readonly postsPerSecond: number;
  readonly callsPerPost: number;
  readonly transactionsPerPost: number;
  readonly walBytesPerPost: number;
  /** Undefined where the system does not tell. */
  readonly cpuSecondsPerPost: number | undefined;
  readonly sandboxCpuSecondsPerPost: number | undefined;
  readonly postgresCpuSecondsPerPost: number | undefined;
  readonly peakBytes: number | undefined;
};

export type ServiceRun = {
  readonly figures: ServiceFigures;
  readonly workspaces: number;
  readonly failures: readonly string[];
};

const LOOK_MILLISECONDS = 100;
/** Figures of the time before are read so long before the posts are due. */
const LEAD_MILLISECONDS = 300;
/** A service that takes longer than this is stuck. */
const PATIENCE_SECONDS = 120;
const PATIENCE_SECONDS_PER_POST = 0.05;

/** Lets one worker process publish all posts, and measures it from outside. */
export async function runService(needs: {
  readonly server: DatabaseServer;
  readonly database: string;
  readonly sandbox: SandboxProcess;
  readonly folder: string;
  readonly tokenKeys: string;
  readonly posts: number;
  readonly accounts: number;
  readonly resources: AsyncDisposableStack;
  readonly beforeItBegins: () => Promise<void>;
}): Promise<ServiceRun> {
  const { server, database, sandbox, folder, tokenKeys, posts, resources, beforeItBegins } = needs;
  const { url: databaseUrl } = await server.create(database);
  const videoFolder = join(folder, 'videos');
  const accounts = await sandbox.addAccounts(needs.accounts);
  const { workspaces } = await setTheStage({ databaseUrl, tokenKeys, videoFolder, accounts, posts });

  const worker = await startWorker({ sandbox, databaseUrl, tokenKeys, folder, videoFolder, resources });

  const observer = new Client({ connectionString: databaseUrl });
  await observer.connect();
  resources.defer(() => observer.end());
  let looks = 0;
  /** The engine's own index answers both questions, and at once. */
  async function nothingLeft(condition: string, values: readonly unknown[]): Promise<boolean> {
    looks += 1;
    const { rowCount } = await observer.query(`select from post where ${condition} limit 1`, [...values]);
    return rowCount === 0;
  }

  await beforeItBegins();
  const dueTime = await setTheMoment(observer);
  await server.checkpoint();
  await sleep(dueTime.getTime() - LEAD_MILLISECONDS - Date.now());
  const before = await measure({ worker, sandbox, server, database });
  let allClaimedTime: number | undefined;
  const deadline = dueTime.getTime() + (PATIENCE_SECONDS + posts * PATIENCE_SECONDS_PER_POST) * 1000;
  const failures: string[] = [];
  for (;;) {
    // Who is claimed comes due again at the end of the lease, or at the next step.
    if (allClaimedTime === undefined && (await nothingLeft('next_action_at <= $1', [dueTime]))) {
      allClaimedTime = Date.now();
    }
    if (await nothingLeft('next_action_at is not null', [])) break;
    if (Date.now() > deadline) {
      failures.push('the service did not get done in time');
      break;
    }
    await sleep(LOOK_MILLISECONDS);
  }
  const after = await measure({ worker, sandbox, server, database });
  const { rows } = await observer.query<{ state: string; lateness: number | null; published: Date | null }>(
    'select state, dispatch_lateness_seconds as lateness, publish_time as published from post',
  );
  await Promise.all([observer.end(), worker.stop()]);
  await server.untilAlone(database);
  const transactions = (await server.transactions(database)) - before.transactions - looks;

  const seen = judge(await sandbox.ledger(), posts);
  failures.push(...seen.failures, ...errorsIn(worker.lines()));
  for (const [state, same] of Map.groupBy(rows, (row) => row.state)) {
    if (state !== 'PUBLISHED') failures.push(`${same.length} posts are ${state}`);
  }

  const lateness = ascending(rows.map((row) => row.lateness ?? Number.NaN));
  const sinceDue = (time: number): number => (time - dueTime.getTime()) / 1000;
  const lastPublishSeconds = sinceDue(Math.max(...rows.map(({ published }) => published?.getTime() ?? 0)));
  const difference = (from: number | undefined, to: number | undefined): number | undefined =>
    from === undefined || to === undefined ? undefined : (to - from) / posts;
  return {
    workspaces,
    failures,
    figures: {
      allClaimedSeconds: sinceDue(allClaimedTime ?? Number.NaN),
      firstInitSeconds: sinceDue(seen.firstInitTime),
      lastInitSeconds: sinceDue(seen.lastInitTime),
      latenessP50Seconds: percentile(lateness, 0.5),
      latenessP99Seconds: percentile(lateness, 0.99),
      latenessMaxSeconds: percentile(lateness, 1),
      lastPublishSeconds,
      postsPerSecond: posts / lastPublishSeconds,
      callsPerPost: seen.calls / posts,
      transactionsPerPost: transactions / posts,
      walBytesPerPost: (after.walBytes - before.walBytes) / posts,
      cpuSecondsPerPost: difference(before.worker?.cpuSeconds, after.worker?.cpuSeconds),
      sandboxCpuSecondsPerPost: difference(before.sandbox?.cpuSeconds, after.sandbox?.cpuSeconds),
      postgresCpuSecondsPerPost: difference(before.postgres, after.postgres),
      peakBytes: after.worker?.peakBytes,
    },
  };
}
