import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
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

const read = async (cursor: string, filter: Parameters<typeof events.after>[1] = ALL) => {
  const read = await events.after(cursor, filter, 100);
  if (read === undefined) throw new Error('not a cursor');
  return read.events;
};

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
    const told = await read(start);
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
    expect(await read(second?.cursor ?? '')).toEqual(told.slice(2));
  });

  it('has nothing of tokens that were renewed, of refused changes and of accounts that are connected already', async () => {
    const connections = stores();
    const connection = anActiveConnection();
    await connections.add(connection);
    const start = await events.end();
    const life = { accessExpireTime: later(1e6), refreshExpireTime: later(9e7) };
    await connections.update(
      connection.id,
      active((each) => refreshed(each, life, later(60))),
    );
    await connections.update(connection.id, () => err('no'));
    await connections.update(connection.id, (each) => ok(each));
    expect(await connections.add(anActiveConnection())).toBe(false);
    expect(await read(start)).toEqual([]);
    // The same account told in another order is no news either.
    const { username, ...rest } = connection.account;
    const account = { ...rest, ...(username === undefined ? {} : { username }) };
    await connections.update(
      connection.id,
      active((each) => described(each, account, later(90))),
    );
    expect(await read(start)).toEqual([]);
    await connections.update(
      connection.id,
      active((each) => described(each, anAccount({ displayName: 'Another name' }), later(90))),
    );
    expect(await read(start)).toHaveLength(1);
  });

  it('is read by workspace and connection', async () => {
    const connections = stores();
    const start = await events.end();
    const [one, two] = [anActiveConnection(), anActiveConnection({ account: anAccount({ openId: 'two' }) })];
    const foreign = anActiveConnection({ workspaceId: OTHER_WORKSPACE });
    for (const each of [one, two, foreign]) await connections.add(each);
    const idsIn = async (connectionIds: readonly ConnectionId[], workspaceId = WORKSPACE) =>
      (await read(start, { workspaceId, connectionIds })).map(({ connection }) => connection.id);
    expect(await idsIn([])).toEqual([one.id, two.id]);
    expect(await idsIn([two.id, foreign.id])).toEqual([two.id]);
    expect(await idsIn([], OTHER_WORKSPACE)).toEqual([foreign.id]);
    expect(await events.after('no cursor', ALL, 1)).toBeUndefined();
  });

  it('skips nothing and mixes nothing up while many write at once', async () => {
    const connections = stores();
    const start = await events.end();
    const many = Array.from({ length: 8 }, (_, index) =>
      anActiveConnection({ account: anAccount({ openId: `account ${index}` }) }),
    );
    const seen: (readonly [ConnectionId, number])[] = [];
    let writing = true;
    const reading = (async () => {
      for (let cursor = start; ; ) {
        const last = !writing;
        const batch = await events.after(cursor, ALL, 7);
        if (batch === undefined) throw new Error('not a cursor');
        seen.push(...batch.events.map(({ connection }) => [connection.id, connection.version] as const));
        if (last && batch.events.length === 0) return;
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
    writing = false;
    await reading;
    for (const { id } of many) {
      const versions = seen.filter(([of]) => of === id).map(([, version]) => version);
      expect(versions).toEqual(Array.from({ length: 26 }, (_, index) => index + 1));
    }
  });
});
