/** Chances that depend on the seed alone. */
export type Random = {
  /** From 0 up to, and without, 1. */
  fraction(): number;
  between(least: number, most: number): number;
  /** From `least` to `most`, both among them. */
  whole(least: number, most: number): number;
  chance(probability: number): boolean;
  pick<T>(choices: readonly T[]): T;
  weighted<T>(choices: readonly (readonly [weight: number, choice: T])[]): T;
  /** A time between events that do not know of each other, `mean` on average. */
  gap(mean: number): number;
  /** Another one of that name: what one part of the run asks for does not change what another part gets. */
  branch(name: string): Random;
};

export function seededRandom(seed: number | string): Random {
  let state = hashed(String(seed));

  /** mulberry32 */
  function fraction(): number {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  const between = (least: number, most: number): number => least + fraction() * (most - least);
  const whole = (least: number, most: number): number => Math.floor(between(least, most + 1));

  function at<T>(choices: readonly T[], index: number): T {
    if (index >= choices.length) throw new RangeError('there is nothing to choose from');
    return choices[index] as T;
  }

  return {
    fraction,
    between,
    whole,
    chance: (probability) => fraction() < probability,
    pick: (choices) => at(choices, Math.floor(fraction() * choices.length)),
    weighted(choices) {
      let left = fraction() * choices.reduce((sum, [weight]) => sum + weight, 0);
      const index = choices.findIndex(([weight]) => {
        left -= weight;
        return left < 0;
      });
      return at(choices, index === -1 ? choices.length - 1 : index)[1];
    },
    gap: (mean) => -Math.log(1 - fraction()) * mean,
    branch: (name) => seededRandom(`${seed}/${name}`),
  };
}

/** FNV-1a, stirred once more: similar names must not give similar numbers. */
function hashed(text: string): number {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  hash ^= hash >>> 16;
  return Math.imul(hash, 0x85ebca6b) | 0;
}
