import {
  type ApiFamily,
  type Connection,
  REQUIRED_SCOPES,
  refreshed,
  requireReconnect,
} from '../domain/connection/connection.ts';
import type { ConnectionId } from '../domain/ids.ts';
import { closingFor, credentialsGate } from '../domain/post/gate.ts';
import { consequenceOf, type PublishError } from '../domain/publish-error.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { Secret } from '../domain/secret.ts';
import type { AppTurns, Priority } from './app-turns.ts';
import type { PlatformHealth } from './platform-health.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { Credential, Credentials, NewCredential } from './ports/credentials.ts';
import type { FailPoint } from './ports/fail-point.ts';
import type { Gates } from './ports/gates.ts';
import type { Log } from './ports/log.ts';
import type { Metrics } from './ports/metrics.ts';
import type { GrantRefusal, Quotas, TokenGrant } from './ports/tiktok.ts';
import type { Traces } from './ports/traces.ts';
import { quotaKey, type Turns } from './ports/turns.ts';
import { type TikToks, tiktokOf } from './tiktoks.ts';
import { refreshDueTime, tokenLife } from './token-life.ts';

/** TikTok with a token that works. */
export interface TokenUse {
  /**
   * Calls with a good access token. When TikTok refuses it, refreshes once and calls once more. A call that counts against
   * `quota` is not made when the account has no turn, and none is made when the app has none for a while: then
   * UPSTREAM_RATE_LIMITED with a `retryTime` says when to come back, and TikTok was not asked. What nobody waits for says BACKGROUND.
   * A connection that was read a moment ago is not read again, nor for a minute its tokens, by who calls with the very same.
   */
  call<T>(
    of: ConnectionId | Connection,
    request: (accessToken: Secret) => Promise<Result<T, PublishError>>,
    quota?: keyof Quotas,
    priority?: Priority,
  ): Promise<Result<T, PublishError>>;
  /**
   * Forces a refresh, or joins the one that is under way. With `version`, only of that very pair: of a newer one nothing is asked,
   * and it is given.
   */
  refresh(connectionId: ConnectionId, version?: number, priority?: Priority): Promise<Result<Credential, PublishError>>;
}

/** For workers, who wait for as long as a refresh takes: a minute and a half when another process died over one. */
export interface AccountAccess extends TokenUse {
  /** For callers, who don't: after a quarter of a minute they are told PLATFORM_UNAVAILABLE, and the refresh goes on. */
  readonly forCallers: TokenUse;
  /**
   * For the end of the process: resolves when no token is being spent, for it would take a new pair with it. None is spent after that.
   */
  settled(): Promise<void>;
}

/** A token is used only when it outlives the call by this much. */
const MARGIN_SECONDS = 600;
/** Who makes several calls for one post reads the tokens once for all of them. */
const KEPT_MILLISECONDS = 60_000;
/** Longer than TikTok's answer may take twice over (10 s each) with the pause between. */
const CLAIM_SECONDS = 30;
/** A lost answer may have spent the token: ask again soon, before TikTok forgets the race. */
const SECOND_TRY_SECONDS = 2;
/** How long a frozen worker's answer may still come in after its claim lapsed. */
const LATE_WRITER_SECONDS = 60;
/** Who asks is told after this that it takes longer, and to ask again: callers wait for half a minute at most. */
const PATIENCE_SECONDS = 15;

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

/** There was no turn for the call: TikTok never heard of it. Only our own count of calls knows when the next one may be. */
export const wasNotAsked = (
  error: PublishError,
): error is Extract<PublishError, { code: 'UPSTREAM_RATE_LIMITED' }> & { readonly retryTime: Date } =>
  error.code === 'UPSTREAM_RATE_LIMITED' && error.retryTime !== undefined;

const DEAD: PublishError = { code: 'ACCOUNT_SESSION_INVALID' };

/** Callers have their answer before the work is done, where it takes longer than they wait. */
type Flight = {
  readonly answer: Promise<Result<Credential, PublishError>>;
  readonly done: Promise<Result<Credential, PublishError>>;
};
/** What of a flight is waited for. */
type Patience = keyof Flight;
type Waiting = { readonly patience: Patience; readonly priority: Priority | undefined };

/** Tells who waits that it takes longer. Repeating changes nothing. */
type TellCallers = () => void;

