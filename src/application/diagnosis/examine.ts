import { type Diagnosis, fail, type Verdict } from './diagnosis.ts';

/** Looks at one thing and changes nothing. */
export type Check = {
  /** Stable: machines go by it. */
  readonly name: string;
  /** For people: which database, which folder. Holds no secret. */
  readonly lookedAt: string;
  /** Then it counts as failed, and the others are not kept waiting. */
  readonly withinSeconds: number;
  /** What to do when `look` throws, or does not end in time. */
  readonly remedy: string;
  /** Throws when it could not look. At least one diagnosis. */
  look(): Promise<readonly Diagnosis[]>;
};

export type Examined = {
  readonly name: string;
  readonly lookedAt: string;
  /** The worst of its diagnoses. */
  readonly verdict: Verdict;
  readonly diagnoses: readonly Diagnosis[];
};

/** Makes all checks at once, and tells of all of them in the order in which they were given. `inWords` says what an error means. */
export const examine = (checks: readonly Check[], inWords: (error: unknown) => string): Promise<readonly Examined[]> =>
  Promise.all(
    checks.map(async (check) => {
      const diagnoses = await inTime(check).catch((error: unknown) => [fail(inWords(error), check.remedy)]);
      return { name: check.name, lookedAt: check.lookedAt, verdict: worst(diagnoses), diagnoses };
    }),
  );

async function inTime({ look, withinSeconds, remedy }: Check): Promise<readonly Diagnosis[]> {
  const late = Promise.withResolvers<readonly Diagnosis[]>();
  const tooLate = [fail(`no answer within ${withinSeconds} seconds`, remedy)];
  const timer = setTimeout(() => late.resolve(tooLate), withinSeconds * 1000);
  try {
    return await Promise.race([look(), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

const ORDER: readonly Verdict[] = ['FAIL', 'warn', 'ok'];

export const worst = (all: readonly { readonly verdict: Verdict }[]): Verdict =>
  ORDER.find((verdict) => all.some((each) => each.verdict === verdict)) ?? 'ok';
