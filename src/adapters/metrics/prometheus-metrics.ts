import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client';
import type { Backlog } from '../../application/ports/backlog.ts';
import type { Log } from '../../application/ports/log.ts';
import {
  COLLECTION_CALLS,
  COLLECTION_OUTCOMES,
  type Metrics,
  RECALLED_STATES,
} from '../../application/ports/metrics.ts';
import { WARNING_DAYS } from '../../domain/connection/connection.ts';
import { backlogGauges } from './backlog-gauges.ts';
import { boundedLabel } from './bounded-label.ts';
import { PREFIX } from './prefix.ts';

export type PrometheusMetrics = Metrics & {
  /** Everything, as Prometheus reads it. Takes as long as the backlog may take, and fails for none of it. */
  expose(): Promise<{ readonly contentType: string; readonly text: string }>;
};

/** One second is the goal, ten after a deploy, ninety after a kill; what is later than that is a matter of minutes and hours. */
const LATENESS_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 90, 300, 900, 3_600, 21_600, 86_400];
/** Most calls take parts of a second; a chunk may take minutes. */
const CALL_BUCKETS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60, 300, 1_800];
/** TikTok's windows are a minute and a day long. */
const WAIT_BUCKETS = [0.1, 1, 5, 15, 30, 60, 120, 300, 3_600, 86_400];
const LOOK_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

/** A scrape has ten seconds; the database gets a part of them. */
const BACKLOG_MILLISECONDS = 2_000;
const NONE = 'none';

