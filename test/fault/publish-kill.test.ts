import { beforeAll, beforeEach, describe, expect, it, onTestFailed, vi } from 'vitest';
import type { CallFaultSpec } from '../../sandbox/faults.ts';
import type { FailPointName } from '../../src/application/ports/fail-point.ts';
import { SMALLEST_LARGEST_CHUNK_BYTES } from '../../src/domain/post/chunk-plan.ts';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { chunksOf, initsOf, outcomesOf } from '../support/judge.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  allThatHurry,
  type Connection,
  endLeases,
  type Post,
  type PostEvent,
  publish,
  timestamp,
  upload,
  uploadBytes,
  type Video,
  WORKSPACE,
} from '../support/story.ts';
import { BUSINESS, FAMILIES, OPEN_UPLOAD, onTikTokOnce, type Way } from '../support/ways.ts';

const surroundings = realService();

/** As many at once in each case, on as many accounts. */
const POSTS = 25;

let world: Surroundings;
/** Each case kills it and starts the next one, which puts right what was left behind. */
let service: ServiceProcess;
const connections = new Map<Way, readonly Connection[]>();
let small: Video;
/** In two chunks, each as small as they get. */
let big: Video;

const start = (): Promise<ServiceProcess> =>
  world.start({
    stoppable: true,
    environment: {
      TIKTOK_CHUNK_BYTES: String(SMALLEST_LARGEST_CHUNK_BYTES),
      // Calls are held until all of the posts are there.
      TIKTOK_API_SECONDS: '300',
    },
  });

beforeAll(async () => {
  world = await surroundings();
  service = await start();
  const story = { clients: service.clients, sandbox: world.sandbox };
  for (const way of FAMILIES) {
    connections.set(way, await Promise.all(Array.from({ length: POSTS }, () => way.connect(story))));
  }
  small = await upload(service.clients);
  big = await uploadBytes(service.clients, await bigMp4Stream(SMALLEST_LARGEST_CHUNK_BYTES + 2));
});

beforeEach(async () => {
  onTestFailed(async () => {
    world.sandbox.control.clearFaults();
    await killAndRelease();
    service = await start();
  });
  // The accounts' last minute is over: they may announce as much as ever.
  await world.sql('delete from turn');
});

const publishAll = (way: Way, video: Video, properties: object = {}) =>
  Promise.all(
    (connections.get(way) ?? []).map(async (connection) => {
      const request = { ...way.post(connection, video), ...properties };
      return { request, postId: (await publish(service.clients, request)).post_id };
    }),
  );

const allPublished = (posts: readonly { readonly postId: string }[]): Promise<Post[]> =>
  allThatHurry(
    { clients: service.clients, sql: world.sql },
    posts.map(({ postId }) => postId),
    { witnessSeconds: 200 },
  );

/** What was held at TikTok is answered to nobody. */
async function killAndRelease(): Promise<void> {
  await service.kill();
  world.sandbox.control.release(undefined, 'drop');
}

type Case = {
  /** In the table of crash points. */
  readonly row: string;
  readonly is: string;
  /** Where it stops: at a fail point, or with a call that TikTok holds. */
  readonly at: FailPointName | (Pick<CallFaultSpec, 'endpoint' | 'chunk'> & { readonly when: 'before' | 'after' });
  readonly chunks: 1 | 2;
  /** What becomes of each attempt. */
  readonly outcomes: readonly string[];
  /** How often TikTok took on the post. */
  readonly inits: number;
  /** How many chunks came to TikTok, over both lives. */
  readonly puts: number;
};

/** What TikTok was told of it fetches from whom it was told, who has to be alive for that. */
const fetched = (posts: readonly { readonly request: { readonly caption: string } }[]) =>
  world.sandbox.control.waitUntil(({ inits }) => {
    const captions = new Set<string | null>(posts.map(({ request }) => request.caption));
    return inits.every(({ title, stage }) => !captions.has(title) || stage !== 'DOWNLOADING');
  });

const ONCE = { outcomes: ['PUBLISHED'], inits: 1 } as const;
// Whether TikTok has heard of it the record can't tell, so it begins again. The address of an orphan is known to nobody.
const ANEW = { outcomes: ['ORPHANED', 'PUBLISHED'], chunks: 1, puts: 1 } as const;

