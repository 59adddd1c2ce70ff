import { beforeAll, describe, expect, it } from 'vitest';
import type { FaultSpec } from '../../sandbox/faults.ts';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectNewAccount,
  type Post,
  postThatHurries,
  publish,
  publishedOnce,
  upload,
  uploadBytes,
  type Video,
} from '../support/story.ts';

const surroundings = realService();

let world: Surroundings;
let service: ServiceProcess;
let small: Video;
/** In three chunks, so that one of them is in the middle. */
let big: Video;

beforeAll(async () => {
  world = await surroundings();
  service = await world.start();
  small = await upload(service.clients);
  big = await uploadBytes(service.clients, await bigMp4Stream(130_000_000));
});

/** Publishes with an account of its own, which is the only one that the faults hit. */
async function publishWith(
  faults: readonly FaultSpec[],
  video = small,
): Promise<{ readonly post: Post; readonly connection: Connection }> {
  const connection = await connectNewAccount({ clients: service.clients, sandbox: world.sandbox });
  for (const fault of faults) world.sandbox.control.addFault({ ...fault, account: connection.account.username });
  const { post_id } = await publish(service.clients, aPost(connection, video));
  const post = await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'PUBLISHED');
  publishedOnce(world.sandbox, post, video);
  return { post, connection };
}

const initsOf = ({ account }: Connection) =>
  world.sandbox.control.ledger().inits.filter((init) => init.account === account.open_id);

const callsOf = ({ account }: Connection, endpoint: string) =>
  world.sandbox.control.ledger().calls.filter((call) => call.account === account.open_id && call.endpoint === endpoint);

const rangesOf = ({ publish_id }: Post) =>
  world.sandbox.control.ledger().uploads.find(({ publishId }) => publishId === publish_id)?.ranges ?? [];

const outcomesOf = ({ attempts }: Post) => attempts.map(({ outcome }) => outcome.replace('ATTEMPT_OUTCOME_', ''));

/** Each byte once, in order. */
function expectNoGap(post: Post, video: Video): void {
  let reached = 0;
  for (const { first, last } of rangesOf(post)) {
    expect(first).toBe(reached);
    reached = last + 1;
  }
  expect(reached).toBe(Number(video.size_bytes));
}

describe('An answer of TikTok that is lost costs no post and makes no second one', () => {
  it('of an init that TikTok took on: the orphan gets no byte', async () => {
    const { post, connection } = await publishWith([{ endpoint: 'video_init', kind: 'execute_then_drop' }]);
    expect(outcomesOf(post)).toEqual(['ORPHANED', 'PUBLISHED']);
    expect(initsOf(connection).map(({ stage }) => stage)).toEqual(['UPLOADING', 'COMPLETE']);
  });

  it('of an init that never reached TikTok', async () => {
    const { post, connection } = await publishWith([{ endpoint: 'video_init', kind: 'drop_before' }]);
    expect(outcomesOf(post)).toEqual(['ORPHANED', 'PUBLISHED']);
    expect(initsOf(connection)).toHaveLength(1);
  });

  it('of a chunk in the middle: goes on behind it', async () => {
    const { post, connection } = await publishWith([{ endpoint: 'upload', kind: 'execute_then_drop', chunk: 1 }], big);
    expect(initsOf(connection)).toHaveLength(1);
    expect(callsOf(connection, 'upload')).toHaveLength(3);
    expectNoGap(post, big);
  });

  it('of the last chunk: only asks', async () => {
    const { connection } = await publishWith([{ endpoint: 'upload', kind: 'execute_then_drop', chunk: 'last' }]);
    expect(initsOf(connection)).toHaveLength(1);
    expect(callsOf(connection, 'upload')).toHaveLength(1);
  });

  it('of a status', async () => {
    const { post } = await publishWith([{ endpoint: 'status', kind: 'execute_then_drop', times: 2 }]);
    expect(outcomesOf(post)).toEqual(['PUBLISHED']);
  });
});

describe('A chunk that TikTok does not take', () => {
  it.each([
    ['first', 0],
    ['last', 'last'],
  ] as const)('is sent again after 503 three times: the %s', async (_, chunk) => {
    const { post, connection } = await publishWith(
      [{ endpoint: 'upload', kind: 'status', status: 503, times: 3, chunk }],
      big,
    );
    expect(initsOf(connection)).toHaveLength(1);
    const refused = callsOf(connection, 'upload').filter(({ status }) => status === 503);
    expect(refused).toHaveLength(3);
    expect(new Set(refused.map(({ range }) => range)).size).toBe(1);
    expectNoGap(post, big);
  });

  it('is sent from where TikTok stands when the two disagree (416)', async () => {
    // The first chunk arrives, but TikTok's status then says that nothing did: we send it again, from 0.
    const behind = { data: { status: 'PROCESSING_UPLOAD', uploaded_bytes: 0 }, error: { code: 'ok', message: '' } };
    const { post, connection } = await publishWith(
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
    expect(callsOf(connection, 'upload').map(({ status }) => status)).toEqual([null, 416, 206, 201]);
    expectNoGap(post, big);
  });

  it('is continued where a broken connection left it', async () => {
    const { post } = await publishWith([{ endpoint: 'upload', kind: 'short_read', bytes: 1_000_000, chunk: 1 }], big);
    expectNoGap(post, big);
    expect(rangesOf(post)).toHaveLength(4);
  });

  it('ends the attempt when the upload address is dead; another one begins at the first byte', async () => {
    const { control } = world.sandbox;
    const connection = await connectNewAccount({ clients: service.clients, sandbox: world.sandbox });
    const { username } = connection.account;
    const fault = control.addFault({ endpoint: 'upload', kind: 'hold', chunk: 1, account: username });
    const { post_id } = await publish(service.clients, aPost(connection, big));
    const hold = await control.waitForHold({ faultId: fault.id });
    const [first] = initsOf(connection);
    control.expireUploadUrl(first?.publishId ?? '');
    control.release(hold.id);

    const post = await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'PUBLISHED');
    expect(outcomesOf(post)).toEqual(['FAILED', 'PUBLISHED']);
    expect(control.ledger().duplicates).toEqual([]);
    expect(control.ledger().posts.filter(({ title }) => title === post.caption)).toHaveLength(1);
    expectNoGap(post, big);
  });
});
