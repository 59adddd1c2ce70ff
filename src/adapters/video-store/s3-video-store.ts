import { randomUUID } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  type MultipartUpload,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { isOutOfReach } from '../../application/out-of-reach.ts';
import { type ByteRange, type SweptVideoStore, VideoStoreDown } from '../../application/ports/video-store.ts';
import type { VideoId } from '../../domain/ids.ts';
import { err } from '../../domain/result.ts';
import { intake, isOurs, nameOf, refusedBeforehand } from './intake.ts';
import { videoReading, WHOLE } from './video-reading.ts';

/** Where the videos are. Who we are there comes from the standard AWS environment variables, files and instance roles. */
export type S3Place = {
  readonly bucket: string;
  /** Before each video's id: empty, or with a slash at its end. */
  readonly prefix: string;
  readonly region: string;
  /** Absent: Amazon's, for the region. */
  readonly endpoint?: string;
  /** Whether the bucket stands in the path and not in the host name. */
  readonly pathStyle: boolean;
};

/** In milliseconds: until it is connected, and from one sign of life to the next. Each call is tried `tries` times. */
export type S3Limits = { readonly connect: number; readonly idle: number; readonly tries: number };

export const LIMITS: S3Limits = { connect: 5_000, idle: 20_000, tries: 3 };

/** S3's smallest, since each upload under way holds one in memory. 10,000 of them are allowed: 48 GiB. */
const PART_BYTES = 5 * 1024 * 1024;
/** A slow reader holds one of these and no connection, which S3 would cut. */
const READ_BYTES = 4 * 1024 * 1024;
/** A small read brings what follows as well: an index is read in small steps. */
const READ_AHEAD_BYTES = 256 * 1024;
/** Nobody can see whose an upload is: it is taken for dead when it began this long ago. No upload of ours takes so long. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;

/** What S3-compatible stores say when a quota or their disks are full, beside status 507. */
const NO_SPACE_CODES = new Set(['QuotaExceeded', 'XMinioStorageFull', 'XMinioAdminBucketQuotaExceeded']);

const NOTHING: IteratorResult<Uint8Array> = { done: true, value: undefined };

/** What is in the store from some place on, and which version of the video that is of. */
type Piece = { readonly bytes: Uint8Array; readonly etag: string; readonly sizeBytes: number };

export const s3Client = ({ region, endpoint, pathStyle }: S3Place, limits: S3Limits): S3Client =>
  new S3Client({
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    forcePathStyle: pathStyle,
    maxAttempts: limits.tries,
    requestHandler: { connectionTimeout: limits.connect, socketTimeout: limits.idle },
  });

