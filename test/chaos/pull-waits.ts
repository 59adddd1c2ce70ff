import { setTimeout as delay } from 'node:timers/promises';
import type { OwnPostgres } from './own-postgres.ts';

/**
 * Whoever lost the answer to a pull waits for minutes whether TikTok fetches the video, and for a day whether it tells what became of it
 * (src/domain/post/media-evidence.ts). Nobody waits so long here: the sandbox fetches within `LONGEST_SECONDS`, however long a call of it
 * is held, or never.
 */
const LONGEST_SECONDS = 25;
/** What was being fetched when an address was closed is over by then. */
const AFTER_CLOSE_SECONDS = 6;
const LOOK_MILLISECONDS = 1_500;

/** Of attempts whose post rests, and of whose announcement nobody had an answer. */
const UNANSWERED = `
  select post.id, attempt.number from post join attempt on attempt.post_id = post.id
  where post.state = 'PUBLISHING' and phase = 'FINALIZING' and transfer = 'PULL'
    and attempt.publish_id is null and attempt.outcome is null and lease_owner is null`;

/** As if the quiet two minutes, and the one after the closing, had gone by. A look comes due by that, and no other. */
const SHORTEN = `
  with unanswered as (${UNANSWERED}),
  address as (
    select token_sha256, id, number, close_time from unanswered
      join media_address on media_address.post_id = id and attempt_number = number
  ),
  quiet as (
    update attempt set start_time = start_time - interval '130 s' from unanswered
    where attempt.post_id = unanswered.id and attempt.number = unanswered.number
      and start_time between now() - interval '120 s' and now() - make_interval(secs => $1)
    returning unanswered.id
  ),
  fetched as (
    update media_fetch set fetch_time = fetch_time - interval '130 s' from address
    where media_fetch.token_sha256 = address.token_sha256
      and fetch_time between now() - interval '120 s' and now() - make_interval(secs => $1)
    returning address.id
  ),
  closed as (
    update media_address set close_time = media_address.close_time - interval '65 s' from address
    where media_address.token_sha256 = address.token_sha256
      and media_address.close_time between now() - interval '60 s' and now() - make_interval(secs => $2)
    returning address.id
  )
  update post set next_action_at = now() where lease_owner is null and id in (
    select id from quiet union select id from fetched union select id from closed
  )`;

/** Goes on until the signal. */
export async function shortenPullWaits(postgres: OwnPostgres, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await postgres.ask(SHORTEN, [LONGEST_SECONDS, AFTER_CLOSE_SECONDS]);
    await delay(LOOK_MILLISECONDS, undefined, { signal }).catch(() => undefined);
  }
}

/**
 * As if the day had gone by in which TikTok could have told what became of what it fetched as a whole: a worker may have died over
 * the last piece, and nobody but TikTok knows whether it left. To be called when all is well.
 */
export const endDayOfUnanswered = (postgres: OwnPostgres): Promise<readonly unknown[]> =>
  postgres.ask(
    `with unanswered as (${UNANSWERED}),
     aged as (
       update attempt set finalize_time = finalize_time - interval '1 day' from unanswered
       where attempt.post_id = unanswered.id and attempt.number = unanswered.number
         and finalize_time between now() - interval '1 day' and now() - make_interval(secs => $1)
       returning unanswered.id
     )
     update post set next_action_at = now() where lease_owner is null and id in (select id from aged)`,
    [LONGEST_SECONDS],
  );
