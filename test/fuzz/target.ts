/** What strange bytes are given to. */
export type Target = {
  readonly name: string;
  /** Good inputs, to begin with. */
  readonly seeds: readonly Buffer[];
  /** Throws when the bytes did what no bytes may do. */
  run(input: Buffer): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Bytes did what no bytes may do. */
export class Finding extends Error {
  override readonly name = 'Finding';
}
