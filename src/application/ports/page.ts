/** A part of a list. `after` is the id of the last item of the page before. */
export type PageRequest = { readonly size: number; readonly after?: string };

/** `next` is the id of the last item when more follow, and absent on the last page. */
export type Page<T> = { readonly items: readonly T[]; readonly next?: string };
