import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startSandbox } from '../../sandbox/sandbox.ts';
import { bundledSandbox } from '../../src/bundled-sandbox.ts';
import { readConfig } from '../../src/config.ts';

async function configFor(port: number) {
  const dataDir = await mkdtemp(join(tmpdir(), 'bundled-'));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  return readConfig({ DATA_DIR: dataDir, SANDBOX_PORT: String(port) });
}

const portOf = (origin: string): number => Number(new URL(origin).port);

describe('the bundled sandbox', () => {
  it('joins a sandbox that runs on its port already, and leaves it running', async () => {
    const running = await startSandbox();
    onTestFinished(() => running.close());
    const joined = await bundledSandbox(await configFor(portOf(running.origin)));
    expect(joined.tiktok).toMatchObject({ clientKey: running.clientKey, openApiUrl: running.origin });
    expect(joined.tiktok.clientSecret.reveal()).toBe(running.clientSecret);
    await joined.close();
    expect((await fetch(`${running.origin}/_sandbox/app`)).status).toBe(200);
  });

  it('starts one where none runs, and remembers its accounts in the data folder', async () => {
    const other = await startSandbox();
    const config = await configFor(portOf(other.origin));
    await other.close();
    const first = await bundledSandbox(config);
    const created = await fetch(`${first.tiktok.openApiUrl}/_sandbox/accounts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'remembered' }),
    });
    expect(created.ok).toBe(true);
    await first.close();
    const second = await bundledSandbox(config);
    onTestFinished(() => second.close());
    expect(await (await fetch(`${second.tiktok.openApiUrl}/_sandbox/accounts`)).text()).toContain('remembered');
  });

  it('sends its webhooks to this service', async () => {
    const other = await startSandbox();
    const config = await configFor(portOf(other.origin));
    await other.close();
    const { tiktok, close } = await bundledSandbox({ ...config, http: { host: '::1', port: 8123 } });
    onTestFinished(close);
    const app = await (await fetch(`${tiktok.openApiUrl}/_sandbox/app`)).json();
    expect(app).toMatchObject({ webhookUrl: 'http://[::1]:8123/webhooks/tiktok' });
  });

  it('does not take anything else on its port for a sandbox', async () => {
    const server = createServer((_, response) => response.end('{}')).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    onTestFinished(() => void server.close());
    const config = await configFor((server.address() as AddressInfo).port);
    await expect(bundledSandbox(config)).rejects.toThrow(/no sandbox: choose another SANDBOX_PORT/);
  });
});
