import { createHash } from 'node:crypto';
import type { MediaAddresses } from '../../application/ports/media-addresses.ts';
import type { PostId, VideoId } from '../../domain/ids.ts';
import type { Secret } from '../../domain/secret.ts';
import type { Database } from './database.ts';
import { optionalDate, present, type Time } from './json.ts';
import { NOW } from './now.ts';
import { inTransaction } from './transaction.ts';

const keyOf = (token: Secret): string => createHash('sha256').update(token.reveal()).digest('hex');

/** While the attempt has not ended. One that is about to be stored has no row yet. */
const LIVES = `not exists (select 1 from attempt
  where attempt.post_id = media_address.post_id and number = attempt_number and outcome is not null)`;

const CLOSE = `update media_address set close_time = coalesce(close_time, ${NOW})
  where post_id = $1 and attempt_number = $2`;

export function postgresMediaAddresses({ pool }: Pick<Database, 'pool'>): MediaAddresses {
  return {
    async open({ postId, attemptNumber, videoId }, token) {
      await inTransaction(pool, async (client) => {
        await client.query(CLOSE, [postId, attemptNumber]);
        await client.query(
          'insert into media_address (token_sha256, post_id, attempt_number, video_id) values ($1, $2, $3, $4)',
          [keyOf(token), postId, attemptNumber, videoId],
        );
      });
    },
    async find(token) {
      const { rows } = await pool.query<{ post_id: PostId; attempt_number: number; video_id: VideoId; open: boolean }>(
        `select post_id, attempt_number, video_id, close_time is null and ${LIVES} as open
         from media_address where token_sha256 = $1`,
        [keyOf(token)],
      );
      const [row] = rows;
      return row && { postId: row.post_id, attemptNumber: row.attempt_number, videoId: row.video_id, open: row.open };
    },
    async note(token, { start, endExclusive }) {
      // The lock makes this and a closing wait for each other: what is noted here was noted before the evidence is read.
      const { rowCount } = await pool.query(
        `with address as (
           select token_sha256 from media_address where token_sha256 = $1 and close_time is null and ${LIVES} for share
         )
         insert into media_fetch (token_sha256, first_byte, end_exclusive, fetch_time)
         select token_sha256, $2, $3, ${NOW} from address
         on conflict (token_sha256, first_byte, end_exclusive) do update set fetch_time = excluded.fetch_time`,
        [keyOf(token), start, endExclusive],
      );
      return rowCount === 1;
    },
    async close({ postId, attemptNumber }) {
      await pool.query(CLOSE, [postId, attemptNumber]);
    },
    async evidence({ postId, attemptNumber }) {
      const { rows } = await pool.query<{
        first_byte: string | null;
        end_exclusive: string | null;
        last_time: Time | null;
        close_time: Time | null;
      }>(
        `select first_byte, end_exclusive, max(fetch_time) over () as last_time, 
           case when bool_and(close_time is not null) over () then max(close_time) over () end as close_time
         from media_address left join media_fetch using (token_sha256)
         where post_id = $1 and attempt_number = $2`,
        [postId, attemptNumber],
      );
      return present({
        served: rows.flatMap(({ first_byte, end_exclusive }) =>
          first_byte === null || end_exclusive === null
            ? []
            : [{ start: Number(first_byte), endExclusive: Number(end_exclusive) }],
        ),
        lastTime: optionalDate(rows[0]?.last_time),
        closeTime: optionalDate(rows[0]?.close_time),
      });
    },
  };
}
