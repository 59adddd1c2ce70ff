import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { status } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CallFaultSpec } from '../../sandbox/faults.ts';
import { SMALLEST_LARGEST_CHUNK_BYTES } from '../../src/domain/post/chunk-plan.ts';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { everyRpc, SAME_ADDRESS } from '../support/every-rpc.ts';
import { fixtureVideo } from '../support/fixture-videos.ts';
import { halfStates } from '../support/half-states.ts';
import { previousRelease } from '../support/previous-release.ts';
import {
  type ProcessOptions,
  realService,
  type ServiceProcess,
  type Surroundings,
} from '../support/service-process.ts';
import {
  allThatHurry,
  aPost,
  connectAccount,
  connectNewAccount,
  endLeases,
  type Post,
  postThat,
  publish,
  ring,
  timestamp,
  upload,
  uploadBytes,
  type Video,
  WORKSPACE,
} from '../support/story.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';
import { BUSINESS, OPEN_UPLOAD, onTikTokOnce, type Way } from '../support/ways.ts';

const surroundings = realService();

/** Of a line of the log. */
const ERROR = 50;

const previous = previousRelease();

type Call = Pick<CallFaultSpec, 'endpoint' | 'chunk'> & { readonly when: 'before' | 'after' };

/** Calls to TikTok in the middle of which a post is when the versions change. Where a chunk is named, its video has two. */
const UNDER_WAY: readonly (readonly [Way, Call])[] = [
  [OPEN_UPLOAD, { endpoint: 'creator_info', when: 'before' }],
  [OPEN_UPLOAD, { endpoint: 'video_init', when: 'before' }],
  [OPEN_UPLOAD, { endpoint: 'video_init', when: 'after' }],
  [OPEN_UPLOAD, { endpoint: 'upload', chunk: 0, when: 'before' }],
  [OPEN_UPLOAD, { endpoint: 'upload', chunk: 0, when: 'after' }],
  [OPEN_UPLOAD, { endpoint: 'upload', chunk: 1, when: 'before' }],
  [OPEN_UPLOAD, { endpoint: 'upload', chunk: 1, when: 'after' }],
  [OPEN_UPLOAD, { endpoint: 'status', when: 'before' }],
  [OPEN_UPLOAD, { endpoint: 'status', when: 'after' }],
  [BUSINESS, { endpoint: 'business_publish', when: 'before' }],
  [BUSINESS, { endpoint: 'business_publish', when: 'after' }],
  [BUSINESS, { endpoint: 'business_status', when: 'before' }],
];

/** What is on its way when the versions change. */
type Stage = {
  readonly world: Surroundings;
  /** For whoever comes next. */
  readonly environment: Readonly<Record<string, string>>;
  /** All that have to end on TikTok. */
  readonly posts: readonly { readonly way: Way; readonly post: Post; readonly video: Video }[];
  readonly cancelled: Post;
  /** The person of the post that waits for a reconnect. */
  readonly withdrawn: Awaited<ReturnType<typeof connectNewAccount>>;
  /** TikTok's callers come to this process from now on, as behind a load balancer. */
  lead(to: ServiceProcess): void;
  /** The web server of the post that waits for its video gives it. */
  serveVideo(): void;
};

/** One process of the release begins, and posts of it are wherever a post can be. */
async function stage(release: Pick<ProcessOptions, 'release'>): Promise<Stage & { readonly first: ServiceProcess }> {
  const world = await surroundings();
  const { sandbox } = world;
  const { control } = sandbox;
  let front: ServiceProcess | undefined;
  const proxy = await tcpProxy(() => front?.httpUrl ?? '');
  onTestFinished(() => proxy.close());
  const origin = await lateOrigin(await fixtureVideo('vertical.mp4'));
  onTestFinished(() => origin.close());
  const environment = {
    PUBLIC_URL: `http://127.0.0.1:${proxy.port}`,
    TIKTOK_CHUNK_BYTES: String(SMALLEST_LARGEST_CHUNK_BYTES),
    IMPORT_ALLOWED_ORIGINS: origin.url,
    // What TikTok holds is not to end by itself.
    TIKTOK_API_SECONDS: '300',
    TIKTOK_IDLE_SECONDS: '300',
  };
  const first = await world.start({ environment, ...release });
  front = first;
  const { clients } = first;
  const video = await upload(clients);
  const inTwoChunks = await uploadBytes(clients, await bigMp4Stream(SMALLEST_LARGEST_CHUNK_BYTES + 2));
  const connect = () => connectNewAccount({ clients, sandbox });

  const done = await publish(clients, aPost(await connect(), video));
  await postThat(clients, done.post_id, 'PUBLISHED');

  const tomorrow = timestamp(new Date(Date.now() + 86_400_000));
  const scheduled = await publish(clients, { ...aPost(await connect(), video), schedule_time: tomorrow });
  const cancelled = await publish(clients, { ...aPost(await connect(), video), schedule_time: tomorrow });
  await clients.posts.CancelPost({ post_id: cancelled.post_id });
  const { video_id: _, ...withoutVideo } = aPost(await connect(), video);
  const preparing = await publish(clients, { ...withoutVideo, video_uri: `${origin.url}/late.mp4` });
  await origin.asked;
  const withdrawn = await connect();
  control.disconnectAccount(withdrawn.account.username);
  const waiting = await publish(clients, aPost(withdrawn, video));
  await postThat(clients, waiting.post_id, 'HELD');
  const unlucky = await connect();
  control.addFault({
    endpoint: 'video_init',
    kind: 'status',
    status: 503,
    times: 1,
    account: unlucky.account.username,
  });
  const setBack = await publish(clients, aPost(unlucky, video));
  await postThat(clients, setBack.post_id, ({ error }) => error?.code === 'PLATFORM_UNAVAILABLE');

  const posts = [done, scheduled, preparing, waiting, setBack].map((post) => ({ way: OPEN_UPLOAD, post, video }));
  for (const [way, call] of UNDER_WAY) {
    const connection = await way.connect({ clients, sandbox });
    const account = connection.account.username;
    const fault = control.addFault({ kind: 'hold', account, ...call });
    const sent = call.chunk === undefined ? video : inTwoChunks;
    const post = await publish(clients, way.post(connection, sent));
    await control.waitForHold({ faultId: fault.id });
    posts.push({ way, post, video: sent });
  }
  return {
    world,
    first,
    environment,
    posts,
    cancelled,
    withdrawn,
    lead(to) {
      front = to;
    },
    serveVideo: origin.serve,
  };
}

