import type { Garbage } from '../../application/ports/garbage.ts';
import type { VideoId } from '../../domain/ids.ts';
import type { Database } from './database.ts';
import { NEEDING } from './postgres-videos.ts';

/** Of whoever collects; any number that every version of this service agrees on. It ends with its connection. */
const GARBAGE_LOCK = 7_411_301_123;

export function postgresGarbage({ pool }: Pick<Database, 'pool'>): Garbage {
  return {
    async alone(work) {
      const client = await pool.connect();
      let broken: Error | undefined;
      try {
        const { rows } = await client.query<{ held: boolean }>('select pg_try_advisory_lock($1) as held', [
          GARBAGE_LOCK,
        ]);
        if (rows[0]?.held !== true) return false;
        try {
          await work();
        } finally {
          await client.query('select pg_advisory_unlock($1)', [GARBAGE_LOCK]).catch((error: Error) => {
            broken = error;
          });
        }
        if (broken !== undefined) throw broken;
        return true;
      } finally {
        // A connection that may still hold the lock is used for nothing else.
        client.release(broken);
      }
    },
    async unusedSince(time, limit) {
      const { rows } = await pool.query<{ id: VideoId }>(
        `select id from video
         where create_time < $1 and state in ('READY', 'REJECTED') and not exists (
           select from post where video_id = video.id and (update_time >= $1 or state = any($3::text[])
             or state = 'UNCONFIRMED' and next_action_at is not null))
         order by create_time limit $2`,
        [time, limit, NEEDING],
      );
      return rows.map(({ id }) => id);
    },
    async kept(ids) {
      const { rows } = await pool.query<{ id: VideoId }>(
        `select id from video where id = any($1::text[]) and state in ('READY', 'IMPORTING')`,
        [ids],
      );
      return new Set(rows.map(({ id }) => id));
    },
    async dropEvents(time, limit) {
      const { rowCount } = await pool.query(
        `delete from post_event where (txid, seq) in (
           select txid, seq from post_event join post on post.id = post_event.post_id
           where event_time < $1 and post.state <> all($3::text[]) and post.next_action_at is null
           order by event_time limit $2)`,
        [time, limit, NEEDING],
      );
      return rowCount ?? 0;
    },
  };
}
