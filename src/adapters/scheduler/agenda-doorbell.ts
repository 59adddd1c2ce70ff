import { Agenda, type AgendaBackend, type Job, type JobId, type NotificationChannel } from 'agenda';
import type { Doorbell } from '../../application/ports/doorbell.ts';
import type { Log } from '../../application/ports/log.ts';
import type { Metrics } from '../../application/ports/metrics.ts';

/** Where Agenda keeps its jobs. Each operation ends within seconds, one way or the other. */
export type AgendaStore = {
  /** Connected. */
  readonly backend: AgendaBackend;
  /** Tells other processes of a bell that was moved, where the store can. Agenda connects it. */
  readonly channel?: NotificationChannel;
  /** Makes again what is missing of it, as after a wipe. Harmless when repeated, and in several processes at once. */
  prepare(): Promise<void>;
  close(): Promise<void>;
};

/** Throws within seconds when the store does not answer. `lost` hears of connections that broke while nobody used them. */
export type OpenAgendaStore = (lost: (error: unknown) => void) => Promise<AgendaStore>;

type Recurring = { readonly seconds: number; readonly work: () => Promise<void> };
type Session = { readonly agenda: Agenda; readonly store: AgendaStore; readonly taken: Taken };

const WAKE = 'wake the engine';
/**
 * How often jobs are looked for in the store, and whether the store is whole. What is sooner than this comes by the store's channel and
 * by the sweep of each engine, so recurring work alone could come so much later.
 */
const LOOK_MILLISECONDS = 30_000;
/** The same while the store has trouble: opened when it was away, mended when it was wiped. */
const TEND_MILLISECONDS = 5_000;
const LOCK_MILLISECONDS = 60_000;
/** Work that hangs must not keep every other process from it for ever. */
const LONGEST_WORK_MILLISECONDS = 600_000;
/** A store that does not answer keeps neither the start nor the stop of the service. */
const START_MILLISECONDS = 2_000;
const STOP_MILLISECONDS = 5_000;
/** Timers take no more. To ring then, and too early, is harmless. */
const LONGEST_TIMER_MILLISECONDS = 2 ** 31 - 1;

/**
 * Rings by a timer of this process, and by Agenda for the others: at the earliest moment that matters, one job moved to and fro, never
 * one job per post. Agenda's store may be wiped or away at any time. Nobody waits for it, and while it is away each process does the
 * recurring work by itself.
 */
