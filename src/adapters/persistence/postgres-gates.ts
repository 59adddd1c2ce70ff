import type { Gates, ShutGate } from '../../application/ports/gates.ts';
import type { GateKey } from '../../domain/post/gate.ts';
import type { Database } from './database.ts';
import { gathered } from './gathered.ts';
import { date, type Time } from './json.ts';
import { NOW } from './now.ts';
import { prepared } from './prepared.ts';
import { publishErrorFromJson } from './publish-error-json.ts';

type Row = { key: string; error: object; shut_until: Time; tried: boolean };

const COLUMNS = 'key, error, shut_until, tried';

const LOOK = prepared(
  `select ${COLUMNS}, shut_until <= ${NOW} as due from gate where key = any($1::text[]) order by shut_until desc`,
);

/** Who finds none shut takes those whose time has come, unless another did in this moment: then that one tries. */
const TRY = `
  with asked as (
    select key, shut_until from gate where key = any($1::text[]) order by key for update
  )
  update gate set tried = true, shut_until = ${NOW} + make_interval(secs => $2)
  from asked where gate.key = asked.key and not exists (select 1 from asked where shut_until > ${NOW})
  returning gate.key`;

const MAY_SHUT = `(gate.tried or gate.shut_until <= ${NOW})`;

/** A gate that is shut already, and not being tried, keeps its time: many may meet the same at once. */
const CLOSE = `
  insert into gate (key, error, shut_until) values ($1, $2, ${NOW} + make_interval(secs => $3))
  on conflict (key) do update set
    error = case when ${MAY_SHUT} then excluded.error else gate.error end,
    failures = case when ${MAY_SHUT} then gate.failures + 1 else gate.failures end,
    shut_until = case when ${MAY_SHUT}
      then ${NOW} + make_interval(secs => least($3 * power(2, least(gate.failures + 1, 30)), $4)) else gate.shut_until end,
    tried = false
  returning shut_until as until`;

export function postgresGates({ pool }: Pick<Database, 'pool'>): Gates {
  const shutGate = ({ key, error, shut_until, tried }: Row): ShutGate => ({
    key: key as GateKey,
    error: publishErrorFromJson(error),
    until: date(shut_until),
    tried,
  });

  /** Of one moment for many who ask. Hardly ever is one shut. */
  const look = gathered({
    async run(all: readonly (readonly GateKey[])[]) {
      const { rows } = await pool.query<Row & { due: boolean }>(LOOK([...new Set(all.flat())]));
      return all.map((keys) => rows.filter(({ key }) => keys.includes(key as GateKey)));
    },
  });

  return {
    async pass(keys, trySeconds) {
      for (;;) {
        const [first] = await look(keys);
        if (first === undefined) return { trying: [] };
        if (!first.due) return { shut: shutGate(first) };
        const tried = await pool.query<{ key: GateKey }>(TRY, [keys, trySeconds]);
        if (tried.rows.length > 0) return { trying: tried.rows.map(({ key }) => key) };
      }
    },
    async shut({ key, seconds, atMostSeconds }, error) {
      const { rows } = await pool.query<{ until: Time }>(CLOSE, [key, JSON.stringify(error), seconds, atMostSeconds]);
      const [row] = rows;
      if (row === undefined) throw new Error(`the gate ${key} could not be shut`);
      return date(row.until);
    },
    async hasten(keys) {
      await pool.query(`update gate set shut_until = ${NOW} where key = any($1::text[]) and not tried`, [keys]);
    },
    async handBack(keys) {
      await pool.query(`update gate set tried = false, shut_until = ${NOW} where key = any($1::text[]) and tried`, [
        keys,
      ]);
    },
    async open(key) {
      const { rowCount } = await pool.query('delete from gate where key = $1', [key]);
      return rowCount === 1;
    },
    async all(among) {
      const { rows } = await pool.query<Row>(
        `select ${COLUMNS} from gate where $1::text[] is null or key = any($1) order by key`,
        [among ?? null],
      );
      return rows.map(shutGate);
    },
  };
}
