/** Work in the background of one process. */
export interface Repeated {
  start(): void;
  /** Resolves when nothing is under way. */
  stop(): Promise<void>;
}

/**
 * Does `work` now, or first after a pause, and again after each end: in `seconds`, or in as many as it gives. What it throws goes to
 * `failed`, and it is done again all the same.
 */
export function repeat(
  seconds: number,
  work: (ending: () => boolean) => Promise<void> | Promise<number>,
  failed: (error: unknown) => void,
  begin: 'NOW' | 'AFTER_A_PAUSE' = 'NOW',
): Repeated {
  let ending = false;
  let endPause: () => void = () => {};
  let loop: Promise<void> = Promise.resolve();

  const pause = (length: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, length * 1000);
      endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  async function run(): Promise<void> {
    if (begin === 'AFTER_A_PAUSE') await pause(seconds);
    while (!ending) {
      let length = seconds;
      try {
        length = (await work(() => ending)) ?? seconds;
      } catch (error) {
        failed(error);
      }
      if (!ending) await pause(length);
    }
  }

  return {
    start() {
      loop = run();
    },
    async stop() {
      ending = true;
      endPause();
      await loop;
    },
  };
}

/** The same for work that may be cut off anywhere and is done again: its end is waited for no longer than so many seconds. */
export const cutOff = ({ start, stop }: Repeated, seconds: number): Repeated => ({
  start,
  async stop() {
    const late = Promise.withResolvers<void>();
    const cut = setTimeout(late.resolve, seconds * 1000);
    await Promise.race([stop(), late.promise]);
    clearTimeout(cut);
  },
});
