import { vi } from 'vitest';
import type { ServiceProcess, Surroundings } from './service-process.ts';
import { hurry } from './story.ts';
import { witnessWaited } from './witness-time.ts';

type World = Pick<Surroundings, 'sql'> & Pick<ServiceProcess, 'clients'>;

/**
 * The waits of the witness are over: as if so many seconds had gone by. Whoever works on the post is waited for: a worker that changes
 * nothing lets go without an event, and nobody would look again.
 */
export async function letTimePass(world: World, postId: string, seconds: number): Promise<void> {
  await vi.waitUntil(
    async () => (await world.sql('select from post where id = $1 and lease_owner is null', [postId])).length === 1,
    { timeout: 30_000 },
  );
  await witnessWaited(world, [postId], seconds);
  await hurry(world, postId);
}

export async function isClosed({ sql }: Pick<World, 'sql'>, postId: string): Promise<boolean> {
  const [row] = await sql('select bool_and(close_time is not null) as closed from media_address where post_id = $1', [
    postId,
  ]);
  return row?.['closed'] === true;
}
