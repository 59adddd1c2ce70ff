import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { imageTree } from '../scripts/image-tree.ts';
import { setTheStage } from './burst/stage.ts';
import type { Bench } from './support/bench.ts';
import { type Child, startChild, startService } from './support/child.ts';
import { comparison, type Figures, type Ratio, type Row, ratioOf, type Subject } from './support/comparison.ts';
import { errorsIn } from './support/errors-in.ts';
import { freePorts } from './support/free-ports.ts';
import { startSandboxProcess } from './support/sandbox-process.ts';
import { countStatements } from './support/statement-log.ts';
import { circumstances, circumstancesLine, surroundings } from './support/surroundings.ts';
import { startWorker } from './support/worker.ts';

const ACCOUNTS = 100;
const POSTS = 100;
/** What the start leaves to be done is done by then. */
const SETTLE_MILLISECONDS = 8_000;
const GOAL_STATEMENTS_PER_MINUTE = 60;
/** Of the statements, in the figures for machines. */
const MOST_FREQUENT = 10;

const ROWS: readonly Row[] = [
  ['from start to ready', 'startSeconds', 's', 1],
  ['the same with the embedded PostgreSQL and the sandbox, whose data is there', 'embeddedStartSeconds', 's', 1],
  ['CPU, of one core', 'cpuShare', '%', 100],
  ["PostgreSQL's CPU, of one core", 'postgresCpuShare', '%', 100],
  ['statements per minute', 'statementsPerMinute', '', 1],
  ['memory', 'residentBytes', 'MiB', 1 / 2 ** 20],
  ['peak RSS', 'peakBytes', 'MiB', 1 / 2 ** 20],
  ['files of the image without its base', 'imageBytes', 'MB', 1e-6],
];

