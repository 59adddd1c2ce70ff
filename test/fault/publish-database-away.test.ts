import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { bytesOf, chunksOf, initsOf, outcomesOf, recordOf } from '../support/judge.ts';
import { realService, type ServiceProcess, type StopPoint, type Surroundings } from '../support/service-process.ts';
import {
  endLeases,
  type Post,
  postThatHurries,
  publish,
  publishedOnce,
  ring,
  upload,
  type Video,
} from '../support/story.ts';
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts';
import { BUSINESS, OPEN_UPLOAD, onTikTokOnce } from '../support/ways.ts';

const surroundings = realService();
const LOST = 'work stopped on a failure; it is taken up again when its lease ends';

let world: Surroundings;
/** The only way to the database for who is started `behind` it. */
let way: TcpProxy;
let small: Video;

beforeAll(async () => {
  world = await surroundings();
  way = await tcpProxy(world.databaseUrl);
  const service = await world.start();
  small = await upload(service.clients);
  await service.kill();
});
beforeEach(() => way.resume());
afterAll(() => way.close());

const behind = (leaseSeconds: number): Promise<ServiceProcess> =>
  world.start({
    stoppable: true,
    environment: { DATABASE_URL: way.through(world.databaseUrl), LEASE_SECONDS: String(leaseSeconds) },
  });

/** A post that TikTok took on just now: its ids are read, and not stored yet. */
async function announced(
  service: ServiceProcess,
  way = OPEN_UPLOAD,
): Promise<{ readonly stop: StopPoint; readonly post: Post }> {
  const connection = await way.connect({ clients: service.clients, sandbox: world.sandbox });
  const stop = await service.stopAt('announced');
  const post = await publish(service.clients, way.post(connection, small));
  await stop.reached();
  // The witness writes as well: what TikTok fetches it fetches before the database is away.
  await world.sandbox.control.waitUntil(({ inits }) =>
    inits.every(({ title, stage }) => title !== post.caption || stage !== 'DOWNLOADING'),
  );
  return { stop, post };
}

const published = ({ clients }: ServiceProcess, { post_id }: Post) =>
  postThatHurries({ clients, sql: world.sql }, post_id, 'PUBLISHED');

const publishIdsOf = async ({ post_id }: Post) =>
  (await world.sql('select publish_id from attempt where post_id = $1 order by number', [post_id])).map(
    ({ publish_id }) => publish_id,
  );

describe('PUB-03 (C4) ids that TikTok gave while the database is away', () => {
  it('are stored and used when it comes back before the lease is known to be lost', async () => {
    const service = await behind(600);
    const { stop, post } = await announced(service);
    way.cut();
    const refused = way.refused();
    await stop.goOn();
    // More than once it was tried to store them.
    await vi.waitUntil(() => way.refused() >= refused + 4, { timeout: 50_000 });
    expect(await publishIdsOf(post)).toEqual([null]);
    expect(chunksOf(world.sandbox, post)).toEqual([]);
    way.resume();

    const after = await published(service, post);
    publishedOnce(world.sandbox, after, small);
    expect(outcomesOf(after)).toEqual(['PUBLISHED']);
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
    await service.kill();
  });

  it('are used by the next worker when they were stored and only the answer of the database was lost', async () => {
    const service = await behind(600);
    const { stop, post } = await announced(service);
    // Whoever changes the post waits at its gate, in the database: so the statement is there when its connection breaks.
    const gate = 'hashtextextended($1, 0)';
    await world.sql(`select pg_advisory_lock(${gate})`, [post.post_id]);
    await stop.goOn();
    const atGate = async () =>
      (await world.sql(`select pid from pg_locks where locktype = 'advisory' and not granted`)).length > 0;
    await vi.waitUntil(atGate, { timeout: 50_000 });
    way.cut();
    await world.sql(`select pg_advisory_unlock(${gate})`, [post.post_id]);
    const stored = async () => (await publishIdsOf(post))[0] !== null;
    await vi.waitUntil(stored, { timeout: 50_000 });
    way.resume();
    // It can't tell its own change from another's, and sends nothing.
    await service.logged('a post went to another worker', { postId: post.post_id });
    expect(chunksOf(world.sandbox, post)).toEqual([]);
    await endLeases(world);

    const after = await published(service, post);
    publishedOnce(world.sandbox, after, small);
    expect(outcomesOf(after)).toEqual(['PUBLISHED']);
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
    await service.kill();
  });

  it('are dropped when it stays away for longer: no byte is sent for them, and another attempt begins', async () => {
    const service = await behind(2);
    const { stop, post } = await announced(service);
    way.cut();
    await stop.goOn();
    await service.logged(LOST, { postId: post.post_id });
    expect(chunksOf(world.sandbox, post)).toEqual([]);
    way.resume();

    const after = await published(service, post);
    publishedOnce(world.sandbox, after, small);
    expect(outcomesOf(after)).toEqual(['ORPHANED', 'PUBLISHED']);
    expect(bytesOf(world.sandbox, post)).toEqual([0, Number(small.size_bytes)]);
    await service.kill();
  });

  it('are dropped when another worker, which still reaches it, takes the post over', async () => {
    const service = await behind(2);
    const { stop, post } = await announced(service);
    way.cut();
    await stop.goOn();
    const other = await world.start({ environment: { LEASE_SECONDS: '2' } });
    const after = await published(other, post);
    publishedOnce(world.sandbox, after, small);
    expect(outcomesOf(after)).toEqual(['ORPHANED', 'PUBLISHED']);
    expect(bytesOf(world.sandbox, post)).toEqual([0, Number(small.size_bytes)]);

    const record = await recordOf(world, post.post_id);
    await service.logged(LOST, { postId: post.post_id });
    way.resume();
    await vi.waitUntil(
      () =>
        ring(service.clients).then(
          () => true,
          () => false,
        ),
      { timeout: 50_000 },
    );
    expect(await recordOf(world, post.post_id)).toEqual(record);
    expect(chunksOf(world.sandbox, post)).toHaveLength(1);
    await Promise.all([service.kill(), other.kill()]);
  });
});

describe('PUB-03 (C4) the id of a pull that TikTok gave while the database is away', () => {
  it('is stored when it comes back before the lease is known to be lost', async () => {
    const service = await behind(600);
    const { stop, post } = await announced(service, BUSINESS);
    way.cut();
    const refused = way.refused();
    await stop.goOn();
    await vi.waitUntil(() => way.refused() >= refused + 4, { timeout: 50_000 });
    expect(await publishIdsOf(post)).toEqual([null]);
    way.resume();

    const after = await published(service, post);
    onTikTokOnce(BUSINESS, world.sandbox, after, small);
    expect(await publishIdsOf(post)).toEqual([after.publish_id]);
    expect(initsOf(world.sandbox, post).map(({ publishId }) => publishId)).toEqual([after.publish_id]);
    await service.kill();
  });

  it('is dropped when it stays away for longer, and the post is not announced again: TikTok fetched all of it', async () => {
    const service = await behind(2);
    const { stop, post } = await announced(service, BUSINESS);
    way.cut();
    await stop.goOn();
    await service.logged(LOST, { postId: post.post_id });
    way.resume();

    const after = await published(service, post);
    onTikTokOnce(BUSINESS, world.sandbox, after, small);
    expect(outcomesOf(after)).toEqual(['PUBLISHED']);
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
    await service.kill();
  });
});
