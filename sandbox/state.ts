import { randomUUID } from 'node:crypto';
import { type BusinessScope, businessScopes, type WebhookType } from './business/vocabulary.ts';
import type { EndpointName } from './endpoint.ts';
import type { Audience } from './insights/account-insights.ts';
import type { VideoModel } from './insights/video-model.ts';
import type { FailReason, PrivacyLevel, Scope } from './open/vocabulary.ts';

/** A moment on the sandbox's clock, in milliseconds since 1970. */
export type Time = number;

/** The two API families of TikTok. An app, a token, an open_id and a webhook belong to one of them. */
export type Family = 'OPEN' | 'BUSINESS';

/** The app of the open family. */
export type App = {
  clientKey: string;
  clientSecret: string;
  /** At most 10, compared exactly; `http` only on loopback, where the port may be `*`. */
  redirectUris: string[];
  /** Scopes that the app is approved for. */
  scopes: Scope[];
  /** Passed TikTok's audit. Without it: private accounts, SELF_ONLY, 5 creators a day. */
  audited: boolean;
  /** Different creators that may post directly in 24 hours. */
  activeUserCap: number;
  /** `example.com` (and all below it) or `https://example.com/videos/`. */
  verifiedUrlProperties: string[];
  webhookUrl: string | null;
  pkceRequired: boolean;
  pkceEncodings: ('hex' | 'base64url')[];
  /** Account (open_id or username) that consents to everything by itself; null shows the page. */
  autoConsent: string | null;
};

/** A domain or prefix that the app says is its own. */
export type UrlProperty = {
  /** 1: a domain and all below it; 2: an https prefix that ends with a slash. */
  type: 1 | 2;
  url: string;
  /** 0: not tried yet; 1: verified; 2: the proof was not found. */
  status: 0 | 1 | 2;
  signature: string;
  fileName: string;
};

/** The app of the Business family: one of its own, in another portal. */
export type BusinessApp = {
  appId: string;
  secret: string;
  /** Compared exactly; each ends with a slash. `http` only on loopback, where the port may be `*`. */
  redirectUris: string[];
  /** Scopes that the app is approved for. */
  scopes: BusinessScope[];
  urlProperties: UrlProperty[];
  /** One for each type of event, for all accounts. */
  callbackUrls: Partial<Record<WebhookType, string>>;
};

export type Account = {
  openId: string;
  username: string;
  displayName: string;
  bio: string;
  verified: boolean;
  /** A Business account; false: a personal one. */
  businessAccount: boolean;
  /** A Business account whose business TikTok has verified. */
  registeredBusiness: boolean;
  private: boolean;
  banned: boolean;
  commentDisabled: boolean;
  duetDisabled: boolean;
  stitchDisabled: boolean;
  maxVideoPostDurationSec: number;
  /** Direct posts in 24 hours, over all apps. */
  dailyPostCap: number;
  createTime: Time;
  /** When its owner turned Analytics on; null: not yet. */
  analyticsSince: Time | null;
  /** Followers and likes that its videos here did not bring: what they bring comes on top. */
  followerCount: number;
  followingCount: number;
  likesCount: number;
  /** Who its followers are, as far as it is set; the rest follows from the seed and the open_id. */
  audience: Partial<Audience>;
};