const uploads: readonly Case[] = [
  { row: 'C1', is: 'after the claim', at: 'claimed', ...ONCE, chunks: 1, puts: 1 },
  { row: 'C2', is: 'with the intent stored, before the init', at: 'intent-stored', ...ANEW, inits: 1 },
  { row: 'C3', is: 'with the init sent', at: { endpoint: 'video_init', when: 'before' }, ...ANEW, inits: 1 },
  {
    row: 'C3',
    is: 'with the init done and not answered',
    at: { endpoint: 'video_init', when: 'after' },
    ...ANEW,
    inits: 2,
  },
  { row: 'C4', is: 'with ids read and not stored', at: 'announced', ...ANEW, inits: 2 },
  { row: 'C5', is: 'with ids stored, before the first byte', at: 'ids-stored', ...ONCE, chunks: 1, puts: 1 },
  { row: 'C5', is: 'with ids stored, before the first byte', at: 'ids-stored', ...ONCE, chunks: 2, puts: 2 },
  {
    row: 'C6',
    is: 'with a chunk sent and not answered',
    at: { endpoint: 'upload', chunk: 0, when: 'after' },
    ...ONCE,
    chunks: 2,
    puts: 2,
  },
  {
    row: 'C6',
    is: 'with a chunk under way',
    at: { endpoint: 'upload', chunk: 0, when: 'before' },
    ...ONCE,
    chunks: 2,
    puts: 3,
  },
  { row: 'C6', is: 'with a chunk answered and not stored', at: 'chunk-sent', ...ONCE, chunks: 2, puts: 2 },
  { row: 'C6', is: 'between two chunks', at: 'chunk-stored', ...ONCE, chunks: 2, puts: 2 },
  {
    row: 'C7',
    is: 'with FINALIZING stored, before the only chunk',
    at: 'finalizing-stored',
    ...ONCE,
    chunks: 1,
    puts: 1,
  },
  {
    row: 'C7',
    is: 'with FINALIZING stored, before the last chunk',
    at: 'finalizing-stored',
    ...ONCE,
    chunks: 2,
    puts: 2,
  },
  {
    row: 'C8',
    is: 'with the last chunk sent and not answered',
    at: { endpoint: 'upload', chunk: 'last', when: 'after' },
    ...ONCE,
    chunks: 2,
    puts: 2,
  },
  {
    row: 'C8',
    is: 'with the last chunk under way',
    at: { endpoint: 'upload', chunk: 'last', when: 'before' },
    ...ONCE,
    chunks: 2,
    puts: 3,
  },
  { row: 'C9', is: 'with the last chunk answered and not stored', at: 'last-byte-sent', ...ONCE, chunks: 1, puts: 1 },
  { row: 'C9', is: 'with the last chunk answered and not stored', at: 'last-byte-sent', ...ONCE, chunks: 2, puts: 2 },
  { row: 'C10', is: 'before the first look at the verdict', at: 'verdict-due', ...ONCE, chunks: 1, puts: 1 },
  {
    row: 'C10',
    is: 'while it asks for the verdict',
    at: { endpoint: 'status', when: 'after' },
    ...ONCE,
    chunks: 1,
    puts: 1,
  },
  { row: 'C11', is: 'with the verdict read and not stored', at: 'verdict-read', ...ONCE, chunks: 1, puts: 1 },
];

/** No byte is ours to send, so C5 to C9 are not there: the announcement is all that TikTok needs, and the witness tells what came of it. */
const PULLED = { chunks: 1, puts: 0 } as const;
const NEVER_TOLD = { outcomes: ['ORPHANED', 'PUBLISHED'], inits: 1, ...PULLED } as const;

const pulls: readonly Case[] = [
  { row: 'C1', is: 'after the claim', at: 'claimed', ...ONCE, ...PULLED },
  { row: 'C2', is: 'with the intent stored, before the announcement', at: 'intent-stored', ...NEVER_TOLD },
  {
    row: 'C3',
    is: 'with the announcement sent',
    at: { endpoint: 'business_publish', when: 'before' },
    ...NEVER_TOLD,
  },
  {
    row: 'C3',
    is: 'with the announcement done and not answered',
    at: { endpoint: 'business_publish', when: 'after' },
    ...ONCE,
    ...PULLED,
  },
  { row: 'C4', is: 'with its id read and not stored', at: 'announced', ...ONCE, ...PULLED },
  { row: 'C10', is: 'before the first look at the verdict', at: 'ids-stored', ...ONCE, ...PULLED },
  {
    row: 'C10',
    is: 'while it asks for the verdict',
    at: { endpoint: 'business_status', when: 'after' },
    ...ONCE,
    ...PULLED,
  },
  { row: 'C11', is: 'with the verdict read and not stored', at: 'verdict-read', ...ONCE, ...PULLED },
];

