import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { LookupAddress } from 'node:dns';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type LookupFunction, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type GuardedVideoFetcherOptions,
  guardedLookup,
  guardedVideoFetcher,
  type Resolve,
} from '../../src/adapters/video-fetcher/guarded-video-fetcher.ts';
import { FetchInterrupted } from '../../src/application/ports/video-fetcher.ts';
import { collect } from '../support/fixture-videos.ts';

/** Its code makes it look like trouble with the network. */
const SHUTTING_DOWN = Object.assign(new Error('shutting down'), { code: 'ESHUTDOWN' });
const ROOMY = { maxBytes: 10_000_000 };
const BYTES = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 253));

async function serve(
  answer: RequestListener,
): Promise<{ origin: string; requests: string[]; connections: () => number }> {
  const requests: string[] = [];
  let connections = 0;
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    answer(request, response);
  });
  server.on('connection', () => connections++);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    connections: () => connections,
  };
}

function aFetcher(options: GuardedVideoFetcherOptions = {}) {
  const fetcher = guardedVideoFetcher(options);
  onTestFinished(() => fetcher[Symbol.asyncDispose]());
  return fetcher;
}

async function fetcherFor(answer: RequestListener, options: GuardedVideoFetcherOptions = {}) {
  const server = await serve(answer);
  return { ...server, fetcher: aFetcher({ ...options, allowedOrigins: [server.origin] }) };
}

const resolvingTo =
  (...addresses: string[]): Resolve =>
  (_hostname, _options, callback) =>
    callback(
      null,
      addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
    );

describe('a video that can be fetched', () => {
  it('comes with its size, its type and every byte', async () => {
    const { fetcher, origin } = await fetcherFor((_, response) =>
      response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': BYTES.length }).end(BYTES),
    );
    const fetched = await fetcher.fetch(`${origin}/video.mp4?token=1`, ROOMY);
    if (!fetched.ok) throw new Error(fetched.error.code);
    expect(fetched.value).toMatchObject({ sizeBytes: BYTES.length, contentType: 'video/mp4' });
    expect(await collect(fetched.value.bytes)).toEqual(BYTES);
  });

  it('comes without a size when none is announced', async () => {
    const { fetcher, origin } = await fetcherFor((_, response) => {
      response.write(BYTES);
      response.end();
    });
    const fetched = await fetcher.fetch(origin, ROOMY);
    expect(fetched.ok && 'sizeBytes' in fetched.value).toBe(false);
    expect(fetched.ok && (await collect(fetched.value.bytes))).toEqual(BYTES);
  });

  it('is asked for unpacked, without cookies or credentials', async () => {
    const { promise, resolve } = Promise.withResolvers<object>();
    const { fetcher, origin } = await fetcherFor((request, response) => {
      resolve(request.headers);
      response.end('bytes');
    });
    await fetcher.fetch(origin, ROOMY);
    const headers = await promise;
    expect(headers).toMatchObject({ 'accept-encoding': 'identity' });
    expect(Object.keys(headers)).not.toEqual(expect.arrayContaining([expect.stringMatching(/cookie|authorization/)]));
  });

  it('may be three redirects away', async () => {
    const { fetcher, origin } = await fetcherFor((request, response) => {
      const hop = Number(request.url?.slice(1));
      if (hop === 3) response.end('here');
      else response.writeHead([301, 302, 307][hop] ?? 308, { location: `/${hop + 1}` }).end();
    });
    const fetched = await fetcher.fetch(`${origin}/0`, ROOMY);
    expect(fetched.ok && (await collect(fetched.value.bytes)).toString()).toBe('here');
  });

  it('is not fetched through a proxy of the environment', async () => {
    const proxy = await serve((_, response) => response.end('from the proxy'));
    const { fetcher, origin } = await fetcherFor((_, response) => response.end('direct'));
    const before = process.env['HTTP_PROXY'];
    process.env['HTTP_PROXY'] = proxy.origin;
    onTestFinished(() => {
      if (before === undefined) delete process.env['HTTP_PROXY'];
      else process.env['HTTP_PROXY'] = before;
    });
    const fetched = await fetcher.fetch(origin, ROOMY);
    expect(fetched.ok && (await collect(fetched.value.bytes)).toString()).toBe('direct');
    expect(proxy.connections()).toBe(0);
  });
});