/** Where TikTok is undocumented or changed its mind, how this sandbox behaves. */
export type Settings = {
  /** `legacy`: 24 h and 365 days, refresh token kept. `rotating`: 2 h and 180 days, each refresh kills the old token. */
  tokenRegime: 'legacy' | 'rotating';
  /** What `revoke` ends: all the account gave the app, or only the grant of that token. */
  revocation: 'account' | 'grant';
  codeLifetimeMs: number;
  /** From the last byte to the verdict. */
  processingMs: number;
  /** From the verdict until a public post's id shows (moderation). */
  postIdDelayMs: number;
  initPerMinute: number;
  creatorInfoPerMinute: number;
  statusPerMinute: number;
  /** user/info, video/list and video/query, each, over the whole app. */
  appPerMinute: number;
  pendingDraftCap: number;
  /** `Content-Range: bytes 0-N/total` on chunk answers: N is the count of bytes, or the index of the last. */
  progressHeader: 'count' | 'last_index';
  /** What is left of a chunk whose connection broke. */
  partialChunks: 'discarded' | 'kept';
  unknownUpload: '404' | '405_html';
  /** Lets PULL_FROM_URL use `http` and loopback hosts; they still must be verified properties. */
  pullFromLoopback: boolean;
  /** What the lists say of every video that was posted through an API: the sandbox doesn't look into the file. */
  listedDurationSec: number;
  /** How often the counts that the open family tells are brought up to date; 0: at once. Between two times all readers are told the same. */
  openRefreshMs: number;
  /** `manual`: webhooks wait in the ledger until the control API delivers them, in any order, as often as wanted. */
  webhookMode: 'automatic' | 'manual';
  webhookCopies: number;
  /** Each webhook is late by a seeded share of this, so that they overtake one another. */
  webhookJitterMs: number;
  /** First back-off; doubles with every try, for 72 hours. */
  webhookRetryMs: number;
  /** Whether a retry is signed with the time of the first try or with its own. */
  webhookTimestamp: 'first' | 'fresh';
  /** Whether a refresh in the Business family gives a new refresh token and kills the old one. Neither lives longer by it. */
  businessRefresh: 'rotated' | 'kept';
  /** Queries of each account at each endpoint of the Business family. */
  businessPerMinute: number;
  /** Video posts of each account, beside the limit above. */
  businessPublishPerMinute: number;
  /** Queries of the app over the whole Business family. */
  businessAppPerSecond: number;
  businessAppPerMinute: number;
  /** How long whoever went over a limit of a minute is refused. */
  businessPenaltyMs: number;
  /** When a video_url is under no verified property: refused at once, or accepted and failed. */
  unverifiedUrl: 'refusal' | 'verdict';
  /** Post ids of the Business family: JSON strings, or raw 64-bit numbers. */
  businessPostIds: 'string' | 'number';
  /** How old the numbers are that the Business family tells, the duration included; so much later than a post they begin. */
  insightsDelayMs: number;
  /** How often those numbers are brought up to date; 0: at once. Between two times all readers are told the same. */
  insightsRefreshMs: number;
  /** What stands for a number or list that is not available yet, or not for now: no key at all, null, or 0 and []. */
  insightsGap: 'missing' | 'null' | 'zero';
  /** A page of business/video/list holds no more than so many, whatever was asked for; `has_more` says that there are more. */
  businessPageSize: number;
};

export type Code = {
  code: string;
  family: Family;
  openId: string;
  scopes: string[];
  redirectUri: string;
  challenge: string | null;
  expiresTime: Time;
  used: boolean;
};

export type Grant = {
  id: string;
  family: Family;
  openId: string;
  scopes: string[];
  createdTime: Time;
  revokedTime: Time | null;
};

export type AccessToken = { token: string; grantId: string; issuedTime: Time; expiresTime: Time; uses: number };

export type RefreshToken = {
  token: string;
  grantId: string;
  issuedTime: Time;
  expiresTime: Time;
  /** Since when it is dead because a newer one took its place. */
  replacedTime: Time | null;
  /** How often it was presented, answered or not. */
  uses: number;
  usesAfterReplaced: number;
};

export type Stage =
  | { name: 'UPLOADING' }
  | { name: 'DOWNLOADING' }
  /** `dueTime` null: stuck for ever. */
  | { name: 'PROCESSING'; dueTime: Time | null }
  | { name: 'IN_INBOX' }
  | { name: 'COMPLETE'; completeTime: Time; postIds: string[] }
  | { name: 'FAILED'; reason: FailReason; failedTime: Time };

/** What a fault has in store for a post, fixed at its init. */
export type Fate = { failReason: FailReason | null; stuck: boolean; postCount: number };

export type PostInfo = {
  title: string;
  privacyLevel: PrivacyLevel;
  disableComment: boolean;
  disableDuet: boolean;
  disableStitch: boolean;
  coverTimestampMs: number;
  brandContent: boolean;
  brandOrganic: boolean;
  aigc: boolean;
};

export type UploadPlan = {
  token: string;
  videoSize: number;
  chunkSize: number;
  chunkCount: number;
  expiresTime: Time;
};

export type Publish = {
  publishId: string;
  family: Family;
  openId: string;
  grantId: string;
  initTime: Time;
  /** Null for a draft: the user writes it in the app. */
  post: PostInfo | null;
  source: { kind: 'FILE_UPLOAD'; plan: UploadPlan } | { kind: 'PULL_FROM_URL'; url: string };
  stage: Stage;
  fate: Fate;
  receivedBytes: number;
  ranges: { first: number; last: number; time: Time }[];
  /** Over all bytes, in order; null until the last one is here. */
  sha256: string | null;
  looksLikeVideo: boolean;
};

