import type { VideoId } from '../../domain/ids.ts';
import type { Result } from '../../domain/result.ts';
import type { StoredFile } from '../../domain/video/video.ts';
import type { RandomAccess } from './random-access.ts';

export type PutLimits = {
  /** The file may be this long and not a byte longer. */
  readonly maxBytes: number;
  /** What the sender announced. A different length is refused, where possible before a byte is read. */
  readonly expectedSize?: number;
  /** What the sender announced: SHA-256 in hex, upper or lower case. */
  readonly expectedSha256?: string;
};

export type StoreRefusal =
  | { readonly code: 'EMPTY' }
  /** `seenBytes` is where we stopped reading, or the announced size: the file may be longer still. */
  | { readonly code: 'TOO_LARGE'; readonly seenBytes: number; readonly limitBytes: number }
  /** When more came than announced, `observedBytes` is where we stopped reading. */
  | { readonly code: 'SIZE_MISMATCH'; readonly observedBytes: number; readonly expectedBytes: number }
  | { readonly code: 'CHECKSUM_MISMATCH'; readonly observedSha256: string; readonly expectedSha256: string }
  /** Neither the sender's fault nor the file's: the operator's disk is full. The same call may succeed later. */
  | { readonly code: 'NO_SPACE' };

/** From `start` up to, but not including, `endExclusive`. Both must lie within the file. */
export type ByteRange = { readonly start: number; readonly endExclusive: number };

/** Any method may throw it: the store can't be used right now. The same call may succeed later. */
export class VideoStoreDown extends Error {
  override readonly name = 'VideoStoreDown';
}

/** The videos' bytes. A video is there whole or not at all, also after a crash. */
export interface VideoStore {
  /**
   * Stores all of `bytes`, holding a chunk or one part of a few MiB in memory, however long the video is, and never asking
   * for more while that is being written. Repeating it for the same id replaces the video in one step. A refusal or a source that throws
   * leaves everything as it was; the source's error is thrown on. When it returns, the bytes survive a power cut. When it
   * throws `VideoStoreDown` the video may be there all the same: the store's last answer may have been lost.
   */
  put(id: VideoId, bytes: AsyncIterable<Uint8Array>, limits: PutLimits): Promise<Result<StoredFile, StoreRefusal>>;
  /** In order, in chunks of bounded size, without a range the whole video. Throws on the first chunk if it isn't there. */
  read(id: VideoId, range?: ByteRange): AsyncIterable<Uint8Array>;
  /**
   * `undefined`: not there. The caller disposes of what it gets. Reads the bytes of the video that was opened and never
   * those of another one: when it is deleted or replaced meanwhile, a store either keeps it readable or `readAt` throws.
   */
  open(id: VideoId): Promise<(RandomAccess & AsyncDisposable) | undefined>;
  /** To give the bytes away and know whether they are the right ones. Nothing is read yet, and nothing has to be closed. */
  reading(id: VideoId): VideoReading;
  /** In bytes. `undefined`: not there. */
  size(id: VideoId): Promise<number | undefined>;
  /** Every video that was stored before `time`, by the store's own clock, in any order. Those that come or go meanwhile may be missed. */
  storedBefore(time: Date): AsyncIterable<VideoId>;
  /** Deleting what isn't there is fine. */
  delete(id: VideoId): Promise<void>;
}

/** One look at a video, which sums up what it reads on the way: what is given away in order is not read twice. */
export interface VideoReading {
  /**
   * As `read` of the store, for what passes through. A piece of 256 KiB or more may be overwritten once the second one after it is asked
   * for: a socket that was given it is full, so who waits for its drain is through with it by then. Whoever keeps a piece copies it.
   */
  bytes(range: ByteRange): AsyncIterable<Uint8Array>;
  /**
   * SHA-256 of all bytes, in lower-case hex: of those that `bytes` gave, from the first on, as they were given, and of the rest as it is now.
   * Bounded memory. `undefined`: not there. A call that throws can be repeated; what was told once stays so.
   */
  digest(): Promise<string | undefined>;
}

/** A store as the root keeps it. */
export interface SweptVideoStore extends VideoStore {
  /**
   * Removes what dead processes left half written and gives how many pieces that were. Leaves those of living ones alone,
   * so it may run at any time.
   */
  sweep(): Promise<number>;
  /** Lets go of connections. Absent: there are none. */
  close?(): void;
}
