import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseCallers } from '../../../src/adapters/callers/parse-callers.ts';
import { digestOf, trusted } from '../../support/tokens-of-callers.ts';

const caller = (changes: object = {}): object => ({
  name: 'orchestrator',
  key_sha256: digestOf('key'),
  workspaces: ['ws_a'],
  roles: ['publish', 'read'],
  ...changes,
});

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const PUBLIC = publicKey.export({ format: 'jwk' });

const parse = (file: unknown, clientCertificates = true) => parseCallers(JSON.stringify(file), { clientCertificates });

function problemsOf(file: unknown, clientCertificates = true): readonly string[] {
  const parsed = parse(file, clientCertificates);
  return parsed.ok ? [] : parsed.error;
}

describe('the callers file', () => {
  it('names callers with keys or certificates, and issuers', () => {
    const parsed = parse({
      callers: [caller(), { name: 'desk', subject: 'CN=desk, O=Glow\\, tify', workspaces: ['*'], roles: ['admin'] }],
      jwt: [trusted({ jwks_uri: 'https://login.glowtify.example/keys' })],
    });
    expect(parsed).toEqual({
      ok: true,
      value: {
        callers: [
          {
            name: 'orchestrator',
            keyDigest: Buffer.from(digestOf('key'), 'hex'),
            workspaces: new Set(['ws_a']),
            roles: new Set(['publish', 'read']),
          },
          { name: 'desk', subject: ['CN=desk', 'O=Glow\\, tify'], workspaces: 'ALL', roles: new Set(['admin']) },
        ],
        issuers: [
          {
            issuer: 'https://login.glowtify.example',
            audience: 'tiktok-connector',
            keys: { uri: new URL('https://login.glowtify.example/keys') },
            workspacesClaim: 'workspaces',
            rolesClaim: 'roles',
            algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
          },
        ],
      },
    });
  });

  it.each<[string, unknown, RegExp]>([
    ['a list instead of an object', [], /the file: write an object/],
    ['nobody at all', { callers: [] }, /callers: nobody could call/],
    ['a setting there is not', { callers: [caller({ workspace: ['ws_a'] })] }, /callers\[0\]\.workspace: there is no/],
    ['a part there is not', { callers: [caller()], tokens: [] }, /the file\.tokens: there is no/],
    ['a caller without a proof', { callers: [caller({ key_sha256: undefined })] }, /callers\[0\]: write key_sha256/],
    ['a key that is not hashed', { callers: [caller({ key_sha256: 'my key' })] }, /key_sha256: write the SHA-256/],
    ['the hash of nothing', { callers: [caller({ key_sha256: digestOf('') })] }, /SHA-256 of an empty key/],
    ['a caller without a name', { callers: [caller({ name: '' })] }, /callers\[0\]\.name: write 1 to 200/],
    ['a caller of no workspace', { callers: [caller({ workspaces: [] })] }, /workspaces: name at least one/],
    ['a caller without workspaces', { callers: [caller({ workspaces: undefined })] }, /workspaces: name at least one/],
    ['workspaces as text', { callers: [caller({ workspaces: '*' })] }, /workspaces: write a list/],
    ['all workspaces and one', { callers: [caller({ workspaces: ['*', 'ws_a'] })] }, /"\*" means all of them/],
    ['an empty workspace', { callers: [caller({ workspaces: [''] })] }, /workspaces\[0\]: write 1 to 200/],
    ['a role there is not', { callers: [caller({ roles: ['root'] })] }, /roles: root is none of publish, read/],
    ['no role', { callers: [caller({ roles: [] })] }, /roles: name at least one/],
    ['a name twice', { callers: [caller(), caller({ key_sha256: digestOf('b') })] }, /callers\[1\]\.name: another/],
    ['a key twice', { callers: [caller(), caller({ name: 'other' })] }, /callers\[1\]\.key_sha256: another caller/],
    ['a subject that is none', { callers: [caller({ subject: 'orchestrator' })] }, /subject: write it as `openssl/],
    [
      'a subject twice',
      {
        callers: [
          caller({ subject: 'CN=a,O=b' }),
          { ...caller({ subject: 'O=b,CN=a', name: 'b' }), key_sha256: undefined },
        ],
      },
      /callers\[1\]\.subject: another/,
    ],
    ['an issuer without keys', { jwt: [trusted()] }, /jwt\[0\]: write either jwks_uri or keys/],
    [
      'an issuer with both',
      { jwt: [trusted({ jwks_uri: 'https://a.example', keys: [PUBLIC] })] },
      /either jwks_uri or/,
    ],
    ['keys over plain http', { jwt: [trusted({ jwks_uri: 'http://a.example/keys' })] }, /jwks_uri: write an https/],
    ['keys from a file', { jwt: [trusted({ jwks_uri: 'file:///etc/keys' })] }, /jwks_uri: write an https/],
    ['a shared secret', { jwt: [trusted({ keys: [{ kty: 'oct', k: 'c2VjcmV0' }] })] }, /kty: only RSA, EC and OKP/],
    ['a private key', { jwt: [trusted({ keys: [privateKey.export({ format: 'jwk' })] })] }, /this is a private key/],
    ['a broken key', { jwt: [trusted({ keys: [{ kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }] })] }, /can not be read/],
    ['no audience', { jwt: [trusted({ keys: [PUBLIC], audience: undefined })] }, /jwt\[0\]\.audience: write 1 to/],
    ['the algorithm none', { jwt: [trusted({ keys: [PUBLIC], algorithms: ['none'] })] }, /algorithms: none is none of/],
    ['a shared algorithm', { jwt: [trusted({ keys: [PUBLIC], algorithms: ['HS256'] })] }, /HS256 is none of RS256/],
    ['no algorithm', { jwt: [trusted({ keys: [PUBLIC], algorithms: [] })] }, /algorithms: name at least one/],
    ['an issuer twice', { jwt: [trusted({ keys: [PUBLIC] }), trusted({ keys: [PUBLIC] })] }, /jwt\[1\]\.issuer: it is/],
  ])('refuses %s, and says where and what to do', (_, file, problem) => {
    expect(problemsOf(file)).toEqual([expect.stringMatching(problem)]);
  });

  it('refuses a certificate that no connection can bring', () => {
    const file = { callers: [caller({ subject: 'CN=a' })] };
    expect(problemsOf(file, false)).toEqual([expect.stringMatching(/RPC_TLS_CLIENT_CA_FILE/)]);
    expect(problemsOf(file, true)).toEqual([]);
  });

  it('names all problems at once, and never a key', () => {
    const secret = 'hush-hush-hush';
    const problems = problemsOf({
      callers: [caller({ key_sha256: secret, roles: [] })],
      jwt: [trusted({ keys: [{ kty: 'oct', k: secret }], audience: '' })],
    });
    expect(problems).toHaveLength(4);
    expect(problems.join('\n')).not.toContain(secret);
  });

  it('does not show what it could not parse', () => {
    const parsed = parseCallers('{"callers": [{"key_sha256": "hush-hush"', { clientCertificates: true });
    expect(parsed).toEqual({ ok: false, error: [expect.stringMatching(/not JSON/)] });
    expect(JSON.stringify(parsed)).not.toContain('hush');
  });
});
