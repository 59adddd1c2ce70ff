import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { mediaAnswer } from '../../../src/adapters/http/media.ts';
import { checkBytes } from '../../../src/application/check-bytes.ts';
import { NO_TRACES } from '../../../src/application/ports/traces.ts';
import type { VideoStore } from '../../../src/application/ports/video-store.ts';
import { type ServeMedia, serveMedia } from '../../../src/application/serve-media.ts';
import { bytesCovered } from '../../../src/domain/post/media-evidence.ts';
import { Secret } from '../../../src/domain/secret.ts';
import { aFinalizingPost, anAttempt, aReadyVideo, aRequest } from '../../support/builders.ts';
import { fixedClock } from '../../support/fixed-clock.ts';
import { inMemoryConnections } from '../../support/in-memory-connections.ts';
import { inMemoryMarks } from '../../support/in-memory-marks.ts';
import { inMemoryMediaAddresses } from '../../support/in-memory-media-addresses.ts';
import { inMemoryPosts } from '../../support/in-memory-posts.ts';
import { inMemoryVideoStore } from '../../support/in-memory-video-store.ts';
import { inMemoryVideos } from '../../support/in-memory-videos.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { recordingMetrics } from '../../support/recording-metrics.ts';

const running: Server[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await new Promise((resolve) => server.close(resolve));
});

