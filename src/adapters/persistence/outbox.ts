/**
 * What all outboxes share. They are read in the order of (transaction, sequence), up to the oldest transaction still under way: a
 * sequence number is drawn before its transaction commits, so reading by sequence alone would skip whoever commits late. Events
 * of one thing are in the order of its changes because whoever changes it is numbered only when it is their turn.
 */
export type Place = { readonly txid: string; readonly seq: string };

/** Other processes' changes are seen this soon. Asked only while someone listens. */
const LOOK_MILLISECONDS = 250;

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

export type Listeners = {
  /** To be called after every change this process stores. */
  announce(): void;
  /** Calls `listener` after changes of this process, and now and then for those of others, until the returned function is called. */
  subscribe(listener: () => void): () => void;
};

export function outboxListeners(): Listeners {
  const listeners = new Set<() => void>();
  let timer: NodeJS.Timeout | undefined;
  const announce = (): void => {
    for (const listener of listeners) listener();
  };
  return {
    announce,
    subscribe(listener) {
      listeners.add(listener);
      timer ??= setInterval(announce, LOOK_MILLISECONDS);
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        clearInterval(timer);
        timer = undefined;
      };
    },
  };
}
