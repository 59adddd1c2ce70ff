import { type ExecFileException, execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { realService, type ServiceProcess, type Surroundings } from '../../support/service-process.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const surroundings = realService();

type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Nothing of this repository's own npm and Node settings. */
function run(command: string, args: readonly string[], cwd: string, environment: object = {}): Promise<Ended> {
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment };
  return new Promise((resolve) => {
    execFile(command, [...args], { cwd, env }, (error: ExecFileException | null, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, stdout, stderr: error === null ? stderr : `${error.message}\n${stderr}` });
    });
  });
}

async function succeeded(ended: Promise<Ended>): Promise<string> {
  const { code, stdout, stderr } = await ended;
  if (code !== 0) throw new Error(`exit code ${code}\n${stdout}\n${stderr}`);
  return stdout;
}

/** Somebody else's project, with the packed client in it, and everything that it needs taken from what is installed here. */
async function consumer(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'client-package-'));
  const packed = await succeeded(
    run('npm', ['pack', '--json', '--pack-destination', folder], join(root, 'clients/typescript')),
  );
  const [{ filename }] = JSON.parse(packed.slice(packed.indexOf('[\n'))) as [{ filename: string }];
  const project = join(folder, 'project');
  await mkdir(project);
  await writeFile(join(project, 'package.json'), '{ "name": "orchestrator", "private": true, "type": "module" }');
  const needs = [
    '@bufbuild/protobuf',
    '@connectrpc/connect',
    '@connectrpc/connect-node',
    '@types/node',
    'undici-types',
  ];
  const places = needs.map((name) => join(root, 'node_modules', name));
  const quiet = ['--offline', '--install-links', '--ignore-scripts', '--no-audit', '--no-fund'];
  await succeeded(run('npm', ['install', ...quiet, join(folder, filename), ...places], project));
  return project;
}

let project: string;
let world: Surroundings;
let service: ServiceProcess;
let address: string;

beforeAll(async () => {
  project = await consumer();
  world = await surroundings();
  service = await world.start();
  address = `127.0.0.1:${service.environment['RPC_PORT']}`;
  return () => rm(join(project, '..'), { recursive: true });
});

const bin = (): string => join(project, 'node_modules/.bin/tiktok-connector-client');

describe('the packed client, installed elsewhere', () => {
  it('is used from plain JavaScript: connect, upload, publish, watch, and read why a call was refused', async () => {
    const program = `
      import { connectorClient, requestId } from '@glowtify/tiktok-connector-client';
      import { ConnectorError } from '@glowtify/tiktok-connector-client/errors';
      import { PostState, PrivacyLevel } from '@glowtify/tiktok-connector-client/proto/post_pb';

      const [address, file] = process.argv.slice(2);
      const workspaceId = 'ws_package';
      const client = connectorClient({ address });
      const { authorizeUri } = await client.connections.startConnection({ workspaceId });
      await fetch(authorizeUri + '&auto_consent=glow.bakery');
      const { connections: [{ connectionId }] } = await client.connections.listConnections({ workspaceId });
      const { videoId } = await client.uploadVideo(file, { workspaceId });
      const request = {
        workspaceId, connectionId, requestId: requestId('job-1'), destination: 'tiktok', caption: 'From a package',
        video: { case: 'videoId', value: videoId }, settings: { privacyLevel: PrivacyLevel.SELF_ONLY },
      };
      const states = [];
      for await (const { state } of client.publishAndWatch(request)) states.push(PostState[state]);
      const refusal = await client.posts.publishPost({ ...request, caption: 'Another' }).catch((error) => error);
      const { reason, retryable, remedy } = refusal;
      console.log(JSON.stringify({ states, reason, retryable, remedy, typed: refusal instanceof ConnectorError }));
      client.close();
    `;
    await writeFile(join(project, 'main.js'), program);
    const said = await succeeded(
      run(process.execPath, ['main.js', address, join(root, 'test/fixtures/videos/vertical.mp4')], project),
    );
    const { states, ...refusal } = JSON.parse(said);
    expect(states.at(-1)).toBe('PUBLISHED');
    expect(refusal).toEqual({
      reason: 'REQUEST_ID_REUSED',
      retryable: false,
      remedy: 'Send exactly what was sent before to get its result, or choose a new request_id.',
      typed: true,
    });
    expect(world.sandbox.control.ledger().posts.filter(({ title }) => title === 'From a package')).toHaveLength(1);
  });

  it('has types that a strict project takes', async () => {
    const program = `
      import { connectorClient, requestId } from '@glowtify/tiktok-connector-client';
      import { ConnectorError } from '@glowtify/tiktok-connector-client/errors';
      import { PostState, type Post } from '@glowtify/tiktok-connector-client/proto/post_pb';
      const client = connectorClient({ address: 'localhost:50051', credential: async () => 'token' });
      export const states: PostState[] = [];
      for await (const post of client.publishAndWatch({ requestId: requestId('job-1') })) {
        const typed: Post = post;
        states.push(typed.state);
      }
      export const reasonOf = (error: unknown): string | undefined =>
        error instanceof ConnectorError ? error.findings[0]?.code ?? error.reason : undefined;
      // @ts-expect-error: it is a number of seconds nowhere
      await client.posts.getPost({ postId: 1 });
    `;
    await writeFile(join(project, 'main.ts'), program);
    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2024', '--types', 'node'];
    const tsc = join(root, 'node_modules/typescript-7/bin/tsc');
    await succeeded(run(process.execPath, [tsc, ...options, 'main.ts'], project));
  });

  it('holds what it needs, and nothing of the service', async () => {
    const { dependencies } = JSON.parse(
      await readFile(join(project, 'node_modules/@glowtify/tiktok-connector-client/package.json'), 'utf8'),
    );
    expect(Object.keys(dependencies)).toEqual([
      '@bufbuild/protobuf',
      '@connectrpc/connect',
      '@connectrpc/connect-node',
    ]);
    const policy = await readFile(join(root, 'proto/service-config.json'), 'utf8');
    const shipped = join(project, 'node_modules/@glowtify/tiktok-connector-client/service-config.json');
    expect(await readFile(shipped, 'utf8')).toBe(policy);
  });
});

describe('its contract test', () => {
  it('passes against the service with a sandbox', async () => {
    const said = await succeeded(run(process.execPath, [bin(), 'contract-test', '--server', address], project));
    expect(said.trim().split('\n').at(-1)).toBe('13 passed, 0 failed');
    expect(world.sandbox.control.ledger().duplicates).toEqual([]);
  });
});
