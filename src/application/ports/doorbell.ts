/**
 * Wakes the engine. Only a bell: the database knows what is due, so a lost ring is made good by the sweep, and a ring too
 * many finds nothing.
 */
export interface Doorbell {
  /**
   * Something may be due at `time`: rings then in this process, and in another one when this one is gone. Of several times the earliest
   * counts. Waits for no store, and never rejects.
   */
  ringAt(time: Date): Promise<void>;
  /** Something is due now: rings at once in this process, and soon in others. */
  ringNow(): Promise<void>;
  /** Whom to wake. */
  onRing(listener: () => void): () => void;
  /**
   * Runs `work` about every `seconds`, in one process of the cluster at a time; in each of them while they have no way to agree. Must be
   * harmless when run twice. What it throws is logged, and it is run again at its next turn.
   */
  every(name: string, seconds: number, work: () => Promise<void>): Promise<void>;
  /** Resolves within seconds, also when processes can't agree yet. */
  start(): Promise<void>;
  /** Lets work under way end, for some seconds. Rings no more. */
  stop(): Promise<void>;
}
