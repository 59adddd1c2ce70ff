import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import type { RpcLimits } from '../../../src/adapters/rpc/limits.ts';
import { serviceHealth } from '../../../src/application/service-health.ts';
import { platformGate } from '../../../src/domain/post/gate.ts';
import { fixedClock } from '../../support/fixed-clock.ts';
import { errorDetails, refusalOf } from '../../support/grpc-client.ts';
import { inMemoryGates } from '../../support/in-memory-gates.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { rpcServers } from '../../support/rpc-servers.ts';
import { healthClient } from '../../support/standard-clients.ts';
import { fakeNeeds } from './fake-needs.ts';

const OUTAGE = { code: 'PLATFORM_UNAVAILABLE', message: 'TikTok is away', remedy: 'wait' } as never;
const OURS = ['ConnectionService', 'VideoService', 'PostService', 'AnalyticsService'].map(
  (name) => `glowtify.tiktok.v1.${name}`,
);
const WHOLE = ['', ...OURS];

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** Servers whose engine looks when the test says so, in a world whose second is over when the test says so. */
async function given(limits: Partial<RpcLimits> = {}) {
  const clock = fixedClock();
  const gates = inMemoryGates({ clock });
  const stopping = new AbortController();
  const log = recordingLog();
  const engine = { looked: clock.now() };
  let database: 'THERE' | 'AWAY' | 'SILENT' = 'THERE';
  const health = serviceHealth({
    engine: { lastLook: () => engine.looked },
    gates: {
      all(among) {
        if (database === 'SILENT') return new Promise(() => {});
        return database === 'THERE' ? gates.all(among) : Promise.reject(new Error('the database is away'));
      },
    },
    families: ['OPEN', 'BUSINESS'],
    stopping: stopping.signal,
    clock,
    log,
  });
  await health.look();
  const callers = { identify: () => Promise.reject(new Error('a login was looked at')) };
  const servers = await rpcServers(fakeNeeds({}, { health, stopping: stopping.signal, callers, log, clock }), limits);
  endings.push(() => servers.close());
  const client = healthClient(servers.rpc);
  endings.push(() => client.close());
  return {
    servers,
    client,
    gates,
    health,
    log,
    stop: () => stopping.abort(new Error('the service is stopping')),
    database: (state: typeof database) => {
      database = state;
    },
    /** One second after the other, as `start` does it. The engine looks in each unless it is stuck. */
    async pass(seconds: number, { stuck = false } = {}) {
      for (let second = 0; second < seconds; second += 1) {
        clock.advance(1);
        if (!stuck) engine.looked = clock.now();
        const looked = health.look();
        if (database !== 'SILENT') await looked;
      }
    },
    async statuses() {
      const all = Object.entries(await client.list()).map(([name, each]) => [name, each.status] as const);
      for (const [name, each] of all) expect(await client.check(name), name).toBe(each);
      return Object.fromEntries(all);
    },
    ready: async () => (await fetch(`http://${servers.http}/readyz`)).status,
  };
}

const statusesOf = (whole: string, engine: string, tiktok: string) => ({
  ...Object.fromEntries(WHOLE.map((name) => [name, whole])),
  engine,
  tiktok,
});

