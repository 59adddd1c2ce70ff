import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { fixtureVideo } from '../support/fixture-videos.ts';
import { allAnswer, answersTo, answerTo, type Things, thingsToAskFor } from '../support/kinds-of-calls.ts';
import { namesThatFail } from '../support/preloaded.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  connectNewAccount,
  type Post,
  postThat,
  postThatHurries,
  publish,
  publishedOnce,
  ring,
  unique,
  WORKSPACE,
} from '../support/story.ts';
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts';
import { activeResources, figure, healthOf, noMoreResourcesThan } from '../support/what-operators-see.ts';

const surroundings = realService();
const WELL = allAnswer('OK');
const NOT_ANSWERED = 'UNAVAILABLE PLATFORM_UNAVAILABLE';
const AWAY = { ...WELL, connect: NOT_ANSWERED, 'ask TikTok': NOT_ANSWERED };

let world: Surroundings;
/** To TikTok: connections that are open need no name, until they are broken. */
let way: TcpProxy;
let media: Server;
let service: ServiceProcess;
let things: Things;
let mediaOrigin: string;

/** From now on, for every look-up of the service. */
async function names(are: 'WELL' | 'SLOW' | 'EAI_AGAIN' | 'EAI_FAIL' | 'ENOTFOUND'): Promise<void> {
  const fault = join(world.dataDir, 'names-fault');
  await writeFile(`${fault}.new`, are === 'WELL' ? '' : are);
  await rename(`${fault}.new`, fault);
  way.reset();
  media.closeAllConnections();
}

beforeAll(async () => {
  world = await surroundings();
  way = await tcpProxy(world.sandbox.openApiUrl);
  const bytes = await fixtureVideo('vertical.mp4');
  media = createServer((_, response) => void response.end(bytes)).listen(0, '127.0.0.1');
  await once(media, 'listening');
  mediaOrigin = `http://media.example.test:${(media.address() as AddressInfo).port}`;
  const tiktok = new URL(way.through(world.sandbox.openApiUrl));
  tiktok.hostname = 'localhost';
  service = await world.start({
    environment: {
      ...namesThatFail(join(world.dataDir, 'names-fault')),
      TIKTOK_OPEN_API_URL: tiktok.href,
      TIKTOK_CONNECT_SECONDS: '1',
      TIKTOK_API_SECONDS: '2',
      TIKTOK_TOKEN_SECONDS: '2',
      IMPORT_ALLOWED_ORIGINS: mediaOrigin,
    },
  });
  things = await thingsToAskFor({ clients: service.clients, sandbox: world.sandbox });
});
beforeEach(() => names('WELL'));
afterAll(async () => {
  await way.close();
  media.closeAllConnections();
  media.close();
});

type Imported = {
  readonly video_id: string;
  readonly state: string;
  readonly findings: readonly { code: string; observed: string }[];
};

const importVideo = async (): Promise<Imported> =>
  (
    await service.clients.videos.ImportVideo<{ video: Imported }>({
      workspace_id: WORKSPACE,
      uri: `${mediaOrigin}/video.mp4`,
      request_id: unique('import'),
    })
  ).video;

const videoOf = async ({ video_id }: Imported): Promise<Imported> =>
  (await service.clients.videos.GetVideo<{ video: Imported }>({ video_id })).video;

/** Its pauses end at once. */
async function ends(video: Imported, state: string): Promise<Imported> {
  await vi.waitUntil(
    async () => {
      await world.sql(
        `update video set next_action_at = now() where id = $1 and state = 'IMPORTING' and lease_owner is null`,
        [video.video_id],
      );
      await ring(service.clients);
      return (await videoOf(video)).state !== 'VIDEO_STATE_IMPORTING';
    },
    { timeout: 30_000, interval: 100 },
  );
  const after = await videoOf(video);
  expect(after.state).toBe(`VIDEO_STATE_${state}`);
  return after;
}

