import { type Checked, invalid, valid } from './answers.ts';

/** Bytes. TikTok doesn't say MB or MiB: these bounds satisfy both readings. */
export const smallestChunk = 5_242_880;
export const largestChunk = 64_000_000;
export const largestVideo = 4_294_967_296;
const mostChunks = 1000;

export type ChunkPlan = { videoSize: number; chunkSize: number; chunkCount: number };

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1;

/** The messages are TikTok's, as far as they were recorded. */
export function checkChunkPlan(source: Record<string, unknown>): Checked<ChunkPlan> {
  const { video_size: videoSize, chunk_size: chunkSize, total_chunk_count: chunkCount } = source;
  if (!isCount(videoSize) || videoSize > largestVideo) return invalid('The video size is invalid');
  if (!isCount(chunkSize) || chunkSize > videoSize) return invalid('The chunk size is invalid');
  if (!isCount(chunkCount)) return invalid('The total chunk count is invalid');
  const whole = chunkSize === videoSize;
  if (chunkCount === 1 && !whole) return invalid('The chunk size is invalid');
  if (chunkSize > largestChunk) return invalid('The chunk size is invalid');
  if (!whole && chunkSize < smallestChunk) return invalid('The chunk size is invalid');
  if (chunkCount !== Math.floor(videoSize / chunkSize) || chunkCount > mostChunks) {
    return invalid('The total chunk count is invalid');
  }
  return valid({ videoSize, chunkSize, chunkCount });
}

/** The chunk that holds this byte; the last one carries the remainder. */
export function chunkAt(plan: ChunkPlan, byte: number): number {
  return Math.min(Math.floor(byte / plan.chunkSize), plan.chunkCount - 1);
}

/** Index of the last byte of a chunk. */
export function chunkEnd(plan: ChunkPlan, chunk: number): number {
  return chunk === plan.chunkCount - 1 ? plan.videoSize - 1 : (chunk + 1) * plan.chunkSize - 1;
}
