import { Code, ConnectError } from '@connectrpc/connect';
import { afterEach, describe, expect, it } from 'vitest';
import { type ConnectorOptions, connectorClient } from '../../../clients/typescript/src/connector-client.ts';
import { ConnectorError, toConnectorError } from '../../../clients/typescript/src/connector-error.ts';
import { requestId } from '../../../clients/typescript/src/request-id.ts';
import { knownCallers } from '../../../src/adapters/callers/known-callers.ts';
import { parseCallers } from '../../../src/adapters/callers/parse-callers.ts';
import { connectorRoutes } from '../../../src/adapters/rpc/routes.ts';
import { rpcServer } from '../../../src/adapters/rpc/server.ts';
import { err, ok } from '../../../src/domain/result.ts';
import { anAuthority } from '../../support/certificates.ts';
import { digestOf } from '../../support/tokens-of-callers.ts';
import { aPlan } from '../rpc/examples.ts';
import { fakeNeeds } from '../rpc/fake-needs.ts';

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

const authority = anAuthority();
const certificate = authority.issue({ subject: [['CN', 'connector']], addresses: ['127.0.0.1'] });
const ours = authority.issue({ subject: [['CN', 'desk']] });

/** A service with a caller that has a key and one that has a certificate. It has one post. */
async function served({ encrypted = false, mutual = false } = {}) {
  const callers = parseCallers(
    JSON.stringify({
      callers: [
        { name: 'robot', key_sha256: digestOf('key-robot'), workspaces: ['ws_a'], roles: ['read'] },
        { name: 'desk', subject: 'CN=desk', workspaces: ['ws_a'], roles: ['read'] },
      ],
    }),
    { clientCertificates: true },
  );
  if (!callers.ok) throw new Error(callers.error.join('\n'));
  const clock = { now: () => new Date() };
  const needs = fakeNeeds(
    {
      getPost: async ({ postId }) =>
        postId === 'post_01'
          ? ok({ step: { post: { ...aPlan(), state: 'SCHEDULED' } }, timeline: [] })
          : postId === 'post_slow'
            ? new Promise(() => undefined)
            : postId === 'post_refused'
              ? err({
                  code: 'TIKTOK_REFUSED',
                  error: { code: 'ACCOUNT_SESSION_INVALID', tiktokCode: 'invalid_grant', tiktokLogId: '2026LOG' },
                })
              : err({ code: 'NOT_FOUND', resource: 'post', id: postId }),
    },
    { clock, callers: knownCallers(callers.value, { clock, fetched: new Map() }) },
  );
  const clientCa = mutual ? { clientCa: Buffer.from(authority.cert) } : {};
  const tls = { cert: Buffer.from(certificate.cert), key: Buffer.from(certificate.key), ...clientCa };
  const server = rpcServer({
    host: '127.0.0.1',
    port: 0,
    ...(encrypted ? { tls } : {}),
    routes: connectorRoutes(needs),
    log: needs.log,
    drainMilliseconds: 100,
  });
  const { address } = await server.listen();
  endings.push(() => server.close());
  return (options: Partial<ConnectorOptions> = {}) => {
    const client = connectorClient({ address, ...options });
    endings.push(() => client.close());
    return client;
  };
}

async function failure(call: Promise<unknown>): Promise<ConnectorError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConnectorError)) throw new Error('no ConnectorError', { cause: error });
  return error;
}

const POST = { postId: 'post_01' };

describe('the login of the TypeScript client', () => {
  it('is a key', async () => {
    const client = (await served())({ credential: 'key-robot' });
    await client.posts.getPost(POST);
  });

  it('is a token that is asked for before each call', async () => {
    const tokens = ['old', 'key-robot'];
    const client = (await served())({ credential: async () => tokens.shift() ?? 'none' });
    expect((await failure(client.posts.getPost(POST))).reason).toBe('CREDENTIALS_INVALID');
    await client.posts.getPost(POST);
    expect(tokens).toEqual([]);
  });

  it('is a certificate of its own (mTLS)', async () => {
    const client = (await served({ encrypted: true, mutual: true }))({ tls: { ca: authority.cert, ...ours } });
    await client.posts.getPost(POST);
  });

  it('never goes to a service whose certificate is of nobody known, or for another name', async () => {
    const connect = await served({ encrypted: true });
    for (const tls of [{}, { ca: authority.cert, serverName: 'elsewhere.example' }]) {
      const error = await failure(
        connect({
          credential: 'key-robot',
          tls,
          surroundings: { random: () => 0, wait: async () => undefined },
        }).posts.getPost(POST),
      );
      expect([error.isWireError, error.reason]).toEqual([false, undefined]);
    }
  });

  it('never leaves the machine unencrypted, unless that is wanted', () => {
    expect(() => connectorClient({ address: 'connector:50051', credential: 'key' })).toThrow('unencrypted');
    expect(() => connectorClient({ address: '127.0.0.1.example:50051', credential: 'key' })).toThrow('unencrypted');
    for (const address of ['localhost:50051', '127.0.0.1:50051', '[::1]:50051']) {
      connectorClient({ address, credential: 'key' }).close();
    }
    connectorClient({ address: 'connector:50051', credential: 'key', credentialWithoutTls: true }).close();
    connectorClient({ address: 'connector:50051', credential: 'key', tls: {} }).close();
  });
});

