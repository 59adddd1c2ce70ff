/** One call to TikTok, as support wants to see it. No token, no address, nothing of the content. */
export type TracedCall = {
  /** Path without a query; `upload` for a chunk. */
  readonly endpoint: string;
  readonly time: Date;
  readonly milliseconds: number;
  /** Absent when there was no answer. */
  readonly status?: number;
  /** TikTok's code (`ok`), or the network's. */
  readonly code?: string;
  readonly logId?: string;
};

/** The calls that a piece of work makes, however deep below it. */
export interface CallTrace {
  /** Runs `work` with a function that gives the calls made since it was last asked. */
  during<T>(work: (taken: () => readonly TracedCall[]) => Promise<T>): Promise<T>;
}
