import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { httpServer } from '../../../src/adapters/http/server.ts';
import {
  type TikTokWebhookNeeds,
  tiktokWebhook,
  type WebhookLimits,
} from '../../../src/adapters/http/tiktok-webhook.ts';
import type { Log } from '../../../src/application/ports/log.ts';
import { Secret } from '../../../src/domain/secret.ts';
import type { Webhook, WebhookSubject } from '../../../src/domain/webhook.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { recordingMetrics } from '../../support/recording-metrics.ts';
import type { Flood } from '../../support/webhook-flood.ts';
import { signatureOf, webhookBody } from '../../support/webhooks.ts';

const SECRET = 'test_client_secret_0001';
const KEY = 'awexampleclientkey';
const BUSINESS_ID = '7600000000000000001';
const BUSINESS_SECRET = 'test_business_secret_0001';

type Given = Partial<Omit<TikTokWebhookNeeds, 'metrics'>> & {
  readonly secrets?: readonly string[];
  readonly limits?: WebhookLimits;
};

const needsOf = (taken: Webhook[], log: Log, secrets: readonly string[] = [SECRET]) => ({
  takeWebhook: async (webhook: Webhook) => {
    const known = taken.some(({ id }) => id === webhook.id);
    taken.push(webhook);
    return known ? ('REPEATED' as const) : ('NEW' as const);
  },
  apps: [
    {
      apiFamily: 'OPEN' as const,
      clientKey: KEY,
      clientSecrets: secrets.map((secret) => new Secret(secret)),
    },
    { apiFamily: 'BUSINESS' as const, clientKey: BUSINESS_ID, clientSecrets: [new Secret(BUSINESS_SECRET)] },
  ],
  isUnavailable: () => false,
  metrics: recordingMetrics(),
  log,
});

/** Where TikTok calls, and what was taken in. With `limits`, without the server's other addresses. */
async function serve({ secrets, limits, ...changes }: Given = {}) {
  const taken: Webhook[] = [];
  const log = recordingLog();
  const needs = { ...needsOf(taken, log, secrets), ...changes };
  const origin = await (limits === undefined ? serveAll(tiktokWebhook(needs)) : listen(tiktokWebhook(needs, limits)));
  return { url: `${origin}/webhooks/tiktok`, taken, log, reports: needs.metrics.reports };
}

async function serveAll(webhook: ReturnType<typeof tiktokWebhook>): Promise<string> {
  const server = httpServer({
    host: '127.0.0.1',
    port: 0,
    ready: async () => true,
    webhook,
    metrics: async () => ({ contentType: 'text/plain', text: '' }),
    serveMedia: async () => ({ kind: 'NOT_FOUND' }),
    isSandbox: () => false,
    isUnavailable: () => false,
    completeConnection: () => Promise.reject(new Error('not expected')),
    explainRefusal: () => ({ reason: '', message: '', remedy: '' }),
    rpc: (_, response) => response.end(),
    log: recordingLog(),
    drainMilliseconds: 200,
  });
  const { address } = await server.listen();
  onTestFinished(() => server.close());
  return `http://${address}`;
}

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const send = (url: string, body: string | Uint8Array<ArrayBuffer>, signature?: string): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(signature === undefined ? {} : { 'tiktok-signature': signature }),
    },
    body,
  });

const post = (url: string, body: string, secret = SECRET): Promise<Response> =>
  send(url, body, signatureOf(body, secret));

/** A request whose body is sent by hand. */
function open(url: string, headers: Readonly<Record<string, string>> = {}) {
  const request = httpRequest(url, { method: 'POST', headers });
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', (response) => {
      response.resume();
      resolve(response);
    });
    request.once('error', reject);
  });
  onTestFinished(() => void request.destroy());
  return { request, answer };
}

const EXAMPLE =
  '{"client_key":"awexampleclientkey","event":"post.publish.publicly_available","create_time":1789999990,"user_openid":"-000ExampleOpenId_AAAA-bbbb1111","content":"{\\"publish_id\\":\\"v_pub_file~v2-1.7611111111111111111\\",\\"publish_type\\":\\"DIRECT_PUBLISH\\",\\"post_id\\":\\"7611111122222222222\\"}"}';
