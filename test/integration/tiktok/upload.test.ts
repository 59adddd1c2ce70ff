import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { OpenTikTokOptions } from '../../../src/adapters/tiktok/open/open-tiktok.ts';
import { fileVideoStore } from '../../../src/adapters/video-store/file-video-store.ts';
import type { VideoId } from '../../../src/domain/ids.ts';
import { type Chunk, type ChunkPlan, chunkAt, planChunks } from '../../../src/domain/post/chunk-plan.ts';
import { Secret } from '../../../src/domain/secret.ts';
import { inChunks } from '../../support/fixture-videos.ts';
import { type Answering, LOG_ID, raw, tiktokAnswering, tiktokReplying } from './answering-tiktok.ts';

const PATH = '/video/?upload_id=7611111111111111112&upload_token=a%2Fb//[c]';
const plan: ChunkPlan = { sizeBytes: 50, chunkBytes: 10, chunkCount: 4 };

const chunk = (offset: number, of: ChunkPlan = plan): Chunk => {
  const found = chunkAt(of, offset);
  if (found === undefined) throw new Error('no such chunk');
  return found;
};
const FIRST = chunk(0);
const LAST = chunk(30);

async function* pieces(...sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (const size of sizes) yield Buffer.alloc(size, 'v');
}

type Request = Parameters<Awaited<ReturnType<typeof tiktokAnswering>>['tiktok']['publishing']['sendChunk']>[0];

async function sendTo(answering: Answering, change: Partial<Request> = {}, options: Partial<OpenTikTokOptions> = {}) {
  const connected = await tiktokAnswering(answering, options);
  const sent = change.chunk ?? FIRST;
  const outcome = connected.tiktok.publishing.sendChunk({
    uploadUrl: new Secret(connected.origin + PATH),
    plan,
    chunk: sent,
    contentType: 'video/mp4',
    bytes: pieces(sent.endExclusive - sent.start),
    signal: new AbortController().signal,
    ...change,
  });
  return { ...connected, outcome };
}

const answer =
  (status: number, headers: Record<string, string> = {}): Answering =>
  (request, response) =>
    request.resume().on('end', () => raw(status, 'opaque', headers)(request, response));

const outcomeOf = async (...sending: Parameters<typeof sendTo>) => (await sendTo(...sending)).outcome;

const at = (figure: number) => ({ 'content-range': `bytes 0-${figure}/50` });
const UNAVAILABLE = { code: 'PLATFORM_UNAVAILABLE' };

