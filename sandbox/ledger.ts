import { createHash } from 'node:crypto';
import type { EndpointName } from './endpoint.ts';
import type { PrivacyLevel } from './open/vocabulary.ts';
import type { CallRecord, Family, Publish, Stage, State, Time } from './state.ts';

export type LedgerInit = {
  publishId: string;
  family: Family;
  account: string;
  kind: 'DIRECT' | 'DRAFT';
  title: string | null;
  source: 'FILE_UPLOAD' | 'PULL_FROM_URL';
  /** Declared size of an upload; of a pull, what was downloaded. */
  size: number;
  url: string | null;
  initTime: Time;
  stage: Stage['name'];
  failReason: string | null;
  /** Account, title and content: two posts with the same marker are a double post. Null until all bytes are here. */
  marker: string | null;
};

export type LedgerUpload = {
  publishId: string;
  account: string;
  receivedBytes: number;
  /** The ranges that were accepted, in order. */
  ranges: { first: number; last: number; time: Time }[];
  sha256: string | null;
};

/** A publish that became real. */
export type LedgerPost = {
  publishId: string;
  account: string;
  postIds: string[];
  publicPostIds: string[];
  title: string;
  privacyLevel: PrivacyLevel;
  sha256: string;
  marker: string;
  completeTime: Time;
};

export type LedgerToken = {
  kind: 'access' | 'refresh';
  family: Family;
  token: string;
  account: string;
  grantId: string;
  issuedTime: Time;
  expiresTime: Time;
  state: 'LIVE' | 'REPLACED' | 'REVOKED' | 'EXPIRED';
  /** How often it was presented. */
  uses: number;
  /** A refresh token that was presented again after a newer one had taken its place. */
  spentTwice: boolean;
};

export type LedgerWebhook = {
  id: string;
  family: Family;
  event: string;
  account: string;
  body: string;
  createdTime: Time;
  state: 'WAITING' | 'DELIVERED' | 'GIVEN_UP';
  attempts: { time: Time; signature: string; status: number | null; error: string | null }[];
};

export type Ledger = {
  inits: LedgerInit[];
  uploads: LedgerUpload[];
  posts: LedgerPost[];
  /** Markers with more than one real post. */
  duplicates: { marker: string; account: string; title: string; publishIds: string[] }[];
  tokens: LedgerToken[];
  webhooks: LedgerWebhook[];
  calls: CallRecord[];
  /** How many calls there were in all, those that `calls` no longer holds included. */
  callCount: number;
  callCounts: Partial<Record<EndpointName, number>>;
};

const callsKept = 50_000;

export function recordCall(state: State, call: Omit<CallRecord, 'sequence'>): void {
  state.callCount += 1;
  state.callCounts[call.endpoint] = (state.callCounts[call.endpoint] ?? 0) + 1;
  state.calls.push({ sequence: state.callCount, ...call });
  if (state.calls.length > callsKept * 1.1) state.calls.splice(0, state.calls.length - callsKept);
}

const marker = (account: string, title: string, sha256: string) =>
  createHash('sha256')
    .update(JSON.stringify([account, title, sha256]))
    .digest('hex')
    .slice(0, 32);

function initEntry(publish: Publish): LedgerInit {
  const { source, stage, post, sha256 } = publish;
  return {
    publishId: publish.publishId,
    family: publish.family,
    account: publish.openId,
    kind: post ? 'DIRECT' : 'DRAFT',
    title: post?.title ?? null,
    source: source.kind,
    size: source.kind === 'FILE_UPLOAD' ? source.plan.videoSize : publish.receivedBytes,
    url: source.kind === 'FILE_UPLOAD' ? null : source.url,
    initTime: publish.initTime,
    stage: stage.name,
    failReason: stage.name === 'FAILED' ? stage.reason : null,
    marker: sha256 === null ? null : marker(publish.openId, post?.title ?? '', sha256),
  };
}

function postEntry(state: State, publish: Publish): LedgerPost[] {
  if (publish.stage.name !== 'COMPLETE') return [];
  const { postIds, completeTime } = publish.stage;
  const videos = postIds.flatMap((postId) => state.videos.get(postId) ?? []);
  const [first] = videos;
  if (!first) return [];
  return [
    {
      publishId: publish.publishId,
      account: publish.openId,
      postIds: [...postIds],
      publicPostIds: videos.filter((video) => video.public).map((video) => video.postId),
      title: first.title,
      privacyLevel: first.privacyLevel,
      sha256: first.sha256,
      marker: marker(publish.openId, publish.post?.title ?? '', first.sha256),
      completeTime,
    },
  ];
}

function tokenEntries(state: State, now: Time): LedgerToken[] {
  const describe = (
    kind: LedgerToken['kind'],
    token: { token: string; grantId: string; issuedTime: Time; expiresTime: Time; uses: number },
    replacedTime: Time | null,
    spentTwice: boolean,
  ): LedgerToken => {
    const grant = state.grants.get(token.grantId);
    const ended = grant?.revokedTime !== null ? 'REVOKED' : token.expiresTime <= now ? 'EXPIRED' : 'LIVE';
    return {
      kind,
      family: grant?.family ?? 'OPEN',
      token: token.token,
      account: grant?.openId ?? '',
      grantId: token.grantId,
      issuedTime: token.issuedTime,
      expiresTime: token.expiresTime,
      state: replacedTime === null ? ended : 'REPLACED',
      uses: token.uses,
      spentTwice,
    };
  };
  return [
    ...[...state.accessTokens.values()].map((token) => describe('access', token, null, false)),
    ...[...state.refreshTokens.values()].map((token) =>
      describe('refresh', token, token.replacedTime, token.usesAfterReplaced > 0),
    ),
  ];
}

/** All that the sandbox saw and did: the judge that depends on nothing the connector believes. */
export function readLedger(state: State, now: Time): Ledger {
  const publishes = [...state.publishes.values()];
  const posts = publishes.flatMap((publish) => postEntry(state, publish));
  const sameMarker = Map.groupBy(posts, (post) => post.marker);
  return {
    inits: publishes.map(initEntry),
    uploads: publishes
      .filter((publish) => publish.source.kind === 'FILE_UPLOAD')
      .map(({ publishId, openId, receivedBytes, ranges, sha256 }) => ({
        publishId,
        account: openId,
        receivedBytes,
        ranges: ranges.map((range) => ({ ...range })),
        sha256,
      })),
    posts,
    duplicates: [...sameMarker.values()].flatMap((same) => {
      const [first, second] = same;
      if (!first || !second) return [];
      const { account, title } = first;
      return [{ marker: first.marker, account, title, publishIds: same.map((post) => post.publishId) }];
    }),
    tokens: tokenEntries(state, now),
    webhooks: [...state.webhooks.values()].map(({ openId, attempts, ...webhook }) => ({
      ...webhook,
      account: openId,
      attempts: attempts.map((attempt) => ({ ...attempt })),
    })),
    calls: [...state.calls],
    callCount: state.callCount,
    callCounts: { ...state.callCounts },
  };
}
