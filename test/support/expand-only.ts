import type { Client } from 'pg';

type Column = {
  readonly type: string;
  readonly required: boolean;
  /** Who writes without it gets this. */
  readonly preset: string | null;
};
export type Table = {
  /** Another one once the table was rewritten. */
  readonly file: string;
  readonly columns: ReadonlyMap<string, Column>;
  /** Indexes, constraints and triggers, by name, as PostgreSQL would write them. */
  readonly rules: ReadonlyMap<string, string>;
};

const TABLES = `
  select c.relname as table, c.relfilenode::text as file
  from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace`;
const COLUMNS = `
  select c.relname as table, a.attname as name, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required,
    coalesce(pg_get_expr(d.adbin, d.adrelid), nullif(a.attidentity::text, '')) as preset
  from pg_attribute a join pg_class c on c.oid = a.attrelid
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped`;
/** PostgreSQL 18 has NOT NULL among the constraints as well. */
const RULES = `
  select c.relname as table, i.relname as name, pg_get_indexdef(i.oid) as rule
  from pg_index x join pg_class c on c.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
  where c.relnamespace = 'public'::regnamespace
  union all
  select c.relname, k.conname || ' (constraint)', pg_get_constraintdef(k.oid)
  from pg_constraint k join pg_class c on c.oid = k.conrelid
  where c.relnamespace = 'public'::regnamespace and k.contype <> 'n'
  union all
  select c.relname, t.tgname || ' (trigger)', pg_get_triggerdef(t.oid)
  from pg_trigger t join pg_class c on c.oid = t.tgrelid
  where c.relnamespace = 'public'::regnamespace and not t.tgisinternal`;

/** The tables of a database, by name. */
export async function schemaOf(client: Client): Promise<ReadonlyMap<string, Table>> {
  const { rows: tables } = await client.query<{ table: string; file: string }>(TABLES);
  const { rows: columns } = await client.query<Column & { table: string; name: string }>(COLUMNS);
  const { rows: rules } = await client.query<{ table: string; name: string; rule: string }>(RULES);
  return new Map(
    tables.map(({ table, file }) => [
      table,
      {
        file,
        columns: new Map(columns.filter((each) => each.table === table).map((each) => [each.name, each])),
        rules: new Map(rules.filter((each) => each.table === table).map(({ name, rule }) => [name, rule])),
      },
    ]),
  );
}

/** A statement that changes rows of a table, whichever way it is written. */
const CHANGES_ROWS =
  /\b(?:insert\s+into|delete\s+from|truncate(?:\s+table)?|(?<!\b(?:on|for|do)\s)update|merge\s+into)\s+(\w+)/gi;
const PLAIN_INDEX = /\bcreate\s+index\s+(?!if\s+not\s+exists)\w+\s+on\s+(\w+)/gi;

/**
 * What of a change of the schema a process of the version before can't live with, or what would keep it from a long table. Empty: it only adds.
 * `statements` are those that made the change.
 */
export function contractions(
  before: ReadonlyMap<string, Table>,
  after: ReadonlyMap<string, Table>,
  statements: readonly string[],
): readonly string[] {
  const found: string[] = [];
  for (const statement of statements) {
    for (const [what, table = ''] of statement.matchAll(CHANGES_ROWS)) {
      if (before.has(table)) found.push(`${what}: it locks rows of a table in use`);
    }
    for (const [what, table = ''] of statement.matchAll(PLAIN_INDEX)) {
      if (before.has(table))
        found.push(`${what}: nobody can write meanwhile. "if not exists", so that it can be made before`);
    }
  }
  for (const [name, table] of before) {
    const now = after.get(name);
    if (now === undefined) found.push(`${name} is gone`);
    else found.push(...ofTable(name, table, now));
  }
  return found;
}

function ofTable(name: string, before: Table, after: Table): string[] {
  const found: string[] = [];
  if (after.file !== before.file) found.push(`${name} is rewritten`);
  for (const [column, { type, required, preset }] of before.columns) {
    const now = after.columns.get(column);
    const is = `${name}.${column} is`;
    if (now === undefined) found.push(`${is} gone`);
    else if (now.type !== type) found.push(`${is} ${now.type} and no longer ${type}`);
    else if (now.required !== required) found.push(`${is} ${now.required ? 'required' : 'no longer required'}`);
    else if (now.preset !== preset) found.push(`${is} ${now.preset} where nobody writes it, and no longer ${preset}`);
  }
  for (const [column, { required, preset }] of after.columns) {
    if (before.columns.has(column) || !required || preset !== null) continue;
    found.push(`${name}.${column} is required, and older versions write without it`);
  }
  for (const [rule, text] of before.rules) {
    if (after.rules.get(rule) !== text) found.push(`${rule} of ${name} is gone or another one`);
  }
  for (const [rule, text] of after.rules) {
    if (before.rules.has(rule) || text.startsWith('CREATE INDEX ')) continue;
    found.push(`${rule} of ${name} may refuse what older versions write`);
  }
  return found;
}
