import { beforeAll, describe, expect, it, vi } from 'vitest';
import { SMALLEST_LARGEST_CHUNK_BYTES } from '../../src/domain/post/chunk-plan.ts';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { bytesOf, callsOf, chunksOf, initsOf, outcomesOf } from '../support/judge.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  type Connection,
  connectAccount,
  ENDED,
  getPost,
  type Post,
  postThatHurries,
  publish,
  upload,
  uploadBytes,
  type Video,
} from '../support/story.ts';
import { timePasses } from '../support/time-passes.ts';
import { FAMILIES, onTikTokOnce, type Way } from '../support/ways.ts';

const surroundings = realService();
const DAY = 86_400;

let world: Surroundings;
let service: ServiceProcess;
let small: Video;
/** In three chunks. */
let big: Video;

beforeAll(async () => {
  world = await surroundings();
  service = await world.start({
    stoppable: true,
    environment: { TIKTOK_CHUNK_BYTES: String(SMALLEST_LARGEST_CHUNK_BYTES) },
  });
  small = await upload(service.clients);
  big = await uploadBytes(service.clients, await bigMp4Stream(2 * SMALLEST_LARGEST_CHUNK_BYTES + 1));
});

const connect = (way: Way): Promise<Connection> => way.connect({ clients: service.clients, sandbox: world.sandbox });

const hurried = (postId: string, wanted: Parameters<typeof postThatHurries>[2]): Promise<Post> =>
  postThatHurries({ clients: service.clients, sql: world.sql }, postId, wanted);

/** Lets time pass until the post has ended, or for so long; it is looked at `steps` times. */
async function later(
  postId: string,
  atMostSeconds: number,
  steps = 24,
): Promise<{ readonly post: Post; readonly seconds: number }> {
  for (let seconds = 0; ; seconds += atMostSeconds / steps) {
    const post = await getPost(service.clients, postId);
    if (ENDED.has(post.state) || seconds >= atMostSeconds) return { post, seconds };
    await timePasses(world, [service], atMostSeconds / steps);
  }
}

/** Where a post of each way is with TikTok, and nothing of it is ours to do any more. */
const PROCESSING = { UPLOAD: 'verdict-due', PULL: 'ids-stored' } as const;

/** TikTok has all of it that it will get. */
const received = (caption: string) =>
  world.sandbox.control.waitUntil(({ inits }) =>
    inits.every(({ title, stage }) => title !== caption || stage !== 'DOWNLOADING'),
  );

