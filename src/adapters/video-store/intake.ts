import { createHash } from 'node:crypto';
import type { PutLimits, StoreRefusal } from '../../application/ports/video-store.ts';
import type { VideoId } from '../../domain/ids.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { StoredFile } from '../../domain/video/video.ts';

/** A video on its way in: each chunk is counted, and hashed when it was let in. */
export type Intake = {
  /** Why the video is refused with this chunk, which then counts as read. */
  count(chunk: Uint8Array): StoreRefusal | undefined;
  hash(chunk: Uint8Array): void;
  /** After the last chunk, once. */
  end(): Result<StoredFile, StoreRefusal>;
};

export function intake({ maxBytes, expectedSize, expectedSha256 }: PutLimits): Intake {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  return {
    count(chunk) {
      sizeBytes += chunk.byteLength;
      if (sizeBytes > maxBytes) return { code: 'TOO_LARGE', seenBytes: sizeBytes, limitBytes: maxBytes };
      if (expectedSize !== undefined && sizeBytes > expectedSize)
        return { code: 'SIZE_MISMATCH', observedBytes: sizeBytes, expectedBytes: expectedSize };
      return undefined;
    },
    hash: (chunk) => void hash.update(chunk),
    end() {
      const sha256 = hash.digest('hex');
      if (sizeBytes === 0) return err({ code: 'EMPTY' });
      if (expectedSize !== undefined && sizeBytes !== expectedSize)
        return err({ code: 'SIZE_MISMATCH', observedBytes: sizeBytes, expectedBytes: expectedSize });
      if (expectedSha256 !== undefined && sha256 !== expectedSha256.toLowerCase())
        return err({ code: 'CHECKSUM_MISMATCH', observedSha256: sha256, expectedSha256: expectedSha256.toLowerCase() });
      return ok({ sizeBytes, sha256 });
    },
  };
}

/** Before a byte is read. */
export function refusedBeforehand({ maxBytes, expectedSize }: PutLimits): StoreRefusal | undefined {
  if (expectedSize === undefined || expectedSize <= maxBytes) return undefined;
  return { code: 'TOO_LARGE', seenBytes: expectedSize, limitBytes: maxBytes };
}

/** The id as a name of a file or an object. Ids are ours, but a path is no place to find out that one wasn't. */
export function nameOf(id: VideoId): string {
  if (!/^[\w-]{1,128}$/.test(id)) throw new Error('A video id must consist of letters, digits, "_" and "-"');
  return id;
}

/** Whether a name is one that a video of ours has. What else is in the folder or bucket is somebody else's. */
export const isOurs = (name: string): name is VideoId => /^vid_[\w-]{1,124}$/.test(name);
