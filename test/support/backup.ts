import type { Surroundings } from './service-process.ts';

/**
 * The record as it is now, and a way back to it: every table of it, so also what a process works on meanwhile. Sequences and numbers of
 * transactions go on, as they do in a cluster that is recovered to a point in time and used again.
 */
export async function backup({ sql }: Pick<Surroundings, 'sql'>): Promise<{ restore(): Promise<void> }> {
  const kept = `backup_${Date.now()}`;
  const tables = (
    await sql(
      `select table_name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`,
    )
  ).map(({ table_name }) => String(table_name));
  await sql(`create schema ${kept}`);
  await sql('begin isolation level repeatable read');
  for (const table of tables) await sql(`create table ${kept}."${table}" as table public."${table}"`);
  await sql('commit');
  return {
    async restore() {
      const statements = tables.map(
        (table) => `insert into public."${table}" overriding system value select * from ${kept}."${table}"`,
      );
      // Foreign keys are checked by triggers, and those stay quiet: the rows were right together before.
      await sql(`begin; set local session_replication_role = replica;
        truncate ${tables.map((table) => `public."${table}"`).join(', ')}; ${statements.join('; ')}; commit`);
    },
  };
}
