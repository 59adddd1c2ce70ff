import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aesGcmCipher } from '../../src/adapters/crypto/aes-gcm-cipher.ts';
import { type Database, openDatabase } from '../../src/adapters/persistence/database.ts';
import { postgresPostQueue } from '../../src/adapters/persistence/postgres-post-queue.ts';
import { postgresPosts } from '../../src/adapters/persistence/postgres-posts.ts';
import { postgresVideos } from '../../src/adapters/persistence/postgres-videos.ts';
import type { RequestKey } from '../../src/application/ports/request-key.ts';
import type { Scheduled } from '../../src/domain/post/post.ts';
import { err, ok } from '../../src/domain/result.ts';
import { anUploadingPost, aReadyVideo, aRequest, aScheduledPost, ids } from '../support/builders.ts';
import { freshDatabase } from '../support/fresh-database.ts';
import { recordingLog } from '../support/recording-log.ts';

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

describe('writes that go together', () => {
  it('are stored, all but the one that PostgreSQL can not hold', async () => {
    const cipher = aesGcmCipher([{ id: 'test', bytes: Buffer.alloc(32, 7) }]);
    const posts = postgresPosts(database, cipher, () => undefined);
    const queue = postgresPostQueue(database, cipher, () => undefined, recordingLog());
    for (let count = 0; count < 8; count += 1) {
      const post = anUploadingPost();
      await postgresVideos(database).add(aReadyVideo({ id: post.videoId }));
      await posts.add({ post, nextActionTime: new Date(0) }, aRequest());
    }
    const leases = await queue.claim({ owner: 'worker', limit: 8, leaseSeconds: 60 });
    expect(leases).toHaveLength(8);
    const outcomes = await Promise.allSettled(
      leases.map((lease, index) =>
        queue.store(lease, { ...lease.post, labels: { seen: index === 3 ? 'a NUL \0 in it' : 'well' } }),
      ),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(
      leases.map((_, index) => (index === 3 ? 'rejected' : 'fulfilled')),
    );
    for (const [index, { postId }] of leases.entries()) {
      expect((await posts.find(postId))?.post.labels).toEqual(index === 3 ? {} : { seen: 'well' });
    }
  });

  it('are new posts of which each stands for itself', async () => {
    const cipher = aesGcmCipher([{ id: 'test', bytes: Buffer.alloc(32, 7) }]);
    const posts = postgresPosts(database, cipher, () => undefined);
    const video = aReadyVideo();
    await postgresVideos(database).add(video);
    const added = (key: RequestKey, with_: Partial<Scheduled> = {}) =>
      posts.add({ post: { ...aScheduledPost(), videoId: video.id, ...with_ } }, key);
    const [one, other] = [aRequest(), aRequest()];
    const outcomes = await Promise.allSettled([
      added(one),
      added(aRequest(), { videoId: ids.videoId() }),
      added(one),
      added({ ...one, payloadHash: other.payloadHash }),
      added(aRequest(), { labels: { seen: 'a NUL \0 in it' } }),
      added(other),
    ]);
    const [first, gone, again, reused, unstorable, last] = outcomes.map((outcome) =>
      outcome.status === 'fulfilled' ? outcome.value : outcome.reason,
    );
    expect(first).toMatchObject({ ok: true, value: { replayed: false } });
    expect(gone).toEqual(err({ code: 'VIDEO_GONE' }));
    expect(again).toEqual(ok({ step: first.value.step, replayed: true }));
    expect(reused).toEqual(err({ code: 'REQUEST_ID_REUSED', requestId: one.requestId }));
    expect(unstorable).toMatchObject({ code: '22P05' });
    expect(last).toMatchObject({ ok: true, value: { replayed: false } });
    const { rows } = await database.pool.query('select id from post where video_id = $1', [video.id]);
    expect(rows).toHaveLength(2);
  });
});
