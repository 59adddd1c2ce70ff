import { describe, expect, it } from 'vitest';
import type { Connections } from '../../../src/application/ports/connections.ts';
import {
  type Active,
  type Connection,
  disconnect,
  requireReconnect,
} from '../../../src/domain/connection/connection.ts';
import type { ConnectionId, WorkspaceId } from '../../../src/domain/ids.ts';
import { err, ok } from '../../../src/domain/result.ts';
import {
  aDeadConnection,
  aDisconnectedConnection,
  anAccount,
  anActiveConnection,
  everyPublishError,
  ids,
  later,
  NOW,
  OTHER_WORKSPACE,
  WORKSPACE,
} from '../../support/builders.ts';

/** What every store of connections does. `make` gives an empty one, `now` is its clock. */
export function connectionsContract(name: string, make: () => Promise<Connections>, now: () => Date): void {
  describe(`Connections, as ${name}`, () => {
    it.each<[string, () => Connection]>([
      ['active', () => anActiveConnection()],
      [
        'active, with everything known of the account',
        () =>
          anActiveConnection({
            apiFamily: 'BUSINESS',
            account: {
              openId: '-000Zz_é😀',
              username: 'acme.shop',
              displayName: 'Acme “Sönne” 🌞',
              avatarUri: 'https://p16.tiktokcdn.example/a?x=1&y=2',
              accountType: 'BUSINESS',
              followerCount: 3_000_000_000,
              followingCount: 0,
              likesCount: 9_007_199_254_740_991,
              videoCount: 17,
              verified: false,
              maxVideoSeconds: 600,
            },
            grantedScopes: [],
            accessExpireTime: new Date('2026-11-22T12:00:00.001Z'),
          }),
      ],
      [
        'active, with an account of which little is known',
        () => anActiveConnection({ account: { openId: 'o', displayName: '' } }),
      ],
      ['active, and warned', () => anActiveConnection({ reconnectWarning: 7 })],
      ['waiting for a reconnect', () => aDeadConnection()],
      ['waiting for a reconnect, its grant lost', () => aDeadConnection({ grantLost: true })],
      ['disconnected', () => aDisconnectedConnection()],
    ])('stores one that is %s and gives it back', async (_, build) => {
      const connections = await make();
      const connection = build();
      expect(await connections.add(connection)).toBe(true);
      expect(await connections.find(connection.id)).toEqual(connection);
    });

    it('keeps every reason for a reconnect as it was', async () => {
      const connections = await make();
      for (const [index, reconnectReason] of everyPublishError.entries()) {
        const connection = aDeadConnection({ account: anAccount({ openId: `open-${index}` }), reconnectReason });
        await connections.add(connection);
        expect(await connections.find(connection.id)).toEqual(connection);
      }
    });

    it('gives out copies: nobody changes what is stored by accident', async () => {
      const connections = await make();
      const connection = anActiveConnection();
      await connections.add(connection);
      (await connections.find(connection.id))?.createTime.setTime(0);
      expect(await connections.find(connection.id)).toEqual(connection);
    });

    it.each(['', 'nonsense', 'conn_1', 'conn_\0'])('finds nothing under %j', async (id) => {
      const connections = await make();
      expect(await connections.find(id as ConnectionId)).toBeUndefined();
      expect(await connections.find(id as ConnectionId, WORKSPACE)).toBeUndefined();
    });

    it('finds it in its own workspace only', async () => {
      const connections = await make();
      const connection = anActiveConnection();
      await connections.add(connection);
      expect(await connections.find(connection.id, WORKSPACE)).toEqual(connection);
      expect(await connections.find(connection.id, OTHER_WORKSPACE)).toBeUndefined();
    });

    it('finds it by its account, in the same workspace and family, whatever its state', async () => {
      const connections = await make();
      const connection = aDisconnectedConnection();
      await connections.add(connection);
      expect(await connections.findByAccount(WORKSPACE, 'OPEN', 'open-1')).toEqual(connection);
      expect(await connections.findByAccount(OTHER_WORKSPACE, 'OPEN', 'open-1')).toBeUndefined();
      expect(await connections.findByAccount(WORKSPACE, 'BUSINESS', 'open-1')).toBeUndefined();
      expect(await connections.findByAccount(WORKSPACE, 'OPEN', 'open-2')).toBeUndefined();
    });

    it('knows whether an account is connected to any workspace, in the same family', async () => {
      const connections = await make();
      const gone = aDisconnectedConnection();
      await connections.add(gone);
      expect(await connections.isConnected('OPEN', 'open-1')).toBe(false);
      const elsewhere = aDeadConnection({ workspaceId: OTHER_WORKSPACE });
      await connections.add(elsewhere);
      expect(await connections.isConnected('OPEN', 'open-1')).toBe(true);
      expect(await connections.isConnected('BUSINESS', 'open-1')).toBe(false);
      expect(await connections.isConnected('OPEN', 'open-2')).toBe(false);
      await connections.update(elsewhere.id, (connection) => ok(disconnect(connection, NOW)));
      expect(await connections.isConnected('OPEN', 'open-1')).toBe(false);
    });

    it('finds every connection of an account, in all workspaces and states of one family', async () => {
      const connections = await make();
      const stored = [
        anActiveConnection(),
        aDisconnectedConnection({ workspaceId: OTHER_WORKSPACE }),
        aDeadConnection({ workspaceId: 'ws_c' as WorkspaceId }),
      ];
      for (const connection of stored.toReversed()) await connections.add(connection);
      await connections.add(anActiveConnection({ apiFamily: 'BUSINESS' }));
      await connections.add(anActiveConnection({ account: anAccount({ openId: 'open-2' }) }));
      expect(await connections.ofAccount('OPEN', 'open-1')).toEqual(stored);
      expect(await connections.ofAccount('OPEN', 'open-3')).toEqual([]);
    });

    it('takes an account once for each workspace and family', async () => {
      const connections = await make();
      const first = anActiveConnection();
      const again = anActiveConnection();
      expect(await connections.add(first)).toBe(true);
      expect(await connections.add(again)).toBe(false);
      expect(await connections.find(again.id)).toBeUndefined();
      expect(await connections.find(first.id)).toEqual(first);
      expect(await connections.add(anActiveConnection({ workspaceId: OTHER_WORKSPACE }))).toBe(true);
      expect(await connections.add(anActiveConnection({ apiFamily: 'BUSINESS' }))).toBe(true);
    });

    it('has one winner when twenty connect the same account at once', async () => {
      const connections = await make();
      const added = await Promise.all(Array.from({ length: 20 }, () => connections.add(anActiveConnection())));
      expect(added.filter(Boolean)).toHaveLength(1);
      expect((await connections.list({ workspaceId: WORKSPACE, states: [] }, { size: 50 })).items).toHaveLength(1);
    });

    it('stores a change with the next version', async () => {
      const connections = await make();
      const connection = anActiveConnection();
      await connections.add(connection);
      const changed = requireReconnect(connection, { code: 'ACCOUNT_ACCESS_REVOKED' }, NOW);
      const outcome = await connections.update(connection.id, () => ok(changed));
      expect(outcome).toEqual(ok({ ...changed, version: 2, updateTime: expect.any(Date) }));
      expect(outcome.ok && (await connections.find(connection.id))).toEqual(outcome.ok && outcome.value);
    });

    it('keeps nothing of the state before', async () => {
      const connections = await make();
      const connection = aDeadConnection();
      await connections.add(connection);
      await connections.update(connection.id, (dead) => ok(disconnect(dead, NOW)));
      const { accessExpireTime: _, refreshExpireTime: __, reconnectReason: ___, grantLost: ____, ...core } = connection;
      const gone = { ...core, state: 'DISCONNECTED', version: 2, updateTime: expect.any(Date) };
      expect(await connections.find(connection.id)).toEqual(gone);
    });

    it('stores nothing when the change is refused', async () => {
      const connections = await make();
      const connection = anActiveConnection();
      await connections.add(connection);
      expect(await connections.update(connection.id, () => err({ code: 'NO' }))).toEqual(err({ code: 'NO' }));
      expect(await connections.find(connection.id)).toEqual(connection);
    });

    it('stores nothing when the change throws', async () => {
      const connections = await make();
      const connection = anActiveConnection();
      await connections.add(connection);
      const broken = connections.update(connection.id, () => {
        throw new Error('a bug');
      });
      await expect(broken).rejects.toThrow('a bug');
      expect(await connections.find(connection.id)).toEqual(connection);
    });

    it('has nothing to change where there is none', async () => {
      const connections = await make();
      const never = () => {
        throw new Error('must not be asked');
      };
      expect(await connections.update(ids.connectionId(), never)).toEqual(err({ code: 'NOT_FOUND' }));
    });

    it('loses no change when twenty come at once', async () => {
      const connections = await make();
      const connection = anActiveConnection({ account: anAccount({ followerCount: 0 }) });
      await connections.add(connection);
      const follow = () =>
        connections.update(connection.id, (now) =>
          ok({ ...now, account: { ...now.account, followerCount: (now.account.followerCount ?? 0) + 1 } }),
        );
      await Promise.all(Array.from({ length: 20 }, follow));
      expect(await connections.find(connection.id)).toMatchObject({ account: { followerCount: 20 }, version: 21 });
    });

    it('lists the oldest first, in pages, of the wanted states and one workspace', async () => {
      const connections = await make();
      const stored: Connection[] = [];
      for (let index = 0; index < 5; index += 1) {
        const account = anAccount({ openId: `open-${index}` });
        const connection = index % 2 === 0 ? anActiveConnection({ account }) : aDisconnectedConnection({ account });
        stored.push(connection);
        await connections.add(connection);
      }
      await connections.add(anActiveConnection({ workspaceId: OTHER_WORKSPACE }));

      expect(await pages(connections, WORKSPACE, [], 2)).toEqual([
        stored.slice(0, 2),
        stored.slice(2, 4),
        stored.slice(4),
      ]);
      expect(await pages(connections, WORKSPACE, ['ACTIVE'], 3)).toEqual([[stored[0], stored[2], stored[4]]]);
      expect(await pages(connections, WORKSPACE, ['DISCONNECTED', 'RECONNECT_REQUIRED'], 1)).toEqual([
        [stored[1]],
        [stored[3]],
      ]);
      expect(await pages(connections, 'ws_none' as WorkspaceId, [], 1)).toEqual([[]]);
    });

    it('names those whose refresh token ends soon and who were not told, the earliest end first', async () => {
      const connections = await make();
      const given = async (days: number, parts: Partial<Active> = {}) => {
        const refreshExpireTime = later((days + 0.5) * 86_400, now());
        const connection = anActiveConnection({
          account: anAccount({ openId: `o${days}${parts.reconnectWarning}` }),
          ...parts,
          refreshExpireTime,
        });
        await connections.add(connection);
        return connection.id;
      };
      const told = async (parts: Partial<Active>) =>
        [await given(0, parts), await given(6, parts), await given(13, parts)] as const;
      const [day, week, fortnight] = await told({});
      await given(14);
      await given(0, { reconnectWarning: 1 });
      await given(6, { reconnectWarning: 7 });
      await given(13, { reconnectWarning: 14 });
      const weekLater = await given(6, { reconnectWarning: 14 });
      await connections.add(
        aDeadConnection({ account: anAccount({ openId: 'dead' }), refreshExpireTime: later(86_400, now()) }),
      );
      expect(await connections.ending(10)).toEqual(expect.arrayContaining([day, week, fortnight, weekLater]));
      expect(await connections.ending(10)).toHaveLength(4);
      expect(await connections.ending(1)).toEqual([day]);
    });
  });
}

async function pages(
  connections: Connections,
  workspaceId: WorkspaceId,
  states: readonly Connection['state'][],
  size: number,
): Promise<readonly (readonly Connection[])[]> {
  const all: (readonly Connection[])[] = [];
  let after: string | undefined;
  do {
    const page = await connections.list({ workspaceId, states }, after === undefined ? { size } : { size, after });
    all.push(page.items);
    after = page.next;
  } while (after !== undefined);
  return all;
}
