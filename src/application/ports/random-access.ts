/** Bytes that can be read anywhere without reading what lies before. */
export interface RandomAccess {
  readonly sizeBytes: number;
  /** Exactly the bytes from `start` up to `endExclusive`, which must lie within the size. Calls may overlap. */
  readAt(start: number, endExclusive: number): Promise<Uint8Array>;
}
