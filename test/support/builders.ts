import type { NewCredential } from '../../src/application/ports/credentials.ts';
import type { RequestKey } from '../../src/application/ports/request-key.ts';
import type { PostPolicy } from '../../src/application/publish-post.ts';
import type { Account, Active, Disconnected, ReconnectRequired } from '../../src/domain/connection/connection.ts';
import { REQUESTED_SCOPES } from '../../src/domain/connection/connection.ts';
import type { Finding } from '../../src/domain/finding.ts';
import type { WorkspaceId } from '../../src/domain/ids.ts';
import type { Attempt, LiveAttempt } from '../../src/domain/post/attempt.ts';
import { LARGEST_CHUNK_BYTES, planChunks } from '../../src/domain/post/chunk-plan.ts';
import type {
  Cancelled,
  Failed,
  Finalizing,
  Held,
  InCreatorInbox,
  Initializing,
  Plan,
  Preparing,
  Processing,
  Published,
  Scheduled,
  Unconfirmed,
  Uploading,
} from '../../src/domain/post/post.ts';
import type { PostSettings } from '../../src/domain/post/settings.ts';
import type { PublishError, PublishErrorCode } from '../../src/domain/publish-error.ts';
import { Secret } from '../../src/domain/secret.ts';
import type { ImportingVideo, ReadyVideo, RejectedVideo } from '../../src/domain/video/video.ts';
import { openVideoPolicy } from '../../src/domain/video/video-policy.ts';
import type { VideoSpec } from '../../src/domain/video/video-spec.ts';
import { sequentialIds } from './sequential-ids.ts';

/** The moment at which the fixed clock stands. */
export const NOW = new Date('2026-11-22T10:00:00Z');
export const later = (seconds: number, from: Date = NOW): Date => new Date(from.getTime() + seconds * 1000);

export const WORKSPACE = 'ws_a' as WorkspaceId;
export const OTHER_WORKSPACE = 'ws_b' as WorkspaceId;

/** Each new thing has an id of its own, later ones sort behind. */
export const ids = sequentialIds();

let requests = 0;
export const aRequest = (parts: Partial<RequestKey> = {}): RequestKey => {
  requests += 1;
  return { requestId: `request-${requests}`, payloadHash: `payload-${requests}`, ...parts };
};

export const aFinding = (parts: Partial<Finding> = {}): Finding => ({
  code: 'VIDEO_TOO_SHORT',
  severity: 'ERROR',
  field: 'spec.duration',
  message: 'The video is too short.',
  remedy: 'Upload a longer one.',
  observed: '2 s',
  limit: 'at least 3 s',
  ...parts,
});

// Connections

export const anAccount = (parts: Partial<Account> = {}): Account => ({
  openId: 'open-1',
  displayName: 'Acme',
  username: 'acme',
  ...parts,
});

const connectionCore = () => ({
  id: ids.connectionId(),
  workspaceId: WORKSPACE,
  apiFamily: 'OPEN' as const,
  account: anAccount(),
  grantedScopes: REQUESTED_SCOPES.OPEN,
  createTime: NOW,
  updateTime: NOW,
  version: 1,
});

export const anActiveConnection = (parts: Partial<Active> = {}): Active => ({
  ...connectionCore(),
  state: 'ACTIVE',
  accessExpireTime: later(86_400),
  refreshExpireTime: later(365 * 86_400),
  ...parts,
});

export const aDeadConnection = (parts: Partial<ReconnectRequired> = {}): ReconnectRequired => ({
  ...anActiveConnection(),
  state: 'RECONNECT_REQUIRED',
  reconnectReason: { code: 'ACCOUNT_SESSION_INVALID' },
  grantLost: false,
  ...parts,
});

export const aDisconnectedConnection = (parts: Partial<Disconnected> = {}): Disconnected => ({
  ...connectionCore(),
  state: 'DISCONNECTED',
  ...parts,
});

