import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AccountAccess } from '../../../src/application/account-access.ts';
import { completeConnection } from '../../../src/application/complete-connection.ts';
import { disconnectConnection } from '../../../src/application/disconnect-connection.ts';
import type { Connections } from '../../../src/application/ports/connections.ts';
import type { Credential, Credentials } from '../../../src/application/ports/credentials.ts';
import type { Active, Connection } from '../../../src/domain/connection/connection.ts';
import { anAccount, later, WORKSPACE } from '../../support/builders.ts';
import { World } from './world.ts';

type Act = 'RECONNECT' | 'DISCONNECT' | 'REFRESH' | 'CALL' | 'WITHDRAW';

const acts = fc.array(fc.constantFrom<Act>('RECONNECT', 'DISCONNECT', 'REFRESH', 'CALL', 'WITHDRAW'), {
  minLength: 2,
  maxLength: 5,
});

/** A world where every answer of the database and of TikTok comes whenever the scheduler says. */
async function scheduled(scheduler: fc.Scheduler): Promise<{
  readonly world: World;
  readonly connection: Active;
  readonly act: (act: Act) => Promise<unknown>;
  /** As they are stored, without waiting for the scheduler. */
  readonly stored: () => Promise<{ readonly connection: Connection; readonly credential: Credential | undefined }>;
}> {
  const world = new World();
  // The consent of a person outlives others: TikTok keeps each pair until it is replaced or revoked.
  world.tiktok.keepsOlderPairs = true;
  world.tiktok.account = { ...anAccount(), openId: 'open-1' };
  const connection = await world.givenConnection({
    account: { ...anAccount(), openId: 'open-1' },
    accessExpireTime: later(0),
  });
  const { credentials, connections } = world;
  const slow = <T extends object>(target: T, name: string): T =>
    new Proxy(target, {
      get(methods, method) {
        const call: unknown = Reflect.get(methods, method);
        if (typeof call !== 'function') return call;
        return async (...given: unknown[]) => {
          await scheduler.schedule(Promise.resolve(), `${name}.${String(method)}`);
          const answer: unknown = await call.apply(methods, given);
          await scheduler.schedule(Promise.resolve(), `${name}.${String(method)} answered`);
          return answer;
        };
      },
    });
  world.credentials = slow<Credentials>(credentials, 'credentials');
  world.connections = slow<Connections>(connections, 'connections');
  world.tiktok.before('refresh', () => scheduler.schedule(Promise.resolve(), 'TikTok refreshes'));
  world.tiktok.before('exchange', () => scheduler.schedule(Promise.resolve(), 'TikTok exchanges'));
  // Who waits lets the others go on.
  const wait = async (seconds: number): Promise<void> => {
    world.clock.advance(seconds);
    await scheduler.schedule(Promise.resolve(), 'a pause');
  };
  const accesses: readonly AccountAccess[] = ['one', 'two'].map((owner) => {
    Object.defineProperty(world, 'wait', { value: wait, configurable: true });
    return world.access(owner);
  });
  const complete = completeConnection(world);
  const disconnect = disconnectConnection(world);
  let calls = 0;
  return {
    world,
    connection,
    async stored() {
      const found = await connections.find(connection.id);
      if (found === undefined) throw new Error('the connection is gone');
      return { connection: found, credential: await credentials.find(connection.id) };
    },
    async act(act) {
      calls += 1;
      const access = accesses[calls % 2] as AccountAccess;
      switch (act) {
        case 'RECONNECT': {
          const state = `state-${calls}`;
          await world.pending.add(state, {
            workspaceId: WORKSPACE,
            apiFamily: 'OPEN',
            expireTime: later(600, world.clock.now()),
          });
          return complete({ state, answer: { code: world.tiktok.consent() } });
        }
        case 'DISCONNECT':
          return disconnect({ connectionId: connection.id });
        case 'REFRESH':
          return access.refresh(connection.id);
        case 'CALL':
          return access.call(connection.id, (token) => world.tiktok.authorization.readAccount(token, []));
        case 'WITHDRAW':
          world.tiktok.kill('grant');
          return undefined;
      }
    },
  };
}

describe('TOK-05 reconnects, disconnects, withdrawals and refreshes of two processes, in any order of their steps', () => {
  it('end with the newest consent, or with no token anywhere', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), acts, async (scheduler, plan) => {
        const { world, act, stored } = await scheduled(scheduler);
        const begun = plan.map((each) => act(each));
        await scheduler.waitFor(Promise.allSettled(begun));
        const outcomes = await Promise.allSettled(begun);
        expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([]);

        const { connection: after, credential } = await stored();
        if (after.state === 'DISCONNECTED') expect(credential).toBeUndefined();
        if (after.state === 'ACTIVE') expect(credential).toBeDefined();
        const ended = plan.includes('WITHDRAW') || world.tiktok.revoked.length > 0;
        // A grant is given up only when TikTok said that it is dead.
        if (after.state === 'RECONNECT_REQUIRED') expect(ended).toBe(true);
        // No pair was ever spent twice by mistake: TikTok would refuse it.
        if (!ended) expect(world.metrics.reports).not.toContainEqual(['tokenRefreshed', 'INVALID_GRANT']);
        // Who ended connected can publish; or the revocation of a disconnect came after the consent, which the next call finds.
        if (after.state === 'ACTIVE' && !plan.includes('WITHDRAW')) {
          const used = act('CALL');
          await scheduler.waitFor(used);
          const usable = (await used) as { readonly ok: boolean };
          if (world.tiktok.revoked.length === 0) expect(usable).toMatchObject({ ok: true });
          else if (!usable.ok) expect((await stored()).connection.state).toBe('RECONNECT_REQUIRED');
        }
      }),
      { numRuns: 1000 },
    );
  });
});
