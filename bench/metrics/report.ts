import type { Traffic } from '../../sandbox/traffic.ts';
import type { ApiFamily } from '../../src/domain/connection/connection.ts';
import type { Report } from '../support/bench.ts';
import { divided } from '../support/comparison.ts';
import { spread } from '../support/statistics.ts';
import { type machine, short, shown, table } from '../support/table.ts';
import type { BareFigures } from './bare-run.ts';
import type { Limit } from './judge.ts';
import type { RoundFigures } from './round.ts';

/** A round at the default rate, with TikTok's limits in force. */
export type Trial = {
  readonly limits: readonly Limit[];
  /** Calls, because of their rate. */
  readonly refused: number;
  readonly figures: RoundFigures;
};

/** Two rounds without TikTok's limits; nothing changed between them. */
export type Cost = {
  readonly first: RoundFigures;
  readonly second: RoundFigures;
  /** Of the first. */
  readonly endpoints: Traffic['endpoints'];
};

export type About = {
  readonly family: ApiFamily;
  readonly accounts: number;
  readonly videos: number;
  readonly trialAccounts: number;
  readonly repeat: number;
  /** The default. */
  readonly callsPerSecond: number;
  /** Of the rounds that tell the cost. */
  readonly costCallsPerSecond: number;
  readonly date: string;
  readonly machine: ReturnType<typeof machine>;
  readonly postgres: string;
};

type Figures = { readonly [Name in keyof RoundFigures]?: number | undefined };

export function report(
  about: About,
  trials: readonly Trial[],
  costs: readonly Cost[],
  bareLoops: readonly BareFigures[],
  failures: readonly string[],
): Report {
  const { family, accounts, videos, trialAccounts, callsPerSecond, costCallsPerSecond, machine: where } = about;
  const posts = accounts * videos;
  const [cost] = costs;
  // The open family's rate is one of each endpoint, and they go on at the same time.
  const slowest =
    family === 'OPEN'
      ? Math.max(0, ...(cost?.endpoints.map(({ calls }) => calls) ?? []))
      : (cost?.first.calls ?? Number.NaN);
  const fullRoundSeconds = slowest / callsPerSecond;

  const column =
    (figures: readonly Figures[]) =>
    (of: (each: Figures) => number | undefined, unit = '') =>
      shown(spread(figures.map(of)), unit);
  const columns = [costs.map(({ first }) => first), costs.map(({ second }) => second), bareLoops].map(column);
  const times = (value: number | undefined, factor: number): number | undefined =>
    value === undefined ? undefined : value * factor;
  const row = (name: string, of: (each: Figures) => number | undefined, unit = ''): readonly string[] => [
    name,
    ...columns.map((cell, index) => {
      const isBare = index === 2;
      return isBare && bareLoops.every((each) => of(each) === undefined) ? '–' : cell(of, unit);
    }),
  ];
  const rate = family === 'OPEN' ? `${callsPerSecond} calls a second and endpoint` : `${callsPerSecond} calls a second`;
  const machineLine = `${where.cores} cores (load ${where.loadBefore} before), ${where.memoryGiB} GiB, ${where.platform}, Node ${where.node}, PostgreSQL ${about.postgres}`;
  const text = [
    `${family === 'OPEN' ? 'Open' : 'Business'} family. ${about.date.slice(0, 10)}, ${machineLine}.`,
    `Limits: ${short(trialAccounts)} accounts of ${videos} videos, the default rate (${rate}), TikTok's limits in force; ${short(trials[0]?.figures.calls ?? Number.NaN)} calls in ${shown(spread(trials.map(({ figures }) => figures.seconds)))} s.`,
    table(
      ['limit', 'TikTok allows', 'most seen'],
      [
        ...(trials[0]?.limits ?? []).map(({ what, allowed }, index) => [
          what,
          short(allowed),
          shown(spread(trials.map(({ limits }) => limits[index]?.seen))),
        ]),
        ['calls refused', '–', shown(spread(trials.map(({ refused }) => refused)))],
      ],
    ),
    `Cost: ${short(accounts)} accounts of ${videos} videos, ${costCallsPerSecond} calls a second${family === 'OPEN' ? ' and endpoint' : ''} at most, no limits at TikTok. A first round at the default rate takes ${short(fullRoundSeconds / 60)} minutes (${short(slowest)} calls at ${rate}).`,
    table(
      ['', 'first round', 'second, nothing changed', 'bare loop'],
      [
        row('first to last call', ({ seconds }) => seconds, 's'),
        row('calls', ({ calls }) => calls),
        row('calls per video', ({ calls }) => times(calls, 1 / posts)),
        row('CPU', ({ cpuSeconds }) => cpuSeconds, 's'),
        row('CPU per video', ({ cpuSeconds }) => times(cpuSeconds, 1000 / posts), 'ms'),
        row("PostgreSQL's CPU", ({ postgresCpuSeconds }) => postgresCpuSeconds, 's'),
        row("sandbox's CPU", ({ sandboxCpuSeconds }) => sandboxCpuSeconds, 's'),
        row('transactions', ({ transactions }) => transactions),
        row('transactions per call', (each) =>
          each.calls === undefined ? undefined : times(each.transactions, 1 / each.calls),
        ),
        row('WAL', ({ walBytes }) => times(walBytes, 1e-6), 'MB'),
        row('rows inserted', ({ rowsInserted }) => rowsInserted),
        row('rows updated', ({ rowsUpdated }) => rowsUpdated),
        row('snapshots stored', ({ snapshots }) => snapshots),
        row('peak RSS', ({ peakBytes }) => times(peakBytes, 1 / 2 ** 20), 'MiB'),
      ],
    ),
  ].join('\n\n');
  const cpu = spread(costs.map(({ first }, index) => divided(bareLoops[index]?.cpuSeconds, first.cpuSeconds)));
  return {
    table: text,
    figures: { ...about, fullRoundSeconds, trials, costs, bareLoops },
    ratios: cpu === undefined ? {} : { cpu: cpu.median },
    failures,
  };
}
