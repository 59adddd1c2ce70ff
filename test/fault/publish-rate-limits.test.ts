import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { EndpointName } from '../../sandbox/endpoint.ts';
import { callsOf, initsOf, outcomesOf } from '../support/judge.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectNewAccount,
  getPost,
  type Post,
  postThat,
  publish,
  publishedOnce,
  upload,
  type Video,
} from '../support/story.ts';
import { skipToNextMoment } from '../support/time-passes.ts';
import { BUSINESS, onTikTokOnce } from '../support/ways.ts';

const surroundings = realService();
const MINUTE = 60_000;

let world: Surroundings;
let processes: readonly [ServiceProcess, ServiceProcess];
let small: Video;

beforeAll(async () => {
  // As many calls a minute as TikTok really takes from one account.
  world = await surroundings({ initPerMinute: 6, creatorInfoPerMinute: 20, statusPerMinute: 30, appPerMinute: 600 });
  processes = await Promise.all([world.start(), world.start()]);
  small = await upload(processes[0].clients);
});

const connect = () => connectNewAccount({ clients: processes[0].clients, sandbox: world.sandbox });

/** Ten each by both processes, at once. */
const publishMany = (connection: Connection, count: number): Promise<Post[]> =>
  Promise.all(
    Array.from({ length: count }, (_, index) =>
      publish(processes[index % 2 === 0 ? 0 : 1].clients, aPost(connection, small)),
    ),
  );

/** Lets as much time pass as it takes; nobody waits for it here. */
async function allPublished(posts: readonly Post[]): Promise<Post[]> {
  const ids = posts.map(({ post_id }) => post_id);
  const open = async () =>
    (await world.sql(`select id from post where id = any($1) and state <> 'PUBLISHED'`, [ids])).length;
  while ((await open()) > 0) {
    if ((await skipToNextMoment(world, processes)) === undefined) break;
  }
  expect(await open()).toBe(0);
  return Promise.all(ids.map((id) => getPost(processes[0].clients, id)));
}

/** The most calls that any minute of TikTok's clock holds. */
function mostInAMinute(connection: Connection, endpoint: EndpointName): number {
  const times = callsOf(world.sandbox, connection, endpoint).map(({ time }) => time);
  return Math.max(...times.map((first) => times.filter((time) => time >= first && time < first + MINUTE).length));
}

const tooMany = (connection: Connection) =>
  callsOf(world.sandbox, connection, 'video_init', 'creator_info', 'status').filter(({ status }) => status === 429);

