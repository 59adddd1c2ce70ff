import { get } from 'node:http';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { seen } from '../support/changes.ts';
import { eachPublishedOnce } from '../support/crowds.ts';
import { errorDetails } from '../support/grpc-client.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectNewAccount,
  getPost,
  type Post,
  postThat,
  publish,
  publishedOnce,
  ring,
  timestamp,
  upload,
  uploadBytes,
} from '../support/story.ts';

const surroundings = realService();

/** The smallest that TIKTOK_CHUNK_BYTES may be. */
const CHUNK_BYTES = 10_485_760;
const environment = { TIKTOK_CHUNK_BYTES: String(CHUNK_BYTES) };

/** What a probe of readiness sees, over a connection of its own: the status of the answer, or that nobody is there to answer. */
const readiness = ({ httpUrl }: ServiceProcess): Promise<number | 'REFUSED'> =>
  new Promise((resolve) => {
    get(`${httpUrl}/readyz`, { agent: false }, (answer) => resolve(answer.resume().statusCode ?? 0)).on('error', () =>
      resolve('REFUSED'),
    );
  });

/** As soon as it is no longer what it was. */
async function readinessAfter(before: number, process: ServiceProcess): Promise<number | 'REFUSED'> {
  for (;;) {
    const now = await readiness(process);
    if (now !== before) return now;
  }
}

/** What TikTok was sent for this post, in bytes, however often. */
function bytesSent({ sandbox }: Surroundings, { publish_id }: Post): number {
  const calls = sandbox.control.ledger().calls.filter(({ publishId }) => publishId === publish_id);
  return calls.reduce((sum, { range }) => {
    const [, first, last] = /^bytes (\d+)-(\d+)/.exec(range ?? '') ?? [];
    return first === undefined ? sum : sum + Number(last) - Number(first) + 1;
  }, 0);
}

describe('SCH-04 a rolling restart', () => {
  const RESTARTS = 20;

  it('SCH-04 of 20 processes during one upload: each goes on where the one before was, and no byte is sent twice', {
    timeout: 300_000,
  }, async () => {
    const world = await surroundings();
    const { control } = world.sandbox;
    let working = await world.start({ environment });
    const size = (RESTARTS + 1) * CHUNK_BYTES;
    const video = await uploadBytes(working.clients, await bigMp4Stream(size));
    const connection = await connectNewAccount({ clients: working.clients, sandbox: world.sandbox });
    // TikTok has the chunk, and its answer is on its way.
    const { username: account } = connection.account;
    const holdAfter = (chunk: number) =>
      control.addFault({ endpoint: 'upload', kind: 'hold', when: 'after', chunk, account });

    let held = holdAfter(0);
    const { post_id } = await publish(working.clients, aPost(connection, video));
    for (let restart = 1; restart <= RESTARTS; restart += 1) {
      const [hold, successor] = await Promise.all([
        control.waitForHold({ faultId: held.id }),
        world.start({ environment }),
      ]);
      expect(await readiness(working)).toBe(200);
      const stopped = working.stop();
      // At once, while it still waits for that answer.
      expect([503, 'REFUSED']).toContain(await readinessAfter(200, working));
      const [row] = await world.sql('select lease_owner from post where id = $1', [post_id]);
      expect(String(row?.['lease_owner'])).toContain(`:${working.pid}:`);
      if (restart < RESTARTS) held = holdAfter(restart);
      control.release(hold.id);
      expect(await stopped).toBe(0);
      working = successor;
      await ring(working.clients);
    }

    const post = await postThat(working.clients, post_id, 'PUBLISHED');
    publishedOnce(world.sandbox, post, video);
    expect(post.attempts).toHaveLength(1);
    const { inits, uploads } = control.ledger();
    expect(inits.filter(({ title }) => title === post.caption)).toHaveLength(1);
    const ranges = uploads.find(({ publishId }) => publishId === post.publish_id)?.ranges ?? [];
    expect(ranges.map(({ first, last }) => [first, last])).toEqual(
      Array.from({ length: RESTARTS + 1 }, (_, index) => [index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES - 1]),
    );
    expect(bytesSent(world, post) - size).toBeLessThan(CHUNK_BYTES);
    await working.kill();
  });
});

