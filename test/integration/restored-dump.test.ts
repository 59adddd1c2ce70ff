import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { aesGcmCipher } from '../../src/adapters/crypto/aes-gcm-cipher.ts';
import { type Database, openDatabase } from '../../src/adapters/persistence/database.ts';
import { postgresPostEvents } from '../../src/adapters/persistence/postgres-post-events.ts';
import { postgresPosts } from '../../src/adapters/persistence/postgres-posts.ts';
import { postgresVideos } from '../../src/adapters/persistence/postgres-videos.ts';
import { cancel, edit } from '../../src/domain/post/post.ts';
import { restingStep } from '../../src/domain/post/step.ts';
import { ok } from '../../src/domain/result.ts';
import { aReadyVideo, aRequest, aScheduledPost, NOW } from '../support/builders.ts';
import { freshDatabase } from '../support/fresh-database.ts';

const cipher = aesGcmCipher([{ id: 'test', bytes: Buffer.from('0123456789abcdef0123456789abcdef') }]);
let fresh: Awaited<ReturnType<typeof freshDatabase>>;

beforeAll(async () => {
  fresh = await freshDatabase();
});
afterAll(() => fresh.drop());

async function opened(): Promise<Database> {
  const database = await openDatabase(fresh.url);
  onTestFinished(() => database.close());
  return database;
}

it('OPS-04 a dump restored into a younger cluster tells its history in order, and what is new after it', async () => {
  const old = await opened();
  const posts = postgresPosts(old, cipher, () => undefined);
  const video = aReadyVideo();
  await postgresVideos(old).add(video);
  const post = aScheduledPost({ videoId: video.id });
  await posts.add(restingStep(post), aRequest());
  const edited = await posts.update(post.id, (current) => {
    const changed = edit(current, { caption: 'Another one' });
    return changed.ok ? ok(restingStep(changed.value)) : changed;
  });
  expect(edited).toMatchObject({ ok: true });
  // As another cluster numbered them: by a million transactions ahead.
  await old.pool.query('update post_event set txid = (txid::text::bigint + 1000000)::text::xid8');

  const restored = await opened();
  const events = postgresPostEvents(restored, cipher);
  const end = await events.end();
  const cancelled = await postgresPosts(restored, cipher, () => undefined).update(post.id, (current) => {
    const changed = cancel(current, NOW);
    return changed.ok ? ok({ post: changed.value }) : changed;
  });
  expect(cancelled).toMatchObject({ ok: true });
  expect((await posts.timeline(post.id)).map(({ state }) => state)).toEqual(['SCHEDULED', 'SCHEDULED', 'CANCELLED']);

  const filter = { workspaceId: post.workspaceId, connectionIds: [], postIds: [] };
  const told = async (from: string) =>
    (await events.after(from, filter, 10))?.events.map(({ step }) => [step.post.state, step.post.caption]);
  // A transaction of somebody else on the same server may hold the latest back for a while.
  await expect.poll(() => told(end), { timeout: 50_000 }).toEqual([['CANCELLED', 'Another one']]);
  const beginning = Buffer.from('0.0', 'utf8').toString('base64url');
  expect(await told(beginning)).toEqual([
    ['SCHEDULED', post.caption],
    ['SCHEDULED', 'Another one'],
    ['CANCELLED', 'Another one'],
  ]);
});