export const aNewCredential = (parts: Partial<NewCredential> = {}): NewCredential => ({
  connectionId: ids.connectionId(),
  workspaceId: WORKSPACE,
  accessToken: new Secret('act.1'),
  refreshToken: new Secret('rft.1'),
  accessExpireTime: later(86_400),
  refreshExpireTime: later(365 * 86_400),
  refreshDueTime: later(43_200),
  ...parts,
});

// Videos

export const aSpec = (parts: Partial<VideoSpec> = {}): VideoSpec => ({
  container: 'mp4',
  videoCodec: 'h264',
  audioCodec: 'aac',
  width: 1080,
  height: 1920,
  rotation: 0,
  frameRate: 29.97,
  durationSeconds: 20.5,
  bitRate: 4_000_000,
  sizeBytes: 10_000_000,
  ...parts,
});

const videoCore = () => ({ id: ids.videoId(), workspaceId: WORKSPACE, createTime: NOW });

export const anImportingVideo = (parts: Partial<ImportingVideo> = {}): ImportingVideo => ({
  ...videoCore(),
  state: 'IMPORTING',
  sourceUri: 'https://media.example/summer.mp4',
  ...parts,
});

export const aReadyVideo = (parts: Partial<ReadyVideo> = {}): ReadyVideo => ({
  ...videoCore(),
  state: 'READY',
  sizeBytes: 10_000_000,
  sha256: 'ab'.repeat(32),
  spec: aSpec(parts.sizeBytes === undefined ? {} : { sizeBytes: parts.sizeBytes }),
  findings: [],
  ...parts,
});

export const aRejectedVideo = (parts: Partial<RejectedVideo> = {}): RejectedVideo => ({
  ...videoCore(),
  state: 'REJECTED',
  findings: [aFinding()],
  ...parts,
});

// Posts

export const someSettings = (parts: Partial<PostSettings> = {}): PostSettings => ({
  privacyLevel: 'PUBLIC_TO_EVERYONE',
  allowComment: true,
  allowDuet: false,
  allowStitch: false,
  yourBrand: false,
  brandedContent: false,
  aiGenerated: false,
  draft: false,
  ...parts,
});

export const aPolicy = (parts: Partial<PostPolicy> = {}): PostPolicy => ({
  requireConsent: false,
  video: openVideoPolicy,
  largestChunkBytes: LARGEST_CHUNK_BYTES,
  transfer: 'UPLOAD',
  latePolicy: { maxLatenessSeconds: 86_400, action: 'PUBLISH' },
  ...parts,
});

export const aPlan = (parts: Partial<Plan> = {}): Plan => ({
  id: ids.postId(),
  workspaceId: WORKSPACE,
  connectionId: ids.connectionId(),
  videoId: ids.videoId(),
  caption: 'Summer sale #sun',
  settings: someSettings(),
  scheduleTime: NOW,
  latePolicy: { maxLatenessSeconds: 86_400, action: 'PUBLISH' },
  labels: {},
  createTime: NOW,
  updateTime: NOW,
  version: 1,
  attempts: [],
  setbacks: 0,
  ...parts,
});

/** An intent: TikTok's answer is not stored. */
export const anAttempt = (parts: Partial<Attempt> = {}): Attempt => ({
  number: 1,
  transfer: 'UPLOAD',
  plan: planChunks(10_000_000),
  startTime: NOW,
  bytesSent: 0,
  polls: 0,
  ...parts,
});

/** TikTok took it on. */
export const anAnnouncedAttempt = (parts: Partial<Attempt> = {}): LiveAttempt =>
  anAttempt({
    publishId: 'v_pub_file~1',
    uploadUrl: new Secret('https://upload.tiktokapis.com/video/?upload_id=1&upload_token=secret'),
    uploadExpireTime: later(3600),
    ...parts,
  });

