import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { aesGcmCipher } from '../../src/adapters/crypto/aes-gcm-cipher.ts';
import { openDatabase } from '../../src/adapters/persistence/database.ts';
import { TABLES } from '../../src/adapters/persistence/inspect-database.ts';
import { MIGRATIONS } from '../../src/adapters/persistence/migrations.ts';
import { credentialContext } from '../../src/adapters/persistence/postgres-credentials.ts';
import { makeAgendaTable } from '../../src/adapters/scheduler/postgres-agenda-store.ts';
import type { Diagnosis } from '../../src/application/diagnosis/diagnosis.ts';
import { type Examined, examine } from '../../src/application/diagnosis/examine.ts';
import { checks } from '../../src/checks.ts';
import { Secret } from '../../src/domain/secret.ts';
import { inWords } from '../../src/in-words.ts';
import { anAuthority } from '../support/certificates.ts';
import { runCommand } from '../support/command.ts';
import { freshDatabase } from '../support/fresh-database.ts';
import { BUCKET, CREDENTIALS, s3Server } from '../support/s3-server.ts';
import { realService } from '../support/service-process.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';

type Settings = Readonly<Record<string, string>>;

const KEY = randomBytes(32);
const DAY = 86_400_000;
const LAST = MIGRATIONS.at(-1)?.name ?? '';

let sandbox: Sandbox;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let folder: string;
/** Of a service that is well. */
let healthy: Settings;

beforeAll(async () => {
  sandbox = await startSandbox({});
  folder = await mkdtemp(join(tmpdir(), 'doctor-'));
  const { cert, key } = anAuthority().issue({ subject: [['CN', 'tiktok']] });
  await writeFile(join(folder, 'tls.crt'), cert);
  await writeFile(join(folder, 'tls.key'), key, { mode: 0o600 });
  const callers = [{ name: 'shop', key_sha256: 'ab'.repeat(32), workspaces: ['*'], roles: ['read'] }];
  await writeFile(join(folder, 'callers.json'), JSON.stringify({ callers }), { mode: 0o644 });
  await mkdir(join(folder, 'videos'));
});
afterAll(async () => {
  await sandbox.close();
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  database = await freshDatabase();
  await (await openDatabase(database.url)).close();
  await makeAgendaTable(database.url);
  onTestFinished(() => database.drop());
  const [rpcPort, httpPort] = await freePorts();
  healthy = {
    DATABASE_URL: database.url,
    TOKEN_KEYS: `k1:${KEY.toString('base64')}`,
    DATA_DIR: folder,
    CALLERS_FILE: join(folder, 'callers.json'),
    RPC_TLS_CERT_FILE: join(folder, 'tls.crt'),
    RPC_TLS_KEY_FILE: join(folder, 'tls.key'),
    RPC_PORT: String(rpcPort),
    HTTP_PORT: String(httpPort),
    TIKTOK_CLIENT_KEY: sandbox.clientKey,
    TIKTOK_CLIENT_SECRET: sandbox.clientSecret,
    TIKTOK_OPEN_API_URL: sandbox.openApiUrl,
    TIKTOK_BUSINESS_APP_ID: sandbox.businessAppId,
    TIKTOK_BUSINESS_SECRET: sandbox.businessSecret,
    TIKTOK_BUSINESS_API_URL: sandbox.businessApiUrl,
  };
});

async function sql(text: string, values: readonly unknown[] = []): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  try {
    return (await client.query(text, [...values])).rows;
  } finally {
    await client.end();
  }
}

/** The process's own report, and its exit code. */
async function doctor(changed: Settings = {}) {
  const { code, stdout, stderr } = await runCommand('src/doctor.ts', ['--json'], { ...healthy, ...changed });
  expect(stderr).toBe('');
  const report: { ok: boolean; checks: readonly Examined[] } = JSON.parse(stdout);
  return { code, ok: report.ok, checks: report.checks, text: stdout };
}

/** What is not well, without starting a process for it. */
async function found(changed: Settings = {}): Promise<readonly (Diagnosis & { readonly name: string })[]> {
  return troubles(await examine(checks({ ...healthy, ...changed }), inWords));
}

