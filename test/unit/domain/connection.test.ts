import { describe, expect, it } from 'vitest';
import {
  type Active,
  type Connection,
  connect,
  described,
  disconnect,
  missingRequiredScopes,
  missingScopes,
  REQUESTED_SCOPES,
  REQUIRED_SCOPES,
  reconnect,
  refreshed,
  requireReconnect,
  warned,
} from '../../../src/domain/connection/connection.ts';
import {
  aDeadConnection,
  aDisconnectedConnection,
  anAccount,
  anActiveConnection,
  ids,
  later,
  NOW,
  WORKSPACE,
} from '../../support/builders.ts';

const AFTER = later(1000);
const life = { accessExpireTime: later(7200), refreshExpireTime: later(9e6) };
const consent = { ...life, account: anAccount({ displayName: 'New name' }), grantedScopes: ['video.publish'] };
const states = [anActiveConnection(), aDeadConnection(), aDisconnectedConnection()];
const named = states.map((connection) => [connection.state, connection] as const);

describe('a connection', () => {
  it('begins active, with the consent as TikTok gave it', () => {
    const id = ids.connectionId();
    expect(connect(id, WORKSPACE, 'OPEN', consent, AFTER)).toEqual({
      ...consent,
      id,
      workspaceId: WORKSPACE,
      apiFamily: 'OPEN',
      state: 'ACTIVE',
      createTime: AFTER,
      updateTime: AFTER,
      version: 1,
    });
  });

  it.each(named)(
    'that is %s is active again after a fresh consent, and nothing of the old one is left',
    (_, connection) => {
      const { id, workspaceId, apiFamily, createTime, version } = connection;
      expect(reconnect(connection, consent, AFTER)).toEqual({
        ...consent,
        id,
        workspaceId,
        apiFamily,
        createTime,
        version,
        state: 'ACTIVE',
        updateTime: AFTER,
      });
    },
  );

  it.each([anActiveConnection(), aDeadConnection()])(
    'that is $state is active after a refresh, with the new ends of its tokens',
    (connection) => {
      const after = refreshed(connection, life, AFTER);
      expect(after).toMatchObject({ ...life, state: 'ACTIVE', updateTime: AFTER, account: connection.account });
      expect(after).not.toHaveProperty('reconnectReason');
    },
  );

  it.each([anActiveConnection(), aDeadConnection()])(
    'that is $state waits for a reconnect and says why',
    (connection) => {
      const reason = { code: 'ACCOUNT_ACCESS_REVOKED' } as const;
      expect(requireReconnect(connection, reason, AFTER)).toEqual({
        ...connection,
        state: 'RECONNECT_REQUIRED',
        reconnectReason: reason,
        grantLost: false,
        updateTime: AFTER,
      });
    },
  );

  it('takes a new description of its account and keeps the rest', () => {
    const connection = anActiveConnection();
    const account = anAccount({ followerCount: 5 });
    expect(described(connection, account, AFTER)).toEqual({ ...connection, account, updateTime: AFTER });
  });

  it.each([anActiveConnection(), aDeadConnection()])(
    'that is $state keeps nothing of its tokens when it is disconnected',
    (connection) => {
      const gone = disconnect(connection, AFTER);
      expect(gone).toMatchObject({ id: connection.id, state: 'DISCONNECTED', updateTime: AFTER });
      for (const member of ['accessExpireTime', 'refreshExpireTime', 'reconnectReason'])
        expect(gone).not.toHaveProperty(member);
    },
  );

  it('is disconnected once', () => {
    const gone = aDisconnectedConnection();
    expect(disconnect(gone, AFTER)).toBe(gone);
  });
});

describe('the warnings before a refresh token ends', () => {
  const days = (count: number): Date => later(count * 86_400, NOW);
  const told = (connection: Connection | undefined) =>
    connection?.state === 'ACTIVE' ? connection.reconnectWarning : undefined;

  it('are told at 14, 7 and 1 days, each once', () => {
    let connection: Active = anActiveConnection({ refreshExpireTime: days(20) });
    const warnings: unknown[] = [];
    for (let hour = 0; hour <= 20 * 24; hour += 1) {
      const next = warned(connection, later(hour * 3600, NOW));
      if (next === undefined) continue;
      warnings.push([hour / 24, next.reconnectWarning]);
      connection = next;
    }
    expect(warnings).toEqual([
      [6, 14],
      [13, 7],
      [19, 1],
    ]);
  });

  it('are skipped, but for the last, by a service that was not there', () => {
    expect(told(warned(anActiveConnection({ refreshExpireTime: days(3) }), NOW))).toBe(7);
    expect(told(warned(anActiveConnection({ refreshExpireTime: days(-1) }), NOW))).toBe(1);
  });

  it.each([aDeadConnection(), aDisconnectedConnection()])('are none of $state', (connection) => {
    expect(warned(connection, days(1000))).toBeUndefined();
  });

  it.each([
    [7, 365, undefined],
    [7, 6, 7],
    [1, 10, 14],
    [undefined, 3, undefined],
  ] as const)('that was %s days is, with new tokens for %s days, %s', (before, left, after) => {
    const connection = anActiveConnection(before === undefined ? {} : { reconnectWarning: before });
    const next = refreshed(connection, { accessExpireTime: AFTER, refreshExpireTime: days(left) }, NOW);
    expect(told(next)).toBe(after);
  });

  it('begin anew with a new consent', () => {
    const consent = { ...anActiveConnection(), refreshExpireTime: days(365) };
    expect(told(reconnect(anActiveConnection({ reconnectWarning: 1 }), consent, NOW))).toBeUndefined();
  });
});

describe('scopes', () => {
  it.each(['OPEN', 'BUSINESS'] as const)('of %s: what is needed is asked for', (family) => {
    expect(REQUIRED_SCOPES[family].filter((scope) => !REQUESTED_SCOPES[family].includes(scope))).toEqual([]);
  });

  it('that were not granted are named', () => {
    expect(missingScopes({ apiFamily: 'OPEN', grantedScopes: REQUESTED_SCOPES.OPEN })).toEqual([]);
    expect(missingScopes({ apiFamily: 'OPEN', grantedScopes: ['user.info.basic', 'video.publish', 'other'] })).toEqual([
      'user.info.profile',
      'user.info.stats',
      'video.list',
      'video.upload',
    ]);
    expect(missingRequiredScopes('OPEN', ['user.info.basic', 'video.publish'])).toEqual([]);
    expect(missingRequiredScopes('BUSINESS', ['video.list'])).toEqual([
      'user.info.basic',
      'user.account.type',
      'video.publish',
    ]);
  });
});
