import { Client } from 'pg';

/** All of them are due some day of the next month, and none today. */
const FIRST_DUE = `now() + interval '1 day'`;
const DUE_WITHIN = `interval '30 days'`;

const COLUMNS = `
  select string_agg(quote_ident(column_name), ', ' order by ordinal_position) as columns
  from information_schema.columns
  where table_schema = 'public' and table_name = $1 and column_name <> all($2::text[]) and is_identity = 'NO'`;

/**
 * Makes `posts` waiting posts of those that are there, each with its event and its request, in the order of time: ids that are older than
 * any of now. What they have but for their names and times is whatever the service stored itself. By a connection of its own: those of the
 * service may not take as long as a million posts do.
 */
export async function fillBacklog(databaseUrl: string, posts: number): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await fill(client, posts);
  } finally {
    await client.end();
  }
}

async function fill(client: Client, posts: number): Promise<void> {
  const others = async (table: string, changed: readonly string[]): Promise<string> => {
    const { rows } = await client.query<{ columns: string }>(COLUMNS, [table, changed]);
    return rows[0]?.columns ?? '';
  };
  const postColumns = await others('post', ['id', 'schedule_time', 'next_action_at']);
  const eventColumns = await others('post_event', ['post_id', 'txid']);
  await client.query('create table bench_post as select row_number() over () - 1 as number, post.* from post');
  await client.query(
    'create table bench_event as select number, post_event.* from post_event join bench_post on id = post_id',
  );
  const each = (from: string) =>
    `(select n, 'post_' || lpad(n::text, 26, '0') as made, ${FIRST_DUE} + n * ${DUE_WITHIN} / $1::int as due
      from generate_series(0, $1::int - 1) as n) as new
     join ${from} as old on old.number = new.n % (select count(*) from bench_post)`;
  await client.query('truncate post, post_event, request_key cascade');
  await client.query(
    `insert into post (id, schedule_time, next_action_at, ${postColumns})
     select made, due, due, ${postColumns} from ${each('bench_post')}`,
    [posts],
  );
  await client.query(
    `insert into post_event (post_id, ${eventColumns}) select made, ${eventColumns} from ${each('bench_event')}`,
    [posts],
  );
  await client.query(
    `insert into request_key (workspace_id, request_id, payload_hash, resource_id)
     select workspace_id, 'request-' || n, md5(n::text), made from ${each('bench_post')}`,
    [posts],
  );
  await client.query('drop table bench_post, bench_event');
  await client.query('vacuum (analyze)');
}
