import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Call } from '../../../src/adapters/tiktok/http.ts';
import { type OpenTikTokOptions, openTikTok } from '../../../src/adapters/tiktok/open/open-tiktok.ts';
import { Secret } from '../../../src/domain/secret.ts';

export const LOG_ID = '20261101093000AABBCCDDEEFF00112233';
export const ACCESS_TOKEN = new Secret('act.synthAccess0001');

export type Answering = (request: IncomingMessage, response: ServerResponse) => void;

/** What arrived, whole. */
export type Seen = {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
};

/** Our adapter before a server on the loopback that answers as told. Both are closed after the test. */
export async function tiktokAnswering(answering: Answering, options: Partial<OpenTikTokOptions> = {}) {
  const origin = await listening(answering);
  const calls: Omit<Call, 'method' | 'server'>[] = [];
  const tiktok = openTikTok({
    clientKey: 'awexampleclientkey',
    clientSecret: new Secret('synthClientSecret'),
    redirectUri: 'https://glowtify.test/callback',
    openApiUrl: origin,
    uploadOrigins: [origin],
    sandbox: false,
    // What was asked of whom, the requests tell.
    onCall: ({ method: _, server: __, ...call }) => calls.push(call),
    ...options,
  });
  onTestFinished(() => tiktok.close());
  return { tiktok, origin, calls };
}

/** A server that reads each request whole before it answers, and remembers it. */
export async function tiktokReplying(reply: Answering, options: Partial<OpenTikTokOptions> = {}) {
  const seen: Seen[] = [];
  const connected = await tiktokAnswering(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const { method = '', url = '', headers } = request;
    seen.push({ method, url, headers, body: Buffer.concat(pieces).toString() });
    reply(request, response);
  }, options);
  return { ...connected, seen };
}

export async function listening(answering: Answering): Promise<string> {
  const server = createServer(answering);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export const raw =
  (status: number, text: string, headers: Record<string, string> = {}): Answering =>
  (_request, response) => {
    response.writeHead(status, headers);
    response.end(text);
  };

export const json = (status: number, body: unknown): Answering =>
  raw(status, JSON.stringify(body), { 'content-type': 'application/json' });

export const approved = (data: unknown): Answering =>
  json(200, { data, error: { code: 'ok', message: '', log_id: LOG_ID } });

export const refused = (status: number, code: string, message = ''): Answering =>
  json(status, { data: {}, error: { code, message, log_id: LOG_ID } });
