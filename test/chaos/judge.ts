import type { Ledger } from '../../sandbox/ledger.ts';
import type { EntrustedPost } from './posts.ts';
import { hasEnded, isRightlyHeld, type PostRecord } from './records.ts';

/** What became of a post that must not become of any. */
export type Violation = { readonly post: EntrustedPost; readonly what: string };

export type Judgement = {
  /** More than one real post. */
  readonly duplicates: readonly Violation[];
  /** Gone, or said to be what TikTok's ledger says it is not. */
  readonly lost: readonly Violation[];
  /** Neither at an end nor waiting for anything that could come. */
  readonly stuck: readonly Violation[];
  readonly unconfirmed: number;
  readonly published: number;
  readonly inInbox: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly held: number;
  /** Of published posts, from their time to the first call to TikTok. */
  readonly latenessMilliseconds: readonly number[];
};

/** One thing that TikTok took, by what only this post has: its caption, or for a draft its bytes. */
type RealPost = { readonly publishId: string; readonly account: string; readonly sha256: string };

/** By the ledger of the sandbox, whatever the service believes. `late`: the ids of posts that did not settle in time. */
export function judge(
  posts: readonly EntrustedPost[],
  records: readonly PostRecord[],
  ledger: Pick<Ledger, 'inits' | 'uploads' | 'posts'>,
  late: ReadonlySet<string>,
): Judgement {
  const byId = new Map(records.map((record) => [record.id, record]));
  const byCaption = Map.groupBy(records, ({ caption }) => caption);
  const real = realPosts(ledger);
  const failedAtTiktok = failures(ledger);
  const duplicates: Violation[] = [];
  const lost: Violation[] = [];
  const stuck: Violation[] = [];

  for (const post of posts) {
    const key = keyOf(post);
    const found = real.get(key) ?? [];
    const twins = byCaption.get(post.caption) ?? [];
    if (found.length > 1) duplicates.push({ post, what: `is at TikTok ${found.length} times: ${publishIds(found)}` });
    else if (twins.length > 1) duplicates.push({ post, what: `was accepted ${twins.length} times: ${ids(twins)}` });

    const record = byId.get(post.postId);
    if (record === undefined) {
      lost.push({ post, what: 'was accepted and is not stored any more' });
      continue;
    }
    const contradiction = contradictionOf(post, record, found, failedAtTiktok.has(key));
    if (contradiction !== undefined) lost.push({ post, what: contradiction });
    else if (late.has(post.postId) || !(hasEnded(record) || isRightlyHeld(record))) {
      stuck.push({ post, what: `never got further than ${inWords(record)}` });
    }
  }

  const count = (state: string): number => records.filter((record) => record.state === state).length;
  return {
    duplicates,
    lost,
    stuck,
    unconfirmed: count('UNCONFIRMED'),
    published: count('PUBLISHED'),
    inInbox: count('IN_CREATOR_INBOX'),
    failed: count('FAILED'),
    cancelled: count('CANCELLED'),
    held: count('HELD'),
    latenessMilliseconds: records.flatMap(({ state, dispatch_lateness_seconds: seconds }) =>
      state === 'PUBLISHED' && seconds !== null ? [Math.round(seconds * 1000)] : [],
    ),
  };
}

const keyOf = ({ draft, caption, sha256 }: EntrustedPost): string => (draft ? sha256 : caption);

function realPosts({ inits, uploads, posts }: Pick<Ledger, 'inits' | 'uploads' | 'posts'>): Map<string, RealPost[]> {
  const delivered = new Set(
    inits.filter(({ kind, stage }) => kind === 'DRAFT' && stage === 'IN_INBOX').map(({ publishId }) => publishId),
  );
  const drafts = uploads.flatMap(({ publishId, account, sha256 }) =>
    sha256 !== null && delivered.has(publishId) ? [{ key: sha256, publishId, account, sha256 }] : [],
  );
  const direct = posts.map(({ title, publishId, account, sha256 }) => ({ key: title, publishId, account, sha256 }));
  return Map.groupBy([...direct, ...drafts], ({ key }) => key);
}

/** What TikTok itself ended with a reason. */
function failures({ inits, uploads }: Pick<Ledger, 'inits' | 'uploads'>): ReadonlySet<string> {
  const digests = new Map(uploads.map(({ publishId, sha256 }) => [publishId, sha256]));
  const failed = inits.filter(({ stage }) => stage === 'FAILED');
  return new Set(failed.flatMap(({ title, publishId }) => title ?? digests.get(publishId) ?? []));
}

/** Undefined while what the service says is true. */
function contradictionOf(
  post: EntrustedPost,
  record: PostRecord,
  found: readonly RealPost[],
  failedAtTiktok: boolean,
): string | undefined {
  const says = `is said to be ${inWords(record)}`;
  if (post.cancel === 'CANCELLED' && record.state !== 'CANCELLED') return `${says}, and its cancel was confirmed`;
  switch (record.state) {
    case 'PUBLISHED':
    case 'IN_CREATOR_INBOX': {
      const [only, second] = found;
      if (only === undefined) return `${says}, and TikTok does not have it`;
      if (second !== undefined) return undefined; // counted as a duplicate
      if (only.sha256 !== post.sha256) return `${says}, and TikTok has other bytes (${only.publishId})`;
      return only.account === post.account.openId ? undefined : `${says}, and is in another account`;
    }
    case 'CANCELLED':
      if (found.length > 0) return `${says}, and is at TikTok: ${publishIds(found)}`;
      return post.cancel === undefined ? `${says}, and nobody asked for that` : undefined;
    case 'FAILED':
      if (found.length > 0) return `${says}, and is at TikTok: ${publishIds(found)}`;
      // Every trouble of this run passes: only TikTok's own verdict is a reason to give a post up.
      return failedAtTiktok ? undefined : `${says}, and TikTok never said so`;
    default:
      return undefined;
  }
}

const publishIds = (found: readonly RealPost[]): string => found.map(({ publishId }) => publishId).join(', ');
const ids = (records: readonly PostRecord[]): string => records.map(({ id }) => id).join(', ');

export const inWords = ({ state, phase, hold, error, connection_state }: PostRecord): string =>
  [
    state,
    ...(phase === null ? [] : [phase]),
    ...(hold === null ? [] : [`(${hold.reason}, while its account is ${connection_state})`]),
    ...(error === null ? [] : [`with ${error.code}`]),
  ].join(' ');

/** Null where there is nothing to count. */
export function percentiles(milliseconds: readonly number[]) {
  const sorted = milliseconds.toSorted((one, other) => one - other);
  const at = (share: number): number | null => sorted[Math.ceil(sorted.length * share) - 1] ?? null;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
