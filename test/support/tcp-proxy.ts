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
  resume(): void;
  /** How many connections were turned away since the start. */
  refused(): number;
  close(): Promise<void>;
};

/** Passes on to the host and port of `target`, such as a `postgres://` address. A function is asked at each connection. */
export async function tcpProxy(target: string | (() => string)): Promise<TcpProxy> {
  const open = new Set<Socket>();
  let isCut = false;
  let turnedAway = 0;

  const server = createServer((inward) => {
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
    inward.pipe(outward);
    outward.pipe(inward);
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
    resume() {
      isCut = false;
    },
    refused: () => turnedAway,
    async close() {
      reset();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function standardPort(protocol: string): string {
  if (protocol === 'postgres:' || protocol === 'postgresql:') return '5432';
  throw new Error(`${protocol} has no port that is known here`);
}
