import { readFile } from 'node:fs/promises';
import type { Callers } from '../../application/ports/callers.ts';
import type { Clock } from '../../application/ports/clock.ts';
import type { Log } from '../../application/ports/log.ts';
import { type FetchedKeys, knownCallers } from './known-callers.ts';
import { parseCallers } from './parse-callers.ts';

/**
 * The callers named in a file, read again soon after it changes. A new version with a mistake is refused as a whole and said
 * in the log; the version before goes on. Throws when the first version can't be used.
 */
export async function callersFile(options: {
  readonly path: string;
  /** Whether any connection can bring a client certificate. */
  readonly clientCertificates: boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** How often the file is looked at. By content, since mounted secrets change their links and not their time. */
  readonly lookMilliseconds?: number;
}): Promise<Callers & { close(): void }> {
  const { path, clock, log, lookMilliseconds = 2_000 } = options;
  const fetched: FetchedKeys = new Map();

  const first = await read(path);
  const parsed = 'problem' in first ? undefined : parseCallers(first.text, options);
  const problems = 'problem' in first ? [first.problem] : parsed?.ok === false ? parsed.error : [];
  if (parsed?.ok !== true) throw new Error(inWords(path, problems));
  let callers = knownCallers(parsed.value, { clock, fetched });
  log.info({ path, ...counted(parsed.value) }, 'callers are checked');

  let seen = JSON.stringify(first);
  async function look(): Promise<void> {
    const now = await read(path);
    if (JSON.stringify(now) === seen) return;
    seen = JSON.stringify(now);
    const next = 'problem' in now ? { ok: false as const, error: [now.problem] } : parseCallers(now.text, options);
    if (!next.ok) {
      log.error({ path, problems: next.error }, 'the changed callers file is refused; those of before go on');
      return;
    }
    callers = knownCallers(next.value, { clock, fetched });
    log.info({ path, ...counted(next.value) }, 'the callers were read again');
  }

  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  const lookLater = (): void => {
    if (closed) return;
    timer = setTimeout(() => look().finally(lookLater), lookMilliseconds).unref();
  };
  lookLater();

  return {
    identify: (login) => callers.identify(login),
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

const counted = ({
  callers,
  issuers,
}: {
  readonly callers: readonly unknown[];
  readonly issuers: readonly unknown[];
}) => ({
  callers: callers.length,
  issuers: issuers.length,
});

async function read(path: string): Promise<{ readonly text: string } | { readonly problem: string }> {
  try {
    return { text: await readFile(path, 'utf8') };
  } catch (error) {
    return { problem: `it can't be read: ${error instanceof Error ? error.message : 'for no reason given'}` };
  }
}

const inWords = (path: string, problems: readonly string[]): string =>
  `CALLERS_FILE=${path} can't be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`;
