import { beforeAll, describe, expect, it, vi } from 'vitest';
import { seen } from '../support/changes.ts';
import { eachPublishedOnce } from '../support/crowds.ts';
import { inTurn } from '../support/in-turn.ts';
import { diesCalling } from '../support/preloaded.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectNewAccount,
  getPost,
  type Post,
  publish,
  timestamp,
  unique,
  upload,
  type Video,
} from '../support/story.ts';

const surroundings = realService();

/** Leases of a post that ended without its worker's doing, before it is set aside. */
const MOST_CRASHES = 12;

let world: Surroundings;
let sql: Surroundings['sql'];
let small: Video;
let connections: readonly Connection[];

beforeAll(async () => {
  world = await surroundings();
  sql = inTurn(world.sql);
  const service = await world.start();
  small = await upload(service.clients);
  connections = await Promise.all(
    Array.from({ length: 24 }, () => connectNewAccount({ clients: service.clients, sandbox: world.sandbox })),
  );
  await service.kill();
});

type Case = {
  readonly when: string;
  /** Whether it waits for its account's turn between one crash and the next. */
  readonly turns?: 'TAKEN';
  /** The call that nobody survives, here and at the sandbox. */
  readonly path: string;
  readonly endpoint: 'video_init' | 'status';
  readonly named: 'its caption' | 'its token';
  readonly state: string;
  readonly code: string;
  /** How often it got to TikTok all the same. */
  readonly posts: number;
};

const cases: readonly Case[] = [
  {
    when: 'before the first byte',
    path: '/v2/post/publish/video/init/',
    endpoint: 'video_init',
    named: 'its caption',
    state: 'POST_STATE_FAILED',
    code: 'CONNECTOR_FAILED',
    posts: 0,
  },
  {
    when: 'in its turn, before the first byte,',
    turns: 'TAKEN',
    path: '/v2/post/publish/video/init/',
    endpoint: 'video_init',
    named: 'its caption',
    state: 'POST_STATE_FAILED',
    code: 'CONNECTOR_FAILED',
    posts: 0,
  },
  {
    when: 'after the last byte',
    path: '/v2/post/publish/status/fetch/',
    endpoint: 'status',
    named: 'its token',
    state: 'POST_STATE_UNCONFIRMED',
    code: 'OUTCOME_UNCONFIRMED',
    posts: 1,
  },
];

/** As if time flew: a post rests before each further try, and may wait for its turn; nobody waits for that here. */
const hurry = (post: Post, over: AbortSignal): Promise<boolean> =>
  vi.waitUntil(
    async () => {
      await sql(
        `update post set next_action_at = now(), turn_time = least(turn_time, now())
         where (id = $1 or lapses > 0) and lease_owner is null and next_action_at > now()`,
        [post.post_id],
      );
      return over.aborted;
    },
    { timeout: 200_000, interval: 100 },
  );

describe('SCH-09 a post that ends whatever process works on it', () => {
  it.each(cases)(
    'SCH-09 $when is set aside as $code; the others, due with it or later, go out once each',
    {
      timeout: 240_000,
    },
    async ({ turns, path, endpoint, named, state, code, posts }) => {
      const sender = await world.start();
      const account = await connectNewAccount({ clients: sender.clients, sandbox: world.sandbox });
      const schedule_time = timestamp(new Date(Date.now() + 3_600_000));
      const send = (connection: Connection, parts = {}): Promise<Post> =>
        publish(sender.clients, { ...aPost(connection, small), schedule_time, ...parts });
      const poisoned = await send(account, { caption: unique('Poison') });
      const bystanders = await Promise.all(connections.map((connection) => send(connection)));
      await sender.kill();
      // All at one moment, and TikTok is slow: who is not alone is still at it when the worker dies.
      const slow = world.sandbox.control.addFault({ endpoint, kind: 'delay', ms: 300, probability: 1 });
      await sql(`update post set schedule_time = now(), next_action_at = now() where state = 'SCHEDULED'`);

      const [token] = world.sandbox.control
        .ledger()
        .tokens.filter((each) => each.kind === 'access' && each.account === account.account.open_id);
      const text = named === 'its caption' ? poisoned.caption : (token?.token ?? '');
      const { account: tiktokAccount } = account;
      let crashes = 0;
      let worker: ServiceProcess;
      for (;;) {
        // So many crashes would use up the account's turns of a minute, which are not what this is about; or are, and then
        // somebody else has all of them.
        await sql('delete from turn');
        if (turns === 'TAKEN') {
          const key = `LINE:ANNOUNCE:OPEN:${tiktokAccount.open_id}`;
          await sql('insert into turn values ($1, array_fill(now(), array[6]))', [key]);
        }
        worker = await world.start({ environment: { LEASE_SECONDS: '2', ...diesCalling(path, text) } });
        const over = new AbortController();
        const hurrying = hurry(poisoned, over.signal);
        const setAside = await worker
          .logged('a post ended its workers again and again: it is set aside', { postId: poisoned.post_id })
          .then(
            () => true,
            () => false,
          );
        over.abort();
        await hurrying;
        if (setAside) break;
        expect(worker.output()).toContain('a fatal call');
        crashes += 1;
        expect(crashes).toBeLessThanOrEqual(MOST_CRASHES);
      }
      expect(crashes).toBe(MOST_CRASHES);

      world.sandbox.control.removeFault(slow.id);
      const { clients } = worker;
      const later = await Promise.all(
        connections.slice(0, 5).map((connection) => publish(clients, aPost(connection, small))),
      );
      const innocent = [...bystanders, ...later];
      const ids = innocent.map(({ post_id }) => post_id);
      await seen(
        clients,
        async () => {
          const left = await sql(`select 1 from post where id = any($1) and state <> 'PUBLISHED'`, [ids]);
          return left.length === 0;
        },
        {
          withinSeconds: 120,
          describe: () => sql(`select id, state, phase, lapses, error from post where id = any($1)`, [ids]),
        },
      );
      eachPublishedOnce(
        world.sandbox,
        innocent.map(({ caption }) => caption),
        small,
      );
      expect(worker.log().filter(({ msg }) => msg?.includes('set aside'))).toHaveLength(1);

      const ended = await seen(clients, async () => {
        const post = await getPost(clients, poisoned.post_id);
        return post.state === state && post;
      });
      expect(ended.error).toMatchObject({ code });
      expect(world.sandbox.control.ledger().posts.filter(({ title }) => title === poisoned.caption)).toHaveLength(
        posts,
      );
      // Nothing more happens to it by itself that could end another worker.
      const [row] = await sql('select next_action_at, lease_owner from post where id = $1', [poisoned.post_id]);
      expect(row).toEqual({ next_action_at: null, lease_owner: null });
      await worker.kill();
    },
  );
});
