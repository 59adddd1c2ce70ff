import { Code } from '@connectrpc/connect';
import { invalid } from '../../application/field-checks.ts';
import type { Clock } from '../../application/ports/clock.ts';
import type { UploadVideo } from '../../application/upload-video.ts';
import type { Finding } from '../../domain/finding.ts';
import type { WorkspaceId } from '../../domain/ids.ts';
import { connectError } from './answer.ts';
import {
  type UploadVideoMetadata,
  UploadVideoMetadataSchema,
  type UploadVideoRequest,
} from './gen/glowtify/tiktok/v1/video_service_pb.js';
import { endOf } from './interceptors.ts';
import type { RpcLimits } from './limits.ts';
import { checkText } from './request-fields.ts';
import { toConnectError } from './to-connect-error.ts';

export const LARGEST_CHUNK_BYTES = 4 * 2 ** 20;

/**
 * Reads the metadata. The bytes are pulled one message at a time, as fast as they are stored. A caller that lets us wait is cut
 * off: only the time that we wait counts, so that a slow disk of ours is nobody's fault.
 */
export async function openUpload(
  requests: AsyncIterable<UploadVideoRequest>,
  {
    signal,
    clock,
    limits,
  }: {
    readonly signal: AbortSignal;
    readonly clock: Clock;
    readonly limits: Pick<RpcLimits, 'uploadPatienceMilliseconds' | 'uploadBytesPerSecond'>;
  },
): Promise<Parameters<UploadVideo>[0]> {
  const refusal = (findings: readonly Finding[]) => toConnectError({ code: 'INVALID', findings }, clock.now());
  // Read by hand: leaving a for-await loop early would close the connection under an answer that is still to be sent.
  const messages = requests[Symbol.asyncIterator]();
  let receivedBytes = 0;
  let waitedMilliseconds = 0;

  /** Undefined at the end of the stream. Throws when the caller is gone, also when that looks like an end. */
  async function next(): Promise<UploadVideoRequest['payload'] | undefined> {
    const over = Promise.withResolvers<never>();
    const end = () => over.reject(endOf(signal, clock.now()));
    signal.addEventListener('abort', end, { once: true });
    const began = performance.now();
    const allowed = limits.uploadPatienceMilliseconds + (receivedBytes / limits.uploadBytesPerSecond) * 1000;
    const stalled = setTimeout(() => over.reject(tooSlow()), allowed - waitedMilliseconds);
    try {
      const message = await Promise.race([messages.next(), over.promise]);
      if (message.done !== true) return message.value.payload;
      if (signal.aborted) throw endOf(signal, clock.now());
      return undefined;
    } finally {
      clearTimeout(stalled);
      waitedMilliseconds += performance.now() - began;
      signal.removeEventListener('abort', end);
    }
  }

  const tooSlow = () =>
    connectError(
      {
        status: Code.DeadlineExceeded,
        reason: 'UPLOAD_TOO_SLOW',
        message: `The upload stalls: ${receivedBytes} bytes came, and an upload is waited for ${limits.uploadPatienceMilliseconds / 1000} s beyond what its bytes take at ${limits.uploadBytesPerSecond} a second.`,
        remedy: 'Upload over a faster line, in smaller chunks, without pauses between them.',
      },
      clock.now(),
    );

  async function* chunks(): AsyncIterable<Uint8Array> {
    for (let payload = await next(); payload !== undefined; payload = await next()) {
      if (payload.case !== 'chunk') throw refusal([OUT_OF_ORDER[payload.case ?? 'nothing']]);
      if (payload.value.length > LARGEST_CHUNK_BYTES) throw refusal([tooLong(payload.value.length)]);
      receivedBytes += payload.value.length;
      if (payload.value.length > 0) yield payload.value;
    }
  }

  const first = await next();
  if (first?.case !== 'metadata') throw refusal([first === undefined ? NOTHING_SENT : METADATA_MISSING]);
  const findings = [
    ...checkText(UploadVideoMetadataSchema, first.value).map((finding) => ({
      ...finding,
      field: `metadata.${finding.field}`,
    })),
    ...checkSize(first.value.sizeBytes),
  ];
  if (findings.length > 0) throw refusal(findings);
  return { ...announced(first.value), bytes: chunks() };
}

const announced = ({ workspaceId, fileName, sizeBytes, sha256 }: UploadVideoMetadata) => ({
  workspaceId: workspaceId as WorkspaceId,
  ...(fileName === '' ? {} : { fileName }),
  ...(sizeBytes === undefined ? {} : { sizeBytes: Number(sizeBytes) }),
  ...(sha256 === '' ? {} : { sha256 }),
});

const checkSize = (sizeBytes: bigint | undefined): readonly Finding[] =>
  sizeBytes === undefined || (sizeBytes > 0n && sizeBytes <= BigInt(Number.MAX_SAFE_INTEGER))
    ? []
    : [
        invalid(
          'metadata.size_bytes',
          String(sizeBytes),
          `1 to ${Number.MAX_SAFE_INTEGER}`,
          'Announce the true length, or leave it out.',
        ),
      ];

const REMEDY = 'Send one metadata message first, then the bytes of the file as chunk messages.';

const NOTHING_SENT: Finding = {
  code: 'FIELD_REQUIRED',
  severity: 'ERROR',
  field: 'metadata',
  message: 'The upload ended before anything was sent.',
  remedy: REMEDY,
  observed: 'no message',
  limit: 'metadata, then chunks',
};

const METADATA_MISSING: Finding = {
  ...NOTHING_SENT,
  message: 'The first message of an upload must be its metadata.',
  observed: 'another message',
  limit: 'metadata',
};

const OUT_OF_ORDER = {
  metadata: invalid('metadata', 'a second metadata message', 'one, as the first message', REMEDY),
  nothing: invalid('chunk', 'a message with neither metadata nor chunk', 'one chunk per message', REMEDY),
} as const;

const tooLong = (bytes: number): Finding =>
  invalid('chunk', `${bytes} bytes`, `at most ${LARGEST_CHUNK_BYTES} bytes`, 'Cut the file into smaller chunks.');
