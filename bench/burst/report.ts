import type { Options, Report } from '../support/bench.ts';
import {
  comparison,
  type Figures,
  type Goal,
  type Ratio,
  type Row,
  ratioOf,
  type Subject,
} from '../support/comparison.ts';
import { circumstances, circumstancesLine, type Surroundings } from '../support/surroundings.ts';

/** How long TikTok thinks before each answer, and what became of that. All subjects of a round met the same machine. */
export type Variant = {
  readonly name: string;
  readonly thinkMilliseconds: number;
  readonly service: Subject;
  readonly bareLoop: Subject;
  /** One job for each post. */
  readonly queues: Readonly<Record<string, Subject>>;
};

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

export function report(
  around: Surroundings,
  options: Options<'posts' | 'accounts' | 'repeat'>,
  workspaces: number,
  [plain, thinking]: readonly [Variant, Variant],
  failures: readonly string[],
): Report {
  const { posts, accounts, repeat } = options;
  const toBare = ({ service, bareLoop }: Variant) => ratioOf('postsPerSecond', service, bareLoop);
  const seen = (figure: string) => plain.service.rounds.map((round: Figures) => round[figure]);
  const ratios: readonly Ratio[] = [
    { name: 'postsPerSecond', label: 'posts per second, to the bare loop', rounds: toBare(plain) },
    {
      name: 'postsPerSecondThinking',
      label: `posts per second, to the bare loop, ${thinking.name}`,
      rounds: toBare(thinking),
    },
    {
      name: 'cpu',
      label: 'CPU per post, bare loop to ours',
      rounds: ratioOf('cpuSecondsPerPost', plain.bareLoop, plain.service),
    },
    ...Object.values(plain.queues)
      .filter(({ notRun }) => notRun === undefined)
      .map((queue) => ({
        name: `to ${queue.name}`,
        label: `posts per second, to one ${queue.name} job for each post`,
        rounds: ratioOf('postsPerSecond', plain.service, queue),
        // BullMQ needs a Redis, which is not everywhere; the others are ours to beat, not to keep apart from.
        onlyShown: queue.name !== 'Agenda',
      })),
  ];
  return comparison({
    about: `${posts} posts due at one moment, ${accounts} accounts, ${workspaces} workspaces. ${circumstancesLine(around, repeat)}`,
    circumstances: { ...circumstances(around, options), workspaces },
    sections: [plain, thinking].map(({ name, service, bareLoop, queues }) => ({
      name,
      subjects: [service, bareLoop, ...Object.values(queues)],
      rows: ROWS,
    })),
    ratios,
    goals: goalsOf(plain, thinking),
    failures,
  });

  function goalsOf(without: Variant, withTime: Variant): readonly Goal[] {
    const { Agenda } = without.queues;
    return [
      { text: 'all claimed within 5 s', rounds: seen('allClaimedSeconds'), limit: { atMost: 5 }, unit: 's' },
      { text: 'first init within 1 s', rounds: seen('firstInitSeconds'), limit: { atMost: 1 }, unit: 's' },
      {
        text: 'posts per second at least half of the bare loop',
        rounds: toBare(without),
        limit: { atLeast: 0.5 },
        unit: '×',
      },
      {
        text: `posts per second at least 0.9 × the bare loop, ${withTime.name}`,
        rounds: toBare(withTime),
        limit: { atLeast: 0.9 },
        unit: '×',
      },
      ...(Agenda === undefined
        ? []
        : [
            {
              text: 'posts per second at least 10 × one Agenda job for each post',
              rounds: ratioOf('postsPerSecond', without.service, Agenda),
              limit: { atLeast: 10 },
              unit: '×',
            },
          ]),
    ];
  }
}
