import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { startOwnPostgres } from '../chaos/own-postgres.ts';
import { seen } from '../support/changes.ts';
import { eachPublishedOnce, manyConnections } from '../support/crowds.ts';
import { halfStates } from '../support/half-states.ts';
import { clockWrongBy } from '../support/preloaded.ts';
import { realService, type ServiceProcess } from '../support/service-process.ts';
import { aPost, connectNewAccount, type Post, publish, ring, timestamp, upload } from '../support/story.ts';

const surroundings = realService();
const endings: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const end of endings.reverse()) await end();
});

type Ask = (text: string, values?: readonly unknown[]) => Promise<readonly Record<string, unknown>[]>;

const idsOf = (posts: readonly Post[]) => posts.map(({ post_id }) => post_id);
const captionsOf = (posts: readonly Post[]) => posts.map(({ caption }) => caption);

const allPublished = ({ clients }: ServiceProcess, ask: Ask, posts: readonly Post[], withinSeconds = 45) =>
  seen(
    clients,
    async () =>
      (await ask(`select 1 from post where id = any($1) and state <> 'PUBLISHED'`, [idsOf(posts)])).length === 0,
    {
      withinSeconds,
      describe: () =>
        ask(
          `select id, state, phase, lease_owner, lapses, next_action_at - now() as due_in, error from post
           where id = any($1) and state <> 'PUBLISHED'`,
          [idsOf(posts)],
        ),
    },
  );

/** By the database's clock, which is the one that counts. */
async function inSeconds(ask: Ask, seconds: number) {
  const [row] = await ask('select now() + make_interval(secs => $1) as time', [seconds]);
  return timestamp(row?.['time'] as Date);
}

describe("SCH-05 Agenda's store", () => {
  it.each([
    ['is emptied', 'delete from agenda_jobs'],
    ['is dropped', 'drop table agenda_jobs'],
  ])('SCH-05 %s while posts wait: all go out all the same', { timeout: 120_000 }, async (_, wipe) => {
    const world = await surroundings();
    const workers = await Promise.all([world.start(), world.start()]);
    const [one, other] = workers;
    const small = await upload(one.clients);
    const connections = await Promise.all(
      Array.from({ length: 3 }, () => connectNewAccount({ clients: one.clients, sandbox: world.sandbox })),
    );
    const later = await inSeconds(world.sql, 3_600);
    const waiting = await Promise.all(
      connections.flatMap((connection) => [
        publish(one.clients, { ...aPost(connection, small), schedule_time: later }),
        publish(other.clients, { ...aPost(connection, small), schedule_time: later }),
      ]),
    );
    // Set aside of the calls that need it, so a little later.
    await vi.waitUntil(
      async () => (await world.sql(`select 1 from agenda_jobs where name = 'wake the engine'`)).length === 1,
      { timeout: 30_000 },
    );
    await world.sql(wipe);
    // Their hour comes, and no bell knows of it.
    await world.sql(
      `update post set schedule_time = now() + interval '1 second', next_action_at = now() + interval '1 second'
       where id = any($1)`,
      [idsOf(waiting)],
    );
    const soon = await inSeconds(world.sql, 2);
    const afterwards = await Promise.all(
      connections.map((connection) => publish(other.clients, { ...aPost(connection, small), schedule_time: soon })),
    );

    const posts = [...waiting, ...afterwards];
    await allPublished(one, world.sql, posts);
    eachPublishedOnce(world.sandbox, captionsOf(posts), small);
    expect(await Promise.all(workers.map((each) => each.stop()))).toEqual([0, 0]);
  });
});

