import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * A registry for npm at this machine's loopback, with the packages that lie in `nodeModules`, each in the one version that is installed:
 * what a stranger's `npm install` gets from the registry, without the network. It has nothing else.
 */
export async function npmRegistry(nodeModules: string): Promise<{ readonly url: string; close(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'npm-registry-'));
  let url = '';

  async function answer(path: string): Promise<Buffer | string> {
    const [, packed] = /^\/-\/(.+\.tgz)$/.exec(path) ?? [];
    if (packed !== undefined) return readFile(join(folder, packed));
    const name = decodeURIComponent(path.slice(1));
    const source = join(nodeModules, name);
    const manifest = JSON.parse(await readFile(join(source, 'package.json'), 'utf8'));
    const pack = ['pack', '--json', '--ignore-scripts', '--offline', '--pack-destination', folder, source];
    const [{ filename, integrity }] = JSON.parse((await run('npm', pack, { cwd: folder })).stdout);
    const { version } = manifest;
    const dist = { tarball: `${url}/-/${filename}`, integrity };
    return JSON.stringify({ name, 'dist-tags': { latest: version }, versions: { [version]: { ...manifest, dist } } });
  }

  const server = createServer((request, response) => {
    answer(request.url ?? '').then(
      (body) => response.end(body),
      (error) => response.writeHead(404).end(String(error)),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true });
    },
  };
}
