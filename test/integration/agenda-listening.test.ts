import { Client } from 'pg';
import { afterEach, expect, it, vi } from 'vitest';
import { AGENDA_POOL_SIZE, postgresAgendaStore } from '../../src/adapters/scheduler/postgres-agenda-store.ts';
import { freshDatabase } from '../support/fresh-database.ts';

afterEach(() => void vi.restoreAllMocks());

it("OPS-01 Agenda's store reset: connections that break while they begin to listen leave all of the pool for others", async () => {
  const { url, drop } = await freshDatabase();
  const store = await postgresAgendaStore(url, () => undefined);
  const { channel } = store;
  if (channel === undefined) throw new Error('no channel');
  channel.on('error', () => undefined);
  const query = Client.prototype.query as (...args: readonly unknown[]) => unknown;
  const broken = vi.spyOn(Client.prototype, 'query').mockImplementation(function (this: Client, ...args: unknown[]) {
    return String(args[0]).startsWith('LISTEN') ? Promise.reject(new Error('broken')) : query.apply(this, args);
  } as typeof Client.prototype.query);
  for (let times = 0; times < AGENDA_POOL_SIZE; times += 1) {
    await expect(channel.connect()).rejects.toThrow('broken');
  }
  broken.mockRestore();

  await store.prepare();
  await channel.connect();
  expect(channel.state).toBe('connected');
  await channel.disconnect();
  await store.close();
  await drop();
});
