import type { Ledger } from '../../sandbox/ledger.ts';
import type { Journal } from './journal.ts';
import type { Violation } from './judge.ts';
import type { OwnPostgres } from './own-postgres.ts';
import { readEverything } from './records.ts';

const MOST_LINES = 400;

/** Everything that is known of one post: what was stored, what TikTok's ledger has, and what was said and done meanwhile. */
export async function accountOf(
  { post, what }: Violation,
  { postgres, journal, ledger }: { readonly postgres: OwnPostgres; readonly journal: Journal; readonly ledger: Ledger },
): Promise<string> {
  const { postId, caption, account, sha256 } = post;
  const digests = new Map(ledger.uploads.map((upload) => [upload.publishId, upload]));
  const inits = ledger.inits.filter(
    ({ publishId, title }) => title === caption || (post.draft && digests.get(publishId)?.sha256 === sha256),
  );
  const publishIds = new Set(inits.map(({ publishId }) => publishId));
  // Calls about no publish id, such as an announcement, are told apart by account and time only.
  const from = Math.min(...inits.map(({ initTime }) => initTime)) - 30_000;
  const calls = ledger.calls.filter(
    (call) =>
      publishIds.has(call.publishId ?? '') ||
      (call.publishId === null && call.account === account.openId && call.time >= from),
  );
  const lines = journal.mentioning([postId, account.connectionId, `post ${post.number} `]);
  return [
    `post ${post.number} (${postId}, "${caption}", ${post.draft ? 'a draft' : 'direct'}) ${what}`,
    `  ${JSON.stringify(post)}`,
    '  stored (post, attempts, events):',
    ...(await readEverything(postgres, postId)).map(indented),
    "  TikTok's ledger:",
    ...inits.map(indented),
    ...inits.map(({ publishId }) => indented(digests.get(publishId))),
    '  calls of this account to TikTok, with what went wrong on purpose:',
    ...calls.map((call) =>
      indented({
        time: new Date(call.time).toISOString(),
        endpoint: call.endpoint,
        publishId: call.publishId,
        status: call.status,
        errorCode: call.errorCode,
        fault: call.fault,
        range: call.range,
      }),
    ),
    '  journal, where it names the post or its connection:',
    ...lines.slice(-MOST_LINES).map((line) => `    ${line}`),
  ].join('\n');
}

const indented = (value: unknown): string => `    ${JSON.stringify(value)}`;
