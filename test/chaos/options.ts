import type { Family } from '../../sandbox/state.ts';

/** What the person who runs it decides. */
export type ChaosOptions = {
  /** Whose accounts the posts go to. */
  readonly family: FamilyChoice;
  /** SIGKILLs of workers. */
  readonly kills: number;
  /** Processes of the service at work. */
  readonly workers: number;
  /** The same seed makes the same choices, though not at the same moments. */
  readonly seed: number;
  /** How long a worker holds a post without renewing (LEASE_SECONDS of the service). */
  readonly leaseSeconds: number;
  /** A file that gets everything that happened, line by line. */
  readonly journal?: string;
};

const FAMILIES = {
  open: ['OPEN'],
  business: ['BUSINESS'],
  both: ['OPEN', 'BUSINESS'],
} as const satisfies Record<string, readonly Family[]>;
export type FamilyChoice = keyof typeof FAMILIES;

const isFamilyChoice = (name: string): name is FamilyChoice => Object.hasOwn(FAMILIES, name);

/** TikTok's API families that take part. */
export const familiesOf = ({ family }: Pick<ChaosOptions, 'family'>): readonly Family[] => FAMILIES[family];

/** Every flag that can't be used, each with the value seen, the limit and the remedy. */
export class FlagError extends Error {
  override readonly name = 'FlagError';

  constructor(problems: readonly string[]) {
    super(['These flags can not be used:', ...problems.map((problem) => `  ${problem}`)].join('\n'));
  }
}

type Flag = { readonly least: number; readonly most: number; readonly usual: string; readonly what: string };

const LARGEST_SEED = 2 ** 32 - 1;

const FLAGS = {
  kills: { least: 1, most: 100_000, usual: '50', what: 'SIGKILLs of workers, about one a second' },
  // Each worker and each process that still ends has up to 19 connections, and PostgreSQL takes 200.
  workers: { least: 1, most: 6, usual: '3', what: 'processes of the service at work' },
  seed: { least: 0, most: LARGEST_SEED, usual: 'random', what: 'what chance decides; the same seed, the same choices' },
  lease: { least: 2, most: 60, usual: '6', what: 'seconds until the posts of a dead worker go to another one' },
} as const satisfies Record<string, Flag>;

type FlagName = keyof typeof FLAGS;

const isFlagName = (name: string): name is FlagName => Object.hasOwn(FLAGS, name);

const KNOWN = [...Object.keys(FLAGS), 'family', 'journal', 'help'].map((name) => `--${name}`).join(', ');

export const HELP = `npm run chaos -- [flags]

Kills worker processes of the service at random moments and at named places while posts are accepted, freezes and stops
others, crashes PostgreSQL, and lets TikTok (the sandbox) lose answers. At the end the sandbox's ledger tells whether
every accepted post went out once, or says why not.

${Object.entries(FLAGS)
  .map(([name, { least, most, usual, what }]) => `${`  --${name} N`.padEnd(16)}${what} (${least} to ${most}; ${usual})`)
  .join('\n')}
  --family F    TikTok's API family that the posts go through: open, business or both (open)
  --journal F   writes to file F what happened and what the workers logged, line by line
  --help        this

Agenda keeps its jobs in PostgreSQL, or in the MongoDB that AGENDA_MONGODB_URL names.

The last line is a JSON object. Exit code 0: no post went out twice, none is lost or stuck, no worker ended by itself or
badly, no event of a post was missed. Exit code 1: else, or when the run itself failed.`;

/** Undefined: help was asked for. Throws FlagError. */
export function readOptions(args: readonly string[], randomSeed: () => number): ChaosOptions | undefined {
  if (args.includes('--help') || args.includes('-h')) return undefined;
  const numbers = new Map<FlagName, number>();
  const problems: string[] = [];
  let journal: string | undefined;
  let family: FamilyChoice | undefined;

  const left = [...args];
  for (let arg = left.shift(); arg !== undefined; arg = left.shift()) {
    const [isFlag, name = '', attached] = /^--([^=]*)(?:=(.*))?$/s.exec(arg) ?? [];
    const value = attached ?? (isFlag === undefined || left[0]?.startsWith('--') ? undefined : left.shift());
    if (name !== 'journal' && name !== 'family' && !isFlagName(name)) {
      problems.push(`${arg}: there is no such flag; choose from ${KNOWN}.`);
      continue;
    }
    if (name === 'journal') {
      if (value === undefined || value === '') problems.push('--journal: seen no value; name a file, or leave it out.');
      journal = value;
      continue;
    }
    if (name === 'family') {
      if (value !== undefined && isFamilyChoice(value)) family = value;
      else {
        const seen = value === undefined ? 'no value' : `"${value}"`;
        problems.push(`--family: seen ${seen}; choose open, business or both. Leave it out for open.`);
      }
      continue;
    }
    if (numbers.has(name)) problems.push(`--${name}: is there twice; give it once.`);
    const number = whole(value, FLAGS[name]);
    if (number === undefined) problems.push(refusal(name, value));
    else numbers.set(name, number);
  }
  if (problems.length > 0) throw new FlagError(problems);
  return {
    family: family ?? 'open',
    kills: numbers.get('kills') ?? Number(FLAGS.kills.usual),
    workers: numbers.get('workers') ?? Number(FLAGS.workers.usual),
    seed: numbers.get('seed') ?? randomSeed(),
    leaseSeconds: numbers.get('lease') ?? Number(FLAGS.lease.usual),
    ...(journal === undefined ? {} : { journal }),
  };
}

function whole(text: string | undefined, { least, most }: Flag): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= least && value <= most ? value : undefined;
}

function refusal(name: FlagName, seen: string | undefined): string {
  const { least, most, usual } = FLAGS[name];
  const got = seen === undefined ? 'no value' : `"${seen}"`;
  const otherwise = usual === 'random' ? 'a random one' : usual;
  return `--${name}: seen ${got}; a whole number from ${least} to ${most} is needed. Leave it out for ${otherwise}.`;
}
