import type { Workspaces } from '../domain/caller.ts';
import {
  type Connection,
  type Consent,
  connect,
  ineligibility,
  missingRequiredScopes,
  reconnect,
} from '../domain/connection/connection.ts';
import type { ConnectionId } from '../domain/ids.ts';
import type { PublishError } from '../domain/publish-error.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { AppTurns } from './app-turns.ts';
import { requireText } from './field-checks.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { Credentials, NewCredential } from './ports/credentials.ts';
import type { Doorbell } from './ports/doorbell.ts';
import type { Ids } from './ports/ids.ts';
import type { Log } from './ports/log.ts';
import type { PendingAuthorization, PendingAuthorizations } from './ports/pending-authorizations.ts';
import type { Posts } from './ports/posts.ts';
import type { TikTok, TokenGrant } from './ports/tiktok.ts';
import type { Refusal } from './refusal.ts';
import { type TikToks, tiktokOf } from './tiktoks.ts';
import { refreshDueTime, tokenLife } from './token-life.ts';
import { toldByCreator } from './told-by-creator.ts';

export type CompleteConnection = (input: {
  readonly state: string;
  /** What TikTok sent back: a code, or the `error` of the callback. */
  readonly answer: { readonly code: string } | { readonly tiktokError: string };
  /** Where the caller may act: a state of another workspace is unknown to it, and stays good. Absent for a browser, which brings nothing but the state. */
  readonly workspaces?: Workspaces;
}) => Promise<CompletedConnection>;

/** `returnUri` is where the browser goes, known as soon as the state is. */
export type CompletedConnection = Result<
  { readonly connection: Connection; readonly returnUri?: string },
  Refusal & { readonly returnUri?: string }
>;

/** Of TikTok, for one consent: the tokens, the account, what it may publish. */
const CALLS = 3;

export function completeConnection(needs: {
  readonly connections: Connections;
  readonly credentials: Credentials;
  readonly pending: PendingAuthorizations;
  readonly posts: Posts;
  readonly doorbell: Doorbell;
  readonly tiktoks: TikToks;
  readonly appTurns: AppTurns;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  /** From 0 to 1. */
  readonly random: () => number;
}): CompleteConnection {
  const { connections, credentials, pending, posts, doorbell, tiktoks, appTurns, clock, ids, log, random } = needs;

  return async ({ state, answer, workspaces = 'ALL' }) => {
    const findings = [
      ...requireText('state', state, 200),
      ...('code' in answer ? requireText('code', answer.code, 2000) : []),
    ];
    if (findings.length > 0) return err({ code: 'INVALID', findings });
    const begun = await pending.take(state, clock.now(), workspaces);
    if (begun === undefined) return err({ code: 'STATE_INVALID' });

    const outcome = await finish(begun, state, answer);
    const back = begun.returnUri === undefined ? {} : { returnUri: begun.returnUri };
    return outcome.ok ? ok({ connection: outcome.value, ...back }) : err({ ...outcome.error, ...back });
  };

  async function finish(
    begun: PendingAuthorization,
    state: string,
    answer: Parameters<CompleteConnection>[0]['answer'],
  ): Promise<Result<Connection, Refusal>> {
    if ('tiktokError' in answer) return err({ code: 'AUTHORIZATION_DENIED', tiktokCode: answer.tiktokError });
    const tiktok = tiktokOf(tiktoks, begun.apiFamily);
    // A code is good once: there has to be room for all that is asked with it before it is spent.
    for (let call = 0; call < CALLS; call += 1) {
      const early = await appTurns.take(begun.apiFamily);
      if (early !== undefined) return refused(early);
    }
    const grant = await tiktok.authorization.exchange(answer.code, state);
    if (!grant.ok) return refused(grant.error.error);

    const accepted = await examine(begun, tiktok, grant.value);
    if (!accepted.ok) {
      // Nobody will use this grant: TikTok should not list us as connected, unless we are, to this or another workspace.
      if (!(await connections.isConnected(begun.apiFamily, grant.value.openId))) {
        const revoked = await tiktok.authorization.revoke(grant.value.accessToken);
        if (!revoked.ok) log.warn(revoked.error, 'a refused grant could not be revoked at TikTok');
      }
      return accepted;
    }
    const connection = await store(begun, accepted.value, grant.value);
    await posts.wake({ connectionId: connection.id });
    await doorbell.ringNow();
    return ok(connection);
  }

  async function examine(
    begun: PendingAuthorization,
    { authorization, publishing }: TikTok,
    grant: TokenGrant,
  ): Promise<Result<Consent, Refusal>> {
    const scopes = missingRequiredScopes(begun.apiFamily, grant.scopes);
    if (scopes.length > 0) return refused({ code: 'ACCOUNT_SCOPE_MISSING', scopes });
    if (begun.reconnects !== undefined) {
      const expected = (await connections.find(begun.reconnects))?.account.openId;
      if (expected !== grant.openId) {
        return err({ code: 'RECONNECT_OTHER_ACCOUNT', expected: expected ?? '', observed: grant.openId });
      }
    }
    const account = await authorization.readAccount(grant.accessToken, grant.scopes);
    if (!account.ok) return refused(account.error);
    const ineligible = ineligibility(account.value);
    if (ineligible !== undefined) return refused(ineligible);
    // Not being able to post today is no reason to refuse the account; GetPublishingCapabilities tells.
    const creator = await publishing.readCreator(grant.accessToken);
    return ok({
      account: creator.ok ? { ...toldByCreator(creator.value), ...account.value } : account.value,
      grantedScopes: grant.scopes,
      ...tokenLife(grant, clock.now()),
    });
  }

  /** Tokens first: a connection that is ACTIVE always has them. */
  async function store(begun: PendingAuthorization, consent: Consent, grant: TokenGrant): Promise<Connection> {
    const { workspaceId, apiFamily } = begun;
    const known = await connections.findByAccount(workspaceId, apiFamily, consent.account.openId);
    const id: ConnectionId = known?.id ?? ids.connectionId();
    const { accessExpireTime, refreshExpireTime } = consent;
    const { accessToken, refreshToken } = grant;
    const pair: NewCredential = {
      connectionId: id,
      workspaceId,
      accessToken,
      refreshToken,
      accessExpireTime,
      refreshExpireTime,
      refreshDueTime: refreshDueTime(grant, clock.now(), random()),
    };
    await credentials.put(pair);

    const now = clock.now();
    if (known === undefined) {
      const made = connect(id, workspaceId, apiFamily, consent, now);
      if (await connections.add(made)) return made;
      // Someone connected the same account at the same moment: theirs stays, with the newer consent.
      await credentials.destroy(id);
      return store(begun, consent, grant);
    }
    const revived = await connections.update(id, (connection) => ok(reconnect(connection, consent, now)));
    if (!revived.ok) throw new Error(`connection ${id} vanished while it was reconnected`);
    // A disconnect that was begun before may have taken the pair with it, and one that comes now takes it for good.
    while ((await credentials.find(id)) === undefined) {
      if ((await connections.find(id))?.state === 'DISCONNECTED') break;
      await credentials.put(pair);
      await credentials.destroyIfDisconnected(id);
    }
    return revived.value;
  }
}

const refused = (error: PublishError) => err({ code: 'TIKTOK_REFUSED', error, consentSpent: true } as const);
