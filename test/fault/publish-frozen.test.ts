import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import type { FailPointName } from '../../src/application/ports/fail-point.ts';
import { SMALLEST_LARGEST_CHUNK_BYTES } from '../../src/domain/post/chunk-plan.ts';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { bytesOf, chunksOf, initsOf, outcomesOf, recordOf } from '../support/judge.ts';
import { letTimePass } from '../support/pulls.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  type Connection,
  hurry,
  type Post,
  postThat,
  publish,
  upload,
  uploadBytes,
  type Video,
  WORKSPACE,
} from '../support/story.ts';
import { BUSINESS, OPEN_UPLOAD, onTikTokOnce, type Way } from '../support/ways.ts';

const surroundings = realService();
const GONE = 'a post went to another worker';

let world: Surroundings;
let small: Video;
/** In two chunks. */
let big: Video;

const start = (leaseSeconds: number): Promise<ServiceProcess> =>
  world.start({
    stoppable: true,
    environment: { LEASE_SECONDS: String(leaseSeconds), TIKTOK_CHUNK_BYTES: String(SMALLEST_LARGEST_CHUNK_BYTES) },
  });

beforeAll(async () => {
  world = await surroundings();
  const service = await start(60);
  small = await upload(service.clients);
  big = await uploadBytes(service.clients, await bigMp4Stream(SMALLEST_LARGEST_CHUNK_BYTES + 2));
  await service.kill();
});

/** Two processes; the first gets the post, because the second is frozen until then. */
async function pair(leaseSeconds: number): Promise<[first: ServiceProcess, second: ServiceProcess]> {
  return Promise.all([start(leaseSeconds), start(leaseSeconds)]);
}

let first: ServiceProcess;
let second: ServiceProcess;

/** Resolves when the first process is at this place with the post. */
async function reachedByFirst(
  way: Way,
  at: FailPointName | 'mid-chunk',
  video: Video,
): Promise<{ readonly postId: string; readonly connection: Connection; readonly goOn: () => Promise<unknown> }> {
  const { control } = world.sandbox;
  const connection = await way.connect({ clients: first.clients, sandbox: world.sandbox });
  second.freeze();
  if (at === 'mid-chunk') {
    const { id } = control.addFault({
      endpoint: 'upload',
      kind: 'hold',
      chunk: 0,
      account: connection.account.username,
    });
    const { post_id } = await publish(first.clients, way.post(connection, video));
    const hold = await control.waitForHold({ faultId: id });
    return { postId: post_id, connection, goOn: async () => control.release(hold.id) };
  }
  const stop = await first.stopAt(at);
  const { post_id, caption } = await publish(first.clients, way.post(connection, video));
  await stop.reached();
  // What TikTok was told of it fetches from the first, who is awake for that.
  await control.waitUntil(({ inits }) =>
    inits.every(({ title, stage }) => title !== caption || stage !== 'DOWNLOADING'),
  );
  return { postId: post_id, connection, goOn: stop.goOn };
}

/** TikTok is done with all that it was told of this post. */
const settled = ({ caption }: Post) =>
  world.sandbox.control.waitUntil(({ inits }) =>
    inits.every(
      ({ title, stage }) => title !== caption || stage === 'COMPLETE' || stage === 'FAILED' || stage === 'UPLOADING',
    ),
  );

type Case = {
  readonly at: FailPointName | 'mid-chunk';
  readonly is: string;
  readonly chunks: 1 | 2;
  readonly outcomes: readonly string[];
  readonly inits: number;
  /** Where two that are awake differ from one after the other: what the first announces, the second's witness sees. */
  readonly outcomesOfBoth?: readonly string[];
};

const ONCE = { outcomes: ['PUBLISHED'], inits: 1 } as const;
const ANEW = { outcomes: ['ORPHANED', 'PUBLISHED'], inits: 2, chunks: 1 } as const;

const uploads: readonly Case[] = [
  { at: 'claimed', is: 'right after the claim', ...ONCE, chunks: 1 },
  { at: 'intent-stored', is: 'before the init', ...ANEW },
  { at: 'announced', is: 'with ids in hand that are not stored', ...ANEW },
  { at: 'ids-stored', is: 'before FINALIZING is stored', ...ONCE, chunks: 1 },
  { at: 'mid-chunk', is: 'in the middle of a chunk', ...ONCE, chunks: 2 },
  { at: 'chunk-sent', is: 'with a chunk answered', ...ONCE, chunks: 2 },
  { at: 'chunk-stored', is: 'before FINALIZING is stored', ...ONCE, chunks: 2 },
  { at: 'finalizing-stored', is: 'before the last byte', ...ONCE, chunks: 2 },
  { at: 'last-byte-sent', is: 'after the last byte', ...ONCE, chunks: 2 },
  { at: 'verdict-read', is: 'with the verdict in hand', ...ONCE, chunks: 1 },
];

