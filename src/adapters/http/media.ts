import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ServeMedia } from '../../application/serve-media.ts';
import { Secret } from '../../domain/secret.ts';
import { contentTypeOf } from '../../domain/video/video.ts';

/** What follows is one long random word: there is nothing to list and nothing to guess. */
export const MEDIA_PREFIX = '/media/';
const TOKEN = /^\/media\/([A-Za-z0-9_-]{43})$/;

/** `GET /media/…`: a video for TikTok, whole or a range of it (RFC 9110 §14), with bounded memory. */
export const mediaAnswer =
  (serve: ServeMedia) =>
  async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [, token] = TOKEN.exec(request.url ?? '') ?? [];
    const found = token === undefined ? ({ kind: 'NOT_FOUND' } as const) : await serve(new Secret(token));
    // Who fetches may have hung up while it was looked for.
    if (response.destroyed) return;
    if (found.kind !== 'VIDEO') return end(response, found.kind === 'GONE' ? 410 : 404);
    const { video, bytes } = found;
    const range = readRange(request.headers.range, video.sizeBytes);
    if (range === 'UNSATISFIABLE') return end(response, 416, { 'content-range': `bytes */${video.sizeBytes}` });
    const { start, endExclusive } = range ?? { start: 0, endExclusive: video.sizeBytes };
    response.writeHead(range === undefined ? 200 : 206, {
      'accept-ranges': 'bytes',
      'cache-control': 'private, no-store',
      'content-length': endExclusive - start,
      'content-type': contentTypeOf(video),
      'x-content-type-options': 'nosniff',
      ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${endExclusive - 1}/${video.sizeBytes}` }),
    });
    if (request.method === 'HEAD') return void response.end();
    const body = Readable.from(bytes({ start, endExclusive }), { objectMode: true, highWaterMark: 1 });
    await pipeline(body, response).catch((error: unknown) => {
      // Who fetches may stop at any time.
      if (!(error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE')) throw error;
    });
  };

function end(response: ServerResponse, status: number, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { 'cache-control': 'no-store', ...headers }).end();
}

/** One range of bytes. Undefined for none, and for what RFC 9110 lets a server leave unheeded (other units, several ranges). */
export function readRange(
  header: string | undefined,
  sizeBytes: number,
): { readonly start: number; readonly endExclusive: number } | 'UNSATISFIABLE' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const length = Math.min(Number(last), sizeBytes);
    return length === 0 ? 'UNSATISFIABLE' : { start: sizeBytes - length, endExclusive: sizeBytes };
  }
  const start = Number(first);
  if (start >= sizeBytes) return 'UNSATISFIABLE';
  if (last !== '' && Number(last) < start) return undefined;
  return { start, endExclusive: last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes) };
}
