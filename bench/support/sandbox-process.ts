import { Agent, request } from 'undici';
import type { Ledger } from '../../sandbox/ledger.ts';
import type { TokenAnswer } from '../../sandbox/open/token-answer.ts';
import { type Child, startChild } from './child.ts';
import { inParallel } from './in-parallel.ts';
import type { Usage } from './process-usage.ts';

/** An account at the sandbox and the tokens it gave the app. */
export type SandboxAccount = { readonly username: string; readonly tokens: TokenAnswer };

export type SandboxProcess = AsyncDisposable & {
  readonly origin: string;
  readonly clientKey: string;
  readonly clientSecret: string;
  usage: () => Promise<Usage | undefined>;
  /** Accounts that gave the app everything it asks for, without the walk through the pages. */
  addAccounts(count: number): Promise<readonly SandboxAccount[]>;
  /** Every answer that posting needs comes so much later. */
  thinkBeforeEachAnswer(milliseconds: number): Promise<void>;
  ledger(): Promise<Ledger>;
};

/** TikTok in a process of its own, which nobody else uses. */
export async function startSandboxProcess(): Promise<SandboxProcess> {
  const child: Child = startChild('sandbox/main.ts', { SANDBOX_PORT: '0' });
  const ready = await child.line((line) => line.includes('ready at http'), 'it was ready');
  const origin = /http:\S+/.exec(ready)?.[0] ?? '';
  const agent = new Agent();

  async function call<T>(method: 'GET' | 'POST', path: string, body?: object): Promise<T> {
    const { statusCode, body: answer } = await request(`${origin}/_sandbox/${path}`, {
      dispatcher: agent,
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    if (statusCode !== 200) throw new Error(`the sandbox answered ${statusCode} to ${path}: ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  const { clientKey, clientSecret } = await call<{ clientKey: string; clientSecret: string }>('GET', 'app');
  return {
    origin,
    clientKey,
    clientSecret,
    usage: child.usage,
    addAccounts: (count) =>
      inParallel(8, Array.from({ length: count }), async (_, index) => {
        const username = `bench.${index}`;
        const { openId } = await call<{ openId: string }>('POST', 'accounts', { username });
        return { username, tokens: await call<TokenAnswer>('POST', `accounts/${openId}/tokens`, {}) };
      }),
    async thinkBeforeEachAnswer(milliseconds) {
      for (const endpoint of ['creator_info', 'video_init', 'upload', 'status']) {
        await call('POST', 'faults', { endpoint, kind: 'delay', ms: milliseconds, times: 1_000_000 });
      }
    },
    ledger: () => call('GET', 'ledger'),
    async [Symbol.asyncDispose]() {
      await agent.destroy();
      await child.stop();
    },
  };
}