const privateHosts = [
  '127.0.0.1',
  '127.1',
  '127.0.1',
  '127.0.0.1.',
  '127.255.255.254',
  '0177.0.0.1',
  '0x7f.0.0.1',
  '0x7f.1',
  '0x7f000001',
  '2130706433',
  '017700000001',
  '127.000.000.001',
  '0.0.0.0',
  '0',
  '0x0',
  '0.1.2.3',
  '10.0.0.1',
  '10.255.255.255',
  '012.0.0.1',
  '0xa.1',
  '167772161',
  '172.16.0.1',
  '172.31.255.255',
  '0xac100001',
  '192.168.0.1',
  '192.168.255.255',
  '3232235521',
  '0300.0250.0.1',
  '169.254.169.254',
  '0xa9fea9fe',
  '2852039166',
  '0251.0376.0251.0376',
  '169.254.43518',
  '169.254.170.2',
  '168.63.129.16',
  '0xa83f8110',
  '2822734096',
  '100.64.0.1',
  '100.100.100.200',
  '100.127.255.255',
  '192.0.0.1',
  '192.0.0.192',
  '192.0.2.1',
  '192.88.99.1',
  '198.18.0.1',
  '198.19.255.255',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
  '①②⑦.⓪.⓪.①',
  '127。0。0。1',
  '127%2e0%2e0%2e1',
  '１２７.0.0.1',
  '[::]',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::ffff:169.254.169.254]',
  '[::ffff:10.0.0.1]',
  '[::ffff:8.8.8.8]',
  '[::127.0.0.1]',
  '[::8.8.8.8]',
  '[64:ff9b::127.0.0.1]',
  '[64:ff9b::a9fe:a9fe]',
  '[64:ff9b:1::7f00:1]',
  '[2002:7f00:1::]',
  '[2002:a9fe:a9fe::1]',
  '[2001:0:4136:e378:8000:63bf:3fff:fdd2]',
  '[::ffff:0:127.0.0.1]',
  '[fe80::1]',
  '[febf::1]',
  '[fec0::1]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[fdff:ffff::1]',
  '[ff02::1]',
  '[ff0e::1]',
  '[2001:db8::1]',
  '[3fff::1]',
  '[100::1]',
  '[2001:2::1]',
  '[2001:10::1]',
  '[2001:20::1]',
  '[5f00::1]',
  '[4000::1]',
  '[e000::1]',
];

/** What clouds, containers and networks call their own, and ways to write them. */
const localNames = [
  'localhost',
  'LOCALHOST',
  'localhost.',
  'ⓛocalhost',
  'app.localhost',
  'localhost.localdomain.local',
  'printer.local',
  'metadata',
  'metadata.google.internal',
  'metadata.google.internal.',
  'METADATA.GOOGLE.INTERNAL',
  'metadata.goog.internal',
  'instance-data.ec2.internal',
  'ip-10-0-0-1.eu-central-1.compute.internal',
  'host.docker.internal',
  'gateway.docker.internal',
  'kubernetes',
  'kubernetes.default.svc.cluster.local',
  'postgres',
  'mongodb',
  'redis',
  'intranet',
  'wiki.intranet',
  'router.lan',
  'nas.home',
  'router.home.arpa',
  'dc1.corp',
  'db.private',
  '1.0.0.127.in-addr.arpa',
  'expyuzz4wqqyqhjn.onion',
];

