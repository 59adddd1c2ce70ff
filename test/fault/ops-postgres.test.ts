import { afterAll, describe, expect, it, vi } from 'vitest';
import { refusalOf } from '../support/grpc-client.ts';
import { initsOf } from '../support/judge.ts';
import { allAnswer, answersTo, answerTo, MUCH_LATER, type Things, thingsToAskFor } from '../support/kinds-of-calls.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Post,
  type PostEvent,
  postThatHurries,
  publish,
  publishedOnce,
  WORKSPACE,
} from '../support/story.ts';
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts';
import { activeResources, figure, healthOf, noMoreResourcesThan } from '../support/what-operators-see.ts';

const surroundings = realService();
const ways: TcpProxy[] = [];
afterAll(() => Promise.all(ways.map((way) => way.close())));

const SOON = { timeout: 30_000 };
const AWAY = allAnswer('UNAVAILABLE SERVICE_UNAVAILABLE');
const WELL = allAnswer('OK');

type Stage = {
  readonly world: Surroundings;
  readonly way: TcpProxy;
  readonly service: ServiceProcess;
  readonly things: Things;
};

/** A world of its own, in which the service reaches its database by a way that can be broken. */
async function stage(): Promise<Stage> {
  const world = await surroundings();
  const way = await tcpProxy(world.databaseUrl);
  ways.push(way);
  const service = await world.start({
    environment: {
      DATABASE_URL: way.through(world.databaseUrl),
      DATABASE_CONNECT_SECONDS: '3',
      DATABASE_STATEMENT_SECONDS: '2',
      LEASE_SECONDS: '2',
    },
  });
  const things = await thingsToAskFor({ clients: service.clients, sandbox: world.sandbox });
  return { world, way, service, things };
}

/** It comes due while nobody can look. */
const comesDue = ({ world }: Stage, { post_id }: Post) =>
  world.sql('update post set schedule_time = now(), next_action_at = now() where id = $1', [post_id]);

async function goesOutOnce({ world, service, things }: Stage, { post_id }: Post): Promise<void> {
  const after = await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'PUBLISHED');
  publishedOnce(world.sandbox, after, things.video);
}

const answersAgain = ({ service, things }: Stage) =>
  vi.waitUntil(
    async () => (await answerTo(service.clients.posts.GetPost({ post_id: things.post.post_id }))) === 'OK',
    SOON,
  );

const scheduled = ({ service, things }: Pick<Stage, 'service' | 'things'>): Promise<Post> =>
  publish(service.clients, { ...aPost(things.connection, things.video), schedule_time: MUCH_LATER });

/** A watch that was open, the last event it saw, and how it goes on. */
async function watched({ service, things }: Stage) {
  const watch = await service.clients.watch({ workspace_id: WORKSPACE });
  const change = await scheduled({ service, things });
  // Where the outbox ends, a transaction that is under way anywhere in the server keeps what came shortly before.
  let event: PostEvent;
  do ({ event } = await watch.next<{ event: PostEvent }>());
  while (event.post.post_id !== change.post_id);
  return {
    ended: () => refusalOf(watch.next()),
    async goesOnWith(post: Post) {
      const again = await service.clients.watch({ workspace_id: WORKSPACE, resume_token: event.resume_token });
      const next = await again.next<{ event: PostEvent }>();
      again.cancel();
      expect(next.event.post.post_id).toBe(post.post_id);
    },
  };
}

/** Nothing is answered while it is away, nothing is sent, everybody can see it, and everything goes on by itself. */
async function goesAwayAndComesBack(
  scene: Stage,
  goAway: (way: TcpProxy) => void,
  meanwhile = () => {},
): Promise<void> {
  const { way, service, things, world } = scene;
  const consent = await things.consent();
  const due = await scheduled(scene);
  const watch = await watched(scene);
  goAway(way);
  await comesDue(scene, due);
  expect(await answersTo(service, things, consent)).toEqual(AWAY);
  meanwhile();
  expect(await watch.ended()).toMatchObject({ code: 14, reason: 'SERVICE_UNAVAILABLE' });
  expect(await figure(service, 'tiktok_connector_backlog_readable')).toBe(0);
  await service.logged('the engine could not look for work');
  await vi.waitUntil(async () => (await healthOf(service)) === 'NOT_SERVING,NOT_SERVING,UNKNOWN', SOON);
  expect(initsOf(world.sandbox, due)).toEqual([]);

  way.resume();
  await goesOutOnce(scene, due);
  await watch.goesOnWith(due);
  expect(await answersTo(service, things, consent)).toEqual(WELL);
  await vi.waitUntil(async () => (await healthOf(service)) === 'SERVING,SERVING,SERVING', SOON);
  expect(await figure(service, 'tiktok_connector_backlog_readable')).toBe(1);
}

describe.concurrent('OPS-01 PostgreSQL', { timeout: 120_000 }, () => {
  it('OPS-01 PostgreSQL down: every call is answered UNAVAILABLE with SERVICE_UNAVAILABLE at once; a watch ends so, and resumes by its token', async () => {
    await goesAwayAndComesBack(await stage(), (way) => way.cut());
  });

  it('OPS-01 PostgreSQL slow: every call is answered UNAVAILABLE with SERVICE_UNAVAILABLE after DATABASE_CONNECT_SECONDS and DATABASE_STATEMENT_SECONDS at most; a watch ends so, and resumes by its token', async () => {
    const scene = await stage();
    await goesAwayAndComesBack(
      scene,
      (way) => way.hold(),
      () => expect(scene.way.held()).toBeGreaterThan(0),
    );
  });

  it('OPS-01 PostgreSQL reset: a call whose answer broke off is UNAVAILABLE with SERVICE_UNAVAILABLE, and may be repeated with its request_id: what was stored is there once', async () => {
    const scene = await stage();
    const { way, service, things, world } = scene;
    const consent = await things.consent();
    const due = await scheduled(scene);
    const request = { ...aPost(things.connection, things.video), schedule_time: MUCH_LATER };
    way.breakAnswers();
    await comesDue(scene, due);
    expect(await answersTo(service, things, consent)).toEqual(AWAY);
    expect(await answerTo(service.clients.posts.PublishPost(request))).toBe('UNAVAILABLE SERVICE_UNAVAILABLE');
    expect(way.broken()).toBeGreaterThan(0);

    way.resume();
    await goesOutOnce(scene, due);
    const post = await publish(service.clients, request);
    expect(await world.sql('select id from post where caption = $1', [request.caption])).toEqual([
      { id: post.post_id },
    ]);
    expect(await answersTo(service, things, await things.consent())).toEqual(WELL);
  });

  it('OPS-01 PostgreSQL flapping: each call is answered as PostgreSQL is at that moment, OK or UNAVAILABLE', async () => {
    const scene = await stage();
    const { way, service, things } = scene;
    const active = await activeResources(service);
    const posts: Post[] = [];
    for (let round = 0; round < 6; round += 1) {
      const due = await publish(service.clients, aPost(things.connection, things.video));
      posts.push(due);
      if (round % 2 === 0) way.cut();
      else way.hold();
      const read = service.clients.posts.GetPost({ post_id: due.post_id });
      expect(await answerTo(read)).toBe('UNAVAILABLE SERVICE_UNAVAILABLE');
      way.resume();
      await answersAgain(scene);
    }
    for (const due of posts) await goesOutOnce(scene, due);
    expect(await answersTo(service, things, await things.consent())).toEqual(WELL);
    // 16 of the pool, and those of the doorbell.
    expect(way.connections()).toBeLessThanOrEqual(16 + 4);
    await noMoreResourcesThan(active, service);
  });
});
