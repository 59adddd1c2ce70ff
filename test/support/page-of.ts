import type { Page, PageRequest } from '../../src/application/ports/page.ts';

/** One page of what is in order already. */
export function pageOf<T>(all: readonly T[], { size, after }: PageRequest, idOf: (item: T) => string): Page<T> {
  const first = after === undefined ? 0 : all.findIndex((item) => idOf(item) === after) + 1;
  const items = all.slice(first, first + size);
  const last = items.at(-1);
  return last === undefined || first + size >= all.length ? { items } : { items, next: idOf(last) };
}
