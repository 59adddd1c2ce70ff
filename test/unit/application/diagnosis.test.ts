import { describe, expect, it } from 'vitest';
import { diagnoseCertificate, diagnoseMode } from '../../../src/application/diagnosis/certificate.ts';
import { diagnoseClocks } from '../../../src/application/diagnosis/clocks.ts';
import {
  type DatabaseFacts,
  diagnoseDatabase,
  diagnoseKeys,
  diagnoseSchema,
} from '../../../src/application/diagnosis/database.ts';
import { type Diagnosis, fail, fine, warn } from '../../../src/application/diagnosis/diagnosis.ts';
import { type Check, examine, worst } from '../../../src/application/diagnosis/examine.ts';
import {
  type AddressFacts,
  diagnosePorts,
  diagnosePublicAddress,
  type PortFact,
} from '../../../src/application/diagnosis/network.ts';
import { diagnoseSpace, remedyOfS3 } from '../../../src/application/diagnosis/space.ts';
import { diagnoseTikTok, type TikTokFacts } from '../../../src/application/diagnosis/tiktok.ts';
import { secretsIn, withoutSecrets } from '../../../src/secrets-in.ts';

const verdicts = (all: readonly Diagnosis[]) => all.map(({ verdict }) => verdict);
const told = (all: readonly Diagnosis[]) => all.map(({ verdict, seen }) => `${verdict} ${seen}`);
const GIB = 2 ** 30;
const DAY = 86_400_000;

describe('OPS doctor examines', () => {
  const check = (name: string, look: Check['look'], withinSeconds = 60): Check => ({
    name,
    lookedAt: `the ${name}`,
    withinSeconds,
    remedy: `mend the ${name}`,
    look,
  });
  const inWords = (error: unknown) => (error as Error).message;

  it('all at once, and tells of them in their order', async () => {
    const second = Promise.withResolvers<void>();
    const examined = await examine(
      [
        check('first', () => second.promise.then(() => [fine('well')])),
        check('second', async () => {
          second.resolve();
          return [fine('well'), warn('old', 'renew it')];
        }),
      ],
      inWords,
    );
    expect(examined).toEqual([
      { name: 'first', lookedAt: 'the first', verdict: 'ok', diagnoses: [fine('well')] },
      { name: 'second', lookedAt: 'the second', verdict: 'warn', diagnoses: [fine('well'), warn('old', 'renew it')] },
    ]);
  });

  it('the others too when one throws, or never ends', async () => {
    const examined = await examine(
      [
        check('broken', async () => {
          throw new Error('no way there');
        }),
        check('silent', () => new Promise(() => undefined), 0.01),
        check('well', async () => [fine('well')]),
      ],
      inWords,
    );
    expect(examined.map(({ diagnoses }) => diagnoses)).toEqual([
      [fail('no way there', 'mend the broken')],
      [fail('no answer within 0.01 seconds', 'mend the silent')],
      [fine('well')],
    ]);
    expect(worst(examined)).toBe('FAIL');
    expect(worst([fine('well'), warn('old', 'renew it'), fail('gone', 'make it')])).toBe('FAIL');
  });
});

