import type { Ledger } from '../../sandbox/ledger.ts';
import { captionOf } from './sample.ts';

/** What the sandbox saw of a run: the judge that depends on nothing its callers believe. */
export type Seen = {
  /** Milliseconds since 1970. */
  readonly firstInitTime: number;
  readonly lastInitTime: number;
  readonly calls: number;
  readonly failures: readonly string[];
};

/** Every post exactly once, and not one call that was refused or broken off. */
export function judge(ledger: Ledger, posts: number): Seen {
  const failures: string[] = [];
  const made = Map.groupBy(ledger.posts, ({ title }) => title);
  const missing = Array.from({ length: posts }, (_, index) => captionOf(index)).filter((title) => !made.has(title));
  const repeated = [...made].filter(([, same]) => same.length > 1).map(([title]) => title);
  if (missing.length > 0) failures.push(`${missing.length} posts never came to be, such as "${missing[0]}"`);
  if (repeated.length > 0) failures.push(`${repeated.length} posts came to be twice, such as "${repeated[0]}"`);
  if (ledger.duplicates.length > 0) failures.push(`the sandbox counts ${ledger.duplicates.length} duplicates`);
  if (made.size > posts) failures.push(`${made.size - posts} posts are there that nobody asked for`);
  if (ledger.inits.length !== posts) failures.push(`${ledger.inits.length} posts were announced instead of ${posts}`);

  const bad = ledger.calls.filter(({ status, errorCode }) => status === null || status >= 400 || isError(errorCode));
  for (const [why, same] of Map.groupBy(
    bad,
    ({ endpoint, status, errorCode }) => `${endpoint}: ${status} ${errorCode}`,
  )) {
    failures.push(`${same.length} calls of ${why}`);
  }
  const times = ledger.inits.map(({ initTime }) => initTime);
  return {
    firstInitTime: times.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
    lastInitTime: times.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
    calls: ledger.callCount,
    failures,
  };
}

const isError = (code: string | null): boolean => code !== null && code !== 'ok';
