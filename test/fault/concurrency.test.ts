import { beforeAll, describe, expect, it } from 'vitest';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { errorDetails } from '../support/grpc-client.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  connectNewAccount,
  getPost,
  type Post,
  type PostEvent,
  postThat,
  postThatHurries,
  publish,
  publishedOnce,
  type Timestamp,
  timestamp,
  upload,
  uploadBytes,
  type Video,
  WORKSPACE,
} from '../support/story.ts';

const surroundings = realService();

let world: Surroundings;
let service: ServiceProcess;
let other: ServiceProcess;
let small: Video;

beforeAll(async () => {
  // As many inits a minute as TikTok really takes from one account.
  world = await surroundings({ initPerMinute: 6, creatorInfoPerMinute: 20, statusPerMinute: 30 });
  [service, other] = await Promise.all([world.start(), world.start()]);
  small = await upload(service.clients);
});

const connect = () => connectNewAccount({ clients: service.clients, sandbox: world.sandbox });

describe('Two processes on one database', () => {
  it('answer 25 callers with the same request_id at once with one post', async () => {
    const request = aPost(await connect(), small);
    const answers = await Promise.all(
      Array.from({ length: 25 }, (_, index) =>
        (index % 2 === 0 ? service : other).clients.posts.PublishPost<{ post: Post; replayed: boolean }>(request),
      ),
    );
    const [id, ...others] = new Set(answers.map(({ post }) => post.post_id));
    expect(others).toEqual([]);
    expect(answers.filter(({ replayed }) => replayed)).toHaveLength(24);

    const post = await postThat(other.clients, id ?? '', 'PUBLISHED');
    publishedOnce(world.sandbox, post, small);
    expect(world.sandbox.control.ledger().inits.filter(({ title }) => title === request.caption)).toHaveLength(1);
    const { posts } = await service.clients.posts.ListPosts<{ posts: Post[] }>({ workspace_id: WORKSPACE });
    expect(posts.filter(({ caption }) => caption === request.caption)).toHaveLength(1);
  });

  it('refuse 24 of 25 callers that send different posts with one request_id', async () => {
    const request = aPost(await connect(), small);
    const answers = await Promise.allSettled(
      Array.from({ length: 25 }, (_, index) =>
        (index % 2 === 0 ? service : other).clients.posts.PublishPost<{ post: Post }>({
          ...request,
          caption: `${request.caption} ${index}`,
        }),
      ),
    );
    const accepted = answers.filter((answer) => answer.status === 'fulfilled');
    expect(accepted).toHaveLength(1);
    for (const answer of answers) {
      if (answer.status === 'rejected') expect(errorDetails(answer.reason).reason).toBe('REQUEST_ID_REUSED');
    }
    await postThat(service.clients, accepted[0]?.value.post.post_id ?? '', 'PUBLISHED');
    const { inits } = world.sandbox.control.ledger();
    expect(inits.filter(({ title }) => title?.startsWith(request.caption))).toHaveLength(1);
  });

  it('publish 40 posts that are due at the same moment once each', async () => {
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

describe('A cancel', () => {
  it('that comes while chunks are on their way wins: no last byte leaves', async () => {
    const { control } = world.sandbox;
    const big = await uploadBytes(service.clients, await bigMp4Stream(65_000_000));
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
    expect(uploads.find(({ publishId }) => publishId === init?.publishId)?.receivedBytes).toBe(32_500_000);
    expect(posts.filter(({ title }) => title === caption)).toEqual([]);
    expect((await getPost(service.clients, post_id)).state).toBe('POST_STATE_CANCELLED');
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

describe('A process that is told to stop', () => {
  it('ends by itself with code 0', async () => {
    const third = await world.start();
    expect({ code: await third.stop(), error: third.output().match(/^\w*Error.*/m)?.[0] }).toEqual({ code: 0 });
  });

  it.each([
    ['ends its chunk, and the next process sends the rest', true],
    ['leaves a chunk that does not end, and the next process sends that again', false],
  ])('while it uploads %s', { timeout: 90_000 }, async (_, chunkEnds) => {
    const { control } = world.sandbox;
    await Promise.all([service.kill(), other.kill()]);
    const stopping = await world.start();
    const big = await uploadBytes(stopping.clients, await bigMp4Stream(130_000_000));
    const connection = await connectNewAccount({ clients: stopping.clients, sandbox: world.sandbox });
    const { username } = connection.account;
    const fault = control.addFault({ endpoint: 'upload', kind: 'hold', chunk: 1, account: username });
    const { post_id, caption } = await publish(stopping.clients, aPost(connection, big));
    const hold = await control.waitForHold({ faultId: fault.id });

    const watch = await stopping.clients.watch({ workspace_id: WORKSPACE, post_ids: [post_id] });
    const asked = performance.now();
    const stopped = stopping.stop();
    await expect(watch.next()).rejects.toMatchObject({ code: 14 });
    if (chunkEnds) control.release(hold.id);
    await stopped;
    expect((performance.now() - asked) / 1000).toBeLessThan(chunkEnds ? 15 : 25);
    if (!chunkEnds) control.release(hold.id, 'drop');
    // A chunk that was under way may end; another one is not begun.
    expect(control.ledger().uploads.at(-1)?.receivedBytes).toBe(chunkEnds ? 86_666_666 : 43_333_333);

    service = await world.start();
    // Given back, not left to lapse: nobody waits for the end of a lease.
    const post = await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'PUBLISHED');
    publishedOnce(world.sandbox, post, big);
    const ledger = control.ledger();
    const init = ledger.inits.filter(({ title }) => title === caption);
    expect(init).toHaveLength(1);
    const ranges = ledger.uploads.find(({ publishId }) => publishId === post.publish_id)?.ranges ?? [];
    expect(ranges.map(({ first }) => first)).toEqual([0, 43_333_333, 86_666_666]);
    const sent = ledger.calls.filter(
      ({ endpoint, publishId }) => endpoint === 'upload' && publishId === post.publish_id,
    );
    expect(sent).toHaveLength(chunkEnds ? 3 : 4);
  });
});