const due = (): Promise<Post> => publish(service.clients, aPost(things.connection, things.video));
const setBack = ({ post_id }: Post) =>
  postThat(service.clients, post_id, ({ error }) => error?.code === 'PLATFORM_UNAVAILABLE');

async function goesOutOnce({ post_id }: Post): Promise<void> {
  const after = await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'PUBLISHED');
  publishedOnce(world.sandbox, after, things.video);
}

const couldNotFetch = (video: Imported, observed: string) =>
  service.logged('a video could not be fetched yet', { videoId: video.video_id, finding: observed });

const answers = async (faulty: typeof AWAY | typeof WELL, begin: () => Promise<void>) => {
  const consent = await things.consent();
  await begin();
  expect(await answersTo(service, things, consent)).toEqual(faulty);
};

describe('OPS-01 DNS', { timeout: 120_000 }, () => {
  it('OPS-01 DNS down: what asks TikTok while its caller waits is UNAVAILABLE with PLATFORM_UNAVAILABLE; an import is taken and tried again, and one whose host does not exist is REJECTED; every other call is answered as ever', async () => {
    await answers(AWAY, () => names('EAI_AGAIN'));
    const [post, video] = [await due(), await importVideo()];
    await setBack(post);
    await couldNotFetch(video, 'no complete answer (EAI_AGAIN)');
    expect(await healthOf(service)).toBe('SERVING,SERVING,SERVING');
    expect(await figure(service, 'tiktok_connector_tiktok_calls_total', { code: 'EAI_AGAIN' })).toBeGreaterThan(0);
    await names('WELL');
    await goesOutOnce(post);
    await ends(video, 'READY');

    await names('ENOTFOUND');
    expect((await ends(await importVideo(), 'REJECTED')).findings).toMatchObject([
      { code: 'VIDEO_FETCH_FAILED', observed: 'no complete answer (ENOTFOUND)' },
    ]);
    await names('WELL');
    await answers(WELL, async () => undefined);
  });

  it('OPS-01 DNS slow: what asks TikTok while its caller waits is UNAVAILABLE with PLATFORM_UNAVAILABLE after TIKTOK_CONNECT_SECONDS; an import is taken and waits; every other call is answered as ever', async () => {
    await answers(AWAY, () => names('SLOW'));
    const [post, video] = [await due(), await importVideo()];
    await setBack(post);
    expect((await videoOf(video)).state).toBe('VIDEO_STATE_IMPORTING');
    await names('WELL');
    await goesOutOnce(post);
    await ends(video, 'READY');
  });

  it('OPS-01 DNS reset: what asks TikTok while its caller waits is UNAVAILABLE with PLATFORM_UNAVAILABLE when a look-up breaks off; an import is taken and tried again; every other call is answered as ever', async () => {
    await answers(AWAY, () => names('EAI_FAIL'));
    const [post, video] = [await due(), await importVideo()];
    await setBack(post);
    await couldNotFetch(video, 'no complete answer (EAI_FAIL)');
    await names('WELL');
    await goesOutOnce(post);
    await ends(video, 'READY');
  });

  it('OPS-01 DNS flapping: what asks TikTok while its caller waits is answered as look-ups are at that moment, OK or UNAVAILABLE; an import is taken and tried again; every other call is answered as ever', async () => {
    const { connection_id } = await connectNewAccount({ clients: service.clients, sandbox: world.sandbox });
    const ask = () => answerTo(service.clients.connections.GetPublishingCapabilities({ connection_id }));
    const active = await activeResources(service);
    const posts: Post[] = [];
    const videos: Imported[] = [];
    for (const fault of ['EAI_AGAIN', 'EAI_FAIL', 'SLOW', 'EAI_AGAIN'] as const) {
      await names(fault);
      const post = await due();
      posts.push(post);
      videos.push(await importVideo());
      expect(await ask()).toBe(NOT_ANSWERED);
      await setBack(post);
      await names('WELL');
      expect(await ask()).toBe('OK');
    }
    for (const post of posts) await goesOutOnce(post);
    for (const video of videos) await ends(video, 'READY');
    await noMoreResourcesThan(active, service);
  });
});