describe('A chunk', () => {
  it.each([
    [0, '10', 'bytes 0-9/50'],
    [13, '7', 'bytes 13-19/50'],
    [30, '20', 'bytes 30-49/50'],
  ])('from byte %d goes out with its exact length and range, and no token', async (offset, length, range) => {
    const { tiktok, origin, seen, calls } = await tiktokReplying(raw(206, ''));
    const sent = chunk(offset);
    await tiktok.publishing.sendChunk({
      uploadUrl: new Secret(origin + PATH),
      plan,
      chunk: sent,
      contentType: 'video/quicktime',
      bytes: pieces(3, 0, sent.endExclusive - sent.start - 3),
      signal: new AbortController().signal,
    });
    expect(seen[0]).toMatchObject({ method: 'PUT', url: PATH, body: 'v'.repeat(Number(length)) });
    expect(seen[0]?.headers).toEqual({
      host: new URL(origin).host,
      connection: 'keep-alive',
      'content-type': 'video/quicktime',
      'content-length': length,
      'content-range': range,
    });
    expect(calls).toEqual([{ endpoint: 'upload', status: 206, milliseconds: expect.any(Number) }]);
  });

  it.each([
    [206, FIRST, {}, { kind: 'ACCEPTED', confirmedBytes: 10 }],
    [206, FIRST, at(10), { kind: 'ACCEPTED', confirmedBytes: 10 }],
    [206, FIRST, at(9), { kind: 'ACCEPTED', confirmedBytes: 10 }],
    [206, FIRST, at(4), { kind: 'ACCEPTED', confirmedBytes: 4 }],
    [206, FIRST, { 'content-range': 'nonsense' }, { kind: 'ACCEPTED', confirmedBytes: 10 }],
    [206, LAST, {}, { kind: 'ACCEPTED', confirmedBytes: 50 }],
    [200, FIRST, {}, { kind: 'ACCEPTED', confirmedBytes: 10 }],
    [200, LAST, {}, { kind: 'COMPLETE' }],
    [201, LAST, at(49), { kind: 'COMPLETE' }],
    [416, FIRST, at(20), { kind: 'MISALIGNED', confirmedBytes: 20 }],
    [416, FIRST, at(19), { kind: 'MISALIGNED', confirmedBytes: 20 }],
    [416, FIRST, at(13), { kind: 'MISALIGNED', confirmedBytes: 13 }],
    [416, chunk(13), at(13), { kind: 'MISALIGNED', confirmedBytes: 14 }],
    [416, FIRST, {}, { kind: 'MISALIGNED', confirmedBytes: undefined }],
    [416, FIRST, { 'content-range': 'bytes */50' }, { kind: 'MISALIGNED', confirmedBytes: undefined }],
    [403, FIRST, {}, { kind: 'ADDRESS_DEAD', error: UNAVAILABLE }],
    [404, FIRST, {}, { kind: 'ADDRESS_DEAD', error: UNAVAILABLE }],
    [405, FIRST, {}, { kind: 'ADDRESS_DEAD', error: UNAVAILABLE }],
    [429, FIRST, {}, { kind: 'NOT_ANSWERED', error: { code: 'UPSTREAM_RATE_LIMITED' } }],
    [500, FIRST, {}, { kind: 'NOT_ANSWERED', error: UNAVAILABLE }],
    [503, LAST, {}, { kind: 'NOT_ANSWERED', error: UNAVAILABLE }],
    [408, FIRST, {}, { kind: 'NOT_ANSWERED', error: UNAVAILABLE }],
    [204, LAST, {}, { kind: 'NOT_ANSWERED', error: UNAVAILABLE }],
    [307, FIRST, { location: 'http://evil.test/' }, { kind: 'NOT_ANSWERED', error: UNAVAILABLE }],
  ])('answered %d', async (status, sent, headers, outcome) => {
    expect(await outcomeOf(answer(status, headers), { chunk: sent })).toEqual(outcome);
  });

  it.each([400, 401, 413])('answered %d is refused, and the same again would be', async (status) => {
    expect(await outcomeOf(answer(status, { 'x-tt-logid': LOG_ID }))).toEqual({
      kind: 'REFUSED',
      error: {
        code: 'CONNECTOR_REQUEST_REJECTED',
        detail: `TikTok refused a chunk with HTTP ${status}.`,
        tiktokLogId: LOG_ID,
      },
    });
  });

  it('never goes to an origin that is not allowed', async () => {
    let requests = 0;
    const count: Answering = (_request, response) => {
      requests += 1;
      response.end();
    };
    const outcome = await outcomeOf(count, {}, { uploadOrigins: ['https://open-upload.tiktokapis.com'] });
    expect(outcome).toMatchObject({ kind: 'REFUSED', error: { code: 'CONNECTOR_REQUEST_REJECTED' } });
    expect(JSON.stringify(outcome)).not.toContain('upload_token');
    expect(requests).toBe(0);
  });
});

