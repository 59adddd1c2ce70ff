import { create } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { PostEvent } from '../../application/ports/post-events.ts';
import type { Attempt } from '../../domain/post/attempt.ts';
import { hashtags } from '../../domain/post/caption.ts';
import { type Post, type Published, sentAttempt } from '../../domain/post/post.ts';
import type { LatePolicy } from '../../domain/post/schedule.ts';
import type { PostSettings } from '../../domain/post/settings.ts';
import type { Step } from '../../domain/post/step.ts';
import type { TimelineEntry } from '../../domain/post/timeline.ts';
import * as pb from './gen/glowtify/tiktok/v1/post_pb.js';
import { type PostEvent as PostEventMessage, PostEventSchema } from './gen/glowtify/tiktok/v1/post_service_pb.js';
import {
  ATTEMPT_OUTCOMES,
  HOLD_REASONS,
  LATE_ACTIONS,
  POST_STATES,
  PRIVACY_LEVELS,
  PUBLISHING_PHASES,
} from './post-enums.ts';
import { publishErrorMessage } from './publish-error-messages.ts';

/** What a post doesn't know of the account it goes to. */
export type PostSurroundings = {
  readonly sandbox: boolean;
  /** Where a post of this account can be seen. Undefined while the account's handle is not known. */
  readonly shareUri: (tiktokPostId: string) => string | undefined;
};

export function postMessage({ post, nextActionTime }: Step, { sandbox, shareUri }: PostSurroundings): pb.Post {
  return create(pb.PostSchema, {
    postId: post.id,
    workspaceId: post.workspaceId,
    connectionId: post.connectionId,
    destination: 'tiktok',
    caption: post.caption,
    hashtags: [...hashtags(post.caption)],
    videoId: post.videoId,
    settings: settingsMessage(post.settings),
    scheduleTime: timestampFromDate(post.scheduleTime),
    state: POST_STATES[post.state],
    publishId: sentAttempt(post)?.publishId ?? '',
    latePolicy: latePolicyMessage(post.latePolicy),
    externalRef: post.externalRef ?? '',
    labels: { ...post.labels },
    etag: String(post.version),
    createTime: timestampFromDate(post.createTime),
    updateTime: timestampFromDate(post.updateTime),
    sandbox,
    ...(post.dispatchLatenessSeconds === undefined
      ? {}
      : { dispatchLateness: durationFromMs(Math.round(post.dispatchLatenessSeconds * 1000)) }),
    ...(nextActionTime === undefined ? {} : { nextActionTime: timestampFromDate(nextActionTime) }),
    ...ofState(post, shareUri),
  });
}

/** As `postMessage`, with every try. For answers about one post, read with its attempts. */
export function postWithAttempts(step: Step, surroundings: PostSurroundings): pb.Post {
  const message = postMessage(step, surroundings);
  message.attempts = step.post.attempts.map(attemptMessage);
  return message;
}

function ofState(post: Post, shareUri: PostSurroundings['shareUri']) {
  switch (post.state) {
    case 'PREPARING':
    case 'SCHEDULED':
    case 'CANCELLED':
      return {};
    case 'PUBLISHING':
      return { phase: PUBLISHING_PHASES[post.phase], ...errorOf(post) };
    case 'HELD': {
      const { reason, releaseTime } = post.hold;
      const hold = {
        reason: HOLD_REASONS[reason],
        ...(releaseTime === undefined ? {} : { releaseTime: timestampFromDate(releaseTime) }),
      };
      return { hold, ...errorOf(post, releaseTime) };
    }
    case 'PUBLISHED':
      return { publishTime: timestampFromDate(post.publishTime), ...placeOnTikTok(post, shareUri) };
    case 'IN_CREATOR_INBOX':
      return { publishTime: timestampFromDate(post.publishTime) };
    case 'FAILED':
    case 'UNCONFIRMED':
      return errorOf(post);
  }
}

const errorOf = ({ error }: Pick<Attempt, 'error'>, retryTime?: Date) =>
  error === undefined ? {} : { error: publishErrorMessage(error, retryTime) };

/** A link that leads nowhere is none. */
function placeOnTikTok(
  { tiktokPostIds: [tiktokPostId], publiclyAvailable }: Published,
  shareUri: PostSurroundings['shareUri'],
) {
  if (tiktokPostId === undefined) return {};
  return publiclyAvailable
    ? { tiktokPostId, publiclyAvailable, shareUri: shareUri(tiktokPostId) ?? '' }
    : { tiktokPostId };
}

const settingsMessage = (settings: PostSettings): pb.PostSettings =>
  create(pb.PostSettingsSchema, {
    allowComment: settings.allowComment,
    allowDuet: settings.allowDuet,
    allowStitch: settings.allowStitch,
    yourBrand: settings.yourBrand,
    brandedContent: settings.brandedContent,
    aiGenerated: settings.aiGenerated,
    draft: settings.draft,
    ...(settings.privacyLevel === undefined ? {} : { privacyLevel: PRIVACY_LEVELS[settings.privacyLevel] }),
    ...(settings.coverMilliseconds === undefined
      ? {}
      : { coverTimestamp: durationFromMs(Math.round(settings.coverMilliseconds)) }),
    ...(settings.consent === undefined
      ? {}
      : { consent: { ...settings.consent, consentTime: timestampFromDate(settings.consent.consentTime) } }),
  });

const latePolicyMessage = ({ maxLatenessSeconds, action }: LatePolicy): pb.LatePolicy =>
  create(pb.LatePolicySchema, {
    maxLateness: durationFromMs(Math.round(maxLatenessSeconds * 1000)),
    action: LATE_ACTIONS[action],
  });

/** The upload address is for no one. */
const attemptMessage = (attempt: Attempt): pb.Attempt =>
  create(pb.AttemptSchema, {
    number: attempt.number,
    startTime: timestampFromDate(attempt.startTime),
    publishId: attempt.publishId ?? '',
    bytesSent: BigInt(attempt.bytesSent),
    sizeBytes: BigInt(attempt.plan.sizeBytes),
    ...(attempt.endTime === undefined ? {} : { endTime: timestampFromDate(attempt.endTime) }),
    ...(attempt.outcome === undefined ? {} : { outcome: ATTEMPT_OUTCOMES[attempt.outcome] }),
    ...errorOf(attempt),
  });

export const timelineMessage = (entry: TimelineEntry): pb.TimelineEntry =>
  create(pb.TimelineEntrySchema, {
    eventTime: timestampFromDate(entry.time),
    firstTime: timestampFromDate(entry.since),
    count: entry.count,
    state: POST_STATES[entry.state],
    attemptNumber: entry.attempt ?? 0,
    calls: entry.calls.map(({ endpoint, time, code, logId }) => ({
      endpoint,
      time: timestampFromDate(time),
      code: code ?? '',
      logId: logId ?? '',
    })),
    ...(entry.phase === undefined ? {} : { phase: PUBLISHING_PHASES[entry.phase] }),
    ...(entry.holdReason === undefined ? {} : { holdReason: HOLD_REASONS[entry.holdReason] }),
    ...(entry.nextActionTime === undefined ? {} : { nextActionTime: timestampFromDate(entry.nextActionTime) }),
    ...errorOf(entry, entry.nextActionTime),
  });

export const eventMessage = (event: PostEvent, surroundings: PostSurroundings): PostEventMessage =>
  create(PostEventSchema, {
    post: postMessage(event.step, surroundings),
    eventTime: timestampFromDate(event.eventTime),
    resumeToken: event.cursor,
    ...(event.previousState === undefined ? {} : { previousState: POST_STATES[event.previousState] }),
  });