const hostileAddresses = [
  ...privateHosts.map((host) => `https://${host}/video.mp4`),
  ...localNames.map((name) => `https://${name}/video.mp4`),
  // The same again, where a part of the address is to make it look like another.
  ...['127.0.0.1', '169.254.169.254', '10.0.0.1', '[::1]', '168.63.129.16', 'localhost'].flatMap((host) => [
    `https://user:pass@${host}/`,
    `https://example.com@${host}/`,
    `https://${host}:8443/`,
    `https://${host}?.example.com/`,
    `https://${host}#.example.com/`,
    `http://${host}/`,
    `https:${host}`,
    `https:/${host}/`,
    `https:\\t//${host}/`,
  ]),
  'http://127.0.0.1/',
  'http://example.com/video.mp4',
  'HTTP://example.com/',
  'ftp://example.com/video.mp4',
  'file:///etc/passwd',
  'file://localhost/etc/passwd',
  'data:video/mp4;base64,AAAA',
  'javascript:alert(1)',
  'blob:https://example.com/1',
  'ws://example.com/',
  'wss://example.com/',
  'gopher://127.0.0.1:6379/_INFO',
  'dict://127.0.0.1:11211/',
  'ldap://example.com/',
  's3://bucket/key',
  'about:blank',
  'unix:/var/run/docker.sock',
  'https://example.com:80/',
  'https://example.com:22/',
  'https://example.com:8443/',
  'https://example.com:6379/',
  'https://example.com:0/',
  'https://127.0.0.1:8080/',
  'https://[::1]:8443/',
  'https://user@example.com/',
  'https://user:password@example.com/',
  'https://:password@example.com/',
  'https://example.com@127.0.0.1/',
  'https://example.com%40127.0.0.1/',
  'https://127.0.0.1#@example.com/',
  'https://127.0.0.1\\@example.com/',
  'https:\\\\127.0.0.1\\',
  'https:127.0.0.1',
  'https:///127.0.0.1/',
  'ht\ntps://127.0.0.1/',
  ' https://127.0.0.1/ ',
  '',
  ' ',
  'video.mp4',
  '/etc/passwd',
  '//example.com/video.mp4',
  'https://',
  'https://%',
  'https://[::1',
  'https://256.256.256.256/',
  'https://example.com:99999/',
  'https://exa mple.com/',
  'https://[fe80::1%25eth0]/',
];

/** Where else than to `origin` this process tries to connect from now on, as `address port`. None of that gets anywhere. */
function connectionAttempts(origin = ''): readonly string[] {
  const attempts: string[] = [];
  const watch = (message: unknown) => {
    const { socket } = message as { socket: Socket };
    socket.on('connectionAttempt', (address: string, port: number) => {
      if (`http://${address}:${port}` === origin) return;
      attempts.push(`${address} ${port}`);
      // Not at once: it is about to be dialled.
      queueMicrotask(() => socket.destroy(Object.assign(new Error('not in a test'), { code: 'EHOSTUNREACH' })));
    });
  };
  subscribe('net.client.socket', watch);
  onTestFinished(() => void unsubscribe('net.client.socket', watch));
  return attempts;
}

