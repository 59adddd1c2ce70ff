import { parseArgs } from 'node:util';
import type { Bench, Flag, Options } from './bench.ts';

/** For every bench. */
export const REPEAT: Flag = {
  fallback: 1,
  least: 1,
  most: 100,
  meaning: 'how often; then medians and spreads are shown',
};

export type Command = { readonly names: readonly string[]; readonly options: Options; readonly save: boolean };

/** What was asked for can't be done. The message says what was seen and what to do. */
export class BadCommand extends Error {
  override readonly name = 'BadCommand';
}

/** Reads `burst --posts 200 --repeat 3 --save`. Only flags of the benches that are named are known. */
export function readCommand(args: readonly string[], benches: Readonly<Record<string, Bench>>): Command {
  const known = Object.keys(benches);
  const names = args.filter((arg, index) => !arg.startsWith('-') && !takesValue(args[index - 1]));
  const wanted = names.map((name) => {
    const bench = benches[name];
    if (bench === undefined) throw new BadCommand(`There is no bench "${name}". Choose of: ${known.join(', ')}.`);
    return bench;
  });
  if (wanted.length === 0) throw new BadCommand(`Name a bench: ${known.join(', ')}.`);
  const flags: Readonly<Record<string, Flag>> = Object.assign(
    { repeat: REPEAT },
    ...wanted.map((bench) => bench.flags),
  );

  const values = parse(args, flags);
  const options: Record<string, number> = {};
  for (const [name, flag] of Object.entries(flags)) options[name] = whole(name, flag, values[name], options);
  for (const bench of wanted) {
    const problem = bench.check(options);
    if (problem !== undefined) throw new BadCommand(problem);
  }
  return { names, options, save: values['save'] === true };
}

/** `--posts 200`: the word behind it is no name. */
const takesValue = (before: string | undefined): boolean => before !== undefined && /^--(?!save$)[^=]+$/.test(before);

function parse(args: readonly string[], flags: Readonly<Record<string, Flag>>) {
  const asText = Object.fromEntries(Object.keys(flags).map((name) => [name, { type: 'string' as const }]));
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { ...asText, save: { type: 'boolean' } },
      allowPositionals: true,
    });
    return values as Readonly<Record<string, string | boolean | undefined>>;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const list = [...Object.keys(flags).map((name) => `--${name} n`), '--save'].join(', ');
    throw new BadCommand(`${error.message.split('. ')[0]}. The flags are ${list}.`);
  }
}

function whole(
  name: string,
  { fallback, least, most }: Flag,
  value: string | boolean | undefined,
  before: Options,
): number {
  if (value === undefined) return typeof fallback === 'number' ? fallback : fallback(before);
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
    '    --save   write the figures to bench/results/<name>.md',
  ].join('\n');

const flagLine = (name: string, { fallback, meaning }: Flag): string =>
  `    --${name} n   ${meaning}${typeof fallback === 'number' ? ` (${fallback} unless said)` : ''}`;
