import { parseArgs } from 'node:util';
import { migrateDatabase, migrationStatements, readDatabaseState } from './adapters/persistence/database.ts';
import { makeAgendaTable } from './adapters/scheduler/postgres-agenda-store.ts';
import type { SchemaFacts } from './application/diagnosis/database.ts';
import { readSettings } from './config.ts';
import { inWords } from './in-words.ts';

/** Brings the database up to date without starting the service: `node src/migrate.ts [--check | --dry-run]`. docs/operations.md has the rest. */
try {
  const { values } = parseArgs({ options: { check: { type: 'boolean' }, 'dry-run': { type: 'boolean' } } });
  // Of the settings only where the database is: whoever migrates needs neither keys nor a TikTok app.
  const { config, problems } = readSettings(process.env);
  const { databaseUrl, agendaMongodbUrl } = config;
  const problem = problems.find((each) => each.startsWith('DATABASE_URL:'));
  if (problem !== undefined) throw new Error(problem);
  if (databaseUrl === undefined) {
    throw new Error(
      'DATABASE_URL is not set: the embedded PostgreSQL is brought up to date by the start of the service.',
    );
  }
  if (values.check) process.exitCode = await check(databaseUrl);
  else if (values['dry-run']) await show(databaseUrl);
  else process.exitCode = await migrate(databaseUrl, agendaMongodbUrl === undefined);
} catch (error) {
  console.error(inWords(error));
  process.exitCode = 1;
}

async function check(url: string): Promise<number> {
  const state = await readDatabaseState(url);
  console.log(summary(state));
  return state.pending.length === 0 ? 0 : 1;
}

async function show(url: string): Promise<void> {
  const state = await readDatabaseState(url);
  for (const { name, statements } of await migrationStatements(url, state.pending)) {
    console.log(`-- ${name}\n${statements.map((statement) => `${statement.trim()};\n`).join('')}`);
  }
  console.log(`-- ${summary(state).replaceAll('\n', '\n-- ')}`);
}

async function migrate(url: string, keepsAgenda: boolean): Promise<number> {
  const found = await migrateDatabase(url);
  const { applied, pending, unknown } = found;
  if (unknown.length > 0) {
    console.log(summary(found));
    return pending.length === 0 ? 0 : 1;
  }
  for (const name of pending) console.log(`applied ${name}`);
  console.log(summary({ applied: applied + pending.length, pending: [], unknown }));
  if (keepsAgenda && (await makeAgendaTable(url))) console.log("made Agenda's table");
  return 0;
}

function summary({ applied, pending, unknown }: SchemaFacts): string {
  if (unknown.length === 0) {
    return pending.length === 0
      ? `The database has all ${applied} migrations of this version.`
      : `${pending.length} of ${applied + pending.length} migrations are pending:\n${pending.map((name) => `  ${name}`).join('\n')}`;
  }
  const newer = `The database is newer than this version, which does not know ${unknown.join(', ')}.`;
  return pending.length === 0
    ? `${newer} Nothing is to be applied, and the version before the newer one runs on it.`
    : `${newer} It lacks ${pending.join(', ')} of this version all the same: these two are no versions of one line. Nothing is applied; run the migrate of the newer one.`;
}
