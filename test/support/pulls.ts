import type { ServiceProcess, Surroundings } from './service-process.ts';
import { hurry } from './story.ts';

type World = Pick<Surroundings, 'sql'> & Pick<ServiceProcess, 'clients'>;

/** The waits of the witness are over: as if so many seconds had gone by. */
export async function letTimePass(world: World, postId: string, seconds: number): Promise<void> {
  const by = `make_interval(secs => ${seconds})`;
  await world.sql(`update attempt set start_time = start_time - ${by} where post_id = $1 and outcome is null`, [
    postId,
  ]);
  await world.sql(`update media_address set close_time = close_time - ${by} where post_id = $1`, [postId]);
  await world.sql(
    `update media_fetch set fetch_time = fetch_time - ${by}
     where token_sha256 in (select token_sha256 from media_address where post_id = $1)`,
    [postId],
  );
  await hurry(world, postId);
}

export async function isClosed({ sql }: Pick<World, 'sql'>, postId: string): Promise<boolean> {
  const [row] = await sql('select bool_and(close_time is not null) as closed from media_address where post_id = $1', [
    postId,
  ]);
  return row?.['closed'] === true;
}
