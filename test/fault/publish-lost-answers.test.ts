import { beforeAll, describe, expect, it } from 'vitest';
import type { FaultSpec } from '../../sandbox/faults.ts';
import { SMALLEST_LARGEST_CHUNK_BYTES } from '../../src/domain/post/chunk-plan.ts';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { bytesOf, callsOf, chunksOf, expectNoGap, initsOf, outcomesOf, rangesOf } from '../support/judge.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectNewAccount,
  getPost,
  type Post,
  postThatHurries,
  publish,
  publishedOnce,
  upload,
  uploadBytes,
  type Video,
} from '../support/story.ts';
import { timePasses } from '../support/time-passes.ts';

const surroundings = realService();

let world: Surroundings;
let service: ServiceProcess;
let small: Video;
/** In three chunks, so that one of them is in the middle. */
let big: Video;

beforeAll(async () => {
  world = await surroundings();
  service = await world.start({ environment: { TIKTOK_CHUNK_BYTES: String(SMALLEST_LARGEST_CHUNK_BYTES) } });
  small = await upload(service.clients);
  big = await uploadBytes(service.clients, await bigMp4Stream(2 * SMALLEST_LARGEST_CHUNK_BYTES + 1));
});

type Story = { readonly post: Post; readonly connection: Connection };

/** Publishes with an account of its own, which is the only one that the faults hit. */
async function publishWith(faults: readonly FaultSpec[], video = small): Promise<Story> {
  const connection = await connectNewAccount({ clients: service.clients, sandbox: world.sandbox });
  for (const fault of faults) world.sandbox.control.addFault({ ...fault, account: connection.account.username });
  const { post_id } = await publish(service.clients, aPost(connection, video));
  const post = await published(post_id);
  publishedOnce(world.sandbox, post, video);
  return { post, connection };
}

const published = (postId: string): Promise<Post> =>
  postThatHurries({ clients: service.clients, sql: world.sql }, postId, 'PUBLISHED');

/** The upload address of a post dies before this chunk is looked at. */
async function publishWithDeadAddress(chunk: number | 'last'): Promise<Story> {
  const { control } = world.sandbox;
  const connection = await connectNewAccount({ clients: service.clients, sandbox: world.sandbox });
  const { username } = connection.account;
  const fault = control.addFault({ endpoint: 'upload', kind: 'hold', chunk, account: username });
  const post = await publish(service.clients, aPost(connection, big));
  const hold = await control.waitForHold({ faultId: fault.id });
  const [first] = initsOf(world.sandbox, post);
  control.expireUploadUrl(first?.publishId ?? '');
  control.release(hold.id);
  return { post, connection };
}

describe('An answer of TikTok that is lost costs no post and makes no second one:', () => {
  it('PUB-02 (C3) of an init that TikTok took on: the orphan gets no byte', async () => {
    const { post } = await publishWith([{ endpoint: 'video_init', kind: 'execute_then_drop' }]);
    expect(outcomesOf(post)).toEqual(['ORPHANED', 'PUBLISHED']);
    expect(initsOf(world.sandbox, post).map(({ stage }) => stage)).toEqual(['UPLOADING', 'COMPLETE']);
    expect(bytesOf(world.sandbox, post)).toEqual([0, Number(small.size_bytes)]);
  });

  it('PUB-02 (C2) of an init that never reached TikTok', async () => {
    const { post } = await publishWith([{ endpoint: 'video_init', kind: 'drop_before' }]);
    expect(outcomesOf(post)).toEqual(['ORPHANED', 'PUBLISHED']);
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
  });

  it('PUB-02 of one init after the other: an orphan is no failed attempt, and counts as none', async () => {
    const { post } = await publishWith([{ endpoint: 'video_init', kind: 'execute_then_drop', times: 3 }]);
    expect(outcomesOf(post)).toEqual(['ORPHANED', 'ORPHANED', 'ORPHANED', 'PUBLISHED']);
    expect(bytesOf(world.sandbox, post)).toEqual([0, 0, 0, Number(small.size_bytes)]);
  });

  it('PUB-06 (C6) of a chunk in the middle: goes on behind it', async () => {
    const { post } = await publishWith([{ endpoint: 'upload', kind: 'execute_then_drop', chunk: 1 }], big);
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
    expect(chunksOf(world.sandbox, post)).toHaveLength(3);
    expectNoGap(world.sandbox, post, big);
  });

  it('PUB-06 (C6) of a chunk that TikTok has in part: goes on where the broken connection left it', async () => {
    const { post } = await publishWith([{ endpoint: 'upload', kind: 'short_read', bytes: 1_000_000, chunk: 1 }], big);
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
    expectNoGap(world.sandbox, post, big);
    expect(rangesOf(world.sandbox, post)).toHaveLength(4);
  });

  it.each([
    ['only', 'small'],
    ['last', 'big'],
  ] as const)('PUB-09 (C8) of the %s chunk: only asks', async (_, size) => {
    const video = size === 'small' ? small : big;
    const { post } = await publishWith([{ endpoint: 'upload', kind: 'execute_then_drop', chunk: 'last' }], video);
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
    expect(chunksOf(world.sandbox, post)).toHaveLength(size === 'small' ? 1 : 3);
    expect(outcomesOf(post)).toEqual(['PUBLISHED']);
  });

  it('PUB-09 (C7) of a last chunk that never reached TikTok: it is sent again, once two looks show that it is missing', async () => {
    const { post, connection } = await publishWith([{ endpoint: 'upload', kind: 'drop_before', chunk: 'last' }], big);
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
    expect(chunksOf(world.sandbox, post)).toHaveLength(4);
    const calls = callsOf(world.sandbox, connection, 'upload', 'status').map(({ endpoint }) => endpoint);
    const lost = calls.lastIndexOf('upload', calls.lastIndexOf('upload') - 1);
    expect(calls.slice(lost, calls.lastIndexOf('upload') + 1)).toEqual(['upload', 'status', 'status', 'upload']);
    expectNoGap(world.sandbox, post, big);
  });

  it('PUB-09 (C11) of a status', async () => {
    const { post } = await publishWith([{ endpoint: 'status', kind: 'execute_then_drop', times: 2 }]);
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
    expect(outcomesOf(post)).toEqual(['PUBLISHED']);
  });
});

