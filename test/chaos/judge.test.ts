import { describe, expect, it } from 'vitest';
import type { Ledger, LedgerInit } from '../../sandbox/ledger.ts';
import { judge, percentiles } from './judge.ts';
import type { EntrustedPost } from './posts.ts';
import type { PostRecord } from './records.ts';

const account = { family: 'OPEN' as const, openId: 'open-1', username: 'one', connectionId: 'conn-1' };
const post: EntrustedPost = {
  number: 1,
  postId: 'post-1',
  caption: 'Caption 1',
  account,
  draft: false,
  sha256: 'aa',
  tries: 1,
};
const draft: EntrustedPost = { ...post, draft: true };

const record = (change: Partial<PostRecord>): PostRecord => ({
  id: post.postId,
  connection_id: account.connectionId,
  caption: post.caption,
  state: 'PUBLISHED',
  phase: null,
  hold: null,
  error: null,
  next_action_at: null,
  lease_owner: null,
  dispatch_lateness_seconds: 0.25,
  connection_state: 'ACTIVE',
  ...change,
});

type Part = Pick<Ledger, 'inits' | 'uploads' | 'posts'>;
const nothing: Part = { inits: [], uploads: [], posts: [] };

function real(publishId: string, change: { readonly account?: string; readonly sha256?: string } = {}): Part {
  const { account: openId = account.openId, sha256 = 'aa' } = change;
  const title = post.caption;
  return {
    ...nothing,
    posts: [
      {
        publishId,
        account: openId,
        postIds: ['1'],
        publicPostIds: [],
        title,
        privacyLevel: 'SELF_ONLY',
        sha256,
        marker: '',
        completeTime: 0,
      },
    ],
  };
}

const init = (change: Partial<LedgerInit>): LedgerInit => ({
  publishId: 'publish-1',
  family: 'OPEN',
  account: account.openId,
  kind: 'DIRECT',
  title: post.caption,
  source: 'FILE_UPLOAD',
  size: 1,
  url: null,
  initTime: 0,
  stage: 'COMPLETE',
  failReason: null,
  marker: null,
  ...change,
});

const inInbox = (publishId: string): Part => ({
  inits: [init({ publishId, kind: 'DRAFT', title: null, stage: 'IN_INBOX' })],
  uploads: [{ publishId, account: account.openId, receivedBytes: 1, ranges: [], sha256: 'aa' }],
  posts: [],
});

const both = (one: Part, other: Part): Part => ({
  inits: [...one.inits, ...other.inits],
  uploads: [...one.uploads, ...other.uploads],
  posts: [...one.posts, ...other.posts],
});

function verdict(
  given: EntrustedPost,
  records: readonly PostRecord[],
  ledger: Part,
  late: readonly string[] = [],
): Record<'duplicates' | 'lost' | 'stuck', readonly string[]> {
  const { duplicates, lost, stuck } = judge([given], records, ledger, new Set(late));
  const words = (violations: typeof lost) => violations.map(({ what }) => what);
  return { duplicates: words(duplicates), lost: words(lost), stuck: words(stuck) };
}

const GOOD = { duplicates: [], lost: [], stuck: [] };
const cancelled: EntrustedPost = { ...post, cancel: 'CANCELLED' };
const tooLate: EntrustedPost = { ...post, cancel: 'TOO_LATE' };
const failed = record({ state: 'FAILED', error: { code: 'PLATFORM_UNAVAILABLE' } });
const waiting = (reason: string, connection_state = 'ACTIVE', releaseTime?: string) =>
  record({
    state: 'HELD',
    hold: { reason, ...(releaseTime === undefined ? {} : { releaseTime }) },
    connection_state,
  });

describe('The judge finds nothing wrong with', () => {
  it.each<[string, EntrustedPost, PostRecord, Part]>([
    ['a published post that TikTok has once', post, record({}), real('publish-1')],
    ['a draft that TikTok has once', draft, record({ state: 'IN_CREATOR_INBOX' }), inInbox('publish-1')],
    ['a cancelled post that TikTok does not have', cancelled, record({ state: 'CANCELLED' }), nothing],
    ['a cancel that came too late', tooLate, record({}), real('publish-1')],
    ['a failure that TikTok told', post, failed, { ...nothing, inits: [init({ stage: 'FAILED' })] }],
    ['an unconfirmed post, whatever TikTok has', post, record({ state: 'UNCONFIRMED' }), real('publish-1')],
    ['a post that waits for a quota', post, waiting('QUOTA', 'ACTIVE', '2030-01-01T00:00:00Z'), nothing],
    ['a post that waits for a reconnect', post, waiting('RECONNECT', 'RECONNECT_REQUIRED'), nothing],
  ])('%s', (_, given, stored, ledger) => {
    expect(verdict(given, [stored], ledger)).toEqual(GOOD);
  });
});