export type Video = {
  postId: string;
  /** Null: posted in the app. */
  publishId: string | null;
  openId: string;
  title: string;
  privacyLevel: PrivacyLevel;
  aigc: boolean;
  /** No other video of the account has the same. */
  createTime: Time;
  /** Null: as the settings say. */
  durationSeconds: number | null;
  sha256: string;
  public: boolean;
  /** When it was not public, oldest first; `until` null: still. Nobody sees it then. */
  hidden: { from: Time; until: Time | null }[];
  /** Null: it is there. */
  deletedTime: Time | null;
  /** When moderation lets it become public; null when that is over or will not happen. */
  publicDueTime: Time | null;
  /** What was set of how it does; the rest follows from the seed and the post id. */
  model: Partial<VideoModel>;
};

export type Webhook = {
  id: string;
  family: Family;
  openId: string;
  event: string;
  /** The exact bytes that are signed and sent. */
  body: string;
  createdTime: Time;
  state: 'WAITING' | 'DELIVERED' | 'GIVEN_UP';
  /** `status` null: no answer, `error` says why. */
  attempts: { time: Time; signature: string; status: number | null; error: string | null }[];
};

export type CallRecord = {
  sequence: number;
  time: Time;
  endpoint: EndpointName;
  account: string | null;
  publishId: string | null;
  /** Null: no answer was sent, because of a fault or because the caller went away. */
  status: number | null;
  errorCode: string | null;
  fault: string | null;
  /** Of an upload: the `Content-Range` that was sent. */
  range: string | null;
};

export type State = {
  seed: string;
  serial: number;
  clockOffsetMs: number;
  app: App;
  business: BusinessApp;
  settings: Settings;
  accounts: Map<string, Account>;
  codes: Map<string, Code>;
  grants: Map<string, Grant>;
  accessTokens: Map<string, AccessToken>;
  refreshTokens: Map<string, RefreshToken>;
  publishes: Map<string, Publish>;
  videos: Map<string, Video>;
  webhooks: Map<string, Webhook>;
  /** Last accepted direct init of each creator. */
  activeCreators: Map<string, Time>;
  /** The latest calls; older ones are only counted. */
  calls: CallRecord[];
  callCount: number;
  callCounts: Partial<Record<EndpointName, number>>;
};

export const storedVersion = 1;

type Stored<T> = { [K in keyof T]: T[K] extends Map<string, infer V> ? [string, V][] : T[K] };
export type StoredState = Stored<State> & { version: number };

export function toStored(state: State): StoredState {
  const entries = Object.entries(state).map(([name, value]) => [name, value instanceof Map ? [...value] : value]);
  return { version: storedVersion, ...Object.fromEntries(entries) };
}

/** What the file does not know yet, because an older sandbox wrote it, is as in a fresh one, and of the open family. */
export function revive({ version: _, ...stored }: StoredState): State {
  const known = <T extends object>(entries: readonly [string, T][], newer: Partial<T>) =>
    new Map(entries.map(([key, value]) => [key, { ...newer, ...value }]));
  const open = { family: 'OPEN' } as const;
  return {
    ...stored,
    business: { ...defaultBusinessApp(), ...stored.business },
    settings: { ...defaultSettings(), ...stored.settings },
    accounts: known(stored.accounts, newerAccount()),
    codes: known(stored.codes, open),
    grants: known(stored.grants, open),
    accessTokens: new Map(stored.accessTokens),
    refreshTokens: new Map(stored.refreshTokens),
    publishes: known(stored.publishes, open),
    videos: new Map(stored.videos.map(([postId, video]) => [postId, { ...newerVideo(video), ...video }])),
    webhooks: known(stored.webhooks, open),
    activeCreators: new Map(stored.activeCreators),
  };
}

export type StartingPoint = {
  seed?: string;
  app?: Partial<App>;
  business?: Partial<BusinessApp>;
  settings?: Partial<Settings>;
};

export function freshState({ seed, app, business, settings }: StartingPoint): State {
  return {
    seed: seed ?? randomUUID(),
    serial: 0,
    clockOffsetMs: 0,
    app: { ...defaultApp(), ...app },
    business: { ...defaultBusinessApp(), ...business },
    settings: { ...defaultSettings(), ...settings },
    accounts: new Map(seededAccounts().map((account) => [account.openId, account])),
    codes: new Map(),
    grants: new Map(),
    accessTokens: new Map(),
    refreshTokens: new Map(),
    publishes: new Map(),
    videos: new Map(),
    webhooks: new Map(),
    activeCreators: new Map(),
    calls: [],
    callCount: 0,
    callCounts: {},
  };
}

