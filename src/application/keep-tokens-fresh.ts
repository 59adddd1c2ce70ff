import { warned } from '../domain/connection/connection.ts';
import { credentialsGate, platformGate } from '../domain/post/gate.ts';
import { err, ok } from '../domain/result.ts';
import { type AccountAccess, wasNotAsked } from './account-access.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { Credentials, DueCredential } from './ports/credentials.ts';
import type { Gates } from './ports/gates.ts';
import type { Log } from './ports/log.ts';
import type { Metrics } from './ports/metrics.ts';
import type { Quota } from './ports/tiktok.ts';
import type { Turns } from './ports/turns.ts';
import { type Repeated, repeat } from './repeat.ts';
import type { TikToks } from './tiktoks.ts';

/**
 * Renews tokens long before they end, so that a refresh that fails has many tries left and no post waits for one, and tells who has
 * to reconnect before a refresh token ends for good. What is due is in the database: any number of processes share it.
 */
export interface TokenKeeping extends Repeated {
  /** Does all there is to do at this moment, and tells in how many seconds to look again. Harmless in many processes at once. */
  sweep(): Promise<number>;
}

/** Between two looks while something is due, and at least this long before the next that is. */
const LOOK_SECONDS = 5;
/** While nothing is due: what other processes store since then lives longer, and is renewed by whoever needs it sooner. */
const QUIET_LOOK_SECONDS = 30;
/** Renewed at once by one process. */
const AT_ONCE = 8;
/** All processes together, so that a hundred thousand accounts that are due after a standstill are no storm at TikTok. */
const RATE: Quota = { calls: 5, windowSeconds: 1 };
/** A process that died leaves what it took for so long: longer than waiting for a turn and a refresh take. */
const LEASE_SECONDS = 180;
const WARNINGS_AT_ONCE = 500;

/** Before the next try when `failures` went wrong in a row: half a minute to a quarter of an hour. */
const backOffSeconds = (failures: number, random: number): number =>
  Math.min(30 * 2 ** failures, 900) * (0.75 + 0.5 * random);

export function keepTokensFresh(needs: {
  readonly credentials: Credentials;
  readonly connections: Connections;
  readonly access: AccountAccess;
  readonly gates: Gates;
  readonly turns: Turns;
  readonly tiktoks: TikToks;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
  readonly wait: (seconds: number) => Promise<void>;
  /** From 0 to 1. */
  readonly random: () => number;
}): TokenKeeping {
  const { credentials, connections, access, gates, turns, tiktoks, metrics, clock, log, wait, random } = needs;
  const keys = [...tiktoks.families.keys()].flatMap((family) => [platformGate(family), credentialsGate(family)]);
  let ending = (): boolean => false;

  /** How many may be renewed at once: none while TikTok or the app is in trouble, and one that finds out whether it still is. */
  async function places(): Promise<number> {
    const shut = await gates.all(keys);
    if (shut.length === 0) return AT_ONCE;
    return shut.every(({ tried, until }) => !tried && until <= clock.now()) ? 1 : 0;
  }

  async function renew(due: DueCredential): Promise<void> {
    const { connectionId, version, failures } = due;
    const connection = await connections.find(connectionId);
    if (connection?.state !== 'ACTIVE') {
      // The person has to act first, and whatever they do brings a new pair.
      await credentials.putOff(connectionId, version);
      return;
    }
    const turn = await turns.next(`REFRESH:${connection.apiFamily}`, RATE);
    const seconds = (turn.getTime() - clock.now().getTime()) / 1000;
    if (seconds > 0) await wait(seconds);
    if (ending()) return;
    const renewed = await access.refresh(connectionId, version, 'BACKGROUND');
    if (renewed.ok) return;
    // TikTok has no room for it now: its lease brings it back, and nothing went wrong.
    if (wasNotAsked(renewed.error)) return;
    const after = await connections.find(connectionId);
    if (after?.state === 'ACTIVE') {
      await credentials.putOff(connectionId, version, backOffSeconds(failures, random()));
      log.warn({ connectionId, failures: failures + 1, ...renewed.error }, 'tokens could not be renewed yet');
    } else await credentials.putOff(connectionId, version);
  }

  /** This one, then whatever else is due, one after the other. */
  async function renewFrom(first: DueCredential, mayGoOn: () => Promise<boolean>): Promise<void> {
    let due: DueCredential | undefined = first;
    while (due !== undefined && !ending()) {
      const { connectionId } = due;
      await renew(due).catch((error: unknown) => {
        // One that can't be read keeps no other from being renewed.
        metrics.tokenRefreshed('FAILED');
        log.error({ connectionId, error }, 'tokens could not be renewed; tried again when the lease ends');
      });
      if (ending() || !(await mayGoOn())) return;
      [due] = await credentials.claimDue(1, LEASE_SECONDS);
    }
  }

  async function warn(): Promise<void> {
    for (const id of await connections.ending(WARNINGS_AT_ONCE)) {
      const told = await connections.update(id, (connection) => {
        const next = warned(connection, clock.now());
        return next === undefined ? err(undefined) : ok(next);
      });
      if (!told.ok || told.value.state !== 'ACTIVE' || told.value.reconnectWarning === undefined) continue;
      const { reconnectWarning: days, refreshExpireTime } = told.value;
      metrics.reconnectWarned(days);
      log.warn(
        { connectionId: id, days, refreshExpireTime },
        'the person has to reconnect before the refresh token ends',
      );
    }
  }

  async function sweep(): Promise<number> {
    await warn();
    const next = await credentials.nextDue();
    const secondsLeft = next === undefined ? QUIET_LOOK_SECONDS : (next.getTime() - clock.now().getTime()) / 1000;
    if (secondsLeft > 0) return Math.min(Math.max(secondsLeft, LOOK_SECONDS), QUIET_LOOK_SECONDS);
    await renewDue();
    return LOOK_SECONDS;
  }

  async function renewDue(): Promise<void> {
    const free = await places();
    if (free === 0 || ending()) return;
    const mayGoOn = async (): Promise<boolean> => (await places()) >= free;
    const first = await credentials.claimDue(free, LEASE_SECONDS);
    await Promise.all(first.map((due) => renewFrom(due, mayGoOn)));
  }

  const repeated = repeat(
    LOOK_SECONDS,
    (isEnding) => {
      ending = isEnding;
      return sweep();
    },
    (error) => log.error({ error }, 'tokens could not be looked after'),
  );
  return { ...repeated, sweep };
}
