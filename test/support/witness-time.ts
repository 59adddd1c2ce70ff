import type { Surroundings } from './service-process.ts';

/** For the witness of pulls it is so many seconds later. When its posts are looked at does not change. */
export async function witnessWaited(
  { sql }: Pick<Surroundings, 'sql'>,
  postIds: readonly string[],
  seconds: number,
): Promise<void> {
  const by = `make_interval(secs => ${seconds})`;
  // Who works on a post locks it before its attempts.
  await sql(
    `with locked as materialized (select id from post where id = any($1) order by id for update)
     update attempt set start_time = start_time - ${by} from locked
     where post_id = locked.id and transfer = 'PULL' and outcome is null`,
    [postIds],
  );
  await sql(`update media_address set close_time = close_time - ${by} where post_id = any($1)`, [postIds]);
  await sql(
    `update media_fetch set fetch_time = fetch_time - ${by}
     where token_sha256 in (select token_sha256 from media_address where post_id = any($1))`,
    [postIds],
  );
}
