import { expect, vi } from 'vitest';
import { parseExposition } from './exposition.ts';
import type { ServiceProcess } from './service-process.ts';
import { healthClient } from './standard-clients.ts';

/** The sum of the samples of a metric that have these labels; undefined: there are none. */
export async function figure(
  { httpUrl }: ServiceProcess,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number | undefined> {
  const samples = parseExposition(await (await fetch(`${httpUrl}/metrics`)).text()).get(name)?.samples;
  const found = samples?.filter((each) =>
    Object.entries(labels).every(([label, value]) => each.labels[label] === value),
  );
  return found === undefined || found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}

/** Of the service as a whole, of the engine and of TikTok, such as `SERVING,SERVING,UNKNOWN`. */
export async function healthOf({ environment }: ServiceProcess): Promise<string> {
  const client = healthClient(`127.0.0.1:${environment['RPC_PORT']}`);
  const statuses = await Promise.all(['', 'engine', 'tiktok'].map((name) => client.check(name)));
  client.close();
  return statuses.join();
}

/** What keeps a process's event loop alive: timers, sockets, open files. */
export const activeResources = async (service: ServiceProcess): Promise<number> =>
  Number(await figure(service, 'nodejs_active_resources_total'));

/** So many more of them are no growth: connections that are kept for a while. */
const KEPT_RESOURCES = 12;

/** What a fault left behind ends by itself: connections to PostgreSQL that nobody needs any more are kept for 10 s. */
export const noMoreResourcesThan = (before: number, service: ServiceProcess): Promise<void> =>
  vi.waitFor(async () => expect(await activeResources(service)).toBeLessThanOrEqual(before + KEPT_RESOURCES), {
    timeout: 30_000,
  });
