import { join } from 'node:path';
import type { Config, TikTokConfig } from './config.ts';
import { Secret } from './domain/secret.ts';

export type BundledSandbox = { readonly tiktok: TikTokConfig; close(): Promise<void> };

/**
 * Starts the sandbox, with its state under the data folder, or joins the one that another process of this service, or
 * `npm run sandbox`, runs on that port already: several processes on one database then see the same TikTok.
 */
export async function bundledSandbox(config: Config): Promise<BundledSandbox> {
  const { startSandbox } = await import('../sandbox/sandbox.ts');
  const callback = '/oauth/tiktok/callback';
  try {
    const sandbox = await startSandbox({
      port: config.sandboxPort,
      stateFile: join(config.dataDir, 'sandbox.json'),
      webhookUrl: `http://${urlHost(config.http.host)}:${config.http.port}/webhooks/tiktok`,
      redirectUris: [
        `http://127.0.0.1:*${callback}`,
        `http://localhost:*${callback}`,
        `${config.publicUrl}${callback}`,
      ],
      // As if the operator had verified it: TikTok fetches from nowhere else.
      verifiedUrlProperties: [`${config.publicUrl}/media/`],
      pullFromLoopback: true,
    });
    return { tiktok: appOf(sandbox.origin, sandbox), close: () => sandbox.close() };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    const origin = `http://127.0.0.1:${config.sandboxPort}`;
    return { tiktok: appOf(origin, await runningApp(origin, error)), close: async () => undefined };
  }
}

const urlHost = (host: string): string => (host.includes(':') ? `[${host}]` : host);

type App = { readonly clientKey: string; readonly clientSecret: string };

async function runningApp(origin: string, cause: Error): Promise<App> {
  const inUse = new Error(`${origin} is in use by something that is no sandbox: choose another SANDBOX_PORT`, {
    cause,
  });
  try {
    const answer = await fetch(`${origin}/_sandbox/app`, { signal: AbortSignal.timeout(5_000) });
    const app = (await answer.json()) as Partial<App>;
    if (typeof app.clientKey === 'string' && typeof app.clientSecret === 'string') return app as App;
  } catch {
    throw inUse;
  }
  throw inUse;
}

const appOf = (origin: string, { clientKey, clientSecret }: App): TikTokConfig => ({
  clientKey,
  clientSecret: new Secret(clientSecret),
  openApiUrl: origin,
  authorizeUrl: `${origin}/v2/auth/authorize/`,
  uploadOrigins: [origin],
});