describe("PUB-16 TikTok's limits for an account", () => {
  it('are never met by 20 posts that two processes publish at once', { timeout: 180_000 }, async () => {
    const connection = await connect();
    const posts = await allPublished(await publishMany(connection, 20));
    for (const post of posts) {
      publishedOnce(world.sandbox, post, small);
      expect(outcomesOf(post)).toEqual(['PUBLISHED']);
      expect(initsOf(world.sandbox, post)).toHaveLength(1);
    }
    expect(tooMany(connection)).toEqual([]);
    expect(mostInAMinute(connection, 'video_init')).toBe(6);
    expect(mostInAMinute(connection, 'creator_info')).toBeLessThanOrEqual(20);
    expect(mostInAMinute(connection, 'status')).toBeLessThanOrEqual(30);
    const [first, ...others] = callsOf(world.sandbox, connection, 'video_init').map(({ time }) => time);
    expect((others.at(-1) ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(3 * MINUTE);
  });

  it('are not met either when the creator is read slowly right before an announcement', {
    timeout: 180_000,
  }, async () => {
    const connection = await connect();
    const { username } = connection.account;
    world.sandbox.control.addFault({ endpoint: 'creator_info', kind: 'delay', ms: 5_000, times: 6, account: username });
    const posts = await allPublished(await publishMany(connection, 12));
    for (const post of posts) publishedOnce(world.sandbox, post, small);
    expect(tooMany(connection)).toEqual([]);
    expect(mostInAMinute(connection, 'video_init')).toBeLessThanOrEqual(6);
  });

  it.each(['video_init', 'creator_info', 'status'] as const)(
    'that TikTok says are reached (429 to %s) are left alone for a minute: nothing is lost',
    { timeout: 180_000 },
    async (endpoint) => {
      const connection = await connect();
      const { control } = world.sandbox;
      control.addFault({
        endpoint,
        kind: 'error',
        code: 'rate_limit_exceeded',
        times: 2,
        account: connection.account.username,
      });
      const posts = await publishMany(connection, 1);
      const [post] = await allPublished(posts);
      if (post === undefined) throw new Error('no post');
      publishedOnce(world.sandbox, post, small);

      const all = callsOf(world.sandbox, connection, endpoint);
      const calls = all.slice(all.findIndex(({ status }) => status === 429));
      expect(calls.slice(0, 3).map(({ status }) => status)).toEqual([429, 429, 200]);
      for (const [index, { status, time }] of calls.entries()) {
        const next = calls[index + 1];
        if (status === 429 && next !== undefined) expect(next.time - time).toBeGreaterThanOrEqual(MINUTE);
      }
      expect(initsOf(world.sandbox, post)).toHaveLength(1);
    },
  );

  it('hold up the posts of that account, and nobody else', { timeout: 180_000 }, async () => {
    const [limited, other] = [await connect(), await connect()];
    world.sandbox.control.addFault({
      endpoint: 'video_init',
      kind: 'error',
      code: 'rate_limit_exceeded',
      account: limited.account.username,
    });
    const [met] = await publishMany(limited, 1);
    const shut = async () => (await world.sql('select key from gate')).length === 1;
    await vi.waitUntil(shut, { timeout: 50_000 });
    const behind = await publishMany(limited, 3);
    const [free] = await publishMany(other, 1);
    await postThat(processes[1].clients, free?.post_id ?? '', 'PUBLISHED');
    expect(callsOf(world.sandbox, limited, 'video_init')).toHaveLength(1);

    const posts = await allPublished([...(met === undefined ? [] : [met]), ...behind]);
    for (const post of posts) publishedOnce(world.sandbox, post, small);
    expect(tooMany(limited)).toHaveLength(1);
    expect(callsOf(world.sandbox, limited, 'video_init')).toHaveLength(5);
  });
});

describe("PUB-16 TikTok's limits for the app of the Business family", () => {
  const endpoints = [
    'business_account',
    'business_settings',
    'business_publish',
    'business_status',
    'business_videos',
  ] as const;
  let paced: readonly [ServiceProcess, ServiceProcess];
  const calls = () => {
    const counted = new Set<EndpointName>(endpoints);
    return world.sandbox.control.ledger().calls.filter(({ endpoint }) => counted.has(endpoint));
  };

  it('are kept by 24 posts of 8 accounts that two processes publish at once: each call waits for its turn', {
    timeout: 120_000,
  }, async () => {
    // As many as TikTok really takes from one account, and from the app in a minute. On a busy machine calls that were sent one after the
    // other may arrive together, so a second is judged by ten of them, below.
    world.sandbox.control.changeSettings({
      businessPerMinute: 40,
      businessPublishPerMinute: 6,
      businessAppPerSecond: 600,
      businessAppPerMinute: 600,
    });
    const environment = { TIKTOK_BUSINESS_APP_QPS: '10', TIKTOK_BUSINESS_APP_QPM: '600' };
    paced = await Promise.all([world.start({ environment }), world.start({ environment })]);
    // These two are not to know of any other pace.
    await Promise.all(processes.map((each) => each.kill()));
    const [first, second] = paced;
    const story = { clients: first.clients, sandbox: world.sandbox };
    const before = calls().length;
    const connections = await Promise.all(Array.from({ length: 8 }, () => BUSINESS.connect(story)));
    const posts = await Promise.all(
      connections.flatMap((connection, account) =>
        [0, 1, 2].map((post) =>
          publish(((account + post) % 2 === 0 ? first : second).clients, BUSINESS.post(connection, small)),
        ),
      ),
    );
    for (const { post_id } of posts) {
      const post = await postThat(first.clients, post_id, 'PUBLISHED', { withinSeconds: 90 });
      onTikTokOnce(BUSINESS, world.sandbox, post, small);
      expect(outcomesOf(post)).toEqual(['PUBLISHED']);
    }
    const made = calls().slice(before);
    expect(made.filter(({ errorCode }) => errorCode !== null)).toEqual([]);
    // Two for each account, three for each post at least.
    expect(made.length).toBeGreaterThanOrEqual(8 * 2 + posts.length * 3);
    const times = made.map(({ time }) => time);
    const inTenSeconds = times.map((first) => times.filter((time) => time >= first && time < first + 10_000).length);
    expect(Math.max(...inTenSeconds)).toBeLessThanOrEqual(100);
  });

  it('tell before it is asked that an account had its posts of the day: the next one is held, with its time', async () => {
    const one = await world.start({ environment: { TIKTOK_BUSINESS_DAILY_POSTS: '2' } });
    await Promise.all(paced.map((each) => each.kill()));
    const connection = await BUSINESS.connect({ clients: one.clients, sandbox: world.sandbox });
    const posts = [];
    for (let post = 0; post < 2; post += 1) {
      posts.push(await publish(one.clients, BUSINESS.post(connection, small)));
    }
    for (const { post_id } of posts) await postThat(one.clients, post_id, 'PUBLISHED');
    const before = callsOf(world.sandbox, connection, ...endpoints).length;
    const { post_id } = await publish(one.clients, BUSINESS.post(connection, small));
    const held = await postThat(one.clients, post_id, 'HELD');
    expect(held).toMatchObject({
      hold: { reason: 'HOLD_REASON_QUOTA' },
      error: { code: 'ACCOUNT_DAILY_POST_CAP' },
      attempts: [],
    });
    const [oldest] = await world.sql(
      "select times[1] as time from turn where key like 'POSTS:%' and cardinality(times) = 2",
    );
    const { release_time } = held.hold ?? {};
    if (!release_time || !oldest) throw new Error('it has no time');
    const wait = Number(release_time.seconds) - (oldest['time'] as Date).getTime() / 1000;
    expect(Math.abs(wait - 86_460)).toBeLessThan(2);
    expect(callsOf(world.sandbox, connection, ...endpoints)).toHaveLength(before);
  });
});
