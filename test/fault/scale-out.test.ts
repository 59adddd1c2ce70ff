import { expect, it, onTestFinished } from 'vitest';
import { everyRpc, SAME_ADDRESS } from '../support/every-rpc.ts';
import { parseExposition } from '../support/exposition.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectNewAccount,
  getPost,
  methodsOf,
  type PostEvent,
  postThat,
  publish,
  recorded,
  unique,
  upload,
  WORKSPACE,
} from '../support/story.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';
import { BUSINESS, onTikTokOnce } from '../support/ways.ts';

const surroundings = realService();

const SERVICES = ['ConnectionService', 'VideoService', 'PostService', 'AnalyticsService'];

/** So many processes of one service, at one address. */
async function processes(world: Surroundings, count: number): Promise<readonly ServiceProcess[]> {
  return Promise.all(Array.from({ length: count }, () => world.start({ environment: SAME_ADDRESS })));
}

/** Who works on the post, and two others, or the one other twice. */
async function workerOf({ sql }: Surroundings, all: readonly ServiceProcess[], postId: string) {
  const [row] = await sql('select lease_owner from post where id = $1', [postId]);
  const isWorker = ({ pid }: ServiceProcess) => String(row?.['lease_owner']).includes(`:${pid}:`);
  const worker = all.find(isWorker);
  const [another, third = another] = all.filter((each) => !isWorker(each));
  if (worker === undefined || another === undefined || third === undefined) {
    throw new Error(`nobody works on ${postId}, or nobody else is there`);
  }
  return { worker, another, third };
}

it('OPS-08 whatever one process begins, another takes up: every RPC, of two on one database and one store', {
  timeout: 120_000,
}, async () => {
  const world = await surroundings();
  const [one, other] = await processes(world, 2);
  const [first, second] = [one, other].map((each) => recorded((each as ServiceProcess).clients));
  if (first === undefined || second === undefined) throw new Error('two are needed');
  await everyRpc(world, first, second);
  await everyRpc(world, second, first);
  const every = SERVICES.flatMap(methodsOf).sort();
  expect([...first.called].sort()).toEqual(every);
  expect([...second.called].sort()).toEqual(every);
});

it('OPS-08 what one process sends, a second tells of and a third cancels: TikTok gets no byte of it', {
  timeout: 120_000,
}, async () => {
  const world = await surroundings();
  const { control } = world.sandbox;
  const all = await processes(world, 3);
  const [one] = all;
  if (one === undefined) throw new Error('nobody is there');
  const connection = await connectNewAccount({ clients: one.clients, sandbox: world.sandbox });
  const video = await upload(one.clients);
  // TikTok has taken it on, and says so late.
  const { username: account } = connection.account;
  const fault = control.addFault({ endpoint: 'video_init', kind: 'hold', when: 'after', account });
  const { post_id, caption } = await publish(one.clients, aPost(connection, video));
  const hold = await control.waitForHold({ faultId: fault.id });
  const { worker, another, third } = await workerOf(world, all, post_id);
  const watch = await another.clients.watch(
    { workspace_id: WORKSPACE, post_ids: [post_id] },
    { deadlineMilliseconds: 40_000 },
  );
  await third.clients.posts.CancelPost({ post_id });
  const { event } = await watch.next<{ event: PostEvent }>();
  expect([event.previous_state, event.post.state]).toEqual(['POST_STATE_PUBLISHING', 'POST_STATE_CANCELLED']);
  watch.cancel();
  control.release(hold.id);

  // The same worker goes on with what is not cancelled, and is through with this one.
  const next = await publish(worker.clients, aPost(connection, video));
  await postThat(worker.clients, next.post_id, 'PUBLISHED');
  expect(await worker.stop()).toBe(0);
  const { inits, uploads, posts } = control.ledger();
  const announced = inits.filter(({ title }) => title === caption);
  expect(announced).toHaveLength(1);
  expect(
    uploads.filter(({ publishId, receivedBytes }) => publishId === announced[0]?.publishId && receivedBytes > 0),
  ).toEqual([]);
  expect(posts.map(({ title }) => title)).toEqual([next.caption]);
  expect((await getPost(another.clients, post_id)).state).toBe('POST_STATE_CANCELLED');
});