describe('PUB-07 A chunk that TikTok does not take', () => {
  it.each([
    ['first', 0],
    ['middle', 1],
    ['last', 'last'],
  ] as const)('is sent again after 503 three times: the %s', async (_, chunk) => {
    const { post } = await publishWith([{ endpoint: 'upload', kind: 'status', status: 503, times: 3, chunk }], big);
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
    const chunks = chunksOf(world.sandbox, post);
    const refused = chunks.filter(({ status }) => status === 503);
    expect(refused).toHaveLength(3);
    expect(new Set(refused.map(({ range }) => range)).size).toBe(1);
    expect(chunks).toHaveLength(6);
    expectNoGap(world.sandbox, post, big);
  });

  it('is sent from where TikTok stands when the two disagree (416)', async () => {
    // The first chunk arrives, but TikTok's status then says that nothing did: we send it again, from 0.
    const behind = { data: { status: 'PROCESSING_UPLOAD', uploaded_bytes: 0 }, error: { code: 'ok', message: '' } };
    const { post } = await publishWith(
      [
        { endpoint: 'upload', kind: 'execute_then_drop', chunk: 0 },
        {
          endpoint: 'status',
          kind: 'status',
          status: 200,
          body: JSON.stringify(behind),
          contentType: 'application/json',
        },
      ],
      big,
    );
    expect(chunksOf(world.sandbox, post).map(({ status }) => status)).toEqual([null, 416, 206, 201]);
    expectNoGap(world.sandbox, post, big);
  });
});

const STEP = 300;
const IN_PROGRESS = 'ATTEMPT_OUTCOME_UNSPECIFIED';

describe('PUB-08 (C13) An upload address that dies', () => {
  it('before the last chunk ends the attempt: TikTok is asked, then another begins at the first byte', async () => {
    const { post, connection } = await publishWithDeadAddress(1);
    const after = await published(post.post_id);
    expect(outcomesOf(after)).toEqual(['FAILED', 'PUBLISHED']);
    publishedOnceWithBytesLeftBehind(after);

    const calls = callsOf(world.sandbox, connection, 'video_init', 'upload', 'status').map(
      ({ endpoint, status }) => `${endpoint} ${status}`,
    );
    const second = calls.lastIndexOf('video_init 200');
    expect(calls.slice(0, second)).toEqual(['video_init 200', 'upload 206', 'upload 403', 'status 200']);
    expect(await eventsOf(post)).toEqual([
      '1 INITIALIZING -',
      '1 UPLOADING -',
      '1 UPLOADING -',
      '1 INITIALIZING FAILED',
      '2 INITIALIZING -',
      '2 UPLOADING -',
    ]);
  });

  it('under the last chunk proves nothing before it is long over and bytes are missing: no second attempt until then', async () => {
    const { post } = await publishWithDeadAddress('last');
    // TikTok might still have taken it.
    const isAlive = async () => (await getPost(service.clients, post.post_id)).attempts[0]?.outcome === IN_PROGRESS;
    let seconds = 0;
    for (; await isAlive(); seconds += STEP) {
      expect(initsOf(world.sandbox, post)).toHaveLength(1);
      await timePasses(world, [service], STEP);
    }
    expect(seconds).toBeGreaterThan(3_600 + 600);

    const after = await published(post.post_id);
    expect(outcomesOf(after)).toEqual(['FAILED', 'PUBLISHED']);
    publishedOnceWithBytesLeftBehind(after);
  });

  /** The dead attempt has bytes at TikTok, and not all of them. */
  function publishedOnceWithBytesLeftBehind(post: Post): void {
    const { duplicates, posts } = world.sandbox.control.ledger();
    expect(duplicates).toEqual([]);
    expect(posts.filter(({ title }) => title === post.caption)).toMatchObject([
      { publishId: post.publish_id, sha256: big.sha256 },
    ]);
    const [dead, alive] = bytesOf(world.sandbox, post);
    expect(dead).toBeGreaterThan(0);
    expect(dead).toBeLessThan(Number(big.size_bytes));
    expect(alive).toBe(Number(big.size_bytes));
    expectNoGap(world.sandbox, post, big);
  }

  /** What was stored while it was announced and sent, in order: which attempt, its phase and its end. */
  async function eventsOf({ post_id }: Post): Promise<readonly string[]> {
    const rows = await world.sql(
      `select attempt->>'number' as number, post->>'phase' as phase, attempt->>'outcome' as outcome from post_event
       where post_id = $1 order by txid, seq`,
      [post_id],
    );
    const events = rows.map(({ number, phase, outcome }) => `${number} ${phase} ${outcome ?? '-'}`);
    return events.slice(events.indexOf('1 INITIALIZING -'), events.indexOf('2 UPLOADING -') + 1);
  }
});
