import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectNewAccount,
  getPost,
  type Post,
  type PostEvent,
  postThat,
  publish,
  publishedOnce,
  ring,
  timestamp,
  upload,
  type Video,
  WORKSPACE,
} from '../support/story.ts';
import { signatureOf, webhookBody } from '../support/webhooks.ts';

const HOUR = 3_600_000;
const TOLD = 'TikTok told of a removed authorization, and';

const surroundings = realService();

let world: Surroundings;
let service: ServiceProcess;
let small: Video;

beforeAll(async () => {
  // TikTok is never done by itself: each test says when it is.
  world = await surroundings({ processingMs: HOUR, postIdDelayMs: HOUR, webhookRetryMs: 100 });
  service = await world.start();
  listenAt(service);
  small = await upload(service.clients);
});

const address = ({ httpUrl }: ServiceProcess) => `${httpUrl}/webhooks/tiktok`;

/** TikTok knows one address. */
function listenAt(process: ServiceProcess): void {
  world.sandbox.control.changeApp({ webhookUrl: address(process) });
}

function changeSettings(settings: Parameters<Surroundings['sandbox']['control']['changeSettings']>[0]): void {
  const { control } = world.sandbox;
  const before = control.settings();
  control.changeSettings(settings);
  onTestFinished(() => void control.changeSettings(before));
}

const connect = (): Promise<Connection> => connectNewAccount({ clients: service.clients, sandbox: world.sandbox });

const connectionNow = async ({ connection_id }: Connection): Promise<Connection> => {
  const { connection } = await service.clients.connections.GetConnection<{ connection: Connection }>({ connection_id });
  return connection;
};

/** No look of the engine for an hour, whoever has the post right now. */
const rest = (postId: string) =>
  world.sql(
    `update post set next_action_at = now() + interval '1 hour', lease_owner = null, fence = fence + 1 where id = $1`,
    [postId],
  );

/** TikTok has every byte, and nobody asks how it stands. */
async function givenProcessing(request: object): Promise<Post> {
  const { post_id } = await publish(service.clients, request);
  const post = await postThat(service.clients, post_id, ({ phase }) => phase === 'PUBLISHING_PHASE_PROCESSING');
  await rest(post_id);
  return post;
}

/** The post, once it is known where everyone can see it. */
async function withLink(postId: string): Promise<Post> {
  const watch = await service.clients.watch({ workspace_id: WORKSPACE, post_ids: [postId] });
  for (
    let post = await getPost(service.clients, postId);
    ;
    { post } = (await watch.next<{ event: PostEvent }>()).event
  ) {
    if (post.tiktok_post_id === '') continue;
    watch.cancel();
    return post;
  }
}

/** As TikTok has it, not as we were told. */
const tiktokPostOf = ({ publish_id }: Post): string =>
  world.sandbox.control.ledger().posts.find(({ publishId }) => publishId === publish_id)?.postIds[0] ?? 'none';

/** The webhooks about this, as the sandbox wrote them. */
const webhooksAbout = (what: string) =>
  world.sandbox.control.ledger().webhooks.filter(({ body }) => body.includes(what));

const delivered = (what: string, times: number) =>
  world.sandbox.control.waitUntil(({ webhooks }) => {
    const attempts = webhooks.filter(({ body }) => body.includes(what)).flatMap((webhook) => webhook.attempts);
    return attempts.filter(({ status }) => status === 200).length >= times;
  });

/** What came of the webhooks about this, once none of them is being looked at. */
async function outcomes(member: 'publishId' | 'openId', id: string): Promise<readonly unknown[]> {
  for (;;) {
    const rows = await world.sql('select outcome from webhook_event where subject->>$1 = $2', [member, id]);
    if (rows.every(({ outcome }) => outcome !== null)) return rows.map(({ outcome }) => outcome);
  }
}

const forged = (event: string, openId: string): string =>
  webhookBody({ client_key: world.sandbox.clientKey, event, user_openid: openId }, { reason: 1 });

const send = (body: string, secret = world.sandbox.clientSecret, to = service): Promise<Response> =>
  fetch(address(to), { method: 'POST', headers: { 'tiktok-signature': signatureOf(body, secret) }, body });

