import { Gauge, type Registry } from '@prometheus-io/client';
import type { Backlog, BacklogFigures } from '../../application/ports/backlog.ts';
import { COUNTED_AT_MOST } from '../../application/ports/backlog.ts';
import type { Log } from '../../application/ports/log.ts';
import { PREFIX } from './prefix.ts';

/**
 * What waits, read when it is asked for: every process tells the same, so they are to be compared, not added. When it can't be
 * read in time the figures are absent, not old ones and not 0.
 */
export function backlogGauges(needs: {
  readonly registry: Registry;
  readonly backlog: Backlog;
  readonly log: Log;
  readonly withinMilliseconds: number;
}): { refresh(): Promise<void> } {
  const { registry, backlog, log, withinMilliseconds } = needs;
  const registers = [registry];
  const named = (name: string, help: string) => new Gauge({ name: `${PREFIX}backlog_${name}`, help, registers });
  const readable = named('readable', '1 when the figures of the backlog could be read for this scrape, else 0.');
  const overdue = named(
    'overdue_posts',
    `Posts whose next step should have begun and that no worker has taken, counted up to ${COUNTED_AT_MOST}.`,
  );
  const oldest = named('oldest_overdue_seconds', 'How long the overdue post that waits longest has been due.');
  const unconfirmed = named('unconfirmed_posts', 'Posts whose outcome TikTok never told.');
  const setAside = named('set_aside_posts', 'Posts that failed because the work on them ended its workers.');
  const held = new Gauge({
    name: `${PREFIX}backlog_held_posts`,
    help: 'Posts that wait, by what they wait for.',
    labelNames: ['reason'],
    registers,
  });
  const shutGates = new Gauge({
    name: `${PREFIX}backlog_shut_gates`,
    help: 'Gates that keep posts from going out, by why they are shut and whether one post is trying to pass.',
    labelNames: ['code', 'state'],
    registers,
  });

  let underWay: Promise<BacklogFigures> | undefined;

  /** A reading that hangs is waited for by whoever comes next: scrapes never pile up in the database. */
  function read(): Promise<BacklogFigures> {
    underWay ??= backlog.read().finally(() => {
      underWay = undefined;
    });
    return underWay;
  }

  function show(figures: BacklogFigures): void {
    overdue.set(figures.overdue);
    oldest.set(figures.oldestOverdueSeconds);
    unconfirmed.set(figures.unconfirmed);
    setAside.set(figures.setAside);
    for (const [reason, posts] of Object.entries(figures.held)) held.set({ reason }, posts);
    // One that is open again must not be shown as it was.
    shutGates.reset();
    for (const { code, tried, gates } of figures.shutGates)
      shutGates.set({ code, state: tried ? 'TRIED' : 'SHUT' }, gates);
    readable.set(1);
  }

  function hide(): void {
    // `reset` would leave a 0 where there are no labels.
    for (const gauge of [overdue, oldest, unconfirmed, setAside]) gauge.remove();
    held.reset();
    shutGates.reset();
    readable.set(0);
  }

  return {
    async refresh() {
      try {
        show(await within(withinMilliseconds, read()));
      } catch (error) {
        log.warn({ error }, 'the backlog could not be read for the metrics');
        hide();
      }
    },
  };
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${milliseconds} ms`)), milliseconds);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
