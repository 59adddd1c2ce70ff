import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aesGcmCipher } from '../../src/adapters/crypto/aes-gcm-cipher.ts';
import { type Database, openDatabase } from '../../src/adapters/persistence/database.ts';
import { postgresPostQueue } from '../../src/adapters/persistence/postgres-post-queue.ts';
import { postgresPosts } from '../../src/adapters/persistence/postgres-posts.ts';
import { postgresVideos } from '../../src/adapters/persistence/postgres-videos.ts';
import { anUploadingPost, aReadyVideo, aRequest } from '../support/builders.ts';
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
});
