import { type Connection, REQUIRED_SCOPES, refreshed, requireReconnect } from '../domain/connection/connection.ts';
import type { ConnectionId } from '../domain/ids.ts';
import { consequenceOf, type PublishError } from '../domain/publish-error.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { Secret } from '../domain/secret.ts';
import type { PlatformHealth } from './platform-health.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { Credential, Credentials, NewCredential } from './ports/credentials.ts';
import type { FailPoint } from './ports/fail-point.ts';
import type { Log } from './ports/log.ts';
import type { Metrics } from './ports/metrics.ts';
import type { GrantRefusal, Quotas, TokenGrant } from './ports/tiktok.ts';
import { quotaKey, type Turns } from './ports/turns.ts';
import { type TikToks, tiktokOf } from './tiktoks.ts';
import { tokenLife } from './token-life.ts';

/** TikTok with a token that works, for whoever needs to call it. */
export interface AccountAccess {
  /**
   * Calls with a good access token. When TikTok refuses it, refreshes once and calls once more. A call that counts against
   * `quota` is not made when the account has no turn: then UPSTREAM_RATE_LIMITED says when to come back.
   */
  call<T>(
    connectionId: ConnectionId,
    request: (accessToken: Secret) => Promise<Result<T, PublishError>>,
    quota?: keyof Quotas,
  ): Promise<Result<T, PublishError>>;
  /** Forces a refresh, or joins the one that is under way. */
  refresh(connectionId: ConnectionId): Promise<Result<Credential, PublishError>>;
  /** Resolves when no token is being spent: a process that ended before would take a new pair with it. */
  settled(): Promise<void>;
}

/** A token is used only when it outlives the call by this much. */
const MARGIN_SECONDS = 600;
/** Longer than TikTok's answer may take twice over (10 s each) with the pause between. */
const CLAIM_SECONDS = 30;
/** A lost answer may have spent the token: ask again soon, before TikTok forgets the race. */
const SECOND_TRY_SECONDS = 2;
/** How long a frozen worker's answer may still come in after its claim lapsed. */
const LATE_WRITER_SECONDS = 60;

/** Without what publishing does not need, such as drafts or the list of videos, the account can still be published to. */
const endsGrant = (error: PublishError, { apiFamily }: Connection): boolean =>
  error.code === 'ACCOUNT_SCOPE_MISSING'
    ? error.scopes.some((scope) => REQUIRED_SCOPES[apiFamily].includes(scope))
    : consequenceOf(error).kind === 'HOLD_RECONNECT';

/** TikTok said a plain no before it looked at the token. */
const maySpendToken = ({ code }: PublishError): boolean =>
  code !== 'APP_CREDENTIALS_REJECTED' && code !== 'UPSTREAM_RATE_LIMITED';

/** Stands for "TikTok refused this very token". */
const refusesToken = (error: PublishError): boolean => error.code === 'ACCOUNT_SESSION_INVALID';

const DEAD: PublishError = { code: 'ACCOUNT_SESSION_INVALID' };

