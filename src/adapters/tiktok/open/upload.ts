import type { ChunkOutcome, Uploads } from '../../../application/ports/tiktok.ts';
import { VideoStoreDown } from '../../../application/ports/video-store.ts';
import type { Chunk, ChunkPlan } from '../../../domain/post/chunk-plan.ts';
import type { Head, Http } from '../http.ts';
import { byStatus, refusal, UNAVAILABLE } from '../refusal.ts';
import { type AllowedOrigins, uploadAddress } from './upload-address.ts';

/** Small enough that handing one over is a sign of life even on a slow line. */
const PIECE_BYTES = 256 * 1024;

export function sendChunk(options: {
  readonly http: Http;
  readonly allowed: AllowedOrigins;
  readonly idleMilliseconds: number;
}): Uploads['sendChunk'] {
  const { http, allowed, idleMilliseconds } = options;

  return async ({ uploadUrl, plan, chunk, contentType, bytes, signal }) => {
    const address = uploadAddress(uploadUrl.reveal(), allowed);
    if (address === undefined) {
      return { kind: 'REFUSED', error: rejected('The stored upload address is not one that may get bytes.') };
    }
    const idle = new AbortController();
    const source: Source = { awaited: false, failed: false };
    const timer = setTimeout(() => {
      // Not TikTok's silence, which would be told as an outage.
      if (source.awaited)
        Object.assign(source, { failed: true, cause: new VideoStoreDown('the video store fell silent') });
      idle.abort(new DOMException('no progress', 'TimeoutError'));
    }, idleMilliseconds);
    try {
      const head = await http.put({
        address,
        headers: {
          'content-type': contentType,
          'content-length': String(chunk.endExclusive - chunk.start),
          'content-range': `bytes ${chunk.start}-${chunk.endExclusive - 1}/${plan.sizeBytes}`,
        },
        body: inPieces(bytes, chunk.endExclusive - chunk.start, source, () => timer.refresh()),
        signal: AbortSignal.any([signal, idle.signal]),
      });
      if (head.ok) return outcomeOf(head.value, plan, chunk);
      // Our own file is at fault, and TikTok knows nothing of it. An interrupted caller may have stopped the file as well.
      if (source.failed && !signal.aborted) throw source.cause;
      return { kind: 'NOT_ANSWERED', error: head.error };
    } finally {
      clearTimeout(timer);
      release(bytes);
    }
  };
}

/** `awaited`: it is its turn, and not TikTok's. */
type Source = { awaited: boolean; failed: boolean; cause?: unknown };

/** Exactly `length` bytes; fails instead of sending more, or of leaving TikTok waiting for the rest. */
async function* inPieces(
  bytes: AsyncIterable<Uint8Array>,
  length: number,
  source: Source,
  onProgress: () => void,
): AsyncGenerator<Uint8Array> {
  let missing = length;
  try {
    source.awaited = true;
    for await (const part of bytes) {
      source.awaited = false;
      missing -= part.byteLength;
      if (missing < 0) break;
      for (let start = 0; start < part.byteLength; start += PIECE_BYTES) {
        onProgress();
        yield part.subarray(start, start + PIECE_BYTES);
      }
      source.awaited = true;
    }
    source.awaited = false;
    if (missing !== 0) throw new Error(`the file gave ${length - missing} bytes for a chunk of ${length}`);
    onProgress();
  } catch (cause) {
    source.failed = true;
    source.cause = cause;
    throw cause;
  }
}

/** A file that was opened but never read, because nobody answered, would stay open. */
function release(bytes: AsyncIterable<Uint8Array> & Partial<AsyncDisposable>): void {
  bytes[Symbol.asyncDispose]?.().then(undefined, () => undefined);
}

const rejected = (message: string, logId?: string) =>
  refusal({ code: 'CONNECTOR_REQUEST_REJECTED' }, { message, logId });

/** open-api §5.2. */
function outcomeOf(head: Head, plan: ChunkPlan, chunk: Chunk): ChunkOutcome {
  const { status, logId } = head;
  const confirmedBytes = confirmed(head.contentRange, plan);
  switch (status) {
    case 201:
      return { kind: 'COMPLETE' };
    case 200:
      return chunk.last ? { kind: 'COMPLETE' } : accepted(confirmedBytes, chunk);
    case 206:
      return accepted(confirmedBytes, chunk);
    case 416:
      // Refused from exactly there: the figure can only have been the index of the last byte.
      return { kind: 'MISALIGNED', confirmedBytes: confirmedBytes === chunk.start ? chunk.start + 1 : confirmedBytes };
    case 403:
    case 404:
    case 405:
      // A new announcement mends it, so it counts as TikTok's trouble and not as a fault of the request.
      return { kind: 'ADDRESS_DEAD', error: refusal(UNAVAILABLE, { logId }) };
  }
  if (status < 300) return { kind: 'NOT_ANSWERED', error: refusal(UNAVAILABLE, { logId }) };
  const meaning = byStatus({ status, body: 'OTHER' });
  return meaning.code === 'CONNECTOR_REQUEST_REJECTED'
    ? { kind: 'REFUSED', error: rejected(`TikTok refused a chunk with HTTP ${status}.`, logId) }
    : { kind: 'NOT_ANSWERED', error: refusal(meaning, { logId }) };
}

const accepted = (confirmedBytes: number | undefined, chunk: Chunk): ChunkOutcome => ({
  kind: 'ACCEPTED',
  confirmedBytes: confirmedBytes ?? chunk.endExclusive,
});

/**
 * TikTok's progress, `bytes 0-N/T`. Whether N counts bytes or is the index of the last one is not documented (open-api
 * §5.2). Progress stands where a chunk ends: when N + 1 is such a place, and N is not, N is read as an index; else as the count.
 */
export function confirmed(contentRange: string | undefined, plan: ChunkPlan): number | undefined {
  const [, figure, total] = /^bytes 0-(\d+)\/(\d+|\*)$/i.exec(contentRange?.trim() ?? '') ?? [];
  const count = Number(figure);
  if (figure === undefined || count > plan.sizeBytes || (total !== '*' && Number(total) !== plan.sizeBytes)) {
    return undefined;
  }
  return !endsChunk(plan, count) && endsChunk(plan, count + 1) ? count + 1 : count;
}

const endsChunk = ({ sizeBytes, chunkBytes, chunkCount }: ChunkPlan, bytes: number): boolean =>
  bytes === sizeBytes || (bytes % chunkBytes === 0 && bytes < chunkBytes * chunkCount);
