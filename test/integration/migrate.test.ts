import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { migrationStatements, openDatabase } from '../../src/adapters/persistence/database.ts';
import { MIGRATIONS } from '../../src/adapters/persistence/migrations.ts';
import { runCommand } from '../support/command.ts';
import { freshDatabase } from '../support/fresh-database.ts';
import { realService } from '../support/service-process.ts';
import { aPost, connectNewAccount, postThatHurries, publish, publishedOnce, upload } from '../support/story.ts';

const NAMES = MIGRATIONS.map(({ name }) => name);
const LAST = NAMES.at(-1) ?? '';
const UP_TO_DATE = `The database has all ${NAMES.length} migrations of this version.\n`;

async function aDatabase() {
  const { url, drop } = await freshDatabase();
  const client = new Client({ connectionString: url });
  await client.connect();
  onTestFinished(async () => {
    await client.end();
    await drop();
  });
  return {
    url,
    migrate: (...args: string[]) => runCommand('src/migrate.ts', args, { DATABASE_URL: url }),
    sql: async (text: string, values: readonly unknown[] = []) =>
      (await client.query(text, [...values])).rows as readonly Record<string, unknown>[],
    /** Names in the order in which they were stored; undefined: nobody has migrated. */
    async applied(): Promise<readonly unknown[] | undefined> {
      const { rows } = await client.query("select to_regclass('mikro_orm_migrations') is not null as there");
      if (!rows[0]?.there) return undefined;
      return (await client.query('select name from mikro_orm_migrations order by id')).rows.map(({ name }) => name);
    },
  };
}

/** As the release before the last migration left it. */
async function oneBehind() {
  const database = await aDatabase();
  await database.sql(
    'create table mikro_orm_migrations (id serial primary key, name varchar(255), executed_at timestamptz default now())',
  );
  for (const { name, statements } of await migrationStatements(database.url, NAMES.slice(0, -1))) {
    await database.sql(`${statements.join(';\n')}; insert into mikro_orm_migrations (name) values ('${name}')`);
  }
  return database;
}

it('migrate applies everything to a fresh database and says what, then finds nothing to do', async () => {
  const { migrate, applied, sql } = await aDatabase();
  expect(await migrate()).toEqual({
    code: 0,
    stdout: `${NAMES.map((name) => `applied ${name}\n`).join('')}${UP_TO_DATE}made Agenda's table\n`,
    stderr: '',
  });
  expect(await applied()).toEqual(NAMES);
  expect(await sql("select to_regclass('agenda_jobs')::text as name")).toEqual([{ name: 'agenda_jobs' }]);
  expect(await migrate()).toEqual({ code: 0, stdout: UP_TO_DATE, stderr: '' });
  expect(await migrate('--check')).toEqual({ code: 0, stdout: UP_TO_DATE, stderr: '' });
});

it('migrate --check names what is pending, ends with 1 and touches nothing', async () => {
  const fresh = await aDatabase();
  const { code, stdout } = await fresh.migrate('--check');
  expect(code).toBe(1);
  expect(stdout).toBe(
    `${NAMES.length} of ${NAMES.length} migrations are pending:\n${NAMES.map((name) => `  ${name}\n`).join('')}`,
  );
  expect(await fresh.applied()).toBeUndefined();

  const behind = await oneBehind();
  expect(await behind.migrate('--check')).toMatchObject({
    code: 1,
    stdout: `1 of ${NAMES.length} migrations are pending:\n  ${LAST}\n`,
  });
  expect(await behind.migrate()).toMatchObject({
    code: 0,
    stdout: `applied ${LAST}\n${UP_TO_DATE}made Agenda's table\n`,
  });
});

it('migrate --dry-run prints statements that bring the database up to date, and runs none', async () => {
  const { url, migrate, applied, sql } = await aDatabase();
  const { code, stdout } = await migrate('--dry-run');
  expect(code).toBe(0);
  expect(await applied()).toBeUndefined();
  await sql(stdout);
  const { url: reference } = await oneUpToDate();
  expect(await columnsOf(url)).toEqual(await columnsOf(reference));
});

async function oneUpToDate() {
  const database = await aDatabase();
  await database.migrate();
  await database.sql('drop table mikro_orm_migrations, agenda_jobs');
  return database;
}

async function columnsOf(url: string) {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query(
    `select table_name, column_name, data_type from information_schema.columns
     where table_schema = 'public' order by table_name, ordinal_position`,
  );
  await client.end();
  return rows;
}

