import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { forgetPeak, type Usage, usageOf } from './process-usage.ts';

/** A process of its own: what is measured must not share an event loop with what measures. */
export type Child = AsyncDisposable & {
  /** The first line of its output that fits, from now on or before. Rejects when it ends without. */
  line(fits: (line: string) => boolean, what: string): Promise<string>;
  lines(): readonly string[];
  /** What it took so far. Undefined where the system does not tell, or when it has ended. */
  usage(): Promise<Usage | undefined>;
  /** From now on `usage` tells the most memory since now. */
  forgetPeak(): Promise<void>;
  /** SIGTERM, and SIGKILL when that is not heeded. */
  stop(): Promise<void>;
};

const root = fileURLToPath(new URL('../..', import.meta.url));
const PATIENCE_MILLISECONDS = 40_000;
const SHOWN = 4_000;

/** The service, with the words of `npm start`. */
export function startService(environment: Readonly<Record<string, string>>): Child {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: { start: string } };
  const [, first = '', ...rest] = scripts.start.split(' ');
  return startChild(first, environment, rest);
}

/** Runs a file of this repository with the Node that runs this. It sees nothing of our environment but the path. */
export function startChild(
  file: string,
  environment: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Child {
  const child: ChildProcess = spawn(process.execPath, [file, ...args], {
    cwd: root,
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const watchers = new Set<() => void>();
  let errors = '';
  let ended = false;
  const tell = (): void => {
    for (const look of watchers) look();
  };
  const closed = once(child, 'close').then(() => {
    ended = true;
    tell();
  });
  // Ours may be ended in a way that leaves no time to stop others.
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-SHOWN);
  });
  if (child.stdout === null) throw new Error('no standard output');
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    tell();
  });

  async function stop(): Promise<void> {
    process.off('exit', kill);
    if (!ended) child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MILLISECONDS);
    await closed;
    clearTimeout(timer);
  }

  return {
    line: (fits, what) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.find(fits);
          if (found === undefined && !ended) return;
          watchers.delete(look);
          if (found !== undefined) resolve(found);
          else reject(new Error(`${file} ended before ${what}:\n${lines.join('\n').slice(-SHOWN)}\n${errors}`));
        };
        watchers.add(look);
        look();
      }),
    lines: () => lines,
    usage: () => usageOf(child.pid),
    forgetPeak: () => forgetPeak(child.pid),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