const T = '1790000000';
const S = '526340c1947b823851d17ca18fad8187736072043241a966f9a937c7b0ff972a';

describe('a rightly signed webhook', () => {
  it('is taken in: the documented example', async () => {
    const { url, taken, log } = await serve();
    const answer = await send(url, EXAMPLE, `t=${T},s=${S}`);
    expect(answer.status).toBe(200);
    expect(taken).toEqual([
      {
        id: createHash('sha256').update(EXAMPLE).digest('hex'),
        subject: { kind: 'POST', publishId: 'v_pub_file~v2-1.7611111111111111111' },
        event: 'post.publish.publicly_available',
        openId: '-000ExampleOpenId_AAAA-bbbb1111',
        createTime: new Date(1_789_999_990_000),
      },
    ]);
    expect(log.lines).toEqual([]);
  });

  it.each([
    ['with its parts the other way round', `s=${S},t=${T}`],
    ['with a part that is new', `t=${T},s=${S},v=2`],
  ])('is taken in %s', async (_, signature) => {
    const { url, taken } = await serve();
    expect((await send(url, EXAMPLE, signature)).status).toBe(200);
    expect(taken).toHaveLength(1);
  });

  it.each([0, 1_000_000_000, 9_999_999_999])('is taken in however old it is: t=%s (WHK-03)', async (time) => {
    const { url, taken } = await serve();
    expect((await send(url, EXAMPLE, signatureOf(EXAMPLE, SECRET, time))).status).toBe(200);
    expect(taken).toHaveLength(1);
  });

  it('is judged by its bytes, whatever they are', async () => {
    const { url, taken } = await serve();
    const body = Buffer.from([0xef, 0xbb, 0xbf, 0x00, 0xff, 0xfe]);
    expect((await send(url, body, signatureOf(body, SECRET))).status).toBe(200);
    expect(taken).toMatchObject([{ subject: { kind: 'NOTHING', reason: 'UNREADABLE' } }]);
  });

  it('is the same webhook when it is signed anew, and another one with one byte more', async () => {
    const { url, taken } = await serve();
    await send(url, EXAMPLE, signatureOf(EXAMPLE, SECRET, 1));
    await send(url, EXAMPLE, signatureOf(EXAMPLE, SECRET, 2));
    await post(url, `${EXAMPLE} `);
    expect(new Set(taken.map(({ id }) => id)).size).toBe(2);
  });

  it('is counted, by its event as TikTok has it, once as new', async () => {
    const { url, reports } = await serve();
    await post(url, EXAMPLE);
    await post(url, EXAMPLE);
    await post(url, EXAMPLE, 'other');
    await post(url, '');
    expect(reports).toEqual([
      ['webhook', 'ACCEPTED', 'post.publish.publicly_available'],
      ['webhook', 'REPEATED', 'post.publish.publicly_available'],
      ['webhook', 'REFUSED'],
      ['webhook', 'ACCEPTED', undefined],
    ]);
  });

  it('may be signed with either secret while the app changes it, and then with the new one only (WHK-06)', async () => {
    const during = await serve({ secrets: ['new', 'old'] });
    const after = await serve({ secrets: ['new'] });
    const answers = [
      await post(during.url, EXAMPLE, 'old'),
      await post(during.url, EXAMPLE, 'new'),
      await post(during.url, EXAMPLE, 'other'),
      await post(after.url, EXAMPLE, 'old'),
      await post(after.url, EXAMPLE, 'new'),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 401, 401, 200]);
  });
});

