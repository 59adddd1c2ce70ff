import { createHash } from 'node:crypto';
import type { ByteRange, VideoReading } from '../../application/ports/video-store.ts';

/** However long the video is. */
export const WHOLE: ByteRange = { start: 0, endExclusive: Number.POSITIVE_INFINITY };

/** An end so short is kept when it was summed up. What is sent next is that end: most videos are short, and read once. */
const KEPT_BYTES = 256 * 1024;

export function videoReading(source: {
  read(range: ByteRange): AsyncIterable<Uint8Array>;
  /** Up to the end, `undefined`: not there. A piece is looked at before the next is asked for, which may overwrite it. */
  rest(start: number): Promise<AsyncIterable<Uint8Array> | undefined>;
}): VideoReading {
  const hash = createHash('sha256');
  let summedBytes = 0;
  let end: { readonly start: number; readonly bytes: Uint8Array } | undefined;
  let sum: string | undefined;

  /** What is summed up already counts once, also when a reader that was given up takes another piece in between. */
  function add(bytes: Uint8Array, start: number): void {
    if (start > summedBytes || start + bytes.length <= summedBytes) return;
    hash.update(bytes.subarray(summedBytes - start));
    summedBytes = start + bytes.length;
  }

  return {
    async *bytes({ start, endExclusive }) {
      if (end !== undefined && start >= end.start && endExclusive <= end.start + end.bytes.length) {
        yield end.bytes.subarray(start - end.start, endExclusive - end.start);
        return;
      }
      let at = start;
      for await (const piece of source.read({ start, endExclusive })) {
        add(piece, at);
        at += piece.length;
        yield piece;
      }
    },

    async digest() {
      if (sum !== undefined) return sum;
      const first = summedBytes;
      const rest = await source.rest(first);
      if (rest === undefined) return undefined;
      let at = first;
      for await (const piece of rest) {
        end = at === first && piece.length < KEPT_BYTES ? { start: first, bytes: Uint8Array.from(piece) } : undefined;
        add(piece, at);
        at += piece.length;
      }
      sum = hash.digest('hex');
      return sum;
    },
  };
}
