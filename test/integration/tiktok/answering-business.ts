import { onTestFinished } from 'vitest';
import { type BusinessTikTokOptions, businessTikTok } from '../../../src/adapters/tiktok/business/business-tiktok.ts';
import type { Call } from '../../../src/adapters/tiktok/http.ts';
import { Secret } from '../../../src/domain/secret.ts';
import { fixedClock } from '../../support/fixed-clock.ts';
import { type Answering, json, LOG_ID, listening, type Seen } from './answering-tiktok.ts';

export const OPEN_ID = '-000exampleOpenId';
export const ACCESS = new Secret(`${OPEN_ID} act.synthAccess0001`);
export const said = (code: number, message = '', data: unknown = {}) =>
  json(200, { code, message, request_id: LOG_ID, data });
export const approved = (data: unknown) => said(0, 'OK', data);

/** Our adapter before a server that reads each request whole, remembers it and answers as told. */
export async function replying(reply: Answering, options: Partial<BusinessTikTokOptions> = {}) {
  const seen: Seen[] = [];
  const calls: Omit<Call, 'method' | 'server'>[] = [];
  const origin = await listening(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const { method = '', url = '', headers } = request;
    seen.push({ method, url, headers, body: Buffer.concat(pieces).toString() });
    reply(request, response);
  });
  const tiktok = businessTikTok({
    appId: '7600000000000000001',
    secret: new Secret('synthSecret'),
    redirectUri: 'https://glowtify.test/callback/',
    businessApiUrl: origin,
    sandbox: false,
    clock: fixedClock(),
    // What was asked of whom, the requests tell.
    onCall: ({ method: _, server: __, ...call }) => calls.push(call),
    ...options,
  });
  onTestFinished(() => tiktok.close());
  return { ...tiktok, seen, calls };
}
