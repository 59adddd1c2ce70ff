import type { Cipher } from '../../application/ports/cipher.ts';
import type { PostEvents } from '../../application/ports/post-events.ts';
import type { PostState } from '../../domain/post/post.ts';
import type { Database } from './database.ts';
import { date, type Time } from './json.ts';
import { cursorOf, END_OF_OUTBOX, outboxListeners, type Place, parseCursor, readableAfter } from './outbox.ts';
import { type AttemptRow, attemptFromRow, type PostRow, stepFromRow } from './post-rows.ts';

type Row = Place & {
  previous_state: string | null;
  post: PostRow;
  attempt: AttemptRow | null;
  event_time: Time;
};

/**
 * The outbox of posts (`outbox.ts`). Whoever changes a post waits at its `GATE` first.
 *
 * `announce` is to be called after every change this process stores.
 */
export function postgresPostEvents({ pool }: Database, cipher: Cipher): PostEvents & { announce(): void } {
  const listeners = outboxListeners(pool, 'post_event');

  return {
    ...listeners,
    async end() {
      const { rows } = await pool.query<Place>(END_OF_OUTBOX);
      return cursorOf(rows[0] ?? { txid: '0', seq: '0' });
    },
    async after(cursor, filter, limit) {
      const from = parseCursor(cursor);
      if (from === undefined) return undefined;
      const { rows } = await pool.query<Row>(
        `select txid, seq, previous_state, post, attempt, event_time from post_event
         where workspace_id = $1 and ${readableAfter('$2', '$3')}
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
  };
}
