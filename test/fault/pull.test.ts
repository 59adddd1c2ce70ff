import { beforeAll, describe, expect, it } from 'vitest';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { isClosed as addressesClosed, letTimePass as passTime } from '../support/pulls.ts';
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
  uploadBytes,
  type Video,
} from '../support/story.ts';

const surroundings = realService();

let world: Surroundings;
let service: ServiceProcess;
let small: Video;
let big: Video;

const PULL = { environment: { TIKTOK_TRANSFER: 'pull' } };

/** TikTok fetches only where the operator proved to own the address, and each process has one of its own. */
async function start(options: Parameters<Surroundings['start']>[0] = PULL): Promise<ServiceProcess> {
  const started = await world.start(options);
  const known = world.sandbox.control.app().verifiedUrlProperties;
  world.sandbox.control.changeApp({ verifiedUrlProperties: [...known, `${started.httpUrl}/media/`] });
  return started;
}

beforeAll(async () => {
  world = await surroundings({ pullFromLoopback: true, listedDurationSec: 5 });
  service = await start();
  small = await upload(service.clients);
  big = await uploadBytes(service.clients, await bigMp4Stream(20_000_000));
});

const connect = () => connectNewAccount({ clients: service.clients, sandbox: world.sandbox });
const initsOf = ({ caption }: Pick<Post, 'caption'>) =>
  world.sandbox.control.ledger().inits.filter(({ title }) => title === caption);
const real = ({ caption }: Pick<Post, 'caption'>) =>
  world.sandbox.control.ledger().posts.filter(({ title }) => title === caption);
const outcomes = ({ attempts }: Post) => attempts.map(({ outcome }) => outcome.replace('ATTEMPT_OUTCOME_', ''));

const letTimePass = (postId: string, seconds: number) =>
  passTime({ clients: service.clients, sql: world.sql }, postId, seconds);
const isClosed = (postId: string) => addressesClosed(world, postId);

/** Resolves when the post rests again after it was looked at `times` more, whatever came of it. */
async function looked(postId: string, connection: Connection, version: number): Promise<Post> {
  return postThat(
    service.clients,
    postId,
    ({ etag, next_action_time }) => Number(etag) > version && next_action_time !== null,
    {
      workspaceId: connection.workspace_id,
    },
  );
}