describe('a hostile address', () => {
  it(`is one of ${hostileAddresses.length}, all refused without opening a socket (SSR-01)`, async () => {
    expect(new Set(hostileAddresses).size).toBeGreaterThan(200);
    const fetcher = aFetcher({ allowedOrigins: ['http://127.0.0.1:1'] });
    let sockets = 0;
    const count = () => sockets++;
    subscribe('net.client.socket', count);
    onTestFinished(() => void unsubscribe('net.client.socket', count));

    for (const address of hostileAddresses) {
      expect(await fetcher.fetch(address, ROOMY), address).toMatchObject({
        ok: false,
        error: { code: 'URI_NOT_ALLOWED', finding: { code: 'URI_NOT_ALLOWED', field: 'video_uri' } },
      });
      expect(fetcher.check(address), address).toHaveLength(1);
    }
    expect(sockets).toBe(0);
  });

  it('is shown without its user name, password, query and fragment', async () => {
    const refused = await aFetcher().fetch('http://me:hunter2@example.com:81/video.mp4?token=secret#part', ROOMY);
    expect(refused).toMatchObject({ error: { finding: { observed: 'http://example.com:81/video.mp4' } } });
    expect(JSON.stringify(refused)).not.toMatch(/me:|hunter2|secret|part/);
    expect(JSON.stringify(await aFetcher().fetch('data:text/plain,secret', ROOMY))).not.toContain('secret');
  });

  it.each([
    'https://example.com/video.mp4',
    'https://example.com:443/',
    'https://8.8.8.8/',
    'https://[2606:4700::1111]/',
  ])('is not %s, as far as one can see', (address) => expect(aFetcher().check(address)).toEqual([]));

  it.each([
    ['this machine', ['127.0.0.1']],
    ['this machine, in IPv6', ['::1']],
    ['cloud metadata', ['169.254.169.254']],
    ["Azure's own host", ['168.63.129.16']],
    ['a carrier network', ['100.64.1.1']],
    ['an unspecified address', ['0.0.0.0']],
    ['an IPv4 address within NAT64', ['64:ff9b::7f00:1']],
    ['an IPv4 address within 6to4', ['2002:7f00:1::1']],
    ['a local network', ['10.1.2.3']],
    ['an embedded IPv4 address', ['::ffff:10.1.2.3']],
    ['a public and a private address', ['8.8.8.8', '192.168.0.1']],
    ['no address at all', []],
  ])('may hide behind a name that leads to %s (SSR-02)', async (_, addresses) => {
    let lookups = 0;
    const attempts = connectionAttempts();
    const resolve: Resolve = (...question) => {
      lookups++;
      resolvingTo(...addresses)(...question);
    };
    expect(await aFetcher({ resolve }).fetch('https://video.example/v.mp4', ROOMY)).toMatchObject({
      ok: false,
      error: { code: 'URI_NOT_ALLOWED', finding: { observed: 'https://video.example/v.mp4' } },
    });
    expect(lookups).toBe(1);
    expect(attempts).toEqual([]);
  });

  it('is dialled at the address that was judged, whatever its name says next (SSR-02)', async () => {
    const judged = '2a00::1';
    const answers = [[judged], ['127.0.0.1'], ['127.0.0.1']];
    let lookups = 0;
    const rebinding: Resolve = (...question) => resolvingTo(...(answers[lookups++] ?? []))(...question);
    const attempts = connectionAttempts();
    const fetcher = aFetcher({ resolve: rebinding, connectTimeoutMs: 200 });
    await fetcher.fetch('https://video.example/v.mp4', ROOMY);
    expect(lookups).toBe(1);
    expect(attempts).toEqual([`${judged} 443`]);
    expect(await fetcher.fetch('https://video.example/v.mp4', ROOMY)).toMatchObject({
      error: { code: 'URI_NOT_ALLOWED' },
    });
    expect(attempts).toHaveLength(1);
  });

  it('may change its mind between being judged and being dialled, so it is asked once', async () => {
    const answers = [['8.8.8.8'], ['127.0.0.1']];
    let lookups = 0;
    const rebinding: Resolve = (...question) => resolvingTo(...(answers[lookups++] ?? []))(...question);
    const judged: unknown[] = [];
    const lookup: LookupFunction = guardedLookup(rebinding);
    lookup('video.example', { all: true }, (error, address) => judged.push(error, address));
    expect(judged).toEqual([null, [{ address: '8.8.8.8', family: 4 }]]);
    expect(lookups).toBe(1);
    lookup('video.example', {}, (error) => judged.push(error));
    expect(judged.at(-1)).toMatchObject({ name: 'AddressNotPublic' });
  });

  it.each([
    'http://127.0.0.1:2/',
    'https://127.0.0.1/',
    'https://169.254.169.254/latest/',
    'file:///etc/passwd',
    'http://example.com/',
    'https://example.com:8443/',
    'https://metadata.google.internal/computeMetadata/v1/',
    'https://user:pass@example.com/',
    '//169.254.169.254/latest/',
    'https://[::ffff:10.0.0.1]/',
  ])('may be where a redirect leads: %s (SSR-03)', async (location) => {
    const { fetcher, origin } = await fetcherFor((request, response) => {
      if (request.url === '/first') response.writeHead(302, { location: '/second' }).end();
      else response.writeHead(302, { location }).end();
    });
    const attempts = connectionAttempts(origin);
    expect(await fetcher.fetch(`${origin}/first`, ROOMY)).toMatchObject({
      ok: false,
      error: { code: 'URI_NOT_ALLOWED' },
    });
    expect(attempts).toEqual([]);
  });

  it('may be where a redirect leads by its name (SSR-03)', async () => {
    const { fetcher, origin } = await fetcherFor(
      (_, response) => response.writeHead(302, { location: 'https://video.example/' }).end(),
      { resolve: resolvingTo('10.0.0.1') },
    );
    const attempts = connectionAttempts(origin);
    expect(await fetcher.fetch(origin, ROOMY)).toMatchObject({ ok: false, error: { code: 'URI_NOT_ALLOWED' } });
    expect(attempts).toEqual([]);
  });

  it('is another port of an allowed origin, and is never connected to', async () => {
    const other = await serve((_, response) => response.end('secret'));
    const { fetcher, origin } = await fetcherFor((_, response) =>
      response.writeHead(302, { location: other.origin }).end(),
    );
    expect(await fetcher.fetch(origin, ROOMY)).toMatchObject({ ok: false, error: { code: 'URI_NOT_ALLOWED' } });
    expect(other.connections()).toBe(0);
  });

  it('may redirect for ever and is followed three times (SSR-03)', async () => {
    const { fetcher, origin, requests } = await fetcherFor((_, response) =>
      response.writeHead(302, { location: '/again' }).end(),
    );
    expect(await fetcher.fetch(origin, ROOMY)).toMatchObject({
      error: { code: 'URI_NOT_ALLOWED', finding: { limit: 'at most 3 redirects' } },
    });
    expect(requests).toHaveLength(4);
  });
});