export function agendaDoorbell(needs: {
  readonly openStore: OpenAgendaStore;
  readonly metrics: Pick<Metrics, 'doorbellReached'>;
  readonly log: Log;
  /** How long a job is left alone whose process has fallen silent. */
  readonly lockMilliseconds?: number;
  /** How often the store is looked at while it is well. */
  readonly lookMilliseconds?: number;
}): Doorbell {
  const { openStore, metrics, log } = needs;
  const { lockMilliseconds = LOCK_MILLISECONDS, lookMilliseconds = LOOK_MILLISECONDS } = needs;
  const listeners = new Set<() => void>();
  const recurring = new Map<string, Recurring>();
  const underWay = new Map<string, Promise<void>>();
  /** When this process last did it, in milliseconds since 1970. */
  const lastDone = new Map<string, number>();
  let session: Session | undefined;
  let tending: Promise<void> = Promise.resolve();
  /** Absent while the store is being looked after. */
  let nextTending: NodeJS.Timeout | undefined;
  let stopped = true;
  let alarm: { readonly time: Date; readonly timer: NodeJS.Timeout } | undefined;
  let wanted: Date | undefined;
  let setting: Promise<void> | undefined;
  let isAway = false;
  /** Since the store was last looked after. */
  let hadTrouble = false;

  const ring = (): void => {
    for (const listener of listeners) listener();
  };

  /** Whatever it is that fails, and however often, one line until the store has been well for a while. */
  function troubled(error: unknown): void {
    hadTrouble = true;
    if (isAway || stopped) return;
    isAway = true;
    if (nextTending !== undefined) tendIn(TEND_MILLISECONDS);
    metrics.doorbellReached(false);
    log.warn(
      { error },
      "Agenda's store fails: posts go out by the clock and the sweep of each process. See that AGENDA_MONGODB_URL (else DATABASE_URL) answers; no restart is needed",
    );
  }

  /** A connection that breaks again and again is not well in between. */
  function well(): void {
    const isSteady = !hadTrouble;
    hadTrouble = false;
    if (!isSteady) return;
    metrics.doorbellReached(true);
    if (isAway) log.info({}, "Agenda's store is well again");
    isAway = false;
  }

  /** Never rejects. Once at a time in this process, whoever asks for it. */
  async function perform(name: string, { work }: Recurring): Promise<void> {
    if (underWay.has(name)) return;
    lastDone.set(name, Date.now());
    const done = work()
      .catch((error) => log.error({ error, work: name }, 'recurring work failed; it is done again when its time comes'))
      .finally(() => underWay.delete(name));
    underWay.set(name, done);
    await done;
  }

  /** Agenda gives a job whose lock has run out to whoever asks, although its work is still under way. So the lock is renewed. */
  function define(agenda: Agenda, name: string, each: Recurring): void {
    agenda.define(name, async (job: Job) => {
      const begun = Date.now();
      const renewal = setInterval(() => {
        if (Date.now() - begun < LONGEST_WORK_MILLISECONDS) job.touch().catch(troubled);
        else clearInterval(renewal);
      }, lockMilliseconds / 3);
      await perform(name, each);
      clearInterval(renewal);
    });
  }

  async function open(): Promise<Session> {
    const store = await openStore(troubled);
    const { backend, channel } = store;
    const taken = takenJobs(backend.repository);
    let agenda: Agenda | undefined;
    try {
      await store.prepare();
      // Agenda connects without catching: a refusal would end the process. So it finds that done.
      backend.connect = async () => undefined;
      // Nor does it wait for this, or catch it.
      const { repository } = backend;
      const unlock = repository.unlockJob.bind(repository);
      repository.unlockJob = (job) => unlock(job).catch(troubled);
      // A lost connection is an event that would end the process if nobody listened. The channel tries again by itself.
      channel?.on('error', troubled);
      agenda = new Agenda({
        backend,
        processEvery: lookMilliseconds,
        defaultLockLifetime: lockMilliseconds,
        ...(channel && { notificationChannel: channel }),
      });
      agenda.on('error', troubled);
      await agenda.ready;
      // Agenda ends a job by storing that it has no next time. Who hears the ring sets the bell anew, which that must not undo.
      agenda.define(WAKE, async () => undefined);
      agenda.on(`complete:${WAKE}`, ring);
      agenda.on('complete', taken.isDone);
      for (const [name, each] of recurring) define(agenda, name, each);
      await agenda.start();
      await plan(agenda);
      return { agenda, store, taken };
    } catch (error) {
      // Why it did not open says more than why it did not close.
      await close({ agenda, store, taken }).catch(() => undefined);
      throw error;
    }
  }

  /** Leaves alone what is planned: in MongoDB, Agenda unlocks a job that it is told of again, and somebody may be at it. */
  async function plan(agenda: Agenda): Promise<void> {
    const { jobs } = await agenda.queryJobs({ names: [...recurring.keys()] });
    for (const [name, { seconds }] of recurring) {
      const interval = `${seconds} seconds`;
      const planned = jobs.find((job) => job.name === name);
      const hasTime = planned?.nextRunAt instanceof Date;
      if (hasTime && planned.repeatInterval === interval) continue;
      // One without a next time would not get one.
      if (planned !== undefined && !hasTime) await agenda.cancel({ name });
      await agenda.every(interval, name);
    }
  }

  /** Draining waits for work under way, whose finish records stopping would drop. */
  async function close({ agenda, store, taken }: Omit<Session, 'agenda'> & { readonly agenda: Agenda | undefined }) {
    try {
      await agenda?.drain({ timeout: STOP_MILLISECONDS });
      await taken.giveBack();
    } finally {
      // When it never started, Agenda leaves its channel trying to connect for ever.
      await store.channel?.disconnect();
      await store.close();
    }
  }

  function tendIn(milliseconds: number): void {
    clearTimeout(nextTending);
    nextTending = setTimeout(() => (tending = tend()), milliseconds);
  }

  async function tend(): Promise<void> {
    nextTending = undefined;
    try {
      if (session === undefined) session = await open();
      else {
        await session.store.prepare();
        await plan(session.agenda);
      }
      well();
    } catch (error) {
      troubled(error);
      for (const [name, each] of recurring) {
        if (Date.now() - (lastDone.get(name) ?? 0) >= each.seconds * 1000) void perform(name, each);
      }
    }
    if (!stopped) tendIn(isAway ? TEND_MILLISECONDS : lookMilliseconds);
  }

  /** Of several times the earliest counts: whoever hears it looks for what comes next. */
  function setAlarm(time: Date): void {
    if (alarm !== undefined && alarm.time <= time) return;
    clearTimeout(alarm?.timer);
    const delay = Math.min(time.getTime() - Date.now(), LONGEST_TIMER_MILLISECONDS);
    const timer = setTimeout(() => {
      alarm = undefined;
      ring();
    }, delay);
    timer.unref();
    alarm = { time, timer };
  }

  /** One at a time, and of those that wait the earliest: a slow save of a later time must not undo an earlier one. */
  function tellOthers(agenda: Agenda, time: Date): void {
    if (wanted === undefined || time < wanted) wanted = time;
    setting ??= setWanted(agenda)
      .catch(troubled)
      .finally(() => {
        setting = undefined;
      });
  }

  async function setWanted(agenda: Agenda): Promise<void> {
    while (wanted !== undefined) {
      const time = wanted;
      wanted = undefined;
      const { jobs } = await agenda.queryJobs({ name: WAKE, limit: 1 });
      const planned = jobs[0]?.nextRunAt;
      if (planned !== null && planned !== undefined && planned > new Date() && planned <= time) continue;
      const job = agenda.create(WAKE);
      job.attrs.type = 'single';
      await job.schedule(time).save();
    }
  }

  return {
    async ringAt(time) {
      if (time <= new Date()) return ring();
      setAlarm(time);
      if (session !== undefined) tellOthers(session.agenda, time);
    },
    async ringNow() {
      ring();
    },
    onRing(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async every(name, seconds, work) {
      const each = { seconds, work };
      recurring.set(name, each);
      if (session === undefined) return;
      define(session.agenda, name, each);
      await plan(session.agenda).catch(troubled);
    },
    async start() {
      stopped = false;
      tending = tend();
      await within(START_MILLISECONDS, tending);
    },
    async stop() {
      stopped = true;
      clearTimeout(nextTending);
      clearTimeout(alarm?.timer);
      alarm = undefined;
      const end = async (): Promise<void> => {
        await tending;
        await setting;
        const ended = session;
        session = undefined;
        if (ended !== undefined) await close(ended);
        await Promise.all(underWay.values());
      };
      // What is left undone there ends by itself: locks run out, connections close with the process.
      await within(
        STOP_MILLISECONDS,
        end().catch((error) => log.warn({ error }, "the doorbell could not take leave of Agenda's store")),
      );
    },
  };
}

/** What Agenda has locked for this process, up to `lookMilliseconds` before its time. */
type Taken = { isDone(job: Job): void; giveBack(): Promise<void> };

/** Agenda forgets at its end what it had taken and not begun: nobody else could do that for as long as the lock is. */
function takenJobs(repository: AgendaBackend['repository']): Taken {
  const ids = new Set<JobId>();
  const asking = new Set<Promise<unknown>>();
  const next = repository.getNextJobToRun.bind(repository);
  repository.getNextJobToRun = (...query) => {
    const asked = next(...query).then((job) => {
      if (job?._id !== undefined) ids.add(job._id);
      return job;
    });
    const ended: Promise<unknown> = asked.then(
      () => asking.delete(ended),
      () => asking.delete(ended),
    );
    asking.add(ended);
    return asked;
  };
  return {
    isDone({ attrs: { _id } }) {
      if (_id !== undefined) ids.delete(_id);
    },
    async giveBack() {
      while (asking.size > 0) await Promise.all(asking);
      await repository.unlockJobs([...ids]);
    },
  };
}

/** Waits for it no longer than so many milliseconds. It must not reject. */
async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, milliseconds);
  await Promise.race([work, late.promise]);
  clearTimeout(timer);
}
