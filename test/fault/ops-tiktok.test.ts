import { afterAll, describe, expect, it, vi } from 'vitest';
import { initsOf, outcomesOf } from '../support/judge.ts';
import { allAnswer, answersTo, answerTo, type Things, thingsToAskFor } from '../support/kinds-of-calls.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  connectNewAccount,
  getPost,
  hurry,
  type Post,
  postThat,
  postThatHurries,
  publish,
  publishedOnce,
  refused,
} from '../support/story.ts';
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts';
import { activeResources, figure, healthOf, noMoreResourcesThan } from '../support/what-operators-see.ts';

const surroundings = realService();
const ways: TcpProxy[] = [];
afterAll(() => Promise.all(ways.map((way) => way.close())));

const SOON = { timeout: 30_000 };
const NOT_ANSWERED = 'UNAVAILABLE PLATFORM_UNAVAILABLE';
const WELL = allAnswer('OK');
/** Nobody else asks TikTok while its caller waits. */
const AWAY = { ...WELL, connect: NOT_ANSWERED, 'ask TikTok': NOT_ANSWERED };

type Stage = {
  readonly world: Surroundings;
  readonly way: TcpProxy;
  readonly service: ServiceProcess;
  readonly things: Things;
};

/** A world of its own, in which the service reaches TikTok's API by a way that can be broken; chunks go another way. */
async function stage(): Promise<Stage> {
  const world = await surroundings();
  const way = await tcpProxy(world.sandbox.openApiUrl);
  ways.push(way);
  const service = await world.start({
    environment: {
      TIKTOK_OPEN_API_URL: way.through(world.sandbox.openApiUrl),
      TIKTOK_CONNECT_SECONDS: '1',
      TIKTOK_TOKEN_SECONDS: '1',
      TIKTOK_API_SECONDS: '1',
      TIKTOK_IDLE_SECONDS: '1',
    },
  });
  return { world, way, service, things: await thingsToAskFor({ clients: service.clients, sandbox: world.sandbox }) };
}

const due = ({ service, things }: Stage): Promise<Post> =>
  publish(service.clients, aPost(things.connection, things.video));

/** It was tried, and says why it waits. */
const setBack = ({ service }: Stage, { post_id }: Post) =>
  postThat(service.clients, post_id, ({ error }) => error?.code === 'PLATFORM_UNAVAILABLE');

async function goesOutOnce({ world, service, things }: Stage, { post_id }: Post): Promise<Post> {
  const after = await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'PUBLISHED');
  publishedOnce(world.sandbox, after, things.video);
  return after;
}

/** Enough calls in half a minute to tell an outage from a hiccup; TikTok takes 20 of this kind a minute for one account. */
async function manyCallsFail({ service, world, things }: Stage, others: readonly { connection_id: string }[]) {
  const calls = [things.connection, ...others].flatMap(({ connection_id }) =>
    Array.from({ length: 12 }, () =>
      answerTo(service.clients.connections.GetPublishingCapabilities({ connection_id })),
    ),
  );
  expect(new Set(await Promise.all(calls))).toEqual(new Set([NOT_ANSWERED]));
  await vi.waitUntil(async () => (await world.sql('select from gate')).length > 0, SOON);
}

