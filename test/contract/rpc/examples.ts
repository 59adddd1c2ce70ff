import type { Active, Connection } from '../../../src/domain/connection/connection.ts';
import type { ConnectionId, PostId, VideoId, WorkspaceId } from '../../../src/domain/ids.ts';
import type { Attempt } from '../../../src/domain/post/attempt.ts';
import type { Plan } from '../../../src/domain/post/post.ts';
import type { ReadyVideo } from '../../../src/domain/video/video.ts';

export const WORKSPACE = 'ws_a' as WorkspaceId;
export const CONNECTION = 'conn_01' as ConnectionId;
export const VIDEO = 'vid_01' as VideoId;
export const POST = 'post_01' as PostId;

const at = (time: string): Date => new Date(`2026-03-01T${time}Z`);

export const aConnection = (changes: Partial<Active> = {}): Connection => ({
  id: CONNECTION,
  workspaceId: WORKSPACE,
  apiFamily: 'OPEN',
  account: {
    openId: 'open-1',
    username: 'glowtify',
    displayName: 'Glowtify',
    avatarUri: 'https://cdn.example/a.jpg',
    followerCount: 1200,
    followingCount: 3,
    likesCount: 0,
    videoCount: 17,
    verified: true,
    maxVideoSeconds: 300,
  },
  grantedScopes: ['user.info.basic', 'video.publish'],
  accessExpireTime: at('13:00:00'),
  refreshExpireTime: at('14:00:00'),
  createTime: at('09:00:00'),
  updateTime: at('10:00:00'),
  version: 4,
  state: 'ACTIVE',
  ...changes,
});

export const aVideo = (changes: Partial<ReadyVideo> = {}): ReadyVideo => ({
  id: VIDEO,
  workspaceId: WORKSPACE,
  fileName: 'clip.mp4',
  createTime: at('09:30:00'),
  state: 'READY',
  sizeBytes: 5_000_000_000,
  sha256: 'ab'.repeat(32),
  spec: {
    container: 'mp4',
    videoCodec: 'h264',
    audioCodec: 'aac',
    width: 1080,
    height: 1350,
    rotation: 90,
    frameRate: 29.97,
    durationSeconds: 12.5,
    bitRate: 4_000_000,
    sizeBytes: 5_000_000_000,
  },
  findings: [
    {
      code: 'VIDEO_NOT_VERTICAL',
      severity: 'WARNING',
      field: 'spec.width',
      message: 'The picture is not 9:16.',
      remedy: 'Export it again.',
      observed: '1080 × 1350 px',
      limit: '9:16',
    },
  ],
  ...changes,
});

export const anAttempt = (changes: Partial<Attempt> = {}): Attempt => ({
  number: 1,
  transfer: 'UPLOAD',
  plan: { sizeBytes: 5_000_000_000, chunkBytes: 62_500_000, chunkCount: 80 },
  startTime: at('12:00:01'),
  publishId: 'v_pub_1',
  bytesSent: 5_000_000_000,
  polls: 2,
  endTime: at('12:00:30'),
  outcome: 'PUBLISHED',
  ...changes,
});

/** What is true of a post in every state. */
export const aPlan = (changes: Partial<Plan> = {}): Plan => ({
  id: POST,
  workspaceId: WORKSPACE,
  connectionId: CONNECTION,
  videoId: VIDEO,
  caption: 'Spring #sale with @friend #neu',
  settings: {
    privacyLevel: 'PUBLIC_TO_EVERYONE',
    allowComment: true,
    allowDuet: false,
    allowStitch: true,
    coverMilliseconds: 1500,
    yourBrand: true,
    brandedContent: false,
    aiGenerated: true,
    draft: false,
    consent: { userId: 'user-7', consentTime: at('08:00:00'), declaration: 'By posting you agree…' },
  },
  scheduleTime: at('12:00:00'),
  latePolicy: { maxLatenessSeconds: 3600, action: 'HOLD' },
  externalRef: 'campaign-9',
  labels: { team: 'growth' },
  createTime: at('09:45:00'),
  updateTime: at('12:00:30'),
  version: 7,
  attempts: [],
  setbacks: 0,
  ...changes,
});
