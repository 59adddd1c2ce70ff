import type { AttemptOutcome } from '../../domain/post/attempt.ts';
import type { HoldReason, PostState, Publishing } from '../../domain/post/post.ts';
import type { LatePolicy } from '../../domain/post/schedule.ts';
import type { PrivacyLevel } from '../../domain/post/settings.ts';
import * as pb from './gen/glowtify/tiktok/v1/post_pb.js';

export const POST_STATES = {
  PREPARING: pb.PostState.PREPARING,
  SCHEDULED: pb.PostState.SCHEDULED,
  PUBLISHING: pb.PostState.PUBLISHING,
  PUBLISHED: pb.PostState.PUBLISHED,
  IN_CREATOR_INBOX: pb.PostState.IN_CREATOR_INBOX,
  FAILED: pb.PostState.FAILED,
  UNCONFIRMED: pb.PostState.UNCONFIRMED,
  HELD: pb.PostState.HELD,
  CANCELLED: pb.PostState.CANCELLED,
} satisfies Record<PostState, pb.PostState>;

export const POST_STATE_OF = {
  [pb.PostState.UNSPECIFIED]: undefined,
  [pb.PostState.PREPARING]: 'PREPARING',
  [pb.PostState.SCHEDULED]: 'SCHEDULED',
  [pb.PostState.PUBLISHING]: 'PUBLISHING',
  [pb.PostState.PUBLISHED]: 'PUBLISHED',
  [pb.PostState.IN_CREATOR_INBOX]: 'IN_CREATOR_INBOX',
  [pb.PostState.FAILED]: 'FAILED',
  [pb.PostState.UNCONFIRMED]: 'UNCONFIRMED',
  [pb.PostState.HELD]: 'HELD',
  [pb.PostState.CANCELLED]: 'CANCELLED',
} as const satisfies Record<pb.PostState, PostState | undefined>;

export const PUBLISHING_PHASES = {
  INITIALIZING: pb.PublishingPhase.INITIALIZING,
  UPLOADING: pb.PublishingPhase.UPLOADING,
  FINALIZING: pb.PublishingPhase.FINALIZING,
  PROCESSING: pb.PublishingPhase.PROCESSING,
} satisfies Record<Publishing['phase'], pb.PublishingPhase>;

export const HOLD_REASONS = {
  RECONNECT: pb.HoldReason.RECONNECT,
  QUOTA: pb.HoldReason.QUOTA,
  PLATFORM_OUTAGE: pb.HoldReason.PLATFORM_OUTAGE,
  LATE: pb.HoldReason.LATE,
} satisfies Record<HoldReason, pb.HoldReason>;

export const ATTEMPT_OUTCOMES = {
  PUBLISHED: pb.AttemptOutcome.PUBLISHED,
  IN_CREATOR_INBOX: pb.AttemptOutcome.IN_CREATOR_INBOX,
  FAILED: pb.AttemptOutcome.FAILED,
  ORPHANED: pb.AttemptOutcome.ORPHANED,
  UNCONFIRMED: pb.AttemptOutcome.UNCONFIRMED,
  CANCELLED: pb.AttemptOutcome.CANCELLED,
} satisfies Record<AttemptOutcome, pb.AttemptOutcome>;

export const PRIVACY_LEVELS = {
  PUBLIC_TO_EVERYONE: pb.PrivacyLevel.PUBLIC_TO_EVERYONE,
  MUTUAL_FOLLOW_FRIENDS: pb.PrivacyLevel.MUTUAL_FOLLOW_FRIENDS,
  FOLLOWER_OF_CREATOR: pb.PrivacyLevel.FOLLOWER_OF_CREATOR,
  SELF_ONLY: pb.PrivacyLevel.SELF_ONLY,
} satisfies Record<PrivacyLevel, pb.PrivacyLevel>;

export const PRIVACY_LEVEL_OF = {
  [pb.PrivacyLevel.UNSPECIFIED]: undefined,
  [pb.PrivacyLevel.PUBLIC_TO_EVERYONE]: 'PUBLIC_TO_EVERYONE',
  [pb.PrivacyLevel.MUTUAL_FOLLOW_FRIENDS]: 'MUTUAL_FOLLOW_FRIENDS',
  [pb.PrivacyLevel.FOLLOWER_OF_CREATOR]: 'FOLLOWER_OF_CREATOR',
  [pb.PrivacyLevel.SELF_ONLY]: 'SELF_ONLY',
} as const satisfies Record<pb.PrivacyLevel, PrivacyLevel | undefined>;

export const LATE_ACTIONS = {
  PUBLISH: pb.LateAction.PUBLISH,
  HOLD: pb.LateAction.HOLD,
  FAIL: pb.LateAction.FAIL,
} satisfies Record<LatePolicy['action'], pb.LateAction>;

export const LATE_ACTION_OF = {
  [pb.LateAction.UNSPECIFIED]: undefined,
  [pb.LateAction.PUBLISH]: 'PUBLISH',
  [pb.LateAction.HOLD]: 'HOLD',
  [pb.LateAction.FAIL]: 'FAIL',
} as const satisfies Record<pb.LateAction, LatePolicy['action'] | undefined>;
