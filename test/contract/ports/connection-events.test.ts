import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Database, openDatabase } from '../../../src/adapters/persistence/database.ts';
import { postgresConnectionEvents } from '../../../src/adapters/persistence/postgres-connection-events.ts';
import { postgresConnections } from '../../../src/adapters/persistence/postgres-connections.ts';
import {
  type Connection,
  described,
  disconnect,
  refreshed,
  requireReconnect,
  warned,
} from '../../../src/domain/connection/connection.ts';
import type { ConnectionId } from '../../../src/domain/ids.ts';
import { err, ok } from '../../../src/domain/result.ts';
import { anAccount, anActiveConnection, later, NOW, OTHER_WORKSPACE, WORKSPACE } from '../../support/builders.ts';
import { freshDatabase } from '../../support/fresh-database.ts';

const ALL = { workspaceId: WORKSPACE, connectionIds: [] };

let fresh: Awaited<ReturnType<typeof freshDatabase>>;
let database: Database;
let events: ReturnType<typeof postgresConnectionEvents>;
let announced = 0;

beforeAll(async () => {
  fresh = await freshDatabase();
  database = await openDatabase(fresh.url);
  events = postgresConnectionEvents(database);
});
beforeEach(async () => {
  await database.pool.query('truncate connection, connection_event');
  announced = 0;
});
afterAll(async () => {
  await database.close();
  await fresh.drop();
});

const stores = () =>
  postgresConnections(database, () => {
    announced += 1;
  });

/** So many, and no more: a transaction of somebody else on the same server may hold the latest back for a while. */
async function read(cursor: string, count: number, filter: Parameters<typeof events.after>[1] = ALL) {
  const told = await vi.waitUntil(
    async () => {
      const batch = await events.after(cursor, filter, 100);
      if (batch === undefined) throw new Error('not a cursor');
      return batch.events.length >= count && batch.events;
    },
    { timeout: 20_000 },
  );
  expect(told).toHaveLength(count);
  return told;
}

const active =
  (change: (connection: Extract<Connection, { state: 'ACTIVE' }>) => Connection) => (connection: Connection) =>
    connection.state === 'ACTIVE' ? ok(change(connection)) : err(undefined);

describe('the outbox of connections', () => {
  it('has every change in its order, with the state before', async () => {
    const connections = stores();
    const start = await events.end();
    const connection = anActiveConnection({ refreshExpireTime: later(86_400 / 2, NOW) });
    await connections.add(connection);
    await connections.update(
      connection.id,
      active((each) => warned(each, NOW) ?? each),
    );
    await connections.update(
      connection.id,
      active((each) => requireReconnect(each, { code: 'ACCOUNT_SESSION_INVALID' }, NOW, { grantLost: true })),
    );
    await connections.update(connection.id, (each) => ok(disconnect(each, NOW)));
    const told = await read(start, 4);
    expect(told.map((each) => [each.previousState, each.connection.state, each.connection.version])).toEqual([
      [undefined, 'ACTIVE', 1],
      ['ACTIVE', 'ACTIVE', 2],
      ['ACTIVE', 'RECONNECT_REQUIRED', 3],
      ['RECONNECT_REQUIRED', 'DISCONNECTED', 4],
    ]);
    expect(told[0]?.connection).toEqual(connection);
    expect(told[1]?.connection).toMatchObject({ reconnectWarning: 1 });
    expect(told[2]?.connection).toMatchObject({ grantLost: true });
    expect(announced).toBe(4);
    const [, second] = told;
    expect(await read(second?.cursor ?? '', 2)).toEqual(told.slice(2));
  });

  it('has nothing of tokens that were renewed, of refused changes and of accounts that are connected already', async () => {
    const connections = stores();
    const before = await events.end();
    const connection = anActiveConnection();
    await connections.add(connection);
    const [{ cursor: start = '' } = {}] = await read(before, 1);
    const life = { accessExpireTime: later(1e6), refreshExpireTime: later(9e7) };
    await connections.update(
      connection.id,
      active((each) => refreshed(each, life, later(60))),
    );
    await connections.update(connection.id, () => err('no'));
    await connections.update(connection.id, (each) => ok(each));
    expect(await connections.add(anActiveConnection())).toBe(false);
    // The same account told in another order is no news either.
    const { username, ...rest } = connection.account;
    const account = { ...rest, ...(username === undefined ? {} : { username }) };
    await connections.update(
      connection.id,
      active((each) => described(each, account, later(90))),
    );
    await connections.update(
      connection.id,
      active((each) => described(each, anAccount({ displayName: 'Another name' }), later(90))),
    );
    const [news] = await read(start, 1);
    expect(news?.connection.account.displayName).toBe('Another name');
  });

  it('is read by workspace and connection', async () => {
    const connections = stores();
    const start = await events.end();
    const [one, two] = [anActiveConnection(), anActiveConnection({ account: anAccount({ openId: 'two' }) })];
    const foreign = anActiveConnection({ workspaceId: OTHER_WORKSPACE });
    for (const each of [one, two, foreign]) await connections.add(each);
    const idsIn = async (count: number, connectionIds: readonly ConnectionId[], workspaceId = WORKSPACE) =>
      (await read(start, count, { workspaceId, connectionIds })).map(({ connection }) => connection.id);
    expect(await idsIn(1, [], OTHER_WORKSPACE)).toEqual([foreign.id]);
    expect(await idsIn(2, [])).toEqual([one.id, two.id]);
    expect(await idsIn(1, [two.id, foreign.id])).toEqual([two.id]);
    expect(await events.after('no cursor', ALL, 1)).toBeUndefined();
  });

  it('skips nothing and mixes nothing up while many write at once', async () => {
    const connections = stores();
    const start = await events.end();
    const many = Array.from({ length: 8 }, (_, index) =>
      anActiveConnection({ account: anAccount({ openId: `account ${index}` }) }),
    );
    const seen: (readonly [ConnectionId, number])[] = [];
    const reading = (async () => {
      for (let cursor = start; seen.length < many.length * 26; ) {
        const batch = await events.after(cursor, ALL, 7);
        if (batch === undefined) throw new Error('not a cursor');
        seen.push(...batch.events.map(({ connection }) => [connection.id, connection.version] as const));
        cursor = batch.reached;
      }
    })();
    for (const each of many) await connections.add(each);
    await Promise.all(
      Array.from({ length: 200 }, (_, index) => {
        const account = anAccount({ displayName: `name ${index}` });
        const id = many[index % many.length]?.id as ConnectionId;
        return connections.update(
          id,
          active((each) => described(each, { ...account, openId: each.account.openId }, NOW)),
        );
      }),
    );
    await reading;
    for (const { id } of many) {
      const versions = seen.filter(([of]) => of === id).map(([, version]) => version);
      expect(versions).toEqual(Array.from({ length: 26 }, (_, index) => index + 1));
    }
  });
});