describe('a webhook of the Business family', () => {
  const removed = webhookBody(
    { event: 'authorization.removed', client_key: BUSINESS_ID, user_openid: '_000Acme' },
    { reason: 1 },
  );

  it('is told by the secret that signed it, at the same address', async () => {
    const { url, taken } = await serve();
    expect((await post(url, removed, BUSINESS_SECRET)).status).toBe(200);
    expect(taken).toMatchObject([{ subject: { kind: 'GRANT', apiFamily: 'BUSINESS', openId: '_000Acme' } }]);
  });

  it('names posts by their publish id, whatever else is a bare number of 19 digits', async () => {
    const { url, taken } = await serve();
    const content = '{"publish_id":"v_pub_url~v1.7551234567890123456","post_id":7551234567890999999}';
    const body = webhookBody({ event: 'post.publish.publicly_available', client_key: BUSINESS_ID, content });
    await post(url, body, BUSINESS_SECRET);
    expect(taken).toMatchObject([{ subject: { kind: 'POST', publishId: 'v_pub_url~v1.7551234567890123456' } }]);
  });

  it('is nothing of ours when the secret of one app signed for the other, and not from TikTok without either', async () => {
    const { url, taken } = await serve();
    expect((await post(url, removed, SECRET)).status).toBe(200);
    expect(taken).toMatchObject([{ subject: { kind: 'NOTHING', reason: 'OTHER_APP' } }]);
    expect((await post(url, removed, 'neither')).status).toBe(401);
  });
});

describe('what a webhook tells us to look at', () => {
  const post = (publishId: string): WebhookSubject => ({ kind: 'POST', publishId });
  const nothing = (reason: 'OTHER_APP' | 'UNKNOWN_EVENT' | 'UNREADABLE'): WebhookSubject => ({
    kind: 'NOTHING',
    reason,
  });
  const grant = (openId: string): WebhookSubject => ({ kind: 'GRANT', apiFamily: 'OPEN', openId });
  const body = (envelope: Record<string, unknown> & { event: string }, content?: object) =>
    webhookBody({ client_key: KEY, ...envelope }, content);

  it.each<[string, string, WebhookSubject]>([
    ...[
      'post.publish.failed',
      'post.publish.complete',
      'post.publish.inbox_delivered',
      'post.publish.publicly_available',
      'post.publish.no_longer_publicaly_available',
      // As one integrator saw it, and as TikTok may spell it one day.
      'post.publish.completed',
      'post.publish.no_longer_publicly_available',
    ].map((event): [string, string, WebhookSubject] => [event, body({ event }, { publish_id: 'p~1' }), post('p~1')]),
    [
      'authorization.removed',
      body({ event: 'authorization.removed', user_openid: '-000a' }, { reason: 1 }),
      grant('-000a'),
    ],
    [
      'a removal without a reason',
      body({ event: 'authorization.removed', user_openid: '-000a', content: null }),
      grant('-000a'),
    ],
    ['a removal without an account', body({ event: 'authorization.removed' }, { reason: 1 }), nothing('UNREADABLE')],
    ['a post without its id', body({ event: 'post.publish.complete' }), nothing('UNREADABLE')],
    [
      'a post with an id that is no text',
      body({ event: 'post.publish.complete' }, { publish_id: 7 }),
      nothing('UNREADABLE'),
    ],
    ['an id with a NUL', body({ event: 'post.publish.complete' }, { publish_id: 'p\0' }), nothing('UNREADABLE')],
    [
      'an id of 201 characters',
      body({ event: 'post.publish.complete' }, { publish_id: 'p'.repeat(201) }),
      nothing('UNREADABLE'),
    ],
    ['an empty id', body({ event: 'post.publish.complete' }, { publish_id: '' }), nothing('UNREADABLE')],
    ['content that is no JSON', body({ event: 'post.publish.complete', content: '{' }), nothing('UNREADABLE')],
    [
      'content that is not within a string',
      body({ event: 'post.publish.complete', content: {} }),
      nothing('UNREADABLE'),
    ],
    ['content that is null', body({ event: 'post.publish.complete', content: 'null' }), nothing('UNREADABLE')],
    ['an older product', body({ event: 'video.publish.completed' }, { share_id: 's' }), nothing('UNKNOWN_EVENT')],
    ['data portability', body({ event: 'portability.download.ready' }, { request_id: 1 }), nothing('UNKNOWN_EVENT')],
    ['an event of tomorrow', body({ event: 'moon.landed' }), nothing('UNKNOWN_EVENT')],
    [
      'another app',
      body({ event: 'post.publish.complete', client_key: 'sb' }, { publish_id: 'p' }),
      nothing('OTHER_APP'),
    ],
    ['no app', body({ event: 'authorization.removed', client_key: null, user_openid: 'o' }), nothing('OTHER_APP')],
    ['no event', JSON.stringify({ client_key: KEY }), nothing('UNREADABLE')],
    [
      'an event that is no text',
      JSON.stringify({ client_key: KEY, event: ['post.publish.complete'] }),
      nothing('UNREADABLE'),
    ],
    ['nothing', '', nothing('UNREADABLE')],
    ['JSON that is no object', '[]', nothing('UNREADABLE')],
    ['null', 'null', nothing('UNREADABLE')],
    ['text', 'hello', nothing('UNREADABLE')],
    ['deep nesting', '['.repeat(60_000), nothing('UNREADABLE')],
  ])('%s', async (_, text, subject) => {
    const { url, taken } = await serve();
    const answer = await send(url, text, signatureOf(text, SECRET));
    expect([answer.status, taken.map((webhook) => webhook.subject)]).toEqual([200, [subject]]);
  });

  it.each([[-1], [1.5], ['1789999990'], [9e15], [null]])(
    'keeps no time that can not be one: %j',
    async (create_time) => {
      const { url, taken } = await serve();
      const text = body({ event: 'authorization.removed', user_openid: 'o', create_time });
      await send(url, text, signatureOf(text, SECRET));
      expect(taken[0]).not.toHaveProperty('createTime');
    },
  );
});

