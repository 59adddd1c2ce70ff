import { setTimeout as delay } from 'node:timers/promises';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import type { Family } from '../../sandbox/state.ts';
import type { Calls } from './calls.ts';
import type { Journal } from './journal.ts';
import type { OwnPostgres } from './own-postgres.ts';
import type { Random } from './random.ts';

/** A TikTok account, and our connection to it. */
export type ConnectedAccount = {
  readonly family: Family;
  /** The sandbox's name for it: each app gets one of its own. */
  readonly openId: string;
  readonly username: string;
  readonly connectionId: string;
};

const CONNECTING_AT_ONCE = 6;
const CALL = { deadlineMilliseconds: 15_000 };
/** A person looks at the list of accounts so often. */
const LOOK_MILLISECONDS = 500;
const LONGEST_REACTION_MILLISECONDS = 4_000;

type Needs = {
  readonly sandbox: Sandbox;
  readonly calls: Calls;
  readonly workspaceId: string;
};

/** As many of each family. */
export async function connectAccounts(
  needs: Needs,
  families: readonly Family[],
  count: number,
): Promise<readonly ConnectedAccount[]> {
  const accounts: ConnectedAccount[] = [];
  const wanted = Array.from({ length: Math.ceil(count / families.length) }, (_, round) =>
    families.map((family, place) => ({ family, username: `chaos.account.${round * families.length + place + 1}` })),
  ).flat();
  async function connectNext(): Promise<void> {
    for (let next = wanted.shift(); next !== undefined; next = wanted.shift()) {
      const { family, username } = next;
      // The rates of TikTok stay as they are; its caps of a whole day would end the run.
      const { openId } = needs.sandbox.control.addAccount({ username, dailyPostCap: 1_000_000 });
      const connectionId = await consent(needs, { family, openId });
      if (connectionId === undefined) throw new Error(`${username} could not be connected`);
      accounts.push({ family, openId, username, connectionId });
    }
  }
  await Promise.all(Array.from({ length: CONNECTING_AT_ONCE }, connectNext));
  return accounts;
}

/** Undefined when no answer came: whoever does this in a browser looks at how things stand before trying again. */
async function consent(
  { sandbox, calls, workspaceId }: Needs,
  { family, openId }: Pick<ConnectedAccount, 'family' | 'openId'>,
  reconnects = '',
): Promise<string | undefined> {
  const { authorize_uri } = await calls.repeat('StartConnection', ({ connections }) =>
    connections.StartConnection<{ authorize_uri: string }>(
      { workspace_id: workspaceId, reconnect_connection_id: reconnects, api_family: `API_FAMILY_${family}` },
      CALL,
    ),
  );
  const { state, code } = await sandbox.control.consent({ authorizeUri: authorize_uri, account: openId });
  const answer = await calls.once('CompleteConnection', ({ connections }) =>
    connections.CompleteConnection<{ connection: { connection_id: string } }>({ state, code }, CALL),
  );
  return answer?.connection.connection_id;
}

/** The person who reconnects each account that needs it, as soon as they see it. */
export type Reconnecting = {
  /** Works until the signal. */
  run(signal: AbortSignal): Promise<void>;
  count(): number;
};

export function reconnecting(
  needs: Needs & {
    readonly accounts: readonly ConnectedAccount[];
    readonly postgres: OwnPostgres;
    readonly journal: Journal;
    readonly random: Random;
  },
): Reconnecting {
  const { accounts, postgres, journal, random, calls } = needs;
  const byConnection = new Map(accounts.map((account) => [account.connectionId, account]));
  const underWay = new Set<string>();
  let count = 0;

  async function reconnect(account: ConnectedAccount, signal: AbortSignal): Promise<void> {
    const { connectionId } = account;
    await delay(random.between(0, LONGEST_REACTION_MILLISECONDS), undefined, { signal });
    const connected = await consent(needs, account, connectionId);
    const { connection } = await calls.repeat('GetConnection', ({ connections }) =>
      connections.GetConnection<{ connection: { state: string } }>({ connection_id: connectionId }, CALL),
    );
    journal.note(
      `${connectionId} was reconnected ${connected === undefined ? 'without an answer' : 'with an answer'}; it is ${connection.state}`,
    );
    count += 1;
  }

  return {
    count: () => count,
    async run(signal) {
      const failed = Promise.withResolvers<never>();
      failed.promise.catch(() => undefined); // thrown at the next look
      while (!signal.aborted) {
        const waiting = await postgres.ask<{ id: string }>(
          `select id from connection where state = 'RECONNECT_REQUIRED'`,
        );
        for (const { id } of waiting) {
          const account = byConnection.get(id);
          if (account === undefined || underWay.has(id)) continue;
          underWay.add(id);
          reconnect(account, signal)
            .catch((error) => (signal.aborted ? undefined : failed.reject(error)))
            .finally(() => underWay.delete(id));
        }
        await Promise.race([failed.promise, delay(LOOK_MILLISECONDS, undefined, { signal }).catch(() => undefined)]);
      }
    },
  };
}
