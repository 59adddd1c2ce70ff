import { setTimeout as delay } from 'node:timers/promises';
import type { CallFaultSpec } from '../../sandbox/faults.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import type { Family } from '../../sandbox/state.ts';
import type { FailPointName } from '../../src/application/ports/fail-point.ts';
import type { Crew } from './crew.ts';
import type { Fleet } from './fleet.ts';
import type { Journal } from './journal.ts';
import type { OwnPostgres } from './own-postgres.ts';
import type { Random } from './random.ts';
import type { HaltingPlace, Worker } from './worker-process.ts';

type CallInHand = Pick<CallFaultSpec, 'endpoint' | 'chunk' | 'grantType'>;

/** What befell workers and database, by kind. */
export type WorkerFaultCounts = {
  /** SIGKILLs, however their moment was chosen. */
  kills: number;
  killsAtFailPoints: number;
  killsInCalls: number;
  /** All workers at once, while TikTok had a call of one of them in hand. */
  killsOfAll: number;
  killsWhileStarting: number;
  freezes: number;
  freezesAtFailPoints: number;
  stops: number;
  databaseRestarts: number;
};

/** What happens to workers and to the database, and when. */
export type WorkerFaults = {
  readonly counts: Readonly<WorkerFaultCounts>;
  /** Where the next worker shall halt. */
  nextPlace(): HaltingPlace | undefined;
  /** A worker halted there: it is killed or frozen. */
  halted(worker: Worker): void;
  /** A call was sent to a worker. */
  sent(call: string, worker: Worker): void;
  /** Goes on until there were as many kills as wanted. */
  run(): Promise<void>;
};

/**
 * How often a place is chosen, and the most times that it is passed before: where nobody comes by for long, few halt. All of
 * them have to be here.
 */
const PLACES: Readonly<Record<FailPointName, readonly [weight: number, mostTimes: number]>> = {
  claimed: [1, 8],
  'intent-stored': [1, 3],
  announced: [2, 3],
  'ids-stored': [2, 3],
  'chunk-sent': [1, 1],
  'chunk-stored': [1, 1],
  'finalizing-stored': [3, 3],
  'last-byte-sent': [3, 3],
  'verdict-due': [1, 3],
  'verdict-read': [2, 3],
  'refresh-answered': [1, 1],
  // Nobody turns keys here.
  resealed: [0, 1],
  // Nobody comes by: nothing is old enough.
  'video-forgotten': [0, 1],
};

/** Nobody passes here who sends no bytes. */
const PLACES_OF_UPLOADS: ReadonlySet<FailPointName> = new Set([
  'chunk-sent',
  'chunk-stored',
  'finalizing-stored',
  'last-byte-sent',
  'verdict-due',
]);

/** Where a call of a worker's may be when all of them die. */
const TIKTOK_CALLS: Readonly<Record<Family, readonly CallInHand[]>> = {
  OPEN: [
    { endpoint: 'video_init' },
    { endpoint: 'upload' },
    { endpoint: 'upload', chunk: 'last' },
    { endpoint: 'upload', chunk: 'last' },
    { endpoint: 'status' },
    { endpoint: 'token', grantType: 'refresh_token' },
  ],
  BUSINESS: [
    { endpoint: 'business_publish' },
    { endpoint: 'business_publish' },
    { endpoint: 'business_status' },
    { endpoint: 'business_refresh' },
  ],
};

const MEAN_SECONDS_BETWEEN = 1.4;
const SHORTEST_SECONDS_BETWEEN = 0.2;
/** Of the workers that are started. */
const ARMED = 0.5;
const FROZEN_OF_HALTED = 0.2;
const MOST_FROZEN = 2;
const KILLS_PER_DATABASE_RESTART = 50;
/** Of the kills at random: the others leave workers alone that are to halt somewhere. */
const KILLS_OF_ARMED = 0.2;
const LONGEST_HOLD_MILLISECONDS = 3_000;
/** Of the calls of a name, how many cost the worker that gets them its life. The rarer a call, the more of them. */
const KILLED_IN_CALL: Readonly<Record<string, number>> = {
  PublishPost: 0.015,
  UploadVideo: 0.04,
  CancelPost: 0.05,
  CompleteConnection: 0.25,
  RefreshConnection: 0.12,
};
const LONGEST_IN_CALL_MILLISECONDS = 40;
/** A call that does not come would otherwise keep the next event waiting. */
const PATIENCE_MILLISECONDS = 1_500;