const defaultApp = (): App => ({
  clientKey: 'sbglowtifysandbox1',
  clientSecret: 'sandbox-secret-not-for-production',
  redirectUris: [
    'http://127.0.0.1:*/oauth/tiktok/callback',
    'http://localhost:*/oauth/tiktok/callback',
    'http://127.0.0.1:*/oauth/callback',
    'http://localhost:*/oauth/callback',
  ],
  scopes: ['user.info.basic', 'user.info.profile', 'user.info.stats', 'video.list', 'video.upload', 'video.publish'],
  audited: true,
  activeUserCap: 100_000,
  verifiedUrlProperties: [],
  webhookUrl: null,
  pkceRequired: false,
  pkceEncodings: ['hex'],
  autoConsent: null,
});

const defaultBusinessApp = (): BusinessApp => ({
  appId: '7600000000000000001',
  secret: 'sandbox-business-secret-not-for-production',
  redirectUris: ['http://127.0.0.1:*/oauth/tiktok/callback/', 'http://localhost:*/oauth/tiktok/callback/'],
  scopes: [...businessScopes],
  urlProperties: [],
  callbackUrls: {},
});

const defaultSettings = (): Settings => ({
  tokenRegime: 'rotating',
  revocation: 'account',
  codeLifetimeMs: 300_000,
  processingMs: 300,
  postIdDelayMs: 300,
  initPerMinute: 6,
  creatorInfoPerMinute: 20,
  statusPerMinute: 30,
  appPerMinute: 600,
  pendingDraftCap: 5,
  progressHeader: 'count',
  partialChunks: 'discarded',
  unknownUpload: '404',
  pullFromLoopback: false,
  listedDurationSec: 15,
  openRefreshMs: 0,
  webhookMode: 'automatic',
  webhookCopies: 1,
  webhookJitterMs: 0,
  webhookRetryMs: 1_000,
  webhookTimestamp: 'first',
  businessRefresh: 'rotated',
  businessPerMinute: 40,
  businessPublishPerMinute: 6,
  businessAppPerSecond: 10,
  businessAppPerMinute: 600,
  businessPenaltyMs: 300_000,
  unverifiedUrl: 'refusal',
  businessPostIds: 'string',
  insightsDelayMs: 86_400_000,
  insightsRefreshMs: 0,
  insightsGap: 'missing',
  businessPageSize: 20,
});

/** Before this the seeded accounts were not there. */
const longAgo = Date.UTC(2020, 0, 1);

const newerAccount = () => ({
  businessAccount: true,
  registeredBusiness: false,
  createTime: longAgo,
  analyticsSince: longAgo,
  audience: {},
});

const newerVideo = (video: Video) => ({
  durationSeconds: null,
  hidden: video.public ? [] : [{ from: video.createTime, until: null }],
  deletedTime: null,
  model: {},
});

export const ordinaryAccount = (openId: string, username: string): Account => ({
  openId,
  username,
  displayName: username,
  bio: '',
  verified: false,
  private: false,
  banned: false,
  commentDisabled: false,
  duetDisabled: false,
  stitchDisabled: false,
  maxVideoPostDurationSec: 600,
  dailyPostCap: 15,
  followerCount: 0,
  followingCount: 0,
  likesCount: 0,
  ...newerAccount(),
});

/** Each shows one thing that a caller has to cope with. */
const seededAccounts = (): Account[] => [
  {
    ...ordinaryAccount('-000SandboxGlowBakeryPublic0001', 'glow.bakery'),
    displayName: 'Glow Bakery',
    bio: 'Fresh bread and short films.',
    followerCount: 1_200,
    followingCount: 87,
    likesCount: 45_300,
  },
  { ...ordinaryAccount('-000SandboxGlowPrivate000000002', 'glow.private'), displayName: 'Glow Private', private: true },
  { ...ordinaryAccount('-000SandboxGlowBanned0000000003', 'glow.banned'), displayName: 'Glow Banned', banned: true },
  {
    ...ordinaryAccount('-000SandboxGlowShort00000000004', 'glow.short'),
    displayName: 'Glow Short',
    maxVideoPostDurationSec: 60,
  },
  {
    ...ordinaryAccount('-000SandboxGlowPersonal00000005', 'glow.personal'),
    displayName: 'Glow Personal',
    businessAccount: false,
  },
];
