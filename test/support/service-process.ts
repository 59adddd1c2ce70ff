import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, afterEach } from 'vitest';
import { type Sandbox, type SandboxOptions, startSandbox } from '../../sandbox/sandbox.ts';
import { freshDatabase } from './fresh-database.ts';
import { type GrpcClients, grpcClients } from './grpc-client.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What outlives a process: TikTok (the judge), the database and the data folder. */
export type Surroundings = {
  readonly sandbox: Sandbox;
  readonly databaseUrl: string;
  readonly dataDir: string;
  readonly videoFolder: string;
  /** For what no caller may do, such as ending a dead worker's lease before its minute is over. */
  sql(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  /** A process of the service. Resolves when it says `ready`. */
  start(options?: ProcessOptions): Promise<ServiceProcess>;
};

export type ProcessOptions = {
  /** A fail point, such as `chunk-sent:2`, where the process halts for ever. */
  readonly haltAt?: string;
  /** It can be told by `stopAt` where to stop. One that halts can be told as well. */
  readonly stoppable?: boolean;
  /** Another program than the service's own: a file beside this one. */
  readonly program?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Another release, by the folder it was unpacked to. It can't be stoppable. */
  readonly release?: { readonly folder: string };
};

export type ServiceProcess = {
  readonly pid: number;
  readonly clients: GrpcClients;
  /** Where it listens for HTTP. */
  readonly httpUrl: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Resolves when it halted at the fail point. Rejects when it ended before. */
  halted(name: string): Promise<void>;
  /** The first line of its log with this message and these fields, from now on or before. Rejects when it ended without. */
  logged(message: string, fields?: Readonly<Record<string, unknown>>): Promise<LogLine>;
  log(): readonly LogLine[];
  /** Everything it wrote. */
  output(): string;
  /** From now on posts stop at this fail point: `chunk-sent` the first, `chunk-sent:3` the third, `chunk-sent:*` each. */
  stopAt(place: string): Promise<StopPoint>;
  /** SIGSTOP: nothing of it runs until it is thawed, and it knows nothing of the time between. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** By a failure of its own: its exit code, or the signal that it ended itself with. */
  ended(): Promise<number | NodeJS.Signals | null>;
  /** Without an answer, for a program that listens to it. */
  signal(signal: NodeJS.Signals): void;
  /** SIGKILL: nothing of it runs on. */
  kill(): Promise<void>;
  /** SIGTERM. Resolves with the exit code. */
  stop(): Promise<number | null>;
};

export type StopPoint = {
  /** Resolves when so many stopped there. Rejects when the process ended before. */
  reached(count?: number): Promise<void>;
  /** Who stopped there goes on, and nobody stops there any more. Of a frozen process: once it is thawed. */
  goOn(): Promise<void>;
};

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg?: string };

const TOKEN_KEYS = `test:${randomBytes(32).toString('base64')}`;
const OUTPUT_SHOWN = 12_000;

/** To be called once in a file: makes surroundings, shows what processes said when a test fails, and ends all of them. */
export function realService(): (options?: SandboxOptions) => Promise<Surroundings> {
  const processes: ServiceProcess[] = [];
  const endings: (() => Promise<unknown>)[] = [];

  afterEach(({ task }) => {
    if (task.result?.state !== 'fail') return;
    for (const each of processes) {
      console.error(`--- process ${each.pid}, the last it said:\n${each.output().slice(-OUTPUT_SHOWN)}`);
    }
  });
  afterAll(async () => {
    await Promise.all(processes.map((each) => each.kill()));
    for (const end of endings.reverse()) await end();
  });

  return async (options = {}) => {
    const sandbox = await startSandbox({
      processingMs: 0,
      postIdDelayMs: 0,
      initPerMinute: 1_000,
      creatorInfoPerMinute: 1_000,
      statusPerMinute: 1_000,
      appPerMinute: 10_000,
      businessPerMinute: 1_000,
      businessPublishPerMinute: 1_000,
      businessAppPerSecond: 1_000,
      businessAppPerMinute: 10_000,
      // Whatever port a process gets, TikTok may fetch there.
      pullFromLoopback: true,
      verifiedUrlProperties: ['127.0.0.1'],
      business: { urlProperties: ['127.0.0.1'] },
      ...options,
    });
    endings.push(() => sandbox.close());
    const database = await freshDatabase();
    endings.push(() => database.drop());
    const dataDir = await mkdtemp(join(tmpdir(), 'connector-service-'));
    endings.push(() => rm(dataDir, { recursive: true, force: true }));
    const connection = new Client({ connectionString: database.url });
    await connection.connect();
    endings.push(() => connection.end());
    // What the seed decides is seen again with the same one.
    console.info(`sandbox seed: ${sandbox.seed}`);

    const common = {
      DATABASE_URL: database.url,
      DATA_DIR: dataDir,
      TOKEN_KEYS,
      TIKTOK_CLIENT_KEY: sandbox.clientKey,
      TIKTOK_CLIENT_SECRET: sandbox.clientSecret,
      TIKTOK_BUSINESS_APP_ID: sandbox.businessAppId,
      TIKTOK_BUSINESS_SECRET: sandbox.businessSecret,
      TIKTOK_BUSINESS_API_URL: sandbox.businessApiUrl,
      // As the sandbox's: what is not about them is not to wait for them.
      TIKTOK_BUSINESS_APP_QPS: '1000',
      TIKTOK_BUSINESS_APP_QPM: '10000',
      TIKTOK_BUSINESS_DAILY_POSTS: '1000',
      TIKTOK_OPEN_API_URL: sandbox.openApiUrl,
      TIKTOK_AUTHORIZE_URL: sandbox.authorizeUrl,
      TIKTOK_UPLOAD_ORIGINS: sandbox.origin,
      // Only who tests it has TikTok asked for numbers: the others count calls.
      ANALYTICS_OPEN_CALLS_PER_SECOND: '0',
      ANALYTICS_BUSINESS_CALLS_PER_SECOND: '0',
    };
    return {
      sandbox,
      databaseUrl: database.url,
      dataDir,
      videoFolder: join(dataDir, 'videos'),
      sql: async (text, values = []) => (await connection.query(text, [...values])).rows,
      async start({ haltAt, stoppable = haltAt !== undefined, program, environment = {}, release } = {}) {
        const halting = haltAt === undefined ? {} : { HALT_AT: haltAt };
        const own = stoppable ? 'test/support/halting-service.ts' : 'src/main.ts';
        const entry = program === undefined ? own : `test/support/${program}`;
        const given = { ...common, ...halting, ...environment };
        const started = await startProcess(entry, stoppable, given, release?.folder ?? root);
        processes.push(started);
        return started;
      },
    };
  };
}

