import { Client } from 'pg';

/** All of them are due some day of the next month, and none today. */
const FIRST_DUE = `now() + interval '1 day'`;
const DUE_WITHIN = `interval '30 days'`;

const COLUMNS = `
  select string_agg(quote_ident(column_name), ', ' order by ordinal_position) as columns
  from information_schema.columns
  where table_schema = 'public' and table_name = $1 and column_name <> all($2::text[]) and is_identity = 'NO'`;

/** What TikTok takes of one account until the last of them is due: about 15 posts a day. */
const POSTS_OF_AN_ACCOUNT = 15 * 30;

/**
 * Makes `posts` waiting posts of those that are there, each with its video, its event and its request, in the order of time: ids that are
 * older than any of now. They belong to so many accounts as TikTok would take them of, copies of those that are there. What they have but
 * for their names and times is whatever the service stored itself. By a connection of its own: those of the service may not take as long
 * as a million posts do.
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
  const postColumns = await others('post', ['id', 'connection_id', 'video_id', 'schedule_time', 'next_action_at']);
  const eventColumns = await others('post_event', ['post_id', 'connection_id', 'txid']);
  const connectionColumns = await others('connection', ['id', 'open_id']);
  const videoColumns = await others('video', ['id']);
  await client.query('create table bench_post as select row_number() over () - 1 as number, post.* from post');
  const { rows } = await client.query<{ there: string }>('select count(*) as there from bench_post');
  const there = Number(rows[0]?.there);
  const accounts = Math.max(there, Math.ceil(posts / POSTS_OF_AN_ACCOUNT));
  for (const [table, key] of [
    ['post_event', 'post_event.post_id = bench_post.id'],
    ['connection', 'connection.id = bench_post.connection_id'],
    ['video', 'video.id = bench_post.video_id'],
  ] as const) {
    await client.query(
      `create table bench_${table} as select number, ${table}.* from ${table} join bench_post on ${key}`,
    );
  }
  const named = (prefix: string, number: string) => `'${prefix}_' || lpad((${number})::text, 26, '0')`;
  const each = (from: string, count = posts) =>
    `(select n, ${named('post', 'n')} as made, ${named('conn', `n % ${accounts}`)} as connection, ${named('vid', 'n')} as video,
        ${FIRST_DUE} + n * ${DUE_WITHIN} / ${count} as due
      from generate_series(0, ${count} - 1) as n) as new
     join ${from} as old on old.number = new.n % ${accounts} % ${there}`;
  await client.query('truncate post, post_event, request_key cascade');
  await client.query(
    `insert into connection (id, open_id, ${connectionColumns})
     select connection, open_id || '-' || n, ${connectionColumns} from ${each('bench_connection', accounts)}`,
  );
  await client.query(
    `insert into video (id, ${videoColumns}) select video, ${videoColumns} from ${each('bench_video')}`,
  );
  await client.query(
    `insert into post (id, connection_id, video_id, schedule_time, next_action_at, ${postColumns})
     select made, connection, video, due, due, ${postColumns} from ${each('bench_post')}`,
  );
  await client.query(
    `insert into post_event (post_id, connection_id, ${eventColumns})
     select made, connection, ${eventColumns} from ${each('bench_post_event')}`,
  );
  await client.query(
    `insert into request_key (workspace_id, request_id, payload_hash, resource_id)
     select workspace_id, 'request-' || n, md5(n::text), made from ${each('bench_post')}`,
  );
  await client.query('drop table bench_post, bench_post_event, bench_connection, bench_video');
  await client.query('vacuum (analyze)');
}
