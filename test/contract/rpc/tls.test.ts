import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { Code, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, describe, expect, it } from 'vitest';
import { knownCallers } from '../../../src/adapters/callers/known-callers.ts';
import { parseCallers } from '../../../src/adapters/callers/parse-callers.ts';
import { PostService } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_service_pb.js';
import { ErrorInfoSchema } from '../../../src/adapters/rpc/gen/google/rpc/error_details_pb.js';
import { connectorRoutes } from '../../../src/adapters/rpc/routes.ts';
import { rpcServer } from '../../../src/adapters/rpc/server.ts';
import type { Clock } from '../../../src/application/ports/clock.ts';
import { err, ok } from '../../../src/domain/result.ts';
import { anAuthority, type Certified, type Wanted } from '../../support/certificates.ts';
import { digestOf } from '../../support/tokens-of-callers.ts';
import { aPlan } from './examples.ts';
import { fakeNeeds } from './fake-needs.ts';

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

const authority = anAuthority();
const server = authority.issue({ subject: [['CN', 'connector']], addresses: ['127.0.0.1'] });
const DESK = [
  ['O', 'Glowtify'],
  ['CN', 'desk'],
] as const satisfies Wanted['subject'];

/** Two callers: the desk with a certificate in ws_a, the robot with a key in ws_b. Each post there is says whose it was asked for. */
async function served({ mutual = true, clock = { now: () => new Date() } }: { mutual?: boolean; clock?: Clock } = {}) {
  const parsed = parseCallers(
    JSON.stringify({
      callers: [
        { name: 'desk', subject: 'CN=desk,O=Glowtify', workspaces: ['ws_a'], roles: ['read'] },
        { name: 'robot', key_sha256: digestOf('key-robot'), workspaces: ['ws_b'], roles: ['read'] },
      ],
    }),
    { clientCertificates: true },
  );
  if (!parsed.ok) throw new Error(parsed.error.join('\n'));
  const needs = fakeNeeds(
    {
      getPost: async ({ postId, workspaceId }) =>
        workspaceId === 'ws_a'
          ? ok({ step: { post: { ...aPlan(), state: 'SCHEDULED' } }, timeline: [] })
          : err({ code: 'NOT_FOUND', resource: 'post', id: postId }),
      cancelPost: () => Promise.reject(new Error('nobody here may cancel')),
    },
    { clock, callers: knownCallers(parsed.value, { clock, fetched: new Map() }) },
  );
  const running = rpcServer({
    host: '127.0.0.1',
    port: 0,
    tls: {
      cert: Buffer.from(server.cert),
      key: Buffer.from(server.key),
      ...(mutual ? { clientCa: Buffer.from(authority.cert) } : {}),
    },
    routes: connectorRoutes(needs),
    log: needs.log,
    drainMilliseconds: 100,
  });
  const { address } = await running.listen();
  endings.push(() => running.close());

  function client(shown: Partial<Certified> & { readonly ca?: string } = {}, key?: string) {
    const saying: Interceptor = (next) => (request) => {
      if (key !== undefined) request.header.set('authorization', `Bearer ${key}`);
      return next(request);
    };
    return createClient(
      PostService,
      createGrpcTransport({
        baseUrl: `https://${address}`,
        nodeOptions: { ca: authority.cert, ...shown },
        interceptors: [saying],
      }),
    );
  }
  return { address, client, running };
}

/** The status and reason; `NOT_CONNECTED` when there was no connection to be told over. */
async function told(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'LET_IN';
  } catch (error) {
    const refusal = ConnectError.from(error);
    const [info] = refusal.findDetails(ErrorInfoSchema);
    return info === undefined ? 'NOT_CONNECTED' : `${Code[refusal.code]} ${info.reason}`;
  }
}

const POST = { postId: 'post_01' };
const ago = (minutes: number): Date => new Date(Date.now() - minutes * 60_000);

