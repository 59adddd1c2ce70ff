import { describe, expect, it } from 'vitest';
import { SMALLEST_LARGEST_CHUNK_BYTES } from '../../src/domain/post/chunk-plan.ts';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { chunksOf, initsOf, rangesOf } from '../support/judge.ts';
import { realService } from '../support/service-process.ts';
import { aPost, connectNewAccount, postThatHurries, publish, publishedOnce, uploadBytes } from '../support/story.ts';

const surroundings = realService();
/** Of a video of three chunks. */
const CHUNK_BYTES = 7_000_000;
const environment = { TIKTOK_CHUNK_BYTES: String(SMALLEST_LARGEST_CHUNK_BYTES) };

describe('A process that is told to stop', () => {
  it('ends by itself with code 0', async () => {
    const world = await surroundings();
    const service = await world.start();
    const code = await service.stop();
    expect({ code, error: service.output().match(/^\w*Error.*/m)?.[0] }).toEqual({ code: 0 });
  });

  it.each([
    ['ends its chunk, and the next process sends the rest', true],
    ['leaves a chunk that does not end, and the next process sends that again', false],
  ])('while it uploads %s', { timeout: 120_000 }, async (_, chunkEnds) => {
    const world = await surroundings();
    const { control } = world.sandbox;
    const stopping = await world.start({ environment });
    const video = await uploadBytes(stopping.clients, await bigMp4Stream(3 * CHUNK_BYTES));
    const connection = await connectNewAccount({ clients: stopping.clients, sandbox: world.sandbox });
    const { username } = connection.account;
    const fault = control.addFault({ endpoint: 'upload', kind: 'hold', chunk: 1, account: username });
    const post = await publish(stopping.clients, aPost(connection, video));
    const hold = await control.waitForHold({ faultId: fault.id });

    const watch = await stopping.clients.watch({ post_ids: [post.post_id], workspace_id: connection.workspace_id });
    const stopped = stopping.stop();
    await expect(watch.next()).rejects.toMatchObject({ code: 14 });
    if (chunkEnds) control.release(hold.id);
    // One that does not end keeps nobody.
    await stopped;
    if (!chunkEnds) control.release(hold.id, 'drop');
    // A chunk that was under way may end; another one is not begun.
    expect(control.ledger().uploads.at(-1)?.receivedBytes).toBe(chunkEnds ? 2 * CHUNK_BYTES : CHUNK_BYTES);

    const next = await world.start({ environment });
    // Given back, not left to lapse: nobody waits for the end of a lease.
    const after = await postThatHurries({ clients: next.clients, sql: world.sql }, post.post_id, 'PUBLISHED');
    publishedOnce(world.sandbox, after, video);
    expect(initsOf(world.sandbox, post)).toHaveLength(1);
    expect(rangesOf(world.sandbox, after).map(({ first }) => first)).toEqual([0, CHUNK_BYTES, 2 * CHUNK_BYTES]);
    expect(chunksOf(world.sandbox, post)).toHaveLength(chunkEnds ? 3 : 4);
  });
});
