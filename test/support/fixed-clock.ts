import type { Clock } from '../../src/application/ports/clock.ts';

/** Stands still until the test moves it. */
export interface FixedClock extends Clock {
  set(time: Date): void;
  advance(seconds: number): void;
}

export function fixedClock(start = new Date('2026-11-22T10:00:00Z')): FixedClock {
  let time = start.getTime();
  return {
    now: () => new Date(time),
    set: (moment) => {
      time = moment.getTime();
    },
    advance: (seconds) => {
      time += seconds * 1000;
    },
  };
}