describe('close of the TypeScript client', () => {
  it('ends open calls, watches and calls that wait to be repeated, and refuses new ones', async () => {
    const open = (await served())({ credential: 'key-robot' });
    await open.posts.getPost(POST);
    const call = failure(open.posts.getPost({ postId: 'post_slow' }));
    open.close();
    expect((await call).code).toBe(Code.Canceled);
    expect((await failure(open.posts.getPost(POST))).code).toBe(Code.Canceled);
    expect((await failure(open.watchPosts({ workspaceId: 'ws_a' }).next())).code).toBe(Code.Canceled);

    const waiting = Promise.withResolvers<void>();
    const nobody = connectorClient({
      address: '127.0.0.1:1',
      surroundings: {
        random: () => 0,
        wait: (_, signal) => {
          waiting.resolve();
          return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        },
      },
    });
    const repeated = failure(nobody.posts.getPost(POST));
    await waiting.promise;
    nobody.close();
    expect((await repeated).code).toBe(Code.Canceled);
  });
});

describe('ConnectorError', () => {
  it('has what TikTok refused, and who can mend it', async () => {
    const client = (await served())({ credential: 'key-robot' });
    expect(await failure(client.posts.getPost({ postId: 'post_refused' }))).toMatchObject({
      code: Code.FailedPrecondition,
      reason: 'ACCOUNT_SESSION_INVALID',
      actor: 'USER',
      retryable: false,
      retryDelayMilliseconds: undefined,
      tiktokCode: 'invalid_grant',
      tiktokLogId: '2026LOG',
      preconditions: [{ type: 'ACCOUNT_SESSION_INVALID' }],
      remedy: expect.stringMatching(/reconnect/i),
    });
  });

  it('speaks of a deadline as such', async () => {
    const client = (await served())({ credential: 'key-robot' });
    const error = await failure(client.posts.getPost({ postId: 'post_slow' }, { timeoutMs: 50 }));
    expect([error.code, error.retryable]).toEqual([Code.DeadlineExceeded, false]);
  });

  it('speaks of a service that is not there as UNAVAILABLE, after five tries', async () => {
    const waits: number[] = [];
    const surroundings = { random: () => 0.5, wait: async (milliseconds: number) => void waits.push(milliseconds) };
    const client = connectorClient({ address: '127.0.0.1:1', surroundings });
    const error = await failure(client.posts.getPost(POST));
    expect([error.code, error.reason, error.retryable]).toEqual([Code.Unavailable, undefined, true]);
    expect(waits).toEqual([100, 200, 400, 800]);
  });

  const node = (code: string) => Object.assign(new Error(code), { code });
  it.each([
    [
      'a reset',
      new ConnectError('reset', Code.Aborted, undefined, undefined, node('ECONNRESET')),
      false,
      Code.Unavailable,
    ],
    ['a stream that was torn down', new ConnectError('closed', Code.Canceled), false, Code.Unavailable],
    [
      'a session that died',
      new ConnectError('x', Code.Internal, undefined, undefined, node('ERR_HTTP2_SESSION_ERROR')),
      false,
      Code.Unavailable,
    ],
    ['an answer that can not be read', new ConnectError('x', Code.Internal), false, Code.Internal],
    ['the caller’s own cancel', new ConnectError('cancelled', Code.Canceled), true, Code.Canceled],
  ])('takes %s for what it is', (_, error, cancelled, code) => {
    expect(toConnectorError(error, cancelled).code).toBe(code);
  });

  it('is told apart from other errors of Connect', () => {
    expect(new ConnectError('x', Code.Internal) instanceof ConnectorError).toBe(false);
    expect(toConnectorError(new ConnectError('x', Code.Internal), false)).toBeInstanceOf(ConnectorError);
    expect(toConnectorError(new ConnectError('x', Code.Internal), false)).toBeInstanceOf(ConnectError);
  });
});

describe('requestId', () => {
  it('is the same for the same key, and fits for keys of any length', () => {
    expect(requestId('job-1')).toBe(requestId('job-1'));
    expect(requestId('job-1')).not.toBe(requestId('job-2'));
    expect(requestId('x'.repeat(10_000)).length).toBeLessThanOrEqual(200);
  });

  it('is another one each time without a key', () => {
    expect(requestId()).not.toBe(requestId());
  });
});