export const anEndedAttempt = (parts: Partial<Attempt> = {}): Attempt =>
  anAttempt({ publishId: 'v_pub_file~0', endTime: later(60), outcome: 'FAILED', ...parts });

export const aPreparingPost = (parts: Partial<Preparing> = {}): Preparing => ({
  ...aPlan(),
  state: 'PREPARING',
  ...parts,
});
export const aScheduledPost = (parts: Partial<Scheduled> = {}): Scheduled => ({
  ...aPlan(),
  state: 'SCHEDULED',
  ...parts,
});
export const anInitializingPost = (parts: Partial<Initializing> = {}): Initializing => ({
  ...aPlan({ attempts: [anAttempt()] }),
  state: 'PUBLISHING',
  phase: 'INITIALIZING',
  ...parts,
});
export const anUploadingPost = (parts: Partial<Uploading> = {}): Uploading => ({
  ...aPlan({ attempts: [anAnnouncedAttempt()] }),
  state: 'PUBLISHING',
  phase: 'UPLOADING',
  ...parts,
});
export const aFinalizingPost = (parts: Partial<Finalizing> = {}): Finalizing => ({
  ...aPlan({ attempts: [anAnnouncedAttempt({ finalizeTime: NOW })] }),
  state: 'PUBLISHING',
  phase: 'FINALIZING',
  ...parts,
});
export const aProcessingPost = (parts: Partial<Processing> = {}): Processing => ({
  ...aPlan({ attempts: [anAnnouncedAttempt({ finalizeTime: NOW, bytesSent: 10_000_000 })] }),
  state: 'PUBLISHING',
  phase: 'PROCESSING',
  ...parts,
});
export const aHeldPost = (parts: Partial<Held> = {}): Held => ({
  ...aPlan(),
  state: 'HELD',
  hold: { reason: 'RECONNECT' },
  ...parts,
});
export const aPublishedPost = (parts: Partial<Published> = {}): Published => ({
  ...aPlan({ attempts: [anEndedAttempt({ outcome: 'PUBLISHED' })] }),
  state: 'PUBLISHED',
  publishTime: NOW,
  tiktokPostIds: [],
  publiclyAvailable: (parts.tiktokPostIds ?? []).length > 0,
  ...parts,
});
export const aPostInTheInbox = (parts: Partial<InCreatorInbox> = {}): InCreatorInbox => ({
  ...aPlan({ attempts: [anEndedAttempt({ outcome: 'IN_CREATOR_INBOX' })] }),
  state: 'IN_CREATOR_INBOX',
  publishTime: NOW,
  ...parts,
});
export const aFailedPost = (parts: Partial<Failed> = {}): Failed => ({
  ...aPlan(),
  state: 'FAILED',
  error: { code: 'CONTENT_FLAGGED' },
  edited: false,
  ...parts,
});
export const anUnconfirmedPost = (parts: Partial<Unconfirmed> = {}): Unconfirmed => ({
  ...aPlan({ attempts: [anEndedAttempt({ outcome: 'UNCONFIRMED', finalizeTime: NOW })] }),
  state: 'UNCONFIRMED',
  error: { code: 'OUTCOME_UNCONFIRMED' },
  ...parts,
});
export const aCancelledPost = (parts: Partial<Cancelled> = {}): Cancelled => ({
  ...aPlan(),
  state: 'CANCELLED',
  ...parts,
});