describe('a webhook that is not rightly signed has no effect (WHK-01)', () => {
  it.each<[string, string | undefined]>([
    ['no signature', undefined],
    ['an empty one', ''],
    ['no time', `s=${S}`],
    ['no digest', `t=${T}`],
    ['another time', `t=1790000001,s=${S}`],
    ['the time with a zero before it', `t=0${T},s=${S}`],
    ['a time that is no number', `t=${T}a,s=${S}`],
    ['a time that is no number, signed along', signatureOf(EXAMPLE, SECRET, 'soon')],
    ['a short digest', `t=${T},s=${S.slice(0, 62)}`],
    ['half a byte less', `t=${T},s=${S.slice(0, 63)}`],
    ['a long digest', `t=${T},s=${S}00`],
    ['upper case', `t=${T},s=${S.toUpperCase()}`],
    ['a digest that is no hex', `t=${T},s=${'z'.repeat(64)}`],
    ['one bit changed', `t=${T},s=${S.slice(0, 63)}b`],
    ['the time twice', `t=${T},t=${T},s=${S}`],
    ['the digest twice', `t=${T},s=${S},s=${S}`],
    ['two digests, the second one right', `t=${T},s=${'0'.repeat(64)},s=${S}`],
    ['the whole twice', `t=${T},s=${S}, t=${T},s=${S}`],
    ['spaces', `t = ${T}, s = ${S}`],
    ['semicolons', `t=${T};s=${S}`],
    ['other names', `T=${T},S=${S}`],
    ['another secret', signatureOf(EXAMPLE, 'other')],
    ['the digest of the body alone', `t=${T},s=${createHash('sha256').update(EXAMPLE).digest('hex')}`],
    ['the signature of another body', signatureOf('{}', SECRET)],
  ])('%s', async (_, signature) => {
    const { url, taken } = await serve();
    const answer = await send(url, EXAMPLE, signature);
    expect([answer.status, taken]).toEqual([401, []]);
    expect(await answer.json()).toMatchObject({ error: 'SIGNATURE_INVALID' });
  });

  it('two headers', async () => {
    const { url, taken } = await serve();
    const { request, answer } = open(url);
    request.setHeader('TikTok-Signature', [`t=${T},s=${S}`, `t=${T},s=${S}`]);
    request.end(EXAMPLE);
    expect([(await answer).statusCode, taken]).toEqual([401, []]);
  });

  it('a body that was read and written again', async () => {
    const { url, taken } = await serve();
    const again = JSON.stringify(JSON.parse(EXAMPLE), null, 1);
    expect((await send(url, again, `t=${T},s=${S}`)).status).toBe(401);
    expect(taken).toEqual([]);
  });

  it('any other signature, and any other body', async () => {
    const { url, taken } = await serve();
    const signature = `t=${T},s=${S}`;
    const printable = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code));
    /** One place of a text: left out, replaced or with something put before it. */
    const edited = (text: string) =>
      fc
        .tuple(fc.nat(text.length - 1), fc.constantFrom('drop', 'replace', 'insert'), printable)
        .map(([at, how, put]) => {
          const rest = text.slice(how === 'insert' ? at : at + 1);
          return `${text.slice(0, at)}${how === 'drop' ? '' : put}${rest}`;
        });
    const mutations = fc.oneof(
      edited(`${T},${S}`).map((text) => ({ body: EXAMPLE, signature: `t=${text.replace(',', ',s=')}` })),
      edited(EXAMPLE).map((body) => ({ body, signature })),
      fc.string({ unit: printable }).map((text) => ({ body: EXAMPLE, signature: text })),
      fc.string({ maxLength: 200 }).map((body) => ({ body, signature })),
    );
    await fc.assert(
      fc.asyncProperty(
        mutations.filter((each) => each.body !== EXAMPLE || each.signature !== signature),
        async ({ body, signature: given }) => {
          expect((await send(url, body, given)).status).toBe(401);
        },
      ),
      { numRuns: 1_000 },
    );
    expect(taken).toEqual([]);
  });

  it('tells the operator once, and nothing of what came', async () => {
    const { url, log } = await serve();
    for (let index = 0; index < 5; index += 1) await send(url, EXAMPLE, `t=${index},s=${S}`);
    expect(log.lines).toEqual([
      {
        level: 'warn',
        fields: {},
        message: 'a webhook was refused: it is not signed with the secret of our TikTok app',
      },
    ]);
  });
});