describe('The judge counts as a duplicate', () => {
  it('a post that TikTok has twice', () => {
    const twice = both(real('publish-1'), real('publish-2'));
    expect(verdict(post, [record({})], twice)).toEqual({
      ...GOOD,
      duplicates: ['is at TikTok 2 times: publish-1, publish-2'],
    });
  });

  it('a draft that TikTok has twice', () => {
    const twice = both(inInbox('publish-1'), inInbox('publish-2'));
    expect(verdict(draft, [record({ state: 'IN_CREATOR_INBOX' })], twice).duplicates).toHaveLength(1);
  });

  it('a request that was accepted as two posts, although only one went out', () => {
    const twin = record({ id: 'post-2', state: 'CANCELLED' });
    expect(verdict(post, [record({}), twin], real('publish-1')).duplicates).toEqual([
      'was accepted 2 times: post-1, post-2',
    ]);
  });
});

describe('The judge counts as lost', () => {
  it.each<[string, EntrustedPost, readonly PostRecord[], Part]>([
    ['a post that is not stored any more', post, [], real('publish-1')],
    ['a published post that TikTok does not have', post, [record({})], nothing],
    ['a published post with other bytes', post, [record({})], real('publish-1', { sha256: 'bb' })],
    ['a published post in another account', post, [record({})], real('publish-1', { account: 'open-2' })],
    ['a draft that TikTok does not have', draft, [record({ state: 'IN_CREATOR_INBOX' })], nothing],
    ['a cancelled post that TikTok has', cancelled, [record({ state: 'CANCELLED' })], real('publish-1')],
    ['a cancelled post that nobody cancelled', post, [record({ state: 'CANCELLED' })], nothing],
    ['a confirmed cancel that did not last', cancelled, [record({})], real('publish-1')],
    [
      'a failed post that TikTok has',
      post,
      [failed],
      both(real('publish-1'), { ...nothing, inits: [init({ stage: 'FAILED' })] }),
    ],
    [
      'a post that failed for no reason of TikTok’s',
      post,
      [failed],
      { ...nothing, inits: [init({ stage: 'UPLOADING' })] },
    ],
  ])('%s', (_, given, stored, ledger) => {
    const { duplicates, lost, stuck } = verdict(given, stored, ledger);
    expect({ duplicates, lost: lost.length, stuck }).toEqual({ duplicates: [], lost: 1, stuck: [] });
  });
});

describe('The judge counts as stuck', () => {
  it.each<[string, PostRecord]>([
    ['a post that is still on its way', record({ state: 'PUBLISHING', phase: 'PROCESSING' })],
    ['a post that waits for a reconnect of an account that is connected', waiting('RECONNECT')],
    ['a hold that nothing ends', waiting('LATE')],
  ])('%s', (_, stored) => {
    expect(verdict(post, [stored], nothing).stuck).toHaveLength(1);
  });

  it('a post that did not settle in time, even where its state is an end', () => {
    expect(verdict(post, [record({})], real('publish-1'), [post.postId]).stuck).toHaveLength(1);
  });
});

describe('The judge counts', () => {
  it('the lateness of published posts only', () => {
    const late = record({ id: 'post-2', state: 'FAILED', dispatch_lateness_seconds: 9 });
    expect(judge([post], [record({}), late], real('publish-1'), new Set()).latenessMilliseconds).toEqual([250]);
  });

  it('percentiles by the nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(percentiles(hundred.toReversed())).toEqual({ p50: 50, p99: 99, max: 100 });
    expect(percentiles([7])).toEqual({ p50: 7, p99: 7, max: 7 });
    expect(percentiles([])).toEqual({ p50: null, p99: null, max: null });
  });
});
