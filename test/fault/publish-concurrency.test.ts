import { status } from '@grpc/grpc-js';
import { beforeAll, describe, expect, it } from 'vitest';
import type { FailPointName } from '../../src/application/ports/fail-point.ts';
import { SMALLEST_LARGEST_CHUNK_BYTES } from '../../src/domain/post/chunk-plan.ts';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { errorDetails, refusalOf } from '../support/grpc-client.ts';
import { bytesOf, initsOf, outcomesOf } from '../support/judge.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  connectNewAccount,
  getPost,
  type Post,
  type PostEvent,
  postThat,
  publish,
  publishedOnce,
  type Timestamp,
  timestamp,
  upload,
  uploadBytes,
  type Video,
  WORKSPACE,
} from '../support/story.ts';
import { BUSINESS, OPEN_UPLOAD, onTikTokOnce } from '../support/ways.ts';

const surroundings = realService();
const CALLERS = 100;
/** Of a video of two chunks that could not be sent in one. */
const CHUNK_BYTES = SMALLEST_LARGEST_CHUNK_BYTES / 2 + 1;

let world: Surroundings;
let service: ServiceProcess;
let other: ServiceProcess;
let small: Video;
let big: Video;

beforeAll(async () => {
  // As many inits a minute as TikTok really takes from one account.
  world = await surroundings({ initPerMinute: 6, creatorInfoPerMinute: 20, statusPerMinute: 30 });
  const environment = { TIKTOK_CHUNK_BYTES: String(SMALLEST_LARGEST_CHUNK_BYTES) };
  [service, other] = await Promise.all([
    world.start({ stoppable: true, environment }),
    world.start({ stoppable: true, environment }),
  ]);
  small = await upload(service.clients);
  big = await uploadBytes(service.clients, await bigMp4Stream(2 * CHUNK_BYTES));
});

const connect = () => connectNewAccount({ clients: service.clients, sandbox: world.sandbox });

/** Each caller asks the other process than the one before. */
const askAtOnce = (requestOf: (index: number) => object) =>
  Array.from({ length: CALLERS }, (_, index) =>
    (index % 2 === 0 ? service : other).clients.posts.PublishPost<{ post: Post; replayed: boolean }>(requestOf(index)),
  );

const rowsOf = async (column: 'caption' | 'request_id', value: string) =>
  column === 'caption'
    ? world.sql('select id from post where starts_with(caption, $1)', [value])
    : world.sql('select resource_id from request_key where request_id = $1', [value]);

