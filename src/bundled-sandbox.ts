import { join } from 'node:path';
import type { BusinessTikTokConfig, Config, TikTokConfig } from './config.ts';
import { Secret } from './domain/secret.ts';

export type BundledSandbox = {
  readonly tiktok: TikTokConfig;
  readonly business: BusinessTikTokConfig;
  close(): Promise<void>;
};

/**
 * Starts the sandbox, with its state under the data folder, or joins the one that another process of this service, or
 * `npm run sandbox`, runs on that port already: several processes on one database then see the same TikTok.
 */
export async function bundledSandbox(config: Config): Promise<BundledSandbox> {
  const { startSandbox } = await import('../sandbox/sandbox.ts');
  const callback = '/oauth/tiktok/callback';
  const webhookUrl = `http://${urlHost(config.http.host)}:${config.http.port}/webhooks/tiktok`;
  const mediaPrefix = `${config.publicUrl}/media/`;
  const callbacks = [
    `http://127.0.0.1:*${callback}`,
    `http://localhost:*${callback}`,
    `${config.publicUrl}${callback}`,
  ];
  try {
    const sandbox = await startSandbox({
      port: config.sandboxPort,
      stateFile: join(config.dataDir, 'sandbox.json'),
      webhookUrl,
      redirectUris: callbacks,
      // As if the operator had verified it: TikTok fetches from nowhere else.
      verifiedUrlProperties: [mediaPrefix],
      business: {
        redirectUris: callbacks.map((uri) => `${uri}/`),
        urlProperties: [mediaPrefix],
        callbackUrls: { VIDEO: webhookUrl },
      },
      pullFromLoopback: true,
    });
    const { origin, businessAppId: appId, businessSecret: secret } = sandbox;
    return { ...appsOf(origin, sandbox, { appId, secret }), close: () => sandbox.close() };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    const origin = `http://127.0.0.1:${config.sandboxPort}`;
    return { ...(await runningApps(origin, error)), close: async () => undefined };
  }
}

const urlHost = (host: string): string => (host.includes(':') ? `[${host}]` : host);

type OpenApp = { readonly clientKey: string; readonly clientSecret: string };
type BusinessApp = { readonly appId: string; readonly secret: string };
type Apps = Pick<BundledSandbox, 'tiktok' | 'business'>;

/** What another process's sandbox says of its apps. */
async function runningApps(origin: string, cause: Error): Promise<Apps> {
  const ask = async <T>(path: string): Promise<Partial<T>> =>
    (await (await fetch(`${origin}/_sandbox/${path}`, { signal: AbortSignal.timeout(5_000) })).json()) as Partial<T>;
  const inUse = new Error(`${origin} is in use by something that is no sandbox: choose another SANDBOX_PORT`, {
    cause,
  });
  try {
    const { clientKey, clientSecret } = await ask<OpenApp>('app');
    const { appId, secret } = await ask<BusinessApp>('business-app');
    if (clientKey && clientSecret && appId && secret) {
      return appsOf(origin, { clientKey, clientSecret }, { appId, secret });
    }
  } catch {
    throw inUse;
  }
  throw inUse;
}

function appsOf(origin: string, { clientKey, clientSecret }: OpenApp, { appId, secret }: BusinessApp): Apps {
  const authorizeUrl = `${origin}/v2/auth/authorize/`;
  return {
    tiktok: {
      clientKey,
      clientSecret: new Secret(clientSecret),
      openApiUrl: origin,
      authorizeUrl,
      uploadOrigins: [origin],
    },
    business: { appId, secret: new Secret(secret), businessApiUrl: origin, authorizeUrl },
  };
}