it('OPS-08 a browser that one process sent to TikTok comes back to another', async () => {
  const world = await surroundings();
  const [one, other] = (await processes(world, 2)) as [ServiceProcess, ServiceProcess];
  const username = unique('glow').replaceAll('-', '.');
  world.sandbox.control.addAccount({ username });
  const { authorize_uri } = await one.clients.connections.StartConnection<{ authorize_uri: string }>({
    workspace_id: WORKSPACE,
  });
  const { state, code } = await world.sandbox.control.consent({ authorizeUri: authorize_uri, account: username });
  const callback = (at: ServiceProcess) =>
    fetch(`${at.httpUrl}/oauth/tiktok/callback?${new URLSearchParams({ code: code ?? '', state })}`);
  const answer = await callback(other);
  expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining(username)]);
  // Once, at whichever.
  expect((await callback(one)).status).toBe(400);
  const { connections } = await one.clients.connections.ListConnections<{ connections: readonly Connection[] }>({
    workspace_id: WORKSPACE,
  });
  expect(connections).toMatchObject([{ state: 'CONNECTION_STATE_ACTIVE', account: { username } }]);
});

it('OPS-08 a video that one process announced is fetched by TikTok from another', { timeout: 120_000 }, async () => {
  const world = await surroundings();
  const { control } = world.sandbox;
  let front: ServiceProcess | undefined;
  const proxy = await tcpProxy(() => front?.httpUrl ?? '');
  onTestFinished(() => proxy.close());
  const environment = { PUBLIC_URL: `http://127.0.0.1:${proxy.port}` };
  const all = await Promise.all([world.start({ environment }), world.start({ environment })]);
  const [{ clients }] = all;
  const connection = await BUSINESS.connect({ clients, sandbox: world.sandbox });
  const video = await upload(clients);
  const fault = control.addFault({ endpoint: 'business_publish', kind: 'hold', account: connection.account.username });
  const { post_id } = await publish(clients, BUSINESS.post(connection, video));
  const hold = await control.waitForHold({ faultId: fault.id });
  const { worker, another } = await workerOf(world, all, post_id);
  front = another;
  control.release(hold.id);
  const post = await postThat(worker.clients, post_id, 'PUBLISHED');
  onTikTokOnce(BUSINESS, world.sandbox, post, video);
  const [fetched] = await world.sql(
    `select sum(end_exclusive - first_byte)::text as bytes from media_fetch
     join media_address using (token_sha256) where post_id = $1`,
    [post_id],
  );
  expect(fetched?.['bytes']).toBe(video.size_bytes);
});

it('OPS-08 each process counts what it did itself, and all tell the same backlog', { timeout: 120_000 }, async () => {
  const world = await surroundings();
  const { control } = world.sandbox;
  const all = await processes(world, 2);
  const [one, other] = all as [ServiceProcess, ServiceProcess];
  const video = await upload(one.clients);
  const connection = await connectNewAccount({ clients: one.clients, sandbox: world.sandbox });
  // Only one of them is awake, so it is known who did it.
  for (const [sleeper, worker, count] of [
    [other, one, 2],
    [one, other, 1],
  ] as const) {
    sleeper.freeze();
    for (let left = count; left > 0; left -= 1) {
      const { post_id } = await publish(worker.clients, aPost(connection, video));
      await postThat(worker.clients, post_id, 'PUBLISHED');
    }
    sleeper.thaw();
  }
  const withdrawn = await connectNewAccount({ clients: one.clients, sandbox: world.sandbox });
  control.disconnectAccount(withdrawn.account.username);
  const waiting = await publish(other.clients, aPost(withdrawn, video));
  await postThat(other.clients, waiting.post_id, 'HELD');

  const told = async ({ httpUrl }: ServiceProcess, name: string, labels: Readonly<Record<string, string>>) => {
    const families = parseExposition(await (await fetch(`${httpUrl}/metrics`)).text());
    const samples = families.get(name)?.samples ?? [];
    const wanted = samples.filter((sample) =>
      Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
    return wanted.reduce((sum, { value }) => sum + value, 0);
  };
  const endpoint = '/v2/post/publish/video/init/';
  expect(await Promise.all(all.map((each) => told(each, 'tiktok_connector_tiktok_calls_total', { endpoint })))).toEqual(
    [2, 1],
  );
  const held = await Promise.all(
    all.map((each) => told(each, 'tiktok_connector_backlog_held_posts', { reason: 'RECONNECT' })),
  );
  expect(held).toEqual([1, 1]);
});