export function accountAccess(needs: {
  readonly connections: Connections;
  readonly credentials: Credentials;
  readonly tiktoks: TikToks;
  readonly turns: Turns;
  readonly health: PlatformHealth;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
  /** Names this process among all that share the database. */
  readonly owner: string;
  readonly wait: (seconds: number) => Promise<void>;
  readonly failPoint: FailPoint;
}): AccountAccess {
  const { connections, credentials, tiktoks, turns, health, metrics, clock, log, owner, wait, failPoint } = needs;
  const flights = new Map<ConnectionId, Promise<Result<Credential, PublishError>>>();

  const usable = (credential: Credential): boolean =>
    credential.accessExpireTime.getTime() - clock.now().getTime() > MARGIN_SECONDS * 1000;

  /** A pair newer than `version`, from whoever gets it first. */
  function newerThan(stale: Credential): Promise<Result<Credential, PublishError>> {
    const running = flights.get(stale.connectionId);
    if (running !== undefined) return running;
    const flight = refreshAcrossProcesses(stale).finally(() => flights.delete(stale.connectionId));
    flights.set(stale.connectionId, flight);
    return flight;
  }

  async function refreshAcrossProcesses(stale: Credential): Promise<Result<Credential, PublishError>> {
    for (let waited = 0; waited <= CLAIM_SECONDS + 5; waited += 0.25) {
      const claim = await credentials.claimRefresh(stale.connectionId, stale.version, owner, CLAIM_SECONDS);
      if (claim !== 'BUSY') {
        try {
          return await spend(stale, claim);
        } finally {
          await credentials.releaseRefresh(stale.connectionId, owner);
        }
      }
      const current = await credentials.find(stale.connectionId);
      if (current === undefined) return err(DEAD);
      if (current.version !== stale.version) return ok(current);
      await wait(0.25);
    }
    return err({ code: 'PLATFORM_UNAVAILABLE' });
  }

  async function spend(stale: Credential, claim: 'CLAIMED' | 'TAKEN_OVER'): Promise<Result<Credential, PublishError>> {
    const connection = await connections.find(stale.connectionId);
    if (connection === undefined || connection.state === 'DISCONNECTED') return err(DEAD);
    const { authorization } = tiktokOf(tiktoks, connection.apiFamily);

    const first = await authorization.refresh(stale.refreshToken);
    const lost = !first.ok && first.error.code === 'NOT_ANSWERED' && maySpendToken(first.error.error);
    if (lost) {
      log.warn(
        { connectionId: stale.connectionId, version: stale.version, ...first.error.error },
        'a token refresh was not answered: the token may be spent',
      );
      await wait(SECOND_TRY_SECONDS);
    }
    const grant = lost ? await authorization.refresh(stale.refreshToken) : first;
    metrics.tokenRefreshed(grant.ok ? 'RENEWED' : grant.error.code);
    await failPoint('refresh-answered');
    return grant.ok ? keep(stale, grant.value) : judge(stale, grant.error, { lost, claim, connection });
  }

  /** The old pair is spent: the new one is stored before anyone uses it, however long the database takes. */
  async function keep(parent: Credential, grant: TokenGrant): Promise<Result<Credential, PublishError>> {
    const now = clock.now();
    const pair: NewCredential = {
      connectionId: parent.connectionId,
      workspaceId: parent.workspaceId,
      accessToken: grant.accessToken,
      refreshToken: grant.refreshToken,
      ...tokenLife(grant, now),
    };
    const stored = await untilStored(() => credentials.replace(pair, parent.version));
    if (stored !== undefined) {
      await untilStored(() =>
        connections.update(parent.connectionId, (connection) =>
          connection.state === 'DISCONNECTED' ? err(undefined) : ok(refreshed(connection, stored, now)),
        ),
      );
      return ok(stored);
    }
    const newer = await credentials.find(parent.connectionId);
    if (newer !== undefined) return ok(newer);
    // Disconnected meanwhile: nobody may keep this pair. (While the account is connected, here again or elsewhere, it is only
    // dropped: a revocation at TikTok would take that consent with it.)
    const connection = await connections.find(parent.connectionId);
    if (connection !== undefined && !(await connections.isConnected(connection.apiFamily, grant.openId))) {
      const revoked = await tiktokOf(tiktoks, connection.apiFamily).authorization.revoke(grant.accessToken);
      if (!revoked.ok) {
        log.warn({ connectionId: parent.connectionId, ...revoked.error }, 'a stray token pair could not be revoked');
      }
    }
    return err(DEAD);
  }

  async function untilStored<T>(store: () => Promise<T>): Promise<T> {
    for (let pause = 0.25; ; pause = Math.min(pause * 2, 5)) {
      try {
        return await store();
      } catch (error) {
        log.error({ error }, 'a refreshed token pair is not stored yet');
        await wait(pause);
      }
    }
  }

  async function judge(
    stale: Credential,
    refusal: GrantRefusal,
    {
      lost,
      claim,
      connection,
    }: { readonly lost: boolean; readonly claim: 'CLAIMED' | 'TAKEN_OVER'; readonly connection: Connection },
  ): Promise<Result<Credential, PublishError>> {
    if (refusal.code === 'NOT_ANSWERED') return err(refusal.error);
    // Someone whose claim lapsed may have spent the token and still be about to store the new pair.
    for (let waited = 0; ; waited += 1) {
      const current = await credentials.find(stale.connectionId);
      if (current === undefined) return err(DEAD);
      if (current.version !== stale.version) return ok(current);
      if (claim === 'CLAIMED' || waited >= LATE_WRITER_SECONDS) break;
      await wait(1);
    }
    if (lost) log.error({ connectionId: stale.connectionId }, 'a grant was lost with an answer of TikTok');
    await markDead(connection, refusal.error);
    return err(refusal.error);
  }

  /** Judged by what was known of the connection before TikTok was asked: a reconnect since then has the last word. */
  async function markDead({ id, version }: Connection, reason: PublishError): Promise<void> {
    const marked = await connections.update(id, (connection) =>
      connection.state === 'DISCONNECTED' || connection.version !== version
        ? err(undefined)
        : ok(requireReconnect(connection, reason, clock.now())),
    );
    if (marked.ok) {
      log.warn(
        { connectionId: id, code: reason.code },
        'TikTok no longer accepts the grant: the person has to reconnect',
      );
    }
  }

  /** A good pair, and the connection as it is with that pair. */
  async function current(
    connection: Connection,
  ): Promise<Result<{ readonly credential: Credential; readonly connection: Connection }, PublishError>> {
    if (connection.state === 'RECONNECT_REQUIRED') return err(connection.reconnectReason);
    const credential = await credentials.find(connection.id);
    if (credential === undefined) return err(DEAD);
    if (usable(credential)) return ok({ credential, connection });
    const newer = await renewed(credential, connection);
    // A refresh that TikTok did not answer leaves a token that may be good for minutes yet.
    const stillGood = credential.accessExpireTime > clock.now();
    return newer.ok || !stillGood || refusesToken(newer.error) ? newer : ok({ credential, connection });
  }

  async function renewed(
    stale: Credential,
    before: Connection,
  ): Promise<Result<{ readonly credential: Credential; readonly connection: Connection }, PublishError>> {
    const newer = await newerThan(stale);
    if (!newer.ok) return newer;
    return ok({ credential: newer.value, connection: (await connections.find(before.id)) ?? before });
  }

  /** Undefined when the account may make this call now. */
  async function outOfTurn(connection: Connection, name: keyof Quotas): Promise<PublishError | undefined> {
    const turn = await turns.take(quotaKey(name, connection), tiktokOf(tiktoks, connection.apiFamily).quotas[name]);
    return turn.taken ? undefined : { code: 'UPSTREAM_RATE_LIMITED', retryTime: turn.freeTime };
  }

  /** What an answer tells of others: of TikTok's health, of the account's quota, of its grant. */
  async function heeded<T>(
    connection: Connection,
    answer: Result<T, PublishError>,
    quota: keyof Quotas | undefined,
  ): Promise<Result<T, PublishError>> {
    const { apiFamily } = connection;
    health.note(apiFamily, answer.ok ? undefined : answer.error);
    if (answer.ok) return answer;
    if (answer.error.code === 'UPSTREAM_RATE_LIMITED' && quota !== undefined) {
      await turns.exhaust(quotaKey(quota, connection), tiktokOf(tiktoks, apiFamily).quotas[quota]);
    }
    // A grant that was withdrawn, or lacks what publishing needs, is as dead as an expired one: only the person can mend it.
    if (endsGrant(answer.error, connection)) await markDead(connection, answer.error);
    return answer;
  }

  return {
    async call(connectionId, request, quota) {
      const connection = await connections.find(connectionId);
      if (connection === undefined) return err(DEAD);
      const good = await current(connection);
      if (!good.ok) return good;
      const early = quota === undefined ? undefined : await outOfTurn(good.value.connection, quota);
      if (early !== undefined) return err(early);
      const answer = await request(good.value.credential.accessToken);
      if (answer.ok || !refusesToken(answer.error)) return heeded(good.value.connection, answer, quota);

      const newer = await renewed(good.value.credential, good.value.connection);
      if (!newer.ok) return newer;
      return heeded(newer.value.connection, await request(newer.value.credential.accessToken), quota);
    },
    async refresh(connectionId) {
      const credential = await credentials.find(connectionId);
      return credential === undefined ? err(DEAD) : newerThan(credential);
    },
    async settled() {
      await Promise.allSettled(flights.values());
    },
  };
}
