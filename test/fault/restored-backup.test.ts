import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FailPointName } from '../../src/application/ports/fail-point.ts';
import { backup } from '../support/backup.ts';
import { callsOf, chunksOf, initsOf, outcomesOf } from '../support/judge.ts';
import { letTimePass } from '../support/pulls.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  type Connection,
  connectAccount,
  endLeases,
  getPost,
  hurry,
  type Post,
  postThat,
  postThatHurries,
  publish,
  refused,
  ring,
  timestamp,
  unique,
  upload,
  type Video,
} from '../support/story.ts';
import { BUSINESS, OPEN_PULL, OPEN_UPLOAD, onTikTokOnce, PULLS, type Way } from '../support/ways.ts';

const surroundings = realService();
const FORGOTTEN =
  'the record has forgotten what became of a post: an old backup was restored. TikTok is asked before anything is sent';
const DEAD = 'TikTok no longer accepts the grant: the person has to reconnect';

let world: Surroundings;
let service: ServiceProcess;
let video: Video;

beforeAll(async () => {
  world = await surroundings({ tokenRegime: 'rotating', listedDurationSec: 5 });
  service = await start();
  video = await upload(service.clients);
});
beforeEach(() => world.sql('delete from turn'));

const start = (way: Way = OPEN_UPLOAD): Promise<ServiceProcess> =>
  world.start({ stoppable: true, environment: way.environment });

/** Ends this process and starts one that works in this way. */
async function restart(way: Way): Promise<void> {
  await service.kill();
  await endLeases(world);
  service = await start(way);
}

const here = () => ({ clients: service.clients, sql: world.sql });
const connect = (way: Way): Promise<Connection> => way.connect({ clients: service.clients, sandbox: world.sandbox });
const inAnHour = () => timestamp(new Date(Date.now() + 3_600_000));
/** An hour goes by for these posts. */
async function comesDue(...postIds: readonly string[]): Promise<void> {
  await world.sql(
    `update post set schedule_time = now(), next_action_at = now() where id = any($1) and state = 'SCHEDULED'`,
    [postIds],
  );
  await ring(service.clients);
}

type Sent = { readonly request: ReturnType<Way['post']>; readonly postId: string };
async function send(way: Way, connection: Connection, parts: object = {}): Promise<Sent> {
  const request = { ...way.post(connection, video), ...parts };
  return { request, postId: (await publish(service.clients, request)).post_id };
}
const published = ({ postId }: Pick<Sent, 'postId'>) => postThatHurries(here(), postId, 'PUBLISHED');

/** The service is killed, the record is as old as the backup, from before the post was out, and the service is started again. */
async function restored({ restore }: { restore(): Promise<void> }, way: Way, { postId }: Sent): Promise<void> {
  await service.kill();
  await restore();
  const published = await world.sql(`select id from post where id = $1 and state = 'PUBLISHED'`, [postId]);
  expect(published).toEqual([]);
  await endLeases(world);
  service = await start(way);
}

/** Since `before`, nothing of this post was announced and no byte of it sent; and TikTok was asked. */
function wasOnlyAsked(way: Way, connection: Connection, post: Pick<Post, 'caption'>, before: Seen): void {
  expect(initsOf(world.sandbox, post)).toHaveLength(before.inits);
  expect(chunksOf(world.sandbox, post)).toHaveLength(before.chunks);
  expect(callsOf(world.sandbox, connection, way.status).length).toBeGreaterThan(before.asked);
}
type Seen = { readonly inits: number; readonly chunks: number; readonly asked: number };
const seen = (way: Way, connection: Connection, post: Pick<Post, 'caption'>): Seen => ({
  inits: initsOf(world.sandbox, post).length,
  chunks: chunksOf(world.sandbox, post).length,
  asked: callsOf(world.sandbox, connection, way.status).length,
});

const STAGES: Readonly<Record<Way['transfer'], readonly FailPointName[]>> = {
  UPLOAD: [
    'claimed',
    'intent-stored',
    'announced',
    'ids-stored',
    'chunk-sent',
    'finalizing-stored',
    'last-byte-sent',
    'verdict-due',
    'verdict-read',
  ],
  PULL: ['claimed', 'intent-stored', 'announced', 'ids-stored', 'verdict-read'],
};
/** The only chunk of a video is its last: nobody stops at one that is not. */
const stagesOf = ({ transfer }: Way) => STAGES[transfer].filter((stage) => stage !== 'chunk-sent');

