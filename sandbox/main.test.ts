import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';

function run(environment: Record<string, string>) {
  const { PATH = '' } = process.env;
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
    env: { PATH, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const output = { text: '' };
  const { promise: ready, resolve } = Promise.withResolvers<string>();
  const collect = (bytes: Buffer) => {
    output.text += bytes;
    const origin = /ready at (\S+)/.exec(output.text)?.[1];
    if (origin) resolve(origin);
  };
  child.stdout?.on('data', collect);
  child.stderr?.on('data', collect);
  return { child, output, ready, closed: once(child, 'close') };
}

describe('the sandbox as a program', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('says where it is, serves, and ends cleanly on %s', async (signal) => {
    const { child, output, ready, closed } = run({ SANDBOX_PORT: '0', SANDBOX_TOKEN_REGIME: 'legacy' });
    const origin = await ready;
    expect(origin).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(output.text).toContain('sbglowtifysandbox1');
    expect(output.text).toContain(`${origin}/_sandbox/ledger`);
    const settings = await (await fetch(`${origin}/_sandbox/settings`)).json();
    expect(settings).toMatchObject({ tokenRegime: 'legacy' });
    const example = /https?:\S+authorize\S+/.exec(output.text)?.[0] ?? '';
    expect((await fetch(example)).status).toBe(200);
    child.kill(signal);
    expect(await closed).toEqual([0, null]);
  });

  it('gives addresses of the place where others reach it, and listens at its own', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const { output, ready } = run({ SANDBOX_PORT: `${port}`, SANDBOX_PUBLIC_ORIGIN: 'https://tiktok.example:8444' });
    expect(await ready).toBe('https://tiktok.example:8444');
    expect(output.text).toContain('https://tiktok.example:8444/v2/auth/authorize/');
    expect((await fetch(`http://127.0.0.1:${port}/_sandbox/clock`)).status).toBe(200);
  });

  it.each([
    ['SANDBOX_PUBLIC_ORIGIN', 'https://tiktok.example/path'],
    ['SANDBOX_PORT', 'eighty'],
    ['SANDBOX_PORT', '70000'],
    ['SANDBOX_TOKEN_REGIME', 'new'],
    ['SANDBOX_AUDITED', 'yes'],
    ['SANDBOX_REDIRECT_URIS', 'http://example.test/cb'],
    ['SANDBOX_STATE_FIEL', 'x'],
  ])('refuses %s=%s, naming both and a remedy', async (name, value) => {
    const { output, closed } = run({ [name]: value });
    expect(await closed).toEqual([1, null]);
    expect(output.text).toContain(name);
    expect(output.text).toContain(value);
    expect(output.text).toMatch(/\. (Use|Send|Check|Set) /);
    expect(output.text).not.toMatch(/\n\s+at /); // no stack
  });

  it('says so when the port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const { output, closed } = run({ SANDBOX_PORT: `${(other.address() as AddressInfo).port}` });
    expect(await closed).toEqual([1, null]);
    expect(output.text).toContain('Set SANDBOX_PORT');
  });
});