describe('TEN-04 a client certificate', () => {
  it("is its caller's login, in its caller's workspaces and roles", async () => {
    const { client } = await served();
    const desk = client(authority.issue({ subject: DESK }));
    expect(await told(desk.getPost(POST))).toBe('LET_IN');
    expect(await told(desk.getPost({ ...POST, workspaceId: 'ws_b' }))).toBe('NotFound NOT_FOUND');
    expect(await told(desk.cancelPost(POST))).toBe('PermissionDenied ROLE_MISSING');
  });

  it.each<[string, () => Partial<Certified>]>([
    ['none', () => ({})],
    ['an expired one', () => authority.issue({ subject: DESK, from: ago(60), until: ago(1) })],
    ['one that is not valid yet', () => authority.issue({ subject: DESK, from: ago(-60), until: ago(-120) })],
    ['one of another authority of the same name', () => anAuthority().issue({ subject: DESK })],
  ])('is asked of everybody: with %s there is no connection', async (_, shown) => {
    const { client } = await served();
    expect(await told(client(shown()).getPost(POST))).toBe('NOT_CONNECTED');
  });

  it.each<[string, Wanted['subject'], string | undefined, string]>([
    ['of nobody', [['CN', 'nobody']], undefined, 'PermissionDenied CERTIFICATE_UNKNOWN'],
    [
      'of the same common name elsewhere',
      [
        ['O', 'Evil'],
        ['CN', 'desk'],
      ],
      undefined,
      'PermissionDenied CERTIFICATE_UNKNOWN',
    ],
    ['with the comma inside a name', [['CN', 'desk,O=Glowtify']], undefined, 'PermissionDenied CERTIFICATE_UNKNOWN'],
    ['with a line inside a name', [['CN', 'desk\nO=Glowtify']], undefined, 'PermissionDenied CERTIFICATE_UNKNOWN'],
    ['of one caller beside the key of another', DESK, 'key-robot', 'PermissionDenied CREDENTIALS_DISAGREE'],
    ['of nobody beside a key of nobody', [['CN', 'nobody']], 'key-wrong', 'Unauthenticated CREDENTIALS_INVALID'],
    ['of nobody beside a key: the key is the login', [['CN', 'nobody']], 'key-robot', 'NotFound NOT_FOUND'],
  ])('%s', async (_, subject, key, expected) => {
    const { client } = await served();
    expect(await told(client(authority.issue({ subject }), key).getPost(POST))).toBe(expected);
  });

  it('is refused from the moment it expires, on a connection that was made before', async () => {
    let now = new Date();
    const { client } = await served({ clock: { now: () => now } });
    const desk = client(authority.issue({ subject: DESK }));
    expect(await told(desk.getPost(POST))).toBe('LET_IN');
    now = new Date(now.getTime() + 2 * 86_400_000);
    expect(await told(desk.getPost(POST))).toBe('Unauthenticated CREDENTIALS_EXPIRED');
  });

  it('counts for nothing where none is asked for', async () => {
    const { client } = await served({ mutual: false });
    expect(await told(client(authority.issue({ subject: DESK })).getPost(POST))).toBe(
      'Unauthenticated CREDENTIALS_MISSING',
    );
    expect(await told(client({}, 'key-robot').getPost(POST))).toBe('NotFound NOT_FOUND');
  });
});

describe('TLS on the RPC port', () => {
  const shake = async (address: string, version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'): Promise<TLSSocket> => {
    const { hostname, port } = new URL(`https://${address}`);
    const socket = connect({
      host: hostname,
      port: Number(port),
      ca: authority.cert,
      ALPNProtocols: ['h2'],
      minVersion: version,
      maxVersion: version,
      // Ours would not offer the old version at all otherwise.
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    await once(socket, 'secureConnect');
    socket.destroy();
    return socket;
  };

  it('is of version 1.2 or 1.3', async () => {
    const { address } = await served({ mutual: false });
    await shake(address, 'TLSv1.2');
    await shake(address, 'TLSv1.3');
    await expect(shake(address, 'TLSv1.1')).rejects.toThrow(/protocol version/i);
  });

  it('meets new connections with a renewed certificate, and keeps those that are open', async () => {
    const { client, running } = await served();
    const shown = authority.issue({ subject: DESK });
    const open = client(shown);
    expect(await told(open.getPost(POST))).toBe('LET_IN');

    const next = anAuthority();
    const renewed = next.issue({ subject: [['CN', 'connector']], addresses: ['127.0.0.1'] });
    running.renew({
      cert: Buffer.from(renewed.cert),
      key: Buffer.from(renewed.key),
      clientCa: Buffer.from(next.cert),
    });
    expect(await told(open.getPost(POST))).toBe('LET_IN');
    expect(await told(client(shown).getPost(POST))).toBe('NOT_CONNECTED');
    expect(await told(client({ ca: next.cert, ...next.issue({ subject: DESK }) }).getPost(POST))).toBe('LET_IN');
    expect(await told(client({ ca: next.cert, ...shown }).getPost(POST))).toBe('NOT_CONNECTED');
  });

  it('takes no plain HTTP/2 beside it', async () => {
    const { address } = await served({ mutual: false });
    const plain = createClient(PostService, createGrpcTransport({ baseUrl: `http://${address}` }));
    expect(await told(plain.getPost(POST, { timeoutMs: 5_000 }))).toBe('NOT_CONNECTED');
  });
});