export function accountAccess(needs: {
  readonly connections: Connections;
  readonly credentials: Credentials;
  readonly tiktoks: TikToks;
  readonly turns: Turns;
  readonly appTurns: AppTurns;
  readonly gates: Gates;
  readonly health: PlatformHealth;
  readonly metrics: Metrics;
  readonly traces: Traces;
  readonly clock: Clock;
  readonly log: Log;
  /** Names this process among all that share the database. */
  readonly owner: string;
  readonly wait: (seconds: number) => Promise<void>;
  /** From 0 to 1. */
  readonly random: () => number;
  /** The process is about to stop: nobody waits for others any more. */
  readonly stopping: AbortSignal;
  readonly failPoint: FailPoint;
}): AccountAccess {
  const {
    connections,
    credentials,
    tiktoks,
    turns,
    appTurns,
    gates,
    health,
    metrics,
    traces,
    clock,
    log,
    owner,
    wait,
    random,
    stopping,
    failPoint,
  } = needs;
  const flights = new Map<ConnectionId, Flight>();
  /** Gone with whoever holds the connection as it was read. A pair that was renewed since is found out by TikTok's refusal. */
  const kept = new WeakMap<Connection, { readonly credential: Credential; readonly readTime: Date }>();
  let ending = false;

  const usable = (credential: Credential): boolean =>
    credential.accessExpireTime.getTime() - clock.now().getTime() > MARGIN_SECONDS * 1000;

  /** A pair newer than `stale`, from whoever gets it first. */
  function newerThan(
    stale: Credential,
    apiFamily: ApiFamily,
    { patience, priority }: Waiting,
  ): Promise<Result<Credential, PublishError>> {
    const { connectionId } = stale;
    const running = flights.get(connectionId);
    if (running !== undefined) return running[patience];
    const { promise: answer, resolve, reject } = Promise.withResolvers<Result<Credential, PublishError>>();
    let toldEarly = false;
    const tellCallers = (): void => {
      toldEarly = true;
      resolve(err({ code: 'PLATFORM_UNAVAILABLE' }));
    };
    const done = refreshInTurn(stale, apiFamily, priority, tellCallers).finally(() => flights.delete(connectionId));
    done.then(resolve, (error: unknown) => {
      reject(error);
      if (toldEarly) log.error({ connectionId, error }, 'a refresh that nobody waited for any more failed');
    });
    // Who waits for the other one hears of it there.
    answer.catch(() => undefined);
    const flight = { answer, done };
    flights.set(connectionId, flight);
    return flight[patience];
  }

  /** The turn comes before the claim, which lasts no longer than the call itself may take. */
  async function refreshInTurn(
    stale: Credential,
    apiFamily: ApiFamily,
    priority: Priority | undefined,
    tellCallers: TellCallers,
  ): Promise<Result<Credential, PublishError>> {
    return traces.span({ name: 'refresh token', facts: { connectionId: stale.connectionId, apiFamily } }, async () => {
      const early = await appTurns.take(apiFamily, priority);
      const refreshed = early === undefined ? await refreshAcrossProcesses(stale, tellCallers) : err(early);
      traces.tell({ outcome: refreshed.ok ? 'RENEWED' : refreshed.error.code });
      return refreshed;
    });
  }

  async function refreshAcrossProcesses(
    stale: Credential,
    tellCallers: TellCallers,
  ): Promise<Result<Credential, PublishError>> {
    for (let waited = 0; waited <= CLAIM_SECONDS + 5 && !ending; waited += 0.25) {
      const claim = await credentials.claimRefresh(stale.connectionId, stale.version, owner, CLAIM_SECONDS);
      if (claim !== 'BUSY') {
        let abandoned = false;
        const abandon = (): void => {
          abandoned = true;
        };
        try {
          return await spend(stale, claim, { tellCallers, abandon });
        } finally {
          if (!abandoned) await credentials.releaseRefresh(stale.connectionId, owner);
        }
      }
      const current = await credentials.find(stale.connectionId);
      if (current === undefined) return err(DEAD);
      if (current.version !== stale.version) return ok(current);
      if (stopping.aborted) break;
      if (waited >= PATIENCE_SECONDS) tellCallers();
      await wait(0.25);
    }
    return err({ code: 'PLATFORM_UNAVAILABLE' });
  }

  async function spend(
    stale: Credential,
    claim: 'CLAIMED' | 'TAKEN_OVER',
    { tellCallers, abandon }: { readonly tellCallers: TellCallers; readonly abandon: () => void },
  ): Promise<Result<Credential, PublishError>> {
    const connection = await connections.find(stale.connectionId);
    if (connection === undefined || connection.state === 'DISCONNECTED') return err(DEAD);
    const { apiFamily } = connection;
    const { authorization } = tiktokOf(tiktoks, apiFamily);
    const [gate] = await gates.all([credentialsGate(apiFamily)]);
    if (gate !== undefined && !gate.tried && gate.until > clock.now()) return err(gate.error);

    const first = await authorization.refresh(stale.refreshToken);
    const lost = !first.ok && first.error.code === 'NOT_ANSWERED' && maySpendToken(first.error.error);
    if (lost) {
      log.warn(
        { connectionId: stale.connectionId, version: stale.version, ...first.error.error },
        'a token refresh was not answered: the token may be spent',
      );
      await credentials.noteUnanswered(stale.connectionId, stale.version);
      await wait(SECOND_TRY_SECONDS);
    }
    const grant = lost ? await authorization.refresh(stale.refreshToken) : first;
    metrics.tokenRefreshed(grant.ok ? 'RENEWED' : grant.error.code);
    await failPoint('refresh-answered');
    if (!grant.ok) {
      if (grant.error.code === 'NOT_ANSWERED') await heedAppRefusal(grant.error.error, connection);
      return judge(stale, grant.error, { claim, connection, tellCallers, abandon });
    }
    const kept = await keep(stale, grant.value, tellCallers);
    // A post that tries the gate opens it itself, and lets go who waits for it.
    if (gate !== undefined && !gate.tried && (await gates.open(gate.key)))
      log.info({ apiFamily }, 'TikTok takes the app again');
    return kept;
  }

  /** No account can be blamed for it, and to ask for others would get the same answer. */
  async function heedAppRefusal(error: PublishError, connection: Connection): Promise<void> {
    const closing = error.code === 'APP_CREDENTIALS_REJECTED' ? closingFor(error, connection) : undefined;
    if (closing === undefined) return;
    const until = await gates.shut(closing, error);
    log.error(
      { apiFamily: connection.apiFamily, ...error, until },
      'TikTok refuses the app: no token is renewed until it takes TIKTOK_CLIENT_KEY and TIKTOK_CLIENT_SECRET; no account has to reconnect',
    );
  }

  /** The old pair is spent: the new one is stored before anyone uses it, however long the database takes. */
  async function keep(
    parent: Credential,
    grant: TokenGrant,
    tellCallers: TellCallers,
  ): Promise<Result<Credential, PublishError>> {
    const now = clock.now();
    const pair: NewCredential = {
      connectionId: parent.connectionId,
      workspaceId: parent.workspaceId,
      accessToken: grant.accessToken,
      refreshToken: grant.refreshToken,
      ...tokenLife(grant, now),
      refreshDueTime: refreshDueTime(grant, now, random()),
    };
    const stored = await untilStored(tellCallers, () => credentials.replace(pair, parent.version));
    if (stored !== undefined) {
      await untilStored(tellCallers, () =>
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

  async function untilStored<T>(tellCallers: TellCallers, store: () => Promise<T>): Promise<T> {
    for (let pause = 0.25, waited = 0; ; waited += pause, pause = Math.min(pause * 2, 5)) {
      try {
        return await store();
      } catch (error) {
        log.error({ error }, 'a refreshed token pair is not stored yet');
        if (waited >= PATIENCE_SECONDS) tellCallers();
        await wait(pause);
      }
    }
  }

  async function judge(
    stale: Credential,
    refusal: GrantRefusal,
    {
      claim,
      connection,
      tellCallers,
      abandon,
    }: {
      readonly claim: 'CLAIMED' | 'TAKEN_OVER';
      readonly connection: Connection;
      readonly tellCallers: TellCallers;
      readonly abandon: () => void;
    },
  ): Promise<Result<Credential, PublishError>> {
    if (refusal.code === 'NOT_ANSWERED') return err(refusal.error);
    const { connectionId } = stale;
    // Someone whose claim lapsed may have spent the token and still be about to store the new pair.
    for (let waited = 0; ; waited += 1) {
      const current = await credentials.find(connectionId);
      if (current === undefined) return err(DEAD);
      if (current.version !== stale.version) return ok(current);
      if (claim === 'CLAIMED' || waited >= LATE_WRITER_SECONDS) {
        await markDead(connection, refusal.error, { grantLost: current.unansweredSince !== undefined });
        return err(refusal.error);
      }
      tellCallers();
      if (ending || stopping.aborted) {
        // Whoever comes next has to wait as well, so that the claim lapses instead of being given back.
        abandon();
        return err({ code: 'PLATFORM_UNAVAILABLE' });
      }
      await wait(1);
    }
  }

  /** Judged by what was known of the connection before TikTok was asked: a reconnect since then has the last word. */
  async function markDead(
    connection: Connection,
    reason: PublishError,
    { grantLost = false }: { readonly grantLost?: boolean } = {},
  ): Promise<void> {
    const { id, version } = connection;
    const marked = await connections.update(id, (current) =>
      current.state === 'DISCONNECTED' || current.version !== version
        ? err(undefined)
        : ok(requireReconnect(current, reason, clock.now(), { grantLost })),
    );
    if (marked.ok) {
      if (grantLost && !(connection.state === 'RECONNECT_REQUIRED' && connection.grantLost)) {
        metrics.grantLost();
        log.error({ connectionId: id }, 'a grant was lost with an answer of TikTok');
      }
      log.warn(
        { connectionId: id, code: reason.code },
        'TikTok no longer accepts the grant: the person has to reconnect',
      );
    }
  }

  async function credentialOf(connection: Connection): Promise<Credential | undefined> {
    const known = kept.get(connection);
    if (known !== undefined && clock.now().getTime() - known.readTime.getTime() < KEPT_MILLISECONDS) {
      return known.credential;
    }
    const readTime = clock.now();
    const credential = await credentials.find(connection.id);
    if (credential === undefined) kept.delete(connection);
    else kept.set(connection, { credential, readTime });
    return credential;
  }

  /** A good pair, and the connection as it is with that pair. */
  async function current(
    connection: Connection,
    waiting: Waiting,
  ): Promise<Result<{ readonly credential: Credential; readonly connection: Connection }, PublishError>> {
    if (connection.state === 'RECONNECT_REQUIRED') return err(connection.reconnectReason);
    const credential = await credentialOf(connection);
    if (credential === undefined) return err(DEAD);
    if (usable(credential)) return ok({ credential, connection });
    const newer = await renewed(credential, connection, waiting);
    // A refresh that TikTok did not answer leaves a token that may be good for minutes yet.
    const stillGood = credential.accessExpireTime > clock.now();
    return newer.ok || !stillGood || refusesToken(newer.error) ? newer : ok({ credential, connection });
  }

  async function renewed(
    stale: Credential,
    before: Connection,
    waiting: Waiting,
  ): Promise<Result<{ readonly credential: Credential; readonly connection: Connection }, PublishError>> {
    const newer = await newerThan(stale, before.apiFamily, waiting);
    if (!newer.ok) return newer;
    kept.set(before, { credential: newer.value, readTime: clock.now() });
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
    if (answer.error.code === 'UPSTREAM_RATE_LIMITED') {
      if (quota !== undefined) {
        await turns.exhaust(quotaKey(quota, connection), tiktokOf(tiktoks, apiFamily).quotas[quota]);
      }
      // It may be the app's limit as well: TikTok does not say which.
      await appTurns.exhaust(apiFamily);
    }
    // A grant that was withdrawn, or lacks what publishing needs, is as dead as an expired one: only the person can mend it.
    if (endsGrant(answer.error, connection)) await markDead(connection, answer.error);
    return answer;
  }

  const waitingFor = (patience: Patience): TokenUse => ({
    async call(of, request, quota, priority) {
      const connection = typeof of === 'string' ? await connections.find(of) : of;
      if (connection === undefined) return err(DEAD);
      const { apiFamily } = connection;
      const waiting = { patience, priority };
      const good = await current(connection, waiting);
      if (!good.ok) return good;
      const early =
        (quota && (await outOfTurn(good.value.connection, quota))) ?? (await appTurns.take(apiFamily, priority));
      if (early !== undefined) return err(early);
      const answer = await request(good.value.credential.accessToken);
      if (answer.ok || !refusesToken(answer.error)) return heeded(good.value.connection, answer, quota);

      const newer = await renewed(good.value.credential, good.value.connection, waiting);
      if (!newer.ok) return newer;
      const late = await appTurns.take(apiFamily, priority);
      if (late !== undefined) return err(late);
      return heeded(newer.value.connection, await request(newer.value.credential.accessToken), quota);
    },
    async refresh(connectionId, version, priority) {
      const credential = await credentials.find(connectionId);
      if (credential === undefined) return err(DEAD);
      if (version !== undefined && credential.version !== version) return ok(credential);
      const connection = await connections.find(connectionId);
      if (connection === undefined) return err(DEAD);
      return newerThan(credential, connection.apiFamily, { patience, priority });
    },
  });

  return {
    ...waitingFor('done'),
    forCallers: waitingFor('answer'),
    async settled() {
      ending = true;
      await Promise.allSettled([...flights.values()].map(({ done }) => done));
    },
  };
}
