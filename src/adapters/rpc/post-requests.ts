import { invalid, requireText } from '../../application/field-checks.ts';
import type { EventFilter } from '../../application/ports/post-events.ts';
import type { PostFilter } from '../../application/ports/posts.ts';
import type { PublishPostInput } from '../../application/publish-post.ts';
import type { UpdatePost } from '../../application/update-post.ts';
import type { Finding } from '../../domain/finding.ts';
import type { ConnectionId, PostId, VideoId, WorkspaceId } from '../../domain/ids.ts';
import type { LatePolicy } from '../../domain/post/schedule.ts';
import type { ConsentRecord, PostSettings } from '../../domain/post/settings.ts';
import type * as pb from './gen/glowtify/tiktok/v1/post_pb.js';
import type {
  ListPostsRequest,
  PublishPostRequest,
  UpdatePostRequest,
  WatchPostsRequest,
} from './gen/glowtify/tiktok/v1/post_service_pb.js';
import { LATE_ACTION_OF, POST_STATE_OF, PRIVACY_LEVEL_OF } from './post-enums.ts';
import {
  checkIds,
  checkName,
  type Read,
  readEnum,
  readEnums,
  readLength,
  readTime,
  unknownValue,
} from './request-fields.ts';

export function readPublishPost(request: PublishPostRequest): Read<PublishPostInput> {
  const scheduleTime = readTime('schedule_time', request.scheduleTime);
  const settings = readSettings(request.settings);
  const latePolicy = readLatePolicy(request.latePolicy);
  return {
    value: {
      workspaceId: request.workspaceId as WorkspaceId,
      connectionId: request.connectionId as ConnectionId,
      requestId: request.requestId,
      validateOnly: request.validateOnly,
      destination: request.destination,
      caption: request.caption,
      video: readVideo(request.video),
      settings: settings.value,
      labels: { ...request.labels },
      ...(scheduleTime.value === undefined ? {} : { scheduleTime: scheduleTime.value }),
      ...(latePolicy.value === undefined ? {} : { latePolicy: latePolicy.value }),
      ...(request.externalRef === '' ? {} : { externalRef: request.externalRef }),
    },
    findings: [...scheduleTime.findings, ...settings.findings, ...latePolicy.findings],
  };
}

function readVideo(video: PublishPostRequest['video']): PublishPostInput['video'] {
  switch (video.case) {
    case 'videoId':
      return { videoId: video.value as VideoId };
    case 'videoUri':
      return { videoUri: video.value };
    case undefined:
      return undefined;
  }
}

function readSettings(settings: pb.PostSettings | undefined): Read<PostSettings> {
  const privacyLevel = readEnum('settings.privacy_level', settings?.privacyLevel ?? 0, PRIVACY_LEVEL_OF);
  const cover = readLength('settings.cover_timestamp', settings?.coverTimestamp);
  const consent = readConsent(settings?.consent);
  return {
    value: {
      allowComment: settings?.allowComment ?? false,
      allowDuet: settings?.allowDuet ?? false,
      allowStitch: settings?.allowStitch ?? false,
      yourBrand: settings?.yourBrand ?? false,
      brandedContent: settings?.brandedContent ?? false,
      aiGenerated: settings?.aiGenerated ?? false,
      draft: settings?.draft ?? false,
      ...(privacyLevel.value === undefined ? {} : { privacyLevel: privacyLevel.value }),
      ...(cover.value === undefined ? {} : { coverMilliseconds: cover.value }),
      ...(consent.value === undefined ? {} : { consent: consent.value }),
    },
    findings: [...privacyLevel.findings, ...cover.findings, ...consent.findings],
  };
}

function readConsent(consent: pb.Consent | undefined): Read<ConsentRecord | undefined> {
  if (consent === undefined) return { value: undefined, findings: [] };
  const { userId, declaration } = consent;
  const consentTime = readTime('settings.consent.consent_time', consent.consentTime);
  const findings = [
    ...requireText('settings.consent.user_id', userId, 200),
    ...requireText('settings.consent.declaration', declaration, 2000),
    ...(consent.consentTime === undefined ? [missing('settings.consent.consent_time', 'when the person agreed')] : []),
    ...consentTime.findings,
  ];
  return {
    value: { userId, declaration, consentTime: consentTime.value ?? new Date(0) },
    findings,
  };
}

/** A policy is all or nothing: half of one would leave the caller guessing what the other half became. */
function readLatePolicy(policy: pb.LatePolicy | undefined): Read<LatePolicy | undefined> {
  if (policy === undefined) return { value: undefined, findings: [] };
  const maxLateness = readLength('late_policy.max_lateness', policy.maxLateness);
  const action = LATE_ACTION_OF[policy.action];
  const findings = [
    ...(policy.maxLateness === undefined ? [missing('late_policy.max_lateness', 'how late is too late')] : []),
    ...maxLateness.findings,
    ...(maxLateness.value === 0
      ? [
          invalid(
            'late_policy.max_lateness',
            '0 s',
            'more than 0 s',
            'Set a positive length of time, or leave late_policy out.',
          ),
        ]
      : []),
    ...(action === undefined ? [unknownValue('late_policy.action', policy.action, LATE_ACTION_OF)] : []),
  ];
  return maxLateness.value === undefined || action === undefined || findings.length > 0
    ? { value: undefined, findings }
    : { value: { maxLatenessSeconds: maxLateness.value / 1000, action }, findings };
}

