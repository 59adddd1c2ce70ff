/** Work in the background of one process. */
export interface Repeated {
  start(): void;
  /** Resolves when nothing is under way. */
  stop(): Promise<void>;
}

/** Does `work` now and again `seconds` after each end. What it throws goes to `failed`, and it is done again all the same. */
export function repeat(
  seconds: number,
  work: (ending: () => boolean) => Promise<void>,
  failed: (error: unknown) => void,
): Repeated {
  let ending = false;
  let endPause: () => void = () => {};
  let loop: Promise<void> = Promise.resolve();

  async function run(): Promise<void> {
    while (!ending) {
      await work(() => ending).catch(failed);
      if (ending) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, seconds * 1000);
        endPause = () => {
          clearTimeout(timer);
          resolve();
        };
      });
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