/** One of each kind, and both where a member may be absent. A new code does not compile without its example. */
const examples: { readonly [Code in PublishErrorCode]: readonly Extract<PublishError, { readonly code: Code }>[] } = {
  ACCOUNT_SESSION_INVALID: [{ code: 'ACCOUNT_SESSION_INVALID', tiktokCode: 'access_token_invalid', tiktokLogId: 'L1' }],
  ACCOUNT_ACCESS_REVOKED: [{ code: 'ACCOUNT_ACCESS_REVOKED' }],
  ACCOUNT_SCOPE_MISSING: [
    { code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.publish', 'video.upload'] },
    { code: 'ACCOUNT_SCOPE_MISSING', scopes: [] },
  ],
  ACCOUNT_NOT_ELIGIBLE: [
    { code: 'ACCOUNT_NOT_ELIGIBLE', cause: 'PERSONAL' },
    { code: 'ACCOUNT_NOT_ELIGIBLE', cause: 'BANNED' },
    { code: 'ACCOUNT_NOT_ELIGIBLE', cause: 'TERMS' },
  ],
  APP_NOT_AUDITED: [{ code: 'APP_NOT_AUDITED' }],
  APP_DAILY_USER_CAP: [{ code: 'APP_DAILY_USER_CAP' }],
  ACCOUNT_DAILY_POST_CAP: [{ code: 'ACCOUNT_DAILY_POST_CAP' }, { code: 'ACCOUNT_DAILY_POST_CAP', seenCap: 15 }],
  ACCOUNT_PENDING_DRAFT_CAP: [{ code: 'ACCOUNT_PENDING_DRAFT_CAP' }],
  UPSTREAM_RATE_LIMITED: [
    { code: 'UPSTREAM_RATE_LIMITED' },
    { code: 'UPSTREAM_RATE_LIMITED', retryTime: new Date('2026-11-22T10:01:00.123Z') },
  ],
  PRIVACY_LEVEL_NOT_ALLOWED: [
    { code: 'PRIVACY_LEVEL_NOT_ALLOWED', allowed: ['SELF_ONLY'] },
    { code: 'PRIVACY_LEVEL_NOT_ALLOWED', allowed: [] },
  ],
  VIDEO_FORMAT_REJECTED: [{ code: 'VIDEO_FORMAT_REJECTED' }, { code: 'VIDEO_FORMAT_REJECTED', probed: 'MP4, H.264' }],
  VIDEO_DURATION_REJECTED: [{ code: 'VIDEO_DURATION_REJECTED' }, { code: 'VIDEO_DURATION_REJECTED', probed: '20 s' }],
  VIDEO_FRAME_RATE_REJECTED: [
    { code: 'VIDEO_FRAME_RATE_REJECTED' },
    { code: 'VIDEO_FRAME_RATE_REJECTED', probed: '30 fps' },
  ],
  VIDEO_RESOLUTION_REJECTED: [
    { code: 'VIDEO_RESOLUTION_REJECTED' },
    { code: 'VIDEO_RESOLUTION_REJECTED', probed: '1080 × 1920 px' },
  ],
  CONTENT_FLAGGED: [{ code: 'CONTENT_FLAGGED' }],
  MEDIA_DOMAIN_UNVERIFIED: [{ code: 'MEDIA_DOMAIN_UNVERIFIED' }],
  MEDIA_PULL_FAILED: [{ code: 'MEDIA_PULL_FAILED' }],
  CONNECTOR_REQUEST_REJECTED: [
    { code: 'CONNECTOR_REQUEST_REJECTED' },
    { code: 'CONNECTOR_REQUEST_REJECTED', detail: 'The chunk size is invalid' },
  ],
  APP_CREDENTIALS_REJECTED: [{ code: 'APP_CREDENTIALS_REJECTED' }],
  PLATFORM_UNAVAILABLE: [{ code: 'PLATFORM_UNAVAILABLE' }],
  CONNECTOR_FAILED: [{ code: 'CONNECTOR_FAILED', crashes: 5 }],
  OUTCOME_UNCONFIRMED: [{ code: 'OUTCOME_UNCONFIRMED' }],
  SCHEDULE_MISSED: [{ code: 'SCHEDULE_MISSED', latenessSeconds: 90.5 }],
  VIDEO_MISSING: [{ code: 'VIDEO_MISSING' }],
  CHECK_FAILED: [{ code: 'CHECK_FAILED', finding: aFinding() }],
};

export const everyPublishError: readonly PublishError[] = Object.values(examples).flat();
