import { createHash } from 'node:crypto';
import { videoReading } from '../../src/adapters/video-store/video-reading.ts';
import type { ByteRange, StoreRefusal, VideoStore } from '../../src/application/ports/video-store.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import { err, ok } from '../../src/domain/result.ts';

export function inMemoryVideoStore(): VideoStore {
  const videos = new Map<VideoId, Buffer>();
  const times = new Map<VideoId, Date>();

  async function* read(id: VideoId, range?: ByteRange): AsyncGenerator<Uint8Array> {
    const video = videos.get(id);
    if (video === undefined) throw new Error('There is no such video');
    const { start, endExclusive } = range ?? { start: 0, endExclusive: video.length };
    if (start < endExclusive) yield Uint8Array.from(video.subarray(start, endExclusive));
  }

  return {
    async put(id, bytes, { maxBytes, expectedSize, expectedSha256 }) {
      const refuse = (error: StoreRefusal) => err(error);
      if (expectedSize !== undefined && expectedSize > maxBytes)
        return refuse({ code: 'TOO_LARGE', seenBytes: expectedSize, limitBytes: maxBytes });

      const chunks: Uint8Array[] = [];
      let sizeBytes = 0;
      for await (const chunk of bytes) {
        chunks.push(chunk.slice());
        sizeBytes += chunk.length;
        if (sizeBytes > maxBytes) return refuse({ code: 'TOO_LARGE', seenBytes: sizeBytes, limitBytes: maxBytes });
        if (expectedSize !== undefined && sizeBytes > expectedSize)
          return refuse({ code: 'SIZE_MISMATCH', observedBytes: sizeBytes, expectedBytes: expectedSize });
      }

      const video = Buffer.concat(chunks);
      const sha256 = createHash('sha256').update(video).digest('hex');
      const expected = expectedSha256?.toLowerCase() ?? sha256;
      if (sizeBytes === 0) return refuse({ code: 'EMPTY' });
      if (expectedSize !== undefined && sizeBytes !== expectedSize)
        return refuse({ code: 'SIZE_MISMATCH', observedBytes: sizeBytes, expectedBytes: expectedSize });
      if (sha256 !== expected)
        return refuse({ code: 'CHECKSUM_MISMATCH', observedSha256: sha256, expectedSha256: expected });
      videos.set(id, video);
      times.set(id, new Date());
      return ok({ sizeBytes, sha256 });
    },

    read,

    async open(id) {
      const video = videos.get(id);
      if (video === undefined) return undefined;
      return {
        sizeBytes: video.length,
        async readAt(start, endExclusive) {
          if (endExclusive > video.length) throw new RangeError('Not all within the video');
          return Uint8Array.from(video.subarray(start, endExclusive));
        },
        async [Symbol.asyncDispose]() {},
      };
    },

    reading: (id) =>
      videoReading({
        read: (range) => read(id, range),
        async rest(start) {
          const video = videos.get(id);
          return video && read(id, { start, endExclusive: video.length });
        },
      }),

    async size(id) {
      return videos.get(id)?.length;
    },

    async *storedBefore(time) {
      for (const [id, stored] of times) if (stored < time) yield id;
    },

    async delete(id) {
      times.delete(id);
      videos.delete(id);
    },
  };
}
