/** The sandbox's own time: the machine's, moved forward as far as the tests asked for. Milliseconds since 1970. */
export type Clock = {
  now(): number;
};

export function movableClock(position: { clockOffsetMs: number }): Clock {
  return { now: () => Date.now() + position.clockOffsetMs };
}

/** What shall happen at a moment of the sandbox's clock. */
export type Timeline = {
  at(time: number, action: () => void): void;
  /** Runs all that is due, earliest first. Called by itself when time passes, and by hand after the clock was moved. */
  runDue(): void;
  clear(): void;
};

const longestTimer = 2 ** 31 - 1;

export function timeline(clock: Clock): Timeline {
  const waiting: { time: number; action: () => void }[] = []; // earliest first
  let timer: NodeJS.Timeout | undefined;

  function placeAfter(time: number): number {
    let low = 0;
    let high = waiting.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((waiting[middle]?.time ?? 0) <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function setTimer(): void {
    clearTimeout(timer);
    const next = waiting[0];
    if (next) timer = setTimeout(runDue, Math.min(Math.max(0, next.time - clock.now()), longestTimer));
  }

  function runDue(): void {
    for (let next = waiting[0]; next && next.time <= clock.now(); next = waiting[0]) {
      waiting.shift();
      next.action();
    }
    setTimer();
  }

  return {
    at(time, action) {
      const place = placeAfter(time);
      waiting.splice(place, 0, { time, action });
      if (place === 0) setTimer();
    },
    runDue,
    clear() {
      waiting.length = 0;
      clearTimeout(timer);
    },
  };
}