/** Somebody else may take a free port before the process does: then others are tried. */
async function startProcess(
  entry: string,
  stoppable: boolean,
  given: Readonly<Record<string, string>>,
  folder: string,
): Promise<ServiceProcess> {
  for (let triesLeft = 3; ; triesLeft -= 1) {
    const [rpcPort, httpPort] = await freePorts();
    const httpUrl = `http://127.0.0.1:${httpPort}`;
    const environment = { RPC_PORT: String(rpcPort), HTTP_PORT: String(httpPort), PUBLIC_URL: httpUrl, ...given };
    const child = spawnService(entry, environment, folder);
    try {
      await child.logged('ready');
    } catch (error) {
      if (triesLeft > 1 && child.output().includes('EADDRINUSE')) continue;
      throw error;
    }
    const clients = grpcClients(`127.0.0.1:${rpcPort}`);
    const { pid } = child.process;
    if (pid === undefined) throw new Error('a process without a number');
    let stops = 0;
    return {
      pid,
      clients,
      httpUrl,
      environment,
      halted: async (name) => void (await child.seen((line) => line['halted'] === name, `the halt at ${name}`)),
      logged: child.logged,
      log: child.log,
      output: child.output,
      async stopAt(place) {
        if (!stoppable) throw new Error('start it as stoppable');
        stops += 1;
        const number = stops;
        await child.tell(`stop ${number} ${place}`);
        return {
          reached: async (count = 1) =>
            void (await child.seen((line) => line['stop'] === number, `${count} stopped at ${place}`, count)),
          goOn: () => child.tell(`go ${number}`),
        };
      },
      freeze: () => void child.process.kill('SIGSTOP'),
      thaw: () => void child.process.kill('SIGCONT'),
      signal: (signal) => void child.process.kill(signal),
      async ended() {
        const how = await child.ended;
        clients.close();
        return how;
      },
      async kill() {
        clients.close();
        await child.end('SIGKILL');
      },
      async stop() {
        const code = await child.end('SIGTERM');
        clients.close();
        return code;
      },
    };
  }
}

function spawnService(entry: string, environment: Readonly<Record<string, string>>, folder: string) {
  const child: ChildProcess = spawn(process.execPath, [entry], {
    cwd: folder,
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const lines: LogLine[] = [];
  const watchers = new Set<() => void>();
  let output = '';
  let ended = false;
  let exitCode: number | null = null;
  const tell = (): void => {
    for (const look of watchers) look();
  };
  const gone = once(child, 'close') as Promise<[code: number | null, signal: NodeJS.Signals | null]>;
  const exited = gone.then(([code]) => {
    ended = true;
    exitCode = code;
    tell();
    return code;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  if (child.stdout === null) throw new Error('no standard output');
  createInterface({ input: child.stdout }).on('line', (line) => {
    output += `${line}\n`;
    lines.push(parsed(line));
    tell();
  });

  const seen = (fits: (line: LogLine) => boolean, what: string, count = 1): Promise<LogLine> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = count === 1 ? lines.find(fits) : lines.filter(fits)[count - 1];
        if (found === undefined && !ended) return;
        watchers.delete(look);
        if (found === undefined)
          reject(new Error(`the process ended before ${what}, with code ${exitCode}:\n${output.slice(-OUTPUT_SHOWN)}`));
        else resolve(found);
      };
      watchers.add(look);
      look();
    });

  // A process that was killed hears nothing any more.
  child.stdin?.on('error', () => undefined);

  return {
    process: child,
    ended: gone.then(([code, signal]) => code ?? signal),
    seen,
    async tell(line: string) {
      child.stdin?.write(`${line}\n`);
      await seen(({ heard }) => heard === line, `it heard "${line}"`);
    },
    logged: (message: string, fields: Readonly<Record<string, unknown>> = {}) =>
      seen(
        (line) => line.msg === message && Object.entries(fields).every(([name, value]) => line[name] === value),
        `it logged "${message}"`,
      ),
    log: (): readonly LogLine[] => lines,
    output: () => output,
    async end(signal: 'SIGKILL' | 'SIGTERM') {
      if (!ended) child.kill(signal);
      return exited;
    },
  };
}

function parsed(line: string): LogLine {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as LogLine) : {};
  } catch {
    return {};
  }
}

/** Two at once, so that they differ. */
async function freePorts(): Promise<readonly [number, number]> {
  const servers = [createServer(), createServer()] as const;
  const ports = await Promise.all(
    servers.map(async (server) => {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    }),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  const [first, second] = ports;
  if (first === undefined || second === undefined) throw new Error('no free ports');
  return [first, second];
}
