/** SHA-256, hex, of the canonical form of a JSON value, dates included: the same for values that differ only in the order of their keys. */
export type Digest = (value: unknown) => string;
