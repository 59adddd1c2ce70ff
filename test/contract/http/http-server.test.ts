import { request as httpRequest } from 'node:http';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { afterEach, describe, expect, it } from 'vitest';
import type { ExposeMetrics } from '../../../src/adapters/http/metrics.ts';
import { httpServer } from '../../../src/adapters/http/server.ts';
import { PostService } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_service_pb.js';
import { rpcHandler } from '../../../src/adapters/rpc/node-handler.ts';
import { connectorRoutes } from '../../../src/adapters/rpc/routes.ts';
import type { RpcNeeds, UseCases } from '../../../src/adapters/rpc/rpc-needs.ts';
import { answerTo } from '../../../src/adapters/rpc/to-connect-error.ts';
import { err, ok } from '../../../src/domain/result.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { aConnection, aPlan } from '../rpc/examples.ts';
import { fakeNeeds } from '../rpc/fake-needs.ts';

const running: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of running.splice(0)) await one.close();
});

async function serve(
  answers: Partial<UseCases>,
  {
    ready = async () => true,
    metrics = async () => ({ contentType: 'text/plain', text: '' }),
    ...changes
  }: Partial<RpcNeeds> & { readonly ready?: () => Promise<boolean>; readonly metrics?: ExposeMetrics } = {},
): Promise<string> {
  const needs = fakeNeeds(answers, changes);
  const routes = connectorRoutes(needs);
  const server = httpServer({
    host: '127.0.0.1',
    port: 0,
    ready,
    metrics,
    serveMedia: async () => ({ kind: 'NOT_FOUND' }),
    webhook: () => Promise.reject(new Error('no webhook is expected')),
    log: needs.log,
    isSandbox: needs.isSandbox,
    isUnavailable: needs.isUnavailable,
    completeConnection: needs.useCases.completeConnection,
    explainRefusal: answerTo,
    rpc: rpcHandler({ routes, log: needs.log }),
    drainMilliseconds: 200,
  });
  const { address } = await server.listen();
  running.push(server);
  return `http://${address}`;
}

const get = (uri: string, init: RequestInit = {}) =>
  fetch(uri, { redirect: 'manual', headers: { connection: 'close' }, ...init });

const SCRIPT = '<script>alert("1")</script>';

