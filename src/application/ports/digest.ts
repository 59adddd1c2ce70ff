/** SHA-256, hex, of a value's canonical form: the same for values that differ only in the order of their keys. */
export type Digest = (value: unknown) => string;
