import type { Surroundings } from './service-process.ts';

/** One statement after the other, for callers that don't wait for each other: the connection behind `sql` takes one at a time. */
export function inTurn(sql: Surroundings['sql']): Surroundings['sql'] {
  let last: Promise<unknown> = Promise.resolve();
  return (text, values) => {
    const next = last.then(
      () => sql(text, values),
      () => sql(text, values),
    );
    last = next;
    return next;
  };
}
