import type { Journal } from './journal.ts';
import { type Ending, type HaltingPlace, startWorker, type Worker } from './worker-process.ts';

/** The workers, as many as are wanted at any time: whoever dies, freezes or stops is replaced at once. */
export type Fleet = {
  /** Resolves when all are ready. */
  start(): Promise<void>;
  /** Every living process: also those that are starting, frozen or stopping. */
  living(): readonly Worker[];
  /** As callers find them: ready or frozen, for nobody sees from outside that a process is frozen. */
  reachable(): readonly Worker[];
  /** Resolves with a look at the fleet that gives something, asked now and after every change. */
  until<T>(look: () => T | undefined): Promise<T>;
  /** Nobody is armed or frozen any more, and as many as wanted are ready. */
  recover(): Promise<void>;
  /** Tells all to stop, and kills those that can't be told. */
  stopAll(): Promise<void>;
  /** Leaves no process behind, whatever state it is in. */
  killAll(): Promise<void>;
  /** Ends of processes that nobody asked for, or that were asked for and went wrong. */
  readonly failures: readonly string[];
};

/** A worker that never gets ready is a fault of the set-up and not of chance. */
const MOST_FAILED_STARTS = 20;

export function fleet(given: {
  readonly size: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly journal: Journal;
  /** Where the next worker shall halt, if anywhere. */
  readonly nextPlace: () => HaltingPlace | undefined;
  readonly onHalted: (worker: Worker) => void;
  /** A failure that ends the run. */
  readonly onFailure: (error: Error) => void;
}): Fleet {
  const { size, environment, journal, nextPlace, onHalted, onFailure } = given;
  const workers = new Set<Worker>();
  const failures: string[] = [];
  const looks = new Set<() => void>();
  let serial = 0;
  let starting = 0;
  let failedStarts = 0;
  let arming = false;
  let closing = false;

  function changed(worker: Worker, halted: boolean): void {
    if (halted) onHalted(worker);
    for (const look of looks) look();
    replenish();
  }

  const atWork = (): number =>
    starting + [...workers].filter((worker) => ['STARTING', 'READY'].includes(worker.phase())).length;

  function replenish(): void {
    while (!closing && atWork() < size) {
      starting += 1;
      launch()
        .catch((error: Error) => onFailure(error))
        .finally(() => {
          starting -= 1;
        });
    }
  }

  async function launch(): Promise<void> {
    serial += 1;
    const haltsAt = arming ? nextPlace() : undefined;
    const name = `worker ${serial}`;
    const worker = await startWorker({ name, environment, haltsAt, journal, onChange: changed });
    workers.add(worker);
    const where = haltsAt === undefined ? '' : `, to halt at ${haltsAt.point}:${haltsAt.count}`;
    journal.note(`started ${name}${where}`);
    worker.ended
      .then((ending) => {
        workers.delete(worker);
        judge(worker, ending);
        changed(worker, false);
      })
      .catch((error: Error) => onFailure(error));
    if (closing) worker.kill();
  }

  function judge(worker: Worker, { code, signal, asked, wasReady }: Ending): void {
    const how = signal ?? `code ${code}`;
    journal.note(`${worker.name} ended with ${how}`);
    failedStarts = wasReady || asked !== undefined ? 0 : failedStarts + 1;
    if (failedStarts > MOST_FAILED_STARTS) {
      onFailure(new Error(`no worker gets ready; the last one said:\n${worker.lastLines().join('\n')}`));
    }
    const said = `\n${worker.lastLines().slice(-12).join('\n')}`;
    if (asked === 'STOP' && code !== 0) failures.push(`${worker.name} was told to stop and ended with ${how}${said}`);
    // Whoever can't start, say because the database recovers at that moment, is started again by any supervisor.
    if (asked === undefined && wasReady) failures.push(`${worker.name} ended by itself with ${how}${said}`);
  }

  const reachable = (): readonly Worker[] =>
    [...workers].filter((worker) => ['READY', 'FROZEN'].includes(worker.phase()));

  function until<T>(find: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = find();
        if (found === undefined) return;
        looks.delete(look);
        resolve(found);
      };
      looks.add(look);
      look();
    });
  }

  const allReady = (): true | undefined =>
    starting === 0 && [...workers].filter((worker) => worker.phase() === 'READY').length >= size ? true : undefined;

  return {
    failures,
    reachable,
    until,
    living: () => [...workers],
    async start() {
      replenish();
      await until(allReady);
      arming = true;
    },
    async recover() {
      arming = false;
      for (const worker of workers) worker.thaw();
      for (const worker of workers) worker.disarm();
      // One that began to start while it was still to be armed is told as soon as it can hear it.
      await until(allReady);
      for (const worker of workers) worker.disarm();
    },
    async stopAll() {
      closing = true;
      await until(() => (starting === 0 ? true : undefined));
      for (const worker of workers) {
        if (worker.haltsAt === undefined && worker.phase() === 'READY') worker.stop();
        else if (worker.phase() !== 'STOPPING') worker.kill();
      }
      await Promise.all([...workers].map(({ ended }) => ended));
    },
    async killAll() {
      closing = true;
      for (const worker of workers) worker.kill();
      await until(() => (starting === 0 ? true : undefined));
      await Promise.all([...workers].map(({ ended }) => ended));
    },
  };
}
