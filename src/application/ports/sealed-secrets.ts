/** Everything that is stored sealed: tokens, and addresses that take a post's bytes. */
export interface SealedSecrets {
  /** How many secrets each key seals, by its id; of keys that the ring lacks as well. */
  count(): Promise<ReadonlyMap<string, number>>;
  /**
   * Seals with the newest key what others sealed, so many at once, and tells after each lot. What is stored anew meanwhile is left as
   * it is. What can't be opened stays too, and is named by its table and row.
   */
  sealAnew(atOnce: number): AsyncIterable<{ readonly resealed: number; readonly unreadable: readonly string[] }>;
  /** Ids of keys under which tokens are stored that none of our keys opens, though several were tried. */
  unopenable(): Promise<readonly string[]>;
}
