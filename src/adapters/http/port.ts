import { once } from 'node:events';
import { createServer } from 'node:net';
import type { PortFact } from '../../application/diagnosis/network.ts';

const FACTS: ReadonlyMap<unknown, PortFact> = new Map([
  ['EADDRINUSE', 'IN_USE'],
  ['EACCES', 'NOT_ALLOWED'],
  ['EADDRNOTAVAIL', 'NO_SUCH_ADDRESS'],
  ['ENOTFOUND', 'NO_SUCH_ADDRESS'],
] as const);

/** Listens for a moment, and takes nobody's call meanwhile. */
export async function lookAtPort(host: string, port: number): Promise<PortFact> {
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    const fact = FACTS.get(error instanceof Error && 'code' in error ? error.code : undefined);
    if (fact === undefined) throw error;
    return fact;
  }
  server.close();
  await once(server, 'close');
  return 'FREE';
}

/** Whether this service answers at `origin`. That nobody does is no error. */
export async function servesAt(origin: string, milliseconds: number): Promise<boolean> {
  try {
    const response = await fetch(`${origin}/healthz`, {
      redirect: 'manual',
      signal: AbortSignal.timeout(milliseconds),
    });
    return response.ok && JSON.stringify(await response.json()) === '{"status":"ok"}';
  } catch {
    return false;
  }
}
