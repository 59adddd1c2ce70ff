import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** A way to somewhere on loopback that a test can take away and give back. What it does not concern passes untouched. */
export type TcpProxy = {
  readonly port: number;
  /** `url`, by way of the proxy. */
  through(url: string): string;
  /** Breaks what is open and refuses what is new, until `resume`. */
  cut(): void;
  /** Breaks what is open; new connections go through as before. Gives how many it broke. */
  reset(): number;
  /** Takes everything and passes nothing on, as where packets vanish, until `resume`: then what was kept goes on. */
  hold(): void;
  /** Passes everything on so much later, until `resume`. */
  slow(milliseconds: number): void;
  /** Breaks each connection in the middle of its next answer, until `resume`. */
  breakAnswers(): void;
  resume(): void;
  /** How many connections have come since the start, also those that were turned away. */
  met(): number;
  /** How many connections were turned away since the start. */
  refused(): number;
  /** How many answers were broken since the start. */
  broken(): number;
  /** How many pieces are kept back right now. */
  held(): number;
  /** How many connections go through right now. */
  connections(): number;
  close(): Promise<void>;
};

/**
 * Passes on to the host and port of `target`, such as a `postgres://` address. A function is asked at each connection. `concerns` is
 * asked with the first bytes of each whether it shares in what is bad, and is counted; without it all do.
 */
export async function tcpProxy(
  target: string | (() => string),
  concerns?: (first: Buffer) => boolean,
): Promise<TcpProxy> {
  /** Both ends of each connection, and whether it is concerned. */
  const open = new Map<Socket, boolean>();
  let isCut = false;
  let isBreaking = false;
  let delay = 0;
  let comers = 0;
  let turnedAway = 0;
  let brokenAnswers = 0;
  let keptBack = 0;
  let way = Promise.withResolvers<void>();
  way.resolve();

  async function whenOpen(): Promise<void> {
    keptBack += 1;
    await way.promise;
    keptBack -= 1;
  }

  /** In order, since each piece waits for the one before it. */
  async function pass(from: Socket, to: Socket, isConcerned: boolean, isAnswer: boolean): Promise<void> {
    for await (const piece of from) {
      if (isConcerned && delay > 0) await pause(delay);
      if (isConcerned) await whenOpen();
      if (isConcerned && isAnswer && isBreaking) {
        brokenAnswers += 1;
        to.write(piece.subarray(0, piece.length / 2), () => to.resetAndDestroy());
        return;
      }
      if (!to.write(piece)) await once(to, 'drain');
    }
    to.end();
  }

  const server = createServer(async (inward) => {
    inward.on('error', () => undefined);
    const isConcerned = concerns === undefined || concerns(await firstOf(inward));
    if (isConcerned) comers += 1;
    if (isConcerned && isCut) {
      turnedAway += 1;
      inward.resetAndDestroy();
      return;
    }
    const { hostname, port, protocol } = new URL(typeof target === 'string' ? target : target());
    const outward = connect(Number(port === '' ? standardPort(protocol) : port), hostname.replace(/^\[|\]$/g, ''));
    const ends = [inward, outward];
    for (const end of ends) {
      open.set(end, isConcerned);
      end.setNoDelay(true);
      // What happens to one end happens to the other; nobody else has to hear of it.
      end.on('error', () => undefined);
      end.on('close', () => {
        open.delete(end);
        for (const each of ends) each.destroy();
      });
    }
    await Promise.allSettled([pass(inward, outward, isConcerned, false), pass(outward, inward, isConcerned, true)]);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const own = (server.address() as AddressInfo).port;

  function reset(): number {
    const broken = [...open].filter(([, isConcerned]) => isConcerned);
    for (const [end] of broken) end.resetAndDestroy();
    return broken.length / 2;
  }
  return {
    port: own,
    through(url) {
      const changed = new URL(url);
      changed.hostname = '127.0.0.1';
      changed.port = String(own);
      return changed.href;
    },
    cut() {
      isCut = true;
      reset();
    },
    reset,
    hold() {
      way = Promise.withResolvers<void>();
    },
    slow(milliseconds) {
      delay = milliseconds;
    },
    breakAnswers() {
      isBreaking = true;
    },
    resume() {
      isCut = false;
      isBreaking = false;
      delay = 0;
      way.resolve();
    },
    met: () => comers,
    refused: () => turnedAway,
    broken: () => brokenAnswers,
    held: () => keptBack,
    connections: () => open.size / 2,
    async close() {
      way.resolve();
      for (const end of open.keys()) end.resetAndDestroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** It is given again to whoever reads. */
function firstOf(socket: Socket): Promise<Buffer> {
  return new Promise((resolve) => {
    socket.once('data', (first) => {
      socket.pause();
      socket.unshift(first);
      resolve(first);
    });
  });
}

function standardPort(protocol: string): string {
  if (protocol === 'postgres:' || protocol === 'postgresql:') return '5432';
  throw new Error(`${protocol} has no port that is known here`);
}