const missing = (field: string, what: string): Finding => ({
  code: 'FIELD_REQUIRED',
  severity: 'ERROR',
  field,
  message: `The field ${field} is required here.`,
  remedy: `Set ${field}: ${what}.`,
  observed: 'nothing',
  limit: what,
});

export function readListPosts(request: ListPostsRequest): Read<PostFilter> {
  const states = readEnums('states', request.states, POST_STATE_OF);
  const from = readTime('schedule_time_from', request.scheduleTimeFrom);
  const before = readTime('schedule_time_before', request.scheduleTimeBefore);
  return {
    value: {
      workspaceId: request.workspaceId as WorkspaceId,
      connectionIds: request.connectionIds as ConnectionId[],
      states: states.value,
      ...(from.value === undefined ? {} : { scheduledFrom: from.value }),
      ...(before.value === undefined ? {} : { scheduledBefore: before.value }),
      ...(request.externalRef === '' ? {} : { externalRef: request.externalRef }),
    },
    findings: [
      ...checkIds('connection_ids', request.connectionIds),
      ...states.findings,
      ...from.findings,
      ...before.findings,
    ],
  };
}

export const readWatchPosts = (request: WatchPostsRequest): Read<EventFilter> => ({
  value: {
    workspaceId: request.workspaceId as WorkspaceId,
    connectionIds: request.connectionIds as ConnectionId[],
    postIds: request.postIds as PostId[],
  },
  findings: [...checkIds('connection_ids', request.connectionIds), ...checkIds('post_ids', request.postIds)],
});

const UPDATABLE = ['caption', 'schedule_time', 'settings', 'late_policy', 'labels'] as const;
type Updatable = (typeof UPDATABLE)[number];
const isUpdatable = (path: string): path is Updatable => UPDATABLE.some((name) => name === path);

export function readUpdatePost(request: UpdatePostRequest): Read<Parameters<UpdatePost>[0]> {
  const { post, updateMask, etag, validateOnly, workspaceId } = request;
  const paths = new Set(updateMask?.paths);
  const change = readChange(post, [...paths].filter(isUpdatable));
  return {
    value: {
      postId: (post?.postId ?? '') as PostId,
      change: change.value,
      etag,
      validateOnly,
      ...(workspaceId === '' ? {} : { workspaceId: workspaceId as WorkspaceId }),
    },
    findings: [
      ...checkName('post.post_id', post?.postId ?? '', workspaceId),
      ...checkMask([...paths]),
      ...change.findings,
    ],
  };
}

function checkMask(paths: readonly string[]): readonly Finding[] {
  if (paths.length === 0) return [missing('update_mask', `one or more of ${UPDATABLE.join(', ')}`)];
  const unknown = paths.filter((path) => !isUpdatable(path));
  if (unknown.length === 0) return [];
  const nested = unknown.some((path) => isUpdatable(path.split('.', 1)[0] ?? ''));
  return [
    invalid(
      'update_mask',
      unknown.join(', '),
      UPDATABLE.join(', '),
      nested
        ? 'Name whole fields only: a path inside of one, such as settings.privacy_level, is not allowed.'
        : `Name only: ${UPDATABLE.join(', ')}.`,
    ),
  ];
}

type Change = Parameters<UpdatePost>[0]['change'];

function readChange(post: pb.Post | undefined, paths: readonly Updatable[]): Read<Change> {
  const parts = paths.map((path) => readPart(post, path));
  return {
    value: Object.assign({}, ...parts.map(({ value }) => value)),
    findings: parts.flatMap(({ findings }) => findings),
  };
}

function readPart(post: pb.Post | undefined, path: Updatable): Read<Change> {
  switch (path) {
    case 'caption':
      return { value: { caption: post?.caption ?? '' }, findings: [] };
    case 'labels':
      return { value: { labels: { ...post?.labels } }, findings: [] };
    case 'schedule_time': {
      const { value, findings } = readTime('schedule_time', post?.scheduleTime);
      return { value: { scheduleTime: value ?? 'NOW' }, findings };
    }
    case 'settings': {
      const { value, findings } = readSettings(post?.settings);
      return { value: { settings: value }, findings };
    }
    case 'late_policy': {
      const { value, findings } = readLatePolicy(post?.latePolicy);
      if (post?.latePolicy === undefined)
        return { value: {}, findings: [missing('late_policy', 'max_lateness and action')] };
      return { value: value === undefined ? {} : { latePolicy: value }, findings };
    }
  }
}