describe('hosts that the operator allows', () => {
  const allowedHosts = ['media.example.com', '*.cdn.example'];

  it.each([
    'https://media.example.com/v.mp4',
    'https://MEDIA.example.com./v.mp4',
    'https://eu.cdn.example/v.mp4',
    'https://a.eu.cdn.example/v.mp4',
  ])('are all that videos come from: %s', (address) => expect(aFetcher({ allowedHosts }).check(address)).toEqual([]));

  it.each([
    'https://example.com/v.mp4',
    'https://cdn.example/v.mp4',
    'https://evilcdn.example/v.mp4',
    'https://media.example.com.evil.example/v.mp4',
    'https://8.8.8.8/v.mp4',
    'https://[2606:4700::1111]/v.mp4',
  ])('do not include %s', async (address) => {
    const fetcher = aFetcher({ allowedHosts });
    const refused = { limit: 'a host that the operator of this service allows' };
    expect(fetcher.check(address)).toMatchObject([refused]);
    expect(await fetcher.fetch(address, ROOMY)).toMatchObject({ error: { finding: refused } });
  });

  it('are held to every other rule', async () => {
    const fetcher = aFetcher({ allowedHosts, resolve: resolvingTo('127.0.0.1') });
    expect(fetcher.check('http://media.example.com/')).toMatchObject([{ limit: 'https://' }]);
    expect(await fetcher.fetch('https://media.example.com/', ROOMY)).toMatchObject({
      error: { code: 'URI_NOT_ALLOWED', finding: { limit: 'a machine on the public internet' } },
    });
  });

  it('are all that a redirect leads to', async () => {
    const { fetcher, origin } = await fetcherFor(
      (_, response) => response.writeHead(302, { location: 'https://example.com/' }).end(),
      { allowedHosts, resolve: resolvingTo('10.0.0.1') },
    );
    expect(await fetcher.fetch(origin, ROOMY)).toMatchObject({
      error: { finding: { limit: 'a host that the operator of this service allows' } },
    });
  });
});

