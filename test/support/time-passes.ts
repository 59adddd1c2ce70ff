import { vi } from 'vitest';
import type { ServiceProcess, Surroundings } from './service-process.ts';
import { ring } from './story.ts';

type World = Pick<Surroundings, 'sandbox' | 'sql'>;

/** Every moment that a later one is measured against. */
const TIMES = {
  post: ['schedule_time', 'turn_time', 'next_action_at'],
  attempt: ['start_time', 'upload_expire_time', 'finalize_time'],
  media_address: ['close_time'],
  media_fetch: ['fetch_time'],
  gate: ['shut_until'],
  connection: ['access_expire_time', 'refresh_expire_time'],
  credential: ['access_expire_time', 'refresh_expire_time'],
} as const;

/** What a worker has, or takes now: its moments must not be moved under it. */
const BUSY = 'lease_owner is not null or next_action_at <= clock_timestamp()';

/**
 * Once nobody works on a post any more: moves time on, for TikTok and for the record alike, to the next moment that a post waits
 * for. Gives by how many seconds; undefined when none waits.
 */
export const skipToNextMoment = (world: World, processes: readonly ServiceProcess[]): Promise<number | undefined> =>
  whenIdle(world, processes, (untilNext) => untilNext);

/** As `skipToNextMoment`, by so many seconds: as if nobody had looked meanwhile. */
export const timePasses = (world: World, processes: readonly ServiceProcess[], seconds: number): Promise<unknown> =>
  whenIdle(world, processes, () => seconds);

async function whenIdle(
  world: World,
  processes: readonly ServiceProcess[],
  choose: (untilNext: number | undefined) => number | undefined,
): Promise<number | undefined> {
  const { sql } = world;
  const moved = await vi.waitUntil(
    async () => {
      await sql('begin');
      try {
        // Whoever claims passes over what is locked. In the order of all who lock many, so that nobody waits crosswise.
        await sql('select id from post where next_action_at is not null order by id for update');
        const [row] = await sql(
          `select bool_or(${BUSY}) as busy, extract(epoch from min(next_action_at) - clock_timestamp())::float8 as seconds
           from post where next_action_at is not null`,
        );
        if (row?.['busy'] === true) return undefined;
        const seconds = choose((row?.['seconds'] as number | null) ?? undefined);
        if (seconds !== undefined) await moveOn(world, Math.ceil(seconds * 1000));
        return { seconds };
      } finally {
        await sql('commit');
      }
    },
    { timeout: 60_000, interval: 20 },
  );
  await Promise.all(processes.map(({ clients }) => ring(clients)));
  return moved.seconds;
}

async function moveOn({ sandbox, sql }: World, milliseconds: number): Promise<void> {
  sandbox.control.advanceClock(milliseconds);
  const by = `make_interval(secs => ${milliseconds / 1000})`;
  for (const [table, columns] of Object.entries(TIMES)) {
    await sql(`update ${table} set ${columns.map((column) => `${column} = ${column} - ${by}`).join(', ')}`);
  }
  await sql(`update turn set times = array(select unnest(times) - ${by})`);
}
