import type { Clock } from '../../src/application/ports/clock.ts';
import type { WebhookInbox, WebhookLease } from '../../src/application/ports/webhook-inbox.ts';
import { inSeconds } from '../../src/domain/time.ts';
import type { LookOutcome, WebhookSubject } from '../../src/domain/webhook.ts';
import { copyOf } from './copy.ts';

/** As in the database, the lease is a wait like any other. */
type Row = {
  readonly subject: WebhookSubject;
  readonly openId: string | undefined;
  readonly receivedTime: Date;
  readonly failures: number;
  readonly fence: number;
  readonly owner?: string;
  readonly nextActionTime?: Date;
  readonly handledTime?: Date;
  readonly outcome?: LookOutcome;
};

export interface InMemoryWebhookInbox extends WebhookInbox {
  /** What came of each that is kept, in the order they came in. Undefined for one that is not handled yet. */
  outcomes(): readonly (LookOutcome | undefined)[];
  /** When the next one comes due. */
  earliest(): Date | undefined;
}

export function inMemoryWebhookInbox({ clock }: { readonly clock: Clock }): InMemoryWebhookInbox {
  const rows = new Map<string, Row>();

  function heldBy({ id, owner, fence }: WebhookLease): Row | undefined {
    const row = rows.get(id);
    return row?.owner === owner && row.fence === fence ? row : undefined;
  }

  function hold(id: string, row: Row, owner: string, leaseSeconds: number): WebhookLease {
    const held = { ...row, owner, fence: row.fence + 1, nextActionTime: inSeconds(clock.now(), leaseSeconds) };
    rows.set(id, held);
    const { subject, receivedTime, failures, fence } = held;
    return copyOf({ id, subject, receivedTime, failures, owner, fence });
  }

  return {
    outcomes: () => [...rows.values()].map(({ outcome }) => outcome),
    earliest() {
      const times = [...rows.values()].flatMap(({ nextActionTime }) => nextActionTime?.getTime() ?? []);
      return times.length === 0 ? undefined : new Date(Math.min(...times));
    },

    async add({ id, subject, openId }, { owner, leaseSeconds }) {
      if (rows.has(id)) return undefined;
      const row: Row = { subject: copyOf(subject), openId, receivedTime: clock.now(), failures: 0, fence: 0 };
      return hold(id, row, owner, leaseSeconds);
    },

    async claim({ owner, limit, leaseSeconds }) {
      return [...rows]
        .filter(([, { nextActionTime }]) => nextActionTime !== undefined && nextActionTime <= clock.now())
        .toSorted(([, left], [, right]) => Number(left.nextActionTime) - Number(right.nextActionTime))
        .slice(0, limit)
        .map(([id, row]) => hold(id, row, owner, leaseSeconds));
    },

    async finish(lease, outcome) {
      const row = heldBy(lease);
      if (row === undefined) return false;
      const { owner: _, nextActionTime: __, ...rest } = row;
      rows.set(lease.id, { ...rest, outcome, handledTime: clock.now() });
      return true;
    },

    async postpone(lease, seconds) {
      const row = heldBy(lease);
      if (row === undefined) return;
      const { owner: _, ...rest } = row;
      rows.set(lease.id, {
        ...rest,
        failures: row.failures + 1,
        nextActionTime: inSeconds(clock.now(), seconds),
      });
    },

    async publishIds(openId, since) {
      const told = [...rows.values()].flatMap((row) =>
        row.subject.kind === 'POST' && row.openId === openId && row.receivedTime >= since
          ? [row.subject.publishId]
          : [],
      );
      return [...new Set(told)];
    },

    async forgetHandledBefore(time) {
      for (const [id, { handledTime }] of rows) {
        if (handledTime !== undefined && handledTime < time) rows.delete(id);
      }
    },
  };
}