export const idle: Bench<'milliseconds'> = {
  about: 'what a service takes that has nothing to do, and how soon it is ready',
  flags: {
    milliseconds: { fallback: 60_000, quick: 15_000, least: 1_000, most: 3_600_000, meaning: 'how long it is watched' },
  },
  check: () => undefined,

  async run(options, resources, tell) {
    const around = await surroundings('idle', resources, tell);
    const { folder, server, tokenKeys } = around;
    const sandbox = resources.use(await startSandboxProcess());
    const { url: databaseUrl } = await server.create('idle');
    const { url: bareUrl } = await server.create('idle_bare');
    const videoFolder = join(folder, 'videos');
    const dataFolder = join(folder, 'data');
    await mkdir(dataFolder);
    tell('preparing accounts, and posts for tomorrow');
    const accounts = await sandbox.addAccounts(ACCOUNTS);
    await setTheStage({ databaseUrl, tokenKeys, videoFolder, accounts, posts: POSTS });
    await putOffNumbers(databaseUrl);
    await server.logStatements('idle');
    tell('copying what is in the image');
    const imageBytes = await sizeOfImage(resources);

    async function watch(child: Child) {
      await sleep(SETTLE_MILLISECONDS);
      const look = async () => ({
        time: performance.now(),
        usage: await child.usage(),
        postgres: await server.cpuSeconds(),
      });
      const logged = (await server.log()).length;
      const before = await look();
      await sleep(options.milliseconds);
      const after = await look();
      const share = (from: number | undefined, to: number | undefined): number | undefined =>
        from === undefined || to === undefined ? undefined : (to - from) / ((after.time - before.time) / 1000);
      return {
        cpuShare: share(before.usage?.cpuSeconds, after.usage?.cpuSeconds),
        postgresCpuShare: share(before.postgres, after.postgres),
        residentBytes: after.usage?.residentBytes,
        peakBytes: after.usage?.peakBytes,
        statements: countStatements((await server.log()).slice(logged)),
      };
    }

    const failures: string[] = [];
    let frequent: readonly (readonly [statement: string, perMinute: number])[] = [];
    const serve = () => {
      const data = { sandbox, databaseUrl, tokenKeys, folder: dataFolder, videoFolder, resources };
      // Numbers are collected as by default: there are none to ask for, and looking for that is part of being idle.
      return startWorker({ ...data, environment: { ANALYTICS_OPEN_CALLS_PER_SECOND: '5' } });
    };

    async function service(): Promise<Figures> {
      const worker = await serve();
      const { statements, ...figures } = await watch(worker);
      const minutes = options.milliseconds / 60_000;
      frequent = [...statements].map(([text, count]) => [text, count / minutes] as const).sort(([, a], [, b]) => b - a);
      await worker.stop();
      failures.push(...errorsIn(worker.lines()));
      return {
        ...figures,
        startSeconds: worker.startSeconds,
        embeddedStartSeconds: await embeddedStart(),
        statementsPerMinute: frequent.reduce((sum, [, perMinute]) => sum + perMinute, 0),
        imageBytes,
      };
    }

    /** As `npm start` does it, with nothing set. */
    async function embeddedStart(): Promise<number> {
      const [rpcPort, httpPort, sandboxPort] = (await freePorts(3)).map(String);
      const began = performance.now();
      const child = resources.use(
        startService({
          DATA_DIR: join(folder, 'embedded'),
          RPC_PORT: rpcPort ?? '',
          HTTP_PORT: httpPort ?? '',
          SANDBOX_PORT: sandboxPort ?? '',
        }),
      );
      await child.line((line) => line.includes('"msg":"ready"'), 'it was ready');
      const seconds = (performance.now() - began) / 1000;
      await child.stop();
      return seconds;
    }

    async function bare(): Promise<Figures> {
      const began = performance.now();
      const child = resources.use(startChild('bench/accept/bare-connect.ts', { DATABASE_URL: bareUrl }));
      await child.line((line) => line.includes('"msg":"ready"'), 'it was ready');
      const startSeconds = (performance.now() - began) / 1000;
      const { statements, ...figures } = await watch(child);
      if (statements.size > 0) failures.push('somebody else used the database of the service');
      await child.stop();
      return { ...figures, startSeconds };
    }

    tell('starting once, so that the schemas are there and the files in memory');
    await (await serve()).stop();
    await embeddedStart();
    const rounds: { readonly service: Figures; readonly bare: Figures }[] = [];
    for (let round = 1; round <= options.repeat; round += 1) {
      tell(`round ${round} of ${options.repeat}, bare Connect server`);
      const without = await bare();
      tell(`round ${round} of ${options.repeat}, service`);
      rounds.push({ service: await service(), bare: without });
    }

    const ours: Subject = { name: 'service', rounds: rounds.map((each) => each.service) };
    const theirs: Subject = { name: 'bare Connect server', rounds: rounds.map((each) => each.bare) };
    const statements = ours.rounds.map((each) => each['statementsPerMinute']);
    const ratios: readonly Ratio[] = [
      { name: 'start', label: 'time to ready, bare server to ours', rounds: ratioOf('startSeconds', theirs, ours) },
      { name: 'memory', label: 'memory, bare server to ours', rounds: ratioOf('residentBytes', theirs, ours) },
      {
        name: 'statements',
        label: `${GOAL_STATEMENTS_PER_MINUTE} statements a minute, to ours`,
        rounds: statements.map((seen) => seen && GOAL_STATEMENTS_PER_MINUTE / seen),
      },
    ];
    return comparison({
      about: `${ACCOUNTS} accounts and ${POSTS} posts for tomorrow, watched for ${options.milliseconds / 1000} s. ${circumstancesLine(around, options.repeat)}`,
      circumstances: { ...circumstances(around, options), statements: frequent.slice(0, MOST_FREQUENT) },
      sections: [{ name: '', subjects: [ours, theirs], rows: ROWS }],
      ratios,
      goals: [
        {
          text: 'at most 1 % of a core',
          rounds: ours.rounds.map((each) => each['cpuShare']),
          limit: { atMost: 0.01 },
          unit: '%',
          factor: 100,
        },
        {
          text: `at most ${GOAL_STATEMENTS_PER_MINUTE} statements a minute`,
          rounds: statements,
          limit: { atMost: GOAL_STATEMENTS_PER_MINUTE },
        },
        {
          text: 'ready within 2 s',
          rounds: ours.rounds.map((each) => each['startSeconds']),
          limit: { atMost: 2 },
          unit: 's',
        },
      ],
      failures,
    });
  },
};

/** Numbers of a new account are asked for at once: nothing is due before tomorrow. */
async function putOffNumbers(databaseUrl: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    // As the worker plans them when it finds the accounts.
    await client.query(
      `insert into metric_collection (connection_id, workspace_id, api_family, connect_time, due_at, list_at, account_at)
       select id, workspace_id, api_family, create_time, tomorrow, tomorrow, tomorrow
       from connection, (select now() + interval '1 day' as tomorrow)`,
    );
  } finally {
    await client.end();
  }
}

/** What the image of the service has beyond its base: Node is in that. */
async function sizeOfImage(resources: AsyncDisposableStack): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-image-'));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  imageTree({ context: fileURLToPath(new URL('..', import.meta.url)), target: 'service', folder });
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}