/** One object per video, named by its id. Needs a bucket that is there; never makes one. */
export function s3VideoStore(place: S3Place, limits: S3Limits = LIMITS): SweptVideoStore {
  const { bucket, prefix } = place;
  const client = s3Client(place, limits);
  const objectOf = (id: VideoId) => ({ Bucket: bucket, Key: prefix + nameOf(id) });

  /**
   * From `start` up to `endExclusive` or the video's end. With an `etag`, of that version and no other. Asked for anew when
   * it breaks off: nothing of it was given to anybody.
   */
  async function piece(id: VideoId, start: number, endExclusive: number, etag?: string): Promise<Piece> {
    for (let triesLeft = limits.tries; ; triesLeft -= 1) {
      const answer = await answered(
        client.send(
          new GetObjectCommand({
            ...objectOf(id),
            Range: `bytes=${start}-${endExclusive - 1}`,
            ...(etag === undefined ? {} : { IfMatch: etag }),
          }),
        ),
      ).catch((error: unknown) => {
        if (!isNamed(error, 'PreconditionFailed')) throw error;
        throw new Error(`video ${id} was replaced while it was read`, { cause: error });
      });
      const { first, last, ...version } = announced(answer);
      try {
        const bytes = await answer.Body?.transformToByteArray();
        if (bytes?.byteLength === last - first + 1) return { bytes, ...version };
        throw new Error(`${bytes?.byteLength} bytes came of those from ${first} to ${last}`);
      } catch (error) {
        if (triesLeft > 1) continue;
        throw new VideoStoreDown('the store broke off while it gave a video', { cause: error });
      }
    }
  }

  async function* pieces(id: VideoId, { start, endExclusive }: ByteRange = WHOLE): AsyncGenerator<Uint8Array> {
    let at = start;
    let end = endExclusive;
    let etag: string | undefined;
    while (at < end) {
      const found: Piece = await piece(id, at, Math.min(at + READ_BYTES, end), etag);
      if (end === WHOLE.endExclusive) end = found.sizeBytes;
      if (end > found.sizeBytes) throw new RangeError(`Bytes ${start} to ${end} are not all within the video`);
      yield found.bytes;
      at += found.bytes.byteLength;
      etag = found.etag;
    }
  }

  /** Gone when disposed of, unless it was ended. Nothing is seen of it before its end, and then all of it. */
  function upload(
    id: VideoId,
  ): { send(part: Uint8Array): Promise<void>; end(last: Uint8Array): Promise<void> } & AsyncDisposable {
    const object = objectOf(id);
    const mark = randomUUID();
    const parts: CompletedPart[] = [];
    let uploadId: string | undefined;

    async function send(part: Uint8Array): Promise<void> {
      uploadId ??= (
        await answered(
          client.send(
            // Named here, or Amazon refuses the sums that the library adds to the parts.
            new CreateMultipartUploadCommand({ ...object, ChecksumAlgorithm: 'CRC32', Metadata: { upload: mark } }),
          ),
        )
      ).UploadId;
      const PartNumber = parts.length + 1;
      const { ETag, ChecksumCRC32 } = await answered(
        client.send(new UploadPartCommand({ ...object, UploadId: uploadId, PartNumber, Body: part })),
      );
      parts.push({ PartNumber, ETag, ChecksumCRC32 });
    }

    async function complete(): Promise<void> {
      try {
        await answered(
          client.send(
            new CompleteMultipartUploadCommand({ ...object, UploadId: uploadId, MultipartUpload: { Parts: parts } }),
          ),
        );
      } catch (error) {
        // The answer to the first try was lost, and the second finds no upload any more: is what is there ours?
        if (!isNamed(error, 'NoSuchUpload')) throw error;
        const { Metadata } = await answered(client.send(new GetObjectCommand({ ...object, Range: 'bytes=0-0' })));
        if (Metadata?.['upload'] !== mark) throw error;
      }
    }

    return {
      send,
      async end(last) {
        if (uploadId === undefined) {
          await answered(client.send(new PutObjectCommand({ ...object, Body: last })));
        } else {
          await send(last);
          await complete();
          uploadId = undefined;
        }
      },
      async [Symbol.asyncDispose]() {
        if (uploadId === undefined) return;
        // What is thrown or refused already is what the caller has to know; `sweep` finds what stays.
        await client.send(new AbortMultipartUploadCommand({ ...object, UploadId: uploadId })).catch(() => undefined);
      },
    };
  }

  async function* uploadsUnderWay(): AsyncGenerator<MultipartUpload> {
    let from: Pick<ListMultipartUploadsCommandOutput, 'NextKeyMarker' | 'NextUploadIdMarker' | 'IsTruncated'> = {};
    do {
      const page: ListMultipartUploadsCommandOutput = await answered(
        client.send(
          new ListMultipartUploadsCommand({
            Bucket: bucket,
            Prefix: prefix,
            KeyMarker: from.NextKeyMarker,
            UploadIdMarker: from.NextUploadIdMarker,
          }),
        ),
      );
      yield* page.Uploads ?? [];
      from = page;
    } while (from.IsTruncated);
  }

  return {
    async put(id, bytes, putLimits) {
      const refusedAtOnce = refusedBeforehand(putLimits);
      if (refusedAtOnce !== undefined) return err(refusedAtOnce);
      try {
        const video = intake(putLimits);
        const part = Buffer.allocUnsafeSlow(PART_BYTES);
        let filled = 0;
        await using target = upload(id);
        for await (const chunk of bytes) {
          const refusal = video.count(chunk);
          if (refusal !== undefined) return err(refusal);
          video.hash(chunk);
          for (let at = 0; at < chunk.byteLength; ) {
            // Only when more comes: the last part is never empty.
            if (filled === PART_BYTES) {
              await target.send(part);
              filled = 0;
            }
            const taken = chunk.subarray(at, at + PART_BYTES - filled);
            part.set(taken, filled);
            filled += taken.byteLength;
            at += taken.byteLength;
          }
        }
        const stored = video.end();
        if (stored.ok) await target.end(part.subarray(0, filled));
        return stored;
      } catch (error) {
        if (error instanceof NoSpace) return err({ code: 'NO_SPACE' });
        throw error;
      }
    },

    read: (id, range) => pieces(id, range),

    async open(id) {
      const first = await orIfMissing(piece(id, 0, READ_AHEAD_BYTES), undefined);
      if (first === undefined) return undefined;
      const { etag, sizeBytes } = first;
      let ahead = { start: 0, bytes: first.bytes };
      return {
        sizeBytes,
        async readAt(start, endExclusive) {
          if (start < 0 || endExclusive > sizeBytes) {
            throw new RangeError(`Bytes ${start} to ${endExclusive} are not all within the video`);
          }
          if (start === endExclusive) return new Uint8Array();
          if (start < ahead.start || endExclusive > ahead.start + ahead.bytes.byteLength) {
            const until = Math.min(Math.max(endExclusive, start + READ_AHEAD_BYTES), sizeBytes);
            const { bytes } = await piece(id, start, until, etag);
            if (bytes.byteLength !== until - start)
              throw new Error(`only ${bytes.byteLength} bytes came from ${start} on`);
            if (bytes.byteLength > READ_AHEAD_BYTES) return bytes;
            ahead = { start, bytes };
            return bytes.slice(0, endExclusive - start);
          }
          return ahead.bytes.slice(start - ahead.start, endExclusive - ahead.start);
        },
        async [Symbol.asyncDispose]() {},
      };
    },

    reading: (id) =>
      videoReading({
        read: (range) => pieces(id, range),
        async rest(start) {
          const rest = pieces(id, { ...WHOLE, start });
          const first = await orIfMissing(orIfMissing(rest.next(), undefined), NOTHING, 'InvalidRange');
          return first && from(first, rest);
        },
      }),

    async size(id) {
      return (await orIfMissing(piece(id, 0, 1), undefined))?.sizeBytes;
    },

    async *storedBefore(time) {
      const pages = paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: prefix })[Symbol.asyncIterator]();
      for (let page = await answered(pages.next()); !page.done; page = await answered(pages.next())) {
        for (const { Key = '', LastModified } of page.value.Contents ?? []) {
          const name = Key.slice(prefix.length);
          if (isOurs(name) && LastModified !== undefined && LastModified < time) yield name;
        }
      }
    },

    async delete(id) {
      await answered(client.send(new DeleteObjectCommand(objectOf(id))));
    },

    async sweep() {
      let swept = 0;
      for await (const { Key = '', UploadId, Initiated } of uploadsUnderWay()) {
        if (!isOurs(Key.slice(prefix.length)) || Initiated === undefined) continue;
        if (Date.now() - Initiated.getTime() < ABANDONED_MS) continue;
        const gone = answered(client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId })));
        // Another worker sweeps as well.
        if ((await orIfMissing(gone, 'GONE_BEFORE', 'NoSuchUpload')) !== 'GONE_BEFORE') swept += 1;
      }
      return swept;
    },

    close: () => client.destroy(),
  };
}

