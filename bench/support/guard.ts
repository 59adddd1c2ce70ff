import type { machine } from './table.ts';

/** By name; more is better. */
export type Ratios = Readonly<Record<string, number>>;

/** `baseline.json`: what each bench reached against its baselines when it was recorded, on what. */
export type Recorded = Readonly<
  Record<string, { readonly date: string; readonly machine: ReturnType<typeof machine>; readonly ratios: Ratios }>
>;

/** A ratio may be this share of the recorded one: runs differ by some percent. */
const LEAST_SHARE = 0.8;

/**
 * What fell by more than a fifth, in sentences with how much. A ratio of which one side is missing is one as well: a guard that compares nothing
 * would never tell.
 */
export function regressions(bench: string, recorded: Ratios | undefined, seen: Ratios): readonly string[] {
  if (recorded === undefined) return [`${bench}: nothing is recorded of it. Run --record on a quiet machine.`];
  const lost = Object.keys(recorded)
    .filter((name) => !(name in seen))
    .map((name) => `${bench}, ${name}: is recorded and was not measured.`);
  const fallen = Object.entries(seen).flatMap(([name, ratio]) => {
    const before = recorded[name];
    if (before === undefined) return [`${bench}, ${name}: is measured and was not recorded.`];
    if (ratio >= before * LEAST_SHARE) return [];
    const percent = Math.round((1 - ratio / before) * 100);
    return [`${bench}, ${name}: fell by ${percent} %, from ${before.toPrecision(3)} to ${ratio.toPrecision(3)}.`];
  });
  return [...lost, ...fallen];
}

/** Of each ratio the better of two runs: noise only ever takes from it. */
export const better = (one: Ratios, other: Ratios): Ratios =>
  Object.fromEntries(
    [...new Set([...Object.keys(one), ...Object.keys(other)])].map((name) => [
      name,
      Math.max(one[name] ?? Number.NEGATIVE_INFINITY, other[name] ?? Number.NEGATIVE_INFINITY),
    ]),
  );

/** Rounded to what a ratio can say, so that a new record shows what moved. */
export const withRecord = (recorded: Recorded, bench: string, entry: Recorded[string]): Recorded => ({
  ...recorded,
  [bench]: {
    ...entry,
    ratios: Object.fromEntries(
      Object.entries(entry.ratios).map(([name, ratio]) => [name, Number(ratio.toPrecision(3))]),
    ),
  },
});
