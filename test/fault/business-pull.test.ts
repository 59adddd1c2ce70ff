import { beforeAll, describe, expect, it } from 'vitest';
import { isClosed, letTimePass } from '../support/pulls.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectNewAccount,
  endLeases,
  type Post,
  postThat,
  postThatHurries,
  publish,
  upload,
  type Video,
} from '../support/story.ts';

const surroundings = realService();

let world: Surroundings;
let service: ServiceProcess;
let video: Video;

/** TikTok fetches only where the operator proved to own the address, and each process has one of its own. */
async function start(options?: Parameters<Surroundings['start']>[0]): Promise<ServiceProcess> {
  const started = await world.start(options);
  const { urlProperties } = world.sandbox.control.businessApp();
  world.sandbox.control.changeBusinessApp({
    urlProperties: [...urlProperties, `${started.httpUrl}/media/`],
    callbackUrls: { VIDEO: `${started.httpUrl}/webhooks/tiktok` },
  });
  return started;
}

beforeAll(async () => {
  world = await surroundings({ pullFromLoopback: true });
  service = await start();
  video = await upload(service.clients);
});

const connect = (): Promise<Connection> =>
  connectNewAccount({ clients: service.clients, sandbox: world.sandbox }, {}, { apiFamily: 'API_FAMILY_BUSINESS' });
const aPublicPost = (connection: Connection) => {
  const request = aPost(connection, video);
  return { ...request, settings: { privacy_level: 'PRIVACY_LEVEL_PUBLIC_TO_EVERYONE', draft: false } };
};
const here = () => ({ clients: service.clients, sql: world.sql });
const initsOf = ({ caption }: Pick<Post, 'caption'>) =>
  world.sandbox.control.ledger().inits.filter(({ title }) => title === caption);
const real = ({ caption }: Pick<Post, 'caption'>) =>
  world.sandbox.control.ledger().posts.filter(({ title }) => title === caption);
const outcomes = ({ attempts }: Post) => attempts.map(({ outcome }) => outcome.replace('ATTEMPT_OUTCOME_', ''));

const lose = ({ account }: Connection, kind: 'drop_before' | 'execute_then_drop') =>
  void world.sandbox.control.addFault({ endpoint: 'business_publish', kind, account: account.username });

