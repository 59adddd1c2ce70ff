import type { Cipher } from '../../application/ports/cipher.ts';
import type { PostEvents } from '../../application/ports/post-events.ts';
import type { PostState } from '../../domain/post/post.ts';
import type { Database } from './database.ts';
import { date, type Time } from './json.ts';
import { type AttemptRow, attemptFromRow, type PostRow, stepFromRow } from './post-rows.ts';

type Row = {
  txid: string;
  seq: string;
  previous_state: string | null;
  post: PostRow;
  attempt: AttemptRow | null;
  event_time: Time;
};

/** Other processes' changes are seen this soon. Asked only while someone listens. */
const LOOK_MILLISECONDS = 250;

/**
 * The outbox in the order of (transaction, sequence), read up to the oldest transaction still under way: a sequence number is
 * drawn before its transaction commits, so reading by sequence alone would skip whoever commits late. Events of one post are in
 * the order of its changes because whoever changes a post is numbered only when it is their turn (`GATE`).
 *
 * `announce` is to be called after every change this process stores.
 */
export function postgresPostEvents({ pool }: Database, cipher: Cipher): PostEvents & { announce(): void } {
  const listeners = new Set<() => void>();
  let timer: NodeJS.Timeout | undefined;
  const announce = (): void => {
    for (const listener of listeners) listener();
  };

  return {
    announce,
    async end() {
      const { rows } = await pool.query<{ txid: string }>('select pg_snapshot_xmin(pg_current_snapshot()) as txid');
      return cursorOf({ txid: rows[0]?.txid ?? '0', seq: '0' });
    },
    async after(cursor, filter, limit) {
      const from = parseCursor(cursor);
      if (from === undefined) return undefined;
      const { rows } = await pool.query<Row>(
        `select txid, seq, previous_state, post, attempt, event_time from post_event
         where workspace_id = $1 and (txid, seq) > ($2::xid8, $3::bigint)
           and txid < pg_snapshot_xmin(pg_current_snapshot())
           and (cardinality($4::text[]) = 0 or connection_id = any($4))
           and (cardinality($5::text[]) = 0 or post_id = any($5))
         order by txid, seq limit $6`,
        [filter.workspaceId, from.txid, from.seq, filter.connectionIds, filter.postIds, limit],
      );
      const events = rows.map((row) => ({
        step: stepFromRow(
          row.post,
          row.attempt === null ? [] : [attemptFromRow(row.attempt, row.post.workspace_id, cipher)],
        ),
        eventTime: date(row.event_time),
        cursor: cursorOf(row),
        ...(row.previous_state === null ? {} : { previousState: row.previous_state as PostState }),
      }));
      return { events, reached: events.at(-1)?.cursor ?? cursor };
    },
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

const cursorOf = ({ txid, seq }: Pick<Row, 'txid' | 'seq'>): string =>
  Buffer.from(`${txid}.${seq}`, 'utf8').toString('base64url');

function parseCursor(cursor: string): Pick<Row, 'txid' | 'seq'> | undefined {
  const match = /^(\d{1,19})\.(\d{1,18})$/.exec(Buffer.from(cursor, 'base64url').toString('utf8'));
  const [, txid, seq] = match ?? [];
  return txid === undefined || seq === undefined ? undefined : { txid, seq };
}
