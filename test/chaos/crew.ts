/** Work that goes on beside the run, and ends it when it fails. */
export type Crew = {
  /** Aborts when the run is over: when it failed, was interrupted, or has come to its end. */
  readonly signal: AbortSignal;
  add(work: Promise<unknown>): void;
  fail(error: unknown): void;
  /** Resolves when nothing is left to do. */
  idle(): Promise<void>;
  /** `wait`, unless the run is over before. */
  orOver<T>(wait: Promise<T>): Promise<T>;
};

export function crew(over: AbortController): Crew {
  const { signal } = over;
  const works = new Set<Promise<unknown>>();
  const fail = (error: unknown): void => over.abort(error);
  // One listener for all who wait.
  const ended = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  ended.catch(() => undefined); // whoever waits hears of it

  return {
    signal,
    fail,
    add(work) {
      // What breaks off because the run is over has not failed.
      const watched: Promise<unknown> = work
        .catch((error) => {
          if (!signal.aborted) fail(error);
        })
        .finally(() => works.delete(watched));
      works.add(watched);
    },
    async idle() {
      while (works.size > 0) await Promise.all(works);
    },
    orOver: (wait) => Promise.race([wait, ended]),
  };
}
