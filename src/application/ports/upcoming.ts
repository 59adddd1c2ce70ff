/** When the earliest of one kind of work comes due or the first lease of it ends, and whether that moment has come by the store's clock. */
export type NextWork = { readonly time: Date; readonly isDue: boolean };

/** What an engine has ahead of it, in one question: as long as nothing is due it needs no other. */
export interface Upcoming {
  /** Absent: none of it waits. Whether who is due can be taken, only claiming tells. */
  look(): Promise<{ readonly posts?: NextWork; readonly imports?: NextWork }>;
}