describe('a fetch that fails', () => {
  it.each([
    [404, false],
    [403, false],
    [401, false],
    [410, false],
    [204, false],
    [206, false],
    [304, false],
    [408, true],
    [429, true],
    [500, true],
    [502, true],
    [503, true],
  ])('with HTTP status %i is refused; to be tried again: %s', async (status, retryable) => {
    const { fetcher, origin } = await fetcherFor((_, response) => response.writeHead(status).end());
    expect(await fetcher.fetch(`${origin}/v.mp4?token=secret`, ROOMY)).toEqual({
      ok: false,
      error: {
        code: 'FETCH_FAILED',
        status,
        retryable,
        finding: expect.objectContaining({
          code: 'VIDEO_FETCH_FAILED',
          message: `The video could not be fetched: ${origin}/v.mp4 gave HTTP status ${status}.`,
        }),
      },
    });
  });

  it('because nobody listens may be tried again', async () => {
    const server = createTcpServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await new Promise((closed) => server.close(closed));
    expect(await aFetcher({ allowedOrigins: [origin] }).fetch(origin, ROOMY)).toMatchObject({
      error: { code: 'FETCH_FAILED', retryable: true, finding: { observed: 'no complete answer (ECONNREFUSED)' } },
    });
  });

  it.each([
    ['ENOTFOUND', false],
    ['EAI_AGAIN', true],
  ])('because of %s in the lookup; to be tried again: %s', async (code, retryable) => {
    const resolve: Resolve = (_hostname, _options, callback) => callback(Object.assign(new Error(code), { code }), []);
    expect(await aFetcher({ resolve }).fetch('https://video.example/', ROOMY)).toMatchObject({
      error: { code: 'FETCH_FAILED', retryable },
    });
  });

  it('because the answer does not begin may be tried again', async () => {
    const { fetcher, origin } = await fetcherFor(() => {}, { headersTimeoutMs: 50 });
    expect(await fetcher.fetch(origin, ROOMY)).toMatchObject({ error: { code: 'FETCH_FAILED', retryable: true } });
  });

  it('because a redirect leads nowhere is refused', async () => {
    const { fetcher, origin } = await fetcherFor((_, response) => response.writeHead(302).end());
    expect(await fetcher.fetch(origin, ROOMY)).toMatchObject({ error: { code: 'FETCH_FAILED', retryable: false } });
  });

  it('because the file comes packed is refused (SSR-04)', async () => {
    const { fetcher, origin } = await fetcherFor((_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(BYTES)),
    );
    expect(await fetcher.fetch(origin, ROOMY)).toMatchObject({ error: { code: 'FETCH_FAILED', retryable: false } });
  });

  it('because the caller gives up throws the reason', async () => {
    const controller = new AbortController();
    const { fetcher, origin } = await fetcherFor(() => controller.abort(SHUTTING_DOWN));
    await expect(fetcher.fetch(origin, { ...ROOMY, signal: controller.signal })).rejects.toBe(SHUTTING_DOWN);
  });
});

describe('a video that is too large', () => {
  it('is refused by its announced size (SSR-04)', async () => {
    const { fetcher, origin } = await fetcherFor((_, response) =>
      response.writeHead(200, { 'content-length': BYTES.length }).end(BYTES),
    );
    expect(await fetcher.fetch(origin, { maxBytes: 299_999 })).toEqual({
      ok: false,
      error: { code: 'TOO_LARGE', seenBytes: 300_000, limitBytes: 299_999 },
    });
  });

  it('is cut at what it announced, whatever comes after (SSR-04)', async () => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n');
      socket.write('12345 and more than that');
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    onTestFinished(() => void server.close());
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const fetched = await aFetcher({ allowedOrigins: [origin] }).fetch(origin, ROOMY);
    if (!fetched.ok) throw new Error(fetched.error.code);
    expect((await collect(fetched.value.bytes)).toString()).toBe('12345');
  });

  it('is interrupted when it announced nothing and never ends, and the connection is let go (SSR-04)', async () => {
    const closed = Promise.withResolvers<void>();
    const { fetcher, origin } = await fetcherFor((_, response) => {
      response.on('close', closed.resolve);
      const more = () => void response.write(BYTES, () => !response.destroyed && more());
      more();
    });
    const fetched = await fetcher.fetch(origin, { maxBytes: 1_000_000 });
    if (!fetched.ok) throw new Error(fetched.error.code);
    const chunks: Uint8Array[] = [];
    const reading = (async () => {
      for await (const chunk of fetched.value.bytes) chunks.push(chunk);
    })();
    await expect(reading).rejects.toMatchObject({ name: 'FetchInterrupted', refusal: { code: 'TOO_LARGE' } });
    expect(Buffer.concat(chunks).length).toBeLessThanOrEqual(1_000_000);
    await closed.promise;
  });
});

