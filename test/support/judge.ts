import { expect } from 'vitest';
import { openIdOf } from '../../sandbox/business/business-id.ts';
import type { EndpointName } from '../../sandbox/endpoint.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import type { Surroundings } from './service-process.ts';
import type { Connection, Post, Video } from './story.ts';

/** How often, and with what end, TikTok was asked to take this post. */
export const initsOf = (sandbox: Sandbox, { caption }: Pick<Post, 'caption'>) =>
  sandbox.control.ledger().inits.filter(({ title }) => title === caption);

/** Every chunk that came for it, whatever TikTok answered. */
export function chunksOf(sandbox: Sandbox, post: Pick<Post, 'caption'>) {
  const ids = new Set<string | null>(initsOf(sandbox, post).map(({ publishId }) => publishId));
  return sandbox.control
    .ledger()
    .calls.filter(({ endpoint, publishId }) => endpoint === 'upload' && ids.has(publishId));
}

/** Every call for an account, in the order in which TikTok ended them. */
export const callsOf = (sandbox: Sandbox, { account }: Pick<Connection, 'account'>, ...endpoints: EndpointName[]) =>
  sandbox.control
    .ledger()
    .calls.filter((call) => call.account === ledgerName(account.open_id) && endpoints.includes(call.endpoint));

/** The sandbox knows an account by one name, whichever app is told another one. */
const ledgerName = (openId: string): string => (openId.startsWith('_') ? openIdOf(openId) : openId);

/** How many bytes TikTok has of each publish of this post. */
export function bytesOf(sandbox: Sandbox, post: Pick<Post, 'caption'>): readonly (number | undefined)[] {
  const { uploads } = sandbox.control.ledger();
  return initsOf(sandbox, post).map(
    ({ publishId }) => uploads.find((each) => each.publishId === publishId)?.receivedBytes,
  );
}

/** What TikTok took of the publish that the post now has. */
export const rangesOf = (sandbox: Sandbox, { publish_id }: Pick<Post, 'publish_id'>) =>
  sandbox.control.ledger().uploads.find(({ publishId }) => publishId === publish_id)?.ranges ?? [];

export const outcomesOf = ({ attempts }: Pick<Post, 'attempts'>): readonly string[] =>
  attempts.map(({ outcome }) => outcome.replace('ATTEMPT_OUTCOME_', ''));

/** Each byte once, in order. */
export function expectNoGap(sandbox: Sandbox, post: Post, video: Video): void {
  let reached = 0;
  for (const { first, last } of rangesOf(sandbox, post)) {
    expect(first).toBe(reached);
    reached = last + 1;
  }
  expect(reached).toBe(Number(video.size_bytes));
}

/** All that is stored of a post: whoever writes a row of it makes this another. */
export async function recordOf({ sql }: Pick<Surroundings, 'sql'>, postId: string) {
  return {
    post: await sql('select * from post where id = $1', [postId]),
    attempts: await sql('select * from attempt where post_id = $1 order by number', [postId]),
    events: await sql(
      `select seq::text, previous_state, post->>'state' as state, post->>'version' as version, post->>'fence' as fence
       from post_event where post_id = $1 order by txid, seq`,
      [postId],
    ),
  };
}
