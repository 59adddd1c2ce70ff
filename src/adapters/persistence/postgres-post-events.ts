import type { Cipher } from '../../application/ports/cipher.ts';
import type { EventFilter, PostEvents } from '../../application/ports/post-events.ts';
import type { PostState } from '../../domain/post/post.ts';
import type { Database } from './database.ts';
import { gathered, isOnesFault } from './gathered.ts';
import { date, type Time } from './json.ts';
import { cursorOf, END_OF_OUTBOX, outboxListeners, type Place, parseCursor, readableAfter } from './outbox.ts';
import { type AttemptRow, attemptFromRow, type PostRow, stepFromRow } from './post-rows.ts';
import { prepared } from './prepared.ts';

type Row = Place & {
  asked: number;
  previous_state: string | null;
  post: PostRow;
  attempt: AttemptRow | null;
  event_time: Time;
};

type Wanted = Place & EventFilter & { readonly limit: number };

const wantedRecord = ({ txid, seq, workspaceId, connectionIds, postIds, limit }: Wanted, asked: number) => ({
  asked,
  workspace_id: workspaceId,
  after_txid: txid,
  after_seq: seq,
  connection_ids: connectionIds,
  post_ids: postIds,
  most: limit,
});

/** The one parameter: an array of what `wantedRecord` gives. */
const EVENTS_AFTER = prepared(`
  select asked, event.* from json_to_recordset($1::json) as wanted(
    asked integer, workspace_id text, after_txid text, after_seq text, connection_ids text[], post_ids text[], most integer
  ) cross join lateral (
    select txid, seq, previous_state, post, attempt, event_time from post_event
    where workspace_id = wanted.workspace_id and ${readableAfter('wanted.after_txid', 'wanted.after_seq')}
      and (cardinality(wanted.connection_ids) = 0 or connection_id = any(wanted.connection_ids))
      and (cardinality(wanted.post_ids) = 0 or post_id = any(wanted.post_ids))
    order by txid, seq limit wanted.most
  ) as event order by asked, event.txid, event.seq`);

/**
 * The outbox of posts (`outbox.ts`). Whoever changes a post waits at its `GATE` first.
 *
 * `announce` is to be called after every change this process stores.
 */
export function postgresPostEvents({ pool }: Database, cipher: Cipher): PostEvents & { announce(): void } {
  const listeners = outboxListeners(pool, 'post_event');

  /** One look at what is new calls many watchers, who then all read: one statement for those that come together. */
  const read = gathered({
    async run(wanted: readonly Wanted[]): Promise<readonly (readonly Row[])[]> {
      const { rows } = await pool.query<Row>(EVENTS_AFTER(JSON.stringify(wanted.map(wantedRecord))));
      const found = Map.groupBy(rows, ({ asked }) => asked);
      return wanted.map((_, asked) => found.get(asked) ?? []);
    },
    isOnesFault,
  });

  return {
    ...listeners,
    async end() {
      const { rows } = await pool.query<Place>(END_OF_OUTBOX);
      return cursorOf(rows[0] ?? { txid: '0', seq: '0' });
    },
    async after(cursor, filter, limit) {
      const from = parseCursor(cursor);
      if (from === undefined) return undefined;
      const rows = await read({ ...from, ...filter, limit });
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