describe('An answer to a chunk', () => {
  it('counts from its first line: a body that is cut off changes nothing', async () => {
    const outcome = await outcomeOf(
      (request, response) =>
        request.resume().on('end', () => {
          response.writeHead(201, { 'content-length': '1000' });
          response.write('{', () => response.destroy());
        }),
      { chunk: LAST },
    );
    expect(outcome).toEqual({ kind: 'COMPLETE' });
  });

  it('counts, and its body is waited for no longer than for anything else', async () => {
    const outcome = await outcomeOf(
      (request, response) => request.resume().on('end', () => response.writeHead(201).write('{')),
      { chunk: LAST },
      { limits: { idleMilliseconds: 100 } },
    );
    expect(outcome).toEqual({ kind: 'COMPLETE' });
  });

  it('counts, and is not read to an end that never comes', async () => {
    const closed = Promise.withResolvers<void>();
    const outcome = await outcomeOf((request, response) =>
      request.resume().on('end', () => {
        response.on('close', closed.resolve);
        response.writeHead(206);
        const flood = () => {
          if (!response.destroyed) response.write(Buffer.alloc(64 * 1024), () => setImmediate(flood));
        };
        flood();
      }),
    );
    expect(outcome).toEqual({ kind: 'ACCEPTED', confirmedBytes: 10 });
    await closed.promise;
  });

  it('may come before the chunk is whole', async () => {
    const large = planChunks(64_000_000);
    const outcome = await outcomeOf(raw(404, 'no such task'), {
      plan: large,
      chunk: chunk(0, large),
      bytes: pieces(...Array(64).fill(1_000_000)),
    });
    expect(outcome).toEqual({ kind: 'ADDRESS_DEAD', error: UNAVAILABLE });
  });

  it('does not come: the connection is lost', async () => {
    const { outcome, calls } = await sendTo((request) => request.socket.destroy());
    expect(await outcome).toEqual({ kind: 'NOT_ANSWERED', error: UNAVAILABLE });
    expect(calls).toEqual([{ endpoint: 'upload', code: expect.any(String), milliseconds: expect.any(Number) }]);
  });

  it('does not come in the time that may pass without progress', async () => {
    const { outcome, calls } = await sendTo(
      (request) => void request.resume(),
      {},
      { limits: { idleMilliseconds: 50 } },
    );
    expect(await outcome).toEqual({ kind: 'NOT_ANSWERED', error: UNAVAILABLE });
    expect(calls[0]?.code).toBe('TimeoutError');
  });

  it('is not waited for while the store of the video is silent: that is no fault of TikTok', async () => {
    const silent = Promise.withResolvers<never>();
    async function* stalling() {
      yield Buffer.alloc(1);
      await silent.promise;
    }
    const { outcome } = await sendTo(
      (request) => void request.resume(),
      { bytes: stalling() },
      { limits: { idleMilliseconds: 50 } },
    );
    await expect(outcome).rejects.toMatchObject({ name: 'VideoStoreDown' });
  });

  it('is waited for as long as bytes move, however long it takes', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const idleMilliseconds = 60_000;
    async function* slowly() {
      for (let sent = 0; sent < 10; sent += 1) {
        vi.advanceTimersByTime(idleMilliseconds - 1);
        yield Buffer.alloc(1);
      }
    }
    const outcome = await outcomeOf(answer(206), { bytes: slowly() }, { limits: { idleMilliseconds } });
    expect(outcome).toEqual({ kind: 'ACCEPTED', confirmedBytes: 10 });
  });
});

