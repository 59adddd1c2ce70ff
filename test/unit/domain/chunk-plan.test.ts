import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Chunk,
  type ChunkPlan,
  chunkAt,
  LARGEST_CHUNK_BYTES,
  planChunks,
  SMALLEST_LARGEST_CHUNK_BYTES,
} from '../../../src/domain/post/chunk-plan.ts';

const SMALLEST_REGULAR = 5_242_880;
const LARGEST_REGULAR = 64_000_000;
const LARGEST_LAST = 128_000_000;
const anyLargest = fc.integer({ min: SMALLEST_LARGEST_CHUNK_BYTES, max: LARGEST_CHUNK_BYTES });
const anySize = fc.oneof(
  fc.integer({ min: 1, max: 4_294_967_296 }),
  // Around every multiple of the largest chunk, where plans change.
  fc
    .tuple(fc.integer({ min: 1, max: 67 }), fc.integer({ min: -2, max: 2 }))
    .map(([n, off]) => n * LARGEST_REGULAR + off),
);

function chunksOf(plan: ChunkPlan, from = 0): readonly Chunk[] {
  const chunks: Chunk[] = [];
  for (let offset = from; ; ) {
    const chunk = chunkAt(plan, offset);
    if (chunk === undefined) return chunks;
    chunks.push(chunk);
    offset = chunk.endExclusive;
  }
}

describe('the plan for an upload', () => {
  it.each([
    [1, 1, 1, 1],
    [4_194_304, 4_194_304, 1, 4_194_304],
    [64_000_000, 64_000_000, 1, 64_000_000],
    [64_000_001, 32_000_000, 2, 32_000_001],
    [121_000_000, 60_500_000, 2, 60_500_000],
    [128_000_000, 64_000_000, 2, 64_000_000],
    [128_000_001, 42_666_667, 3, 42_666_667],
    [158_008_374, 52_669_458, 3, 52_669_458],
    [4_294_967_296, 63_161_283, 68, 63_161_335],
  ])('of %i bytes has chunks of %i, %i of them, the last of %i', (sizeBytes, chunkBytes, chunkCount, last) => {
    const plan = planChunks(sizeBytes);
    expect(plan).toEqual({ sizeBytes, chunkBytes, chunkCount });
    const chunk = chunksOf(plan).at(-1);
    expect(chunk && chunk.endExclusive - chunk.start).toBe(last);
  });

  it('cuts the official example as TikTok does', () => {
    const plan = { sizeBytes: 50_000_123, chunkBytes: 10_000_000, chunkCount: 5 };
    expect(chunksOf(plan).map(({ start, endExclusive }) => [start, endExclusive])).toEqual([
      [0, 10_000_000],
      [10_000_000, 20_000_000],
      [20_000_000, 30_000_000],
      [30_000_000, 40_000_000],
      [40_000_000, 50_000_123],
    ]);
  });

  it('tiles the file exactly, in order, with one last chunk', () => {
    fc.assert(
      fc.property(anySize, (sizeBytes) => {
        const plan = planChunks(sizeBytes);
        const chunks = chunksOf(plan);
        expect(chunks.map(({ index }) => index)).toEqual(Array.from({ length: plan.chunkCount }, (_, index) => index));
        expect(chunks.map(({ start }) => start)).toEqual([
          0,
          ...chunks.slice(0, -1).map(({ endExclusive }) => endExclusive),
        ]);
        expect(chunks.at(-1)?.endExclusive).toBe(sizeBytes);
        expect(chunks.map(({ last }) => last)).toEqual(chunks.map((_, index) => index === chunks.length - 1));
      }),
    );
  });

  it('keeps all of TikTok’s limits (open-api §5.1)', () => {
    fc.assert(
      fc.property(anySize, anyLargest, (sizeBytes, largest) => {
        const { chunkBytes, chunkCount } = planChunks(sizeBytes, largest);
        const last = sizeBytes - chunkBytes * (chunkCount - 1);
        expect(chunkCount).toBe(Math.floor(sizeBytes / chunkBytes));
        expect(chunkCount > 1).toBe(sizeBytes > largest);
        expect(chunkCount).toBeLessThanOrEqual(1000);
        expect(chunkBytes).toBeLessThanOrEqual(LARGEST_REGULAR);
        expect(last).toBeLessThanOrEqual(LARGEST_LAST);
        if (chunkCount === 1) expect(chunkBytes).toBe(sizeBytes);
        else expect(chunkBytes).toBeGreaterThanOrEqual(SMALLEST_REGULAR);
      }),
    );
  });

  it('goes on from any byte to the end of the same chunk, and then as planned', () => {
    fc.assert(
      fc.property(anySize, fc.double({ min: 0, max: 1, noNaN: true }), (sizeBytes, part) => {
        const plan = planChunks(sizeBytes);
        const offset = Math.min(Math.floor(sizeBytes * part), sizeBytes - 1);
        const [first, ...rest] = chunksOf(plan, offset);
        const whole = chunksOf(plan);
        const holder = whole.find(({ start, endExclusive }) => start <= offset && offset < endExclusive);
        expect(first).toEqual({ ...holder, start: offset });
        expect(rest).toEqual(whole.slice((holder?.index ?? 0) + 1));
      }),
    );
  });

  it('has nothing left behind the last byte', () => {
    fc.assert(
      fc.property(anySize, fc.nat(), (sizeBytes, more) => {
        expect(chunkAt(planChunks(sizeBytes), sizeBytes + more)).toBeUndefined();
      }),
    );
  });
});