describe.each([OPEN_UPLOAD, OPEN_PULL, BUSINESS])('OPS-04 a backup that is an hour old, of posts $name', (way) => {
  beforeAll(() => restart(way), 60_000);

  it.each(stagesOf(way))('of one that was at %s: TikTok is asked, and it is not sent again', async (stage) => {
    const connection = await connect(way);
    const stop = await service.stopAt(stage);
    const sent = await send(way, connection);
    await stop.reached();
    const old = await backup(world);
    await stop.goOn();
    const post = await published(sent);
    const before = seen(way, connection, post);

    await restored(old, way, sent);
    const again = await published(sent);
    wasOnlyAsked(way, connection, post, before);
    onTikTokOnce(way, world.sandbox, again, video);
    expect(again.publish_id).toBe(post.publish_id);
  });

  it('posts that were due since end as they did, those due later go out, and a cancelled one stays cancelled', async () => {
    const connection = await connect(way);
    const later = { schedule_time: inAnHour() };
    const due = await send(way, connection, later);
    const soonerThanPlanned = await send(way, connection, later);
    const cancelled = await send(way, connection, later);
    const waiting = await send(way, connection, later);
    const old = await backup(world);

    await comesDue(due.postId);
    const { etag } = await getPost(service.clients, soonerThanPlanned.postId);
    await service.clients.posts.UpdatePost({
      post: { post_id: soonerThanPlanned.postId, schedule_time: timestamp(new Date()) },
      update_mask: { paths: ['schedule_time'] },
      etag,
    });
    await service.clients.posts.CancelPost({ post_id: cancelled.postId });
    const accepted = await send(way, connection);
    const before = new Map<Sent, Seen>();
    for (const sent of [due, soonerThanPlanned, accepted]) {
      before.set(sent, seen(way, connection, await published(sent)));
    }

    await restored(old, way, due);
    // Who got no answer, or reads that it is gone, repeats the request: it makes another post of the same name.
    const repeated = await publish(service.clients, accepted.request);
    expect(repeated.post_id).not.toBe(accepted.postId);
    await comesDue(due.postId, soonerThanPlanned.postId, cancelled.postId, waiting.postId);
    const ended = [due, soonerThanPlanned, { ...accepted, postId: repeated.post_id }];
    for (const [index, sent] of ended.entries()) {
      const post = await published(sent);
      const earlier = [...before.values()][index];
      if (earlier === undefined) throw new Error('a post that was not seen before');
      wasOnlyAsked(way, connection, post, earlier);
      onTikTokOnce(way, world.sandbox, post, video);
      expect(outcomesOf(post)).toEqual(['PUBLISHED']);
    }
    await postThat(service.clients, cancelled.postId, 'CANCELLED');
    expect(initsOf(world.sandbox, cancelled.request)).toEqual([]);
    onTikTokOnce(way, world.sandbox, await published(waiting), video);
    expect(initsOf(world.sandbox, waiting.request)).toHaveLength(1);
    for (const { postId, request } of [due, cancelled]) {
      await service.logged(FORGOTTEN, { postId, requestId: request.request_id });
    }
  });

  it('put under processes that run on is noticed before the next announcement', async () => {
    const connection = await connect(way);
    const sent = await send(way, connection, { schedule_time: inAnHour() });
    const old = await backup(world);
    await comesDue(sent.postId);
    const post = await published(sent);
    const before = seen(way, connection, post);

    await old.restore();
    await comesDue(sent.postId);
    const again = await published(sent);
    wasOnlyAsked(way, connection, post, before);
    onTikTokOnce(way, world.sandbox, again, video);
  });

  it('whose posts have no video any more still tells what became of them', async () => {
    const connection = await connect(way);
    const own = await upload(service.clients);
    const sent = await send(way, connection, { schedule_time: inAnHour(), video_id: own.video_id });
    const old = await backup(world);
    await comesDue(sent.postId);
    const post = await published(sent);
    const before = seen(way, connection, post);
    await rm(join(world.videoFolder, own.video_id));

    await restored(old, way, sent);
    await comesDue(sent.postId);
    await published(sent);
    wasOnlyAsked(way, connection, post, before);
  });

  it('with tokens that were spent since waits for a reconnect, and then asks', async () => {
    const connection = await connect(way);
    const sent = await send(way, connection, { schedule_time: inAnHour() });
    const old = await backup(world);
    await makeStale(connection);
    await comesDue(sent.postId);
    const post = await published(sent);
    const before = seen(way, connection, post);

    await restored(old, way, sent);
    await makeStale(connection);
    await comesDue(sent.postId);
    await service.logged(DEAD, { connectionId: connection.connection_id });
    await service.logged(FORGOTTEN, { postId: sent.postId });
    await postThat(service.clients, sent.postId, 'PUBLISHING');
    expect(seen(way, connection, post)).toEqual(before);

    await connectAccount(
      { clients: service.clients, sandbox: world.sandbox },
      {
        account: connection.account.username,
        reconnects: connection.connection_id,
        apiFamily: connection['api_family'] as 'API_FAMILY_OPEN' | 'API_FAMILY_BUSINESS',
      },
    );
    const again = await published(sent);
    wasOnlyAsked(way, connection, post, before);
    onTikTokOnce(way, world.sandbox, again, video);
  });
});

