import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aesGcmCipher } from '../../src/adapters/crypto/aes-gcm-cipher.ts';
import { type Database, openDatabase } from '../../src/adapters/persistence/database.ts';
import { postgresGarbage } from '../../src/adapters/persistence/postgres-garbage.ts';
import { postgresPosts } from '../../src/adapters/persistence/postgres-posts.ts';
import { postgresVideos } from '../../src/adapters/persistence/postgres-videos.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import type { Post } from '../../src/domain/post/post.ts';
import {
  aCancelledPost,
  aFailedPost,
  aHeldPost,
  anImportingVideo,
  anUnconfirmedPost,
  anUploadingPost,
  aPreparingPost,
  aProcessingPost,
  aPublishedPost,
  aReadyVideo,
  aRejectedVideo,
  aRequest,
  aScheduledPost,
  ids,
} from '../support/builders.ts';
import { freshDatabase } from '../support/fresh-database.ts';

const cipher = aesGcmCipher([{ id: 'test', bytes: Buffer.from('0123456789abcdef0123456789abcdef') }]);
const DAY = 86_400_000;
const SOON = { timeout: 30_000 };
const OLD = new Date(Date.now() - 3 * DAY);
const CUT = new Date(Date.now() - DAY);

let fresh: Awaited<ReturnType<typeof freshDatabase>>;
let database: Database;

beforeAll(async () => {
  fresh = await freshDatabase();
  database = await openDatabase(fresh.url);
});
afterAll(async () => {
  await database?.close();
  await fresh?.drop();
});

async function givenVideo(createTime = OLD): Promise<VideoId> {
  const video = aReadyVideo({ createTime });
  await postgresVideos(database).add(video);
  return video.id;
}

type Build = (parts: { readonly videoId: VideoId }) => Post;

/** A post with this video that changed last so long ago; looked at again in an hour when `waits`. */
async function givenPost(videoId: VideoId, build: Build, updateTime = OLD, waits = false): Promise<Post> {
  const post = build({ videoId });
  const posts = postgresPosts(database, cipher, () => {});
  const added = await posts.add(waits ? { post, nextActionTime: new Date(Date.now() + DAY) } : { post }, aRequest());
  if (!added.ok) throw new Error(added.error.code);
  await database.pool.query(
    'update post set update_time = $2, next_action_at = case when $3 then next_action_at end where id = $1',
    [post.id, updateTime, waits],
  );
  await database.pool.query('update post_event set event_time = $2 where post_id = $1', [post.id, updateTime]);
  return post;
}

const unused = (): Promise<readonly VideoId[]> => postgresGarbage(database).unusedSince(CUT, 1000);

describe('a video that nobody needs any more', () => {
  it.each<[string, Build]>([
    ['published', aPublishedPost],
    ['failed', aFailedPost],
    ['cancelled', aCancelledPost],
    ['given up as unconfirmed', anUnconfirmedPost],
  ])('is one whose only post was %s long ago', async (_, build) => {
    const id = await givenVideo();
    await givenPost(id, build);
    expect(await unused()).toContain(id);
  });

  it('is one that no post ever used, and one that was rejected', async () => {
    const rejected = aRejectedVideo({ createTime: OLD });
    await postgresVideos(database).add(rejected);
    const neverUsed = await givenVideo();
    expect(await unused()).toEqual(expect.arrayContaining([neverUsed, rejected.id]));
  });

  it.each<[string, Build]>([
    ['waits for its video', aPreparingPost],
    ['waits for its time', aScheduledPost],
    ['is held', aHeldPost],
    ['is on its way', anUploadingPost],
    ['has no verdict yet', aProcessingPost],
  ])('is not one that a post needs which %s, however old, beside others that are done (MED-07)', async (_, build) => {
    const id = await givenVideo();
    await givenPost(id, aPublishedPost);
    await givenPost(id, build);
    expect(await unused()).not.toContain(id);
    expect(await postgresVideos(database).remove(id)).toBe('IN_USE');
  });

  it('is not one that was used lately, that came lately, that is fetched, or whose post is looked for at TikTok', async () => {
    const usedLately = await givenVideo();
    await givenPost(usedLately, aPublishedPost, new Date());
    const looked = await givenVideo();
    await givenPost(looked, anUnconfirmedPost, OLD, true);
    const importing = anImportingVideo({ createTime: OLD });
    await postgresVideos(database).addImport(importing, aRequest());
    const kept = [usedLately, looked, await givenVideo(new Date()), importing.id];
    const found = await unused();
    for (const id of kept) expect(found).not.toContain(id);
  });
});

describe('bytes that must stay', () => {
  it('are those of videos that are here or on their way', async () => {
    const ready = await givenVideo();
    const importing = anImportingVideo();
    const rejected = aRejectedVideo();
    await postgresVideos(database).addImport(importing, aRequest());
    await postgresVideos(database).add(rejected);
    const asked = [ready, importing.id, rejected.id, ids.videoId()];
    expect(await postgresGarbage(database).kept(asked)).toEqual(new Set([ready, importing.id]));
    expect(await postgresGarbage(database).kept([])).toEqual(new Set());
  });
});

describe('changes of posts', () => {
  const eventsOf = async ({ id }: Post): Promise<number> =>
    (await database.pool.query('select 1 from post_event where post_id = $1', [id])).rowCount ?? 0;

  it('are forgotten when they are old and their post rests', async () => {
    const done = await givenPost(await givenVideo(), aPublishedPost);
    const lately = await givenPost(await givenVideo(), aPublishedPost, new Date());
    const waiting = await givenPost(await givenVideo(), aScheduledPost);
    const looked = await givenPost(await givenVideo(), anUnconfirmedPost, OLD, true);
    const garbage = postgresGarbage(database);
    expect(await garbage.dropEvents(CUT, 1)).toBe(1);
    while ((await garbage.dropEvents(CUT, 100)) > 0);
    expect(await Promise.all([done, lately, waiting, looked].map(eventsOf))).toEqual([0, 1, 1, 1]);
  });
});

describe('whoever collects', () => {
  it('is one at a time, among all processes, and the next one when it is done or dead', async () => {
    const [mine, others] = [postgresGarbage(database), await openDatabase(fresh.url)];
    const their = postgresGarbage(others);
    const [began, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const first = mine.alone(() => {
      began.resolve();
      return over.promise;
    });
    await began.promise;
    const never = (): Promise<void> => Promise.reject(new Error('two at a time'));
    expect(await their.alone(never)).toBe(false);
    expect(await mine.alone(never)).toBe(false);
    over.resolve();
    expect(await first).toBe(true);
    expect(await their.alone(async () => undefined)).toBe(true);

    await expect(their.alone(() => Promise.reject(new Error('it failed')))).rejects.toThrow('it failed');
    expect(await mine.alone(async () => undefined)).toBe(true);

    const lost = Promise.withResolvers<void>();
    const dead = their.alone(() => lost.promise).catch((error: unknown) => error);
    const holders = `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objsubid = 1
      and database = (select oid from pg_database where datname = current_database())`;
    await expect.poll(async () => (await database.pool.query(holders)).rowCount, SOON).toBe(1);
    await expect.poll(() => mine.alone(async () => undefined), SOON).toBe(true);
    lost.resolve();
    expect(await dead).toBeInstanceOf(Error);
    await others.close();
  });
});
