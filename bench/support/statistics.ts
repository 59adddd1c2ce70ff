/** The smallest value that at least this share of all values does not exceed. `sorted` is in ascending order and not empty. */
export const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)] ?? Number.NaN;

export const ascending = (values: Iterable<number>): readonly number[] => [...values].sort((a, b) => a - b);

/** One figure over several runs. */
export type Spread = { readonly median: number; readonly least: number; readonly most: number };

/** Undefined when a run could not tell: a median of the others would hide that. */
export function spread(values: readonly (number | undefined)[]): Spread | undefined {
  const known = ascending(values.filter((value) => value !== undefined));
  const [least] = known;
  const most = known.at(-1);
  if (least === undefined || most === undefined || known.length < values.length) return undefined;
  const middle = known.length / 2;
  const median = ((known[Math.ceil(middle) - 1] ?? least) + (known[Math.floor(middle)] ?? most)) / 2;
  return { median, least, most };
}
