import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { npmRegistry } from '../../support/npm-registry.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const page = await readFile(join(root, 'docs/getting-started.md'), 'utf8');
/** Where the page's service listens: other tests, and whoever works here, may have these in use. */
const PORTS = ['50051', '8080', '8090', '9464', '4318'] as const;

/** Commands, and what they say. `…` stands for anything without a space. */
type Block = { readonly ofService: boolean; readonly commands: string; readonly says: RegExp };

const blocks: readonly Block[] = [...page.matchAll(/(<!-- the service -->\n)?```sh\n([\s\S]*?)\n```/g)].map(
  ([, mark, text = '']) => {
    const lines = text.split('\n');
    const said = lines.filter((line) => line.startsWith('#>')).map((line) => `${line.slice(3)}\n`);
    const pattern = said
      .join('')
      .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
      .replaceAll('…', '\\S+');
    return {
      ofService: mark !== undefined,
      commands: lines.filter((line) => !line.startsWith('#>')).join('\n'),
      says: new RegExp(`^${pattern}$`),
    };
  },
);

let home: string;
let clone: string;
let environment: Readonly<Record<string, string>>;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'getting-started-'));
  // PostgreSQL of the service may run as another account.
  await chmod(home, 0o755);
  clone = join(home, 'clone');
  const left = ['.git', 'node_modules', 'data', 'coverage', 'dist', 'secrets'];
  await cp(root, clone, { recursive: true, filter: (source) => !left.includes(basename(source)) });
  // What `npm ci` brings, which takes a network.
  await symlink(join(root, 'node_modules'), join(clone, 'node_modules'));
  const registry = await npmRegistry(join(root, 'node_modules'));
  environment = {
    PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
    HOME: home,
    npm_config_registry: registry.url,
    npm_config_cache: join(home, 'npm-cache'),
    npm_config_update_notifier: 'false',
  };
  return async () => {
    await registry.close();
    await rm(home, { recursive: true });
  };
});

async function freePorts(): Promise<ReadonlyMap<string, string>> {
  const servers = PORTS.map(() => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const free = servers.map((server) => String((server.address() as AddressInfo).port));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return new Map(PORTS.map((port, index) => [port, free[index] ?? '']));
}

/** The service of the page, as its shell starts it. Resolves when it is ready. */
async function startService(command: string, ports: ReadonlyMap<string, string>): Promise<void> {
  const [rpc = '', http = '', sandbox = ''] = PORTS.map((port) => ports.get(port));
  const child = spawn('bash', ['-c', command], {
    cwd: clone,
    env: { ...environment, RPC_PORT: rpc, HTTP_PORT: http, SANDBOX_PORT: sandbox },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const closed = once(child, 'close');
  onTestFinished(async () => {
    // The shell's background has no ear for a Ctrl-C.
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
    await closed;
  });
  let output = '';
  const ready = Promise.withResolvers<void>();
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    output += `${line}\n`;
    if (line.includes('"msg":"ready"')) ready.resolve();
  });
  void closed.then(() => ready.reject(new Error(`the service ended:\n${output}`)));
  await ready.promise;
}

describe('docs/getting-started.md', () => {
  it('is one page', () => {
    expect(page.trimEnd().split('\n').length).toBeLessThanOrEqual(120);
  });

  it('works as it stands, from a clone, in a folder of its own, and says what the page says', async () => {
    const ports = await freePorts();
    const here = (text: string): string => [...ports].reduce((all, [port, free]) => all.replaceAll(port, free), text);
    const [service, ...others] = blocks;
    const [install, ...commands] = service?.commands.split('\n') ?? [];
    expect(install).toBe('npm ci');
    expect([service?.ofService, ...others.map(({ ofService }) => ofService)].filter(Boolean)).toHaveLength(1);
    await startService(here(commands.join('\n')), ports);

    // One shell for all of them: a later block knows what an earlier one set.
    const END = '--- end of block';
    const script = ['set -eu', ...others.flatMap(({ commands }) => [here(commands), `echo '${END}'`])].join('\n');
    await writeFile(join(home, 'page.sh'), script);
    const { stdout } = await promisify(execFile)('bash', [join(home, 'page.sh')], {
      cwd: clone,
      env: environment,
    }).catch(({ stdout, stderr }) => {
      throw new Error(`the page's commands ended after:\n${stdout}\n${stderr}`);
    });
    const said = stdout.split(`${END}\n`).slice(0, -1);
    expect(said).toHaveLength(others.length);
    for (const [index, { says, commands }] of others.entries()) expect(said[index], commands).toMatch(says);
    const [posted = 'no post'] = /post_\w+/.exec(stdout) ?? [];
    expect(await readFile(join(home, 'bakery/report.html'), 'utf8')).toContain(posted);
  }, 240_000);
});
