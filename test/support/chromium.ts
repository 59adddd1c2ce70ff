import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** The browser of this machine. Undefined: there is none. */
export const chromium = NAMES.find((name) => spawnSync(name, ['--version']).status === 0);

export type Look = {
  readonly width: number;
  readonly height: number;
  readonly scheme: 'light' | 'dark';
  /** Of the reader, such as `Europe/Berlin`. */
  readonly timeZone: string;
};

export type Tab = {
  /** Shows a file, from its beginning, and waits until its scripts have run. */
  open(url: string, look: Look): Promise<void>;
  /** What an expression comes to in the page, as JSON. */
  evaluate<T>(expression: string): Promise<T>;
  /** PNG of the whole page. */
  screenshot(): Promise<Buffer>;
  /** As A4. */
  pdf(): Promise<Buffer>;
  /** A key such as `Enter` or `Tab`, pressed and let go. */
  press(key: string, code: number): Promise<void>;
  /** What the page asked for beside itself since it was opened; `data:` needs no network. */
  readonly requests: readonly string[];
  /** What the console was told since it was opened: errors, warnings, refusals of the policy. */
  readonly complaints: readonly string[];
};

type Answer = {
  readonly id?: number;
  readonly method?: string;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
  readonly params?: Record<string, unknown>;
};

export type Browser = AsyncDisposable & { readonly tab: Tab };

/** A headless browser with one tab, in a profile of its own. */
export async function browser(command: string): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), 'report-browser-'));
  const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--no-first-run'];
  const child = spawn(
    command,
    [
      ...flags,
      '--remote-debugging-port=0',
      `--user-data-dir=${profile}`,
      '--disable-background-networking',
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const port = await debuggingPort(child);
  const targets = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as {
    type: string;
    webSocketDebuggerUrl: string;
  }[];
  const page = targets.find(({ type }) => type === 'page');
  if (page === undefined) throw new Error('the browser opened no tab');
  const socket = new WebSocket(page.webSocketDebuggerUrl);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', reject);
  });
  return {
    tab: await tabOf(socket),
    [Symbol.asyncDispose]: async () => {
      socket.close();
      const ended = once(child, 'exit');
      child.kill();
      await ended;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function debuggingPort(child: ChildProcess): Promise<string> {
  if (child.stderr === null) throw new Error('the browser has no error output');
  for await (const line of createInterface(child.stderr)) {
    const port = /^DevTools listening on ws:\/\/[^:]+:(\d+)\//.exec(line)?.[1];
    if (port === undefined) continue;
    child.stderr.resume(); // a full pipe would stop the browser
    return port;
  }
  throw new Error('the browser ended before it listened');
}

async function tabOf(socket: WebSocket): Promise<Tab> {
  const waiting = new Map<number, (answer: Answer) => void>();
  const requests: string[] = [];
  const complaints: string[] = [];
  let loaded = (): void => undefined;
  let count = 0;
  socket.addEventListener('message', ({ data }) => {
    const answer = JSON.parse(String(data)) as Answer;
    if (answer.id !== undefined) waiting.get(answer.id)?.(answer);
    const { method, params = {} } = answer;
    if (method === 'Page.loadEventFired') loaded();
    if (method === 'Network.requestWillBeSent') {
      const { url } = params['request'] as { url: string };
      if (!url.startsWith('data:')) requests.push(url);
    }
    if (method === 'Runtime.exceptionThrown' || method === 'Runtime.consoleAPICalled' || method === 'Log.entryAdded') {
      complaints.push(JSON.stringify(params));
    }
  });
  const call = <T>(method: string, params: Record<string, unknown> = {}): Promise<T> =>
    new Promise((resolve, reject) => {
      count += 1;
      waiting.set(count, ({ result, error }) =>
        error === undefined ? resolve(result as T) : reject(new Error(`${method}: ${error.message}`)),
      );
      socket.send(JSON.stringify({ id: count, method, params }));
    });
  for (const domain of ['Page', 'Network', 'Runtime', 'Log']) await call(`${domain}.enable`);

  return {
    requests,
    complaints,
    async open(url, { width, height, scheme, timeZone }) {
      await call('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 700 });
      await call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
      await call('Emulation.setTimezoneOverride', { timezoneId: timeZone });
      requests.length = 0;
      complaints.length = 0;
      const load = new Promise<void>((resolve) => {
        loaded = resolve;
      });
      await call('Page.navigate', { url });
      await load;
    },
    async evaluate<T>(expression: string): Promise<T> {
      const { result, exceptionDetails } = await call<{ result: { value: T }; exceptionDetails?: unknown }>(
        'Runtime.evaluate',
        { expression, returnByValue: true, awaitPromise: true },
      );
      if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
      return result.value;
    },
    async screenshot() {
      const { data } = await call<{ data: string }>('Page.captureScreenshot', { captureBeyondViewport: true });
      return Buffer.from(data, 'base64');
    },
    async pdf() {
      const { data } = await call<{ data: string }>('Page.printToPDF', { paperWidth: 8.27, paperHeight: 11.69 });
      return Buffer.from(data, 'base64');
    },
    async press(key, code) {
      const text = key === 'Enter' ? { text: '\r' } : {};
      for (const type of ['keyDown', 'keyUp']) {
        await call('Input.dispatchKeyEvent', { type, key, windowsVirtualKeyCode: code, ...text });
      }
    },
  };
}
