import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { parseExposition } from '../support/exposition.ts';
import { freshMongodb } from '../support/fresh-mongodb.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import { healthClient } from '../support/standard-clients.ts';
import {
  aPost,
  connectNewAccount,
  getPost,
  type Post,
  postThat,
  publish,
  publishedOnce,
  refused,
  type Timestamp,
  timestamp,
  upload,
} from '../support/story.ts';
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts';

const surroundings = realService();
const FAILS =
  "Agenda's store fails: posts go out by the clock and the sweep of each process. See that AGENDA_MONGODB_URL (else DATABASE_URL) answers; no restart is needed";
const WELL = "Agenda's store is well again";
const RECURRING = [
  'forget authorizations that nobody came back for',
  'forget webhooks that were handled',
  'handle webhooks that wait',
];
/** A call that waited for the store would take its five seconds of patience, or as long as the store is away. */
const MOST_MILLISECONDS = 4_000;

type Place = {
  readonly way: TcpProxy;
  /** What sends the service there. */
  readonly environment: Readonly<Record<string, string>>;
  /** Asked past the way. */
  jobs(): Promise<readonly string[]>;
  wipe(): Promise<void>;
  close(): Promise<void>;
};

/** The same server as the record's, so only Agenda's own connections are made bad. */
async function inPostgres({ databaseUrl, sql }: Surroundings): Promise<Place> {
  const way = await tcpProxy(databaseUrl, (first) => first.includes('tiktok-connector doorbell'));
  return {
    way,
    environment: { DATABASE_URL: way.through(databaseUrl) },
    async jobs() {
      const [table] = await sql(`select to_regclass('agenda_jobs') is not null as there`);
      if (table?.['there'] !== true) return [];
      return (await sql('select name from agenda_jobs order by name')).map(({ name }) => String(name));
    },
    wipe: async () => void (await sql('drop table if exists agenda_jobs')),
    close: () => way.close(),
  };
}

async function inMongodb(): Promise<Place> {
  const { url, jobs, drop } = await freshMongodb();
  const way = await tcpProxy(url);
  return {
    way,
    environment: { AGENDA_MONGODB_URL: way.through(url) },
    jobs: async () => (await jobs.find().sort({ name: 1 }).toArray()).map(({ name }) => String(name)),
    wipe: async () => void (await jobs.drop()),
    async close() {
      await way.close();
      await drop();
    },
  };
}

const soon = (seconds: number) => timestamp(new Date(Date.now() + seconds * 1000));
const said = (service: ServiceProcess, message: string) => service.log().filter(({ msg }) => msg === message);
const until = (what: () => boolean | Promise<boolean>) => vi.waitUntil(what, { timeout: 60_000, interval: 100 });
const latenessOf = (post: Post): number => {
  const { seconds, nanos } = post['dispatch_lateness'] as Timestamp;
  return Number(seconds) + nanos / 1e9;
};

/** None of it takes as long as somebody who waits for the store. */
async function quickly<T>(what: string, call: Promise<T>): Promise<T> {
  const begun = performance.now();
  const answer = await call;
  expect(performance.now() - begun, what).toBeLessThan(MOST_MILLISECONDS);
  return answer;
}