describe('A worker that is told to stop under load', () => {
  it('ends with code 0, gives every lease back, and the next one goes on at the same byte', {
    timeout: 180_000,
  }, async () => {
    const world = await surroundings();
    const { control } = world.sandbox;
    const stopping = await world.start({ environment });
    const connect = () => connectNewAccount({ clients: stopping.clients, sandbox: world.sandbox });
    const [ofBig, ...connections] = await Promise.all(Array.from({ length: 13 }, connect));
    if (ofBig === undefined) throw new Error('no connection');
    const small = await upload(stopping.clients);
    const size = 4 * CHUNK_BYTES;
    const video = await uploadBytes(stopping.clients, await bigMp4Stream(size));

    const fault = control.addFault({
      endpoint: 'upload',
      kind: 'hold',
      when: 'after',
      chunk: 1,
      account: ofBig.account.username,
    });
    const big = await publish(stopping.clients, aPost(ofBig, video));
    const hold = await control.waitForHold({ faultId: fault.id });
    const request = (connection: Connection) => aPost(connection, small);
    const accepted = await Promise.all(
      [...connections, ...connections].map((connection) => publish(stopping.clients, request(connection))),
    );
    // Callers go on calling. Who is not answered any more asks the next process the same.
    const late = connections.map(request);
    const answers = late.map((each) => publish(stopping.clients, each).catch((error: unknown) => errorDetails(error)));
    const stopped = stopping.stop();
    control.release(hold.id);
    // After 25 s it would have ended itself, with code 1.
    expect(await stopped).toBe(0);
    for (const answer of await Promise.all(answers)) {
      if ('errorInfos' in answer) expect(answer).toMatchObject({ code: status.UNAVAILABLE });
    }
    expect(await world.sql('select id, state from post where lease_owner is not null')).toEqual([]);
    const [row] = await world.sql('select bytes_sent::integer as bytes from attempt where post_id = $1', [big.post_id]);
    expect(row).toEqual({ bytes: 2 * CHUNK_BYTES });

    const next = await world.start({ environment });
    const repeated = await Promise.all(late.map((each) => publish(next.clients, each)));
    const posts = [...accepted, ...repeated];
    const ids = [big, ...posts].map(({ post_id }) => post_id);
    await seen(
      next.clients,
      async () =>
        (await world.sql(`select 1 from post where id = any($1) and state <> 'PUBLISHED'`, [ids])).length === 0,
      {
        withinSeconds: 120,
        describe: () => world.sql('select id, state, phase, next_action_at, error from post where id = any($1)', [ids]),
      },
    );
    eachPublishedOnce(
      world.sandbox,
      posts.map(({ caption }) => caption),
      small,
    );
    const finished = await getPost(next.clients, big.post_id);
    publishedOnce(world.sandbox, finished, video);
    expect(finished.attempts).toHaveLength(1);
    expect(bytesSent(world, finished)).toBe(size);
    await next.kill();
  });
});

