import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { ROLES, type Role, type Workspaces } from '../../domain/caller.ts';
import type { WorkspaceId } from '../../domain/ids.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import { parseName } from './distinguished-name.ts';

/** A caller with a key, a certificate or both. */
export type KnownCaller = {
  readonly name: string;
  /** SHA-256 of the key. */
  readonly keyDigest?: Buffer;
  readonly subject?: readonly string[];
  readonly workspaces: Workspaces;
  readonly roles: ReadonlySet<Role>;
};

/** Whose tokens are believed, and for what. */
export type TrustedIssuer = {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: { readonly uri: URL } | { readonly static: readonly object[] };
  readonly workspacesClaim: string;
  readonly rolesClaim: string;
  readonly algorithms: readonly Algorithm[];
};

export type CallersFile = { readonly callers: readonly KnownCaller[]; readonly issuers: readonly TrustedIssuer[] };

/** Signatures that only the holder of a private key can make. What shares a secret, or has none, can't be named. */
export const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

const USUAL_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const satisfies readonly Algorithm[];

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);

/**
 * Reads CALLERS_FILE: all of it, or every problem it has. Problems name the place and the remedy, and never tell what a
 * key or a digest is. Unknown names are refused: a misspelled `workspaces` must not become a caller of none, or of all.
 */