describe('A video that TikTok fetches itself', () => {
  it.each([
    ['small', () => small],
    ['large', () => big],
  ])('is published once, with its bytes: a %s one', async (_, video) => {
    const { post_id } = await publish(service.clients, aPost(await connect(), video()));
    const post = await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'PUBLISHED');
    expect(real(post).map(({ sha256 }) => sha256)).toEqual([video().sha256]);
    expect(initsOf(post)).toMatchObject([{ source: 'PULL_FROM_URL' }]);
    expect(outcomes(post)).toEqual(['PUBLISHED']);
    // Its address is of no more use to anybody.
    expect((await fetch(initsOf(post)[0]?.url ?? '')).status).toBe(410);
  });

  it('PUB-14 is announced anew only after its first address was closed, when TikTok never fetched it', async () => {
    const connection = await connect();
    world.sandbox.control.addFault({
      endpoint: 'video_init',
      kind: 'drop_before',
      account: connection.account.username,
    });
    const { post_id } = await publish(service.clients, aPost(connection, small));
    const waiting = await postThat(
      service.clients,
      post_id,
      ({ phase, next_action_time }) => phase.endsWith('FINALIZING') && next_action_time !== null,
    );
    expect(initsOf(waiting)).toEqual([]);
    expect(await isClosed(post_id)).toBe(false);

    await letTimePass(post_id, 125);
    const closed = await looked(post_id, connection, Number(waiting.etag));
    expect(await isClosed(post_id)).toBe(true);
    expect(initsOf(closed)).toEqual([]);

    await letTimePass(post_id, 65);
    const post = await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'PUBLISHED');
    expect(outcomes(post)).toEqual(['ORPHANED', 'PUBLISHED']);
    expect(real(post)).toHaveLength(1);
    expect(initsOf(post)).toHaveLength(1);
    // The first address was closed before the second announcement, so a late fetch of it finds nothing.
    const [order] = await world.sql(
      `select first.close_time < second.start_time as closed_first
       from media_address first, attempt second
       where first.post_id = $1 and first.attempt_number = 1 and second.post_id = $1 and second.number = 2`,
      [post_id],
    );
    expect(order).toEqual({ closed_first: true });
  });

  it('PUB-15 is never announced again when TikTok fetched all of it, and the outcome is learnt all the same', async () => {
    const connection = await connect();
    world.sandbox.control.addFault({
      endpoint: 'video_init',
      kind: 'execute_then_drop',
      account: connection.account.username,
    });
    const request = aPost(connection, small);
    request.settings.privacy_level = 'PRIVACY_LEVEL_PUBLIC_TO_EVERYONE';
    const { post_id, caption } = await publish(service.clients, request);
    await world.sandbox.control.waitUntil(({ posts }) => posts.some(({ title }) => title === caption));
    await letTimePass(post_id, 600);
    const post = await postThat(service.clients, post_id, 'PUBLISHED', {
      meanwhile: () => letTimePass(post_id, 600),
    });
    expect(initsOf(post)).toHaveLength(1);
    expect(real(post)).toHaveLength(1);
    expect(outcomes(post)).toEqual(['PUBLISHED']);
    expect(post.tiktok_post_id).toBe(real(post)[0]?.publicPostIds[0]);
  });

  it('PUB-15 learns the id of a post that no list shows from the webhook', async () => {
    const connection = await connect();
    world.sandbox.control.addFault({
      endpoint: 'video_init',
      kind: 'execute_then_drop',
      account: connection.account.username,
    });
    world.sandbox.control.changeApp({ webhookUrl: `${service.httpUrl}/webhooks/tiktok` });
    const { post_id, caption } = await publish(service.clients, aPost(connection, small));
    const webhook = await world.sandbox.control.waitUntil(({ webhooks, inits }) => {
      const publishId = inits.find(({ title }) => title === caption)?.publishId;
      return webhooks.find(
        ({ body, state }) => state === 'DELIVERED' && publishId !== undefined && body.includes(publishId),
      );
    });
    world.sandbox.control.changeApp({ webhookUrl: null });
    expect(webhook.event).toBe('post.publish.complete');
    const post = await postThatHurries({ clients: service.clients, sql: world.sql }, post_id, 'PUBLISHED');
    expect(initsOf(post).map(({ publishId }) => publishId)).toEqual([post.publish_id]);
    expect(real(post)).toHaveLength(1);
    expect(outcomes(post)).toEqual(['PUBLISHED']);
  });

  it.each(['intent-stored', 'announced', 'ids-stored'] as const)(
    'PUB-01 is published once when its worker is killed at %s',
    async (at) => {
      const connection = await connect();
      await service.kill();
      const doomed = await start({ ...PULL, haltAt: at });
      const request = aPost(connection, small);
      request.settings.privacy_level = 'PRIVACY_LEVEL_PUBLIC_TO_EVERYONE';
      const { post_id, caption } = await publish(doomed.clients, request);
      await doomed.halted(at);
      // What TikTok was told of, it fetches while we are still there.
      if (at !== 'intent-stored') {
        await world.sandbox.control.waitUntil(({ posts }) => posts.some(({ title }) => title === caption));
      }
      await doomed.kill();
      service = await start();
      await endLeases(world);
      const post = await postThat(service.clients, post_id, 'PUBLISHED', {
        meanwhile: () => letTimePass(post_id, 200),
      });
      expect(real(post)).toHaveLength(1);
      expect(initsOf(post)).toHaveLength(1);
      expect(outcomes(post)).toEqual(at === 'intent-stored' ? ['ORPHANED', 'PUBLISHED'] : ['PUBLISHED']);
    },
  );
});