describe('SCH-10 a service that was off for six hours', () => {
  /** Of the service's own TikTok limit: so many announcements of an account a minute. */
  const TURNS = 6;

  it('SCH-10 does with each post what its late policy says, account by account in turn, and says so', {
    timeout: 120_000,
  }, async () => {
    const world = await surroundings({ initPerMinute: TURNS });
    const before = await world.start();
    const small = await upload(before.clients);
    const connect = () => connectNewAccount({ clients: before.clients, sandbox: world.sandbox });
    const [usual, holding, failing] = await Promise.all([connect(), connect(), connect()]);
    const schedule_time = timestamp(new Date(Date.now() + 1_800_000));
    const send = (connection: Connection, parts = {}) =>
      publish(before.clients, { ...aPost(connection, small), schedule_time, ...parts });
    const an_hour = { seconds: '3600', nanos: 0 };
    const published = await Promise.all(Array.from({ length: TURNS + 3 }, () => send(usual)));
    const held = await Promise.all(
      [0, 1].map(() => send(holding, { late_policy: { max_lateness: an_hour, action: 'LATE_ACTION_HOLD' } })),
    );
    const failed = await Promise.all(
      [0, 1].map(() => send(failing, { late_policy: { max_lateness: an_hour, action: 'LATE_ACTION_FAIL' } })),
    );
    const lenient = await send(failing, { late_policy: { max_lateness: an_hour, action: 'LATE_ACTION_PUBLISH' } });
    expect(await before.stop()).toBe(0);
    await world.sql(
      `update post set schedule_time = schedule_time - interval '6 hours 30 minutes',
         next_action_at = next_action_at - interval '6 hours 30 minutes', create_time = create_time - interval '7 hours'`,
    );

    const after = await world.start();
    const { clients } = after;
    const all = [...published, ...held, ...failed, lenient];
    const rows = async (posts: readonly Post[]) =>
      world.sql(
        `select id, state, hold->>'reason' as hold, error->>'code' as error, turn_time > now() as waits_its_turn
         from post where id = any($1)`,
        [posts.map(({ post_id }) => post_id)],
      );
    await seen(
      clients,
      async () => {
        const seenRows = await rows(all);
        return seenRows.every(
          ({ state, waits_its_turn }) => (state !== 'SCHEDULED' && state !== 'PUBLISHING') || waits_its_turn === true,
        );
      },
      { describe: () => rows(all) },
    );
    // TikTok takes six posts of an account a minute: the others have a turn of their own, later.
    const early = await rows(published);
    expect(early.filter(({ state }) => state === 'PUBLISHED')).toHaveLength(TURNS);
    expect(early.filter(({ state, waits_its_turn }) => state === 'SCHEDULED' && waits_its_turn === true)).toHaveLength(
      3,
    );

    for (const { post_id } of held) {
      expect(await getPost(clients, post_id)).toMatchObject({
        state: 'POST_STATE_HELD',
        hold: { reason: 'HOLD_REASON_LATE', release_time: null },
        error: { code: 'SCHEDULE_MISSED' },
      });
    }
    for (const { post_id } of failed) {
      expect(await getPost(clients, post_id)).toMatchObject({
        state: 'POST_STATE_FAILED',
        error: { code: 'SCHEDULE_MISSED' },
      });
    }
    const { inits } = world.sandbox.control.ledger();
    const silent = new Set<string | null>([...held, ...failed].map(({ caption }) => caption));
    expect(inits.filter(({ title }) => silent.has(title))).toEqual([]);

    // A minute passes: at TikTok, and for those who wait their turn.
    world.sandbox.control.advanceClock(62_000);
    await world.sql(`update turn set times = array(select unnest(times) - interval '62 seconds')`);
    await world.sql(
      `update post set turn_time = turn_time - interval '62 seconds', next_action_at = next_action_at - interval '62 seconds'
       where turn_time > now()`,
    );
    await ring(clients);
    await seen(clients, async () => (await rows([...published, lenient])).every(({ state }) => state === 'PUBLISHED'), {
      describe: () => rows(all),
    });
    const wanted = [...published, lenient];
    eachPublishedOnce(
      world.sandbox,
      wanted.map(({ caption }) => caption),
      small,
    );
    const late = await world.sql(`select min(dispatch_lateness_seconds) as least from post where id = any($1)`, [
      wanted.map(({ post_id }) => post_id),
    ]);
    expect(late[0]?.['least']).toBeGreaterThan(5 * 3600);
    expect(world.sandbox.control.ledger().calls.filter(({ errorCode }) => errorCode === 'rate_limit_exceeded')).toEqual(
      [],
    );
    await after.kill();
  });
});
