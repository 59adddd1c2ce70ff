import pLimit from 'p-limit';
import { daysOf, daysToRead, nextAccountTime, nextListTime } from '../domain/analytics/collection.ts';
import type { AccountReading } from '../domain/analytics/reading.ts';
import type { ApiFamily, Connection } from '../domain/connection/connection.ts';
import { collectionGate, credentialsGate, platformGate } from '../domain/post/gate.ts';
import type { PublishError } from '../domain/publish-error.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { Secret } from '../domain/secret.ts';
import { inSeconds } from '../domain/time.ts';
import { type TokenUse, wasNotAsked } from './account-access.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { Gates } from './ports/gates.ts';
import type { Log } from './ports/log.ts';
import type { CollectionLease, CollectionPlan, MetricCollections, VideosTold } from './ports/metric-collections.ts';
import type { CollectionCall, CollectionOutcome, Metrics } from './ports/metrics.ts';
import type { Insights, Quota } from './ports/tiktok.ts';
import type { Traces } from './ports/traces.ts';
import type { Turns } from './ports/turns.ts';
import { cutOff, type Repeated, repeat } from './repeat.ts';
import { type TikToks, tiktokOf } from './tiktoks.ts';

/**
 * Asks TikTok for the numbers of videos and accounts, over and over: more often while a video is young, and never faster than half of
 * what TikTok allows, so that posts always have room. What is due is in the database: any number of processes share it.
 */
export interface MetricCollecting extends Repeated {
  /** Does what there is to do at this moment, as far as TikTok's limits go. Harmless in many processes at once. */
  sweep(): Promise<void>;
}

/**
 * How often TikTok may be asked for numbers of a family's accounts, all workers together: in the open family for each endpoint. Whole;
 * 0 is never.
 */
export type CollectionRates = Readonly<Record<ApiFamily, { readonly callsPerSecond: number }>>;

/**
 * Half of what TikTok allows an app at least: in the open family 600 a minute for each endpoint (open-api §8), in the Business family
 * 10 a second and 600 a minute for all of them together (business-api §9.3).
 */
export const COLLECTION_RATES: CollectionRates = { OPEN: { callsPerSecond: 5 }, BUSINESS: { callsPerSecond: 4 } };

/** Half of what TikTok allows for one account and endpoint of the Business family, a minute and two seconds (business-api §9.3). */
const ACCOUNT_QUOTA: Quota = { calls: 20, windowSeconds: 62 };

const LOOK_SECONDS = 10;
/** Accounts that one process asks about at once. */
const AT_ONCE = 8;
/** Taken at once: to find out who is next takes the database long when everything is due. */
const BATCH = 32;
/** Then the other accounts have their turn: a list of thousands of videos must not be in their way. */
const CALLS_AT_A_TIME = 10;
/** Before it goes on. Without a pause what never comes to an end would ask TikTok without one. */
const GO_ON_SECONDS = 2;
/** TikTok takes no more ids. */
const VIDEOS_AT_ONCE = 20;
/** Videos that are due so soon are asked about along with those that are due. */
const EARLY_SECONDS = 1800;
/** A turn that comes later is not waited for. */
const PATIENCE_SECONDS = 5;
/** Longer than a batch takes as a rule, and one call with a refresh of the token. Each answer that is stored begins it anew. */
const LEASE_SECONDS = 300;
/** At the end of the process. */
const LAST_WORD_SECONDS = 5;
/** An account that grants none of what is asked for is looked at again after this. */
const DAY_SECONDS = 86_400;
/** TikTok wants a pause of minutes (business-api §9.3). */
const RATE_LIMITED = { seconds: 60, atMostSeconds: 600 } as const;

/** Before the next try when `failures` went wrong in a row: a minute to six hours. */
const backOffSeconds = (failures: number, random: number): number =>
  Math.min(60 * 2 ** failures, 21_600) * (0.75 + 0.5 * random);

/** Why a round ended before everything was asked. */
type Stop =
  | { readonly why: 'MORE' }
  | { readonly why: 'NO_TURN'; readonly freeTime: Date }
  | { readonly why: 'REFUSED'; readonly error: PublishError }
  | { readonly why: 'LOST' };

/** What is refused of the account alone keeps no video from being looked at. */
const isOfOneCall = (stop: Stop): boolean =>
  stop.why === 'REFUSED' &&
  (stop.error.code === 'CONNECTOR_REQUEST_REJECTED' || stop.error.code === 'ACCOUNT_SCOPE_MISSING');

const may = {
  list: ({ grantedScopes }: Connection): boolean => grantedScopes.includes('video.list'),
  readAccount: ({ grantedScopes }: Connection): boolean =>
    grantedScopes.includes('user.info.stats') || grantedScopes.includes('user.insights'),
};