describe('Two processes on one database', () => {
  it(`PUB-12 answer ${CALLERS} callers with the same request_id at once with one post, and refuse another with it`, async () => {
    const request = aPost(await connect(), small);
    const answers = await Promise.all(askAtOnce(() => request));
    const [id, ...others] = new Set(answers.map(({ post }) => post.post_id));
    expect(others).toEqual([]);
    expect(answers.filter(({ replayed }) => replayed)).toHaveLength(CALLERS - 1);

    const post = await postThat(other.clients, id ?? '', 'PUBLISHED');
    publishedOnce(world.sandbox, post, small);
    expect(initsOf(world.sandbox, request)).toHaveLength(1);
    expect(await rowsOf('caption', request.caption)).toHaveLength(1);
    expect(await rowsOf('request_id', request.request_id)).toHaveLength(1);

    for (const { clients } of [service, other]) {
      const refusal = await refusalOf(clients.posts.PublishPost({ ...request, caption: 'Another' }));
      expect(refusal).toMatchObject({ code: status.INVALID_ARGUMENT, reason: 'REQUEST_ID_REUSED' });
      // The first is still what it stands for.
      const again = await clients.posts.PublishPost<{ post: Post; replayed: boolean }>(request);
      expect(again).toMatchObject({ replayed: true, post: { post_id: id, state: 'POST_STATE_PUBLISHED' } });
    }
    expect(await rowsOf('caption', 'Another')).toEqual([]);
  });

  it(`PUB-12 refuse ${CALLERS - 1} of ${CALLERS} callers that send different posts with one request_id`, async () => {
    const request = aPost(await connect(), small);
    const answers = await Promise.allSettled(
      askAtOnce((index) => ({ ...request, caption: `${request.caption} ${index}` })),
    );
    const accepted = answers.filter((answer) => answer.status === 'fulfilled');
    expect(accepted).toHaveLength(1);
    for (const answer of answers) {
      if (answer.status === 'fulfilled') continue;
      expect(errorDetails(answer.reason)).toMatchObject({ code: status.INVALID_ARGUMENT, reason: 'REQUEST_ID_REUSED' });
    }
    await postThat(service.clients, accepted[0]?.value.post.post_id ?? '', 'PUBLISHED');
    const { inits } = world.sandbox.control.ledger();
    expect(inits.filter(({ title }) => title?.startsWith(request.caption))).toHaveLength(1);
    expect(await rowsOf('caption', request.caption)).toHaveLength(1);
  });

  it('PUB-16 publish 40 posts of 8 accounts that are due at the same moment once each', async () => {
    const connections = await Promise.all(Array.from({ length: 8 }, connect));
    const watch = await other.clients.watch({ workspace_id: WORKSPACE }, { deadlineMilliseconds: 50_000 });
    const due = timestamp(new Date(Date.now() + 2_000));
    const posts = await Promise.all(
      connections.flatMap((connection) =>
        Array.from({ length: 5 }, () => publish(service.clients, { ...aPost(connection, small), schedule_time: due })),
      ),
    );
    expect(posts.map(({ state }) => state)).toEqual(posts.map(() => 'POST_STATE_SCHEDULED'));

    const left = new Set(posts.map(({ post_id }) => post_id));
    while (left.size > 0) {
      const { event } = await watch.next<{ event: PostEvent }>();
      if (event.post.state === 'POST_STATE_PUBLISHED') left.delete(event.post.post_id);
      expect(event.post.state).not.toBe('POST_STATE_FAILED');
    }
    watch.cancel();

    let latest = 0;
    for (const { post_id } of posts) {
      const post = await getPost(service.clients, post_id);
      publishedOnce(world.sandbox, post, small);
      expect(post.attempts).toHaveLength(1);
      const { seconds, nanos } = post['dispatch_lateness'] as Timestamp;
      latest = Math.max(latest, Number(seconds) + nanos / 1e9);
    }
    console.info(`the latest of 40 began ${latest.toFixed(2)} s after its time`);
    const captions = new Set<string | null>(posts.map(({ caption }) => caption));
    expect(world.sandbox.control.ledger().inits.filter(({ title }) => captions.has(title))).toHaveLength(40);
  });
});

