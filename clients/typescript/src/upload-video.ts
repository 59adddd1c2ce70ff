import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Client } from '@connectrpc/connect';
import type { Video } from '../gen/glowtify/tiktok/v1/video_pb.js';
import type { UploadVideoRequestSchema, VideoService } from '../gen/glowtify/tiktok/v1/video_service_pb.js';

export type UploadOptions = {
  readonly workspaceId: string;
  /** For people. Absent: the name of the file where a path is given. */
  readonly fileName?: string;
  /** Where known beforehand: the service then refuses a stream of another length. */
  readonly sizeBytes?: number;
  /** Hex, where known beforehand: the service then refuses other bytes. */
  readonly sha256?: string;
  readonly signal?: AbortSignal;
};

/** The service takes up to 4 MiB in a message. */
const LARGEST_CHUNK = 2 ** 20;

/**
 * Streams a video in: the path of a file, or its bytes as they come (a `Readable`, the body of a `fetch`). A file is read twice, so that the
 * service can refuse other bytes than these; of bytes as they come the SHA-256 is compared afterwards.
 *
 * Never repeated by itself: each call makes another video. Throws `ConnectorError` with `findings` when TikTok would not take the file.
 */
export async function uploadVideo(
  videos: Client<typeof VideoService>,
  source: string | AsyncIterable<Uint8Array>,
  options: UploadOptions,
): Promise<Video> {
  const { signal } = options;
  const known = typeof source === 'string' ? { ...(await ofFile(source)), ...options } : options;
  const hash = createHash('sha256');
  const bytes = typeof source === 'string' ? createReadStream(source) : source;
  const { video } = await videos.uploadVideo(
    messages(known, bytes, (chunk) => hash.update(chunk)),
    signal === undefined ? {} : { signal },
  );
  if (video === undefined) throw new Error('UploadVideo answered without a video');
  const sent = hash.digest('hex');
  if (video.sha256 !== sent) {
    throw new Error(`${video.videoId} arrived with the SHA-256 ${video.sha256}, and ${sent} was sent: delete it`);
  }
  return video;
}

async function ofFile(path: string) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return { fileName: basename(path), sizeBytes: (await stat(path)).size, sha256: hash.digest('hex') };
}

async function* messages(
  { workspaceId, fileName = '', sizeBytes, sha256 = '' }: UploadOptions,
  bytes: AsyncIterable<Uint8Array>,
  sent: (chunk: Uint8Array) => void,
): AsyncGenerator<MessageInitShape<typeof UploadVideoRequestSchema>> {
  const size = sizeBytes === undefined ? {} : { sizeBytes: BigInt(sizeBytes) };
  yield { payload: { case: 'metadata', value: { workspaceId, fileName, sha256, ...size } } };
  for await (const part of bytes) {
    for (let at = 0; at < part.length; at += LARGEST_CHUNK) {
      const value = part.subarray(at, at + LARGEST_CHUNK);
      sent(value);
      yield { payload: { case: 'chunk', value } };
    }
  }
}
