import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from './random.ts';

/** A web server with a video for each number, for posts that bring an address instead of a video. */
export type VideoOrigin = {
  readonly origin: string;
  addressOf(number: number): string;
  close(): Promise<void>;
};

/** The server is slow enough that workers die in the middle of a file, and sometimes it is not well itself. */
const LONGEST_PAUSE_MILLISECONDS = 400;
const UNAVAILABLE = 0.05;

export async function openVideoOrigin(
  videoOf: (number: number) => Promise<{ readonly sizeBytes: number; readonly bytes: AsyncIterable<Uint8Array> }>,
  random: Random,
): Promise<VideoOrigin> {
  async function* slowly(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const piece of bytes) {
      await delay(random.between(0, LONGEST_PAUSE_MILLISECONDS));
      yield piece;
    }
  }

  const server = createServer((request, response) => {
    const number = /^\/(\d+)\.mp4$/.exec(request.url ?? '')?.[1];
    if (number === undefined) return void response.writeHead(404).end();
    if (random.chance(UNAVAILABLE)) return void response.writeHead(503).end();
    videoOf(Number(number))
      .then(({ sizeBytes, bytes }) => {
        response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': sizeBytes });
        return pipeline(Readable.from(slowly(bytes)), response);
      })
      .catch(() => response.destroy()); // whoever asked died meanwhile
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    addressOf: (number) => `${origin}/${number}.mp4`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