describe('a body that breaks off', () => {
  const interrupted = async (answer: RequestListener, options?: GuardedVideoFetcherOptions) => {
    const { fetcher, origin } = await fetcherFor(answer, options);
    const fetched = await fetcher.fetch(origin, ROOMY);
    if (!fetched.ok) throw new Error(fetched.error.code);
    return collect(fetched.value.bytes).catch((error: unknown) => error);
  };

  it.each<[string, RequestListener, GuardedVideoFetcherOptions]>([
    [
      'before its announced end',
      (_, response) => {
        response.writeHead(200, { 'content-length': 10 * BYTES.length });
        response.write(BYTES, () => response.destroy());
      },
      {},
    ],
    ['before its last chunk', (_, response) => void response.write(BYTES, () => response.destroy()), {}],
    ['by falling silent', (_, response) => void response.write(BYTES), { idleTimeoutMs: 50 }],
  ])('%s never looks like a whole one, and may be tried again', async (_, answer, options) => {
    const error = await interrupted(answer, options);
    expect(error).toBeInstanceOf(FetchInterrupted);
    expect(error).toMatchObject({ refusal: { code: 'FETCH_FAILED', retryable: true } });
  });

  /** A byte each few milliseconds: it never falls silent. */
  const drip: RequestListener = (_, response) => {
    const dripping = setInterval(() => response.write('.'), 5);
    response.on('close', () => clearInterval(dripping));
  };

  it('by dripping is not waited for, and may be tried again (SSR-05)', async () => {
    const slowest = { bytesPerSecond: 1_000_000, milliseconds: 50 };
    expect(await interrupted(drip, { slowest })).toMatchObject({
      refusal: {
        code: 'FETCH_FAILED',
        retryable: true,
        finding: { observed: 'fewer than 1000000 bytes a second' },
      },
    });
  });

  it('by taking longer than everything may take is not waited for either (SSR-05)', async () => {
    expect(await interrupted(drip, { totalTimeoutMs: 200 })).toMatchObject({
      refusal: { code: 'FETCH_FAILED', retryable: true, finding: { observed: 'not the whole file within 1 seconds' } },
    });
  });

  it('is not slow because its reader is', async () => {
    const { fetcher, origin } = await fetcherFor((_, response) => response.end(BYTES), {
      slowest: { bytesPerSecond: 1_000, milliseconds: 1 },
    });
    const fetched = await fetcher.fetch(origin, ROOMY);
    if (!fetched.ok) throw new Error(fetched.error.code);
    let bytes = 0;
    for await (const chunk of fetched.value.bytes) {
      bytes += chunk.length;
      // So long that 300,000 bytes would be too few for it.
      const since = performance.now();
      while (performance.now() - since < 100);
    }
    expect(bytes).toBe(BYTES.length);
  });

  it('because the caller gives up throws the reason', async () => {
    const controller = new AbortController();
    const { fetcher, origin } = await fetcherFor((_, response) => void response.write(BYTES));
    const fetched = await fetcher.fetch(origin, { ...ROOMY, signal: controller.signal });
    if (!fetched.ok) throw new Error(fetched.error.code);
    const reading = (async () => {
      for await (const _ of fetched.value.bytes) controller.abort(SHUTTING_DOWN);
    })();
    await expect(reading).rejects.toBe(SHUTTING_DOWN);
  });

  it('because its reader has had enough lets the connection go', async () => {
    const closed = Promise.withResolvers<void>();
    const { fetcher, origin } = await fetcherFor((_, response) => {
      response.on('close', closed.resolve);
      response.write(BYTES);
    });
    const fetched = await fetcher.fetch(origin, ROOMY);
    if (!fetched.ok) throw new Error(fetched.error.code);
    for await (const _ of fetched.value.bytes) break;
    await closed.promise;
  });
});