describe('limits', () => {
  it('takes a body of 64 KiB, and not a byte more', async () => {
    const { url, taken } = await serve();
    const body = 'x'.repeat(64 * 1024);
    expect((await post(url, body)).status).toBe(200);
    const { request, answer } = open(url, { 'tiktok-signature': signatureOf(`${body}x`, SECRET) });
    request.write(`${body}x`);
    const { statusCode, headers } = await answer;
    expect([statusCode, headers.connection, taken.length]).toEqual([413, 'close', 1]);
  });

  it('waits for nothing of a body that is said to be 50 MB (WHK-05)', async () => {
    const { url } = await serve();
    const { request, answer } = open(url, { 'content-length': '50000000' });
    request.flushHeaders();
    expect((await answer).statusCode).toBe(413);
  });

  const limits: WebhookLimits = { bodyBytes: 1_000, bodyMilliseconds: 60_000, reading: 100, storing: 2 };

  it('does not wait for ever for a body', async () => {
    const { url, taken } = await serve({ limits: { ...limits, bodyMilliseconds: 20 } });
    const { request, answer } = open(url);
    request.write('{');
    const { statusCode, headers } = await answer;
    expect([statusCode, headers.connection, taken]).toEqual([408, 'close', []]);
  });

  it('is done with a caller who goes away in the middle of its body', async () => {
    const done = Promise.withResolvers<void>();
    const taken: Webhook[] = [];
    const log = recordingLog();
    const take = tiktokWebhook(needsOf(taken, log), limits);
    const origin = await listen((request, response) => take(request, response).then(done.resolve, done.reject));
    const { request, answer } = open(origin, { 'content-length': '100' });
    answer.catch(() => undefined);
    request.write('{', () => request.destroy());
    await done.promise;
    expect([taken, log.lines]).toEqual([[], []]);
  });

  it('sends away what is more than can be stored at once, and takes the next when there is room (WHK-05)', async () => {
    const stored = Promise.withResolvers<void>();
    let storing = 0;
    const full = Promise.withResolvers<void>();
    const takeWebhook = async () => {
      storing += 1;
      if (storing === 2) full.resolve();
      await stored.promise;
      return 'NEW' as const;
    };
    const { url, reports } = await serve({ limits, takeWebhook });
    const first = [post(url, '1'), post(url, '2')];
    await full.promise;
    const turnedAway = await post(url, '3');
    expect([turnedAway.status, turnedAway.headers.get('retry-after')]).toEqual([429, '10']);
    expect((await post(url, '4', 'forged')).status).toBe(401);
    stored.resolve();
    expect((await Promise.all(first)).map(({ status }) => status)).toEqual([200, 200]);
    expect((await post(url, '3')).status).toBe(200);
    expect(reports.map(([, outcome]) => outcome)).toEqual(['FAILED', 'REFUSED', 'ACCEPTED', 'ACCEPTED', 'ACCEPTED']);
  });

  it('reads no more bodies at once than fit in memory, and goes on when they are through (WHK-05)', async () => {
    const { url, taken, reports } = await serve({ limits: { ...limits, reading: 2 } });
    const slow = [open(url), open(url)];
    for (const { request } of slow) request.write('{');
    let turnedAway: Response;
    // The server has heard of both of them once it turns the next one away.
    do turnedAway = await post(url, EXAMPLE);
    while (turnedAway.status !== 429);
    expect([turnedAway.headers.get('retry-after'), turnedAway.headers.get('connection')]).toEqual(['10', 'close']);
    for (const { request } of slow) request.end();
    expect((await Promise.all(slow.map(({ answer }) => answer))).map(({ statusCode }) => statusCode)).toEqual([
      401, 401,
    ]);
    expect((await post(url, EXAMPLE)).status).toBe(200);
    expect(taken.length).toBeGreaterThan(0);
    expect(reports).toContainEqual(['webhook', 'FAILED']);
  });

  it('holds out against ten thousand forged ones at full length: the good ones get through (WHK-05)', async () => {
    const { url, taken } = await serve();
    const flood: Flood = {
      url,
      requests: 10_000,
      connections: 200,
      bodyBytes: 64 * 1024,
      signature: `t=${T},s=${S}`,
    };
    const before = process.memoryUsage().rss;
    const began = performance.now();
    const worker = new Worker(new URL('../../support/webhook-flood.ts', import.meta.url), { workerData: flood });
    onTestFinished(() => void worker.terminate());
    let over = false;
    const statuses = once(worker, 'message').then(([given]) => {
      over = true;
      return given as Record<string, number>;
    });
    const slowest = { milliseconds: 0, growth: 0 };
    let good = 0;
    while (!over) {
      const sent = performance.now();
      const { status } = await post(url, `{"client_key":"${KEY}","event":"e${good}"}`);
      slowest.milliseconds = Math.max(slowest.milliseconds, performance.now() - sent);
      slowest.growth = Math.max(slowest.growth, process.memoryUsage().rss - before);
      expect([200, 429]).toContain(status);
      if (status === 200) good += 1;
    }
    const answers = await statuses;
    expect(Object.keys(answers).filter((status) => status !== '401' && status !== '429')).toEqual([]);
    expect(Object.values(answers).reduce((sum, count) => sum + count)).toBe(10_000);
    expect(good).toBeGreaterThan(0);
    expect(taken).toHaveLength(good);
    console.info(
      `10,000 forged ones in ${((performance.now() - began) / 1000).toFixed(1)} s; ${good} good ones, each within ${slowest.milliseconds.toFixed(0)} ms; +${(slowest.growth / 2 ** 20).toFixed(0)} MiB, those who send included`,
    );
  });

  it.each(['GET', 'HEAD', 'PUT', 'DELETE'])('takes no %s', async (method) => {
    const { url } = await serve();
    const answer = await fetch(url, { method });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
  });
});

describe('a webhook that can not be stored', () => {
  it.each([
    [503, true],
    [500, false],
  ])('is answered with %s, so that TikTok sends it again', async (status, unavailable) => {
    const takeWebhook = () => Promise.reject(new Error('the database says no'));
    const { url, log, reports } = await serve({ takeWebhook, isUnavailable: () => unavailable });
    const answer = await post(url, EXAMPLE);
    expect(answer.status).toBe(status);
    expect(await answer.text()).not.toContain('database');
    expect(log.lines).toMatchObject([
      { level: 'error', fields: { error: { message: 'the database says no' } }, message: expect.any(String) },
    ]);
    expect(reports).toEqual([['webhook', 'FAILED', 'post.publish.publicly_available']]);
    expect(JSON.stringify(log.lines)).not.toMatch(/publish|v_pub_file|-000Example/);
  });
});