/** Everything that rings, as its callers see it: on time, and as if nothing were. */
async function storyOf({ clients }: ServiceProcess, { sandbox }: Surroundings): Promise<void> {
  const connection = await quickly('connect', connectNewAccount({ clients, sandbox }));
  const video = await quickly('upload', upload(clients));
  const later = { ...aPost(connection, video), schedule_time: soon(3_600) };
  const [now, scheduled, moved, cancelled] = await Promise.all([
    quickly('publish now', publish(clients, aPost(connection, video))),
    quickly('schedule', publish(clients, { ...aPost(connection, video), schedule_time: soon(3) })),
    quickly('schedule', publish(clients, { ...later, caption: 'moved', request_id: `moved ${Math.random()}` })),
    quickly('schedule', publish(clients, { ...later, caption: 'cancelled', request_id: `left ${Math.random()}` })),
  ]);
  const { post_id, etag } = moved;
  await quickly(
    'move',
    clients.posts.UpdatePost({
      post: { post_id, schedule_time: soon(3), caption: now.caption.replace('A', 'Moved: a') },
      update_mask: { paths: ['schedule_time', 'caption'] },
      etag,
    }),
  );
  await quickly('cancel', clients.posts.CancelPost({ post_id: cancelled.post_id }));
  await quickly('refresh', clients.connections.RefreshConnection({ connection_id: connection.connection_id }));
  expect(await refused(quickly('retry', clients.posts.RetryPost({ post_id, request_id: 'retry' })))).toMatchObject({
    reason: 'POST_NOT_RETRYABLE',
  });
  await quickly('list', clients.posts.ListPosts({ workspace_id: 'ws_a' }));
  for (const each of [now, scheduled, moved]) {
    const post = await postThat(clients, each.post_id, 'PUBLISHED');
    publishedOnce(sandbox, post, video);
    // The sweep alone would do with five seconds.
    expect(latenessOf(post)).toBeLessThan(5);
  }
  expect((await getPost(clients, cancelled.post_id)).state).toBe('POST_STATE_CANCELLED');
}

async function statusOf(service: ServiceProcess) {
  const health = healthClient(`127.0.0.1:${service.environment['RPC_PORT']}`);
  try {
    const [ready, ...statuses] = await Promise.all([
      fetch(`${service.httpUrl}/readyz`),
      ...['', 'engine', 'tiktok'].map((name) => health.check(name)),
    ]);
    return [ready.status, ...statuses];
  } finally {
    health.close();
  }
}
const SERVING = [200, 'SERVING', 'SERVING', 'SERVING'];

async function reachable({ httpUrl }: ServiceProcess): Promise<number | undefined> {
  const families = parseExposition(await (await fetch(`${httpUrl}/metrics`)).text());
  return families.get('tiktok_connector_doorbell_reachable')?.samples[0]?.value;
}