describe('grpc.health.v1.Health', () => {
  it('tells all names, to callers without a login, and /readyz says the same', async () => {
    const { statuses, ready } = await given();
    expect(await statuses()).toEqual(statusesOf('SERVING', 'SERVING', 'SERVING'));
    expect(await ready()).toBe(200);
  });

  it('is there over Connect and HTTP/1.1 too', async () => {
    const { servers } = await given();
    const answer = await fetch(`http://${servers.http}/grpc.health.v1.Health/Check`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"service":"engine"}',
    });
    expect([answer.status, await answer.json()]).toEqual([200, { status: 'SERVING' }]);
  });

  it('an engine that is stuck turns the service off within 10 s, and its next look turns it on again', async () => {
    const { client, pass, statuses, ready } = await given();
    const watch = await client.watch('');
    expect(await watch.next()).toEqual({ status: 'SERVING' });
    await pass(8, { stuck: true });
    expect(await statuses()).toEqual(statusesOf('SERVING', 'SERVING', 'SERVING'));
    await pass(2, { stuck: true });
    expect(await watch.next()).toEqual({ status: 'NOT_SERVING' });
    expect(await statuses()).toEqual(statusesOf('NOT_SERVING', 'NOT_SERVING', 'SERVING'));
    expect(await ready()).toBe(503);
    await pass(1);
    expect(await watch.next()).toEqual({ status: 'SERVING' });
    expect(await ready()).toBe(200);
  });

  it.each(['AWAY', 'SILENT'] as const)('a database that is %s turns the service off within 10 s', async (state) => {
    const { client, pass, statuses, database, log } = await given();
    const watch = await client.watch('glowtify.tiktok.v1.PostService');
    expect(await watch.next()).toEqual({ status: 'SERVING' });
    database(state);
    await pass(10);
    expect(await watch.next()).toEqual({ status: 'NOT_SERVING' });
    expect(await statuses()).toEqual(statusesOf('NOT_SERVING', 'SERVING', 'UNKNOWN'));
    const failures = log.lines.filter(({ message }) => message.startsWith('the health of TikTok could not be read'));
    expect(failures).toHaveLength(state === 'AWAY' ? 1 : 0); // not every second
  });

  it('comes back with the database', async () => {
    const { client, pass, database } = await given();
    database('AWAY');
    await pass(10);
    const watch = await client.watch('');
    expect(await watch.next()).toEqual({ status: 'NOT_SERVING' });
    database('THERE');
    await pass(1);
    expect(await watch.next()).toEqual({ status: 'SERVING' });
  });

  it.each(['OPEN', 'BUSINESS'] as const)('an outage of TikTok (%s) turns off only `tiktok`', async (family) => {
    const { client, gates, pass, statuses, ready } = await given();
    const watch = await client.watch('tiktok');
    expect(await watch.next()).toEqual({ status: 'SERVING' });
    await gates.shut({ key: platformGate(family), seconds: 30, atMostSeconds: 300 }, OUTAGE);
    await pass(1);
    expect(await watch.next()).toEqual({ status: 'NOT_SERVING' });
    expect(await statuses()).toEqual(statusesOf('SERVING', 'SERVING', 'NOT_SERVING'));
    expect(await ready()).toBe(200);
    await gates.open(platformGate(family));
    await pass(1);
    expect(await watch.next()).toEqual({ status: 'SERVING' });
  });

  it('from the stop on nothing serves; watches hear it at once and end', async () => {
    const { client, stop, statuses, ready } = await given();
    const watches = await Promise.all(['', 'engine', 'tiktok'].map((name) => client.watch(name)));
    for (const watch of watches) expect(await watch.next()).toEqual({ status: 'SERVING' });
    stop();
    for (const watch of watches) {
      expect(await watch.next()).toEqual({ status: 'NOT_SERVING' });
      expect(errorDetails(await watch.next().catch((error: unknown) => error))).toMatchObject({
        code: status.UNAVAILABLE,
        reason: 'SERVICE_STOPPING',
      });
    }
    expect(await statuses()).toEqual(statusesOf('NOT_SERVING', 'NOT_SERVING', 'NOT_SERVING'));
    expect(await ready()).toBe(503);
  });

  it('does not know other names: Check is NOT_FOUND, Watch goes on and says so', async () => {
    const { client, stop } = await given();
    expect(await refusalOf(client.check('glowtify.tiktok.v1.Nothing'))).toMatchObject({
      code: status.NOT_FOUND,
      reason: 'HEALTH_NAME_UNKNOWN',
    });
    const watch = await client.watch('glowtify.tiktok.v1.Nothing');
    expect(await watch.next()).toEqual({ status: 'SERVICE_UNKNOWN' });
    stop();
    expect(errorDetails(await watch.next().catch((error: unknown) => error)).code).toBe(status.UNAVAILABLE);
  });

  it('takes so many watches of all callers together, and another one when one has ended', async () => {
    const { client, stop } = await given({ healthWatches: 2 });
    const [first, second] = [await client.watch(''), await client.watch('none')];
    await Promise.all([first.next(), second.next()]);
    const refused = await (await client.watch('')).next().catch((error: unknown) => error);
    expect(errorDetails(refused)).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reason: 'WATCHES_EXHAUSTED' });
    expect(await client.check('')).toBe('SERVING');
    stop(); // both end
    await expect(second.next()).rejects.toThrow();
    expect([await first.next(), await (await client.watch('')).next()]).toEqual([
      { status: 'NOT_SERVING' },
      { status: 'NOT_SERVING' },
    ]);
  });

  it('tells a change once, and forgets watches whose caller has gone', async () => {
    const { client, health, pass } = await given();
    let listening = 0;
    const { onChange } = health;
    const left = Promise.withResolvers<void>();
    health.onChange = (listener) => {
      listening += 1;
      const off = onChange(listener);
      return () => {
        listening -= 1;
        off();
        left.resolve();
      };
    };
    const watch = await client.watch('engine');
    expect(await watch.next()).toEqual({ status: 'SERVING' });
    await pass(3); // nothing to tell
    await pass(10, { stuck: true });
    expect(await watch.next()).toEqual({ status: 'NOT_SERVING' });
    expect(listening).toBe(1);
    watch.cancel();
    await left.promise;
    expect(listening).toBe(0);
  });
});
