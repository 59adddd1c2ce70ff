import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { FailPointName } from '../../src/application/ports/fail-point.ts';
import { type GrpcClients, grpcClients } from '../support/grpc-client.ts';
import type { Journal } from './journal.ts';

/** Where in the publish order a worker halts: there for the `count`th time. */
export type HaltingPlace = { readonly point: FailPointName; readonly count: number };

export type WorkerPhase = 'STARTING' | 'READY' | 'FROZEN' | 'STOPPING' | 'ENDED';

/** How a process came to its end. `asked`: we killed it or told it to stop. */
export type Ending = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly asked: 'KILL' | 'STOP' | undefined;
  readonly wasReady: boolean;
};

/** One process of the service. */
export type Worker = {
  readonly name: string;
  readonly clients: GrpcClients;
  /** Where it listens for HTTP, once it is ready. */
  readonly httpPort: number;
  readonly haltsAt: HaltingPlace | undefined;
  phase(): WorkerPhase;
  /** Callers can find it: it said that it was ready. */
  wasReady(): boolean;
  /** Its last words. */
  lastLines(): readonly string[];
  /** SIGKILL. False when it had ended by itself before. */
  kill(): boolean;
  /** SIGSTOP: it does nothing, and knows nothing of it afterwards. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** SIGTERM. */
  stop(): void;
  /** From now on it halts nowhere. */
  disarm(): void;
  readonly ended: Promise<Ending>;
};

const root = fileURLToPath(new URL('../..', import.meta.url));
const LINES_KEPT = 200;

export async function startWorker(given: {
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly haltsAt: HaltingPlace | undefined;
  readonly journal: Journal;
  /** After each change of its phase, and when it halted. */
  readonly onChange: (worker: Worker, halted: boolean) => void;
}): Promise<Worker> {
  const { name, environment, haltsAt, journal, onChange } = given;
  const [rpcPort, httpPort] = await freePorts();
  const child = spawn(process.execPath, [haltsAt === undefined ? 'src/main.ts' : 'test/chaos/halting-worker.ts'], {
    cwd: root,
    env: {
      PATH: process.env['PATH'],
      ...environment,
      RPC_PORT: String(rpcPort),
      HTTP_PORT: String(httpPort),
      ...(haltsAt === undefined ? {} : { HALT_AT: `${haltsAt.point}:${haltsAt.count}` }),
    },
    // In a group of its own: Ctrl-C is for this run, which ends its workers itself, the frozen ones too.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const clients = grpcClients(`127.0.0.1:${rpcPort}`);
  const lines: string[] = [];
  let phase: WorkerPhase = 'STARTING';
  let ready = false;
  let asked: Ending['asked'];

  function enter(next: WorkerPhase): void {
    phase = next;
    onChange(worker, false);
  }

  function hear(line: string): void {
    journal.heard(name, line);
    lines.push(line);
    if (lines.length > LINES_KEPT) lines.shift();
    if (line.startsWith('{"halted"')) onChange(worker, true);
    if (!ready && line.includes('"msg":"ready"')) {
      ready = true;
      if (phase === 'STARTING') enter('READY');
    }
  }
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', hear);

  async function untilEnded(): Promise<Ending> {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    clients.close();
    enter('ENDED');
    return { code, signal, asked, wasReady: ready };
  }

  const worker: Worker = {
    name,
    clients,
    httpPort,
    haltsAt,
    phase: () => phase,
    wasReady: () => ready,
    lastLines: () => lines,
    kill() {
      if (phase === 'ENDED' || asked === 'KILL') return false;
      asked = 'KILL';
      return child.kill('SIGKILL');
    },
    freeze() {
      if (phase !== 'READY' || asked !== undefined || !child.kill('SIGSTOP')) return;
      enter('FROZEN');
    },
    thaw() {
      if (phase !== 'FROZEN' || !child.kill('SIGCONT')) return;
      enter('READY');
    },
    stop() {
      if (phase !== 'READY' || asked !== undefined) return;
      asked = 'STOP';
      child.kill('SIGTERM');
      enter('STOPPING');
    },
    disarm() {
      if (haltsAt !== undefined && phase === 'READY') child.kill('SIGUSR2');
    },
    ended: untilEnded(),
  };
  return worker;
}

/** Two at once, so that they differ. */
async function freePorts(): Promise<readonly [number, number]> {
  const servers = [createServer(), createServer()] as const;
  const [first, second] = await Promise.all(
    servers.map(async (server) => {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    }),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  if (first === undefined || second === undefined) throw new Error('no free ports');
  return [first, second];
}
