import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/domain/secret.ts';
import {
  ACCESS_TOKEN,
  type Answering,
  approved,
  json,
  LOG_ID,
  listening,
  raw,
  tiktokAnswering,
  tiktokReplying,
} from './answering-tiktok.ts';

const WORKING = { status: 'PROCESSING_UPLOAD' };

async function statusFrom(answering: Answering, limits = {}) {
  const { tiktok, calls } = await tiktokAnswering(answering, { limits });
  return { result: await tiktok.publishing.readStatus(ACCESS_TOKEN, 'v_pub'), calls };
}

describe('An answer that is not what TikTok documents', () => {
  it.each([
    ['an HTML 502', raw(502, '<html><h1>502 Bad Gateway</h1></html>'), 'PLATFORM_UNAVAILABLE'],
    ['an empty 503', raw(503, ''), 'PLATFORM_UNAVAILABLE'],
    ['an HTML 403 of something in between', raw(403, '<!doctype html>'), 'PLATFORM_UNAVAILABLE'],
    ['an HTML 200', raw(200, '<html>'), 'PLATFORM_UNAVAILABLE'],
    ['an empty 200', raw(200, ''), 'PLATFORM_UNAVAILABLE'],
    ['text', raw(200, 'upstream connect error'), 'PLATFORM_UNAVAILABLE'],
    ['a JSON list', json(200, []), 'PLATFORM_UNAVAILABLE'],
    ['a nameless 429', raw(429, 'slow down'), 'UPSTREAM_RATE_LIMITED'],
    ['a nameless 408', raw(408, ''), 'PLATFORM_UNAVAILABLE'],
    ['a nameless 404', raw(404, 'not found'), 'CONNECTOR_REQUEST_REJECTED'],
    ['JSON without an error code', json(200, { data: WORKING }), 'CONNECTOR_REQUEST_REJECTED'],
    ['an ok with HTTP 500', json(500, { data: WORKING, error: { code: 'ok' } }), 'PLATFORM_UNAVAILABLE'],
    ['an ok with HTTP 400', json(400, { data: WORKING, error: { code: 'ok' } }), 'CONNECTOR_REQUEST_REJECTED'],
  ])('%s', async (_what, answering, code) => {
    expect((await statusFrom(answering)).result).toMatchObject({ ok: false, error: { code } });
  });

  it('tells the HTTP status when TikTok tells nothing', async () => {
    const { result } = await statusFrom(raw(404, 'not found', { 'x-tt-logid': LOG_ID }));
    expect(result).toEqual({
      ok: false,
      error: { code: 'CONNECTOR_REQUEST_REJECTED', detail: 'TikTok answered HTTP 404.', tiktokLogId: LOG_ID },
    });
  });

  it('brings no code or log id that is not one', async () => {
    const said = { code: 'act.secret token', message: 'm', log_id: `${'7'.repeat(101)}` };
    const { result, calls } = await statusFrom(json(400, { error: said }));
    expect(result).toEqual({ ok: false, error: { code: 'CONNECTOR_REQUEST_REJECTED', detail: 'm' } });
    expect(calls[0]).not.toHaveProperty('code');
  });
});