/** None of their bytes are ours to send. */
const pulls: readonly Case[] = [
  { at: 'claimed', is: 'right after the claim', ...ONCE, chunks: 1 },
  // Its address is closed by then: what it announces when it wakes, TikTok can't fetch.
  { at: 'intent-stored', is: 'before the announcement', ...ANEW, outcomesOfBoth: ONCE.outcomes },
  { at: 'announced', is: 'with an id in hand that is not stored', ...ONCE, chunks: 1 },
  { at: 'ids-stored', is: 'before the first look at the verdict', ...ONCE, chunks: 1 },
  { at: 'verdict-read', is: 'with the verdict in hand', ...ONCE, chunks: 1 },
];

const ways = [
  { way: OPEN_UPLOAD, cases: uploads },
  { way: BUSINESS, cases: pulls },
];

/** Also by what the witness waits for. */
const published = (postId: string) => {
  const here = { clients: second.clients, sql: world.sql };
  return postThat(here.clients, postId, 'PUBLISHED', { meanwhile: () => letTimePass(here, postId, 200) });
};

describe.each(ways)(
  'PUB-04 (C14) a worker frozen for longer than its lease, over a post $way.name,',
  ({ way, cases }) => {
    beforeAll(async () => {
      [first, second] = await pair(2);
    });
    afterAll(() => Promise.all([first.kill(), second.kill()]));
    beforeEach(() => {
      onTestFailed(async () => {
        await Promise.all([first.kill(), second.kill()]);
        [first, second] = await pair(2);
      });
    });

    it.each(cases)(
      '$is ($at, $chunks chunk(s)) changes nothing when it wakes: one post',
      async ({ at, chunks, outcomes, inits }) => {
        const video = chunks === 1 ? small : big;
        const { postId, goOn } = await reachedByFirst(way, at, video);
        first.freeze();
        second.thaw();
        // Its lease ends by itself, and not before.
        const post = await published(postId);
        const record = await recordOf(world, postId);

        const watch = await second.clients.watch({ workspace_id: WORKSPACE, post_ids: [postId] });
        const gone = goOn();
        first.thaw();
        await gone;
        // It sees that it lost the post, unless it stores something after all.
        await Promise.race([first.logged(GONE, { postId }), watch.next()]);
        watch.cancel();
        expect(await recordOf(world, postId)).toEqual(record);
        await settled(post);
        onTikTokOnce(way, world.sandbox, post, video);
        expect(outcomesOf(post)).toEqual(outcomes);
        expect(initsOf(world.sandbox, post)).toHaveLength(inits);
        if (way.transfer === 'UPLOAD') {
          expect(bytesOf(world.sandbox, post).filter((bytes) => bytes !== 0)).toEqual([Number(video.size_bytes)]);
        }
      },
    );
  },
);

describe.each(ways)('PUB-05 two workers that are both at one post $way.name', ({ way, cases }) => {
  beforeAll(async () => {
    [first, second] = await pair(60);
  });
  // Who is left over would take the posts of the next.
  afterAll(() => Promise.all([first.kill(), second.kill()]));
  beforeEach(() => {
    onTestFailed(async () => {
      await Promise.all([first.kill(), second.kill()]);
      [first, second] = await pair(60);
    });
  });

  it.each(cases.filter(({ at }) => at !== 'mid-chunk'))(
    'from $at, $is ($chunks chunk(s)) make one post',
    async ({ at, chunks, outcomes, outcomesOfBoth = outcomes }) => {
      const video = chunks === 1 ? small : big;
      const { postId, goOn } = await reachedByFirst(way, at, video);
      // The second is let in although the first has the post, works and renews. (The first must not claim it again itself.)
      first.freeze();
      second.thaw();
      const claimed = await second.stopAt('claimed');
      await world.sql('update post set next_action_at = now(), lease_owner = null where id = $1', [postId]);
      await hurry({ clients: second.clients, sql: world.sql }, postId);
      await claimed.reached();
      first.thaw();
      await Promise.all([goOn(), claimed.goOn()]);

      // The first of them announces while it is awake, and before the witness has waited for that.
      if (way.transfer === 'PULL') await first.logged(GONE, { postId });
      const post = await published(postId);
      const judge = () => {
        onTikTokOnce(way, world.sandbox, post, video);
        expect(outcomesOf(post)).toEqual(outcomesOfBoth);
        if (way.transfer === 'PULL') return;
        expect(bytesOf(world.sandbox, post).filter((bytes) => bytes !== 0)).toEqual([Number(video.size_bytes)]);
        const used = new Set(chunksOf(world.sandbox, post).map(({ publishId }) => publishId));
        expect(used).toEqual(new Set([post.publish_id]));
      };
      judge();
      // Nor does the first make another one before it sees that it lost the post.
      await first.logged(GONE, { postId });
      judge();
    },
  );
});