describe('A webhook of TikTok', () => {
  it('gets a post published at once that nobody would have looked at for an hour, and then its link', async () => {
    const request = aPost(await connect(), small);
    const settings = { ...request.settings, privacy_level: 'PRIVACY_LEVEL_PUBLIC_TO_EVERYONE' };
    const { post_id, publish_id } = await givenProcessing({ ...request, settings });

    world.sandbox.control.finishProcessing(publish_id);
    const published = await postThat(service.clients, post_id, 'PUBLISHED');
    expect(published.tiktok_post_id).toBe('');
    await rest(post_id);

    const tiktokPostId = tiktokPostOf(published);
    world.sandbox.control.setVideoPublic(tiktokPostId, true);
    const linked = await withLink(post_id);
    expect(linked.tiktok_post_id).toBe(tiktokPostId);
    publishedOnce(world.sandbox, linked, small);
    await delivered(publish_id, 2);
    expect(webhooksAbout(publish_id).map(({ event, state }) => [event, state])).toEqual([
      ['post.publish.complete', 'DELIVERED'],
      ['post.publish.publicly_available', 'DELIVERED'],
    ]);
  });

  it('tells of a failure at once, and TikTok says which', async () => {
    const connection = await connect();
    world.sandbox.control.addFault({
      kind: 'fail_reason',
      reason: 'spam_risk_text',
      account: connection.account.username,
    });
    const { post_id, publish_id } = await givenProcessing(aPost(connection, small));
    world.sandbox.control.finishProcessing(publish_id);
    const failed = await postThat(service.clients, post_id, 'FAILED');
    expect(failed.error).toMatchObject({ code: 'CONTENT_FLAGGED', tiktok_code: 'spam_risk_text' });
  });

  it('may come three times, and be overtaken: each has one effect (WHK-02, WHK-04)', async () => {
    changeSettings({ webhookCopies: 3, webhookJitterMs: 300 });
    const connection = await connect();
    const posts = await Promise.all(Array.from({ length: 4 }, () => givenProcessing(aPost(connection, small))));
    for (const { publish_id } of posts) world.sandbox.control.finishProcessing(publish_id);
    for (const { post_id, publish_id } of posts) {
      publishedOnce(world.sandbox, await postThat(service.clients, post_id, 'PUBLISHED'), small);
      await delivered(publish_id, 3);
    }
    for (const { publish_id } of posts) expect(await outcomes('publishId', publish_id)).toEqual(['POST_WOKEN']);
  });

  it('may come in any order, and again when all is over', async () => {
    changeSettings({ webhookMode: 'manual' });
    const { control } = world.sandbox;
    const request = aPost(await connect(), small);
    const settings = { ...request.settings, privacy_level: 'PRIVACY_LEVEL_PUBLIC_TO_EVERYONE' };
    const post = await givenProcessing({ ...request, settings });
    control.finishProcessing(post.publish_id);
    const tiktokPostId = tiktokPostOf(post);
    for (const isPublic of [true, false, true]) control.setVideoPublic(tiktokPostId, isPublic);

    const webhooks = webhooksAbout(post.publish_id);
    for (const { id } of webhooks.toReversed()) expect(await control.deliverWebhook(id)).toBe(200);
    const linked = await withLink(post.post_id);
    for (const { id } of webhooks) expect(await control.deliverWebhook(id)).toBe(200);
    expect(linked).toMatchObject({ state: 'POST_STATE_PUBLISHED', tiktok_post_id: tiktokPostId });
    publishedOnce(world.sandbox, linked, small);
  });

  it('decides nothing: the post is what TikTok says when asked, whoever has our secret (WHK-03)', async () => {
    const post = await givenProcessing(aPost(await connect(), small));
    const asked = () =>
      world.sandbox.control.ledger().calls.filter(({ publishId }) => publishId === post.publish_id).length;
    const before = asked();
    const body = webhookBody(
      { client_key: world.sandbox.clientKey, event: 'post.publish.failed', create_time: 1_600_000_000 },
      { publish_id: post.publish_id, reason: 'spam_risk' },
    );
    expect((await send(body)).status).toBe(200);
    await world.sandbox.control.waitUntil(() => asked() > before);
    await rest(post.post_id);
    expect(await getPost(service.clients, post.post_id)).toMatchObject({ state: 'POST_STATE_PUBLISHING' });
    world.sandbox.control.finishProcessing(post.publish_id);
    await postThat(service.clients, post.post_id, 'PUBLISHED');
  });

  it('may be signed with the secret before, as long as the operator says so (WHK-06)', async () => {
    const before = 'the-secret-before';
    const body = () => forged('moon.landed', 'nobody');
    const during = await world.start({ environment: { TIKTOK_CLIENT_SECRET_PREVIOUS: before } });
    const statusOf = async (process: ServiceProcess, secret?: string): Promise<number> =>
      (await send(body(), secret, process)).status;
    expect([
      await statusOf(during),
      await statusOf(during, before),
      await statusOf(during, 'another secret'),
      await statusOf(service),
      await statusOf(service, before),
    ]).toEqual([200, 200, 401, 200, 401]);
    expect(during.output()).not.toContain(before);
    await during.kill();
  });

  it('that is not signed by TikTok leaves no trace (WHK-01)', async () => {
    const connection = await connect();
    const answer = await send(forged('authorization.removed', connection.account.open_id), 'another secret');
    expect(answer.status).toBe(401);
    expect(await outcomes('openId', connection.account.open_id)).toEqual([]);
    expect(service.output()).not.toContain(connection.account.open_id);
  });

  it('that can not be stored is not taken: TikTok sends it until it is', async () => {
    const { post_id, publish_id } = await givenProcessing(aPost(await connect(), small));
    await world.sql('alter table webhook_event rename to webhook_event_away');
    world.sandbox.control.finishProcessing(publish_id);
    await world.sandbox.control.waitUntil(() =>
      webhooksAbout(publish_id)[0]?.attempts.some(({ status }) => status === 500),
    );
    await world.sql('alter table webhook_event_away rename to webhook_event');
    await postThat(service.clients, post_id, 'PUBLISHED');
    await delivered(publish_id, 1);
  });
});

