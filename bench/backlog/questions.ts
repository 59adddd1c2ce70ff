import { aesGcmCipher, parseKeyRing } from '../../src/adapters/crypto/aes-gcm-cipher.ts';
import type { Database } from '../../src/adapters/persistence/database.ts';
import { postgresPostEvents } from '../../src/adapters/persistence/postgres-post-events.ts';
import { postgresPostQueue } from '../../src/adapters/persistence/postgres-post-queue.ts';
import { postgresPosts } from '../../src/adapters/persistence/postgres-posts.ts';
import { randomIds } from '../../src/adapters/system/random-ids.ts';
import type { PostFilter } from '../../src/application/ports/posts.ts';
import type { WorkspaceId } from '../../src/domain/ids.ts';
import type { Post } from '../../src/domain/post/post.ts';
import { restingStep } from '../../src/domain/post/step.ts';

/** What a worker claims at once, and a page that nobody asked to be larger. */
const BATCH = 32;
const PAGE = 50;
const LEASE_SECONDS = 60;

/** One thing that is asked of the record. */
export type Question = {
  readonly name: string;
  readonly label: string;
  /** Does it once, and gives how many seconds of that count. Throws when the answer is wrong. */
  readonly ask: () => Promise<number>;
};

async function timed<T>(work: () => Promise<T>): Promise<readonly [seconds: number, answer: T]> {
  const began = performance.now();
  const answer = await work();
  return [(performance.now() - began) / 1000, answer];
}

/** Asked through the service's own adapters, on the database of so many waiting posts. */
export function questions(
  database: Database,
  tokenKeys: string,
  workspaces: readonly WorkspaceId[],
): readonly Question[] {
  const { pool } = database;
  const cipher = aesGcmCipher(parseKeyRing(tokenKeys));
  const clock = { now: () => new Date() };
  const ids = randomIds(clock);
  const queue = postgresPostQueue(database, cipher, () => undefined, console);
  const posts = postgresPosts(database, cipher, () => undefined);
  const events = postgresPostEvents(database, cipher);
  const any = <T>(items: readonly T[]): T => {
    const item = items[Math.floor(Math.random() * items.length)];
    if (item === undefined) throw new Error('there is none');
    return item;
  };
  const filter = (states: PostFilter['states']): PostFilter => ({
    workspaceId: any(workspaces),
    connectionIds: [],
    states,
  });

  async function page(states: PostFilter['states'], expected: number): Promise<number> {
    const [seconds, { items }] = await timed(() => posts.list(filter(states), { size: PAGE }));
    if (items.length !== expected) throw new Error(`a page of ${items.length} posts instead of ${expected}`);
    return seconds;
  }

  async function like(): Promise<Post> {
    const { items } = await posts.list(filter([]), { size: 1 });
    const [step] = items;
    if (step === undefined) throw new Error('a workspace without posts');
    return { ...step.post, id: ids.postId() };
  }

  const add = async (post: Post): Promise<number> => {
    const [seconds, added] = await timed(() =>
      posts.add(restingStep(post), { requestId: post.id, payloadHash: 'bench' }),
    );
    if (!added.ok) throw new Error(`a post was refused: ${added.error.code}`);
    return seconds;
  };

  return [
    {
      name: 'claim',
      label: `claim of ${BATCH} due posts`,
      async ask() {
        // Those that are next, as they would come due; afterwards they wait again, at the end of the line.
        await pool.query(
          `update post set next_action_at = now() where id in
           (select id from post where next_action_at is not null order by next_action_at limit ${BATCH})`,
        );
        const request = { owner: 'bench', limit: BATCH, leaseSeconds: LEASE_SECONDS, suspect: true };
        const [seconds, leases] = await timed(() => queue.claim(request));
        if (leases.length !== BATCH) throw new Error(`${leases.length} posts were claimed instead of ${BATCH}`);
        await pool.query(
          `update post set lease_owner = null, next_action_at = now() + interval '31 days' where id = any($1)`,
          [leases.map(({ postId }) => postId)],
        );
        return seconds;
      },
    },
    {
      name: 'look',
      label: 'look for due posts, of which there are none',
      async ask() {
        const request = { owner: 'bench', limit: BATCH, leaseSeconds: LEASE_SECONDS, suspect: true };
        const [seconds, leases] = await timed(async () => {
          const claimed = await queue.claim(request);
          await queue.earliest();
          return claimed;
        });
        if (leases.length !== 0) throw new Error(`${leases.length} posts were claimed that are not due`);
        return seconds;
      },
    },
    { name: 'list', label: `first page of ${PAGE}`, ask: () => page([], PAGE) },
    { name: 'listScheduled', label: 'first page of those that are scheduled', ask: () => page(['SCHEDULED'], PAGE) },
    {
      name: 'listFailed',
      label: 'first page of those that failed, of which there are none',
      ask: () => page(['FAILED'], 0),
    },
    {
      name: 'watch',
      label: 'the event of one change, for one watcher',
      async ask() {
        const post = await like();
        const cursor = await events.end();
        await add(post);
        const watched = { workspaceId: post.workspaceId, connectionIds: [], postIds: [] };
        const [seconds, found] = await timed(() => events.after(cursor, watched, 200));
        if (found?.events.length !== 1) throw new Error(`${found?.events.length} events of one change`);
        return seconds;
      },
    },
    { name: 'accept', label: 'accept', ask: async () => add(await like()) },
  ];
}
