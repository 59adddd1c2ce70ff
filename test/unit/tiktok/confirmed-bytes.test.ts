import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { confirmed } from '../../../src/adapters/tiktok/open/upload.ts';
import { chunkAt, planChunks } from '../../../src/domain/post/chunk-plan.ts';

const plan = { sizeBytes: 50_000_123, chunkBytes: 10_000_000, chunkCount: 5 };

describe("TikTok's progress", () => {
  it('is the end of the chunk, whether the figure is a count or the index of the last byte', () => {
    const sizes = fc.integer({ min: 2, max: 4 * 1024 ** 3 });
    fc.assert(
      fc.property(sizes, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (sizeBytes, part) => {
        const plan = planChunks(sizeBytes);
        const end = chunkAt(plan, Math.floor(sizeBytes * part))?.endExclusive ?? 0;
        expect(confirmed(`bytes 0-${end}/${sizeBytes}`, plan)).toBe(end);
        expect(confirmed(`bytes 0-${end - 1}/${sizeBytes}`, plan)).toBe(end);
      }),
    );
  });

  it.each([
    ['bytes 0-12345/50000123', 12_345],
    ['bytes 0-0/50000123', 0],
    [' BYTES 0-10000000/50000123 ', 10_000_000],
    ['bytes 0-9999999/*', 10_000_000],
    ['bytes 0-50000122/50000123', 50_000_123],
  ])('%j is %d bytes', (header, bytes) => {
    expect(confirmed(header, plan)).toBe(bytes);
  });

  it.each([
    undefined,
    '',
    'bytes */50000123',
    'bytes 0-60000000/50000123',
    'bytes 0-10/99',
    'bytes 5-10/50000123',
    '10',
  ])('%j tells nothing', (header) => {
    expect(confirmed(header, plan)).toBeUndefined();
  });
});
