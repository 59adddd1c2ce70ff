import { beforeAll, describe, expect, it } from 'vitest';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { initsOf, outcomesOf } from '../support/judge.ts';
import { isClosed, letTimePass } from '../support/pulls.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  type Connection,
  endLeases,
  type Post,
  postThat,
  postThatHurries,
  publish,
  upload,
  uploadBytes,
  type Video,
} from '../support/story.ts';
import { BUSINESS, OPEN_PULL, onTikTokOnce, PULLS, type Way } from '../support/ways.ts';

const surroundings = realService();

let world: Surroundings;
let service: ServiceProcess;
let small: Video;
let big: Video;

const start = (options: Parameters<Surroundings['start']>[0] = {}): Promise<ServiceProcess> =>
  world.start({ ...options, environment: OPEN_PULL.environment });

beforeAll(async () => {
  world = await surroundings({ listedDurationSec: 5 });
  service = await start();
  small = await upload(service.clients);
  big = await uploadBytes(service.clients, await bigMp4Stream(20_000_000));
});

const connect = (way: Way): Promise<Connection> => way.connect({ clients: service.clients, sandbox: world.sandbox });
const here = () => ({ clients: service.clients, sql: world.sql });
const real = ({ caption }: Pick<Post, 'caption'>) =>
  world.sandbox.control.ledger().posts.filter(({ title }) => title === caption);

const lose = (way: Way, { account }: Connection, kind: 'drop_before' | 'execute_then_drop') =>
  void world.sandbox.control.addFault({ endpoint: way.announce, kind, account: account.username });

/** Nobody has an answer, and the witness waits for whoever fetches. */
const waitingForWitness = ({ phase, next_action_time }: Post): boolean =>
  phase.endsWith('FINALIZING') && next_action_time !== null;

/** Here a lost answer is the rule's only hard case: what TikTok was told of, it publishes by itself. */
describe.each(PULLS)('A video $name', (way) => {
  it.each([
    ['small', () => small],
    ['large', () => big],
  ])('is published once, with its bytes: a %s one', async (_, video) => {
    const { post_id } = await publish(service.clients, way.post(await connect(way), video()));
    const post = await postThatHurries(here(), post_id, 'PUBLISHED');
    onTikTokOnce(way, world.sandbox, post, video());
    const [init] = initsOf(world.sandbox, post);
    expect(init).toMatchObject({ source: 'PULL_FROM_URL', publishId: post.publish_id });
    expect(outcomesOf(post)).toEqual(['PUBLISHED']);
    // Its address is of no more use to anybody.
    expect((await fetch(init?.url ?? '')).status).toBe(410);
  });

  it('PUB-14 is announced anew only after its first address was closed, when TikTok never fetched it', async () => {
    const connection = await connect(way);
    lose(way, connection, 'drop_before');
    const { post_id } = await publish(service.clients, way.post(connection, small));
    const waiting = await postThat(service.clients, post_id, waitingForWitness);
    expect(initsOf(world.sandbox, waiting)).toEqual([]);
    expect(await isClosed(world, post_id)).toBe(false);

    await letTimePass(here(), post_id, 125);
    const closed = await postThat(
      service.clients,
      post_id,
      ({ etag, next_action_time }) => Number(etag) > Number(waiting.etag) && next_action_time !== null,
    );
    expect(await isClosed(world, post_id)).toBe(true);
    expect(initsOf(world.sandbox, closed)).toEqual([]);

    await letTimePass(here(), post_id, 65);
    const post = await postThatHurries(here(), post_id, 'PUBLISHED');
    expect(outcomesOf(post)).toEqual(['ORPHANED', 'PUBLISHED']);
    expect(real(post)).toHaveLength(1);
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
    // So a late fetch of the first finds nothing.
    const [order] = await world.sql(
      `select first.close_time < second.start_time as closed_first
       from media_address first, attempt second
       where first.post_id = $1 and first.attempt_number = 1 and second.post_id = $1 and second.number = 2`,
      [post_id],
    );
    expect(order).toEqual({ closed_first: true });
  });

  it('PUB-15 is never announced again when TikTok fetched all of it: the list tells', async () => {
    const connection = await connect(way);
    lose(way, connection, 'execute_then_drop');
    const { post_id, caption } = await publish(service.clients, way.post(connection, small));
    await world.sandbox.control.waitUntil(({ posts }) => posts.some(({ title }) => title === caption));
    await letTimePass(here(), post_id, 600);
    const post = await postThat(service.clients, post_id, 'PUBLISHED', {
      meanwhile: () => letTimePass(here(), post_id, 600),
    });
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
    expect(real(post)).toHaveLength(1);
    expect(outcomesOf(post)).toEqual(['PUBLISHED']);
    expect(post.tiktok_post_id).toBe(real(post)[0]?.publicPostIds[0]);
  });

  it('PUB-15 learns the id of a post that no list shows from the webhook', async () => {
    world.sandbox.control.changeSettings({ postIdDelayMs: 86_400_000 });
    way.tell(world.sandbox, service.httpUrl);
    const connection = await connect(way);
    lose(way, connection, 'execute_then_drop');
    const { post_id, caption } = await publish(service.clients, way.post(connection, small));
    await world.sandbox.control.waitUntil(({ webhooks, inits }) => {
      const publishId = inits.find(({ title }) => title === caption)?.publishId;
      return webhooks.some(
        ({ body, state }) => state === 'DELIVERED' && publishId !== undefined && body.includes(publishId),
      );
    });
    const post = await postThatHurries(here(), post_id, 'PUBLISHED');
    world.sandbox.control.changeSettings({ postIdDelayMs: 0 });
    way.tell(world.sandbox, undefined);
    expect(initsOf(world.sandbox, post).map(({ publishId }) => publishId)).toEqual([post.publish_id]);
    expect(real(post)).toHaveLength(1);
    expect(outcomesOf(post)).toEqual(['PUBLISHED']);
  });
});

/** Those of the Business family are killed in crowds (publish-kill.test.ts): it is the same witness. */
it.each(['intent-stored', 'announced', 'ids-stored'] as const)(
  'PUB-01 A video fetched by the open family is published once when its worker is killed at %s',
  async (at) => {
    const connection = await connect(OPEN_PULL);
    await service.kill();
    const doomed = await start({ haltAt: at });
    const { post_id, caption } = await publish(doomed.clients, OPEN_PULL.post(connection, small));
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
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
    expect(outcomesOf(post)).toEqual(at === 'intent-stored' ? ['ORPHANED', 'PUBLISHED'] : ['PUBLISHED']);
  },
);

describe('An announcement of the Business family', () => {
  it.each(['50000', '51065', '40050', '60001'])(
    'that TikTok answers with %s may have been taken on: the witness decides, and it is published once',
    async (code) => {
      const connection = await connect(BUSINESS);
      const account = connection.account.username;
      world.sandbox.control.addFault({ endpoint: 'business_publish', account, kind: 'error', code });
      const { post_id } = await publish(service.clients, BUSINESS.post(connection, small));
      const waiting = await postThat(service.clients, post_id, waitingForWitness);
      expect(initsOf(world.sandbox, waiting)).toEqual([]);
      const post = await postThat(service.clients, post_id, 'PUBLISHED', {
        meanwhile: () => letTimePass(here(), post_id, 200),
      });
      expect(outcomesOf(post)).toEqual(['ORPHANED', 'PUBLISHED']);
      expect(real(post)).toHaveLength(1);
    },
  );
});