async function listen(serve: ServeMedia): Promise<string> {
  const answer = mediaAnswer(serve);
  const server = createServer((message, response) => {
    answer(message, response).catch(() => response.destroy());
  });
  running.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const TOKEN = 'abcdefghijklmnopqrstuvwxyz0123456789_-ABCDE';

async function given(sizeBytes = 1_000_000, { rotten = false } = {}) {
  const clock = fixedClock();
  const addresses = inMemoryMediaAddresses({ clock });
  const videos = inMemoryVideos({ clock });
  const store = inMemoryVideoStore();
  const content = Buffer.alloc(sizeBytes, Buffer.from(Array.from({ length: 251 }, (_, index) => index)));
  const sha256 = createHash('sha256').update(content).digest('hex');
  const video = aReadyVideo({ sizeBytes, sha256: rotten ? sha256.replaceAll(/./g, '0') : sha256 });
  await videos.add(video);
  await store.put(
    video.id,
    (async function* () {
      yield content;
    })(),
    { maxBytes: sizeBytes },
  );
  const { posts } = inMemoryPosts({ clock, videos, connections: inMemoryConnections({ clock }) });
  const post = aFinalizingPost({
    videoId: video.id,
    attempts: [anAttempt({ transfer: 'PULL', finalizeTime: clock.now() })],
  });
  await posts.add({ post }, aRequest());
  const marks = inMemoryMarks();
  const owner = { postId: post.id, attemptNumber: 1 };
  await addresses.open({ ...owner, videoId: video.id }, new Secret(TOKEN));
  const metrics = recordingMetrics();
  let read = 0;
  const counted: VideoStore = {
    ...store,
    reading(id) {
      const reading = store.reading(id);
      return {
        ...reading,
        async *bytes(range) {
          for await (const chunk of reading.bytes(range)) {
            read += chunk.length;
            yield chunk;
          }
        },
      };
    },
  };
  const check = checkBytes({ store, metrics, traces: NO_TRACES, log: recordingLog() });
  const origin = await listen(serveMedia({ addresses, marks, posts, videos, store: counted, checkBytes: check }));
  const get = (headers: Record<string, string> = {}, method = 'GET') =>
    fetch(`${origin}/media/${TOKEN}`, { method, headers: { connection: 'close', ...headers } });
  const covered = async () => bytesCovered((await addresses.evidence(owner)).served);
  const marked = async () => (await marks.of(post)).map(({ kind }) => kind);
  return { addresses, owner, marked, origin, content, get, covered, metrics, bytesRead: () => read };
}

describe('GET /media/…', () => {
  it('fails nobody when who fetches hangs up before the video is found, and reads nothing', async () => {
    const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
    const { promise: found, resolve: find } = Promise.withResolvers<void>();
    const video = aReadyVideo({ sizeBytes: 10 });
    let read = false;
    const answer = mediaAnswer(async () => {
      onAsked();
      await found;
      return {
        kind: 'VIDEO',
        video,
        async *bytes() {
          read = true;
          yield Buffer.alloc(10);
        },
      };
    });
    const { promise: answered, resolve: onAnswered } = Promise.withResolvers<unknown>();
    const server = createServer((message, response) => {
      response.once('close', find);
      onAnswered(answer(message, response).then(() => 'no failure'));
    });
    running.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const call = request({ port: (server.address() as AddressInfo).port, path: `/media/${TOKEN}` }).end();
    call.on('error', () => undefined);
    await asked;
    call.destroy();
    expect(await answered).toBe('no failure');
    expect(read).toBe(false);
  });

  it('reads no further ahead than slow readers read, eight of them at once (MED-01)', async () => {
    const size = 64 * 2 ** 20;
    const { bytesRead, origin, get } = await given(size);
    const slow = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const sending = request(`${origin}/media/${TOKEN}`, { headers: { connection: 'close' } }).end();
        const [response] = (await once(sending, 'response')) as [IncomingMessage];
        // The first bytes, and then nothing for as long as it likes.
        await once(response, 'readable');
        return response;
      }),
    );
    const quick = await get();
    expect((await quick.arrayBuffer()).byteLength).toBe(size);
    // What was read for the slow ones waits in the buffers of both ends, of which each system has a few megabytes.
    const ahead = bytesRead() - size;
    expect(ahead).toBeGreaterThan(0);
    expect(ahead).toBeLessThan((slow.length * size) / 2);
    for (const response of slow) response.destroy();
  });

  it('keeps the last piece of a video whose stored bytes changed (MED-04)', async () => {
    const { get, content, covered, metrics } = await given(1_000_000, { rotten: true });
    await expect(get().then((response) => response.arrayBuffer())).rejects.toThrow();
    expect(await covered()).toBeLessThan(content.length);
    const part = await get({ range: 'bytes=0-99999' });
    expect(Buffer.from(await part.arrayBuffer()).equals(content.subarray(0, 100_000))).toBe(true);
    await expect(get({ range: 'bytes=-1' }).then((response) => response.arrayBuffer())).rejects.toThrow();
    expect(metrics.reports).toEqual([['videoRotten'], ['videoRotten']]);
  });

  it('gives the whole video, and notes every byte of it', async () => {
    const { get, content, covered } = await given();
    const response = await get();
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'accept-ranges': 'bytes',
      'cache-control': 'private, no-store',
      'content-length': '1000000',
      'content-type': 'video/mp4',
    });
    expect(Buffer.from(await response.arrayBuffer()).equals(content)).toBe(true);
    expect(await covered()).toBe(1_000_000);
  });

  it.each([
    ['bytes=0-0', 206, 0, 1],
    ['bytes=999999-', 206, 999_999, 1_000_000],
    ['bytes=-10', 206, 999_990, 1_000_000],
    ['bytes=10-5000000', 206, 10, 1_000_000],
    ['bytes=300000-699999', 206, 300_000, 700_000],
    ['lines=1-2', 200, 0, 1_000_000],
    ['bytes=0-1,5-6', 200, 0, 1_000_000],
    ['bytes=9-3', 200, 0, 1_000_000],
  ])('answers the range %s', async (range, status, start, end) => {
    const { get, content, covered } = await given();
    const response = await get({ range });
    expect(response.status).toBe(status);
    if (status === 206) expect(response.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/1000000`);
    expect(Buffer.from(await response.arrayBuffer()).equals(content.subarray(start, end))).toBe(true);
    expect(await covered()).toBe(end - start);
  });

  it('OPS-04 marks outside of the record that the last byte is about to leave, and nothing before it', async () => {
    const { get, marked, content } = await given();
    await (await get({ range: `bytes=0-${content.length - 2}` })).arrayBuffer();
    expect(await marked()).toEqual([]);
    await (await get({ range: `bytes=${content.length - 1}-` })).arrayBuffer();
    expect(await marked()).toEqual(['FETCHED']);
  });

  it.each(['bytes=1000000-', 'bytes=-0'])('refuses the range %s, which the video does not have', async (range) => {
    const { get, covered } = await given();
    const response = await get({ range });
    expect(response.status).toBe(416);
    expect(response.headers.get('content-range')).toBe('bytes */1000000');
    expect(await covered()).toBe(0);
  });

  it('tells about the video without a byte, which is no fetch', async () => {
    const { get, covered } = await given();
    const response = await get({}, 'HEAD');
    expect([response.status, response.headers.get('content-length')]).toEqual([200, '1000000']);
    expect(await covered()).toBe(0);
  });

  it('is gone once it was closed, and was never there for anybody who guesses', async () => {
    const { get, addresses, owner, origin } = await given();
    for (const path of ['/media/', '/media/x', `/media/${'a'.repeat(43)}`, `/media/${TOKEN}/`, `/media/../${TOKEN}`]) {
      expect((await fetch(origin + path, { headers: { connection: 'close' } })).status).toBe(404);
    }
    await addresses.close(owner);
    const response = await get();
    expect([response.status, await response.text()]).toEqual([410, '']);
  });

  it('is cut off when it is closed while it is fetched, and the rest is not noted', async () => {
    const { origin, addresses, owner, covered } = await given(64_000_000);
    const received = await new Promise<number>((resolve, reject) => {
      let bytes = 0;
      const call = request(`${origin}/media/${TOKEN}`, (response) => {
        response.once('data', () => {
          response.pause();
          addresses.close(owner).then(() => response.resume(), reject);
        });
        response.on('data', (part: Buffer) => {
          bytes += part.length;
        });
        response.once('error', () => resolve(bytes));
        response.once('end', () => resolve(bytes));
      });
      call.once('error', reject);
      call.end();
    });
    expect(received).toBeLessThan(64_000_000);
    // What was noted may be more than what arrived, and never less.
    expect(await covered()).toBeGreaterThanOrEqual(received);
    expect(await covered()).toBeLessThan(64_000_000);
  });
});
