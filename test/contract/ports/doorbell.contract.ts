import { describe, expect, it, onTestFinished, type TestContext, vi } from 'vitest';
import type { Doorbell } from '../../../src/application/ports/doorbell.ts';
import { type LogLine, recordingLog } from '../../support/recording-log.ts';
import { recordingMetrics } from '../../support/recording-metrics.ts';
import type { TcpProxy } from '../../support/tcp-proxy.ts';

export type DoorbellUnderTest = {
  readonly doorbell: Doorbell;
  /** The doorbell's own time. */
  readonly now: () => Date;
  /** Moves that time, where the test can. A real doorbell leaves it out, and the test waits for its signal. */
  readonly letTimeReach?: (time: Date) => Promise<void>;
};

const nextRing = (doorbell: Doorbell): Promise<void> =>
  new Promise((resolve) => {
    const off = doorbell.onRing(() => {
      off();
      resolve();
    });
  });

const inSeconds = (time: Date, seconds: number): Date => new Date(time.getTime() + seconds * 1000);

/** What every doorbell does. `make` gives one that was not started. Each test waits for a ring, and only as long as it takes. */
export function doorbellContract(name: string, make: () => Promise<DoorbellUnderTest>): void {
  async function started(): Promise<DoorbellUnderTest> {
    const made = await make();
    await made.doorbell.start();
    onTestFinished(() => made.doorbell.stop());
    return made;
  }

  describe(`Doorbell, as ${name}`, () => {
    it('rings everyone at once when something is due now', async () => {
      const { doorbell } = await started();
      const rings = [nextRing(doorbell), nextRing(doorbell)];
      await doorbell.ringNow();
      await Promise.all(rings);
    });

    it('rings no more for whoever went away', async () => {
      const { doorbell } = await started();
      let rung = 0;
      const off = doorbell.onRing(() => {
        rung += 1;
      });
      off();
      off();
      const ring = nextRing(doorbell);
      await doorbell.ringNow();
      await ring;
      expect(rung).toBe(0);
    });

    it('rings for a time that has passed', async () => {
      const { doorbell, now } = await started();
      const ring = nextRing(doorbell);
      await doorbell.ringAt(inSeconds(now(), -5));
      await ring;
    });

    it('rings when the time has come', async () => {
      const { doorbell, now, letTimeReach } = await started();
      const ring = nextRing(doorbell);
      const time = inSeconds(now(), 1);
      await doorbell.ringAt(time);
      await letTimeReach?.(time);
      await ring;
      expect(now().getTime()).toBeGreaterThanOrEqual(time.getTime());
    });

    it('rings for the earlier of two times, whichever was set first', async () => {
      const { doorbell, now, letTimeReach } = await started();
      for (const order of [
        [3600, 1],
        [1, 3600],
      ]) {
        const ring = nextRing(doorbell);
        const start = now();
        for (const seconds of order) await doorbell.ringAt(inSeconds(start, seconds));
        await letTimeReach?.(inSeconds(start, 1));
        await ring;
        expect(now().getTime()).toBeLessThan(inSeconds(start, 3000).getTime());
      }
    });

    it('is content with many rings at once', async () => {
      const { doorbell, now } = await started();
      const ring = nextRing(doorbell);
      await Promise.all(Array.from({ length: 20 }, (_, index) => doorbell.ringAt(inSeconds(now(), index - 10))));
      await ring;
    });

    it('takes a ring before it was started', async () => {
      const { doorbell, now } = await make();
      await doorbell.ringAt(inSeconds(now(), 3600));
      await doorbell.ringNow();
    });

    it('does recurring work, whether it was named before the start or after', async () => {
      const { doorbell } = await make();
      const done = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
      await doorbell.every('early', 1, async () => done[0].resolve());
      await doorbell.start();
      onTestFinished(() => doorbell.stop());
      await doorbell.every('late', 1, async () => done[1].resolve());
      await Promise.all(done.map(({ promise }) => promise));
    });

    it('stops, also when it never started', async () => {
      const { doorbell } = await make();
      await doorbell.stop();
      const { doorbell: other } = await make();
      await other.start();
      await other.stop();
      await other.stop();
    });
  });
}

