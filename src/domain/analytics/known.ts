/** The last that was known, and when TikTok told it. */
export type Known<T> = { readonly value: T; readonly asOf: Date };

/** Of each member the last that was known. Absent: never told. */
export type KnownOf<Values extends object> = {
  readonly [Name in keyof Values]?: Known<NonNullable<Values[Name]>>;
};

/** What is known once `told` was told at `time`: a silence takes nothing back, and what is older than what is known changes nothing. */
export function learn<Values extends object>(known: KnownOf<Values>, told: Values, time: Date): KnownOf<Values> {
  const learned: { [Name in keyof Values]?: Known<NonNullable<Values[Name]>> } = { ...known };
  for (const name of Object.keys(told) as (keyof Values)[]) {
    const value = told[name];
    const before = known[name];
    if (value === undefined || value === null || (before !== undefined && before.asOf >= time)) continue;
    learned[name] = { value, asOf: time };
  }
  return learned;
}

/** The values alone. */
export function valuesOf<Values extends object>(known: KnownOf<Values>): Values {
  const names = Object.keys(known) as (keyof Values)[];
  return Object.fromEntries(names.map((name) => [name, known[name]?.value])) as Values;
}
