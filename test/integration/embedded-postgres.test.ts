import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
});