describe('OPS doctor on a database', () => {
  const needs = { perProcess: 19, migrateOnStart: true, pending: false };
  const well: DatabaseFacts = {
    version: '18.4',
    versionNumber: 180_004,
    readOnly: false,
    encoding: 'UTF8',
    dateStyle: 'ISO, MDY',
    schema: 'public',
    mayCreate: true,
    tables: ['post'],
    forbidden: [],
    connections: 100,
    connectionsInUse: 5,
    aheadMilliseconds: 0,
  };
  const { schema: _, ...noSchema } = well;

  it.each<[string, DatabaseFacts, string[]]>([
    ['the oldest that it can use', { ...well, version: '13.0', versionNumber: 130_000 }, ['ok']],
    ['one that is too old', { ...well, version: '12.22', versionNumber: 120_022 }, ['FAIL']],
    ['a standby', { ...well, readOnly: true }, ['FAIL']],
    ['another encoding', { ...well, encoding: 'LATIN1' }, ['FAIL']],
    ['times in another style', { ...well, dateStyle: 'German, DMY' }, ['FAIL']],
    ['no schema', { ...noSchema, mayCreate: false }, ['FAIL']],
    ['an account that makes no tables', { ...well, mayCreate: false }, ['warn']],
    ['tables that are not ours', { ...well, forbidden: ['post'] }, ['FAIL']],
    ['room for exactly one more process', { ...well, connectionsInUse: 81 }, ['ok']],
    ['room for none', { ...well, connectionsInUse: 82 }, ['warn']],
    ['room for none, ever', { ...well, connections: 18 }, ['FAIL']],
    ['several things', { ...well, readOnly: true, encoding: 'SQL_ASCII' }, ['FAIL', 'FAIL']],
  ])('%s', (__, facts, expected) => {
    expect(verdicts(diagnoseDatabase(facts, needs))).toEqual(expected);
  });

  it('an account that makes no tables fails where the start has some to make, and is fine where another one makes them', () => {
    const facts = { ...well, mayCreate: false };
    expect(verdicts(diagnoseDatabase(facts, { ...needs, pending: true }))).toEqual(['FAIL']);
    expect(verdicts(diagnoseDatabase(facts, { ...needs, pending: true, migrateOnStart: false }))).toEqual(['ok']);
  });

  it('says for how many processes there is room', () => {
    expect(told(diagnoseDatabase(well, needs))).toEqual([
      'ok PostgreSQL 18.4, UTF8, schema public; 95 of 100 connections are free, room for 5 more processes of up to 19',
    ]);
  });

  it.each([
    ['up to date', 9, [], [], true, 'ok'],
    ['empty, and the start migrates', 0, ['a'], [], true, 'ok'],
    ['empty, and the start does not', 0, ['a'], [], false, 'FAIL'],
    ['behind, and the start migrates', 8, ['a'], [], true, 'warn'],
    ['behind, and the start does not', 8, ['a'], [], false, 'FAIL'],
    ['ahead', 9, [], ['z'], true, 'warn'],
    ['ahead and behind', 8, ['a'], ['z'], true, 'FAIL'],
  ])('whose schema is %s', (__, applied, pending, unknown, migrateOnStart, verdict) => {
    expect(verdicts(diagnoseSchema({ applied, pending, unknown }, { migrateOnStart }))).toEqual([verdict]);
  });

  it.each([
    ['nothing is stored', {}, [], ['ok 0 secrets, and TOKEN_KEYS has the keys of all of them; "old" no longer needed']],
    [
      'an older key is in use',
      { new: 2, old: 1 },
      [],
      ['ok 3 secrets, and TOKEN_KEYS has the keys of all of them; "old" still needed beside "new"'],
    ],
    [
      'a key is missing, and of another the bytes are wrong',
      { new: 2, gone: 1 },
      ['new', 'gone'],
      [
        `FAIL 1 secrets are sealed with the key "gone", which TOKEN_KEYS lacks: their accounts can't be used`,
        'FAIL the key "new" of TOKEN_KEYS opens none of the secrets of that name: its bytes are others',
      ],
    ],
    [
      'what is stored is no sealed secret',
      { '\\001 some bytes': 1 },
      [],
      [
        "FAIL 1 secrets are sealed with the key that can not be read, which TOKEN_KEYS lacks: their accounts can't be used",
      ],
    ],
  ])('in which %s', (__, counts, unopenable, expected) => {
    const sealed = new Map(Object.entries(counts).map(([id, count]) => [id, Number(count)]));
    expect(told(diagnoseKeys({ ring: ['new', 'old'], sealed, unopenable }))).toEqual(expected);
  });
});

