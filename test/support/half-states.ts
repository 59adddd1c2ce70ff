/** What must never be seen in the record, at no moment and after no crash, and how to look for it. */
const HALF_STATES: Readonly<Record<string, string>> = {
  'two attempts of one post are alive': `
    select post_id from attempt where outcome is null group by post_id having count(*) > 1`,
  'it is on its way, and nobody will look at it again': `
    select id from post where state in ('PREPARING', 'SCHEDULED', 'PUBLISHING') and next_action_at is null
      and not exists (select 1 from video where video.id = post.video_id and video.state = 'IMPORTING')`,
  'it is held until a time, and nobody will look at it then': `
    select id from post where state = 'HELD' and hold->>'releaseTime' is not null and next_action_at is null`,
  'somebody holds it, without an end': `
    select id from post where lease_owner is not null and next_action_at is null`,
  'TikTok took the attempt on, and the address for its bytes is not there': `
    select post_id from attempt join post on post.id = post_id
    where transfer = 'UPLOAD' and publish_id is not null and upload_url is null and outcome is null
      and phase <> 'PROCESSING'`,
  'TikTok has all bytes, and the address for them is still there': `
    select post_id from attempt join post on post.id = post_id
    where phase = 'PROCESSING' and upload_url is not null and outcome is null`,
  'TikTok may be told where to fetch, and nobody notes who does': `
    select post_id from attempt where transfer = 'PULL' and outcome is null and not exists (
      select 1 from media_address where media_address.post_id = attempt.post_id and attempt_number = number)`,
  'the attempt has ended, and the address for its bytes is still there': `
    select post_id from attempt where outcome is not null and (upload_url is not null or end_time is null)`,
  'it sends bytes of an attempt that is not there': `
    select id from post where state = 'PUBLISHING' and phase <> 'INITIALIZING' and not exists (
      select 1 from attempt where post_id = post.id and outcome is null
        and (publish_id is not null or transfer = 'PULL' and phase = 'FINALIZING'))`,
  'it has ended, and an attempt of it lives': `
    select id from post where state in ('PUBLISHED', 'IN_CREATOR_INBOX', 'FAILED', 'UNCONFIRMED', 'CANCELLED')
      and exists (select 1 from attempt where post_id = post.id and outcome is null)`,
  'it is published, and no attempt of it is, or more than one': `
    select id from post where state = 'PUBLISHED'
      and (select count(*) from attempt where post_id = post.id and outcome = 'PUBLISHED') <> 1`,
  'more of its bytes are confirmed than there are': `
    select post_id from attempt where bytes_sent > size_bytes or bytes_sent < 0`,
  'a change of it is not in the outbox, or is there twice': `
    select id from post where version <> (select count(*) from post_event where post_id = post.id)`,
  'the outbox tells another state than the post is in': `
    select id from post cross join lateral (
      select post_event.post as told from post_event where post_id = post.id order by txid desc, seq desc limit 1
    ) as latest
    where (state, phase, version) is distinct from (told->>'state', told->>'phase', (told->>'version')::integer)`,
};

/** What there is of it, by its name. One statement sees one moment, whatever goes on meanwhile. */
export async function halfStates(
  ask: (text: string) => Promise<readonly Readonly<Record<string, unknown>>[]>,
): Promise<Readonly<Record<string, readonly unknown[]>>> {
  const found: Record<string, readonly unknown[]> = {};
  for (const [name, query] of Object.entries(HALF_STATES)) {
    const rows = await ask(query);
    if (rows.length > 0) found[name] = rows;
  }
  return found;
}