describe('An answer that does not arrive', () => {
  const lost = (code: unknown) => [
    { endpoint: '/v2/post/publish/status/fetch/', code, milliseconds: expect.any(Number) },
  ];
  const UNAVAILABLE = { ok: false, error: { code: 'PLATFORM_UNAVAILABLE' } };

  it('is cut in the middle', async () => {
    const { result, calls } = await statusFrom((_request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{"data":{"status":"PUBLISH_COMPLETE"', () => response.destroy());
    });
    expect(result).toEqual(UNAVAILABLE);
    expect(calls).toEqual(lost('UND_ERR_SOCKET'));
  });

  it('is lost with the connection, and the call is not repeated', async () => {
    let requests = 0;
    const { result } = await statusFrom((request) => {
      requests += 1;
      request.socket.destroy();
    });
    expect(result).toEqual(UNAVAILABLE);
    expect(requests).toBe(1);
  });

  it('has nobody who could give it', async () => {
    const port = await freedPort();
    const { tiktok, calls } = await tiktokAnswering(approved({}), { openApiUrl: `http://127.0.0.1:${port}` });
    expect(await tiktok.publishing.readStatus(ACCESS_TOKEN, 'v_pub')).toEqual(UNAVAILABLE);
    expect(calls).toEqual(lost('ECONNREFUSED'));
  });

  it('takes longer than the whole call may', async () => {
    const { result, calls } = await statusFrom(() => undefined, { apiMilliseconds: 50 });
    expect(result).toEqual(UNAVAILABLE);
    expect(calls).toEqual(lost('TimeoutError'));
  });

  it('drips so that it never ends', async () => {
    const { result, calls } = await statusFrom((_request, response) => drip(response), { apiMilliseconds: 100 });
    expect(result).toEqual(UNAVAILABLE);
    expect(calls).toEqual(lost('TimeoutError'));
  });

  it('is larger than any answer of TikTok', async () => {
    const closed = Promise.withResolvers<void>();
    const { result, calls } = await statusFrom((_request, response) => {
      response.on('close', closed.resolve).on('error', () => undefined);
      drip(response, ' '.repeat(64 * 1024));
    });
    expect(result).toEqual(UNAVAILABLE);
    expect(calls).toEqual(lost('ANSWER_TOO_LARGE'));
    await closed.promise;
  });

  it('leaves a token call within its own limit', async () => {
    const { tiktok } = await tiktokAnswering(() => undefined, { limits: { tokenMilliseconds: 50 } });
    expect(await tiktok.authorization.refresh(new Secret('rft.a'))).toEqual({
      ok: false,
      error: { code: 'NOT_ANSWERED', error: { code: 'PLATFORM_UNAVAILABLE' } },
    });
    expect(await tiktok.authorization.revoke(ACCESS_TOKEN)).toEqual(UNAVAILABLE);
  });
});

describe('A redirect', () => {
  it.each([301, 302, 303, 307, 308])('HTTP %d is never followed, so the token goes nowhere else', async (status) => {
    let strayed = 0;
    const elsewhere = await listening((_request, response) => {
      strayed += 1;
      response.end();
    });
    const { result } = await statusFrom(raw(status, '', { location: `${elsewhere}/` }));
    expect(result).toEqual({ ok: false, error: { code: 'PLATFORM_UNAVAILABLE' } });
    expect(strayed).toBe(0);
  });
});

describe('Connections', () => {
  it('are kept for the next calls', async () => {
    const ports = new Set<number | undefined>();
    const { tiktok } = await tiktokReplying((request, response) => {
      ports.add(request.socket.remotePort);
      approved(WORKING)(request, response);
    });
    for (let call = 0; call < 10; call += 1) await tiktok.publishing.readStatus(ACCESS_TOKEN, 'v_pub');
    // undici opens a second one when a call comes before it has tidied up the first.
    expect(ports.size).toBeLessThanOrEqual(2);
  });

  it('end with close, after which nothing is sent', async () => {
    const { tiktok, seen } = await tiktokReplying(approved(WORKING));
    await tiktok.close();
    expect(await tiktok.publishing.readStatus(ACCESS_TOKEN, 'v_pub')).toMatchObject({ ok: false });
    expect(seen).toEqual([]);
  });

  it('may go through a proxy that has a path of its own', async () => {
    const origin = await listening((request, response) =>
      request.url === '/tiktok/v2/post/publish/status/fetch/'
        ? approved(WORKING)(request, response)
        : raw(404, '')(request, response),
    );
    const { tiktok } = await tiktokAnswering(raw(404, ''), { openApiUrl: `${origin}/tiktok/` });
    expect(await tiktok.publishing.readStatus(ACCESS_TOKEN, 'v_pub')).toMatchObject({ ok: true });
  });
});

/** Writes for as long as someone reads. */
function drip(response: Parameters<Answering>[1], text = ' '): void {
  if (!response.destroyed) response.write(text, () => setImmediate(drip, response, text));
}

async function freedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
