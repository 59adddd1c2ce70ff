import { Agenda, type AgendaBackend } from 'agenda';
import type { Doorbell } from '../../application/ports/doorbell.ts';
import type { Log } from '../../application/ports/log.ts';

/** A store that answers, ready for Agenda. Opening throws when it does not answer. */
export type AgendaStore = { readonly backend: AgendaBackend; close(): Promise<void> };

const WAKE = 'wake the engine';
/** A store that was down at the start is tried again. Until then the engine's own sweep does without the bell. */
const REOPEN_MILLISECONDS = 30_000;
/** Of a job that its process died with. Short work only: the handlers ring, or tidy up. */
const LOCK_MILLISECONDS = 60_000;
/** Nobody waits longer for a bell to be set: a store that hangs must not keep a caller. */
const PATIENCE_MILLISECONDS = 500;

/**
 * Agenda rings at the earliest moment that matters: one job moved to and fro, never one job per post. Its store may be wiped at
 * any time; nothing but punctuality of other processes is lost with it, and recurring work until the next start.
 */
export function agendaDoorbell(openStore: () => Promise<AgendaStore>, log: Log): Doorbell {
  const listeners = new Set<() => void>();
  const recurring = new Map<string, { readonly seconds: number; readonly work: () => Promise<void> }>();
  let running: { readonly agenda: Agenda; readonly store: AgendaStore } | undefined;
  let reopening: NodeJS.Timeout | undefined;
  let wanted: Date | undefined;
  let setting: Promise<void> | undefined;
  let stopped = false;

  const ring = (): void => {
    for (const listener of listeners) listener();
  };

  async function open(): Promise<{ readonly agenda: Agenda; readonly store: AgendaStore }> {
    const store = await openStore();
    const { backend } = store;
    let agenda: Agenda | undefined;
    try {
      // Agenda connects without catching: a refusal would end the process. So it finds that done.
      await backend.connect();
      tellLosses(backend);
      backend.connect = async () => undefined;
      agenda = new Agenda({ backend, processEvery: '5 seconds', defaultLockLifetime: LOCK_MILLISECONDS });
      agenda.on('error', (error) => log.warn({ error }, 'the doorbell has trouble with its store'));
      await agenda.ready;
      // Agenda ends a job by storing that it has no next time. Who hears the ring sets the bell anew, which that must not undo.
      agenda.define(WAKE, async () => undefined);
      agenda.on(`complete:${WAKE}`, ring);
      for (const [name, { work }] of recurring) agenda.define(name, work);
      await agenda.start();
      for (const [name, { seconds }] of recurring) await agenda.every(`${seconds} seconds`, name);
      return { agenda, store };
    } catch (error) {
      await close({ agenda, store });
      throw error;
    }
  }

  /**
   * A lost connection is an event that would end the process if nobody listened. The channel tries again ten times a second by
   * itself, and each failure comes twice: one line for all of them.
   */
  function tellLosses({ notificationChannel: channel }: AgendaBackend): void {
    let lost = false;
    channel?.on('error', (error) => {
      if (!lost) log.warn({ error }, 'the doorbell lost touch with its store, and goes on trying');
      lost = true;
    });
    channel?.on('stateChange', (state) => {
      if (!lost || state !== 'connected') return;
      lost = false;
      log.info({}, 'the doorbell is in touch with its store again');
    });
  }

  /** Draining waits for handlers under way; stopping would drop their finish records. */
  async function close({ agenda, store }: { readonly agenda: Agenda | undefined; readonly store: AgendaStore }) {
    await agenda?.drain({ timeout: 5_000 });
    await store.close();
  }

  async function openOrTryLater(): Promise<void> {
    try {
      const opened = await open();
      if (stopped) await close(opened);
      else running = opened;
    } catch (error) {
      log.error({ error }, "the doorbell's store does not answer; posts go out by the sweep until it does");
      if (!stopped) reopening = setTimeout(openOrTryLater, REOPEN_MILLISECONDS);
    }
  }

  /** One at a time, and of those that wait the earliest: a slow save of a later time must not undo an earlier one. */
  function earliestBell(agenda: Agenda, time: Date): Promise<void> {
    if (wanted === undefined || time < wanted) wanted = time;
    setting ??= setWanted(agenda).finally(() => {
      setting = undefined;
    });
    return setting;
  }

  async function setWanted(agenda: Agenda): Promise<void> {
    while (wanted !== undefined) {
      const time = wanted;
      wanted = undefined;
      await setBell(agenda, time);
    }
  }

  async function setBell(agenda: Agenda, time: Date): Promise<void> {
    try {
      const { jobs } = await agenda.queryJobs({ name: WAKE, limit: 1 });
      const planned = jobs[0]?.nextRunAt;
      if (planned !== null && planned !== undefined && planned > new Date() && planned <= time) return;
      const job = agenda.create(WAKE);
      job.attrs.type = 'single';
      await job.schedule(time).save();
    } catch (error) {
      log.warn({ error }, 'the doorbell could not be set; the sweep makes it good');
    }
  }

  return {
    async ringAt(time) {
      if (time <= new Date()) return ring();
      if (running === undefined) return;
      const patience = Promise.withResolvers<void>();
      const timer = setTimeout(patience.resolve, PATIENCE_MILLISECONDS);
      await Promise.race([earliestBell(running.agenda, time), patience.promise]);
      clearTimeout(timer);
    },
    async ringNow() {
      ring();
    },
    onRing(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async every(name, seconds, work) {
      recurring.set(name, { seconds, work });
      if (running === undefined) return;
      running.agenda.define(name, work);
      await running.agenda.every(`${seconds} seconds`, name);
    },
    async start() {
      stopped = false;
      await openOrTryLater();
    },
    async stop() {
      stopped = true;
      clearTimeout(reopening);
      const ended = running;
      running = undefined;
      if (ended !== undefined) await close(ended);
    },
  };
}