describe.each(FAMILIES)('PUB-01 (C15) The person withdraws the consent of a post $name,', (way) => {
  const withdraw = (connection: Connection) => way.withdraw(world.sandbox, connection);

  const reconnect = ({ connection_id, account, api_family }: Connection) =>
    connectAccount(
      { clients: service.clients, sandbox: world.sandbox },
      {
        account: account.username,
        reconnects: connection_id,
        apiFamily: api_family as 'API_FAMILY_OPEN' | 'API_FAMILY_BUSINESS',
      },
    );

  async function publishUntil(at: Parameters<ServiceProcess['stopAt']>[0], video: Video) {
    const connection = await connect(way);
    const stop = await service.stopAt(at);
    const { post_id, caption } = await publish(service.clients, way.post(connection, video));
    await stop.reached();
    await received(caption);
    return { connection, post_id, caption, stop };
  }

  const uploads = [
    ['ids-stored', 'before its first byte', 1],
    ['chunk-stored', 'between its chunks', 1],
  ] as const;

  // What TikTok was told of it has as a whole within a moment: there is nothing between the announcement and the verdict.
  it.each([['claimed', 'before it is announced', 0] as const, ...(way.transfer === 'UPLOAD' ? uploads : [])])(
    'at %s, %s: it is held until they reconnect, and then goes out once',
    async (at, _, inits) => {
      const { connection, post_id, caption, stop } = await publishUntil(at, big);
      withdraw(connection);
      await stop.goOn();
      const held = await hurried(post_id, 'HELD');
      expect(held.hold?.reason).toBe('HOLD_REASON_RECONNECT');
      expect(initsOf(world.sandbox, { caption })).toHaveLength(inits);
      // However long they take: nothing is sent meanwhile. (After a day the post would be too late.)
      await timePasses(world, [service], DAY / 2);
      expect(world.sandbox.control.ledger().posts.filter(({ title }) => title === caption)).toEqual([]);

      await reconnect(connection);
      const post = await hurried(post_id, 'PUBLISHED');
      expect(outcomesOf(post).at(-1)).toBe('PUBLISHED');
      const { duplicates, posts } = world.sandbox.control.ledger();
      expect(duplicates).toEqual([]);
      expect(posts.filter(({ title }) => title === caption)).toMatchObject([{ sha256: big.sha256 }]);
    },
  );

  // No last byte of a pull is ours to keep back.
  if (way.transfer === 'UPLOAD') {
    it.runIf(way.transfer === 'UPLOAD')(
      'at finalizing-stored, before the last byte: nobody knows until they reconnect, and then it goes out once',
      async () => {
        const { connection, post_id, caption, stop } = await publishUntil('finalizing-stored', big);
        withdraw(connection);
        await stop.goOn();
        const waiting = await later(post_id, 3_600);
        expect(waiting.post).toMatchObject({ state: 'POST_STATE_PUBLISHING', phase: 'PUBLISHING_PHASE_FINALIZING' });
        expect(initsOf(world.sandbox, { caption })).toHaveLength(1);

        await reconnect(connection);
        const post = await hurried(post_id, 'PUBLISHED');
        // TikTok ended the first itself.
        expect(outcomesOf(post)).toEqual(['FAILED', 'PUBLISHED']);
        const { duplicates, posts } = world.sandbox.control.ledger();
        expect(duplicates).toEqual([]);
        expect(posts.filter(({ title }) => title === caption)).toMatchObject([{ sha256: big.sha256 }]);
      },
    );
  }

  it('after its last byte: the outcome is learnt once they reconnect', async () => {
    const { connection, post_id, caption, stop } = await publishUntil(PROCESSING[way.transfer], small);
    withdraw(connection);
    await stop.goOn();
    const waiting = await later(post_id, 3_600);
    expect(waiting.post).toMatchObject({ state: 'POST_STATE_PUBLISHING', phase: 'PUBLISHING_PHASE_PROCESSING' });

    await reconnect(connection);
    const post = await hurried(post_id, 'PUBLISHED');
    onTikTokOnce(way, world.sandbox, post, small);
    expect(initsOf(world.sandbox, { caption })).toHaveLength(1);
  });

  it('after its last byte, and never reconnects: the outcome is unconfirmed, and nothing is sent again', async () => {
    const { connection, post_id, caption, stop } = await publishUntil(PROCESSING[way.transfer], small);
    withdraw(connection);
    await stop.goOn();
    const { post } = await later(post_id, 2 * DAY, 12);
    expect(post.state).toBe('POST_STATE_UNCONFIRMED');
    expect(outcomesOf(post)).toEqual(['UNCONFIRMED']);
    expect(initsOf(world.sandbox, { caption })).toHaveLength(1);
    expect(chunksOf(world.sandbox, { caption })).toHaveLength(way.transfer === 'UPLOAD' ? 1 : 0);
  });
});

