/** One part of a whole; `fraction` is 0 to 1, with four decimals. */
export type Share = { name: string; fraction: number };

/** How much each name weighs. Only the proportions count. */
export type Weights = Readonly<Record<string, number>>;

const whole = 10_000;

/** Ten thousandths for each weight, by largest remainder: they add up to the whole. All 0 when nothing weighs anything. */
export function apportion(weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (sum === 0) return weights.map(() => 0);
  const exact = weights.map((weight) => (weight / sum) * whole);
  const parts = exact.map(Math.floor);
  const left = whole - parts.reduce((total, part) => total + part, 0);
  const byRemainder = exact.map((value, index) => ({ index, remainder: value - Math.floor(value) }));
  byRemainder.sort((one, other) => other.remainder - one.remainder || one.index - other.index);
  for (const { index } of byRemainder.slice(0, left)) parts[index] = (parts[index] ?? 0) + 1;
  return parts;
}

/** Largest first, at most `most` of them, none that is 0: those that are cut off are missing from the sum. */
export function sharesOf(weights: Weights, most = Number.POSITIVE_INFINITY): Share[] {
  const names = Object.keys(weights);
  const parts = apportion(Object.values(weights));
  return names
    .map((name, index) => ({ name, part: parts[index] ?? 0 }))
    .filter(({ part }) => part > 0)
    .sort((one, other) => other.part - one.part)
    .slice(0, most)
    .map(({ name, part }) => ({ name, fraction: part / whole }));
}

/** A fraction and what is left of 1, both with four decimals. */
export function pair(fraction: number): readonly [number, number] {
  const part = Math.round(fraction * whole);
  return [part / whole, (whole - part) / whole];
}