/** Whoever is there now brings all posts to their end, and TikTok's ledger says that each is there once. */
async function allEndWell(
  { world, posts, cancelled, withdrawn, serveVideo }: Stage,
  { clients }: ServiceProcess,
): Promise<void> {
  const { sandbox, sql } = world;
  serveVideo();
  await connectAccount(
    { clients, sandbox },
    { account: withdrawn.account.username, reconnects: withdrawn.connection_id },
  );
  await sql(`update post set schedule_time = now(), next_action_at = now() where state = 'SCHEDULED'`);
  await ring(clients);
  const ended = await allThatHurry(
    { clients, sql },
    posts.map(({ post }) => post.post_id),
    { withinSeconds: 100, witnessSeconds: 200 },
  );
  for (const [index, { way, video }] of posts.entries()) onTikTokOnce(way, sandbox, ended[index] as Post, video);
  expect(sandbox.control.ledger().posts).toHaveLength(posts.length);
  expect(sandbox.control.ledger().inits.filter(({ title }) => title === cancelled.caption)).toEqual([]);
  expect(await halfStates(sql)).toEqual({});
}

/**
 * What may come in any later version, while the process runs and before another one starts: nothing that either knows. A column and an
 * index for each table of ours, a table, and the names of migrations that nobody here has.
 */
const expandFurther = ({ sql }: Pick<Surroundings, 'sql'>) =>
  sql(`do $$
    declare name text;
    begin
      for name in select tablename from pg_tables where schemaname = 'public' and tablename not like 'agenda%'
        and tablename <> 'mikro_orm_migrations'
      loop
        execute format('alter table %I add column of_a_later_version text', name);
        execute format('create index on %I (of_a_later_version)', name);
      end loop;
      create table of_a_later_version (id text primary key);
      insert into mikro_orm_migrations (name) values ('2999-12-31-of-a-later-version');
    end $$`);

const changes = [
  { what: 'a deploy', from: 'the release before', to: 'this version' },
  { what: 'a rollback', from: 'this version', to: 'the release before' },
] as const;
const releaseOf = (version: (typeof changes)[number]['from']): Pick<ProcessOptions, 'release'> =>
  version === 'this version' ? {} : { release: previous() };

describe.each(changes)('$what, from $from to $to', ({ from, to }) => {
  it('OPS-03 while both are there, either takes every RPC, and takes up what the other began', {
    timeout: 120_000,
  }, async () => {
    const world = await surroundings();
    const one = await world.start({ environment: SAME_ADDRESS, ...releaseOf(from) });
    const other = await world.start({ environment: SAME_ADDRESS, ...releaseOf(to) });
    await everyRpc(world, one, other);
    await expandFurther(world);
    await everyRpc(world, other, one);
    // Nothing of one fails silently while the other does its work.
    expect([one, other].flatMap((each) => each.log().filter(({ level }) => Number(level) >= ERROR))).toEqual([]);
    expect(await Promise.all([one.stop(), other.stop()])).toEqual([0, 0]);
  });

  it('OPS-03 told to stop, the first leaves every post to the second: none is lost, none goes out twice', {
    timeout: 240_000,
  }, async () => {
    const given = await stage(releaseOf(from));
    const { world, first, environment } = given;
    await expandFurther(world);
    const second = await world.start({ environment, ...releaseOf(to) });
    given.lead(second);
    const watch = await first.clients.watch({ workspace_id: WORKSPACE });
    const stopped = first.stop();
    await expect(watch.next()).rejects.toMatchObject({ code: status.UNAVAILABLE });
    // While it ends, its calls are answered.
    world.sandbox.control.release();
    given.serveVideo();
    expect(await stopped).toBe(0);
    await allEndWell(given, second);
    expect(await second.stop()).toBe(0);
  });

  it('OPS-03 killed in the middle of all of it, the first loses nothing to the second, and nothing goes out twice', {
    timeout: 240_000,
  }, async () => {
    const given = await stage(releaseOf(from));
    const { world, first, environment } = given;
    await expandFurther(world);
    await first.kill();
    world.sandbox.control.release(undefined, 'drop');
    await endLeases(world);
    await world.sql('update video set next_action_at = now() where lease_owner is not null');
    const second = await world.start({ environment, ...releaseOf(to) });
    given.lead(second);
    await allEndWell(given, second);
    expect(await second.stop()).toBe(0);
  });
});

/** A web server that keeps whoever asks waiting until it is told to serve. */
async function lateOrigin(video: Uint8Array) {
  const asked = Promise.withResolvers<void>();
  const serving = Promise.withResolvers<void>();
  const server = createServer((_, response) => {
    asked.resolve();
    void serving.promise.then(() =>
      response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': video.length }).end(video),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: asked.promise,
    serve: serving.resolve,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