const earliest = (times: readonly (Date | undefined)[]): Date | undefined =>
  times.filter((time) => time !== undefined).toSorted((left, right) => left.getTime() - right.getTime())[0];

export function collectMetrics(needs: {
  readonly collections: MetricCollections;
  readonly connections: Connections;
  readonly access: TokenUse;
  readonly gates: Gates;
  readonly turns: Turns;
  readonly tiktoks: TikToks;
  readonly rates: CollectionRates;
  readonly metrics: Metrics;
  readonly traces: Traces;
  readonly clock: Clock;
  readonly log: Log;
  readonly wait: (seconds: number) => Promise<void>;
  /** From 0 to 1. */
  readonly random: () => number;
}): MetricCollecting {
  const { collections, connections, access, gates, turns, tiktoks, rates, metrics, traces, clock, log, wait, random } =
    needs;
  /** Nothing is asked of these families by this process before. */
  const restUntil = new Map<ApiFamily, Date>();
  const few = pLimit(AT_ONCE);
  let ending = (): boolean => false;

  /** The families that are asked at this moment: all their gates are open, or they were shut for long enough to try one account. */
  async function families(): Promise<{ readonly open: readonly ApiFamily[]; readonly doubtful: readonly ApiFamily[] }> {
    const now = clock.now();
    const rested = [...tiktoks.families.keys()].filter(
      (family) => rates[family].callsPerSecond > 0 && (restUntil.get(family) ?? now) <= now,
    );
    const keysOf = (family: ApiFamily) => [platformGate(family), credentialsGate(family), collectionGate(family)];
    const shut = await gates.all(rested.flatMap(keysOf));
    const shutOf = (family: ApiFamily) => shut.filter(({ key }) => keysOf(family).includes(key));
    return {
      open: rested.filter((family) => shutOf(family).length === 0),
      doubtful: rested.filter(
        (family) => shutOf(family).length > 0 && shutOf(family).every(({ tried, until }) => !tried && until <= now),
      ),
    };
  }

  /** Whom TikTok counts a call for, from the narrowest on: a turn that is taken and not used is lost. */
  function turnsFor(call: CollectionCall, { apiFamily, account }: Connection): readonly (readonly [string, Quota])[] {
    const perSecond: Quota = { calls: rates[apiFamily].callsPerSecond, windowSeconds: 1 };
    if (apiFamily === 'OPEN') return [[`COLLECT:OPEN:${call}`, perSecond]];
    const endpoint = call === 'ACCOUNT' ? 'get' : 'video/list';
    return [
      [`COLLECT:BUSINESS:${endpoint}:${account.openId}`, ACCOUNT_QUOTA],
      ['COLLECT:BUSINESS', perSecond],
    ];
  }

  /** Undefined when it may be asked now. */
  async function outOfTurn(call: CollectionCall, connection: Connection): Promise<Stop | undefined> {
    const patienceEnd = inSeconds(clock.now(), PATIENCE_SECONDS);
    for (const [key, quota] of turnsFor(call, connection)) {
      for (;;) {
        const turn = await turns.take(key, quota);
        if (turn.taken) break;
        const { freeTime } = turn;
        if (freeTime > patienceEnd || ending()) return { why: 'NO_TURN', freeTime };
        await wait(Math.max((freeTime.getTime() - clock.now().getTime()) / 1000, 0.01));
        if (clock.now() > patienceEnd) {
          // The whole app is at its limit: whoever comes next would wait as long.
          if (quota.windowSeconds === 1) restUntil.set(connection.apiFamily, inSeconds(clock.now(), 1));
          return { why: 'NO_TURN', freeTime: clock.now() };
        }
      }
    }
    return undefined;
  }

  /** One round about one account. What it learns is stored call by call, each with how far that brings the plan. */
  async function collect(lease: CollectionLease, connection: Connection): Promise<CollectionOutcome> {
    const { connectionId, apiFamily } = lease;
    const { insights } = tiktokOf(tiktoks, apiFamily);
    const { grantedScopes } = connection;
    let { plan } = lease;
    let calls = 0;

    async function ask<T>(
      call: CollectionCall,
      request: (insights: Insights, accessToken: Secret) => Promise<Result<T, PublishError>>,
    ): Promise<Result<{ readonly value: T; readonly time: Date }, Stop>> {
      if (calls >= CALLS_AT_A_TIME || ending()) return err({ why: 'MORE' });
      const early = await outOfTurn(call, connection);
      if (early !== undefined) return err(early);
      calls += 1;
      const time = clock.now();
      metrics.collectionAsked(call);
      const answer = await access.call(
        connectionId,
        (accessToken) => request(insights, accessToken),
        undefined,
        'BACKGROUND',
      );
      if (!answer.ok) return err({ why: 'REFUSED', error: answer.error });
      if (await gates.open(collectionGate(apiFamily))) log.info({ apiFamily }, 'TikTok takes calls for numbers again');
      return ok({ value: answer.value, time });
    }

    async function store(told: VideosTold, next: CollectionPlan): Promise<Result<{ readonly unknown: number }, Stop>> {
      const recorded = await collections.recordVideos(lease, told, next, LEASE_SECONDS);
      if (recorded === undefined) return err({ why: 'LOST' });
      plan = next;
      if (recorded.snapshots > 0) metrics.snapshotsStored(recorded.snapshots);
      return ok(recorded);
    }

    async function readAccount(): Promise<Stop | undefined> {
      if (!may.readAccount(connection) || plan.accountTime > clock.now()) return undefined;
      const { from, until } = daysToRead(plan.lastDay, clock.now());
      const answer = await ask('ACCOUNT', (api, token) => api.readAccount(token, grantedScopes, from, until));
      if (!answer.ok) return answer.error;
      const { value, time } = answer.value;
      const reading: AccountReading = { ...value, days: daysOf(value, apiFamily, time) };
      const lastDay = value.days.at(-1)?.date ?? plan.lastDay;
      const next: CollectionPlan = {
        ...plan,
        accountTime: nextAccountTime(lease.connectTime, time),
        ...(lastDay === undefined ? {} : { lastDay }),
      };
      if (!(await collections.recordAccount(lease, { time, reading }, next, LEASE_SECONDS))) return { why: 'LOST' };
      plan = next;
      return undefined;
    }

    /**
     * Goes through the list from `begin` back to its end or, once all of it is known, to a page that holds nothing unknown. With each
     * page is stored from where another worker would have to go on; `leftOver` is where an earlier one was to.
     */
    async function goThrough(begin: Date, leftOver: Date | undefined, newest: boolean): Promise<Stop | undefined> {
      const stopsAtKnown = plan.listedAll || leftOver !== undefined;
      for (let before = begin, isFirst = newest; ; isFirst = false) {
        const answer = await ask('LIST', (api, token) => api.listVideos(token, grantedScopes, before));
        if (!answer.ok) return answer.error;
        const { time, value } = answer.value;
        const { videos, olderThan } = value;
        const { listBefore: _, ...rest } = plan;
        const listed = isFirst ? { listedTime: time, listTime: nextListTime(videos[0]?.createTime, time) } : {};
        const told = { time, readings: videos, missing: [] };
        if (olderThan === undefined) {
          const last = await store(told, { ...rest, ...listed, listedAll: true });
          return last.ok ? undefined : last.error;
        }
        const page = await store(told, { ...rest, ...listed, listBefore: olderThan });
        if (!page.ok) return page.error;
        if (stopsAtKnown && videos.length > 0 && page.value.unknown === 0) {
          const { listBefore: __, ...reached } = plan;
          plan = leftOver === undefined ? reached : { ...reached, listBefore: leftOver };
          return undefined;
        }
        before = olderThan;
      }
    }

    async function listNewest(): Promise<Stop | undefined> {
      const now = clock.now();
      return plan.listTime > now ? undefined : goThrough(now, plan.listBefore, true);
    }

    async function listLeftOver(): Promise<Stop | undefined> {
      return plan.listBefore === undefined ? undefined : goThrough(plan.listBefore, undefined, false);
    }

    async function lookAtDue(): Promise<Stop | undefined> {
      for (;;) {
        const { nextVideoTime } = await collections.outlook(connectionId);
        if (nextVideoTime === undefined || nextVideoTime > clock.now()) return undefined;
        const asked = await collections.dueVideos(connectionId, inSeconds(clock.now(), EARLY_SECONDS), VIDEOS_AT_ONCE);
        const answer = await ask('VIDEOS', (api, token) => api.readVideos(token, grantedScopes, asked));
        if (!answer.ok) return answer.error;
        const { time, value: readings } = answer.value;
        const there = new Set(readings.map(({ tiktokPostId }) => tiktokPostId));
        const stored = await store({ time, readings, missing: asked.filter((id) => !there.has(id)) }, plan);
        if (!stored.ok) return stored.error;
      }
    }

    const aboutVideos = async (): Promise<Stop | undefined> =>
      may.list(connection) ? ((await listNewest()) ?? (await lookAtDue()) ?? (await listLeftOver())) : undefined;
    const first = await readAccount();
    const stop = first === undefined || isOfOneCall(first) ? ((await aboutVideos()) ?? first) : first;
    switch (stop?.why) {
      case undefined: {
        const { nextVideoTime } = may.list(connection) ? await collections.outlook(connectionId) : {};
        const next = earliest([
          may.readAccount(connection) ? plan.accountTime : undefined,
          may.list(connection) ? plan.listTime : undefined,
          nextVideoTime,
        ]);
        await collections.finish(lease, plan, next ?? inSeconds(clock.now(), DAY_SECONDS));
        return 'DONE';
      }
      case 'MORE':
        await collections.finish(lease, plan, inSeconds(clock.now(), GO_ON_SECONDS));
        return 'MORE';
      case 'NO_TURN':
        if (calls === 0) await collections.putOff(lease, stop.freeTime, 'NO_TURN');
        else await collections.finish(lease, plan, stop.freeTime);
        return 'NO_TURN';
      case 'LOST':
        return 'LOST';
      case 'REFUSED':
        return heed(lease, stop.error);
    }
  }

  async function heed(lease: CollectionLease, error: PublishError): Promise<CollectionOutcome> {
    const { connectionId, apiFamily, failures } = lease;
    if ((await connections.find(connectionId))?.state !== 'ACTIVE') {
      await collections.rest(lease);
      return 'NOT_CONNECTED';
    }
    if (wasNotAsked(error)) {
      await collections.putOff(lease, error.retryTime, 'NO_TURN');
      return 'NO_TURN';
    }
    if (error.code === 'UPSTREAM_RATE_LIMITED') {
      const until = await gates.shut({ key: collectionGate(apiFamily), ...RATE_LIMITED }, error);
      await collections.putOff(lease, until, 'NO_TURN');
      log.warn(
        { connectionId, apiFamily, ...error, until },
        'TikTok wants fewer calls: no numbers are asked for until then',
      );
      return 'REFUSED';
    }
    const seconds = error.code === 'ACCOUNT_SCOPE_MISSING' ? DAY_SECONDS : backOffSeconds(failures, random());
    await collections.putOff(lease, inSeconds(clock.now(), seconds), 'FAILURE');
    log.warn({ connectionId, failures: failures + 1, ...error }, 'numbers could not be collected yet');
    return 'REFUSED';
  }

  function visit(lease: CollectionLease): Promise<void> {
    const { connectionId, apiFamily } = lease;
    return traces.span({ name: 'collect numbers', facts: { connectionId, apiFamily } }, () => visitTraced(lease));
  }

  async function visitTraced(lease: CollectionLease): Promise<void> {
    const lateness = (clock.now().getTime() - lease.dueTime.getTime()) / 1000;
    const outcome = await round(lease).catch((error: unknown): CollectionOutcome => {
      // One that can't be stored keeps no other from being collected.
      log.error(
        { connectionId: lease.connectionId, error },
        'numbers could not be collected; tried again when the lease ends',
      );
      return 'FAILED';
    });
    traces.tell({ outcome });
    metrics.collectionEnded(outcome, lateness);
  }

  async function round(lease: CollectionLease): Promise<CollectionOutcome> {
    const connection = await connections.find(lease.connectionId);
    if (connection?.state === 'ACTIVE') return collect(lease, connection);
    // The person has to act first.
    await collections.rest(lease);
    return 'NOT_CONNECTED';
  }

  /** What was refused of one account of a batch may have shut the gate for the others. */
  async function visitUnlessShut(lease: CollectionLease): Promise<void> {
    const { open } = await families();
    if (open.includes(lease.apiFamily)) await visit(lease);
    else await collections.putOff(lease, lease.dueTime, 'NO_TURN');
  }

  async function sweep(): Promise<void> {
    const { isAnyDue } = await collections.discover();
    if (!isAnyDue) return;
    const { doubtful } = await families();
    for (const family of doubtful) {
      const [lease] = await collections.claimDue({ families: [family], limit: 1, leaseSeconds: LEASE_SECONDS });
      if (lease !== undefined) await visit(lease);
    }
    while (!ending()) {
      const { open } = await families();
      if (open.length === 0) return;
      const leases = await collections.claimDue({ families: open, limit: BATCH, leaseSeconds: LEASE_SECONDS });
      if (leases.length === 0) return;
      await Promise.all(leases.map((lease) => few(() => visitUnlessShut(lease))));
    }
  }

  const repeated = repeat(
    LOOK_SECONDS,
    async (isEnding) => {
      ending = isEnding;
      await sweep();
    },
    (error) => log.error({ error }, 'numbers could not be looked after'),
  );
  return { ...cutOff(repeated, LAST_WORD_SECONDS), sweep };
}
