import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export type HttpServer = {
  /** `host:port` as it was bound; tells the port when 0 was asked for. */
  listen(): Promise<{ readonly address: string }>;
  /** Takes no more requests, waits for those under way and cuts off the rest. */
  close(): Promise<void>;
};

export const listening = (
  server: Server,
  {
    host,
    port,
    drainMilliseconds,
  }: { readonly host: string; readonly port: number; readonly drainMilliseconds: number },
): HttpServer => ({
  async listen() {
    server.listen(port, host);
    await once(server, 'listening');
    const { address, port: bound, family } = server.address() as AddressInfo;
    return { address: family === 'IPv6' ? `[${address}]:${bound}` : `${address}:${bound}` };
  },
  async close() {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    const cut = setTimeout(() => server.closeAllConnections(), drainMilliseconds);
    await closed;
    clearTimeout(cut);
  },
});
