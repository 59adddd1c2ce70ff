import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { Fleet } from './fleet.ts';
import type { Random } from './random.ts';

/** Where TikTok reaches all workers, whoever of them is alive: PUBLIC_URL. */
export type Front = { readonly origin: string; close(): Promise<void> };

/** Who does not begin to answer for so long is frozen, and another one is asked. */
const PATIENCE_MILLISECONDS = 10_000;
const MOST_TRIES = 6;

/** Passes each request on to a worker that answers. What breaks off in the middle of an answer stays broken. */
export async function openFront(fleet: () => Fleet, random: Random): Promise<Front> {
  async function answerOf(given: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    const workers = await fleet().until(() => {
      const found = fleet().reachable();
      return found.length > 0 ? found : undefined;
    });
    const { httpPort: port } = random.pick(workers);
    const { method, url: path, headers } = given;
    const asked = request({ host: '127.0.0.1', port, method, path, headers: { ...headers, connection: 'close' } });
    const begun = AbortSignal.timeout(PATIENCE_MILLISECONDS);
    const giveUp = (): void => void asked.destroy(new Error('the worker does not answer'));
    begun.addEventListener('abort', giveUp);
    asked.end(body);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    begun.removeEventListener('abort', giveUp);
    return answer;
  }

  async function passOn(given: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of given) pieces.push(piece as Buffer);
    const body = Buffer.concat(pieces);
    for (let triesLeft = MOST_TRIES; triesLeft > 0; triesLeft -= 1) {
      const answer = await answerOf(given, body).catch(() => undefined); // it died or sleeps: the next one
      if (answer === undefined) continue;
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      return pipeline(answer, response);
    }
    response.writeHead(503).end();
  }

  const server = createServer((given, response) => {
    passOn(given, response).catch(() => response.destroy()); // a worker died meanwhile, or whoever asked went away
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