export function workerFaults(needs: {
  readonly kills: number;
  readonly workers: number;
  readonly families: readonly Family[];
  readonly leaseSeconds: number;
  readonly fleet: () => Fleet;
  readonly postgres: OwnPostgres;
  readonly sandbox: Sandbox;
  readonly crew: Crew;
  readonly random: Random;
  readonly journal: Journal;
}): WorkerFaults {
  const { families, leaseSeconds, fleet, postgres, sandbox, crew, journal } = needs;
  const random = needs.random.branch('worker faults');
  const places = needs.random.branch('places');
  const inCalls = needs.random.branch('calls');
  const restarts = restartsAt(needs.kills, needs.random.branch('database restarts'));
  const counts: WorkerFaultCounts = {
    kills: 0,
    killsAtFailPoints: 0,
    killsInCalls: 0,
    killsOfAll: 0,
    killsWhileStarting: 0,
    freezes: 0,
    freezesAtFailPoints: 0,
    stops: 0,
    databaseRestarts: 0,
  };
  const fewestReady = Math.max(1, needs.workers - 1);
  let running = false;
  let enough = false;

  const withPhase = (phase: ReturnType<Worker['phase']>): readonly Worker[] =>
    fleet()
      .living()
      .filter((worker) => worker.phase() === phase);

  const isEnoughReady = (): boolean => withPhase('READY').length >= fewestReady;

  function kill(worker: Worker, why: string, kind?: keyof WorkerFaultCounts): void {
    if (enough || !worker.kill()) return;
    counts.kills += 1;
    if (kind !== undefined) counts[kind] += 1;
    journal.note(`SIGKILL ${counts.kills} for ${worker.name}, ${why}`);
    if (restarts.delete(counts.kills)) crew.add(restartDatabase());
    enough = counts.kills >= needs.kills;
  }

  async function restartDatabase(): Promise<void> {
    counts.databaseRestarts += 1;
    journal.note('PostgreSQL is crashed');
    await postgres.crash();
    journal.note('PostgreSQL is back');
  }

  /** Longer than its lease, so that others have taken its posts when it wakes. */
  async function freeze(worker: Worker, why: string, kind?: keyof WorkerFaultCounts): Promise<void> {
    const seconds = leaseSeconds * random.between(2, 3.5);
    worker.freeze();
    if (worker.phase() !== 'FROZEN') return;
    counts.freezes += 1;
    if (kind !== undefined) counts[kind] += 1;
    journal.note(`SIGSTOP for ${worker.name} for ${seconds.toFixed(1)} s, ${why}`);
    await delay(seconds * 1000, undefined, { signal: crew.signal });
    if (worker.phase() !== 'FROZEN') return;
    journal.note(`SIGCONT for ${worker.name}`);
    worker.thaw();
  }

  function stop(): void {
    // Those that halt at fail points end without a word when they are told to stop.
    const willing = withPhase('READY').filter(({ haltsAt }) => haltsAt === undefined);
    if (willing.length === 0) return;
    const worker = random.pick(willing);
    worker.stop();
    counts.stops += 1;
    journal.note(`SIGTERM for ${worker.name}`);
  }

  /**
   * The whole machine fails, in the middle of a call to TikTok: before TikTok has done what it was asked, which it then does for
   * nobody, or after that.
   */
  async function killAll(): Promise<void> {
    const { control } = sandbox;
    const call = random.pick(families.flatMap((family) => TIKTOK_CALLS[family]));
    const when = random.pick(['before', 'after'] as const);
    const release = {
      after: random.between(0, LONGEST_HOLD_MILLISECONDS),
      how: random.pick(['answer', 'drop'] as const),
    };
    const { id: faultId } = control.addFault({ ...call, kind: 'hold', when });
    const patience = delay(PATIENCE_MILLISECONDS, undefined, { signal: crew.signal });
    const hold = await Promise.race([control.waitForHold({ faultId }), patience]);
    if (hold === undefined) {
      if (control.faults().some(({ id }) => id === faultId)) control.removeFault(faultId);
      return;
    }
    journal.note(`TikTok has a call in hand, ${when} its work: ${JSON.stringify(call)}`);
    for (const worker of fleet().living()) {
      if (worker.phase() !== 'STARTING') kill(worker, 'with all others', 'killsOfAll');
    }
    await delay(release.after, undefined, { signal: crew.signal });
    if (control.holds().some(({ id }) => id === hold.id)) control.release(hold.id, release.how);
  }

  function killOne(): void {
    const armedToo = random.chance(KILLS_OF_ARMED);
    const all = fleet().reachable();
    const chosen = all.filter(({ haltsAt }) => armedToo || haltsAt === undefined);
    const workers = chosen.length > 0 ? chosen : all;
    if (workers.length > 0) kill(random.pick(workers), 'at random');
  }

  async function befall(): Promise<void> {
    const kind = random.weighted([
      [60, 'KILL'],
      [12, 'KILL_ALL'],
      [4, 'KILL_STARTING'],
      [10, 'FREEZE'],
      [10, 'STOP'],
    ] as const);
    switch (kind) {
      case 'KILL':
        return killOne();
      case 'KILL_ALL':
        return killAll();
      case 'KILL_STARTING': {
        const workers = withPhase('STARTING');
        if (workers.length > 0) kill(random.pick(workers), 'while it started', 'killsWhileStarting');
        return;
      }
      case 'FREEZE': {
        const workers = withPhase('READY');
        const frozen = withPhase('FROZEN').length;
        if (workers.length > 0 && frozen < MOST_FROZEN) crew.add(freeze(random.pick(workers), 'at random'));
        return;
      }
      case 'STOP':
        return stop();
    }
  }

  return {
    counts,
    nextPlace() {
      if (enough || !places.chance(ARMED)) return undefined;
      const all = (Object.keys(PLACES) as FailPointName[]).filter(
        (name) => families.includes('OPEN') || !PLACES_OF_UPLOADS.has(name),
      );
      const point = places.weighted(all.map((name) => [PLACES[name][0], name] as const));
      return { point, count: places.whole(1, PLACES[point][1]) };
    },
    halted(worker) {
      const where = `at ${worker.haltsAt?.point}`;
      if (enough) return worker.disarm();
      if (random.chance(FROZEN_OF_HALTED) && withPhase('FROZEN').length < MOST_FROZEN) {
        return crew.add(freeze(worker, where, 'freezesAtFailPoints'));
      }
      // At once, or with its other posts under way.
      const milliseconds = random.pick([0, 0, 200, 800]);
      crew.add(
        delay(milliseconds, undefined, { signal: crew.signal }).then(() => kill(worker, where, 'killsAtFailPoints')),
      );
    },
    sent(call, worker) {
      // Calls that are repeated because workers die must not be what kills the next ones.
      if (!running || !isEnoughReady() || !inCalls.chance(KILLED_IN_CALL[call] ?? 0)) return;
      const milliseconds = inCalls.between(0, LONGEST_IN_CALL_MILLISECONDS);
      const why = `${milliseconds.toFixed(0)} ms after ${call} was sent to it`;
      crew.add(delay(milliseconds, undefined, { signal: crew.signal }).then(() => kill(worker, why, 'killsInCalls')));
    },
    async run() {
      running = true;
      while (!enough) {
        // However slow the machine is: those that die leave others some time to work.
        await fleet().until(() => (isEnoughReady() || crew.signal.aborted ? true : undefined));
        await befall();
        const seconds = Math.max(SHORTEST_SECONDS_BETWEEN, random.gap(MEAN_SECONDS_BETWEEN));
        await delay(seconds * 1000, undefined, { signal: crew.signal });
      }
    },
  };
}

/** One kill in each fifty after which the database crashes, and one in all when there are fewer. */
function restartsAt(kills: number, random: Random): Set<number> {
  const at = new Set<number>();
  for (let from = 1; from <= kills; from += KILLS_PER_DATABASE_RESTART) {
    const most = Math.min(from + KILLS_PER_DATABASE_RESTART - 1, kills);
    if (from === 1 || most - from >= KILLS_PER_DATABASE_RESTART / 2) at.add(random.whole(from, most));
  }
  return at;
}