const makeStale = ({ connection_id }: Connection) =>
  world.sql('update credential set access_expire_time = now() where connection_id = $1', [connection_id]);

describe('OPS-04 a backup that is an hour old, of an upload', () => {
  beforeAll(() => restart(OPEN_UPLOAD), 60_000);

  it('that TikTok was told of and got no byte of: it is announced anew once its address is proven dead', async () => {
    const connection = await connect(OPEN_UPLOAD);
    const sent = await send(OPEN_UPLOAD, connection, { schedule_time: inAnHour() });
    const old = await backup(world);
    const stop = await service.stopAt('finalizing-stored');
    await comesDue(sent.postId);
    await stop.reached();

    await restored(old, OPEN_UPLOAD, sent);
    await comesDue(sent.postId);
    const waiting = await postThat(
      service.clients,
      sent.postId,
      ({ phase, next_action_time }) => phase.endsWith('FINALIZING') && next_action_time !== null,
    );
    const asked = () => callsOf(world.sandbox, connection, 'status').length;
    // Looked at again and again, it waits for the hour to end.
    for (const enough = asked() + 4; asked() < enough; ) await hurry(here(), sent.postId);
    expect(initsOf(world.sandbox, sent.request).map(({ publishId }) => publishId)).toEqual([waiting.publish_id]);

    // Whoever has it at that moment writes what it knows: so it is said again.
    const anHourLater = async () => {
      await world.sql(
        `update attempt set upload_expire_time = now() - interval '11 minutes' where post_id = $1 and number = 1`,
        [sent.postId],
      );
      await hurry(here(), sent.postId);
    };
    const post = await postThat(service.clients, sent.postId, 'PUBLISHED', { meanwhile: anHourLater });
    onTikTokOnce(OPEN_UPLOAD, world.sandbox, post, video);
    expect(outcomesOf(post)).toEqual(['FAILED', 'PUBLISHED']);
    expect(initsOf(world.sandbox, post)).toHaveLength(2);
  });
});

describe.each(PULLS)('OPS-04 a backup that is an hour old, of posts $name whose answer was lost', (way) => {
  beforeAll(() => restart(way), 60_000);

  /** TikTok is told, fetches everything, and nobody hears its answer. */
  async function fetchedAndLost(parts: object, whenIntended: () => Promise<void>) {
    const connection = await connect(way);
    const sent = await send(way, connection, { schedule_time: inAnHour(), ...parts });
    const [intended, announced] = [await service.stopAt('intent-stored'), await service.stopAt('announced')];
    const first = await backup(world);
    await comesDue(sent.postId);
    await intended.reached();
    await whenIntended();
    await intended.goOn();
    await announced.reached();
    await world.sandbox.control.waitUntil(({ posts }) => posts.some(({ title }) => title === sent.request.caption));
    return { connection, sent, first };
  }
  const waits = (postId: string) => letTimePass(here(), postId, 600);

  it('at the intent: what was fetched since is not taken for nothing', async () => {
    let old: Awaited<ReturnType<typeof backup>> | undefined;
    const { sent } = await fetchedAndLost({}, async () => {
      old = await backup(world);
    });
    if (old === undefined) throw new Error('there is no backup');
    await restored(old, way, sent);
    const post = await postThat(service.clients, sent.postId, 'PUBLISHED', { meanwhile: () => waits(sent.postId) });
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
    onTikTokOnce(way, world.sandbox, post, video);
  });

  it('before the intent: it is looked for in the list', async () => {
    const { sent, first } = await fetchedAndLost({}, async () => undefined);
    await restored(first, way, sent);
    await comesDue(sent.postId);
    const post = await published(sent);
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
    onTikTokOnce(way, world.sandbox, post, video);
  });

  it('before the intent, and no list shows it: it is unconfirmed, and a person decides', async () => {
    world.sandbox.control.changeSettings({ postIdDelayMs: 86_400_000 });
    const { sent, first } = await fetchedAndLost({}, async () => undefined);
    await restored(first, way, sent);
    await comesDue(sent.postId);
    const post = await postThat(service.clients, sent.postId, 'UNCONFIRMED');
    expect(outcomesOf(post)).toEqual(['UNCONFIRMED']);
    expect(post.error?.code).toBe('OUTCOME_UNCONFIRMED');
    await waits(sent.postId);
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
    world.sandbox.control.changeSettings({ postIdDelayMs: 0 });
    const retry = { post_id: sent.postId, request_id: unique('retry') };
    expect(await refused(service.clients.posts.RetryPost(retry))).toMatchObject({
      reason: 'DUPLICATE_RISK_NOT_ACCEPTED',
    });
  });
});