describe('OPS doctor on clocks', () => {
  it.each([
    ['all agree', { database: 900, tiktok: -1_200 }, ['ok', 'ok']],
    ['five seconds are within what an answer takes', { database: 5_400, tiktok: 0 }, ['ok', 'ok']],
    ['six are not', { database: 5_600, tiktok: 0 }, ['ok', 'warn']],
    ['two minutes are odd', { database: 0, tiktok: 120_400 }, ['warn', 'warn']],
    ['more is too much', { database: 0, tiktok: -120_600 }, ['FAIL', 'FAIL']],
    ['this host alone is off', { database: 600_000, tiktok: 600_000 }, ['FAIL', 'ok']],
    ['the database alone is off', { database: -600_000, tiktok: 0 }, ['ok', 'FAIL']],
    ['TikTok does not say', { database: 600_000 }, ['FAIL']],
    ['the database does not say', { tiktok: 600_000 }, ['FAIL']],
    ['nobody says', {}, ['warn']],
  ])('%s', (_, ahead, expected) => {
    expect(verdicts(diagnoseClocks(ahead))).toEqual(expected);
  });

  it('says whose clock is off, which way, and why it matters', () => {
    expect(told(diagnoseClocks({ database: -600_000, tiktok: 0 }))[1]).toBe(
      "FAIL the database's clock is 600 s behind TikTok's: posts are due by it, so they go out early or late by as much",
    );
    expect(told(diagnoseClocks({ database: 60_000, tiktok: 60_000 }))[0]).toMatch(
      /^warn this host's clock is 60 s behind TikTok's: TLS certificates/,
    );
  });
});

describe('OPS doctor on TikTok', () => {
  it.each<[TikTokFacts['said'], string]>([
    [undefined, 'ok'],
    ['APP_CREDENTIALS_REJECTED', 'FAIL'],
    ['GRANTED', 'FAIL'],
    ['PLATFORM_UNAVAILABLE', 'warn'],
    ['UPSTREAM_RATE_LIMITED', 'warn'],
    ['CONNECTOR_REQUEST_REJECTED', 'warn'],
  ])('that says %s', (said, verdict) => {
    expect(verdicts(diagnoseTikTok({ status: 404, said }, 'KEY and SECRET'))).toEqual([verdict]);
  });
});

describe('OPS doctor on files', () => {
  const now = new Date('2026-11-22T12:00:00Z');
  const certificate = (fromDays: number, untilDays: number) =>
    diagnoseCertificate(
      { name: 'it', from: new Date(now.getTime() + fromDays * DAY), until: new Date(now.getTime() + untilDays * DAY) },
      now,
    ).verdict;

  it.each([
    ['expired', -90, -0.001, 'FAIL'],
    ['not valid yet', 1, 90, 'FAIL'],
    ['two weeks left of 90 days', -76, 14, 'ok'],
    ['less than two weeks left', -77, 13.9, 'warn'],
    ['two and a half of six days left', -3.5, 2.5, 'ok'],
    ['less than a third of six days left', -4.1, 1.9, 'warn'],
  ])('a certificate: %s', (_, from, until, verdict) => {
    expect(certificate(from, until)).toBe(verdict);
  });

  it.each([
    [0o100600, undefined],
    [0o100640, undefined],
    [0o100644, /can be read by every account of this host \(mode 644\)/],
    [0o100602, /can be changed by every account/],
  ])('a file of mode %o', (mode, said) => {
    const diagnosis = diagnoseMode('it', mode);
    if (said === undefined) expect(diagnosis).toBeUndefined();
    else expect(diagnosis).toMatchObject({ verdict: 'warn', seen: expect.stringMatching(said) });
  });

  it.each([
    [4 * GIB, 'ok'],
    [4 * GIB - 1, 'warn'],
    [GIB / 4, 'warn'],
    [GIB / 4 - 1, 'FAIL'],
  ])('a disk with %d bytes', (bytes, verdict) => {
    expect(diagnoseSpace(bytes, 4 * GIB).verdict).toBe(verdict);
  });

  it.each([
    ['NoSuchBucket', /^Make the bucket/],
    ['AccessDenied', /^Allow/],
    ['SignatureDoesNotMatch', /AWS_SECRET_ACCESS_KEY/],
    ['PermanentRedirect', /region/],
    ['ECONNREFUSED', /endpoint/],
  ])('a bucket that says %s', (code, remedy) => {
    expect(remedyOfS3(code)).toMatch(remedy);
  });
});

