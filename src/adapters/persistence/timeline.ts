import type { Pool } from 'pg';
import type { TracedCall } from '../../application/ports/call-trace.ts';
import type { TimelineEntry } from '../../domain/post/timeline.ts';
import { date, present, type Time } from './json.ts';
import { type AttemptRow, type PostRow, stepFromRow } from './post-rows.ts';

type Row = { post: PostRow; attempt: AttemptRow | null; calls: TracedCall[] | null; event_time: Time };

/** The outbox tells every change of a post; so it is its history as well, and nothing is written twice. */
export async function readTimeline(pool: Pool, postId: string): Promise<readonly TimelineEntry[]> {
  const { rows } = await pool.query<Row>(
    'select post, attempt, calls, event_time from post_event where post_id = $1 order by txid, seq',
    [postId],
  );
  return rows.map(entryFromRow);
}

function entryFromRow(row: Row): TimelineEntry {
  const { post, nextActionTime } = stepFromRow(row.post, []);
  const time = date(row.event_time);
  return present({
    time,
    since: time,
    count: 1,
    state: post.state,
    phase: post.state === 'PUBLISHING' ? post.phase : undefined,
    holdReason: post.state === 'HELD' ? post.hold.reason : undefined,
    attempt: row.attempt?.number,
    calls: (row.calls ?? []).map(({ endpoint, time: called, code, logId }) =>
      present({ endpoint, time: date(called), code, logId }),
    ),
    error: 'error' in post ? post.error : undefined,
    nextActionTime,
  });
}
