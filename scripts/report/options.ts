import { parseArgs } from 'node:util';
import { ReportError } from './report-error.ts';

/** What a report is about. */
export type Subject = { readonly post: string } | { readonly connection: string };

export type ReportOptions = {
  readonly subject: Subject;
  /** The page; one that is there is written over. */
  readonly file: string;
  /** `host:port`, with `https://` before it for one with TLS. */
  readonly address: string;
  /** Goes out as `authorization: Bearer …`. */
  readonly key?: string;
};

const USUAL_SERVER = '127.0.0.1:50051';

export const HELP = `npm run report -- --post ID | --connection ID [flags]

Writes what the running service knows of one post, or of one account, as one HTML page that needs no network.

  --post ID           post_…: its numbers, growth, watch time and audience
  --connection ID     conn_…: the account, its last 60 days, its followers and its newest 50 videos
  --out FILE          the page, written over when it is there (report-ID.html)
  --server HOST:PORT  the service's gRPC port; https://HOST:PORT for one with TLS (${USUAL_SERVER})
  --key KEY           of a caller with the role read; leave it out where nobody is checked
  --help              this`;

const TEXT = { type: 'string' } as const;
const FLAGS = { post: TEXT, connection: TEXT, out: TEXT, server: TEXT, key: TEXT };
type FlagName = keyof typeof FLAGS;
const isFlagName = (name: string): name is FlagName => Object.hasOwn(FLAGS, name);
const KNOWN = [...Object.keys(FLAGS), 'help'].map((name) => `--${name}`).join(', ');

/** Undefined: help was asked for. Throws ReportError with every flag that can't be used, each with value and remedy. */
export function readOptions(args: readonly string[]): ReportOptions | undefined {
  if (args.includes('--help') || args.includes('-h')) return undefined;
  const problems: string[] = [];
  const given = new Map<FlagName, string>();
  const { tokens } = parseArgs({ args: [...args], options: FLAGS, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') problems.push(`"${token.value}": belongs to no flag; choose from ${KNOWN}.`);
    else if (!isFlagName(token.name)) problems.push(`${token.rawName}: there is no such flag; choose from ${KNOWN}.`);
    else if (given.has(token.name)) problems.push(`--${token.name}: is there twice; give it once.`);
    else given.set(token.name, token.value?.startsWith('--') ? '' : (token.value ?? ''));
  }
  for (const [name, value] of given) {
    if (value === '') problems.push(`--${name}: seen no value; name one, or leave the flag out.`);
  }

  const post = idOf('post', 'post_', given.get('post'), problems);
  const connection = idOf('connection', 'conn_', given.get('connection'), problems);
  const address = given.get('server') ?? USUAL_SERVER;
  checkAddress(address, problems);
  const key = given.get('key');
  if (key !== undefined && /[^\x21-\x7e]/.test(key)) {
    problems.push('--key: seen a space, or a character that no key has; give the key alone.');
  }
  if (given.has('post') && given.has('connection')) {
    problems.push('--post and --connection: seen both; a report is about one of them.');
  }
  if (!given.has('post') && !given.has('connection')) {
    problems.push('--post or --connection: seen neither; name what the report is about.');
  }

  const subject = post !== undefined ? { post } : connection !== undefined ? { connection } : undefined;
  if (problems.length > 0 || subject === undefined) {
    throw new ReportError(['This can not be reported on:', ...problems.map((problem) => `  ${problem}`)].join('\n'));
  }
  return {
    subject,
    file: given.get('out') ?? `report-${post ?? connection}.html`,
    address,
    ...(key === undefined ? {} : { key }),
  };
}

function idOf(name: FlagName, prefix: string, value: string | undefined, problems: string[]): string | undefined {
  if (value === undefined || value === '') return undefined;
  if (value.startsWith(prefix) && /^[a-z]+_[0-9a-z]+$/.test(value)) return value;
  problems.push(`--${name}: seen "${value}"; an id that begins with ${prefix} is needed, as the service gave it.`);
  return undefined;
}

function checkAddress(address: string, problems: string[]): void {
  const port = Number(/^(?:https?:\/\/)?(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})$/.exec(address)?.[1]);
  if (address === '' || (port >= 1 && port <= 65_535)) return;
  problems.push(`--server: seen "${address}"; HOST:PORT is needed, such as ${USUAL_SERVER}, or https://HOST:PORT.`);
}
