import { readFile } from 'node:fs/promises';
import type { RandomAccess } from '../../src/application/ports/random-access.ts';

/** A real file of `test/fixtures/videos`; its README says how each was made. */
export const fixtureVideo = (name: string): Promise<Buffer> =>
  readFile(new URL(`../fixtures/videos/${name}`, import.meta.url));

export const inMemory = (bytes: Uint8Array): RandomAccess => ({
  sizeBytes: bytes.length,
  readAt: async (start, endExclusive) => bytes.slice(start, endExclusive),
});

export const openFixture = async (name: string): Promise<RandomAccess> => inMemory(await fixtureVideo(name));

export async function* inChunks(bytes: Uint8Array, chunkSize = 1000): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += chunkSize) yield bytes.slice(start, start + chunkSize);
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(chunks, (chunk) => Buffer.from(chunk)));
}
