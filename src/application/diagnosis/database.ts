import { type Diagnosis, fail, fine, orFine, warn } from './diagnosis.ts';

/** What a PostgreSQL server says of itself and of our account. */
export type DatabaseFacts = {
  /** As PostgreSQL writes it, such as `18.4`, and as a number, such as 180004. */
  readonly version: string;
  readonly versionNumber: number;
  /** Takes no writes: a standby, or set to be read only. */
  readonly readOnly: boolean;
  readonly encoding: string;
  /** How it writes times to our account, such as `ISO, MDY`. */
  readonly dateStyle: string;
  /** Where tables are made and looked for. Absent: nowhere. */
  readonly schema?: string;
  readonly mayCreate: boolean;
  /** Of the tables that were asked for: those that are there, and of these the ones that our account may not read and write. */
  readonly tables: readonly string[];
  readonly forbidden: readonly string[];
  /** How many connections the server, the database and our account allow, the smallest of the three. */
  readonly connections: number;
  readonly connectionsInUse: number;
  /** How far the database's clock is ahead of this host's. Negative: behind. */
  readonly aheadMilliseconds: number;
};

/** What a database has, against what this version brings. */
export type SchemaFacts = {
  /** How many of this version's migrations it has. */
  readonly applied: number;
  /** This version's migrations that it lacks, in the order in which they run. */
  readonly pending: readonly string[];
  /** What it has and this version does not know: a newer one brought it up to date. In the order in which they ran. */
  readonly unknown: readonly string[];
};

/** The first with `pg_current_xact_id`, by which the outbox is read in the order of commits. */
const LEAST_VERSION = 130_000;

export function diagnoseDatabase(
  facts: DatabaseFacts,
  needs: {
    /** Connections of one process. */
    readonly perProcess: number;
    readonly migrateOnStart: boolean;
    /** Whether the next start has tables to make. */
    readonly pending: boolean;
  },
): readonly Diagnosis[] {
  const { version, versionNumber, readOnly, encoding, dateStyle, schema, mayCreate, forbidden } = facts;
  const { connections, connectionsInUse } = facts;
  const { perProcess, migrateOnStart, pending } = needs;
  const free = connections - connectionsInUse;
  const cannotCreate = [
    'our account may not make tables',
    'Grant it CREATE on the schema; or set MIGRATE_ON_START=0 and run npm run migrate with an account that may.',
  ] as const;
  return orFine(
    [
      versionNumber < LEAST_VERSION
        ? fail(`PostgreSQL ${version}`, 'Upgrade the server: this service needs 13 or later, and is tested on 18.')
        : undefined,
      readOnly
        ? fail(
            'it takes no writes: a standby, or read only',
            'Name the primary in DATABASE_URL, or end its read-only mode.',
          )
        : undefined,
      encoding === 'UTF8'
        ? undefined
        : fail(
            `its encoding is ${encoding}, which lacks characters that captions have`,
            "Make a database with encoding 'UTF8' and move to it.",
          ),
      dateStyle.startsWith('ISO')
        ? undefined
        : fail(
            `it writes times as ${dateStyle}, which this service misreads`,
            'Set DateStyle to ISO for our account and database (alter role … reset datestyle), and for the server.',
          ),
      schema === undefined
        ? fail('no schema of its search_path is there', 'Make one for our account, or correct its search_path.')
        : undefined,
      schema === undefined || mayCreate || !migrateOnStart ? undefined : (pending ? fail : warn)(...cannotCreate),
      forbidden.length === 0
        ? undefined
        : fail(
            `our account may not read and write ${forbidden.join(', ')}`,
            'Grant it SELECT, INSERT, UPDATE and DELETE on them, and on those that migrations will make (ALTER DEFAULT PRIVILEGES).',
          ),
      connections < perProcess
        ? fail(
            `${connections} connections are allowed, and one process takes up to ${perProcess}`,
            'Raise max_connections, or the limit of the database or of our account.',
          )
        : free < perProcess
          ? warn(
              `${free} of ${connections} connections are free, and one more process takes up to ${perProcess}`,
              'Raise max_connections (or the limit of the database or of our account) before you start another one; a rolling deploy does.',
            )
          : undefined,
    ],
    `PostgreSQL ${version}, ${encoding}, schema ${schema}; ${free} of ${connections} connections are free, room for ${Math.floor(free / perProcess)} more processes of up to ${perProcess}`,
  );
}

export function diagnoseSchema(
  { applied, pending, unknown }: SchemaFacts,
  { migrateOnStart }: { readonly migrateOnStart: boolean },
): readonly Diagnosis[] {
  const lacks = `it lacks ${pending.join(', ')}`;
  if (unknown.length > 0) {
    const newer = `it is newer than this version, which does not know ${unknown.join(', ')}`;
    return pending.length === 0
      ? [
          warn(
            newer,
            'Nothing while you roll out or back by one version. This one is not to run on with a database that is further ahead.',
          ),
        ]
      : [
          fail(
            `${newer}; and ${lacks}`,
            'These two are no versions of one line: start the newer one, or restore what belongs to this one.',
          ),
        ];
  }
  if (pending.length === 0) return [fine(`it has all ${applied} migrations of this version`)];
  if (!migrateOnStart)
    return [fail(`${lacks}, and MIGRATE_ON_START=0`, 'Run npm run migrate (in the image: node src/migrate.ts).')];
  if (applied === 0) return [fine(`it is empty: the first start applies all ${pending.length} migrations`)];
  return [
    warn(
      lacks,
      'Make a backup. The next start applies them; so does npm run migrate (in the image: node src/migrate.ts).',
    ),
  ];
}

/** `ring`: ids of our keys, newest first. `sealed`: how many secrets each key sealed. `unopenable`: keys of which we opened none. */
export function diagnoseKeys({
  ring,
  sealed,
  unopenable,
}: {
  readonly ring: readonly string[];
  readonly sealed: ReadonlyMap<string, number>;
  readonly unopenable: readonly string[];
}): readonly Diagnosis[] {
  const [newest, ...older] = ring;
  const missing = [...sealed].filter(([id]) => !ring.includes(id));
  const foreign = unopenable.filter((id) => ring.includes(id));
  const still = older.filter((id) => (sealed.get(id) ?? 0) > 0);
  const idle = older.filter((id) => !still.includes(id));
  const total = [...sealed.values()].reduce((sum, count) => sum + count, 0);
  return orFine(
    [
      ...missing.map(([id, count]) =>
        fail(
          `${count} secrets are sealed with the key ${named(id)}, which TOKEN_KEYS lacks: their accounts can't be used`,
          'Put that key back, after the newest one (id:base64,id:base64). Without it these accounts have to be connected anew.',
        ),
      ),
      ...foreign.map((id) =>
        fail(
          `the key ${named(id)} of TOKEN_KEYS opens none of the secrets of that name: its bytes are others`,
          'Put the bytes of before back under this id; give new bytes an id of their own.',
        ),
      ),
    ],
    [
      `${total} secrets, and TOKEN_KEYS has the keys of all of them`,
      ...(still.length > 0 ? [`${still.map(named).join(', ')} still needed beside ${named(newest ?? '')}`] : []),
      ...(idle.length > 0 ? [`${idle.map(named).join(', ')} no longer needed`] : []),
    ].join('; '),
  );
}

/** The database says it: what no key of ours was ever called is not shown. */
const named = (id: string): string => (/^[\w.-]{1,32}$/.test(id) ? `"${id}"` : 'that can not be read');
