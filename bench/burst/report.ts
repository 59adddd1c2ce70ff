import type { Options, Report } from '../support/bench.ts';
import { type Spread, spread } from '../support/statistics.ts';
import { type machine, shown, table } from '../support/table.ts';
import type { BareFigures } from './bare-run.ts';
import type { ServiceFigures } from './service-run.ts';

/** One after the other, so that both met the same machine. */
export type Round = { readonly service: ServiceFigures; readonly bareLoop: BareFigures };

/** How long TikTok thinks before each answer, and what became of that. */
export type Variant = { readonly name: string; readonly thinkMilliseconds: number; readonly rounds: readonly Round[] };

export type Circumstances = Options<'posts' | 'accounts' | 'repeat'> & {
  readonly workspaces: number;
  readonly date: string;
  readonly machine: ReturnType<typeof machine>;
  readonly postgres: string;
};

type Row = readonly [label: string, figure: keyof ServiceFigures, unit: string, factor: number];
const ROWS: readonly Row[] = [
  ['all claimed after', 'allClaimedSeconds', 's', 1],
  ['first init after', 'firstInitSeconds', 's', 1],
  ['last init after', 'lastInitSeconds', 's', 1],
  ['lateness p50', 'latenessP50Seconds', 's', 1],
  ['lateness p99', 'latenessP99Seconds', 's', 1],
  ['lateness max', 'latenessMaxSeconds', 's', 1],
  ['last published after', 'lastPublishSeconds', 's', 1],
  ['posts per second', 'postsPerSecond', '', 1],
  ['TikTok calls per post', 'callsPerPost', '', 1],
  ['CPU per post', 'cpuSecondsPerPost', 'ms', 1_000],
  ["PostgreSQL's CPU per post", 'postgresCpuSecondsPerPost', 'ms', 1_000],
  ["sandbox's CPU per post", 'sandboxCpuSecondsPerPost', 'ms', 1_000],
  ['transactions per post', 'transactionsPerPost', '', 1],
  ['WAL per post', 'walBytesPerPost', 'kB', 1e-3],
  ['peak RSS', 'peakBytes', 'MiB', 1 / 2 ** 20],
];

const RATIOS = {
  postsPerSecond: 'posts per second, to the bare loop',
  cpuSecondsPerPost: 'CPU per post, to the bare loop',
} as const;
type RatioName = keyof typeof RATIOS;

const ratio = (name: RatioName, { service, bareLoop }: Round): number | undefined => {
  const [of, to] = [service[name], bareLoop[name]];
  return of === undefined ? undefined : of / to;
};

export const report = (about: Circumstances, variants: readonly Variant[], failures: readonly string[]): Report => {
  const goals = goalsOf(variants[0]);
  const goalRows = goals.map(({ goal, seen, reached }) => [goal, shown(seen), reached ? 'yes' : 'no']);
  return {
    table: [
      describe(about),
      figuresTable(variants),
      table([`goal (${variants[0]?.name})`, 'seen', 'reached'], goalRows),
    ].join('\n\n'),
    figures: {
      ...about,
      variants: variants.map(inFigures),
      goals: goals.map(({ seen, ...goal }) => ({ ...goal, seen: seen?.median })),
    },
    failures,
  };
};

function figuresTable(variants: readonly Variant[]): string {
  const rows = ROWS.map(([label, figure, unit, factor]) => [
    label,
    ...variants.flatMap(({ rounds }) => {
      const cell = (values: readonly (number | undefined)[]) =>
        shown(spread(values.map((value) => value && value * factor)), unit);
      const bareLoop = rounds.map((round) => round.bareLoop);
      return [
        cell(rounds.map(({ service }) => service[figure])),
        bareLoop.every((figures) => figure in figures)
          ? cell(bareLoop.map((figures) => figures[figure as keyof BareFigures]))
          : '–',
      ];
    }),
  ]);
  const ratios = Object.entries(RATIOS).map(([name, label]) => [
    label,
    ...variants.flatMap(({ rounds }) => [
      shown(spread(rounds.map((round) => ratio(name as RatioName, round))), '×'),
      '1 ×',
    ]),
  ]);
  const head = variants.flatMap(({ name }) => [`service, ${name}`, 'bare loop']);
  return table(['', ...head], [...rows, ...ratios]);
}

/** Medians, and every round behind them. */
function inFigures({ rounds, ...variant }: Variant): object {
  const withRatios = rounds.map((round) => ({
    ...round,
    ratios: Object.fromEntries(Object.keys(RATIOS).map((name) => [name, ratio(name as RatioName, round)])),
  }));
  return {
    ...variant,
    service: medians(withRatios.map(({ service }) => service)),
    bareLoop: medians(withRatios.map(({ bareLoop }) => bareLoop)),
    ratios: medians(withRatios.map(({ ratios }) => ratios)),
    rounds: withRatios,
  };
}

function medians(runs: readonly Readonly<Record<string, number | undefined>>[]): object {
  const names = Object.keys(runs[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, spread(runs.map((run) => run[name]))?.median]));
}

type Goal = { readonly goal: string; readonly seen: Spread | undefined; readonly reached: boolean };

/** Those of the design. To miss one is no failure of the run. */
function goalsOf(variant: Variant | undefined): readonly Goal[] {
  const goal = (text: string, figure: (round: Round) => number | undefined, good: (seen: number) => boolean): Goal => {
    const seen = spread(variant?.rounds.map(figure) ?? []);
    return { goal: text, seen, reached: seen !== undefined && good(seen.median) };
  };
  return [
    goal(
      'all claimed within 5 s',
      ({ service }) => service.allClaimedSeconds,
      (seen) => seen <= 5,
    ),
    goal(
      'first init within 1 s',
      ({ service }) => service.firstInitSeconds,
      (seen) => seen <= 1,
    ),
    goal(
      'posts per second at least half of the bare loop',
      (round) => ratio('postsPerSecond', round),
      (seen) => seen >= 0.5,
    ),
  ];
}

function describe({ posts, accounts, workspaces, repeat, date, machine, postgres }: Circumstances): string {
  const rounds = repeat === 1 ? 'one run each' : `${repeat} runs each: median (least–most)`;
  const { cores, memoryGiB, platform, node, loadBefore } = machine;
  return [
    `${posts} posts due at one moment, ${accounts} accounts, ${workspaces} workspaces, ${rounds}.`,
    `${date.slice(0, 10)}, ${cores} cores (load ${loadBefore} before), ${memoryGiB} GiB, ${platform}, Node ${node}, PostgreSQL ${postgres}.`,
  ].join(' ');
}
