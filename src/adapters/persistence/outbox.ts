import type { Pool } from 'pg';
import type { WorkspaceId } from '../../domain/ids.ts';

/**
 * What all outboxes share. They are read in the order of (transaction, sequence), up to the oldest transaction still under way: a
 * sequence number is drawn before its transaction commits, so reading by sequence alone would skip whoever commits late. Events
 * of one thing are in the order of its changes because whoever changes it is numbered only when it is their turn.
 */
export type Place = { readonly txid: string; readonly seq: string };

/** Other processes' changes are seen this soon. Asked only while someone listens, and once for all of them. */
const LOOK_MILLISECONDS = 100;
/** Between two looks, however much this process stores meanwhile. */
const PAUSE_MILLISECONDS = 20;

/** Where every outbox of the database ends at this moment. */
export const END_OF_OUTBOX = `select pg_snapshot_xmin(pg_current_snapshot()) as txid, '0' as seq`;

/** Columns `txid` and `seq` lie after a place, and nothing can still appear before what is read. */
export const readableAfter = (txid: string, seq: string): string =>
  `(txid, seq) > (${txid}::xid8, ${seq}::bigint) and txid < pg_snapshot_xmin(pg_current_snapshot())`;

export const cursorOf = ({ txid, seq }: Place): string => Buffer.from(`${txid}.${seq}`, 'utf8').toString('base64url');

export function parseCursor(cursor: string): Place | undefined {
  const match = /^(\d{1,19})\.(\d{1,18})$/.exec(Buffer.from(cursor, 'base64url').toString('utf8'));
  const [, txid, seq] = match ?? [];
  return txid === undefined || seq === undefined ? undefined : { txid, seq };
}

/**
 * Whose events became readable since the last look, and where the next one begins. Parameter: where this one begins, null for a first
 * look, which knows of nobody. What is under way lies behind that place, and is looked at again.
 */
const newsOf = (table: string): string => `
  select pg_snapshot_xmin(pg_current_snapshot()) as until, array(
    select distinct workspace_id from ${table} where txid >= $1::xid8 and txid < pg_snapshot_xmin(pg_current_snapshot())
  ) as workspaces`;

export type Listeners = {
  /** To be called after every change this process stores. */
  announce(): void;
  /**
   * Calls `listener` after changes of this workspace, in whichever process, and now and then for nothing, until the returned function is
   * called. Also when nobody can look: whoever reads then meets the reason.
   */
  subscribe(of: { readonly workspaceId: WorkspaceId }, listener: () => void): () => void;
};

/** One look for all who listen to this process: what a change costs is not multiplied by those whom it does not concern. */
export function outboxListeners(pool: Pick<Pool, 'query'>, table: 'post_event' | 'connection_event'): Listeners {
  const news = newsOf(table);
  const listeners = new Map<string, Set<() => void>>();
  let looking = false;
  let from: string | undefined;
  let wake = (): void => undefined;
  let rung = false;

  const call = (some: Iterable<Set<() => void> | undefined>): void => {
    for (const each of some) for (const listener of each ?? []) listener();
  };

  async function look(): Promise<void> {
    const { rows } = await pool.query<{ until: string; workspaces: readonly string[] }>(news, [from ?? null]);
    const [row] = rows;
    if (row === undefined) throw new Error('a look at the outbox gave nothing');
    const known = from !== undefined;
    from = row.until;
    call(known ? row.workspaces.map((workspaceId) => listeners.get(workspaceId)) : listeners.values());
  }

  async function lookWhileSomeoneListens(): Promise<void> {
    while (listeners.size > 0) {
      rung = false;
      await look().catch(() => call(listeners.values()));
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
      if (rung) continue;
      const announced = Promise.withResolvers<void>();
      const timer = setTimeout(announced.resolve, LOOK_MILLISECONDS - PAUSE_MILLISECONDS);
      wake = announced.resolve;
      await announced.promise;
      clearTimeout(timer);
    }
    from = undefined;
    looking = false;
  }

  return {
    announce() {
      rung = true;
      wake();
    },
    subscribe({ workspaceId }, listener) {
      // Its own function each time, so that one listener may subscribe twice.
      const own = (): void => listener();
      const others = listeners.get(workspaceId) ?? new Set();
      listeners.set(workspaceId, others.add(own));
      if (!looking) {
        looking = true;
        void lookWhileSomeoneListens();
      }
      return () => {
        others.delete(own);
        if (others.size === 0 && listeners.get(workspaceId) === others) listeners.delete(workspaceId);
        if (listeners.size === 0) wake();
      };
    },
  };
}
