import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A way to the service on loopback that can be broken, so that a check sees what its caller would. */
export type BreakableWay = {
  /** `host:port`, to be called instead of the service. */
  readonly address: string;
  /** From now on nothing that the service says comes through; what is said to it does. Until `breakOff`. */
  swallowAnswers(): void;
  /** Ends every connection. New ones go through. */
  breakOff(): void;
  close(): Promise<void>;
};

/** `host:port` of the service. */
export async function breakableWay(service: string): Promise<BreakableWay> {
  const { hostname, port } = new URL(`tcp://${service}`);
  const open = new Set<Socket>();
  let swallowing = false;
  const server = createServer((inward) => {
    const outward = connect(Number(port), hostname.replace(/^\[|\]$/g, ''));
    for (const end of [inward, outward]) {
      open.add(end);
      end.setNoDelay(true);
      end.on('error', () => undefined); // its close tells the other end
      end.on('close', () => {
        open.delete(end);
        inward.destroy();
        outward.destroy();
      });
    }
    inward.pipe(outward);
    outward.on('data', (bytes) => {
      if (!swallowing) inward.write(bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const breakOff = (): void => {
    swallowing = false;
    for (const end of open) end.resetAndDestroy();
  };
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    swallowAnswers: () => {
      swallowing = true;
    },
    breakOff,
    async close() {
      breakOff();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
