import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COLLECTION_RATES } from '../src/application/collect-metrics.ts';
import type { ApiFamily } from '../src/domain/connection/connection.ts';
import { type BareFigures, runBareLoop } from './metrics/bare-run.ts';
import { judgeLimits, limitsOf, refusedOf } from './metrics/judge.ts';
import { type Cost, report, type Trial } from './metrics/report.ts';
import { runRound } from './metrics/round.ts';
import { setTheStage } from './metrics/stage.ts';
import type { Bench } from './support/bench.ts';
import { startDatabaseServer } from './support/database-server.ts';
import { type SandboxProcess, startSandboxProcess } from './support/sandbox-process.ts';
import { machine } from './support/table.ts';

const DAY_MS = 86_400_000;
/** The most that the settings take. */
const FASTEST_CALLS_PER_SECOND = 50;
const NO_LIMIT = 1_000_000_000;
/** Of a page, and of videos that are asked for by their ids. */
const VIDEOS_OF_A_CALL = 20;

/** The account, its pages, and in a later round its first page and what is on no other. */
const callsOf = (accounts: number, videos: number): number =>
  accounts * (1 + Math.max(1, Math.ceil(videos / VIDEOS_OF_A_CALL)));

export const metricsOf = (family: ApiFamily): Bench<'accounts' | 'videos' | 'trial'> => ({
  about: `two collection rounds of the ${family === 'OPEN' ? 'open' : 'Business'} family by one worker, within TikTok's limits, and what they cost`,
  flags: {
    accounts: {
      fallback: 1_000,
      quick: 50,
      least: 1,
      most: 12_000,
      meaning: 'connections of the rounds that tell the cost',
    },
    // A worker leaves an account after ten calls, and goes on later.
    videos: { fallback: 50, quick: 50, least: 1, most: 180, meaning: 'videos of each' },
    trial: { fallback: 60, quick: 10, least: 1, most: 10_000, meaning: 'connections of the round at the default rate' },
  },
  check: () => undefined,

  async run({ accounts, videos, trial: trialAccounts, repeat }, resources, tell) {
    const where = machine();
    const folder = await mkdtemp(join(tmpdir(), 'bench-metrics-'));
    resources.defer(() => rm(folder, { recursive: true, force: true }));
    tell('starting a PostgreSQL');
    const server = resources.use(await startDatabaseServer(join(folder, 'postgres')));
    const tokenKeys = `bench:${randomBytes(32).toString('base64')}`;
    const failures: string[] = [];
    let runs = 0;

    /** A sandbox whose numbers stand still within a day (UTC), and a database that knows of its accounts. */
    async function withCrowd<R>(
      what: string,
      count: number,
      work: (parts: {
        readonly sandbox: SandboxProcess;
        readonly accessTokens: readonly string[];
        readonly folder: string;
        readonly resources: AsyncDisposableStack;
        round(name: string, callsPerSecond: number | undefined): ReturnType<typeof runRound>;
      }) => Promise<R>,
    ): Promise<R> {
      const own = resources.use(new AsyncDisposableStack());
      const database = `metrics_${++runs}`;
      try {
        tell(`${what}: preparing`);
        const sandbox = own.use(await startSandboxProcess());
        await sandbox.changeSettings({ openRefreshMs: DAY_MS, insightsRefreshMs: DAY_MS });
        const crowd = await sandbox.addCrowd(family, count, videos);
        const { url: databaseUrl } = await server.create(database);
        await setTheStage(databaseUrl, tokenKeys, family, crowd);
        const place = join(folder, database);
        await mkdir(place);
        return await work({
          sandbox,
          accessTokens: crowd.map(({ grant }) => grant.accessToken.reveal()),
          folder: place,
          resources: own,
          async round(name, callsPerSecond) {
            tell(`${what}, ${name}: measuring`);
            const run = await runRound({
              ...{ server, database, databaseUrl, sandbox, tokenKeys, family, callsPerSecond, videos },
              folder: place,
              accounts: count,
              expectedCalls: callsOf(count, videos),
              resources: own,
            });
            failures.push(...run.failures.map((failure) => `${what}, ${name}: ${failure}`));
            return run;
          },
        });
      } finally {
        await own.disposeAsync();
        await server.drop(database);
      }
    }

    const trials: Trial[] = [];
    const costs: Cost[] = [];
    let bareLoops: readonly BareFigures[] = [];
    for (let each = 1; each <= repeat; each += 1) {
      const name = repeat === 1 ? '' : ` ${each} of ${repeat}`;
      const trial = await withCrowd(`limits${name}`, trialAccounts, ({ round }) => round('default rate', undefined));
      failures.push(...judgeLimits(family, trial.traffic).map((failure) => `limits${name}: ${failure}`));
      const { traffic, figures } = trial;
      trials.push({ limits: limitsOf(family, traffic), refused: refusedOf(traffic), figures });

      await withCrowd(`cost${name}`, accounts, async ({ sandbox, accessTokens, round, ...parts }) => {
        await sandbox.changeSettings({
          appPerMinute: NO_LIMIT,
          businessPerMinute: NO_LIMIT,
          businessAppPerMinute: NO_LIMIT,
          businessAppPerSecond: NO_LIMIT,
        });
        tell(`cost${name}, bare loop: measuring`);
        const bare = await runBareLoop({ ...parts, sandbox, family, accessTokens });
        if (bare.calls !== callsOf(accounts, videos) || bare.videos !== accounts * videos) {
          failures.push(`cost${name}, bare loop: ${bare.calls} calls told of ${bare.videos} videos`);
        }
        bareLoops = [...bareLoops, bare];
        const first = await round('first round', FASTEST_CALLS_PER_SECOND);
        const second = await round('second round', FASTEST_CALLS_PER_SECOND);
        // TikTok's numbers of a video's first day or two are not there yet.
        if (first.figures.snapshots === 0) failures.push(`cost${name}: the first round stored no snapshot`);
        if (second.figures.snapshots !== 0) {
          failures.push(
            `cost${name}: the second round stored ${second.figures.snapshots} snapshots of what had not changed`,
          );
        }
        costs.push({ first: first.figures, second: second.figures, endpoints: first.traffic.endpoints });
      });
    }
    const about = {
      ...{ family, accounts, videos, trialAccounts, repeat },
      callsPerSecond: COLLECTION_RATES[family].callsPerSecond,
      costCallsPerSecond: FASTEST_CALLS_PER_SECOND,
      date: new Date().toISOString(),
      machine: where,
      postgres: server.version,
    };
    return report(about, trials, costs, bareLoops, failures);
  },
});