/** The doorbells of several processes, which ring each other by one store. */
export type DoorbellCluster = {
  /** The doorbell of one more process, by way of `way`; not started. */
  join(needs: {
    readonly log: ReturnType<typeof recordingLog>;
    readonly metrics: ReturnType<typeof recordingMetrics>;
    /** How long others leave a job alone whose process is silent. */
    readonly lockMilliseconds: number | undefined;
    /** How often it looks into the store while that is well: seldom enough to show what else makes it look. */
    readonly lookMilliseconds: number | undefined;
  }): Doorbell;
  readonly way: TcpProxy;
  /** The name of each job in the store, sorted. */
  jobs(): Promise<readonly string[]>;
  /** The name of each that somebody has taken. */
  locked(): Promise<readonly string[]>;
  /** Leaves nothing of it, as who drops a database does. */
  wipe(): Promise<void>;
  /** Two jobs where there should be one, as in a store that was filled by something else. */
  double(name: string): Promise<void>;
  close(): Promise<void>;
};

const FAILS = /^Agenda's store fails/;
const WELL = "Agenda's store is well again";

/** What doorbells of several processes do together, and without their store. */
export function sharedDoorbellContract(name: string, openCluster: () => Promise<DoorbellCluster>): void {
  describe(`Doorbells of several processes, as ${name}`, { timeout: 90_000, concurrent: true }, () => {
    /** A store of its own for each test, and what ends all that a test began there. */
    async function opened({ onTestFinished }: TestContext) {
      const cluster = await openCluster();
      onTestFinished(() => cluster.close());
      return {
        ...cluster,
        process(how: { readonly lockMilliseconds?: number; readonly lookMilliseconds?: number } = {}) {
          const { lockMilliseconds, lookMilliseconds } = how;
          const [log, metrics] = [recordingLog(), recordingMetrics()];
          const doorbell = cluster.join({ log, metrics, lockMilliseconds, lookMilliseconds });
          onTestFinished(() => doorbell.stop());
          return { doorbell, log, reports: () => metrics.reports.map(([, isReached]) => isReached) };
        },
        jobsAre: (...names: readonly string[]) =>
          until(async () => JSON.stringify(await cluster.jobs()) === JSON.stringify(names)),
      };
    }

    const saying = (log: { readonly lines: readonly LogLine[] }, words: RegExp | string) =>
      log.lines.filter(({ message }) => (typeof words === 'string' ? message === words : words.test(message)));

    const until = (what: () => boolean | Promise<boolean>) => vi.waitUntil(what, { timeout: 45_000, interval: 50 });

    /** Recurring work that notes when it was begun, and whether it was under way twice at once. */
    function work() {
      const begun: number[] = [];
      let atOnce = 0;
      let mostAtOnce = 0;
      let goOn: Promise<void> = Promise.resolve();
      return {
        begun,
        mostAtOnce: () => mostAtOnce,
        lastUntil: (moment: Promise<void>) => {
          goOn = moment;
        },
        async run() {
          begun.push(Date.now());
          atOnce += 1;
          mostAtOnce = Math.max(mostAtOnce, atOnce);
          await goOn;
          atOnce -= 1;
        },
        times: (count: number) => until(() => begun.length >= count),
      };
    }

    it('rings another process when the one that was asked is gone', async (context) => {
      const { process, locked } = await opened(context);
      const [one, other] = [process(), process()];
      await one.doorbell.start();
      const time = inSeconds(new Date(), 8);
      await one.doorbell.ringAt(time);
      // Agenda takes it to itself some seconds before its time, and would leave it locked.
      await until(async () => (await locked()).includes('wake the engine'));
      await one.doorbell.stop();
      const ring = nextRing(other.doorbell);
      await other.doorbell.start();
      await ring;
      expect(Date.now()).toBeGreaterThanOrEqual(time.getTime());
      expect(Date.now() - time.getTime()).toBeLessThan(20_000);
    });

    it('rings another process for the earliest time that anybody was asked for', async (context) => {
      const { process, jobsAre } = await opened(context);
      const [one, other, third] = [process(), process(), process()];
      await Promise.all([one, other, third].map(({ doorbell }) => doorbell.start()));
      const ring = nextRing(third.doorbell);
      await one.doorbell.ringAt(inSeconds(new Date(), 3_600));
      await jobsAre('wake the engine');
      await other.doorbell.ringAt(inSeconds(new Date(), 12));
      // The one who stops has told the store by then.
      await other.doorbell.stop();
      await one.doorbell.ringAt(inSeconds(new Date(), 7_200));
      await one.doorbell.stop();
      await ring;
    });

    it('keeps nobody waiting who asks for a ring', async (context) => {
      const { process, way } = await opened(context);
      const { doorbell } = process();
      await doorbell.start();
      way.hold();
      const answer = await Promise.race([
        doorbell.ringAt(inSeconds(new Date(), 3_600)),
        new Promise((resolve) => setImmediate(() => resolve('late'))),
      ]);
      expect(answer).toBeUndefined();
    });

    it('does recurring work once for all of them', async (context) => {
      const { process, jobs } = await opened(context);
      const { begun, run, times, mostAtOnce } = work();
      const processes = [process(), process(), process()];
      for (const { doorbell } of processes) await doorbell.every('count', 2, run);
      const [first, ...others] = processes;
      await first?.doorbell.start();
      await times(1);
      // Who comes up together may all do it at first, in MongoDB; who comes later leaves it to the others.
      await Promise.all(others.map(({ doorbell }) => doorbell.start()));
      expect(await jobs()).toEqual(['count']);
      await times(5);
      const pauses = begun.map((time, index, all) => time - (all[index - 1] ?? Number.NEGATIVE_INFINITY));
      expect(Math.min(...pauses)).toBeGreaterThan(1_000);
      expect(mostAtOnce()).toBe(1);
    });

    it('leaves recurring work to the others when one stops, and lets it end first', async (context) => {
      const { process } = await opened(context);
      const [{ run, times, begun, lastUntil }, end] = [work(), Promise.withResolvers<void>()];
      const [one, other] = [process(), process()];
      await one.doorbell.every('count', 1, run);
      lastUntil(end.promise);
      await one.doorbell.start();
      await times(1);
      await other.doorbell.every('count', 1, run);
      await other.doorbell.start();
      let isStopped = false;
      const stopped = one.doorbell.stop().then(() => {
        isStopped = true;
      });
      await new Promise((resolve) => setImmediate(resolve));
      expect(isStopped).toBe(false);
      lastUntil(Promise.resolve());
      end.resolve();
      await stopped;
      const before = begun.length;
      await times(before + 2);
    });

    it('does not begin work again that takes longer than its lock, in no process', async (context) => {
      const { process } = await opened(context);
      const lockMilliseconds = 3_000;
      const [long, witness, end] = [work(), work(), Promise.withResolvers<void>()];
      long.lastUntil(end.promise);
      const processes = [process({ lockMilliseconds }), process({ lockMilliseconds })];
      for (const { doorbell } of processes) {
        await doorbell.every('long', 1, long.run);
        await doorbell.every('witness', 3, witness.run);
      }
      await processes[0]?.doorbell.start();
      await long.times(1);
      await processes[1]?.doorbell.start();
      // Scans come every five seconds; by the fourth the lock would have run out twice.
      await witness.times(4);
      expect(long.begun).toHaveLength(1);
      end.resolve();
      await long.times(2);
    });

    it('says when recurring work fails, and does it again', async (context) => {
      const { process } = await opened(context);
      const { doorbell, log } = process();
      let tries = 0;
      await doorbell.every('fragile', 1, async () => {
        tries += 1;
        throw new Error(`try ${tries}`);
      });
      await doorbell.start();
      await until(() => tries >= 2);
      expect(saying(log, /^recurring work failed/)[0]).toMatchObject({
        level: 'error',
        fields: { work: 'fragile', error: { message: 'try 1' } },
      });
    });

    it('makes a store anew that is wiped while it runs', async (context) => {
      const { process, jobsAre, wipe } = await opened(context);
      const [one, other] = [process(), process()];
      const { begun, run, times } = work();
      for (const { doorbell } of [one, other]) {
        await doorbell.every('count', 1, run);
        await doorbell.start();
      }
      await times(1);
      await one.doorbell.ringAt(inSeconds(new Date(), 3_600));
      await jobsAre('count', 'wake the engine');
      await wipe();
      await jobsAre('count');
      const before = begun.length;
      await times(before + 2);
      const ring = nextRing(other.doorbell);
      await one.doorbell.ringAt(inSeconds(new Date(), 7));
      await one.doorbell.stop();
      await ring;
    });

    it('mends a store that has two of a job', async (context) => {
      const { process, jobsAre, double } = await opened(context);
      const { run, times, begun } = work();
      const one = process();
      await one.doorbell.every('count', 1, run);
      await one.doorbell.start();
      await double('count');
      await jobsAre('count');
      const before = begun.length;
      await times(before + 1);
    });

    it('comes up together with five others on an empty store without a complaint', async (context) => {
      const { process, jobsAre } = await opened(context);
      const processes = Array.from({ length: 6 }, () => process());
      const { run } = work();
      await Promise.all(
        processes.map(async ({ doorbell }) => {
          for (const job of ['one', 'two', 'three']) await doorbell.every(job, 3_600, run);
          await doorbell.start();
        }),
      );
      await jobsAre('one', 'three', 'two');
      for (const { log } of processes) expect(log.lines).toEqual([]);
    });

    it('rings on time, works and says so once while the store is away, and is well again by itself', async (context) => {
      const { process, jobs, wipe, way } = await opened(context);
      const [one, other] = [process(), process()];
      const works = [work(), work()] as const;
      await one.doorbell.every('count', 1, works[0].run);
      await other.doorbell.every('count', 1, works[1].run);
      await Promise.all([one.doorbell.start(), other.doorbell.start()]);
      await until(() => one.reports().includes(true) && other.reports().includes(true));

      way.cut();
      const ring = nextRing(one.doorbell);
      const time = inSeconds(new Date(), 2);
      await one.doorbell.ringAt(time);
      await ring;
      expect(Date.now() - time.getTime()).toBeLessThan(1_000);
      // Each for itself, since nobody can know of the other.
      const before = works.map(({ begun }) => begun.length);
      await Promise.all(works.map(({ times }, index) => times((before[index] ?? 0) + 2)));
      for (const { log, reports } of [one, other]) {
        const [line, ...more] = log.lines;
        expect(more).toEqual([]);
        expect(line).toMatchObject({ level: 'warn', message: expect.stringContaining('AGENDA_MONGODB_URL') });
        expect(reports().at(-1)).toBe(false);
      }

      await wipe();
      way.resume();
      await until(() => [one, other].every(({ log }) => saying(log, WELL).length === 1));
      expect(await jobs()).toContain('count');
      for (const { log, reports } of [one, other]) {
        expect(log.lines).toHaveLength(2);
        expect(reports().at(-1)).toBe(true);
      }
    });

    it('looks after a store that has trouble soon, however seldom it looks at one that is well', async (context) => {
      const { process, way } = await opened(context);
      const { doorbell, log, reports } = process({ lookMilliseconds: 600_000 });
      const { run, times } = work();
      await doorbell.every('count', 1, run);
      await doorbell.start();
      await until(() => reports().includes(true));
      way.cut();
      await doorbell.ringAt(inSeconds(new Date(), 3_600));
      await times(2);
      expect(saying(log, FAILS)).toHaveLength(1);
      way.resume();
      await until(() => saying(log, WELL).length === 1);
    });

    it.for(['cut', 'hold'] as const)('starts and stops while the store is away (%s)', async (fault, context) => {
      const { process, jobs, way } = await opened(context);
      const { doorbell, log } = process();
      const { run, times, begun } = work();
      await doorbell.every('count', 1, run);
      way[fault]();
      const asked = Date.now();
      await doorbell.start();
      expect(Date.now() - asked).toBeLessThan(4_000);
      const ring = nextRing(doorbell);
      await doorbell.ringAt(inSeconds(new Date(), 1));
      await ring;
      await times(1);
      expect(await jobs()).toEqual([]);
      expect(saying(log, FAILS)).toHaveLength(1);

      way.resume();
      await until(() => saying(log, WELL).length === 1);
      expect(await jobs()).toEqual(['count']);
      const before = begun.length;
      await times(before + 2);

      way[fault]();
      const told = Date.now();
      await doorbell.stop();
      expect(Date.now() - told).toBeLessThan(7_000);
    });

    it('is not well before a store that comes and goes is steady', async (context) => {
      const { process, jobsAre, wipe, way } = await opened(context);
      const { doorbell, log } = process();
      const { begun, run, times } = work();
      await doorbell.every('count', 1, run);
      await doorbell.start();
      for (let outages = 0; outages < 2; outages += 1) {
        way.cut();
        // What it does by itself shows that it looked in vain; the jobs that it looked again, and found the store.
        await times(begun.length + 2);
        await wipe();
        way.resume();
        await jobsAre('count');
      }
      expect(log.lines.map(({ level }) => level)).toEqual(['warn']);
      await until(() => log.lines.length === 2);
      expect(log.lines[1]).toMatchObject({ level: 'info', message: WELL });
    });
  });
}
