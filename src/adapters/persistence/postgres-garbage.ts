import type { Garbage } from '../../application/ports/garbage.ts';
import { thinned } from '../../domain/analytics/thinning.ts';
import type { VideoId } from '../../domain/ids.ts';
import type { Database } from './database.ts';
import { date, type Time } from './json.ts';
import { NEEDING } from './postgres-videos.ts';

/** Of whoever collects; any number that every version of this service agrees on. It ends with its connection. */
const GARBAGE_LOCK = 7_411_301_123;

/** Before the same video is looked at again: one more day of it is over then. */
const THIN_AGAIN_DAYS = 1;

/** Those of a video that `thinned` has not done with. */
const TO_THIN = `
  select video.id, video.create_time, array_agg(snapshot.time order by snapshot.time) as times
  from (select id, create_time, thinned_until from measured_video where thin_at <= $1 order by thin_at limit $2) as video
  left join video_snapshot as snapshot
    on snapshot.video_id = video.id and snapshot.time >= coalesce(video.thinned_until, '-infinity')
  group by video.id, video.create_time`;

/** A video whose last snapshot is done with is looked at again when it gets another. Parameters: ids, times; ids, until, whether more; time. */
const THIN = `
  with dropped as (
    delete from video_snapshot using unnest($1::bigint[], $2::timestamptz[]) as old(video_id, time)
    where video_snapshot.video_id = old.video_id and video_snapshot.time = old.time returning 1
  ), looked as (
    update measured_video as video set thinned_until = at.until,
      thin_at = case when at.more then $6::timestamptz + make_interval(days => ${THIN_AGAIN_DAYS}) end
    from unnest($3::bigint[], $4::timestamptz[], $5::boolean[]) as at(id, until, more) where video.id = at.id returning 1
  )
  select (select count(*) from dropped) as dropped`;

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
    async thinSnapshots(time, limit) {
      const { rows } = await pool.query<{ id: string; create_time: Time; times: (Time | null)[] }>(TO_THIN, [
        time,
        limit,
      ]);
      const videos = rows.map(({ id, create_time, times }) => {
        const kept = times.flatMap((each) => (each === null ? [] : [date(each)]));
        const { dropped, until } = thinned(kept, date(create_time), time);
        const last = kept.at(-1);
        return { id, dropped, until, more: last !== undefined && last >= until };
      });
      if (videos.length === 0) return { videos: 0, dropped: 0 };
      const dropped = videos.flatMap((video) => video.dropped.map((each) => ({ id: video.id, time: each })));
      const thinnedNow = await pool.query<{ dropped: string }>(THIN, [
        dropped.map(({ id }) => id),
        dropped.map((each) => each.time),
        videos.map(({ id }) => id),
        videos.map(({ until }) => until),
        videos.map(({ more }) => more),
        time,
      ]);
      return { videos: videos.length, dropped: Number(thinnedNow.rows[0]?.dropped) };
    },
  };
}
