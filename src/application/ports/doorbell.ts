/**
 * Wakes the engine. Only a bell: the database knows what is due, so a lost ring is made good by the sweep, and a ring too
 * many finds nothing.
 */
export interface Doorbell {
  /** Something may be due at `time`: rings then, in one process at least. An earlier time wins over a later one. */
  ringAt(time: Date): Promise<void>;
  /** Something is due now: rings at once in this process, and soon in others. */
  ringNow(): Promise<void>;
  /** Whom to wake. */
  onRing(listener: () => void): () => void;
  /** Runs `work` about every `seconds`, in one process of the cluster at a time. Must be harmless when run twice. */
  every(name: string, seconds: number, work: () => Promise<void>): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}
