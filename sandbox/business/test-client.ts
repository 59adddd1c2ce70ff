import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Sandbox, SandboxOptions } from '../sandbox.ts';
import { aFile, aSandbox, bakery } from '../test-client.ts';
import type { BusinessScope } from './vocabulary.ts';

export const bakeryBusinessId = '_000SandboxGlowBakeryPublic0001';
export const redirectUri = 'http://127.0.0.1:8080/oauth/tiktok/callback/';

/** One that fetches from loopback, where the app verified all there is. */
export const aBusinessSandbox = (options: SandboxOptions = {}): Promise<Sandbox> =>
  aSandbox({ pullFromLoopback: true, business: { urlProperties: ['127.0.0.1'] }, ...options });

export type Said = {
  status: number;
  code: number;
  message: string;
  requestId: string;
  data: Record<string, unknown>;
  text: string;
};

async function read(response: Response): Promise<Said> {
  const text = await response.text();
  const { code, message, request_id: requestId, data } = JSON.parse(text);
  return { status: response.status, code, message, requestId, data, text };
}

export const get = async (sandbox: Sandbox, path: string, query: Record<string, string>, headers = {}): Promise<Said> =>
  read(await fetch(`${sandbox.businessApiUrl}${path}?${new URLSearchParams(query)}`, { headers }));

/** `undefined` leaves a field out. */
export const post = async (sandbox: Sandbox, path: string, body: object, headers = {}): Promise<Said> =>
  read(
    await fetch(sandbox.businessApiUrl + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    }),
  );

export const asOAuthApp = (sandbox: Sandbox) => ({
  client_id: sandbox.businessAppId,
  client_secret: sandbox.businessSecret,
});
export const asApp = (sandbox: Sandbox) => ({ app_id: sandbox.businessAppId, secret: sandbox.businessSecret });

const flags = { is_brand_organic: false, is_branded_content: false };

/** A caller with a token of this account. */
export function businessClientOf(sandbox: Sandbox, account = bakery, scopes?: readonly BusinessScope[]) {
  const tokens = sandbox.control.issueBusinessTokens(account, scopes);
  const headers = { 'access-token': tokens.accessToken };
  const business_id = tokens.openId;
  return {
    tokens,
    get: (path: string, query: Record<string, string> = {}) => get(sandbox, path, { business_id, ...query }, headers),
    post: (path: string, body: object) => post(sandbox, path, { business_id, ...body }, headers),
    publish(video_url: string, post_info: object = {}) {
      return this.post('/business/video/publish/', { video_url, post_info: { ...flags, ...post_info } });
    },
    status: (publish_id: unknown) =>
      get(sandbox, '/business/publish/status/', { business_id, publish_id: String(publish_id) }, headers),
    videos: (query: Record<string, string> = {}) =>
      get(sandbox, '/business/video/list/', { business_id, ...query }, headers),
  };
}

export const video = aFile(100_000, 7);

/** Serves `video`, or what it is told to, and gives its address. */
export async function aHost(serve: RequestListener = (_, response) => response.end(video)): Promise<string> {
  const server = createServer(serve).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/video.mp4`;
}
