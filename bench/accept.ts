import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import type { CallerResult, CallerTask } from './accept/caller.ts';
import { setTheStage } from './burst/stage.ts';
import type { Bench } from './support/bench.ts';
import { type Child, startChild } from './support/child.ts';
import { comparison, type Figures, type Row, ratioOf, type Subject } from './support/comparison.ts';
import { errorsIn } from './support/errors-in.ts';
import { startSandboxProcess } from './support/sandbox-process.ts';
import { circumstances, circumstancesLine, surroundings } from './support/surroundings.ts';
import { startWorker } from './support/worker.ts';

const CALLERS = [1, 8, 64] as const;
const ACCOUNTS = 100;

const ROWS: readonly Row[] = [
  ...CALLERS.flatMap((callers): readonly Row[] => {
    const at = callers === 1 ? '1 caller' : `${callers} callers`;
    return [
      [`calls per second, ${at}`, `callsPerSecond${callers}`, '', 1],
      [`p50, ${at}`, `p50Seconds${callers}`, 'ms', 1e3],
      [`p99, ${at}`, `p99Seconds${callers}`, 'ms', 1e3],
    ];
  }),
  ['CPU per call, 64 callers', 'cpuSeconds64', 'ms', 1e3],
  ["PostgreSQL's CPU per call, 64 callers", 'postgresCpuSeconds64', 'ms', 1e3],
  ['WAL per call, 64 callers', 'walBytes64', 'kB', 1e-3],
];

/** What is called: a process that listens, and the database behind it. */
type Server = { readonly name: string; readonly url: string; readonly child: Child };

export const accept: Bench<'milliseconds' | 'warmup'> = {
  about: 'PublishPost by 1, 8 and 64 callers over gRPC, against bare handlers with one insert',
  flags: {
    milliseconds: { fallback: 10_000, quick: 1_500, least: 100, most: 600_000, meaning: 'how long each is called' },
    warmup: { fallback: 3_000, quick: 1_000, least: 0, most: 60_000, meaning: 'milliseconds of calls before that' },
  },
  check: () => undefined,

  async run(options, resources, tell) {
    const around = await surroundings('accept', resources, tell);
    const { folder, server, tokenKeys } = around;
    const sandbox = resources.use(await startSandboxProcess());
    const { url: databaseUrl } = await server.create('accept');
    const videoFolder = join(folder, 'videos');
    tell('preparing accounts and videos');
    const accounts = await sandbox.addAccounts(ACCOUNTS);
    await setTheStage({ databaseUrl, tokenKeys, videoFolder, accounts, posts: 0 });
    const named = await accountsIn(databaseUrl);
    const place = join(folder, 'data');
    await mkdir(place);

    const worker = await startWorker({ sandbox, databaseUrl, tokenKeys, folder: place, videoFolder, resources });
    const { url: bareUrl } = await server.create('accept_bare');
    const servers: readonly Server[] = [
      { name: 'service', url: worker.rpcUrl, child: worker },
      await bareServer('bare Connect handler', 'bench/accept/bare-connect.ts', bareUrl, resources),
      await bareServer('bare grpc-js handler', 'bench/accept/bare-grpc.ts', bareUrl, resources),
    ];

    async function call({ url, child }: Server, callers: number): Promise<Figures> {
      const task: CallerTask = {
        url,
        callers,
        warmUpSeconds: options.warmup / 1000,
        seconds: options.milliseconds / 1000,
        accounts: named,
      };
      const taskFile = join(folder, 'caller.json');
      await writeFile(taskFile, JSON.stringify(task));
      await server.checkpoint();
      const caller = resources.use(startChild('bench/accept/caller.ts', {}, [taskFile]));
      const measured = async () => ({
        cpu: (await child.usage())?.cpuSeconds,
        postgres: await server.cpuSeconds(),
        wal: await server.walBytes(),
      });
      await caller.line((line) => line === 'begin', 'it was warm');
      const before = await measured();
      const result = JSON.parse(await caller.line((line) => line.startsWith('{'), 'it was done')) as CallerResult;
      const after = await measured();
      await caller.stop();
      const perCall = (from: number | undefined, to: number | undefined): number | undefined =>
        from === undefined || to === undefined ? undefined : (to - from) / result.calls;
      return {
        [`callsPerSecond${callers}`]: result.calls / result.seconds,
        [`p50Seconds${callers}`]: result.p50Seconds,
        [`p99Seconds${callers}`]: result.p99Seconds,
        [`cpuSeconds${callers}`]: perCall(before.cpu, after.cpu),
        [`postgresCpuSeconds${callers}`]: perCall(before.postgres, after.postgres),
        [`walBytes${callers}`]: perCall(before.wal, after.wal),
      };
    }

    const rounds = new Map<string, Figures[]>(servers.map(({ name }) => [name, []]));
    for (let round = 1; round <= options.repeat; round += 1) {
      const figures = new Map<string, Figures>();
      // All of them at one number of callers before the next number, so that they meet the same machine.
      for (const callers of CALLERS) {
        for (const each of servers) {
          tell(`round ${round} of ${options.repeat}, ${callers} callers, ${each.name}`);
          figures.set(each.name, { ...figures.get(each.name), ...(await call(each, callers)) });
        }
      }
      for (const [name, found] of figures) rounds.get(name)?.push(found);
    }
    await worker.stop();

    const [service, connect, grpc] = servers.map(({ name }): Subject => ({ name, rounds: rounds.get(name) ?? [] }));
    if (service === undefined || connect === undefined || grpc === undefined) throw new Error('a server is missing');
    const toConnect = (callers: number) => ratioOf(`callsPerSecond${callers}`, service, connect);
    return comparison({
      about: `\`PublishPost\` for tomorrow, ${ACCOUNTS} accounts, ${options.milliseconds} ms at each number of callers. ${circumstancesLine(around, options.repeat)}`,
      circumstances: circumstances(around, options),
      sections: [{ name: '', subjects: [service, connect, grpc], rows: ROWS }],
      ratios: [
        ...CALLERS.map((callers) => ({
          name: `callsPerSecond${callers}`,
          label: `calls per second, ${callers} callers, to the bare Connect handler`,
          rounds: toConnect(callers),
        })),
        {
          name: 'callsPerSecond64ToGrpc',
          label: 'calls per second, 64 callers, to the bare grpc-js handler',
          rounds: ratioOf('callsPerSecond64', service, grpc),
        },
        {
          name: 'cpu64',
          label: 'CPU per call, 64 callers, of the bare Connect handler to ours',
          rounds: ratioOf('cpuSeconds64', connect, service),
        },
      ],
      goals: [
        {
          text: 'calls per second of 64 callers at least half of the bare Connect handler',
          rounds: toConnect(64),
          limit: { atLeast: 0.5 },
          unit: '×',
        },
      ],
      failures: errorsIn(worker.lines()),
    });
  },
};

async function bareServer(
  name: string,
  file: string,
  databaseUrl: string,
  resources: AsyncDisposableStack,
): Promise<Server> {
  const child = resources.use(startChild(file, { DATABASE_URL: databaseUrl }));
  const ready = await child.line((line) => line.includes('"msg":"ready"'), 'it was ready');
  return { name, url: (JSON.parse(ready) as { url: string }).url, child };
}

async function accountsIn(databaseUrl: string): Promise<CallerTask['accounts']> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<CallerTask['accounts'][number]>(
      `select connection.workspace_id as "workspaceId", connection.id as "connectionId", video.id as "videoId"
       from connection join video using (workspace_id) order by connection.id`,
    );
    return rows;
  } finally {
    await client.end();
  }
}