/** In the Business family a lost answer is the rule's only hard case: what TikTok was told of, it publishes by itself. */
describe('A publish of the Business family', () => {
  it('PUB-14 is announced anew only after its first address was closed, when TikTok never fetched it', async () => {
    const connection = await connect();
    lose(connection, 'drop_before');
    const { post_id } = await publish(service.clients, aPublicPost(connection));
    const waiting = await postThat(
      service.clients,
      post_id,
      ({ phase, next_action_time }) => phase.endsWith('FINALIZING') && next_action_time !== null,
    );
    expect(initsOf(waiting)).toEqual([]);
    expect(await isClosed(world, post_id)).toBe(false);

    await letTimePass(here(), post_id, 125);
    const closed = await postThat(
      service.clients,
      post_id,
      ({ etag, next_action_time }) => Number(etag) > Number(waiting.etag) && next_action_time !== null,
    );
    expect(await isClosed(world, post_id)).toBe(true);
    expect(initsOf(closed)).toEqual([]);

    await letTimePass(here(), post_id, 65);
    const post = await postThatHurries(here(), post_id, 'PUBLISHED');
    expect(outcomes(post)).toEqual(['ORPHANED', 'PUBLISHED']);
    expect(real(post)).toHaveLength(1);
    expect(initsOf(post)).toHaveLength(1);
    const [order] = await world.sql(
      `select first.close_time < second.start_time as closed_first
       from media_address first, attempt second
       where first.post_id = $1 and first.attempt_number = 1 and second.post_id = $1 and second.number = 2`,
      [post_id],
    );
    expect(order).toEqual({ closed_first: true });
  });

  it('PUB-15 is never announced again when TikTok fetched all of it: the list tells, though it knows no length yet', async () => {
    const connection = await connect();
    world.sandbox.control.changeBusinessApp({ callbackUrls: {} });
    lose(connection, 'execute_then_drop');
    const { post_id, caption } = await publish(service.clients, aPublicPost(connection));
    await world.sandbox.control.waitUntil(({ posts }) => posts.some(({ title }) => title === caption));
    await letTimePass(here(), post_id, 600);
    const post = await postThat(service.clients, post_id, 'PUBLISHED', {
      meanwhile: () => letTimePass(here(), post_id, 600),
    });
    world.sandbox.control.changeBusinessApp({ callbackUrls: { VIDEO: `${service.httpUrl}/webhooks/tiktok` } });
    expect(initsOf(post)).toHaveLength(1);
    expect(real(post)).toHaveLength(1);
    expect(outcomes(post)).toEqual(['PUBLISHED']);
    expect(post.tiktok_post_id).toBe(real(post)[0]?.publicPostIds[0]);
  });

  it('PUB-15 learns the id of a post that no list shows from the webhook', async () => {
    world.sandbox.control.changeSettings({ postIdDelayMs: 86_400_000 });
    const connection = await connect();
    lose(connection, 'execute_then_drop');
    const { post_id, caption } = await publish(service.clients, aPublicPost(connection));
    await world.sandbox.control.waitUntil(({ webhooks, inits }) => {
      const publishId = inits.find(({ title }) => title === caption)?.publishId;
      return webhooks.some(
        ({ body, state }) => state === 'DELIVERED' && publishId !== undefined && body.includes(publishId),
      );
    });
    const post = await postThatHurries(here(), post_id, 'PUBLISHED');
    world.sandbox.control.changeSettings({ postIdDelayMs: 0 });
    expect(initsOf(post).map(({ publishId }) => publishId)).toEqual([post.publish_id]);
    expect(real(post)).toHaveLength(1);
    expect(outcomes(post)).toEqual(['PUBLISHED']);
  });

  it.each(['50000', '51065', '40050', '60001'])(
    'that TikTok answers with %s may have been taken on: the witness decides, and it is published once',
    async (code) => {
      const connection = await connect();
      world.sandbox.control.addFault({
        endpoint: 'business_publish',
        account: connection.account.username,
        kind: 'error',
        code,
      });
      const { post_id } = await publish(service.clients, aPublicPost(connection));
      const waiting = await postThat(
        service.clients,
        post_id,
        ({ phase, next_action_time }) => phase.endsWith('FINALIZING') && next_action_time !== null,
      );
      expect(initsOf(waiting)).toEqual([]);
      const post = await postThat(service.clients, post_id, 'PUBLISHED', {
        meanwhile: () => letTimePass(here(), post_id, 200),
      });
      expect(outcomes(post)).toEqual(['ORPHANED', 'PUBLISHED']);
      expect(real(post)).toHaveLength(1);
    },
  );

  it.each(['intent-stored', 'announced', 'ids-stored'] as const)(
    'PUB-01 is published once when its worker is killed at %s',
    async (at) => {
      const connection = await connect();
      await service.kill();
      const doomed = await start({ haltAt: at });
      const { post_id, caption } = await publish(doomed.clients, aPublicPost(connection));
      await doomed.halted(at);
      // What TikTok was told of, it fetches while we are still there.
      if (at !== 'intent-stored') {
        await world.sandbox.control.waitUntil(({ posts }) => posts.some(({ title }) => title === caption));
      }
      await doomed.kill();
      service = await start();
      await endLeases(world);
      const post = await postThat(service.clients, post_id, 'PUBLISHED', {
        meanwhile: () => letTimePass(here(), post_id, 200),
      });
      expect(real(post)).toHaveLength(1);
      expect(initsOf(post)).toHaveLength(1);
      expect(outcomes(post)).toEqual(at === 'intent-stored' ? ['ORPHANED', 'PUBLISHED'] : ['PUBLISHED']);
    },
  );
});
