import type { Cipher } from '../../application/ports/cipher.ts';
import type { SealedSecrets } from '../../application/ports/sealed-secrets.ts';
import type { Database } from './database.ts';
import { uploadUrlContext } from './post-rows.ts';
import { credentialContext } from './postgres-credentials.ts';

type Row = {
  id: string;
  workspace_id: string;
  /** Of an attempt. */
  number: number | null;
  sealed: Buffer;
};

/** A column that holds sealed secrets. A new one has to be named here. */
type Column = {
  readonly name: string;
  /** Rows after `$1` and, of an attempt, `$2`, whose secret does not begin with `$3`; in the order of their key. */
  readonly older: string;
  /** Only where it still is what was read. */
  readonly replace: string;
  readonly all: string;
  readonly context: (row: Row) => readonly string[];
};

const credentialColumn = (field: 'access_token' | 'refresh_token'): Column => ({
  name: `credential.${field}`,
  older: `select connection_id as id, workspace_id, null::integer as number, ${field} as sealed from credential
    where (connection_id, 0) > ($1::text, $2::integer) and substring(${field} from 1 for length($3::bytea)) <> $3
    order by connection_id limit $4`,
  replace: `update credential set ${field} = $4 where connection_id = $1 and $2::integer is null and ${field} = $3`,
  all: `select ${field} as sealed from credential where ${field} is not null`,
  context: ({ id, workspace_id }) => credentialContext(workspace_id, id, field),
});

const COLUMNS: readonly Column[] = [
  credentialColumn('access_token'),
  credentialColumn('refresh_token'),
  {
    name: 'attempt.upload_url',
    older: `select post_id as id, workspace_id, number, upload_url as sealed
      from attempt join post on post.id = attempt.post_id
      where (post_id, number) > ($1::text, $2::integer) and substring(upload_url from 1 for length($3::bytea)) <> $3
      order by post_id, number limit $4`,
    replace: 'update attempt set upload_url = $4 where post_id = $1 and number = $2 and upload_url = $3',
    all: 'select upload_url as sealed from attempt where upload_url is not null',
    context: ({ id, workspace_id, number }) => uploadUrlContext(workspace_id, id, number ?? 0),
  },
];

/** As `aesGcmCipher` lays it out. Something else there gives text that is no key's id. */
const KEY_ID = `case when length(sealed) > 2 then encode(substring(sealed from 3 for get_byte(sealed, 1)), 'escape') else '' end`;

const COUNT = `select ${KEY_ID} as key, count(*)::integer as secrets
  from (${COLUMNS.map(({ all }) => all).join(' union all ')}) as stored group by 1`;

const SAMPLES = 3;
const SAMPLE = `
  select * from (
    select ${KEY_ID} as key, id, workspace_id, sealed, row_number() over (partition by ${KEY_ID} order by id) as place
    from (select connection_id as id, workspace_id, access_token as sealed from credential
      where access_token is not null) as stored
  ) as placed where place <= ${SAMPLES}`;

export function postgresSealedSecrets({ pool }: Pick<Database, 'pool'>, cipher: Cipher): SealedSecrets {
  /** Undefined when no key opens it. */
  function sealedAnew(column: Column, row: Row): Uint8Array | undefined {
    const context = column.context(row);
    try {
      return cipher.seal(cipher.open(row.sealed, context), context);
    } catch {
      return undefined;
    }
  }

  return {
    async count() {
      const { rows } = await pool.query<{ key: string; secrets: number }>(COUNT);
      return new Map(rows.map(({ key, secrets }) => [key, secrets]));
    },
    async *sealAnew(atOnce) {
      for (const column of COLUMNS) {
        for (let after: readonly [string, number] = ['', -1]; ; ) {
          const { rows } = await pool.query<Row>(column.older, [...after, cipher.mark, atOnce]);
          let resealed = 0;
          const unreadable: string[] = [];
          for (const row of rows) {
            const anew = sealedAnew(column, row);
            if (anew === undefined) {
              unreadable.push(`${column.name} of ${row.id}${row.number === null ? '' : ` attempt ${row.number}`}`);
              continue;
            }
            const { rowCount } = await pool.query(column.replace, [row.id, row.number, row.sealed, anew]);
            resealed += rowCount ?? 0;
          }
          if (rows.length > 0) yield { resealed, unreadable };
          const last = rows.at(-1);
          if (last === undefined || rows.length < atOnce) break;
          after = [last.id, last.number ?? 0];
        }
      }
    },
    async unopenable() {
      const { rows } = await pool.query<Row & { key: string }>(SAMPLE);
      const opens = (row: Row): boolean => {
        try {
          cipher.open(row.sealed, credentialContext(row.workspace_id, row.id, 'access_token'));
          return true;
        } catch {
          return false;
        }
      };
      return [...Map.groupBy(rows, ({ key }) => key)].flatMap(([key, samples]) => (samples.some(opens) ? [] : [key]));
    },
  };
}
