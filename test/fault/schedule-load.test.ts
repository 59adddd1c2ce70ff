import { beforeAll, describe, expect, it } from 'vitest';
import { seen } from '../support/changes.ts';
import { eachPublishedOnce, manyConnections, manyPosts, percentile } from '../support/crowds.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectNewAccount,
  type Post,
  publish,
  ring,
  timestamp,
  unique,
  upload,
  type Video,
} from '../support/story.ts';

const surroundings = realService();

let world: Surroundings;
let service: ServiceProcess;
let small: Video;
/** Waits for a day that never comes here; what is many is made of it. */
let original: Post;

beforeAll(async () => {
  // As many calls a minute as TikTok really takes for one account; for the app there is no limit to see here.
  world = await surroundings({
    initPerMinute: 6,
    creatorInfoPerMinute: 20,
    statusPerMinute: 30,
    appPerMinute: 1_000_000,
  });
  service = await world.start();
  small = await upload(service.clients);
  const connection = await connectNewAccount({ clients: service.clients, sandbox: world.sandbox });
  const tomorrow = timestamp(new Date(Date.now() + 86_400_000));
  original = await publish(service.clients, { ...aPost(connection, small), schedule_time: tomorrow });
});

const countOf = async (condition: string, values: readonly unknown[] = []): Promise<number> => {
  const [row] = await world.sql(`select count(*)::integer as posts from post where ${condition}`, values);
  return Number(row?.['posts']);
};

/** What the service should not have had to say. */
const complaints = ({ log }: ServiceProcess) => log().filter(({ level }) => Number(level) >= 40);

it('SCH-02 publishes 1,000 posts of 500 accounts that are due at one moment, each once, with one worker', {
  timeout: 240_000,
}, async () => {
  const connections = await manyConnections(world, service, 500);
  const captions = await manyPosts(world.sql, original, 1_000, connections);
  const began = performance.now();
  await ring(service.clients);
  await seen(
    service.clients,
    async () => (await countOf(`caption = any($1) and state <> 'PUBLISHED'`, [captions])) === 0,
    {
      withinSeconds: 200,
      describe: () => world.sql(`select state, error->>'code' as error, count(*) from post group by 1, 2`),
    },
  );
  const seconds = (performance.now() - began) / 1000;

  eachPublishedOnce(world.sandbox, captions, small);
  const { inits, calls } = world.sandbox.control.ledger();
  const wanted = new Set<string | null>(captions);
  expect(inits.filter(({ title }) => wanted.has(title))).toHaveLength(1_000);
  expect(calls.filter(({ errorCode }) => errorCode !== null && errorCode !== 'ok')).toEqual([]);
  expect(complaints(service)).toEqual([]);
  const rows = await world.sql('select dispatch_lateness_seconds as late from post where caption = any($1)', [
    captions,
  ]);
  const late = rows.map((row) => Number(row['late']));
  console.info(
    `1,000 posts: begun ${percentile(late, 0).toFixed(2)} s (first), ${percentile(late, 50).toFixed(2)} s (median), ` +
      `${percentile(late, 100).toFixed(2)} s (last) after their time; all published after ${seconds.toFixed(1)} s`,
  );
});

describe('SCH-12 a workspace with 50,000 posts due at one moment', () => {
  type Other = { readonly connection: Connection; readonly video: Video };

  /** Twenty posts of ten workspaces, due now. Gives how late each began, in seconds. */
  async function publishForOthers(others: readonly Other[]): Promise<readonly number[]> {
    const posts = await Promise.all(
      [...others, ...others].map(({ connection, video }) =>
        publish(service.clients, { ...aPost(connection, video), workspace_id: connection.workspace_id }),
      ),
    );
    const ids = posts.map(({ post_id }) => post_id);
    for (const { connection } of others) {
      const { workspace_id: workspaceId } = connection;
      const left = () => countOf(`workspace_id = $1 and id = any($2) and state <> 'PUBLISHED'`, [workspaceId, ids]);
      await seen(service.clients, async () => (await left()) === 0, {
        workspaceId,
        withinSeconds: 150,
        describe: () => world.sql('select id, state, fence, next_action_at from post where id = any($1)', [ids]),
      });
    }
    eachPublishedOnce(
      world.sandbox,
      posts.map(({ caption }) => caption),
      small,
    );
    const rows = await world.sql('select dispatch_lateness_seconds as late from post where id = any($1)', [ids]);
    return rows.map((row) => Number(row['late']));
  }

  const untouched = () => countOf(`workspace_id = 'ws_busy' and fence = 0`);
  const crowdLookedAt = (posts: number) =>
    seen(service.clients, async () => (await countOf(`workspace_id = 'ws_busy' and fence > 0`)) >= posts, {
      workspaceId: 'ws_busy',
      withinSeconds: 120,
    });
  const told = (late: readonly number[]) =>
    [50, 95, 99].map((each) => `p${each} ${percentile(late, each).toFixed(3)} s`).join(', ');

  it('SCH-12 lets 20 posts of ten other workspaces overtake tens of thousands that came before them, at any time', {
    timeout: 400_000,
  }, async () => {
    const others = await Promise.all(
      Array.from({ length: 10 }, async (): Promise<Other> => {
        const workspaceId = unique('ws_other');
        const [connection] = await manyConnections(world, service, 1, workspaceId);
        return { connection: connection as Connection, video: await upload(service.clients, { workspaceId }) };
      }),
    );
    console.info(`how late others began with nobody beside them: ${told(await publishForOthers(others))}`);

    // Of its 50 accounts TikTok takes 300 posts in the first minute.
    const ACCOUNTS = 50;
    await manyPosts(world.sql, original, 50_000, await manyConnections(world, service, ACCOUNTS, 'ws_busy'));
    await ring(service.clients);
    for (const [phase, posts] of [
      ['begins its first', 1],
      ['is told of the rest when their turn is', ACCOUNTS * 12],
    ] as const) {
      await crowdLookedAt(posts);
      const late = await publishForOthers(others);
      const left = await untouched();
      console.info(`while the crowd ${phase}: ${told(late)}; ${left} of the crowd had not been looked at once`);
      expect(left).toBeGreaterThan(10_000);
    }
    expect(complaints(service)).toEqual([]);
  });
});
