import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A way to somewhere on loopback that a test can take away and give back. */
export type TcpProxy = {
  readonly port: number;
  /** `url`, by way of the proxy. */
  through(url: string): string;
  /** Breaks what is open and refuses what is new, until `resume`. */
  cut(): void;
  /** Breaks what is open; new connections go through as before. */
  reset(): void;
  /** Takes everything and passes nothing on, as where packets vanish, until `resume`: then what was kept goes on. */
  hold(): void;
  /** Breaks each connection in the middle of its next answer, until `resume`. */
  breakAnswers(): void;
  resume(): void;
  /** How many connections were turned away since the start. */
  refused(): number;
  /** How many answers were broken since the start. */
  broken(): number;
  /** How many pieces are kept back right now, and connections that were not made. */
  held(): number;
  /** How many connections go through right now. */
  connections(): number;
  close(): Promise<void>;
};

/** Passes on to the host and port of `target`, such as a `postgres://` address. A function is asked at each connection. */
export async function tcpProxy(target: string | (() => string)): Promise<TcpProxy> {
  const open = new Set<Socket>();
  let isCut = false;
  let isBreaking = false;
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

  async function pass(from: Socket, to: Socket, isAnswer: boolean): Promise<void> {
    for await (const piece of from) {
      await whenOpen();
      if (isAnswer && isBreaking) {
        brokenAnswers += 1;
        to.write(piece.subarray(0, piece.length / 2), () => to.resetAndDestroy());
        return;
      }
      if (!to.write(piece)) await once(to, 'drain');
    }
    to.end();
  }

  const server = createServer(async (inward) => {
    if (isCut) {
      turnedAway += 1;
      inward.on('error', () => undefined).resetAndDestroy();
      return;
    }
    const { hostname, port, protocol } = new URL(typeof target === 'string' ? target : target());
    const outward = connect(Number(port === '' ? standardPort(protocol) : port), hostname.replace(/^\[|\]$/g, ''));
    const ends = [inward, outward];
    for (const end of ends) {
      open.add(end);
      end.setNoDelay(true);
      // What happens to one end happens to the other; nobody else has to hear of it.
      end.on('error', () => undefined);
      end.on('close', () => {
        open.delete(end);
        for (const each of ends) each.destroy();
      });
    }
    await Promise.allSettled([pass(inward, outward, false), pass(outward, inward, true)]);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const own = (server.address() as AddressInfo).port;

  const reset = (): void => {
    for (const end of open) end.resetAndDestroy();
  };
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
    breakAnswers() {
      isBreaking = true;
    },
    resume() {
      isCut = false;
      isBreaking = false;
      way.resolve();
    },
    refused: () => turnedAway,
    broken: () => brokenAnswers,
    held: () => keptBack,
    connections: () => open.size / 2,
    async close() {
      way.resolve();
      reset();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function standardPort(protocol: string): string {
  if (protocol === 'postgres:' || protocol === 'postgresql:') return '5432';
  throw new Error(`${protocol} has no port that is known here`);
}