describe.each(FAMILIES)('PUB-01 (C17) TikTok ends a post $name with a failure of its own', (way) => {
  const failing = async (times: number, reason: 'internal' | 'spam_risk'): Promise<Post> => {
    const connection = await connect(way);
    world.sandbox.control.addFault({ kind: 'fail_reason', reason, times, account: connection.account.username });
    return publish(service.clients, way.post(connection, small));
  };

  it.each([1, 2])('%i time(s): as often another attempt is made, and it goes out once', async (times) => {
    const post = await hurried((await failing(times, 'internal')).post_id, 'PUBLISHED');
    expect(outcomesOf(post)).toEqual([...Array.from({ length: times }, () => 'FAILED'), 'PUBLISHED']);
    const { duplicates, posts } = world.sandbox.control.ledger();
    expect(duplicates).toEqual([]);
    expect(posts.filter(({ title }) => title === post.caption)).toMatchObject([{ publishId: post.publish_id }]);
    expect(initsOf(world.sandbox, post).map(({ failReason }) => failReason)).toEqual([
      ...Array.from({ length: times }, () => 'internal'),
      null,
    ]);
  });

  it('three times: it has failed, and no fourth attempt is made', async () => {
    const { post_id } = await failing(3, 'internal');
    const post = await hurried(post_id, 'FAILED');
    expect(post.error).toMatchObject({ code: 'PLATFORM_UNAVAILABLE', tiktok_code: 'internal' });
    expect(outcomesOf(post)).toEqual(['FAILED', 'FAILED', 'FAILED']);
    await timePasses(world, [service], DAY);
    expect(initsOf(world.sandbox, post)).toHaveLength(3);
    expect(world.sandbox.control.ledger().posts.filter(({ title }) => title === post.caption)).toEqual([]);
  });

  it('that another attempt would meet as well: it has failed at once', async () => {
    const { post_id } = await failing(1, 'spam_risk');
    const post = await hurried(post_id, 'FAILED');
    expect(post.error?.code).toBe('CONTENT_FLAGGED');
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
  });
});

describe.each(FAMILIES)('A verdict that TikTok does not give on a post $name', (way) => {
  it('PUB-10 for two hours, because its status answers 503: it is asked for until it does', async () => {
    const connection = await connect(way);
    const { control } = world.sandbox;
    const { username } = connection.account;
    const fault = control.addFault({
      endpoint: way.status,
      kind: 'status',
      status: 503,
      probability: 1,
      account: username,
    });
    const { post_id, caption } = await publish(service.clients, way.post(connection, small));
    const { post: waiting, seconds } = await later(post_id, 7_200);
    expect(seconds).toBeGreaterThanOrEqual(7_200);
    expect(waiting).toMatchObject({ state: 'POST_STATE_PUBLISHING', phase: 'PUBLISHING_PHASE_PROCESSING' });
    expect(callsOf(world.sandbox, connection, way.status).length).toBeGreaterThan(20);

    control.removeFault(fault.id);
    const { post } = await later(post_id, 600);
    onTikTokOnce(way, world.sandbox, post, small);
    expect(initsOf(world.sandbox, { caption })).toHaveLength(1);
    if (way.transfer === 'UPLOAD') expect(bytesOf(world.sandbox, { caption })).toEqual([Number(small.size_bytes)]);
  });

  it('PUB-11 for a day: the outcome is unconfirmed, it says so, and nothing is sent again; a late verdict is still learnt', async () => {
    const connection = await connect(way);
    const { control } = world.sandbox;
    control.addFault({ kind: 'stuck', account: connection.account.username });
    const { post_id, caption } = await publish(service.clients, way.post(connection, small));
    const { post: unconfirmed, seconds } = await later(post_id, 2 * DAY, 12);
    expect(unconfirmed).toMatchObject({
      state: 'POST_STATE_UNCONFIRMED',
      error: { code: 'OUTCOME_UNCONFIRMED' },
    });
    expect(seconds).toBeGreaterThanOrEqual(DAY);
    expect(initsOf(world.sandbox, { caption })).toHaveLength(1);

    const [init] = initsOf(world.sandbox, { caption });
    control.finishProcessing(init?.publishId ?? '');
    await timePasses(world, [service], 3_600);
    const post = await vi.waitUntil(
      async () => {
        const now = await getPost(service.clients, post_id);
        return now.state === 'POST_STATE_PUBLISHED' ? now : undefined;
      },
      { timeout: 50_000 },
    );
    onTikTokOnce(way, world.sandbox, post, small);
    expect(initsOf(world.sandbox, { caption })).toHaveLength(1);
  });
});
