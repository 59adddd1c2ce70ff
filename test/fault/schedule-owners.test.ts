import { describe, expect, it } from 'vitest';
import { seen } from '../support/changes.ts';
import { noteClaims } from '../support/claim-log.ts';
import { eachPublishedOnce } from '../support/crowds.ts';
import { inTurn } from '../support/in-turn.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  connectNewAccount,
  dateOf,
  getPost,
  type Post,
  postThat,
  publish,
  publishedOnce,
  ring,
  timestamp,
  upload,
} from '../support/story.ts';

const surroundings = realService();

/** By the database's clock, which is the one that counts. */
async function inSeconds({ sql }: Pick<Surroundings, 'sql'>, seconds: number) {
  const [row] = await sql('select now() + make_interval(secs => $1) as time', [seconds]);
  return timestamp(row?.['time'] as Date);
}

/** What the service said that somebody should look into, in whatever form. */
const complaints = ({ log, output }: ServiceProcess) => [
  ...log().filter(({ level }) => Number(level) >= 40),
  ...output()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('{')),
];

describe('SCH-03 a worker killed at the due second', () => {
  it('SCH-03 loses its post to another one when its lease ends, and not before', async () => {
    const world = await surroundings();
    const environment = { LEASE_SECONDS: '2' };
    const doomed = await world.start({ haltAt: 'claimed', environment });
    const small = await upload(doomed.clients);
    const connection = await connectNewAccount({ clients: doomed.clients, sandbox: world.sandbox });
    const claims = await noteClaims(world.sql);
    const schedule_time = await inSeconds(world, 1);
    const { post_id } = await publish(doomed.clients, { ...aPost(connection, small), schedule_time });
    await doomed.halted('claimed');
    // The other one is there, and works, before the first is gone.
    const heir = await world.start({ environment });
    const another = await publish(heir.clients, aPost(connection, small));
    await postThat(heir.clients, another.post_id, 'PUBLISHED');

    await doomed.kill();
    const post = await postThat(heir.clients, post_id, 'PUBLISHED');
    publishedOnce(world.sandbox, post, small);
    expect(post.attempts).toHaveLength(1);
    const [first, takeover] = (await claims()).filter((claim) => claim.post_id === post_id);
    expect(first).toMatchObject({ owner: expect.stringContaining(`:${doomed.pid}:`), owner_before: null });
    expect(first?.claim_time.getTime()).toBeGreaterThanOrEqual(dateOf(schedule_time).getTime());
    expect(takeover).toMatchObject({ owner: expect.stringContaining(`:${heir.pid}:`), owner_before: first?.owner });
    expect(takeover?.claim_time.getTime()).toBeGreaterThanOrEqual(takeover?.held_until.getTime() ?? Number.NaN);
    await heir.kill();
  });

  it('SCH-03 held it for 60 s at most, unless LEASE_SECONDS says otherwise', async () => {
    const world = await surroundings();
    const worker = await world.start({ haltAt: 'claimed' });
    const connection = await connectNewAccount({ clients: worker.clients, sandbox: world.sandbox });
    const { post_id } = await publish(worker.clients, aPost(connection, await upload(worker.clients)));
    await worker.halted('claimed');
    const [row] = await world.sql(
      `select lease_owner, extract(epoch from next_action_at - clock_timestamp())::float8 as seconds_left
       from post where id = $1`,
      [post_id],
    );
    expect(String(row?.['lease_owner'])).toContain(`:${worker.pid}:`);
    expect(row?.['seconds_left']).toBeLessThanOrEqual(60);
    await worker.kill();
  });
});

describe('SCH-06 a doorbell that rings again and again, everywhere', () => {
  it('SCH-06 gives each claim of a post one owner, and each post goes out once', { timeout: 120_000 }, async () => {
    const world = await surroundings();
    const workers = await Promise.all([world.start(), world.start()]);
    const [one] = workers;
    const small = await upload(one.clients);
    const connections = await Promise.all(
      Array.from({ length: 8 }, () => connectNewAccount({ clients: one.clients, sandbox: world.sandbox })),
    );
    const claims = await noteClaims(world.sql);
    const schedule_time = await inSeconds(world, 3);
    const posts = await Promise.all(
      connections.flatMap((connection) =>
        Array.from({ length: 5 }, () => publish(one.clients, { ...aPost(connection, small), schedule_time })),
      ),
    );
    const ids = posts.map(({ post_id }) => post_id);

    // Agenda's own bell, many times over for either process, and whoever else may ring.
    const sql = inTurn(world.sql);
    const bell = () =>
      sql(`insert into agenda_jobs (name, next_run_at) select 'wake the engine', now() from generate_series(1, 20)`);
    const ringing = new AbortController();
    const ringers = [...workers, ...workers].map(async ({ clients }) => {
      while (!ringing.signal.aborted) await Promise.all([ring(clients), ring(clients), ring(clients), bell()]);
    });
    try {
      await seen(
        one.clients,
        async () => {
          const left = await sql(`select 1 from post where id = any($1) and state <> 'PUBLISHED'`, [ids]);
          return left.length === 0;
        },
        { withinSeconds: 100, describe: () => sql('select id, state from post where id = any($1)', [ids]) },
      );
    } finally {
      ringing.abort();
      await Promise.all(ringers);
    }

    const captions = posts.map(({ caption }) => caption);
    eachPublishedOnce(world.sandbox, captions, small);
    const wanted = new Set<string | null>(captions);
    expect(world.sandbox.control.ledger().inits.filter(({ title }) => wanted.has(title))).toHaveLength(posts.length);
    const noted = await claims();
    // Nobody took what somebody else, or an earlier look of the same process, still held.
    expect(noted.filter(({ owner_before }) => owner_before !== null)).toEqual([]);
    const owners = Map.groupBy(noted, ({ post_id, fence }) => `${post_id} ${fence}`);
    expect([...owners.values()].filter((same) => same.length > 1)).toEqual([]);
    const shares = Map.groupBy(noted, ({ owner }) => owner);
    console.info(
      `${noted.length} claims of ${posts.length} posts: ${[...shares.values()].map((each) => each.length).join(' + ')}`,
    );
    await Promise.all(workers.map((each) => each.kill()));
  });
});

describe('SCH-11 six processes that start at once on an empty database', () => {
  it('SCH-11 all come up with one migration, work as one, and end with code 0 and without a complaint', {
    timeout: 180_000,
  }, async () => {
    const world = await surroundings();
    const replicas = await Promise.all(Array.from({ length: 6 }, () => world.start()));
    const [first] = replicas;
    if (first === undefined) throw new Error('nobody is there');
    const migrations = await world.sql(
      'select name, count(*)::integer as times from mikro_orm_migrations group by name order by name',
    );
    expect(migrations.length).toBeGreaterThan(0);
    expect(migrations.filter(({ times }) => times !== 1)).toEqual([]);
    const jobs = await world.sql('select name, count(*)::integer as times from agenda_jobs group by name');
    expect(jobs.filter(({ times }) => times !== 1)).toEqual([]);

    const small = await upload(first.clients);
    const connection = await connectNewAccount({ clients: first.clients, sandbox: world.sandbox });
    const posts: Post[] = [];
    for (const { clients } of replicas) posts.push(await publish(clients, aPost(connection, small)));
    for (const { post_id } of posts) {
      await postThat(first.clients, post_id, 'PUBLISHED');
      publishedOnce(world.sandbox, await getPost(first.clients, post_id), small);
    }

    expect(await Promise.all(replicas.map((each) => each.stop()))).toEqual(replicas.map(() => 0));
    expect(replicas.flatMap(complaints)).toEqual([]);
  });
});
