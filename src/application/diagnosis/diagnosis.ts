/** What a check says of one thing that it looked at. */
export type Diagnosis =
  | { readonly verdict: 'ok'; readonly seen: string }
  /** The service runs, and somebody should know. */
  | { readonly verdict: 'warn'; readonly seen: string; readonly remedy: string }
  /** The service does not start, or does not do what it is for. */
  | { readonly verdict: 'FAIL'; readonly seen: string; readonly remedy: string };

export type Verdict = Diagnosis['verdict'];

export const fine = (seen: string): Diagnosis => ({ verdict: 'ok', seen });
export const warn = (seen: string, remedy: string): Diagnosis => ({ verdict: 'warn', seen, remedy });
export const fail = (seen: string, remedy: string): Diagnosis => ({ verdict: 'FAIL', seen, remedy });

/** What is wrong, or what is well when nothing is: an operator reads no more than that. */
export const orFine = (wrong: readonly (Diagnosis | undefined)[], seen: string): readonly Diagnosis[] => {
  const found = wrong.filter((each) => each !== undefined);
  return found.length === 0 ? [fine(seen)] : found;
};

/** Something else has to be mended first, and `check` says what. */
export const notLookedAt = (check: string): readonly Diagnosis[] => [
  warn('not looked at', `First do what the check ${check} says.`),
];
