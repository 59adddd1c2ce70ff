import { spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MigrationObject } from '@mikro-orm/core';
import { Migration, Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
import { Client, type Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { openDatabase } from '../../src/adapters/persistence/database.ts';
import { applyPending, type Patience, whileLocked } from '../../src/adapters/persistence/migrate.ts';
import { contractions, schemaOf } from '../support/expand-only.ts';
import { freshDatabase } from '../support/fresh-database.ts';
import { previousRelease } from '../support/previous-release.ts';

const FOLDER = 'src/adapters/persistence/migrations';
const ours = fileURLToPath(new URL('../..', import.meta.url));

/**
 * What the last release uses no more, or has been shown to do without, so that this version may take it away: in the words of `contractions`,
 * in their order. Empty after each release (docs/releases.md).
 */
const AGREED: readonly string[] = [
  // 0.1.0 finds by it whom TikTok published lately, every few seconds and among few: it reads a little more until it is gone.
  'post_published_lately of post is gone or another one',
];

const previous = previousRelease();
/** A database as the last release makes it. */
let released: Client;
/** Another one, which this version has opened since. */
let upgraded: Client;
/** As it was before. */
let asReleased: Awaited<ReturnType<typeof schemaOf>>;
beforeAll(async () => {
  released = await madeByTheLastRelease();
  upgraded = await madeByTheLastRelease();
  asReleased = await schemaOf(upgraded);
  await (await openDatabase(urlOf(upgraded))).close();
});
afterAll(() => Promise.all([released.end(), upgraded.end()]));

const urls = new Map<Client, string>();
const urlOf = (client: Client): string => urls.get(client) ?? '';

async function madeByTheLastRelease(): Promise<Client> {
  const { url } = await freshDatabase();
  const code = `const { openDatabase } = await import(process.cwd() + '/src/adapters/persistence/database.ts');
    await (await openDatabase(process.argv[1])).close();`;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', code, url], {
    cwd: previous().folder,
    encoding: 'utf8',
  });
  expect(run).toMatchObject({ status: 0, stderr: '' });
  const client = new Client({ connectionString: url });
  await client.connect();
  urls.set(client, url);
  return client;
}

async function emptyDatabase(): Promise<{ readonly url: string; readonly client: Client }> {
  const { url, drop } = await freshDatabase();
  onTestFinished(drop);
  const client = new Client({ connectionString: url });
  await client.connect();
  onTestFinished(() => client.end());
  return { url, client };
}

const namesIn = async (client: Client): Promise<readonly string[]> =>
  (await client.query<{ name: string }>('select name from mikro_orm_migrations order by id')).rows.map(
    ({ name }) => name,
  );

const filesIn = async (folder: string): Promise<readonly string[]> => (await readdir(join(folder, FOLDER))).sort();

/** The migrations that the last release does not have. */
async function addedMigrations(): Promise<readonly Migration[]> {
  const known = new Set(await filesIn(previous().folder));
  const files = (await filesIn(ours)).filter((file) => !known.has(file));
  const modules = await Promise.all(files.map((file) => import(join(ours, FOLDER, file)) as Promise<object>));
  const classes = modules.flatMap((each) => Object.values(each)).filter((each) => each?.prototype instanceof Migration);
  expect(classes).toHaveLength(files.length);
  return classes.map((made) => new made());
}

/** What the statements would do to the last release, and takes them back. */
async function tried(statements: readonly string[]): Promise<readonly string[]> {
  const before = await schemaOf(released);
  await released.query('begin');
  for (const statement of statements) await released.query(statement);
  const after = await schemaOf(released);
  await released.query('rollback');
  return contractions(before, after, statements);
}