const troubles = (examined: readonly Examined[]) =>
  examined.flatMap(({ name, diagnoses }) =>
    diagnoses.filter(({ verdict }) => verdict !== 'ok').map((each) => ({ name, ...each })),
  );

async function freePorts(): Promise<readonly number[]> {
  const servers = [createServer(), createServer()];
  const ports = await Promise.all(
    servers.map(async (server) => {
      await once(server.listen(0, '127.0.0.1'), 'listening');
      return (server.address() as AddressInfo).port;
    }),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function takenPort(): Promise<string> {
  const server = createServer((socket) => socket.destroy());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  return String((server.address() as AddressInfo).port);
}

async function storeSecret(keyId: string): Promise<void> {
  const context = credentialContext('ws', 'conn_1', 'access_token');
  const sealed = aesGcmCipher([{ id: keyId, bytes: KEY }]).seal(new Secret('act.x'), context);
  await sql(
    "insert into credential (connection_id, workspace_id, access_token, version) values ('conn_1', 'ws', $1, 1)",
    [sealed],
  );
}

describe('npm run doctor', { timeout: 120_000 }, () => {
  it('OPS doctor finds all well, says so line by line, ends with 0 and leaves nothing behind', async () => {
    await storeSecret('k1');
    const state = async () => [
      await sql('select name from mikro_orm_migrations'),
      await readdir(folder, { recursive: true }),
    ];
    const before = await state();
    const { code, stdout, stderr } = await runCommand('src/doctor.ts', [], healthy);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.filter((line) => !line.startsWith('ok    '))).toEqual(['15 checks: 15 ok, 0 warn, 0 FAIL']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('1 secrets, and TOKEN_KEYS has the keys of all of them');
    expect(stdout).toContain('it answers and knows our app');
    expect(await state()).toEqual(before);
  });

  it('OPS doctor: the database is down, and the checks beside it are made all the same', async () => {
    const gone = await tcpProxy(database.url);
    const url = gone.through(database.url);
    await gone.close();
    const { code, ok, checks: examined } = await doctor({ DATABASE_URL: url });
    expect({ code, ok }).toEqual({ code: 1, ok: false });
    expect(troubles(examined)).toEqual([
      {
        name: 'database',
        verdict: 'FAIL',
        seen: expect.stringContaining('ECONNREFUSED'),
        remedy: expect.stringContaining('See whether PostgreSQL runs there'),
      },
      ...['migrations', 'keys', 'doorbell'].map((name) => ({
        name,
        verdict: 'warn',
        seen: 'not looked at',
        remedy: 'First do what the check database says.',
      })),
    ]);
  });

  it('OPS doctor: the password of the database is wrong, and is not shown', async () => {
    const url = new URL(database.url);
    url.password = 'hush-hush%21';
    const { code, checks: examined, text } = await doctor({ DATABASE_URL: url.href });
    expect(code).toBe(1);
    expect(troubles(examined)[0]).toMatchObject({ name: 'database', seen: expect.stringContaining('password') });
    expect(text).not.toContain('hush');
  });

  it('OPS doctor: migrations are pending', async () => {
    await sql(`delete from mikro_orm_migrations where name = '${LAST}'`);
    expect(await found()).toEqual([
      {
        name: 'migrations',
        verdict: 'warn',
        seen: `it lacks ${LAST}`,
        remedy: expect.stringContaining('npm run migrate'),
      },
    ]);
    expect(await found({ MIGRATE_ON_START: '0' })).toEqual([
      {
        name: 'migrations',
        verdict: 'FAIL',
        seen: `it lacks ${LAST}, and MIGRATE_ON_START=0`,
        remedy: 'Run npm run migrate (in the image: node src/migrate.ts).',
      },
    ]);
    expect(await sql(`select 1 from mikro_orm_migrations where name = '${LAST}'`)).toEqual([]);
  });

  it('OPS doctor: the database is newer than the code', async () => {
    await sql("insert into mikro_orm_migrations (name) values ('2099-01-01-later')");
    expect(await found()).toMatchObject([
      { name: 'migrations', verdict: 'warn', seen: expect.stringContaining('2099-01-01-later') },
    ]);
  });

  it('OPS doctor: an empty database is well, and stays empty', async () => {
    const empty = await freshDatabase();
    onTestFinished(() => empty.drop());
    expect(await found({ DATABASE_URL: empty.url })).toEqual([]);
    database = { ...database, url: empty.url };
    expect(await sql("select 1 from pg_class where relnamespace = 'public'::regnamespace")).toEqual([]);
  });

  it('OPS doctor: our account lacks rights, and knows of which tables', async () => {
    const role = `role_${randomBytes(4).toString('hex')}`;
    await sql(`create role ${role} login password 'hush-hush'`);
    await sql(`grant select, insert, update, delete on all tables in schema public to ${role}`);
    await sql(`revoke update on post, video from ${role}`);
    onTestFinished(async () => void (await sql(`drop owned by ${role}; drop role ${role}`)));
    const url = new URL(database.url);
    [url.username, url.password] = [role, 'hush-hush'];
    expect(await found({ DATABASE_URL: url.href })).toEqual([
      {
        name: 'database',
        verdict: 'warn',
        seen: 'our account may not make tables',
        remedy: expect.stringMatching(/CREATE/),
      },
      {
        name: 'database',
        verdict: 'FAIL',
        seen: 'our account may not read and write post, video',
        remedy: expect.stringMatching(/^Grant it SELECT/),
      },
    ]);
  });

  it('OPS doctor: the database writes times in a style that is misread', async () => {
    await sql(`alter database ${new URL(database.url).pathname.slice(1)} set datestyle = 'German, DMY'`);
    expect(await found()).toEqual([
      {
        name: 'database',
        verdict: 'FAIL',
        seen: 'it writes times as German, DMY, which this service misreads',
        remedy: expect.stringContaining('DateStyle'),
      },
    ]);
  });

  it('OPS doctor: too few connections for one more process', async () => {
    const name = new URL(database.url).pathname.slice(1);
    await sql(`alter database ${name} connection limit 18`);
    // Superusers pass by the limit; what it means for others is told all the same.
    expect(await found()).toEqual([
      {
        name: 'database',
        verdict: 'FAIL',
        seen: '18 connections are allowed, and one process takes up to 19',
        remedy: expect.stringContaining('max_connections'),
      },
    ]);
  });

  it('OPS doctor: TOKEN_KEYS lacks the key that sealed what is stored, or has other bytes under its name', async () => {
    await storeSecret('k0');
    expect(await found()).toEqual([
      {
        name: 'keys',
        verdict: 'FAIL',
        seen: `1 secrets are sealed with the key "k0", which TOKEN_KEYS lacks: their accounts can't be used`,
        remedy: expect.stringContaining('Put that key back'),
      },
    ]);
    const other = randomBytes(32).toString('base64');
    expect(await found({ TOKEN_KEYS: `${healthy['TOKEN_KEYS']},k0:${other}` })).toMatchObject([
      { name: 'keys', verdict: 'FAIL', seen: expect.stringContaining('its bytes are others') },
    ]);
  });

  it('OPS doctor: a file stands where the folder of videos should be', async () => {
    const { code, checks: examined } = await doctor({ VIDEO_STORE: `file:${join(folder, 'callers.json')}` });
    expect(code).toBe(1);
    expect(troubles(examined)).toEqual([
      {
        name: 'video-store',
        verdict: 'FAIL',
        seen: `${join(folder, 'callers.json')} is a file`,
        remedy: expect.stringContaining('Name a folder in VIDEO_STORE'),
      },
    ]);
  });

  it('OPS doctor: a file stands above DATA_DIR', async () => {
    expect(await found({ DATA_DIR: join(folder, 'tls.crt', 'data') })).toMatchObject([
      { name: 'data-dir', verdict: 'FAIL', seen: `${join(folder, 'tls.crt')} is a file` },
      { name: 'video-store', verdict: 'FAIL' },
    ]);
  });

  it('OPS doctor: the bucket is missing, our key is refused, or the store does not answer', async () => {
    const server = await s3Server();
    onTestFinished(() => server.close());
    onTestFinished(() => void vi.unstubAllEnvs());
    // Amazon's library reads them itself.
    for (const [name, value] of Object.entries(CREDENTIALS)) vi.stubEnv(name, value);
    const at = (bucket: string, url = server.url) => ({
      VIDEO_STORE: `s3://${bucket}/doctor?region=us-east-1&path_style=1&endpoint=${url}`,
    });
    expect(await found(at(BUCKET))).toEqual([]);
    expect(server.objects.size).toBe(0);
    expect(server.asked).toEqual(['PutObject', 'ListObjectsV2', 'GetObject', 'DeleteObject']);

    expect(await found(at('no-such-bucket'))).toEqual([
      {
        name: 'video-store',
        verdict: 'FAIL',
        seen: expect.stringContaining('NoSuchBucket'),
        remedy: 'Make the bucket, or correct its name in VIDEO_STORE: this service makes none.',
      },
    ]);
    expect(await found(at(BUCKET, 'http://127.0.0.1:1'))).toMatchObject([
      { name: 'video-store', seen: expect.stringContaining('ECONNREFUSED'), remedy: expect.stringMatching(/endpoint/) },
    ]);
    const [silent] = checks({ ...healthy, ...at(BUCKET) }).filter(({ name }) => name === 'video-store');
    expect(silent?.remedy).toMatch(/endpoint/);
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAOTHER');
    expect(await found(at(BUCKET))).toMatchObject([
      { name: 'video-store', remedy: expect.stringMatching(/^Allow our/) },
    ]);
  });

  it('OPS doctor: TikTok does not answer', async () => {
    const nobody = 'http://127.0.0.1:1';
    expect(await found({ TIKTOK_OPEN_API_URL: nobody, TIKTOK_BUSINESS_API_URL: nobody })).toMatchObject(
      [
        {
          name: 'tiktok-open',
          verdict: 'FAIL',
          seen: expect.stringContaining('ECONNREFUSED'),
          remedy: /TIKTOK_OPEN_API_URL/,
        },
        { name: 'tiktok-business', verdict: 'FAIL', remedy: /TIKTOK_BUSINESS_API_URL/ },
      ].map((each) => ({ ...each, remedy: expect.stringMatching(each.remedy) })),
    );
  });

  it('OPS doctor: TikTok refuses our apps', async () => {
    expect(
      await found({ TIKTOK_CLIENT_SECRET: 'hush-hush-open', TIKTOK_BUSINESS_SECRET: 'hush-hush-business' }),
    ).toMatchObject([
      { name: 'tiktok-open', verdict: 'FAIL', seen: 'it refuses our app' },
      { name: 'tiktok-business', verdict: 'FAIL', seen: 'it refuses our app' },
    ]);
  });

  it('OPS doctor: our clock is ten minutes behind that of TikTok', async () => {
    const server = createHttpServer((_, response) => {
      response.writeHead(404, { date: new Date(Date.now() + 600_000).toUTCString() }).end();
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect((await found({ TIKTOK_OPEN_API_URL: url })).filter(({ name }) => name === 'clocks')).toEqual([
      {
        name: 'clocks',
        verdict: 'FAIL',
        seen: expect.stringMatching(/^this host's clock is (599|600|601) s behind TikTok's: .*S3/),
        remedy: 'Let NTP set the clocks of this host and of the database.',
      },
      {
        name: 'clocks',
        verdict: 'FAIL',
        seen: expect.stringMatching(/^the database's clock is (599|600|601) s behind TikTok's: posts are due by it/),
        remedy: expect.any(String),
      },
    ]);
  });

  it('OPS doctor: the certificate has expired, its key is of another, or can be read by everybody', async () => {
    const until = new Date(Date.now() - DAY);
    const [old, other] = ['old', 'other'].map((name) =>
      anAuthority().issue({ subject: [['CN', name]], from: new Date(Date.now() - 90 * DAY), until }),
    );
    const path = (name: string) => join(folder, name);
    await writeFile(path('old.crt'), old?.cert ?? '');
    await writeFile(path('old.key'), old?.key ?? '', { mode: 0o600 });
    await chmod(path('old.key'), 0o604);
    await writeFile(path('other.key'), other?.key ?? '', { mode: 0o600 });
    const { code, checks: examined } = await doctor({
      RPC_TLS_CERT_FILE: path('old.crt'),
      RPC_TLS_KEY_FILE: path('old.key'),
    });
    expect(code).toBe(1);
    expect(troubles(examined)).toEqual([
      {
        name: 'tls',
        verdict: 'FAIL',
        seen: expect.stringMatching(/^the certificate of CN=old expired at .*: callers refuse to connect$/),
        remedy: expect.stringMatching(/^Renew it/),
      },
      {
        name: 'tls',
        verdict: 'warn',
        seen: expect.stringMatching(/old.key can be read by every account of this host \(mode 604\)$/),
        remedy: expect.stringMatching(/chmod 600/),
      },
    ]);
    expect(await found({ RPC_TLS_CERT_FILE: path('old.crt'), RPC_TLS_KEY_FILE: path('other.key') })).toMatchObject([
      { name: 'tls', verdict: 'FAIL', seen: expect.stringContaining('key values mismatch') },
    ]);
  });

  it('OPS doctor: the callers file has mistakes, and each is named', async () => {
    await writeFile(join(folder, 'broken.json'), '{"callers": [{"name": "shop", "roles": ["king"]}]}');
    const wrong = await found({ CALLERS_FILE: join(folder, 'broken.json') });
    expect(wrong.length).toBeGreaterThan(2);
    expect(wrong).toContainEqual({
      name: 'callers',
      verdict: 'FAIL',
      seen: 'callers[0].roles: king is none of publish, read, connect, admin.',
      remedy: 'Correct the file (docs/callers.md).',
    });
    expect(await found({ CALLERS_FILE: join(folder, 'nowhere.json') })).toMatchObject([
      {
        name: 'callers',
        verdict: 'FAIL',
        seen: expect.stringContaining('ENOENT'),
        remedy: expect.stringContaining('CALLERS_FILE'),
      },
    ]);
  });

  it("OPS doctor: Agenda's MongoDB does not answer, and its password is not shown", async () => {
    const url = 'mongodb://agenda:hush-hush@127.0.0.1:1/agenda';
    const { code, checks: examined, text } = await doctor({ AGENDA_MONGODB_URL: url });
    expect(code).toBe(1);
    expect(troubles(examined)).toEqual([
      {
        name: 'doorbell',
        verdict: 'FAIL',
        seen: expect.stringContaining('ECONNREFUSED'),
        remedy: expect.stringContaining('AGENDA_MONGODB_URL'),
      },
    ]);
    expect(text).toContain('AGENDA_MONGODB_URL 127.0.0.1:1');
    expect(text).not.toContain('hush');
  });

  it('OPS doctor: settings are malformed; all of them are named, and what they do not concern is looked at', async () => {
    const wrong = await found({
      LEASE_SECONDS: 'a minute',
      DATABASE_URL: 'mysql://u:hush-hush@db/x',
      TOKEN_KEYS: 'short',
    });
    expect(wrong.filter(({ name }) => name === 'settings').map(({ seen }) => seen)).toEqual([
      expect.stringMatching(/^DATABASE_URL: give a postgres:\/\/ address/),
      expect.stringMatching(/^TOKEN_KEYS: /),
      'LEASE_SECONDS=a minute: a whole number of seconds from 2 to 600.',
    ]);
    expect(wrong.filter(({ name }) => name !== 'settings').map(({ name, seen }) => `${name}: ${seen}`)).toEqual(
      ['database', 'migrations', 'keys', 'doorbell'].map((name) => `${name}: not looked at`),
    );
  });

  it('OPS doctor: a port is taken by another program, or given twice', async () => {
    const port = await takenPort();
    expect(await found({ RPC_PORT: port })).toEqual([
      {
        name: 'ports',
        verdict: 'FAIL',
        seen: `127.0.0.1:${port} is in use by another program`,
        remedy: 'End it, or choose another RPC_PORT.',
      },
    ]);
    const http = healthy['HTTP_PORT'] ?? '';
    expect(await found({ RPC_PORT: http })).toMatchObject([
      { name: 'ports', verdict: 'FAIL', seen: `HTTP_PORT=${http} is the port of another setting as well` },
    ]);
  });

  it('OPS doctor: nothing is set; the embedded database is not made, and nothing is written', async () => {
    const dataDir = join(folder, 'nothing-yet');
    const { code, stdout } = await runCommand('src/doctor.ts', [], {
      DATA_DIR: dataDir,
      RPC_PORT: healthy['RPC_PORT'] ?? '',
      HTTP_PORT: healthy['HTTP_PORT'] ?? '',
    });
    expect(code).toBe(0);
    expect(stdout).toContain('DATABASE_URL is not set: the first start makes one under DATA_DIR');
    await expect(readdir(dataDir)).rejects.toThrow(/ENOENT/);
  });

  it('OPS doctor: says whether DATA_DIR has an embedded database, and whether somebody uses it', async () => {
    const dataDir = join(folder, 'embedded');
    const cluster = join(dataDir, 'postgres', 'cluster');
    await mkdir(cluster, { recursive: true });
    const { DATABASE_URL: _, ...others } = healthy;
    const said = async () => {
      const examined = await examine(checks({ ...others, DATA_DIR: dataDir }), inWords);
      return examined.find(({ name }) => name === 'database')?.diagnoses.map(({ seen }) => seen);
    };
    expect(await said()).toEqual([expect.stringMatching(/^DATABASE_URL is not set: the first start makes one/)]);
    await writeFile(join(cluster, 'PG_VERSION'), '18');
    expect(await said()).toEqual([expect.stringMatching(/^its data is under DATA_DIR, which nobody uses/)]);
    await writeFile(join(cluster, 'postmaster.pid'), `${process.pid}\n\n\n${await takenPort()}\n`);
    expect(await said()).toEqual([expect.stringMatching(/^it runs under DATA_DIR, which is in use/)]);
  });

  it('OPS doctor: shows no secret, whatever goes wrong', async () => {
    const secrets = Object.fromEntries(
      [
        'TIKTOK_CLIENT_SECRET',
        'TIKTOK_CLIENT_SECRET_PREVIOUS',
        'TIKTOK_BUSINESS_SECRET',
        'TIKTOK_BUSINESS_SECRET_PREVIOUS',
        'AWS_SECRET_ACCESS_KEY',
      ].map((name) => [name, `canary-${name.toLowerCase()}`]),
    );
    const nobody = '127.0.0.1:1';
    const changed = {
      ...secrets,
      AWS_ACCESS_KEY_ID: 'AKIATEST',
      DATABASE_URL: `postgres://u:canary%2Dpostgres@${nobody}/x`,
      AGENDA_MONGODB_URL: `mongodb://u:canary-mongo@${nobody}/x`,
      PUBLIC_URL: 'https://u:canary-public@public.example',
      TOKEN_KEYS: `k1:${Buffer.from('canary-key-canary-key-canary-key').toString('base64')},k2:canary-broken`,
      VIDEO_STORE: `s3://u:canary-store@bucket/x?region=us-east-1&endpoint=http://${nobody}`,
    };
    const settings = { ...healthy, ...changed };
    const outcomes = [runCommand('src/doctor.ts', [], settings), runCommand('src/doctor.ts', ['--json'], settings)];
    for (const { stdout, stderr, code } of await Promise.all(outcomes)) {
      expect(code).toBe(1);
      expect(`${stdout}${stderr}`.match(/canary[\w%-]*/g)).toBeNull();
      expect(`${stdout}${stderr}`).not.toContain(Buffer.from('canary-key').toString('base64').slice(0, 12));
    }
  });

  it('OPS doctor: asks for the rights of every table that the migrations make', async () => {
    const rows = await sql(
      "select relname::text as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1",
    );
    expect(rows.map(({ name }) => name).filter((name) => name !== 'agenda_jobs')).toEqual([...TABLES].sort());
  });
});

describe('npm run doctor, beside a service that runs', { timeout: 120_000 }, () => {
  const aService = realService();

  it('OPS doctor: takes its ports for its own, and asks it at its public address', async () => {
    const { start } = await aService();
    const service = await start();
    const { code, stdout } = await runCommand('src/doctor.ts', ['--json'], service.environment);
    const { checks: examined }: { checks: readonly Examined[] } = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(troubles(examined)).toEqual([]);
    expect(examined.find(({ name }) => name === 'ports')?.diagnoses).toEqual([
      { verdict: 'ok', seen: 'this service listens there' },
    ]);
  });
});
