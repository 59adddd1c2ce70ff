import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from '../../src/adapters/persistence/database.ts';
import { isDatabaseDown } from '../../src/adapters/persistence/database-down.ts';
import { freshDatabase } from '../support/fresh-database.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';

let fresh: Awaited<ReturnType<typeof freshDatabase>>;
let database: Database;

beforeAll(async () => {
  fresh = await freshDatabase();
  database = await openDatabase(fresh.url);
});
afterAll(async () => {
  await database.close();
  await fresh.drop();
});

it('a process that froze inside of a transaction is cut off by PostgreSQL', async () => {
  const { rows } = await database.pool.query('show idle_in_transaction_session_timeout');
  expect(rows).toEqual([{ idle_in_transaction_session_timeout: '30s' }]);
});

describe('a statement that takes too long', () => {
  const limits = { connect: 200, statement: 200 };
  const failureOf = (work: Promise<unknown>) =>
    work.then(
      () => expect.fail('it was answered'),
      (error: unknown) => error,
    );

  it('is ended by PostgreSQL, which stores nothing of it; its connection goes on', async () => {
    await using hurried = await opened(fresh.url);
    await hurried.pool.query('create table slow (id integer)');
    const client = await hurried.pool.connect();
    const error = await failureOf(client.query('insert into slow select 1 from pg_sleep(30)'));
    expect([isDatabaseDown(error), String(error)]).toEqual([
      true,
      'error: canceling statement due to statement timeout',
    ]);
    expect((await client.query('select * from slow')).rows).toEqual([]);
    client.release();
  });

  it.each([
    ['plain SQL', (database: Database) => database.pool.query('select 1')],
    ['MikroORM', (database: Database) => database.orm.em.getConnection().execute('select 1')],
  ])(
    'is given up, as %s, when nothing comes from PostgreSQL any more, however long its connection was idle',
    async (_, ask) => {
      const way = await tcpProxy(fresh.url);
      await using hurried = await opened(way.through(fresh.url));
      const holder = await hurried.pool.connect();
      // Longer than a statement is waited for: who waits for nothing is not cut off.
      await pause(limits.statement + 1_500);
      await holder.query('select 1');
      holder.release();
      way.hold();
      for (let time = 0; time < 3; time += 1) expect(isDatabaseDown(await failureOf(ask(hurried)))).toBe(true);
      way.resume();
      await ask(hurried);
      await way.close();
    },
  );

  async function opened(url: string): Promise<Database & AsyncDisposable> {
    const database = await openDatabase(url, { limits });
    return { ...database, [Symbol.asyncDispose]: () => database.close() };
  }
});