describe('Migrations', () => {
  it('OPS-03 of the last release are as they were, byte for byte, and come first, in the same order', async () => {
    const names = await namesIn(released);
    expect(names.length).toBeGreaterThan(0);
    const { url, client } = await emptyDatabase();
    await (await openDatabase(url)).close();
    expect((await namesIn(client)).slice(0, names.length)).toEqual(names);

    const files = await filesIn(previous().folder);
    expect(files).toHaveLength(names.length);
    for (const file of files) {
      const [before, after] = [previous().folder, ours].map((folder) => readFile(join(folder, FOLDER, file)));
      expect((await before)?.equals((await after) as Buffer), file).toBe(true);
    }
  });

  it('OPS-03 of this version only add to what the last release made: its processes work on beside them', async () => {
    const added = await addedMigrations();
    expect(await namesIn(upgraded)).toHaveLength((await namesIn(released)).length + added.length);
    expect(added.filter((migration) => !migration.isTransactional())).toEqual([]);
    for (const migration of added) await migration.up();
    const statements = added.flatMap((migration) => migration.getQueries().map(String));
    expect(contractions(asReleased, await schemaOf(upgraded), statements)).toEqual(AGREED);
  });

  it.each([
    ['alter table post add column note text'],
    ['alter table post add column notes integer not null default 0'],
    ['create table note (id text primary key, post_id text not null)', 'create unique index on note (post_id)'],
    ['create table seen (id text primary key)', 'insert into seen select id from post', 'update seen set id = id'],
    ['create index if not exists post_by_caption on post (caption)'],
  ])('OPS-03 may say: %s', async (...statements) => {
    expect(await tried(statements)).toEqual([]);
  });

  it.each([
    ['drop table media_fetch', ['media_fetch is gone']],
    ['alter table turn rename to turns', ['turn is gone']],
    ['alter table post drop column edited', ['post.edited is gone']],
    [
      'alter table post rename column external_ref to reference',
      ['post.external_ref is gone', 'post_by_reference of post is gone or another one'],
    ],
    [
      'alter table post alter column setbacks type bigint',
      ['post is rewritten', 'post.setbacks is bigint and no longer integer'],
    ],
    ['alter table post alter column external_ref set not null', ['post.external_ref is required']],
    ['alter table post alter column caption drop not null', ['post.caption is no longer required']],
    [
      'alter table post alter column woken drop default',
      ['post.woken is null where nobody writes it, and no longer false'],
    ],
    ['alter table post add column note text not null', ['post.note is required, and older versions write without it']],
    ['alter table post add column noted timestamptz default clock_timestamp()', ['post is rewritten']],
    ['drop index post_due', ['post_due of post is gone or another one']],
    ['create unique index if not exists one on post (caption)', ['one of post may refuse what older versions write']],
    [
      "alter table post add constraint short check (caption <> '')",
      ['short (constraint) of post may refuse what older versions write'],
    ],
    [
      'alter table post add constraint known foreign key (connection_id) references connection (id)',
      ['known (constraint) of post may refuse what older versions write'],
    ],
    [
      'create index post_by_caption on post (caption)',
      [
        'create index post_by_caption on post: nobody can write meanwhile. "if not exists", so that it can be made before',
      ],
    ],
    ['update post set edited = false', ['update post: it locks rows of a table in use']],
    [
      'with old as (delete from post_event returning seq) select 1',
      ['delete from post_event: it locks rows of a table in use'],
    ],
  ])('OPS-03 may not say: %s', async (statement, problems) => {
    expect(await tried([statement])).toEqual(problems);
  });
});

describe('A migration', () => {
  class Table extends Migration {
    override up(): void {
      this.addSql('create table note (id integer)');
    }
  }
  class Column extends Migration {
    override up(): void {
      this.addSql('create table beside (id integer)');
      this.addSql('alter table note add column text text');
    }
  }
  const [table, column] = [
    { name: '1-table', class: Table },
    { name: '2-column', class: Column },
  ];

  async function ormOf(url: string, ...migrationsList: MigrationObject[]) {
    const orm = await MikroORM.init({
      clientUrl: url,
      entities: [],
      extensions: [Migrator],
      migrations: { migrationsList, snapshot: false, silent: true },
      discovery: { warnWhenNoEntities: false },
      logger: () => {},
    });
    onTestFinished(() => orm.close());
    const pool: Pool = await orm.em.getConnection().getNativeClient();
    return { orm, pool };
  }

  const migrate = (orm: MikroORM, pool: Pool, patience?: Patience): Promise<void> =>
    whileLocked(pool, () => applyPending(orm, patience));

  /** A table that somebody reads for long: a backup, say. */
  async function readForLong() {
    const { url, client } = await emptyDatabase();
    const made = await ormOf(url, table);
    await migrate(made.orm, made.pool);
    const next = await ormOf(url, table, column);
    // Ended first, so that nothing waits for it afterwards.
    const reader = new Client({ connectionString: url });
    await reader.connect();
    onTestFinished(() => reader.end());
    await reader.query('begin');
    await reader.query('select from note');
    return { client, reader, ...next };
  }

  it('OPS-03 waits for a long reader and keeps nobody from the table meanwhile', async () => {
    const { client, reader, orm, pool } = await readForLong();
    const migrated = migrate(orm, pool, { lockMilliseconds: 200, pauseMilliseconds: 50, tries: 1_000 });
    await vi.waitUntil(
      async () =>
        (await client.query(`select 1 from pg_locks where relation = 'note'::regclass and not granted`)).rowCount,
    );
    await client.query(`set statement_timeout = '20s'`);
    await client.query('insert into note values (1)');
    await reader.query('commit');
    await migrated;
    expect(await namesIn(client)).toEqual(['1-table', '2-column']);
    expect((await client.query('select text from note')).rows).toEqual([{ text: null }]);
  });

  it('OPS-03 gives up on a reader that never ends, says so, and leaves nothing half done', async () => {
    const { client, orm, pool } = await readForLong();
    const patience = { lockMilliseconds: 50, pauseMilliseconds: 1, tries: 2 };
    await expect(migrate(orm, pool, patience)).rejects.toThrow(/2-column waits for a table .* pg_stat_activity/);
    expect(await namesIn(client)).toEqual(['1-table']);
    expect((await client.query(`select to_regclass('beside') as beside`)).rows).toEqual([{ beside: null }]);
  });

  it('OPS-03 that a later version brought is none of ours', async () => {
    const { url, client } = await emptyDatabase();
    const later = await ormOf(url, table, column);
    await migrate(later.orm, later.pool);
    const earlier = await ormOf(url, table);
    await migrate(earlier.orm, earlier.pool);
    expect(await namesIn(client)).toEqual(['1-table', '2-column']);
  });
});