describe('A webhook that says an authorization was removed', () => {
  it('has the person reconnect, with the reason, before any post meets it (WHK-07)', async () => {
    const connection = await connect();
    const { connection_id: connectionId } = connection;
    const soon = timestamp(new Date(Date.now() + HOUR));
    const { post_id } = await publish(service.clients, { ...aPost(connection, small), schedule_time: soon });

    world.sandbox.control.disconnectAccount(connection.account.username);
    await service.logged(`${TOLD} no longer takes the grant`, { connectionId });
    expect(await connectionNow(connection)).toMatchObject({
      state: 'CONNECTION_STATE_RECONNECT_REQUIRED',
      reconnect_reason: { code: 'ACCOUNT_ACCESS_REVOKED', actor: 'ACTOR_USER' },
    });

    await world.sql('update post set schedule_time = now(), next_action_at = now() where id = $1', [post_id]);
    await ring(service.clients);
    const held = await postThat(service.clients, post_id, 'HELD');
    expect(held).toMatchObject({
      hold: { reason: 'HOLD_REASON_RECONNECT' },
      error: { code: 'ACCOUNT_ACCESS_REVOKED' },
    });
  });

  it('changes nothing about a grant that is good: it is forged, or old (WHK-07)', async () => {
    const connection = await connect();
    const { connection_id: connectionId, account } = connection;
    expect((await send(forged('authorization.removed', account.open_id))).status).toBe(200);
    await service.logged(`${TOLD} takes the grant all the same`, { connectionId });
    expect(await connectionNow(connection)).toEqual(connection);
    const tokens = world.sandbox.control.ledger().tokens.filter((token) => token.account === account.open_id);
    expect(tokens.filter(({ kind }) => kind === 'refresh')).toMatchObject([{ state: 'LIVE', uses: 0 }]);
  });

  it('is looked at by the next process when the one that took it is killed', async () => {
    const connection = await connect();
    const { connection_id: connectionId, account } = connection;
    const { control } = world.sandbox;
    const doomed = await world.start();
    listenAt(doomed);
    const fault = control.addFault({ endpoint: 'user_info', kind: 'hold', account: account.username });
    control.disconnectAccount(account.username);
    const hold = await control.waitForHold({ faultId: fault.id });
    await delivered(account.open_id, 1);
    await doomed.kill();
    control.release(hold.id, 'drop');
    listenAt(service);

    // What it held ends now: its lease in two minutes, its lock on the recurring job, if it had that, in one.
    await world.sql('update webhook_event set next_action_at = now() where handled_time is null');
    await world.sql(`update agenda_jobs set locked_at = null, next_run_at = now() where name like 'handle webhooks%'`);
    await service.logged(`${TOLD} no longer takes the grant`, { connectionId });
    expect(await outcomes('openId', account.open_id)).toEqual(['GRANT_ENDED']);
    expect((await connectionNow(connection)).state).toBe('CONNECTION_STATE_RECONNECT_REQUIRED');
  });
});
