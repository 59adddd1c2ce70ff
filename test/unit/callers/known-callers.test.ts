import { createHmac, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportSPKI, SignJWT, UnsecuredJWT } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import { knownCallers } from '../../../src/adapters/callers/known-callers.ts';
import { parseCallers } from '../../../src/adapters/callers/parse-callers.ts';
import type { Callers } from '../../../src/application/ports/callers.ts';
import type { ClientCertificate, LoginRefusal } from '../../../src/domain/caller.ts';
import { AUDIENCE, anIssuer, type Claims, digestOf, ISSUER, trusted } from '../../support/tokens-of-callers.ts';

const NOW = new Date('2026-03-01T12:00:00.000Z');
const clock = { now: () => NOW };
const inSeconds = (seconds: number): number => NOW.getTime() / 1000 + seconds;

function callersOf(file: object): Callers {
  const parsed = parseCallers(JSON.stringify(file), { clientCertificates: true });
  if (!parsed.ok) throw new Error(parsed.error.join('\n'));
  return knownCallers(parsed.value, { clock, fetched: new Map() });
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const codeOf = (login: Awaited<ReturnType<Callers['identify']>>): LoginRefusal['code'] | 'LET_IN' =>
  login.ok ? 'LET_IN' : login.error.code;

describe('callers with keys', () => {
  const callers = callersOf({
    callers: [
      { name: 'first', key_sha256: digestOf('key-one'), workspaces: ['ws_a'], roles: ['read'] },
      { name: 'last', key_sha256: digestOf('key-two').toUpperCase(), workspaces: ['*'], roles: ['admin'] },
    ],
  });

  it('are known by them, first and last', async () => {
    expect(await callers.identify(bearer('key-one'))).toEqual({
      ok: true,
      value: { name: 'first', workspaces: new Set(['ws_a']), roles: new Set(['read']) },
    });
    expect(await callers.identify({ authorization: 'bearer key-two' })).toEqual({
      ok: true,
      value: { name: 'last', workspaces: 'ALL', roles: new Set(['admin']) },
    });
  });

  it.each<[string, string | undefined, LoginRefusal['code']]>([
    ['nothing', undefined, 'CREDENTIALS_MISSING'],
    ['an empty header', '', 'CREDENTIALS_INVALID'],
    ['no key', 'Bearer ', 'CREDENTIALS_INVALID'],
    ['a key of nobody', 'Bearer key-three', 'CREDENTIALS_INVALID'],
    ['a part of a key', 'Bearer key-on', 'CREDENTIALS_INVALID'],
    ['a key and more', 'Bearer key-one ', 'CREDENTIALS_INVALID'],
    ['two keys', 'Bearer key-one, Bearer key-two', 'CREDENTIALS_INVALID'],
    ['the digest instead of the key', `Bearer ${digestOf('key-one')}`, 'CREDENTIALS_INVALID'],
    ['a key in another scheme', `Basic ${Buffer.from('key-one:').toString('base64')}`, 'CREDENTIALS_INVALID'],
    ['a key without a scheme', 'key-one', 'CREDENTIALS_INVALID'],
  ])('are not let in with %s', async (_, authorization, code) => {
    const login = await callers.identify(authorization === undefined ? {} : { authorization });
    expect(codeOf(login)).toBe(code);
  });
});

describe('callers with client certificates', () => {
  const callers = callersOf({
    callers: [
      { name: 'desk', subject: 'CN=desk,O=Glowtify', workspaces: ['ws_a'], roles: ['read'] },
      { name: 'both', subject: 'CN=both', key_sha256: digestOf('key-both'), workspaces: ['ws_a'], roles: ['read'] },
      { name: 'other', key_sha256: digestOf('key-other'), workspaces: ['ws_b'], roles: ['read'] },
    ],
  });
  const certificate = (subject: readonly string[], expireTime = new Date(NOW.getTime() + 1)): ClientCertificate => ({
    subject,
    expireTime,
  });

  it.each<[string, Parameters<Callers['identify']>[0], LoginRefusal['code'] | 'LET_IN']>([
    ['the subject', { certificate: certificate(['O=Glowtify', 'CN=desk']) }, 'LET_IN'],
    ['the subject from the other end', { certificate: certificate(['CN=desk', 'O=Glowtify']) }, 'LET_IN'],
    ['a subject with more', { certificate: certificate(['O=Glowtify', 'OU=x', 'CN=desk']) }, 'CERTIFICATE_UNKNOWN'],
    ['a subject with less', { certificate: certificate(['CN=desk']) }, 'CERTIFICATE_UNKNOWN'],
    ['another organization', { certificate: certificate(['O=Evil', 'CN=desk']) }, 'CERTIFICATE_UNKNOWN'],
    ['it from the other end', { certificate: certificate(['CN=desk', 'O=Evil']) }, 'CERTIFICATE_UNKNOWN'],
    ['a comma that is part of a value', { certificate: certificate(['CN=desk\\,O=Glowtify']) }, 'CERTIFICATE_UNKNOWN'],
    ['another case', { certificate: certificate(['O=Glowtify', 'CN=Desk']) }, 'CERTIFICATE_UNKNOWN'],
    ['an expired certificate', { certificate: certificate(['O=Glowtify', 'CN=desk'], NOW) }, 'CREDENTIALS_EXPIRED'],
    [
      'an expired certificate and a good key',
      { certificate: certificate(['CN=both'], NOW), ...bearer('key-both') },
      'CREDENTIALS_EXPIRED',
    ],
    ['its own key too', { certificate: certificate(['CN=both']), ...bearer('key-both') }, 'LET_IN'],
    ["another's key", { certificate: certificate(['CN=both']), ...bearer('key-other') }, 'CREDENTIALS_DISAGREE'],
    ['a wrong key', { certificate: certificate(['CN=both']), ...bearer('key-wrong') }, 'CREDENTIALS_INVALID'],
    ['an unknown certificate and a key', { certificate: certificate(['CN=proxy']), ...bearer('key-other') }, 'LET_IN'],
  ])('TEN-04 with %s', async (_, login, code) => {
    expect(codeOf(await callers.identify(login))).toBe(code);
  });
});

describe('callers with tokens', async () => {
  const issuer = await anIssuer();
  const rsa = await anIssuer('RS256', 'key-rsa');
  const stranger = await anIssuer();
  const callers = callersOf({ jwt: [trusted({ keys: [issuer.publicJwk, rsa.publicJwk] })] });
  const sign = (claims: Claims = {}) => issuer.sign(claims, NOW);

  it('are who the issuer says, where and as what it says', async () => {
    const token = await sign({ workspaces: ['ws_a', 'ws_b'], roles: ['publish', 'janitor'] });
    expect(await callers.identify(bearer(token))).toEqual({
      ok: true,
      value: {
        name: `${ISSUER} scheduler`,
        workspaces: new Set(['ws_a', 'ws_b']),
        roles: new Set(['publish']),
      },
    });
  });

  it.each<[string, Claims, unknown, unknown]>([
    ['one workspace as text', { workspaces: 'ws_a' }, new Set(['ws_a']), new Set(['read'])],
    ['roles as OAuth writes them', { roles: 'read connect' }, new Set(['ws_a']), new Set(['read', 'connect'])],
    ['all workspaces', { workspaces: ['*'] }, 'ALL', new Set(['read'])],
    ['no workspaces', { workspaces: undefined }, new Set(), new Set(['read'])],
    ['workspaces that are no texts', { workspaces: [1, null, {}, ''] }, new Set(), new Set(['read'])],
    ['workspaces in an object', { workspaces: { ws_a: true } }, new Set(), new Set(['read'])],
    ['no roles', { roles: undefined }, new Set(['ws_a']), new Set()],
  ])('act where their claims say: %s', async (_, claims, workspaces, roles) => {
    expect(await callers.identify(bearer(await sign(claims)))).toMatchObject({
      ok: true,
      value: { workspaces, roles },
    });
  });

  it.each(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'])(
    'may be signed with %s, when the operator allows it',
    async (algorithm) => {
      const signer = await anIssuer(algorithm);
      const token = await signer.sign({}, NOW);
      const allowing = (algorithms: readonly string[]) =>
        callersOf({ jwt: [trusted({ keys: [signer.publicJwk], algorithms })] }).identify(bearer(token));
      expect(codeOf(await allowing([algorithm]))).toBe('LET_IN');
      expect(codeOf(await allowing([algorithm === 'ES256' ? 'RS256' : 'ES256']))).toBe('CREDENTIALS_INVALID');
    },
  );

  const claimsOf = (token: string): object =>
    JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  /** A token whose secret is the public key: good, to whoever lets the token choose how it is checked. */
  async function confused(header: object): Promise<string> {
    const secret = await exportSPKI(rsa.publicKey);
    const body = `${part(header)}.${part(claimsOf(await rsa.sign({}, NOW)))}`;
    return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
  }

  it.each<[string, () => Promise<string>, LoginRefusal['code']]>([
    ['no signature: alg none', async () => unsecured(), 'CREDENTIALS_INVALID'],
    [
      'alg None, spelled otherwise',
      async () => `${part({ alg: 'None' })}.${part(claimsOf(await sign()))}.`,
      'CREDENTIALS_INVALID',
    ],
    ['its signature cut off', async () => (await sign()).replace(/[^.]+$/, ''), 'CREDENTIALS_INVALID'],
    ['alg none in the header of a signed one', async () => reheaded({ alg: 'none' }), 'CREDENTIALS_INVALID'],
    [
      'HS256 with the public key as its secret',
      () => confused({ alg: 'HS256', kid: 'key-rsa' }),
      'CREDENTIALS_INVALID',
    ],
    ['HS256 without a key id', () => confused({ alg: 'HS256' }), 'CREDENTIALS_INVALID'],
    ['an algorithm that is not its own', () => reheaded({ alg: 'RS256', kid: 'key-1' }), 'CREDENTIALS_INVALID'],
    ['the key of a stranger under a known key id', () => stranger.sign({}, NOW), 'CREDENTIALS_INVALID'],
    ['an unknown key id', () => issuer.sign({}, NOW, { kid: 'key-9' }), 'CREDENTIALS_INVALID'],
    [
      'a key of its own in the header',
      () => stranger.sign({}, NOW, { jwk: stranger.publicJwk }),
      'CREDENTIALS_INVALID',
    ],
    [
      'an address for its keys in the header',
      () => stranger.sign({}, NOW, { jku: 'https://evil.example/keys' }),
      'CREDENTIALS_INVALID',
    ],
    ['an extension that we don’t know', () => critical(), 'CREDENTIALS_INVALID'],
    ['another audience', () => sign({ aud: 'another-service' }), 'CREDENTIALS_INVALID'],
    ['no audience', () => sign({ aud: undefined }), 'CREDENTIALS_INVALID'],
    ['another issuer', () => sign({ iss: 'https://evil.example' }), 'CREDENTIALS_INVALID'],
    ['the issuer with a slash more', () => sign({ iss: `${ISSUER}/` }), 'CREDENTIALS_INVALID'],
    ['no issuer', () => sign({ iss: undefined }), 'CREDENTIALS_INVALID'],
    ['the issuer in a list', () => sign({ iss: [ISSUER] }), 'CREDENTIALS_INVALID'],
    ['a past expiry', () => sign({ exp: inSeconds(-60) }), 'CREDENTIALS_EXPIRED'],
    ['no expiry', () => sign({ exp: undefined }), 'CREDENTIALS_INVALID'],
    ['an expiry in words', () => sign({ exp: 'never' }), 'CREDENTIALS_INVALID'],
    ['a beginning that is yet to come', () => sign({ nbf: inSeconds(60) }), 'CREDENTIALS_INVALID'],
    ['changed claims', async () => changed(await sign()), 'CREDENTIALS_INVALID'],
    [
      'a past expiry and a forged signature',
      async () => stranger.sign({ exp: inSeconds(-60) }, NOW),
      'CREDENTIALS_INVALID',
    ],
    ['a part too many', async () => `${await sign()}.${part({})}`, 'CREDENTIALS_INVALID'],
    ['nothing but dots', async () => '..', 'CREDENTIALS_INVALID'],
  ])('TEN-03 are not let in with %s', async (_, forge, code) => {
    expect(codeOf(await callers.identify(bearer(await forge())))).toBe(code);
  });

  it('TEN-03 may be a few seconds off, and no more', async () => {
    const ended = async (seconds: number) =>
      codeOf(await callers.identify(bearer(await sign({ exp: inSeconds(seconds) }))));
    expect(await ended(-4)).toBe('LET_IN');
    expect(await ended(-5)).toBe('CREDENTIALS_EXPIRED');
  });

  it('TEN-03 are believed for the issuer that signed them only', async () => {
    const other = await anIssuer('ES256', 'key-1');
    const two = callersOf({
      jwt: [
        trusted({ keys: [issuer.publicJwk] }),
        trusted({ keys: [other.publicJwk], issuer: 'https://other.example', audience: 'other' }),
      ],
    });
    const crossed = await other.sign({}, NOW); // signed by the second, in the name of the first
    expect(codeOf(await two.identify(bearer(crossed)))).toBe('CREDENTIALS_INVALID');
    const borrowed = await other.sign({ iss: 'https://other.example' }, NOW); // the first one's audience
    expect(codeOf(await two.identify(bearer(borrowed)))).toBe('CREDENTIALS_INVALID');
    const right = await other.sign({ iss: 'https://other.example', aud: 'other' }, NOW);
    expect(codeOf(await two.identify(bearer(right)))).toBe('LET_IN');
  });

  async function unsecured(): Promise<string> {
    return new UnsecuredJWT({ workspaces: ['*'], roles: ['admin'] })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setExpirationTime(inSeconds(3600))
      .encode();
  }

  const reheaded = async (header: object): Promise<string> => (await sign()).replace(/^[^.]+/, part(header));

  const changed = (token: string): string => {
    const [header, , signature] = token.split('.');
    return `${header}.${part({ ...claimsOf(token), roles: ['admin'] })}.${signature}`;
  };

  async function critical(): Promise<string> {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return new SignJWT(claimsOf(await sign()) as Claims)
      .setProtectedHeader({ alg: 'ES256', kid: 'key-1', crit: ['b64'], b64: true })
      .sign(privateKey);
  }
});

describe('issuers that publish their keys', () => {
  const endings: (() => void)[] = [];
  afterEach(() => {
    for (const end of endings.splice(0)) end();
  });

  /** Answers each request with what is next in line. */
  async function publishing(...answers: readonly (object | number)[]) {
    const asked: string[] = [];
    const left = [...answers];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      const answer = left.length > 1 ? left.shift() : left[0];
      if (typeof answer === 'number') response.writeHead(answer, { location: '/elsewhere' }).end();
      else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    endings.push(() => {
      server.close();
      server.closeAllConnections();
    });
    return { asked, uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys` };
  }

  it('are asked once for many callers', async () => {
    const issuer = await anIssuer();
    const { uri, asked } = await publishing({ keys: [issuer.publicJwk] });
    const callers = callersOf({ jwt: [trusted({ jwks_uri: uri })] });
    const token = await issuer.sign({}, NOW);
    const logins = await Promise.all(Array.from({ length: 20 }, () => callers.identify(bearer(token))));
    expect(new Set(logins.map(codeOf))).toEqual(new Set(['LET_IN']));
    expect(asked).toEqual(['/keys']);
  });

  it('TEN-03 are not asked again and again for key ids that were made up', async () => {
    const issuer = await anIssuer();
    const { uri, asked } = await publishing({ keys: [issuer.publicJwk] });
    const callers = callersOf({ jwt: [trusted({ jwks_uri: uri })] });
    for (const kid of ['a', 'b', 'c']) {
      expect(codeOf(await callers.identify(bearer(await issuer.sign({}, NOW, { kid }))))).toBe('CREDENTIALS_INVALID');
    }
    expect(asked).toHaveLength(1);
  });

  it.each<[string, object | number]>([
    ['an error', 500],
    ['a redirect', 302],
    ['no keys', { nothing: true }],
  ])('say nothing of a caller when they answer with %s, and are asked again', async (_, answer) => {
    const issuer = await anIssuer();
    const { uri } = await publishing(answer, { keys: [issuer.publicJwk] });
    const callers = callersOf({ jwt: [trusted({ jwks_uri: uri })] });
    const token = await issuer.sign({}, NOW);
    expect(codeOf(await callers.identify(bearer(token)))).toBe('ISSUER_UNREACHABLE');
    expect(codeOf(await callers.identify(bearer(token)))).toBe('LET_IN');
  });

  it('say nothing of a caller when they can not be reached', async () => {
    const issuer = await anIssuer();
    const { uri } = await publishing({ keys: [] });
    for (const end of endings.splice(0)) end();
    const callers = callersOf({ jwt: [trusted({ jwks_uri: uri })] });
    expect(codeOf(await callers.identify(bearer(await issuer.sign({}, NOW))))).toBe('ISSUER_UNREACHABLE');
  });
});
