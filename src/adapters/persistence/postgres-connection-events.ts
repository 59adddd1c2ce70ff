import type { ConnectionEvents } from '../../application/ports/connection-events.ts';
import type { ConnectionState } from '../../domain/connection/connection.ts';
import { connectionFromRow } from './connection-rows.ts';
import type { Database } from './database.ts';
import { date, type Time } from './json.ts';
import { cursorOf, END_OF_OUTBOX, outboxListeners, type Place, parseCursor, readableAfter } from './outbox.ts';
import type { ConnectionRow } from './rows.ts';

type Row = Place & { previous_state: string | null; connection: ConnectionRow; event_time: Time };

/**
 * The outbox of connections (`outbox.ts`). Whoever changes a connection waits at its `CONNECTION_GATE` first.
 *
 * `announce` is to be called after every change this process stores.
 */
export function postgresConnectionEvents({ pool }: Pick<Database, 'pool'>): ConnectionEvents & { announce(): void } {
  return {
    ...outboxListeners(pool, 'connection_event'),
    async end() {
      const { rows } = await pool.query<Place>(END_OF_OUTBOX);
      return cursorOf(rows[0] ?? { txid: '0', seq: '0' });
    },
    async after(cursor, { workspaceId, connectionIds }, limit) {
      const from = parseCursor(cursor);
      if (from === undefined) return undefined;
      const { rows } = await pool.query<Row>(
        `select txid, seq, previous_state, connection, event_time from connection_event
         where workspace_id = $1 and ${readableAfter('$2', '$3')}
           and (cardinality($4::text[]) = 0 or connection_id = any($4))
         order by txid, seq limit $5`,
        [workspaceId, from.txid, from.seq, connectionIds, limit],
      );
      const events = rows.map((row) => ({
        connection: connectionFromRow(row.connection),
        eventTime: date(row.event_time),
        cursor: cursorOf(row),
        ...(row.previous_state === null ? {} : { previousState: row.previous_state as ConnectionState }),
      }));
      return { events, reached: events.at(-1)?.cursor ?? cursor };
    },
  };
}