function cells(name: string, open: (world: Surroundings) => Promise<Place>): void {
  describe(name, () => {
    let world: Surroundings;
    let place: Place;
    beforeAll(async () => {
      world = await surroundings();
      place = await open(world);
    });
    beforeEach(() => place.way.resume());
    afterAll(() => place.close());

    const start = (): Promise<ServiceProcess> => world.start({ environment: place.environment });

    async function isWell(service: ServiceProcess): Promise<void> {
      await service.logged(WELL);
      expect(await reachable(service)).toBe(1);
      expect(await place.jobs()).toEqual(expect.arrayContaining(RECURRING));
      expect(await statusOf(service)).toEqual(SERVING);
    }

    /** Makes the store bad, where it has to again and again until it is over. */
    type Fault = (over: AbortSignal) => Promise<unknown>;
    const metMore = (before: number, over: AbortSignal) => until(() => over.aborted || place.way.met() > before);
    const faults: readonly { readonly cell: string; readonly what: string; readonly fault: Fault }[] = [
      { cell: 'down', what: 'refused connections', fault: async () => place.way.cut() },
      { cell: 'slow', what: 'no answers', fault: async () => place.way.hold() },
      {
        cell: 'reset',
        what: 'connections that break off',
        async fault(over) {
          while (!over.aborted) {
            const met = place.way.met();
            place.way.reset();
            await metMore(met, over);
          }
        },
      },
      {
        cell: 'flapping',
        what: 'connections taken and refused by turns',
        async fault(over) {
          while (!over.aborted) {
            place.way.cut();
            await metMore(place.way.met(), over);
            place.way.resume();
            await metMore(place.way.met(), over);
          }
        },
      },
    ];

    it.each(faults)(
      `OPS-01 Agenda's store $cell: with $what callers see nothing and posts go out on time (${name})`,
      {
        timeout: 150_000,
      },
      async ({ fault }) => {
        const service = await start();
        await until(async () => (await reachable(service)) === 1);
        const over = new AbortController();
        const faulty = fault(over.signal);
        await storyOf(service, world);
        await service.logged(FAILS);
        expect(await reachable(service)).toBe(0);
        expect(await statusOf(service)).toEqual(SERVING);
        over.abort();
        await faulty;
        place.way.resume();
        await isWell(service);
        expect(said(service, FAILS)).toHaveLength(1);
        expect(await service.stop()).toBe(0);
      },
    );

    it(`OPS-01 Agenda's store slow: with answers after a second callers see nothing and posts go out on time (${name})`, {
      timeout: 150_000,
    }, async () => {
      const service = await start();
      await until(async () => (await reachable(service)) === 1);
      // There and back; a new connection takes four of them, which is not too long for the store to be of use.
      place.way.slow(400);
      await storyOf(service, world);
      expect(await statusOf(service)).toEqual(SERVING);
      await until(async () => (await place.jobs()).includes('wake the engine'));
      place.way.resume();
      expect(await service.stop()).toBe(0);
    });

    it(`OPS-01 Agenda's store down: a service starts, publishes and is well once the store is there (${name})`, {
      timeout: 150_000,
    }, async () => {
      await place.wipe();
      place.way.cut();
      const service = await start();
      await storyOf(service, world);
      await service.logged(FAILS);
      expect(said(service, FAILS)).toHaveLength(1);
      expect(await reachable(service)).toBe(0);
      expect(await statusOf(service)).toEqual(SERVING);
      place.way.resume();
      await isWell(service);
      await storyOf(service, world);
      expect(await service.stop()).toBe(0);
    });

    it(`OPS-01 Agenda's store down: another process publishes what was due in one that was killed (${name})`, {
      timeout: 150_000,
    }, async () => {
      const [doomed, heir] = await Promise.all([start(), start()]);
      const { clients } = doomed;
      const connection = await connectNewAccount({ clients, sandbox: world.sandbox });
      const video = await upload(clients);
      place.way.cut();
      await Promise.all([doomed, heir].map((each) => each.logged(FAILS)));
      const { post_id } = await publish(clients, { ...aPost(connection, video), schedule_time: soon(3) });
      await doomed.kill();
      const post = await postThat(heir.clients, post_id, 'PUBLISHED');
      publishedOnce(world.sandbox, post, video);
      expect(latenessOf(post)).toBeLessThan(10);
      expect(await heir.stop()).toBe(0);
      place.way.resume();
    });

    it(`OPS-01 Agenda's store wiped: posts go out on time, and its jobs are made anew (${name})`, {
      timeout: 150_000,
    }, async () => {
      const service = await start();
      expect(await place.jobs()).toEqual(expect.arrayContaining(RECURRING));
      await place.wipe();
      await storyOf(service, world);
      await until(async () => {
        const jobs = await place.jobs();
        return RECURRING.every((job) => jobs.includes(job));
      });
      expect(await statusOf(service)).toEqual(SERVING);
      expect(await service.stop()).toBe(0);
    });
  });
}

cells('PostgreSQL', inPostgres);

describe.skipIf(inject('mongodbUrl') === undefined)('where there is a MongoDB', () => {
  cells('MongoDB', inMongodb);
});

describe('MongoDB that never was there', () => {
  it.each(['cut', 'hold'] as const)(
    "OPS-01 Agenda's store down: a service starts without it (%s), publishes, and shows neither user nor password",
    { timeout: 120_000 },
    async (fault) => {
      const world = await surroundings();
      const way = await tcpProxy('tcp://127.0.0.1:9');
      way[fault]();
      const service = await world.start({
        environment: { AGENDA_MONGODB_URL: way.through('mongodb://hush-user:hush-word@127.0.0.1:9/agenda') },
      });
      const line = await service.logged(FAILS);
      expect(JSON.stringify(line)).toMatch(/Mongo/);
      await storyOf(service, world);
      expect(await statusOf(service)).toEqual(SERVING);
      expect(await service.stop()).toBe(0);
      expect(service.output()).not.toContain('hush');
      await way.close();
    },
  );
});
