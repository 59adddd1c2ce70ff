/**
 * How a file is cut for TikTok's upload (open-api §5.1). Data: the plan is announced at init and stored with the attempt, so
 * that whoever takes over cuts at the same bytes.
 */
export type ChunkPlan = {
  readonly sizeBytes: number;
  /** Length of every chunk but the last, which carries the rest and may be longer. */
  readonly chunkBytes: number;
  readonly chunkCount: number;
};

/** Safe under both readings of TikTok's "64 MB" (open-api §5.1, derived): the largest regular chunk, and the largest single one. */
export const LARGEST_CHUNK_BYTES = 64_000_000;

/** Twice TikTok's smallest regular chunk of 5 MiB: cut into equal chunks of at most this, none falls below it. */
export const SMALLEST_LARGEST_CHUNK_BYTES = 2 * 5 * 1024 * 1024;

/**
 * `sizeBytes` ≥ 1. Up to `largest` bytes in one piece; else equal chunks, the rest of the division added to the last. `largest` lies
 * between the two bounds above.
 */
export function planChunks(sizeBytes: number, largest: number = LARGEST_CHUNK_BYTES): ChunkPlan {
  const chunkCount = Math.ceil(sizeBytes / largest);
  return { sizeBytes, chunkBytes: Math.floor(sizeBytes / chunkCount), chunkCount };
}

export type Chunk = {
  /** From 0. */
  readonly index: number;
  readonly start: number;
  readonly endExclusive: number;
  readonly last: boolean;
};

/**
 * What is left from byte `offset` of the chunk that holds it: all of it at a chunk's start; undefined when every byte is
 * behind.
 */
export function chunkAt({ sizeBytes, chunkBytes, chunkCount }: ChunkPlan, offset: number): Chunk | undefined {
  if (offset >= sizeBytes) return undefined;
  const index = Math.min(Math.floor(offset / chunkBytes), chunkCount - 1);
  const last = index === chunkCount - 1;
  return { index, start: offset, endExclusive: last ? sizeBytes : (index + 1) * chunkBytes, last };
}