export function parseCallers(
  text: string,
  { clientCertificates }: { /** Whether any connection can bring one. */ readonly clientCertificates: boolean },
): Result<CallersFile, readonly string[]> {
  const problems: string[] = [];
  const wrong = (place: string, what: string): undefined => {
    problems.push(`${place}: ${what}`);
    return undefined;
  };

  function object(place: string, value: unknown, names: readonly string[]): Readonly<Record<string, unknown>> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      wrong(place, `write an object with ${names.join(', ')}.`);
      return {};
    }
    for (const name of Object.keys(value)) {
      if (!names.includes(name)) wrong(`${place}.${name}`, `there is no such setting; there are ${names.join(', ')}.`);
    }
    return value as Readonly<Record<string, unknown>>;
  }

  function list(place: string, value: unknown): readonly unknown[] {
    if (value === undefined) return [];
    if (Array.isArray(value)) return value;
    wrong(place, 'write a list.');
    return [];
  }

  const word = (place: string, value: unknown, most = 200): string =>
    typeof value === 'string' && value.trim() === value && value.length >= 1 && value.length <= most
      ? value
      : (wrong(place, `write 1 to ${most} characters, without space around them.`) ?? '');

  function words(place: string, value: unknown): readonly string[] {
    const found = list(place, value).map((each, index) => word(`${place}[${index}]`, each));
    if (found.length === 0 && (value === undefined || Array.isArray(value))) wrong(place, 'name at least one.');
    return found;
  }

  const among = <T extends string>(place: string, value: unknown, known: readonly T[]): readonly T[] =>
    words(place, value).flatMap(
      (each) => known.find((one) => one === each) ?? wrong(place, `${each} is none of ${known.join(', ')}.`) ?? [],
    );

  function workspaces(place: string, value: unknown): Workspaces {
    const names = words(place, value);
    if (!names.includes('*')) return new Set(names as WorkspaceId[]);
    if (names.length > 1) wrong(place, '"*" means all of them: name it alone.');
    return 'ALL';
  }

  function keyDigest(place: string, value: unknown): Buffer | undefined {
    if (typeof value === 'string' && /^[0-9a-f]{64}$/i.test(value)) {
      if (value.toLowerCase() !== EMPTY_KEY) return Buffer.from(value, 'hex');
      return wrong(place, 'this is the SHA-256 of an empty key; choose a random one.');
    }
    return wrong(place, 'write the SHA-256 of the key, 64 hex digits: printf %s "$KEY" | sha256sum');
  }

  function subject(place: string, value: unknown): readonly string[] | undefined {
    const parsed = parseName(word(place, value, 2_000));
    if (parsed === undefined) {
      return wrong(place, 'write it as `openssl x509 -noout -subject -nameopt RFC2253` shows it: CN=orchestrator,O=…');
    }
    return clientCertificates
      ? parsed
      : wrong(place, 'no connection can bring a client certificate: set RPC_TLS_CLIENT_CA_FILE, or use key_sha256.');
  }

  function caller(place: string, value: unknown): KnownCaller {
    const entry = object(place, value, ['name', 'key_sha256', 'subject', 'workspaces', 'roles']);
    if (entry['key_sha256'] === undefined && entry['subject'] === undefined) {
      wrong(place, 'write key_sha256, or subject for a client certificate.');
    }
    const digest =
      entry['key_sha256'] === undefined ? undefined : keyDigest(`${place}.key_sha256`, entry['key_sha256']);
    const name = entry['subject'] === undefined ? undefined : subject(`${place}.subject`, entry['subject']);
    return {
      name: word(`${place}.name`, entry['name']),
      workspaces: workspaces(`${place}.workspaces`, entry['workspaces']),
      roles: new Set(among(`${place}.roles`, entry['roles'], ROLES)),
      ...(digest === undefined ? {} : { keyDigest: digest }),
      ...(name === undefined ? {} : { subject: name }),
    };
  }

  function issuerKeys(place: string, entry: Readonly<Record<string, unknown>>): TrustedIssuer['keys'] {
    const { jwks_uri: uri, keys } = entry;
    if ((uri === undefined) === (keys === undefined)) wrong(place, 'write either jwks_uri or keys.');
    if (uri === undefined) {
      const given = list(`${place}.keys`, keys);
      if (keys !== undefined && given.length === 0) wrong(`${place}.keys`, 'name at least one.');
      return { static: given.map((key, index) => publicKey(`${place}.keys[${index}]`, key)) };
    }
    const parsed = URL.parse(word(`${place}.jwks_uri`, uri, 2_000));
    const good = parsed?.protocol === 'https:' || (parsed?.protocol === 'http:' && LOOPBACK.has(parsed.hostname));
    if (parsed !== null && good) return { uri: parsed };
    wrong(`${place}.jwks_uri`, 'write an https address, or http on loopback.');
    return { static: [] };
  }

  function publicKey(place: string, value: unknown): object {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return wrong(place, 'write a public key as a JWK (RFC 7517).') ?? {};
    }
    const { kty } = value as { readonly kty?: unknown };
    if (kty !== 'RSA' && kty !== 'EC' && kty !== 'OKP') {
      return wrong(`${place}.kty`, 'only RSA, EC and OKP keys: a shared secret could be used to forge tokens.') ?? {};
    }
    if ('d' in value)
      return wrong(place, 'this is a private key: write its public half, and replace it by a new one.') ?? {};
    try {
      createPublicKey({ key: value as JsonWebKey, format: 'jwk' });
      return value;
    } catch {
      return wrong(place, 'this key can not be read; write it as its issuer publishes it.') ?? {};
    }
  }

  function issuer(place: string, value: unknown): TrustedIssuer {
    const entry = object(place, value, [
      'issuer',
      'audience',
      'jwks_uri',
      'keys',
      'workspaces_claim',
      'roles_claim',
      'algorithms',
    ]);
    return {
      issuer: word(`${place}.issuer`, entry['issuer'], 2_000),
      audience: word(`${place}.audience`, entry['audience'], 2_000),
      keys: issuerKeys(place, entry),
      workspacesClaim: word(`${place}.workspaces_claim`, entry['workspaces_claim']),
      rolesClaim: word(`${place}.roles_claim`, entry['roles_claim']),
      algorithms:
        entry['algorithms'] === undefined
          ? USUAL_ALGORITHMS
          : among(`${place}.algorithms`, entry['algorithms'], ALGORITHMS),
    };
  }

  const parsed = parseJson(text);
  if (!parsed.ok) return err([parsed.error]);
  const root = object('the file', parsed.value, ['callers', 'jwt']);
  const callers = list('callers', root['callers']).map((each, index) => caller(`callers[${index}]`, each));
  const issuers = list('jwt', root['jwt']).map((each, index) => issuer(`jwt[${index}]`, each));

  const once = (list: string, setting: string, values: readonly (string | undefined)[], what: string): void => {
    for (const index of repeated(values)) wrong(`${list}[${index}].${setting}`, what);
  };
  once(
    'callers',
    'name',
    callers.map(({ name }) => name),
    'another caller has it.',
  );
  once(
    'callers',
    'key_sha256',
    callers.map(({ keyDigest: digest }) => digest?.toString('hex')),
    'another caller has the same key; give each its own.',
  );
  once(
    'callers',
    'subject',
    callers.map(({ subject: name }) => name && [...name].sort().join(',')),
    'another caller has it.',
  );
  once(
    'jwt',
    'issuer',
    issuers.map(({ issuer: name }) => name),
    'it is there twice.',
  );
  if (problems.length === 0 && callers.length + issuers.length === 0) {
    wrong('callers', 'nobody could call: name a caller, or an issuer under jwt.');
  }
  return problems.length === 0 ? ok({ callers, issuers }) : err(problems);
}

const EMPTY_KEY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** Of what stands there more than once, every place but the first. */
const repeated = (values: readonly (string | undefined)[]): readonly number[] =>
  values.flatMap((value, index) => (value && values.indexOf(value) < index ? [index] : []));

/** The parser's own message quotes the text, and the text may hold what nobody should read. */
function parseJson(text: string): Result<unknown, string> {
  try {
    return ok(JSON.parse(text));
  } catch {
    return err("the file is not JSON. Check it with: node -e 'JSON.parse(fs.readFileSync(0))' < file");
  }
}
