import { type Backlog, type BacklogFigures, COUNTED_AT_MOST } from '../../application/ports/backlog.ts';
import type { HoldReason, PostState } from '../../domain/post/post.ts';
import type { Database } from './database.ts';
import { NEEDS_ATTENTION } from './migrations/backlog-index.ts';
import { inTransaction } from './transaction.ts';

const TIME_LIMIT = '1s';

/** Posts are found by partial indexes only, as far as there is something to tell: a million that wait cost nothing. */
const READ = `
  select
    (select count(*)::integer
     from (select from post where next_action_at <= now() limit ${COUNTED_AT_MOST}) as due) as overdue,
    (select extract(epoch from now() - min(next_action_at))::float8
     from post where next_action_at <= now()) as oldest_overdue_seconds,
    (select coalesce(jsonb_agg(to_jsonb(counted)), '[]')
     from (select state, hold->>'reason' as reason, count(*)::integer as posts
           from post where ${NEEDS_ATTENTION} group by state, hold->>'reason') as counted) as groups,
    (select coalesce(jsonb_agg(to_jsonb(counted) order by code, tried), '[]')
     from (select error->>'code' as code, tried, count(*)::integer as gates
           from gate group by error->>'code', tried) as counted) as shut_gates`;

type Row = {
  readonly overdue: number;
  readonly oldest_overdue_seconds: number | null;
  readonly groups: readonly {
    readonly state: PostState;
    readonly reason: HoldReason | null;
    readonly posts: number;
  }[];
  readonly shut_gates: BacklogFigures['shutGates'];
};

export function postgresBacklog({ pool }: Pick<Database, 'pool'>): Backlog {
  return {
    async read() {
      const row = await inTransaction(pool, async (client) => {
        await client.query(`set local statement_timeout = '${TIME_LIMIT}'`);
        const { rows } = await client.query<Row>(READ);
        return rows[0];
      });
      if (row === undefined) throw new Error('the database counted nothing, not even 0');
      const { overdue, oldest_overdue_seconds, groups, shut_gates } = row;
      const held: Record<HoldReason, number> = { RECONNECT: 0, QUOTA: 0, PLATFORM_OUTAGE: 0, LATE: 0 };
      for (const { reason, posts } of groups) if (reason !== null) held[reason] += posts;
      const inState = (wanted: PostState) => groups.find(({ state }) => state === wanted)?.posts ?? 0;
      return {
        overdue,
        oldestOverdueSeconds: oldest_overdue_seconds ?? 0,
        held,
        unconfirmed: inState('UNCONFIRMED'),
        setAside: inState('FAILED'),
        shutGates: shut_gates,
      };
    },
  };
}
