/** A whole number that a bench takes from the command line. */
export type Flag = {
  /** What it is unless said; may follow from the flags before it. */
  readonly fallback: number | ((before: Options) => number);
  /** What it is with `--quick`: enough to see that the bench works, and whether a ratio fell. */
  readonly quick: number | ((before: Options) => number);
  readonly least: number;
  readonly most: number;
  readonly meaning: string;
};

export type Options<Name extends string = string> = Readonly<Record<Name, number>>;

/** What a bench found. */
export type Report = {
  /** For people, in Markdown. */
  readonly table: string;
  /** For machines: everything that is in the table, and more. */
  readonly figures: object;
  /** To the baseline of the same run, by name; more is better. What `--check` compares with `baseline.json`. */
  readonly ratios: Readonly<Record<string, number>>;
  /** What went wrong, in sentences. Figures of a run that failed mean nothing. */
  readonly failures: readonly string[];
};

export type Bench<Name extends string = string> = {
  /** One sentence for `npm run bench`. */
  readonly about: string;
  readonly flags: Readonly<Record<Name, Flag>>;
  /** What can't be run together, in a sentence; undefined when all is well. */
  readonly check: (options: Options<Name | 'repeat'>) => string | undefined;
  /** Whatever it starts goes into `resources`, which ends it also after a failure or Ctrl-C. */
  readonly run: (
    options: Options<Name | 'repeat'>,
    resources: AsyncDisposableStack,
    tell: (progress: string) => void,
  ) => Promise<Report>;
};