it('SCH-11 of two migrates at once one applies everything and the other waits and finds nothing to do', async () => {
  const { migrate, applied } = await aDatabase();
  const outcomes = await Promise.all([migrate(), migrate()]);
  expect(outcomes.map(({ code, stderr }) => ({ code, stderr }))).toEqual(Array(2).fill({ code: 0, stderr: '' }));
  expect(outcomes.filter(({ stdout }) => stdout.includes(`applied ${LAST}`))).toHaveLength(1);
  expect(await applied()).toEqual(NAMES);
});

it('migrate leaves a newer database alone and ends well, so that the version before can be rolled out again', async () => {
  const { url, migrate, applied, sql } = await aDatabase();
  await migrate();
  await sql("insert into mikro_orm_migrations (name) values ('2099-01-01-later')");
  const seen = {
    code: 0,
    stdout:
      'The database is newer than this version, which does not know 2099-01-01-later. Nothing is to be applied, and the version before the newer one runs on it.\n',
    stderr: '',
  };
  expect(await migrate()).toEqual(seen);
  expect(await migrate('--check')).toEqual(seen);
  for (const migrates of [true, false]) await (await openDatabase(url, { migrates })).close();
  expect(await applied()).toEqual([...NAMES, '2099-01-01-later']);
});

it('migrate refuses a newer database that lacks something of this version', async () => {
  const { migrate, applied, sql } = await oneBehind();
  await sql("insert into mikro_orm_migrations (name) values ('2099-01-01-later')");
  const { code, stdout } = await migrate();
  expect(code).toBe(1);
  expect(stdout).toContain(`It lacks ${LAST} of this version all the same`);
  expect(await applied()).toEqual([...NAMES.slice(0, -1), '2099-01-01-later']);
});

it('a start with MIGRATE_ON_START=0 refuses what is pending in one sentence, and starts once it is applied', async () => {
  const { url, migrate, applied } = await oneBehind();
  const dataDir = await mkdtemp(join(tmpdir(), 'migrate-'));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  const { code, stderr } = await runCommand('src/main.ts', [], {
    DATABASE_URL: url,
    DATA_DIR: dataDir,
    MIGRATE_ON_START: '0',
    TOKEN_KEYS: `k:${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`,
    TIKTOK_CLIENT_KEY: 'key',
    TIKTOK_CLIENT_SECRET: 'hush-hush',
    LOG_LEVEL: 'error',
  });
  expect(code).toBe(1);
  expect(stderr).toBe(
    `The database lacks migrations of this version (${LAST}), and MIGRATE_ON_START=0 leaves them to you: run npm run migrate, in the image node src/migrate.ts, and start again.\n`,
  );
  expect(await applied()).not.toContain(LAST);
  await migrate();
  await (await openDatabase(url, { migrates: false })).close();
});

const aService = realService();

it('with MIGRATE_ON_START=0 the service does its work as an account that may not change the schema', {
  timeout: 120_000,
}, async () => {
  const { url, migrate, sql } = await aDatabase();
  await migrate();
  const role = `role_${randomBytes(4).toString('hex')}`;
  await sql(`create role ${role} login password 'hush-hush'`);
  await sql(`grant select, insert, update, delete on all tables in schema public to ${role}`);
  onTestFinished(async () => void (await sql(`drop owned by ${role}; drop role ${role}`)));
  const environment = { DATABASE_URL: Object.assign(new URL(url), { username: role, password: 'hush-hush' }).href };
  const { sandbox, start } = await aService();
  const service = await start({ environment: { ...environment, MIGRATE_ON_START: '0' } });
  const connection = await connectNewAccount({ clients: service.clients, sandbox });
  const video = await upload(service.clients);
  const { post_id: postId } = await publish(service.clients, aPost(connection, video));
  const post = await postThatHurries({ clients: service.clients, sql }, postId, 'PUBLISHED');
  publishedOnce(sandbox, post, video);
  expect(await sql('select 1 from agenda_jobs limit 1')).toHaveLength(1);
  await service.stop();
});

it.each([
  ['without DATABASE_URL', [], {}, /^DATABASE_URL is not set: the embedded PostgreSQL/],
  ['with one that is no address', [], { DATABASE_URL: 'hush-hush' }, /^DATABASE_URL: give a postgres:\/\/ address/],
  ['with one that nobody answers at', [], { DATABASE_URL: 'postgres://u:hush-hush@127.0.0.1:1/x' }, /ECONNREFUSED/],
  ['with an option that it does not have', ['--force'], {}, /Unknown option '--force'/],
])('migrate ends with 1 %s, and says why', async (_, args, environment, said) => {
  const { code, stdout, stderr } = await runCommand('src/migrate.ts', args, environment);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(said);
  expect(stderr).not.toContain('hush-hush');
});