describe('SCH-07 workers whose clocks are wrong by a quarter of an hour', () => {
  const QUARTER = 900;

  it.each([
    { clocks: 'fast', skews: [QUARTER] },
    { clocks: 'slow', skews: [-QUARTER] },
    { clocks: 'fast and slow', skews: [QUARTER, -QUARTER] },
  ])(
    'SCH-07 $clocks: no post goes out early, none twice, and none is taken for late',
    { timeout: 120_000 },
    async ({ skews }) => {
      const world = await surroundings();
      const workers = await Promise.all(skews.map((skew) => world.start({ environment: clockWrongBy(skew) })));
      const [one] = workers;
      if (one === undefined) throw new Error('nobody is there');
      // They really are.
      for (const [index, skew] of skews.entries()) {
        const { time } = (await workers[index]?.logged('ready')) ?? {};
        expect(Math.abs(Number(time) - Date.now() - skew * 1000)).toBeLessThan((QUARTER * 1000) / 2);
      }
      const small = await upload(one.clients);
      const connections = await Promise.all(
        Array.from({ length: 3 }, () => connectNewAccount({ clients: one.clients, sandbox: world.sandbox })),
      );
      const schedule_time = await inSeconds(world.sql, 4);
      const late_policy = { max_lateness: { seconds: String(QUARTER / 2), nanos: 0 }, action: 'LATE_ACTION_FAIL' };
      const posts = await Promise.all(
        workers.flatMap(({ clients }) =>
          connections.flatMap((connection) => [
            publish(clients, { ...aPost(connection, small), late_policy, schedule_time }),
            publish(clients, { ...aPost(connection, small), late_policy }),
          ]),
        ),
      );

      await allPublished(one, world.sql, posts);
      eachPublishedOnce(world.sandbox, captionsOf(posts), small);
      const wanted = new Set<string | null>(captionsOf(posts));
      expect(world.sandbox.control.ledger().inits.filter(({ title }) => wanted.has(title))).toHaveLength(posts.length);
      // The outbox has the times of the database.
      const begun = await world.sql(
        `select extract(epoch from min(event_time) - min(schedule_time))::float8 as seconds,
         min(dispatch_lateness_seconds) as told, extract(epoch from min(create_time) - now())::float8 as created
       from post join post_event on post_id = id and post_event.post->>'state' = 'PUBLISHING' where id = any($1)
       group by id`,
        [idsOf(posts)],
      );
      expect(begun).toHaveLength(posts.length);
      for (const { seconds, told, created } of begun) {
        expect(seconds).toBeGreaterThanOrEqual(0);
        expect(Math.abs(Number(told) - Number(seconds))).toBeLessThan(QUARTER / 2);
        expect(Math.abs(Number(created))).toBeLessThan(QUARTER / 2);
      }
      expect(await Promise.all(workers.map((each) => each.stop()))).toEqual(workers.map(() => 0));
    },
  );
});

describe('SCH-08 a database that breaks down', () => {
  it('SCH-08 again and again while two workers claim and publish leaves nothing half done', {
    timeout: 240_000,
  }, async () => {
    const world = await surroundings();
    const { control } = world.sandbox;
    const folder = await mkdtemp(join(tmpdir(), 'connector-crash-'));
    endings.push(() => rm(folder, { recursive: true, force: true }));
    const postgres = await startOwnPostgres(join(folder, 'postgres'));
    endings.push(() => postgres.stop());
    const ask: Ask = (text, values) => postgres.ask(text, values);

    const environment = { DATABASE_URL: postgres.url, LEASE_SECONDS: '2' };
    const workers = await Promise.all([world.start({ environment }), world.start({ environment })]);
    const [one] = workers;
    const small = await upload(one.clients);
    const connections = await manyConnections({ ...world, databaseUrl: postgres.url }, one, 40);
    const later = await inSeconds(ask, 3_600);
    const posts = await Promise.all(
      connections.map((connection) => publish(one.clients, { ...aPost(connection, small), schedule_time: later })),
    );

    // All at one moment; what each answer finds is a database that is not there.
    const faults = (['creator_info', 'video_init', 'upload', 'status'] as const).map((endpoint) =>
      control.addFault({ endpoint, kind: 'hold', when: 'after' }),
    );
    await ask(`update post set schedule_time = now(), next_action_at = now() where state = 'SCHEDULED'`);
    await Promise.all(workers.map(({ clients }) => ring(clients)));
    for (const fault of faults) {
      const hold = await control.waitForHold({ faultId: fault.id });
      const crashed = postgres.crash();
      control.release(hold.id);
      await crashed;
      expect(await halfStates(ask)).toEqual({});
    }

    await allPublished(one, ask, posts, 150);
    expect(await halfStates(ask)).toEqual({});
    eachPublishedOnce(world.sandbox, captionsOf(posts), small);
    expect(await Promise.all(workers.map((each) => each.stop()))).toEqual([0, 0]);
  });
});