/** Resolves when all are there. */
async function stopAll(at: Case['at']): Promise<() => Promise<unknown>> {
  const { control } = world.sandbox;
  if (typeof at === 'string') {
    const stop = await service.stopAt(`${at}:*`);
    return () => stop.reached(POSTS);
  }
  const { id } = control.addFault({ ...at, kind: 'hold', times: POSTS });
  const held = () => control.holds().filter(({ faultId }) => faultId === id).length === POSTS;
  return () => vi.waitUntil(held, { timeout: 120_000 });
}

describe.each([
  { way: OPEN_UPLOAD, cases: uploads },
  { way: BUSINESS, cases: pulls },
])(
  `PUB-01 ${POSTS} posts $way.name whose service is killed and started again go out once each`,
  {
    timeout: 180_000,
  },
  ({ way, cases }) => {
    it('C0: killed when they are due, before the claim', async () => {
      const inAnHour = timestamp(new Date(Date.now() + 3_600_000));
      const posts = await publishAll(way, small, { schedule_time: inAnHour });
      await service.kill();
      await world.sql('update post set schedule_time = now(), next_action_at = now() where id = any($1)', [
        posts.map(({ postId }) => postId),
      ]);
      service = await start();
      for (const post of await allPublished(posts)) {
        onTikTokOnce(way, world.sandbox, post, small);
        expect(outcomesOf(post)).toEqual(['PUBLISHED']);
      }
    });

    it.each(cases)('$row: killed $is ($chunks chunk(s))', async ({ at, chunks, outcomes, inits, puts }) => {
      const video = chunks === 1 ? small : big;
      const allThere = await stopAll(at);
      const posts = await publishAll(way, video);
      await allThere();
      await fetched(posts);
      await killAndRelease();
      await endLeases(world);

      service = await start();
      for (const post of await allPublished(posts)) {
        onTikTokOnce(way, world.sandbox, post, video);
        expect(outcomesOf(post)).toEqual(outcomes);
        expect(initsOf(world.sandbox, post)).toHaveLength(inits);
        expect(chunksOf(world.sandbox, post)).toHaveLength(puts);
      }

      // The callers ask again, because the answers of the killed process were lost: nothing new.
      const again = await Promise.all(
        posts.map(({ request }) => service.clients.posts.PublishPost<{ post: Post; replayed: boolean }>(request)),
      );
      expect(again.map(({ post, replayed }) => ({ postId: post.post_id, replayed }))).toEqual(
        posts.map(({ postId }) => ({ postId, replayed: true })),
      );
    });

    it('C12: killed with PUBLISHED stored and nobody told: who watches on with a resume token hears of each', async () => {
      const stop = await service.stopAt('verdict-read:*');
      const watch = await service.clients.watch({ workspace_id: WORKSPACE });
      const posts = await publishAll(way, small);
      const ids = new Set(posts.map(({ postId }) => postId));
      await stop.reached(POSTS);
      let heard: PostEvent;
      const sent = new Set<string>();
      do {
        heard = (await watch.next<{ event: PostEvent }>()).event;
        const { phase } = heard.post;
        if (phase === 'PUBLISHING_PHASE_FINALIZING' || phase === 'PUBLISHING_PHASE_PROCESSING') {
          sent.add(heard.post.post_id);
        }
      } while (sent.size < POSTS);
      watch.cancel();

      await stop.goOn();
      const stored = () =>
        world
          .sql(`select id from post where state = 'PUBLISHED' and id = any($1)`, [[...ids]])
          .then((rows) => rows.length > 0);
      await vi.waitUntil(stored, { timeout: 120_000, interval: 5 });
      await service.kill();
      await endLeases(world);

      service = await start();
      const rest = await service.clients.watch({ workspace_id: WORKSPACE, resume_token: heard.resume_token });
      const told: string[] = [];
      while (told.length < POSTS) {
        const { event } = await rest.next<{ event: PostEvent }>();
        if (event.post.state === 'POST_STATE_PUBLISHED') told.push(event.post.post_id);
      }
      rest.cancel();
      expect(new Set(told)).toEqual(ids);
      for (const post of await allPublished(posts)) onTikTokOnce(way, world.sandbox, post, small);
    });
  },
);
