import type { Ledger } from '../../sandbox/ledger.ts';
import { accountOf } from './evidence.ts';
import type { Journal } from './journal.ts';
import { judge, percentiles, type Violation } from './judge.ts';
import type { ChaosOptions } from './options.ts';
import type { OwnPostgres } from './own-postgres.ts';
import type { EntrustedPost } from './posts.ts';
import type { PostRecord } from './records.ts';
import type { WorkerFaultCounts } from './worker-faults.ts';

/** What a run found. */
export type ChaosReport = {
  /** No promise was broken. */
  readonly good: boolean;
  /** For people: every broken promise, with all that is known of it. */
  readonly findings: readonly string[];
  /** The last line. */
  readonly result: Readonly<Record<string, unknown>>;
};

/** Of each kind: what went wrong once mostly explains the others. */
const MOST_SHOWN = 5;

export async function report(given: {
  readonly options: ChaosOptions;
  readonly posts: readonly EntrustedPost[];
  readonly records: readonly PostRecord[];
  /** Posts that did not settle in time. */
  readonly late: ReadonlySet<string>;
  readonly ledger: Ledger;
  /** Posts whose last change WatchPosts never told. */
  readonly unheard: readonly PostRecord[];
  /** Of workers and of calls. */
  readonly failures: readonly string[];
  readonly counts: WorkerFaultCounts & {
    readonly faultsOfTiktok: number;
    readonly reconnects: number;
    readonly unansweredCalls: number;
    readonly resumedStreams: number;
  };
  readonly postgres: OwnPostgres;
  readonly journal: Journal;
}): Promise<ChaosReport> {
  const { options, posts, records, late, ledger, unheard, failures, counts, postgres, journal } = given;
  const judgement = judge(posts, records, ledger, late);
  const findings: string[] = [];

  async function tell(kind: string, violations: readonly Violation[]): Promise<void> {
    for (const violation of violations.slice(0, MOST_SHOWN)) {
      findings.push(`${kind}: ${await accountOf(violation, { postgres, journal, ledger })}`);
    }
    const left = violations.slice(MOST_SHOWN);
    if (left.length > 0)
      findings.push(`${kind}, too: ${left.map(({ post, what }) => `${post.postId} ${what}`).join('\n  ')}`);
  }
  await tell('DUPLICATE', judgement.duplicates);
  await tell('LOST', judgement.lost);
  await tell('STUCK', judgement.stuck);
  findings.push(...failures.map((failure) => `FAILURE: ${failure}`));
  findings.push(...unheard.map(({ id, state }) => `EVENT MISSED: WatchPosts never told that ${id} is ${state}`));

  return {
    good: findings.length === 0,
    findings,
    result: {
      kills: counts.kills,
      posts: posts.length,
      duplicates: judgement.duplicates.length,
      lost: judgement.lost.length,
      stuck: judgement.stuck.length,
      unconfirmed: judgement.unconfirmed,
      lateness_ms: percentiles(judgement.latenessMilliseconds),
      family: options.family,
      seed: options.seed,
      workers: options.workers,
      published: judgement.published,
      in_creator_inbox: judgement.inInbox,
      cancelled: judgement.cancelled,
      failed: judgement.failed,
      held: judgement.held,
      service_failures: failures.length,
      events_missed: unheard.length,
      kills_at_fail_points: counts.killsAtFailPoints,
      kills_in_calls: counts.killsInCalls,
      kills_of_all: counts.killsOfAll,
      kills_while_starting: counts.killsWhileStarting,
      freezes: counts.freezes,
      freezes_at_fail_points: counts.freezesAtFailPoints,
      stops: counts.stops,
      database_restarts: counts.databaseRestarts,
      tiktok_faults: counts.faultsOfTiktok,
      reconnects: counts.reconnects,
      unanswered_calls: counts.unansweredCalls,
      repeated_posts: posts.filter(({ tries }) => tries > 1).length,
      resumed_streams: counts.resumedStreams,
      duration_s: Math.round(journal.secondsSoFar()),
    },
  };
}