/** `tiktokCodes`: the codes that TikTok documents. Few others get a series of their own. */
export function prometheusMetrics(needs: {
  readonly backlog: Backlog;
  readonly tiktokCodes: Iterable<string>;
  readonly log: Log;
  readonly backlogMilliseconds?: number;
}): PrometheusMetrics {
  const { backlog, tiktokCodes, log, backlogMilliseconds = BACKLOG_MILLISECONDS } = needs;
  const registry = new Registry();
  const registers = [registry];
  // Coarser than the defaults: finer ones would wake an idle process a hundred times a second.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 20, eventLoopUtilizationTimeout: 1_000 });

  const counter = <L extends string>(name: string, labelNames: readonly L[], help: string): Counter<L> =>
    new Counter({ name: `${PREFIX}${name}_total`, help, labelNames, registers });
  const gauge = <L extends string>(name: string, labelNames: readonly L[], help: string): Gauge<L> =>
    new Gauge({ name: PREFIX + name, help, labelNames, registers });

  /** A figure that is none would throw, and telling must never fail. */
  function histogram(name: string, labelNames: readonly string[], buckets: number[], help: string) {
    const made = new Histogram<string>({ name: `${PREFIX}${name}_seconds`, help, labelNames, buckets, registers });
    return (labels: Readonly<Record<string, string>>, seconds: number): void => {
      if (Number.isFinite(seconds)) made.observe(labels, Math.max(seconds, 0));
    };
  }

  const lateness = histogram(
    'dispatch_lateness',
    [],
    LATENESS_BUCKETS,
    'How late the first attempt of a post was recorded, after the time it was scheduled for.',
  );
  const attempts = counter('attempts', ['outcome', 'code'], 'Attempts that ended, by outcome and by why.');
  const waits = histogram('quota_wait', ['call'], WAIT_BUCKETS, 'How long calls waited for their turn in a quota.');
  const setAside = counter('set_aside', ['kind'], 'Posts and videos set aside because the work on them ended workers.');
  const recalled = counter(
    'recalled_posts',
    ['state'],
    'Posts whose end the record had forgotten, by what they were recalled as.',
  );
  const rotten = counter('rotten_videos', [], 'Times that stored bytes of a video were found to have changed.');
  const garbage = counter('garbage_collected', ['kind'], 'What was removed because nobody needed it any more.');
  const collections = counter('metric_collections', ['outcome'], 'Rounds of collecting the numbers of an account.');
  const collectionLateness = histogram(
    'metric_collection_lateness',
    [],
    LATENESS_BUCKETS,
    'How late a round of collecting the numbers of an account began, after it was due.',
  );
  const collectionCalls = counter('metric_collection_calls', ['call'], 'Calls to TikTok that ask for numbers.');
  const snapshots = counter('metric_snapshots', [], 'Numbers that had changed and were stored as a part of a history.');
  const looks = histogram('engine_look_duration', [], LOOK_BUCKETS, 'How long the engine took to look for work.');
  const lastLook = gauge(
    'engine_last_look_timestamp_seconds',
    [],
    'When the engine last looked for work with success.',
  );
  const doorbell = gauge(
    'doorbell_reachable',
    [],
    "1 while Agenda's store answers this process, by which processes ring each other, else 0.",
  );
  const calls = counter('tiktok_calls', ['endpoint', 'status', 'code'], 'Calls to TikTok, by how they ended.');
  const callDuration = histogram('tiktok_call_duration', ['endpoint'], CALL_BUCKETS, 'How long calls to TikTok took.');
  const refreshes = counter('token_refreshes', ['outcome'], 'Refresh tokens spent, by what came of it.');
  const lostGrants = counter('grants_lost', [], 'Grants that ended because an answer of TikTok was lost.');
  const warnings = counter('reconnect_warnings', ['days'], 'Connections whose refresh token ends soon, by days left.');
  const resealed = counter('secrets_resealed', [], 'Secrets sealed anew with the newest key.');
  const underOlderKeys = gauge('secrets_under_older_keys', [], 'Secrets that keys before the newest one seal still.');
  const webhooks = counter('webhooks', ['outcome', 'event'], 'Webhooks received, by what became of them.');
  const callers = counter('callers_refused', ['code'], 'Calls refused for their caller’s sake, by why.');
  const waiting = backlogGauges({ registry, backlog, log, withinMilliseconds: backlogMilliseconds });

  const endpointOf = boundedLabel(30);
  const statusOf = boundedLabel(30);
  const codeOf = boundedLabel(20, tiktokCodes);
  const eventOf = boundedLabel(20);

  // A series that begins with its first event hides that event from `rate` and `increase`.
  for (const kind of ['POST', 'VIDEO'] as const) setAside.inc({ kind }, 0);
  for (const state of RECALLED_STATES) recalled.inc({ state }, 0);
  for (const outcome of ['RENEWED', 'INVALID_GRANT', 'NOT_ANSWERED', 'FAILED'] as const) refreshes.inc({ outcome }, 0);
  lostGrants.inc(0);
  snapshots.inc(0);
  for (const outcome of COLLECTION_OUTCOMES) collections.inc({ outcome }, 0);
  for (const call of COLLECTION_CALLS) collectionCalls.inc({ call }, 0);
  resealed.inc(0);
  for (const days of WARNING_DAYS) warnings.inc({ days: String(days) }, 0);
  for (const code of ['CREDENTIALS_INVALID', 'ISSUER_UNREACHABLE', 'RPC_WITHOUT_RULE'] as const)
    callers.inc({ code }, 0);

  return {
    dispatched: (latenessSeconds) => lateness({}, latenessSeconds),
    attemptEnded: (outcome, code) => attempts.inc({ outcome, code: code ?? NONE }),
    waited: (call, seconds) => waits({ call }, seconds),
    setAside: (kind) => setAside.inc({ kind }),
    recalled: (state) => recalled.inc({ state }),
    videoRotten: () => rotten.inc(),
    collected: (kind, count) => garbage.inc({ kind }, count),
    collectionEnded(outcome, latenessSeconds) {
      collections.inc({ outcome });
      collectionLateness({}, latenessSeconds);
    },
    collectionAsked: (call) => collectionCalls.inc({ call }),
    snapshotsStored: (count) => snapshots.inc(count),
    looked(seconds) {
      looks({}, seconds);
      lastLook.setToCurrentTime();
    },
    doorbellReached: (isReached) => doorbell.set(Number(isReached)),
    tiktokAnswered({ endpoint, status, code, seconds }) {
      const called = endpointOf(endpoint);
      const answered = status === undefined ? NONE : statusOf(String(status));
      calls.inc({ endpoint: called, status: answered, code: code === undefined ? NONE : codeOf(code) });
      callDuration({ endpoint: called }, seconds);
    },
    tokenRefreshed: (outcome) => refreshes.inc({ outcome }),
    grantLost: () => lostGrants.inc(),
    reconnectWarned: (days) => warnings.inc({ days: String(days) }),
    resealed: (secrets) => resealed.inc(secrets),
    underOlderKeys: (secrets) => underOlderKeys.set(secrets),
    callerRefused: (code) => callers.inc({ code }),
    webhook: (outcome, event) => webhooks.inc({ outcome, event: event === undefined ? NONE : eventOf(event) }),

    async expose() {
      await waiting.refresh();
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}