describe.concurrent('OPS-01 TikTok', { timeout: 120_000 }, () => {
  it('OPS-01 TikTok down: what asks TikTok while its caller waits is UNAVAILABLE with PLATFORM_UNAVAILABLE at once; every other call is answered as ever', async () => {
    const scene = await stage();
    const { way, service, things, world } = scene;
    const other = await connectNewAccount({ clients: service.clients, sandbox: world.sandbox });
    const consent = await things.consent();
    way.cut();
    expect(await answersTo(service, things, consent)).toEqual(AWAY);
    const { connection_id } = things.connection;
    // Nobody asks again by itself for a caller.
    const asked = await refused(service.clients.connections.GetPublishingCapabilities({ connection_id }));
    expect(asked.errorInfos[0]?.metadata['remedy']).toBe('Call again in a few minutes.');
    const tried = await due(scene);
    await setBack(scene, tried);
    expect(await healthOf(service)).toBe('SERVING,SERVING,SERVING');

    await manyCallsFail(scene, [other]);
    await vi.waitUntil(async () => (await healthOf(service)) === 'SERVING,SERVING,NOT_SERVING', SOON);
    expect(await figure(service, 'tiktok_connector_backlog_shut_gates', { code: 'PLATFORM_UNAVAILABLE' })).toBe(1);
    expect(await figure(service, 'tiktok_connector_tiktok_calls_total', { status: 'none' })).toBeGreaterThan(20);
    const later = await due(scene);
    const held = await postThat(service.clients, later.post_id, 'HELD');
    expect([held.hold?.reason, held.attempts]).toEqual(['HOLD_REASON_PLATFORM_OUTAGE', []]);

    way.resume();
    await goesOutOnce(scene, tried);
    await goesOutOnce(scene, later);
    expect(await answersTo(service, things, await things.consent())).toEqual(WELL);
    await vi.waitUntil(async () => (await healthOf(service)) === 'SERVING,SERVING,SERVING', SOON);
  });

  it('OPS-01 TikTok slow: what asks TikTok while its caller waits is UNAVAILABLE with PLATFORM_UNAVAILABLE after TIKTOK_TOKEN_SECONDS or TIKTOK_API_SECONDS; every other call is answered as ever', async () => {
    const scene = await stage();
    const { way, service, things, world } = scene;
    const consent = await things.consent();
    way.hold();
    expect(await answersTo(service, things, consent)).toEqual(AWAY);
    const announced = await due(scene);
    await setBack(scene, announced);
    await vi.waitUntil(() => way.held() > 0, SOON);
    // What was kept back so long reaches TikTok now, when nobody waits for its answer any more.
    way.resume();
    await goesOutOnce(scene, announced);

    // A chunk of which TikTok takes no more.
    const { id } = world.sandbox.control.addFault({ endpoint: 'upload', kind: 'hold', when: 'before' });
    const sent = await due(scene);
    const hold = await world.sandbox.control.waitForHold({ faultId: id });
    await setBack(scene, sent);
    world.sandbox.control.release(hold.id, 'drop');
    expect(outcomesOf(await goesOutOnce(scene, sent))).toEqual(['PUBLISHED']);
    expect(initsOf(world.sandbox, sent)).toHaveLength(1);
    expect(await answersTo(service, things, await things.consent())).toEqual(WELL);
  });

  it('OPS-01 TikTok reset: what asks TikTok while its caller waits is UNAVAILABLE with PLATFORM_UNAVAILABLE, and a consent whose code may be spent is to be begun again; every other call is answered as ever', async () => {
    const scene = await stage();
    const { way, service, things, world } = scene;
    const [consent, another] = [await things.consent(), await things.consent()];
    way.breakAnswers();
    expect(await answersTo(service, things, consent)).toEqual(AWAY);
    const unfinished = await refused(service.clients.connections.CompleteConnection(another));
    expect(unfinished.errorInfos[0]?.metadata['remedy']).toBe(
      'Begin again with connecting the account, in a few minutes.',
    );
    const post = await due(scene);
    await setBack(scene, post);
    expect(way.broken()).toBeGreaterThan(0);

    way.resume();
    await goesOutOnce(scene, post);
    // An answer that broke off after TikTok took the post on.
    const { id } = world.sandbox.control.addFault({ endpoint: 'video_init', kind: 'hold', when: 'after' });
    const lost = await due(scene);
    const hold = await world.sandbox.control.waitForHold({ faultId: id });
    world.sandbox.control.release(hold.id, 'drop');
    expect(outcomesOf(await goesOutOnce(scene, lost))).toEqual(['ORPHANED', 'PUBLISHED']);
    expect(await answersTo(service, things, await things.consent())).toEqual(WELL);
  });

  it('OPS-01 TikTok flapping: what asks TikTok while its caller waits is answered as TikTok is at that moment, OK or UNAVAILABLE; every other call is answered as ever', async () => {
    const scene = await stage();
    const { way, service, things, world } = scene;
    const active = await activeResources(service);
    const { connection_id } = things.connection;
    const ask = () => answerTo(service.clients.connections.GetPublishingCapabilities({ connection_id }));
    const posts: Post[] = [];
    for (let round = 0; round < 4; round += 1) {
      if (round % 2 === 0) way.cut();
      else way.hold();
      const post = await due(scene);
      posts.push(post);
      expect(await ask()).toBe(NOT_ANSWERED);
      await setBack(scene, post);
      way.resume();
      // Tries that failed count for no outage when others got through.
      expect(await ask()).toBe('OK');
      await hurry({ clients: service.clients, sql: world.sql }, post.post_id);
    }
    for (const post of posts) await goesOutOnce(scene, post);
    expect(world.sandbox.control.ledger().duplicates).toEqual([]);
    expect((await getPost(service.clients, things.post.post_id)).state).toBe('POST_STATE_SCHEDULED');
    await noMoreResourcesThan(active, service);
  });
});
