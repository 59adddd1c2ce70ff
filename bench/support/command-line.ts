import { parseArgs } from 'node:util';
import type { Bench, Flag, Options } from './bench.ts';

/** For every bench. */
export const REPEAT: Flag = {
  fallback: 1,
  quick: 3,
  least: 1,
  most: 100,
  meaning: 'how often; then medians and spreads are shown',
};

const SWITCHES = {
  save: 'write the figures to bench/results/<name>.md',
  quick: 'small runs, three of each unless --repeat says otherwise',
  check:
    'the quick form, of all benches unless some are named; the exit code is 1 when a ratio fell by more than a fifth since --record',
  record: 'the same, and write the ratios to bench/baseline.json',
} as const;

export type Command = {
  readonly runs: readonly { readonly name: string; readonly options: Options }[];
  readonly save: boolean;
  /** What becomes of the ratios. */
  readonly ratios: 'SHOW' | 'CHECK' | 'RECORD';
};

/** What was asked for can't be done. The message says what was seen and what to do. */
export class BadCommand extends Error {
  override readonly name = 'BadCommand';
}

/** Reads `burst --posts 200 --repeat 3 --save`. Only flags of the benches that are named are known, and one counts for all that have it. */
export function readCommand(args: readonly string[], benches: Readonly<Record<string, Bench>>): Command {
  const known = Object.keys(benches);
  const named = args.filter((arg, index) => !arg.startsWith('-') && !takesValue(args[index - 1]));
  const ofAll = args.includes('--check') || args.includes('--record');
  const names = named.length === 0 && ofAll ? known : named;
  if (names.length === 0) throw new BadCommand(`Name a bench: ${known.join(', ')}.`);
  const wanted = names.map((name) => {
    const bench = benches[name];
    if (bench === undefined) throw new BadCommand(`There is no bench "${name}". Choose of: ${known.join(', ')}.`);
    return { name, bench };
  });
  const values = parse(args, ['repeat', ...new Set(wanted.flatMap(({ bench }) => Object.keys(bench.flags)))]);
  if (values['check'] === true && values['record'] === true)
    throw new BadCommand('Give --check or --record, not both.');
  if (values['save'] === true && ofAll) {
    throw new BadCommand('--save keeps the figures of a full run: leave out --check and --record.');
  }
  const quick = ofAll || values['quick'] === true;

  const runs = wanted.map(({ name, bench }) => {
    const options: Record<string, number> = {};
    for (const [flag, details] of Object.entries({ repeat: REPEAT, ...bench.flags })) {
      options[flag] = whole(flag, details, values[flag], quick, options);
    }
    const problem = bench.check(options);
    if (problem !== undefined) throw new BadCommand(problem);
    return { name, options };
  });
  return {
    runs,
    save: values['save'] === true,
    ratios: values['check'] === true ? 'CHECK' : values['record'] === true ? 'RECORD' : 'SHOW',
  };
}

/** `--posts 200`: the word behind it is no name. */
const takesValue = (before: string | undefined): boolean =>
  before !== undefined && /^--[^=]+$/.test(before) && !(before.slice(2) in SWITCHES);

function parse(args: readonly string[], flags: readonly string[]) {
  const asText = Object.fromEntries(flags.map((name) => [name, { type: 'string' as const }]));
  const asSwitch = Object.fromEntries(Object.keys(SWITCHES).map((name) => [name, { type: 'boolean' as const }]));
  try {
    const { values } = parseArgs({ args: [...args], options: { ...asText, ...asSwitch }, allowPositionals: true });
    return values as Readonly<Record<string, string | boolean | undefined>>;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const list = [...flags.map((name) => `--${name} n`), ...Object.keys(SWITCHES).map((name) => `--${name}`)].join(
      ', ',
    );
    throw new BadCommand(`${error.message.split('. ')[0]}. The flags are ${list}.`);
  }
}

function whole(
  name: string,
  { fallback, quick: small, least, most }: Flag,
  value: string | boolean | undefined,
  quick: boolean,
  before: Options,
): number {
  const unsaid = quick ? small : fallback;
  if (value === undefined) return typeof unsaid === 'number' ? unsaid : unsaid(before);
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new BadCommand(`--${name} ${value}: give a whole number from ${least} to ${most}.`);
}

export const usage = (benches: Readonly<Record<string, Bench>>): string =>
  [
    'npm run bench <name> … [-- <flags>]',
    '',
    ...Object.entries(benches).flatMap(([name, { about, flags }]) => [
      `  ${name}: ${about}`,
      ...Object.entries(flags).map(([flag, details]) => flagLine(flag, details)),
    ]),
    flagLine('repeat', REPEAT),
    ...Object.entries(SWITCHES).map(([name, meaning]) => `    --${name}   ${meaning}`),
  ].join('\n');

const flagLine = (name: string, { fallback, meaning }: Flag): string =>
  `    --${name} n   ${meaning}${typeof fallback === 'number' ? ` (${fallback} unless said)` : ''}`;
