import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** A way to a store on loopback that a test makes bad and good again. What it does not concern passes untouched. */
export type FaultyWay = {
  /** `url`, by way of this. */
  through(url: string): string;
  /** Breaks what is open and refuses what is new. */
  cut(): void;
  /** Takes everything and passes nothing on. */
  hold(): void;
  /** Passes everything on so much later. */
  slow(milliseconds: number): void;
  /** Breaks what is open; new connections go through as before. Gives how many it broke. */
  reset(): number;
  /** What was held goes on. */
  resume(): void;
  /** How many connections it has met since the start that it concerns, also those it refused. */
  met(): number;
  close(): Promise<void>;
};

/** To host and port of `target`. `concerns` is asked with the first bytes of each connection whether it shares in what is bad. */
export async function faultyWay(target: string, concerns: (first: Buffer) => boolean = () => true): Promise<FaultyWay> {
  const { hostname, port } = new URL(target);
  const open = new Map<Socket, Socket>();
  let state: 'GOOD' | 'CUT' | 'HELD' = 'GOOD';
  let delay = 0;
  let met = 0;
  let released = Promise.withResolvers<void>();

  /** In order, since each piece waits for the one before it. */
  async function pass(from: Socket, to: Socket, isConcerned: () => boolean): Promise<void> {
    for await (const piece of from) {
      if (isConcerned() && delay > 0) await pause(delay);
      while (isConcerned() && state === 'HELD') await released.promise;
      if (!to.write(piece)) await once(to, 'drain');
    }
    to.end();
  }

  const server = createServer((inward) => {
    let isConcerned: boolean | undefined;
    inward.on('error', () => undefined);
    inward.once('data', (first) => {
      inward.pause();
      isConcerned = concerns(first);
      if (isConcerned) met += 1;
      if (isConcerned && state === 'CUT') return void inward.resetAndDestroy();
      const outward = connect(Number(port), hostname.replace(/^\[|\]$/g, ''));
      // What happens to one end happens to the other; nobody else has to hear of it.
      outward.on('error', () => inward.resetAndDestroy()).on('close', () => inward.destroy());
      inward.on('close', () => {
        outward.destroy();
        open.delete(inward);
      });
      if (isConcerned) open.set(inward, outward);
      for (const end of [inward, outward]) end.setNoDelay(true);
      inward.unshift(first);
      const concerned = () => isConcerned === true;
      void Promise.allSettled([pass(inward, outward, concerned), pass(outward, inward, concerned)]);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const own = (server.address() as AddressInfo).port;

  function reset(): number {
    const broken = open.size;
    for (const [inward, outward] of open) {
      inward.resetAndDestroy();
      outward.destroy();
    }
    return broken;
  }
  function resume(): void {
    state = 'GOOD';
    delay = 0;
    released.resolve();
    released = Promise.withResolvers();
  }
  return {
    through(url) {
      const changed = new URL(url);
      changed.hostname = '127.0.0.1';
      changed.port = String(own);
      return changed.href;
    },
    cut() {
      state = 'CUT';
      reset();
    },
    hold() {
      state = 'HELD';
    },
    slow(milliseconds) {
      delay = milliseconds;
    },
    reset,
    resume,
    met: () => met,
    async close() {
      resume();
      reset();
      server.close();
    },
  };
}
