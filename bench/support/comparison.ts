import type { Report } from './bench.ts';
import { type Spread, spread } from './statistics.ts';
import { shown, table } from './table.ts';

/** What one run of one subject gave, in base units (seconds, bytes). Undefined where the system does not tell. */
export type Figures = Readonly<Record<string, number | undefined>>;

/** The service, or what it is held against: the same work in the same run. */
export type Subject = {
  readonly name: string;
  /** In the order of the rounds. Empty when it was not run. */
  readonly rounds: readonly Figures[];
  /** Why it was not run, for the table. */
  readonly notRun?: string;
};

/** One line of the table: a figure, times `factor`. A subject that does not have it shows a dash. */
export type Row = readonly [label: string, figure: string, unit: string, factor: number];

/** A figure of the service to the same figure of a baseline, turned so that more is better. */
export type Ratio = {
  /** How `baseline.json` calls it. */
  readonly name: string;
  readonly label: string;
  /** In the order of the rounds. */
  readonly rounds: readonly (number | undefined)[];
  /** Not compared with what was recorded: it is not there on every machine, or one run says too little. */
  readonly onlyShown?: boolean;
};

/** One of the design. To miss it is no failure of the run. */
export type Goal = {
  readonly text: string;
  /** In the order of the rounds. */
  readonly rounds: readonly (number | undefined)[];
  readonly limit: { readonly atMost: number } | { readonly atLeast: number };
  /** Seen figures are shown times `factor`; the limit is in base units, too. */
  readonly unit?: string;
  readonly factor?: number;
};

export type Section = { readonly name: string; readonly subjects: readonly Subject[]; readonly rows: readonly Row[] };

/** Of each round. Where less is better (time, CPU, memory), give the baseline first. */
export const ratioOf = (figure: string, of: Subject, to: Subject): readonly (number | undefined)[] =>
  of.rounds.map((round, index) => divided(round[figure], to.rounds[index]?.[figure]));

export const divided = (of: number | undefined, to: number | undefined): number | undefined =>
  of === undefined || to === undefined || to === 0 ? undefined : of / to;

/** The table for people, the figures for machines, and what `--check` compares. */
export function comparison({
  about,
  circumstances,
  sections,
  ratios,
  goals,
  failures,
}: {
  /** Sentences over the table. */
  readonly about: string;
  readonly circumstances: object;
  readonly sections: readonly Section[];
  readonly ratios: readonly Ratio[];
  readonly goals: readonly Goal[];
  readonly failures: readonly string[];
}): Report {
  const judged = goals
    .map((goal) => ({ ...goal, seen: spread(goal.rounds) }))
    .map((goal) => ({ ...goal, reached: isReached(goal) }));
  const medians = ratios.map((ratio) => ({ ...ratio, seen: spread(ratio.rounds) }));
  return {
    table: [
      about,
      ...sections.map(figuresTable),
      ...(ratios.length === 0
        ? []
        : [
            table(
              ['to the baseline of the same run; more is better', ''],
              medians.map(({ label, seen }) => [label, shown(seen, '×')]),
            ),
          ]),
      ...(goals.length === 0
        ? []
        : [
            table(
              ['goal', 'seen', 'reached'],
              judged.map(({ text, seen, unit, factor = 1, reached }) => [
                text,
                shown(seen && times(seen, factor), unit),
                reached ? 'yes' : 'no',
              ]),
            ),
          ]),
    ].join('\n\n'),
    figures: {
      ...circumstances,
      sections: sections.map(({ name, subjects }) => ({
        name,
        subjects: subjects.map((subject) => ({ ...subject, medians: mediansOf(subject.rounds) })),
      })),
      goals: judged.map(({ text, seen, reached }) => ({ goal: text, seen: seen?.median, reached })),
    },
    ratios: Object.fromEntries(
      medians.flatMap(({ name, seen, onlyShown }) =>
        seen === undefined || onlyShown === true ? [] : [[name, seen.median]],
      ),
    ),
    failures,
  };
}

function figuresTable({ name, subjects, rows }: Section): string {
  return table(
    [name, ...subjects.map((subject) => subject.name)],
    rows.map(([label, figure, unit, factor]) => [
      label,
      ...subjects.map(({ rounds, notRun }) => {
        if (notRun !== undefined) return notRun;
        if (!rounds.some((round) => figure in round)) return '–';
        return shown(spread(rounds.map((round) => scaled(round[figure], factor))), unit);
      }),
    ]),
  );
}

const scaled = (value: number | undefined, factor: number): number | undefined => value && value * factor;

const times = ({ median, least, most }: Spread, factor: number): Spread => ({
  median: median * factor,
  least: least * factor,
  most: most * factor,
});

function mediansOf(rounds: readonly Figures[]): Figures {
  const names = Object.keys(rounds[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, spread(rounds.map((round) => round[name]))?.median]));
}

const isReached = ({ seen, limit }: { readonly seen: Spread | undefined; readonly limit: Goal['limit'] }): boolean =>
  seen !== undefined && ('atMost' in limit ? seen.median <= limit.atMost : seen.median >= limit.atLeast);