/** The source may throw whatever it likes: only what S3 says is taken for its word. */
class NoSpace extends Error {
  override readonly name = 'NoSpace';
}

async function* from<T>(first: IteratorResult<T>, rest: AsyncIterable<T>): AsyncGenerator<T> {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}

/** What S3 answers, its failures told apart: full, away for now, or a mistake of ours or the operator's. */
async function answered<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (isFull(error)) throw new NoSpace('no space left', { cause: error });
    if (isPassing(error)) throw new VideoStoreDown('the video store can not be used right now', { cause: error });
    throw error;
  }
}

const isFull = (error: unknown): boolean =>
  error instanceof S3ServiceException && (error.$metadata.httpStatusCode === 507 || NO_SPACE_CODES.has(error.name));

function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof S3ServiceException) {
    const status = error.$metadata.httpStatusCode ?? 500;
    return status >= 500 || status === 429 || error.name === 'RequestTimeout';
  }
  if (error.name === 'TimeoutError') return true;
  return 'code' in error && typeof error.code === 'string' && isOutOfReach(error.code);
}

const isNamed = (error: unknown, name: string): boolean => error instanceof S3ServiceException && error.name === name;

async function orIfMissing<T, U>(result: Promise<T>, missing: U, code = 'NoSuchKey'): Promise<T | U> {
  try {
    return await result;
  } catch (error) {
    if (isNamed(error, code)) return missing;
    throw error;
  }
}

/** What a part of a video says of itself before its bytes. */
function announced({ ContentRange, ETag }: GetObjectCommandOutput) {
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(ContentRange ?? '') ?? [];
  if (total === undefined || ETag === undefined) throw new Error('the store gives no ranges, or no ETag with them');
  return { first: Number(first), last: Number(last), etag: ETag, sizeBytes: Number(total) };
}
