import { Agent, request } from 'undici';
import type { Ledger } from '../../sandbox/ledger.ts';
import type { TokenAnswer } from '../../sandbox/open/token-answer.ts';
import type { Settings } from '../../sandbox/state.ts';
import type { Pair } from '../../sandbox/tokens.ts';
import type { Traffic } from '../../sandbox/traffic.ts';
import { credentialText } from '../../src/adapters/tiktok/business/credential.ts';
import type { TokenGrant } from '../../src/application/ports/tiktok.ts';
import type { ApiFamily } from '../../src/domain/connection/connection.ts';
import { Secret } from '../../src/domain/secret.ts';
import { type Child, startChild } from './child.ts';
import { inParallel } from './in-parallel.ts';
import type { Usage } from './process-usage.ts';

/** An account at the sandbox and the tokens it gave the app. */
export type SandboxAccount = { readonly username: string; readonly tokens: TokenAnswer };

/** An account with videos, and what it gave the app of a family. */
export type CrowdAccount = { readonly username: string; readonly grant: TokenGrant };

export type SandboxProcess = AsyncDisposable & {
  readonly origin: string;
  readonly clientKey: string;
  readonly clientSecret: string;
  readonly businessAppId: string;
  readonly businessSecret: string;
  usage: () => Promise<Usage | undefined>;
  /** Accounts that gave the app everything it asks for, without the walk through the pages. */
  addAccounts(count: number): Promise<readonly SandboxAccount[]>;
  /** Accounts with so many videos each, posted over the last sixty days, that gave the family's app everything it asks for. */
  addCrowd(family: ApiFamily, accounts: number, videos: number): Promise<readonly CrowdAccount[]>;
  changeSettings(patch: Partial<Settings>): Promise<void>;
  /** Of the calls after the one with the number `since`. */
  traffic(since?: number): Promise<Traffic>;
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

  async function call<T>(method: 'GET' | 'POST' | 'PATCH', path: string, body?: object): Promise<T> {
    const { statusCode, body: answer } = await request(`${origin}/_sandbox/${path}`, {
      dispatcher: agent,
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    if (statusCode !== 200) throw new Error(`the sandbox answered ${statusCode} to ${path}: ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  const { clientKey, clientSecret } = await call<{ clientKey: string; clientSecret: string }>('GET', 'app');
  const business = await call<{ appId: string; secret: string }>('GET', 'business-app');
  return {
    origin,
    clientKey,
    clientSecret,
    businessAppId: business.appId,
    businessSecret: business.secret,
    usage: child.usage,
    addAccounts: (count) =>
      inParallel(8, Array.from({ length: count }), async (_, index) => {
        const username = `bench.${index}`;
        const { openId } = await call<{ openId: string }>('POST', 'accounts', { username });
        return { username, tokens: await call<TokenAnswer>('POST', `accounts/${openId}/tokens`, {}) };
      }),
    async addCrowd(family, accounts, videos) {
      const crowd = await call<readonly { readonly openId: string; readonly username: string }[]>('POST', 'crowd', {
        accounts,
        videos,
      });
      return inParallel(8, crowd, async ({ openId, username }) => {
        const path = `accounts/${openId}/tokens`;
        const grant =
          family === 'OPEN'
            ? openGrant(await call<TokenAnswer>('POST', path, { family }))
            : businessGrant(await call<Pair & { openId: string }>('POST', path, { family }));
        return { username, grant };
      });
    },
    changeSettings: async (patch) => void (await call('PATCH', 'settings', patch)),
    traffic: (since = 0) => call('GET', `traffic?since=${since}`),
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

export const openGrant = (tokens: TokenAnswer): TokenGrant => ({
  openId: tokens.open_id,
  accessToken: new Secret(tokens.access_token),
  refreshToken: new Secret(tokens.refresh_token),
  accessSeconds: tokens.expires_in,
  refreshSeconds: tokens.refresh_expires_in,
  scopes: tokens.scope.split(','),
});

const businessGrant = ({ openId, grant, ...pair }: Pair & { readonly openId: string }): TokenGrant => ({
  openId,
  accessToken: credentialText(openId, pair.accessToken),
  refreshToken: credentialText(openId, pair.refreshToken),
  accessSeconds: pair.accessSeconds,
  refreshSeconds: pair.refreshSeconds,
  scopes: grant.scopes,
});