describe('the OAuth callback', () => {
  it('hands the code on, decoded once, and shows a page', async () => {
    const asked: unknown[] = [];
    const origin = await serve({
      completeConnection: async (input) => {
        asked.push(input);
        return ok({ connection: aConnection() });
      },
    });
    const response = await get(`${origin}/oauth/tiktok/callback?code=a*b!c%2521d&state=st-1&scopes=x`);
    expect(asked).toEqual([{ state: 'st-1', answer: { code: 'a*b!c%21d' } }]);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/);
    const page = await response.text();
    expect(page).toContain('<bdi>Glowtify (@glowtify)</bdi>');
    expect(page).not.toMatch(/https?:|<script|sandbox/);
  });

  it.each([
    ['auth_code=c&state=s', { code: 'c' }],
    ['code=c&auth_code=d&state=s', { code: 'c' }],
    ['error=access_denied&auth_code=d&state=s', { tiktokError: 'access_denied' }],
    ['state=s', { code: '' }],
  ])('takes the code by either name, and no code for none: %s', async (query, answer) => {
    const asked: unknown[] = [];
    const origin = await serve({
      completeConnection: async (input) => {
        asked.push(input);
        return ok({ connection: aConnection() });
      },
    });
    await get(`${origin}/oauth/tiktok/callback?${query}`);
    expect(asked).toEqual([{ state: 's', answer }]);
  });

  it('allows exactly the style of the page', async () => {
    const origin = await serve({ completeConnection: async () => ok({ connection: aConnection() }) });
    const response = await get(`${origin}/oauth/tiktok/callback?code=c&state=s`);
    const style = /<style>(.*)<\/style>/s.exec(await response.text())?.[1] ?? '';
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(style));
    expect(response.headers.get('content-security-policy')).toContain(
      `'sha256-${Buffer.from(digest).toString('base64')}'`,
    );
  });

  it('says that it is the sandbox', async () => {
    const origin = await serve(
      { completeConnection: async () => ok({ connection: aConnection() }) },
      { isSandbox: () => true },
    );
    expect(await (await get(`${origin}/oauth/tiktok/callback?code=c&state=s`)).text()).toContain('This is the sandbox');
  });

  it('never lets a name become markup', async () => {
    const account = { openId: 'o', displayName: `${SCRIPT}<img src=x onerror=alert(1)>`, username: `"'><b>` };
    const origin = await serve({ completeConnection: async () => ok({ connection: aConnection({ account }) }) });
    const page = await (await get(`${origin}/oauth/tiktok/callback?code=c&state=s`)).text();
    expect(page).not.toMatch(/<script|<img|<b>/);
    expect(page).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;');
  });

  it.each([
    ['code', `code=${encodeURIComponent(SCRIPT)}&state=${encodeURIComponent(SCRIPT)}`],
    ['error', `error=${encodeURIComponent(SCRIPT)}&error_description=${encodeURIComponent(SCRIPT)}&state=s`],
  ])('never lets the %s become markup', async (_, query) => {
    const origin = await serve({
      completeConnection: async ({ state, answer }) =>
        err({
          code: 'INVALID',
          findings: [
            {
              code: 'FIELD_INVALID',
              severity: 'ERROR',
              field: 'state',
              message: `Bad state ${state} ${JSON.stringify(answer)}.`,
              remedy: SCRIPT,
              observed: '',
              limit: '',
            },
          ],
        }),
    });
    const response = await get(`${origin}/oauth/tiktok/callback?${query}`);
    expect(response.status).toBe(400);
    const page = await response.text();
    expect(page).not.toContain('<script');
    expect(page).toContain('&lt;script&gt;');
  });

  it('says why and what to do when the person said no', async () => {
    const asked: unknown[] = [];
    const origin = await serve({
      completeConnection: async (input) => {
        asked.push(input);
        return err({ code: 'AUTHORIZATION_DENIED', tiktokCode: 'access_denied' });
      },
    });
    const response = await get(`${origin}/oauth/tiktok/callback?error=access_denied&state=s`);
    expect(asked).toEqual([{ state: 's', answer: { tiktokError: 'access_denied' } }]);
    expect(response.status).toBe(400);
    const page = await response.text();
    expect(page).toContain('TikTok ended the authorization');
    expect(page).toContain('Begin again');
    expect(page).toContain('AUTHORIZATION_DENIED');
  });

  it('sends the browser back with the connection, beside what the address had', async () => {
    const origin = await serve({
      completeConnection: async () =>
        ok({ connection: aConnection(), returnUri: 'https://app.example/done?tab=1%202#top' }),
    });
    const response = await get(`${origin}/oauth/tiktok/callback?code=c&state=s`);
    expect(response.status).toBe(303);
    expect(response.headers.get('location')).toBe('https://app.example/done?tab=1%202&connection_id=conn_01#top');
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    expect(await response.text()).toBe('');
  });

  it('sends the browser back with the code of the refusal', async () => {
    const origin = await serve({
      completeConnection: async () =>
        err({
          code: 'TIKTOK_REFUSED',
          error: { code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.publish'] },
          returnUri: 'https://app.example/done',
        }),
    });
    const response = await get(`${origin}/oauth/tiktok/callback?code=c&state=s`);
    expect(response.headers.get('location')).toBe('https://app.example/done?error=ACCOUNT_SCOPE_MISSING');
  });

  it.each([
    [500, false],
    [503, true],
  ])('hides a failure behind an incident: %s', async (status, unavailable) => {
    const log = recordingLog();
    const origin = await serve(
      { completeConnection: () => Promise.reject(new Error('token=secret')) },
      { log, isUnavailable: () => unavailable },
    );
    const response = await get(`${origin}/oauth/tiktok/callback?code=c&state=s`);
    expect(response.status).toBe(status);
    const page = await response.text();
    expect(page).not.toContain('secret');
    expect(log.lines).toMatchObject([{ level: 'error', fields: { error: { message: 'token=secret' } } }]);
    const [incidentId] = log.lines.map(({ fields }) => ('incidentId' in fields ? String(fields.incidentId) : 'none'));
    expect(page).toContain(incidentId);
  });

  it('spends no state for HEAD', async () => {
    const origin = await serve({});
    const response = await get(`${origin}/oauth/tiktok/callback?code=c&state=s`, { method: 'HEAD' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET');
  });
});

describe('the other addresses', () => {
  it('tell that the process is alive, and whether it can work', async () => {
    const log = recordingLog();
    const alive = await serve({}, { ready: () => Promise.reject(new Error('down')), log });
    expect((await get(`${alive}/healthz`)).status).toBe(200);
    const answer = await get(`${alive}/readyz`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({ status: 'not ready' });
    expect(log.lines).toMatchObject([{ level: 'warn' }]);
    expect((await get(`${await serve({}, { ready: async () => false })}/readyz`)).status).toBe(503);
    expect(await (await get(`${await serve({})}/readyz`)).json()).toEqual({ status: 'ready' });
  });

  it('give the metrics as they are at each call', async () => {
    let calls = 0;
    const contentType = 'text/plain; version=0.0.4; charset=utf-8';
    const metrics = async () => ({ contentType, text: `calls_total ${++calls}\n` });
    const origin = await serve({}, { metrics });
    const response = await get(`${origin}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(contentType);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.text()).toBe('calls_total 1\n');
    expect(await (await get(`${origin}/metrics`)).text()).toBe('calls_total 2\n');
    expect((await get(`${origin}/metrics`, { method: 'HEAD' })).status).toBe(200);
  });

  it('say that the metrics failed, without a word of why', async () => {
    const log = recordingLog();
    const origin = await serve({}, { metrics: () => Promise.reject(new Error('password=secret')), log });
    const response = await get(`${origin}/metrics`);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('secret');
    expect(log.lines).toMatchObject([{ level: 'error', fields: { error: { message: 'password=secret' } } }]);
  });

  it.each([
    ['POST', '/metrics', 405, 'METHOD_NOT_ALLOWED'],
    ['GET', '/', 404, 'NOT_FOUND'],
    ['GET', '/oauth/tiktok/callback/x', 404, 'NOT_FOUND'],
    ['GET', '//', 404, 'NOT_FOUND'],
    ['POST', '/healthz', 405, 'METHOD_NOT_ALLOWED'],
    ['POST', '/oauth/tiktok/callback', 405, 'METHOD_NOT_ALLOWED'],
  ])('answer %s %s with JSON %s', async (method, path, status, error) => {
    const response = await get(`${await serve({})}${path}`, { method });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await response.json()).toMatchObject({ error });
  });
});

describe('the RPCs over HTTP/1.1', () => {
  const scheduled = { post: { ...aPlan(), state: 'SCHEDULED' as const } };

  it.each([
    ['Connect', createConnectTransport],
    ['gRPC-Web', createGrpcWebTransport],
  ])('are served over %s', async (_, transport) => {
    const baseUrl = await serve({ getPost: async () => ok({ step: scheduled, timeline: [] }) });
    const client = createClient(PostService, transport({ baseUrl, httpVersion: '1.1' }));
    expect((await client.getPost({ postId: 'post_01' })).post?.postId).toBe('post_01');
  });

  it('open a watch before anything happens', async () => {
    const happens = Promise.withResolvers<void>();
    const baseUrl = await serve({
      watchPosts: async () =>
        ok(
          (async function* () {
            await happens.promise;
            yield { step: scheduled, eventTime: new Date(0), cursor: 'c1' };
          })(),
        ),
    });
    const client = createClient(PostService, createConnectTransport({ baseUrl, httpVersion: '1.1' }));
    const messages = client.watchPosts(
      { workspaceId: 'ws_a' },
      { onHeader: () => happens.resolve() }, // headers that waited for a message would never come
    );
    for await (const { event } of messages) {
      expect(event?.resumeToken).toBe('c1');
      break;
    }
  });

  it('outlive a request whose Host is no host', async () => {
    const baseUrl = await serve({ getPost: async () => ok({ step: scheduled, timeline: [] }) });
    const answered = Promise.withResolvers<number | undefined>();
    const request = httpRequest(`${baseUrl}/glowtify.tiktok.v1.PostService/GetPost`, {
      method: 'POST',
      headers: { host: '[', 'content-type': 'application/json', connection: 'close' },
    });
    request.on('response', (response) => {
      response.resume();
      answered.resolve(response.statusCode);
    });
    request.on('error', answered.reject);
    request.end('{}');
    expect(await answered.promise).toBe(400);
    expect((await get(`${baseUrl}/healthz`)).status).toBe(200);
  });
});