describe('PUB-13 (C16) A cancel', () => {
  it('that comes while chunks are on their way wins: no last byte leaves', async () => {
    const { control } = world.sandbox;
    const connection = await connect();
    const { username } = connection.account;
    const fault = control.addFault({ endpoint: 'upload', kind: 'hold', when: 'after', chunk: 0, account: username });
    const { post_id, caption } = await publish(service.clients, aPost(connection, big));
    const hold = await control.waitForHold({ faultId: fault.id });

    const { post } = await other.clients.posts.CancelPost<{ post: Post }>({ post_id });
    expect(post).toMatchObject({
      state: 'POST_STATE_CANCELLED',
      attempts: [{ outcome: 'ATTEMPT_OUTCOME_CANCELLED' }],
    });
    control.release(hold.id);
    await Promise.race(
      [service, other].map((each) => each.logged('a post went to another worker', { postId: post_id })),
    );

    const { inits, posts, uploads } = control.ledger();
    const [init] = inits.filter(({ title }) => title === caption);
    expect(init?.stage).toBe('UPLOADING');
    expect(uploads.find(({ publishId }) => publishId === init?.publishId)?.receivedBytes).toBe(CHUNK_BYTES);
    expect(posts.filter(({ title }) => title === caption)).toEqual([]);
    expect((await getPost(service.clients, post_id)).state).toBe('POST_STATE_CANCELLED');
  });

  const places: readonly (readonly [at: FailPointName, end: 'wins' | 'is too late', inits: number])[] = [
    ['claimed', 'wins', 0],
    ['intent-stored', 'wins', 1],
    ['announced', 'wins', 1],
    ['ids-stored', 'wins', 1],
    ['chunk-sent', 'wins', 1],
    ['chunk-stored', 'wins', 1],
    ['finalizing-stored', 'is too late', 1],
    ['last-byte-sent', 'is too late', 1],
    ['verdict-due', 'is too late', 1],
    ['verdict-read', 'is too late', 1],
  ];

  /** What TikTok was told of it publishes, whatever happens here: too late is as early as the intent. */
  const placesOfPulls: typeof places = [
    ['claimed', 'wins', 0],
    ['intent-stored', 'is too late', 1],
    ['announced', 'is too late', 1],
    ['ids-stored', 'is too late', 1],
    ['verdict-read', 'is too late', 1],
  ];
  const ways = [
    ...places.map(([at, end, inits]) => ({ way: OPEN_UPLOAD, at, end, inits })),
    ...placesOfPulls.map(([at, end, inits]) => ({ way: BUSINESS, at, end, inits })),
  ];

  it.each(ways)('of a post $way.name that comes while a worker is at $at $end', async ({ way, at, end, inits }) => {
    const wins = end === 'wins';
    const processes = [service, other];
    const stops = await Promise.all(processes.map((each) => each.stopAt(at)));
    const { post_id, caption } = await publish(
      service.clients,
      way.post(await way.connect({ clients: service.clients, sandbox: world.sandbox }), big),
    );
    await Promise.race(stops.map((stop) => stop.reached()));

    const answer = other.clients.posts.CancelPost<{ post: Post }>({ post_id });
    if (wins) expect((await answer).post.state).toBe('POST_STATE_CANCELLED');
    else expect(await refusalOf(answer)).toMatchObject({ code: 9, reason: 'POST_ALREADY_SENT' });
    const watch = await other.clients.watch({ workspace_id: WORKSPACE, post_ids: [post_id] });
    await Promise.all(stops.map((stop) => stop.goOn()));
    if (wins) {
      // The worker sees that it lost the post, unless it stores something after all.
      const gone = processes.map((each) => each.logged('a post went to another worker', { postId: post_id }));
      await Promise.race([...gone, watch.next()]);
    }
    watch.cancel();

    const post = await postThat(service.clients, post_id, wins ? 'CANCELLED' : 'PUBLISHED');
    expect(initsOf(world.sandbox, post)).toHaveLength(inits);
    if (!wins) {
      onTikTokOnce(way, world.sandbox, post, big);
      return;
    }
    expect(outcomesOf(post).filter((outcome) => outcome !== 'CANCELLED')).toEqual([]);
    expect(world.sandbox.control.ledger().posts.filter(({ title }) => title === caption)).toEqual([]);
    for (const bytes of bytesOf(world.sandbox, post)) expect(bytes).toBeLessThan(Number(big.size_bytes));
  });

  it('at any moment either keeps the post off TikTok or says that it is too late', async () => {
    const connections = await Promise.all(Array.from({ length: 4 }, connect));
    const outcomes = await Promise.all(
      connections.flatMap((connection) =>
        // Each after one more change of its post was seen; the post meanwhile goes on.
        Array.from({ length: 5 }, async (_, changes) => {
          const watch = await service.clients.watch({
            workspace_id: WORKSPACE,
            connection_ids: [connection.connection_id],
          });
          const { post_id, caption } = await publish(service.clients, aPost(connection, small));
          for (let seen = 0; seen < changes; ) {
            const { event } = await watch.next<{ event: PostEvent }>();
            if (event.post.post_id === post_id) seen += 1;
          }
          watch.cancel();
          const cancelled = await other.clients.posts.CancelPost({ post_id }).then(
            () => true,
            (error) => {
              expect(errorDetails(error)).toMatchObject({ code: 9, reason: 'POST_ALREADY_SENT' });
              return false;
            },
          );
          await postThat(service.clients, post_id, cancelled ? 'CANCELLED' : 'PUBLISHED');
          return { caption, cancelled };
        }),
      ),
    );
    expect(new Set(outcomes.map(({ cancelled }) => cancelled))).toEqual(new Set([true, false]));
    const { posts } = world.sandbox.control.ledger();
    for (const { caption, cancelled } of outcomes) {
      expect(posts.filter(({ title }) => title === caption)).toHaveLength(cancelled ? 0 : 1);
    }
  });
});
