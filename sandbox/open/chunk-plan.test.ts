import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkChunkPlan, chunkAt, chunkEnd, largestChunk, largestVideo, smallestChunk } from './chunk-plan.ts';

const check = (size: unknown, chunk: unknown, count: unknown) => {
  const plan = checkChunkPlan({ video_size: size, chunk_size: chunk, total_chunk_count: count });
  return plan.ok ? 'ok' : plan.message;
};
const badSize = 'The video size is invalid';
const badChunk = 'The chunk size is invalid';
const badCount = 'The total chunk count is invalid';

describe('a chunk plan', () => {
  it.each([
    // the reference plans
    [4_194_304, 4_194_304, 1, 'ok'],
    [50_000_123, 10_000_000, 5, 'ok'],
    [64_000_001, 32_000_000, 2, 'ok'],
    [121_000_000, 60_500_000, 2, 'ok'],
    [158_008_374, 52_669_458, 3, 'ok'],
    [158_008_374, 5_242_880, 30, 'ok'],
    [4_294_967_296, 63_161_283, 68, 'ok'],
    [1, 1, 1, 'ok'],
    [64_000_000, 64_000_000, 1, 'ok'],
    // rule 1: floor, never ceil
    [50_000_123, 10_000_000, 6, badCount],
    [50_000_123, 10_000_000, 4, badCount],
    [10_485_760, 10_485_760, 2, badCount],
    // rule 2 and 5: 5 to 64 MB, in both readings of MB
    [20_000_000, 5_242_879, 3, badChunk],
    [130_000_000, 64_000_001, 2, badChunk],
    [64_000_001, 64_000_001, 1, badChunk],
    // rule 4: one chunk is the whole file
    [4_194_304, 2_097_152, 2, badChunk],
    [121_000_000, 64_000_000, 1, badChunk],
    [15_000_000, 10_000_000, 1, badChunk],
    [10_000_000, 10_000_001, 1, badChunk],
    // rule 6: 1 to 1000
    [4_294_967_296, 5_242_880, 819, 'ok'],
    [10_000_000, 10_000_000, 0, badCount],
    // numbers
    [0, 1, 1, badSize],
    [4_294_967_297, 63_161_283, 68, badSize],
    ['100', 100, 1, badSize],
    [100.5, 100, 1, badSize],
    [undefined, 100, 1, badSize],
    [100, undefined, 1, badChunk],
    [100, 100, '1', badCount],
  ])('of %s bytes in chunks of %s, %s of them: %s', (size, chunk, count, verdict) => {
    expect(check(size, chunk, count)).toBe(verdict);
  });

  it('that is accepted covers the file without gap or overlap, within the limits', () => {
    const sizes = fc.integer({ min: 1, max: largestVideo });
    fc.assert(
      fc.property(sizes, fc.integer({ min: smallestChunk, max: largestChunk }), (videoSize, wanted) => {
        const chunkSize = videoSize <= wanted * 2 ? videoSize : wanted;
        const plan = { videoSize, chunkSize, chunkCount: Math.floor(videoSize / chunkSize) };
        fc.pre(check(videoSize, chunkSize, plan.chunkCount) === 'ok');
        let next = 0;
        for (let chunk = 0; chunk < plan.chunkCount; chunk += 1) {
          expect(chunkAt(plan, next)).toBe(chunk);
          const end = chunkEnd(plan, chunk);
          expect(chunkAt(plan, end)).toBe(chunk);
          expect(end - next + 1).toBeLessThanOrEqual(chunk === plan.chunkCount - 1 ? 128_000_000 : largestChunk);
          next = end + 1;
        }
        expect(next).toBe(videoSize);
      }),
    );
  });
});
