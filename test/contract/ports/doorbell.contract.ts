import { describe, expect, it, onTestFinished } from 'vitest';
import type { Doorbell } from '../../../src/application/ports/doorbell.ts';

export type DoorbellUnderTest = {
  readonly doorbell: Doorbell;
  /** The doorbell's own time. */
  readonly now: () => Date;
  /** Moves that time, where the test can. A real doorbell leaves it out, and the test waits for its signal. */
  readonly letTimeReach?: (time: Date) => Promise<void>;
};

/** What every doorbell does. `make` gives one that was not started. Each test waits for a ring, and only as long as it takes. */
export function doorbellContract(name: string, make: () => Promise<DoorbellUnderTest>): void {
  async function started(): Promise<DoorbellUnderTest> {
    const made = await make();
    await made.doorbell.start();
    onTestFinished(() => made.doorbell.stop());
    return made;
  }

  const nextRing = (doorbell: Doorbell): Promise<void> =>
    new Promise((resolve) => {
      const off = doorbell.onRing(() => {
        off();
        resolve();
      });
    });

  const inSeconds = (time: Date, seconds: number): Date => new Date(time.getTime() + seconds * 1000);

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