describe('OPS doctor on the network', () => {
  it.each<[PortFact, boolean, string]>([
    ['FREE', false, 'ok'],
    ['IN_USE', true, 'ok'],
    ['IN_USE', false, 'FAIL'],
    ['NOT_ALLOWED', true, 'FAIL'],
    ['NO_SUCH_ADDRESS', false, 'FAIL'],
  ])('a port that is %s, while we serve: %s', (fact, served, verdict) => {
    expect(verdicts(diagnosePorts([{ name: 'RPC', host: '0.0.0.0', port: 50_051, fact }], served))).toEqual([verdict]);
  });

  const well: AddressFacts = {
    publicUrl: 'https://tiktok.example.com',
    open: true,
    business: true,
    pull: true,
    answered: true,
  };
  it.each<[string, Partial<AddressFacts>, string[]]>([
    ['all is well', {}, ['ok']],
    ['the sandbox does not care', { publicUrl: 'http://127.0.0.1:8080', open: false, business: false }, ['ok']],
    ['no https', { publicUrl: 'http://127.0.0.1', business: false, pull: false }, ['warn']],
    ['a query', { publicUrl: 'https://tiktok.example.com/?a=b' }, ['FAIL']],
    ['a login', { publicUrl: 'https://u:p@tiktok.example.com' }, ['FAIL']],
    ['a port, for the business portal', { publicUrl: 'https://tiktok.example.com:8443' }, ['FAIL']],
    ['a port, for the open API', { publicUrl: 'https://tiktok.example.com:8443', business: false }, ['ok']],
    ['an IP address to fetch from', { publicUrl: 'https://192.0.2.1' }, ['FAIL']],
    ['an IP address to come back to', { publicUrl: 'https://192.0.2.1', pull: false }, ['ok']],
    ['513 characters', { publicUrl: `https://tiktok.example.com/${'a'.repeat(463)}` }, ['FAIL']],
    ['512 characters', { publicUrl: `https://tiktok.example.com/${'a'.repeat(462)}` }, ['ok']],
    ['nobody answers while we run', { answered: false }, ['warn']],
  ])('a public address: %s', (_, changed, expected) => {
    expect(verdicts(diagnosePublicAddress({ ...well, ...changed }))).toEqual(expected);
  });

  it('says what is to be registered', () => {
    const [{ seen } = fine('')] = diagnosePublicAddress({ ...well, pull: false });
    expect(seen).toBe(
      `to be registered at TikTok: ${[
        'https://tiktok.example.com/oauth/tiktok/callback for redirects',
        'https://tiktok.example.com/oauth/tiktok/callback/ for redirects (business portal)',
        'https://tiktok.example.com/webhooks/tiktok for webhooks',
      ].join(', ')}`,
    );
  });
});

describe('OPS doctor on secrets', () => {
  it('leaves them out in each way in which they may be written', () => {
    const secrets = secretsIn({
      DATABASE_URL: 'postgres://user:p%40ss-word@db/x',
      TIKTOK_CLIENT_SECRET: 'long-secret',
      TIKTOK_BUSINESS_SECRET: 'long-secret-too',
      TOKEN_KEYS: `k1:${'A'.repeat(43)}=`,
    });
    const text = `user p%40ss-word p@ss-word long-secret long-secret-too k1:${'A'.repeat(43)}=`;
    expect(withoutSecrets(text, secrets)).toBe('user [redacted] [redacted] [redacted] [redacted] k1:[redacted]');
  });
});