describe('A video that passes through', () => {
  it('gets to TikTok as it is, however slowly that reads: a piece is overwritten only when it left', async () => {
    const video = randomBytes(32_000_000);
    const directory = await mkdtemp(join(tmpdir(), 'passing-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const store = fileVideoStore(directory);
    const id = 'vid_1' as VideoId;
    await store.put(id, inChunks(video, 1_000_000), { maxBytes: video.length });
    const received = createHash('sha256');
    const whole: ChunkPlan = { sizeBytes: video.length, chunkBytes: video.length, chunkCount: 1 };
    const outcome = await outcomeOf(
      async (request, response) => {
        for await (const piece of request) {
          received.update(piece);
          await nextTurn();
        }
        raw(201, '')(request, response);
      },
      { plan: whole, chunk: chunk(0, whole), bytes: store.reading(id).bytes({ start: 0, endExclusive: video.length }) },
    );
    expect(outcome).toEqual({ kind: 'COMPLETE' });
    expect(received.digest('hex')).toBe(createHash('sha256').update(video).digest('hex'));
  });
});

describe('An interrupted caller', () => {
  it('gets its answer at once', async () => {
    const caller = new AbortController();
    const { outcome, calls } = await sendTo((request) => void request.resume().on('end', () => caller.abort()), {
      signal: caller.signal,
    });
    expect(await outcome).toEqual({ kind: 'NOT_ANSWERED', error: UNAVAILABLE });
    expect(calls[0]?.code).toBe('AbortError');
  });

  it('gets it while TikTok is not even connected', async () => {
    const caller = new AbortController();
    const sockets: Socket[] = [];
    // Takes the connection and never shakes hands.
    const mute = createServer((socket) => {
      sockets.push(socket);
      caller.abort();
    });
    mute.listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const origin = `https://127.0.0.1:${(mute.address() as AddressInfo).port}`;
    const outcome = await outcomeOf(
      answer(201),
      { uploadUrl: new Secret(`${origin}/video/`), signal: caller.signal },
      { uploadOrigins: [origin], limits: { connectMilliseconds: 600_000 } },
    );
    expect(outcome).toEqual({ kind: 'NOT_ANSWERED', error: UNAVAILABLE });
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false]);
    for (const socket of sockets) socket.destroy();
    mute.close();
  });

  it('sends nothing when interrupted before', async () => {
    let requests = 0;
    const count: Answering = (_request, response) => {
      requests += 1;
      response.end();
    };
    expect(await outcomeOf(count, { signal: AbortSignal.abort() })).toMatchObject({ kind: 'NOT_ANSWERED' });
    expect(requests).toBe(0);
  });

  it('is not blamed for the file that it stopped as well', async () => {
    const caller = new AbortController();
    async function* stopped(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(5);
      caller.abort();
      caller.signal.throwIfAborted();
    }
    const outcome = await outcomeOf(answer(201), { bytes: stopped(), signal: caller.signal });
    expect(outcome).toEqual({ kind: 'NOT_ANSWERED', error: UNAVAILABLE });
  });
});

describe('The file', () => {
  it('is read no faster than TikTok takes it', async () => {
    const large = planChunks(64_000_000);
    let read = 0;
    async function* counted() {
      for (let piece = 0; piece < 64; piece += 1) {
        read += 1_000_000;
        yield Buffer.alloc(1_000_000);
      }
    }
    // The server reads nothing: once the buffers of both sockets are full, nothing moves.
    const outcome = await outcomeOf(
      (request) => void request.pause(),
      { plan: large, chunk: chunk(0, large), bytes: counted() },
      { limits: { idleMilliseconds: 300 } },
    );
    expect(outcome).toEqual({ kind: 'NOT_ANSWERED', error: UNAVAILABLE });
    expect(read).toBeLessThan(20_000_000);
  });

  it('that can not be read is thrown as it was, and TikTok never takes it for whole', async () => {
    const failure = new Error('disk');
    const aborted = Promise.withResolvers<void>();
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(5);
      throw failure;
    }
    const { outcome } = await sendTo((request) => void request.resume().on('error', () => aborted.resolve()), {
      bytes: broken(),
    });
    await expect(outcome).rejects.toBe(failure);
    await aborted.promise;
  });

  it.each([
    [[5, 4], 'gave 9 bytes for a chunk of 10'],
    [[5, 6], 'gave 11 bytes for a chunk of 10'],
    [[], 'gave 0 bytes for a chunk of 10'],
  ])('that gives %j bytes for a chunk of 10 is a failure of ours', async (sizes, message) => {
    const { outcome } = await sendTo(answer(206), { bytes: pieces(...sizes) });
    await expect(outcome).rejects.toThrow(message);
  });

  it('is closed when nobody answers', async () => {
    const bytes = createReadStream(import.meta.filename);
    const closed = new Promise<void>((resolve) => bytes.on('close', resolve));
    const outcome = await outcomeOf(answer(201), { bytes, signal: AbortSignal.abort() });
    expect(outcome).toMatchObject({ kind: 'NOT_ANSWERED' });
    await closed;
  });
});
