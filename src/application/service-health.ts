import type { ApiFamily } from '../domain/connection/connection.ts';
import { platformGates } from '../domain/post/gate.ts';
import type { Clock } from './ports/clock.ts';
import type { Gates } from './ports/gates.ts';
import type { Log } from './ports/log.ts';
import type { Engine } from './run-engine.ts';

/** UNKNOWN: nobody can tell at the moment. */
export type HealthStatus = 'SERVING' | 'NOT_SERVING' | 'UNKNOWN';

export type HealthReport = {
  /** Calls are taken, the database answers and posts go out. */
  readonly service: HealthStatus;
  /** Posts go out: the engine has claimed what is due with success, a few seconds ago at most. */
  readonly engine: HealthStatus;
  /** No gate keeps all posts of one of our apps back. A gate opens when a post gets through it. It never turns the others off. */
  readonly tiktok: HealthStatus;
};

/** How this process is doing, of one source for everybody who asks. Everything is NOT_SERVING from the moment it is told to stop. */
export interface ServiceHealth {
  start(): void;
  /** Resolves when nothing is under way. */
  stop(): Promise<void>;
  /** As known at this moment. Asks nobody, so that it can't be asked too often. */
  now(): HealthReport;
  /** Told after each change, at most `LOOK_SECONDS` late; of the stop `stopping` tells at once. Gives what ends it. */
  onChange(listener: () => void): () => void;
  /** Looks now, and tells. Never rejects. */
  look(): Promise<void>;
}

const LOOK_SECONDS = 1;
/** While nobody listens, and the engine hears from the database, the gates are read no sooner than this after they were read last. */
const QUIET_SECONDS = 15;
/** The engine asks every five seconds: after this much nobody knows whether it can't, or the database does not answer. */
const ENGINE_SECONDS = 7;
/** The engine looks every five seconds. With the pause between two looks at it, what is stuck is known within ten. */
const FRESH_SECONDS = 9;

export function serviceHealth(needs: {
  readonly engine: Pick<Engine, 'lastLook'>;
  readonly gates: Pick<Gates, 'all'>;
  /** Of the apps that are set. */
  readonly families: readonly ApiFamily[];
  /** Aborts when the process is told to stop. */
  readonly stopping: AbortSignal;
  readonly clock: Clock;
  readonly log: Log;
}): ServiceHealth {
  const { engine, gates, families, stopping, clock, log } = needs;
  const keys = families.flatMap((apiFamily) => platformGates({ apiFamily }));
  const listeners = new Set<() => void>();
  /** What the database last said of the gates, and when. */
  let read: { readonly time: Date; readonly shut: boolean } | undefined;
  let reading: Promise<void> | undefined;
  let failing = false;
  /** When the database last answered. */
  let answered: Date | undefined;
  let timer: NodeJS.Timeout | undefined;

  const isWithin = (seconds: number, time: Date | undefined): boolean =>
    time !== undefined && clock.now().getTime() - time.getTime() < seconds * 1000;
  const isFresh = (time: Date | undefined): boolean => isWithin(FRESH_SECONDS, time);

  /** What the engine heard counts, but for the time in which the gates are asked for in vain: without them no post goes out. */
  function lastAnswer(): Date | undefined {
    const look = engine.lastLook();
    const isInVain = failing || reading !== undefined;
    if (!isInVain && look !== undefined && (answered === undefined || look > answered)) answered = look;
    return answered;
  }

  function now(): HealthReport {
    if (stopping.aborted) return { service: 'NOT_SERVING', engine: 'NOT_SERVING', tiktok: 'NOT_SERVING' };
    const looks = isFresh(engine.lastLook());
    const answers = isFresh(lastAnswer());
    return {
      service: looks && answers ? 'SERVING' : 'NOT_SERVING',
      engine: looks ? 'SERVING' : 'NOT_SERVING',
      tiktok: read === undefined || !answers ? 'UNKNOWN' : read.shut ? 'NOT_SERVING' : 'SERVING',
    };
  }

  let told = now();
  function tell(): void {
    const report = now();
    const same = report.service === told.service && report.engine === told.engine && report.tiktok === told.tiktok;
    told = report;
    if (!same) for (const listener of listeners) listener();
  }

  async function readGates(): Promise<void> {
    try {
      const asked = clock.now();
      read = { shut: (await gates.all(keys)).length > 0, time: asked };
      answered = asked;
      failing = false;
    } catch (error) {
      if (!failing) log.warn({ error }, 'the health of TikTok could not be read; it is read again every second');
      failing = true;
    }
  }

  /** A read that hangs keeps nobody from hearing that it does. */
  function look(): Promise<void> {
    lastAnswer();
    reading ??= readGates().finally(() => {
      reading = undefined;
      tell();
    });
    tell();
    return reading;
  }

  const isQuiet = (): boolean =>
    listeners.size === 0 &&
    !failing &&
    isWithin(QUIET_SECONDS, read?.time) &&
    isWithin(ENGINE_SECONDS, engine.lastLook());

  return {
    start() {
      void look();
      timer = setInterval(() => {
        if (!isQuiet()) void look();
      }, LOOK_SECONDS * 1000);
    },
    async stop() {
      clearInterval(timer);
      await reading;
    },
    now,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    look,
  };
}
