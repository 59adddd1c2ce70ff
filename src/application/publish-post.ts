import { type ApiFamily, type Connection, ineligibility } from '../domain/connection/connection.ts';
import { type Finding, isError } from '../domain/finding.ts';
import type { ConnectionId, PostId, VideoId, WorkspaceId } from '../domain/ids.ts';
import type { Attempt } from '../domain/post/attempt.ts';
import { checkCaption } from '../domain/post/caption.ts';
import { checkFamily } from '../domain/post/family.ts';
import type { Post } from '../domain/post/post.ts';
import { checkLatePolicy, checkSchedule, dueTime, type LatePolicy } from '../domain/post/schedule.ts';
import { checkCover, checkSettings, type PostSettings } from '../domain/post/settings.ts';
import { restingStep, type Step } from '../domain/post/step.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { ImportingVideo, Video } from '../domain/video/video.ts';
import { businessVideoPolicy, check, type VideoPolicy } from '../domain/video/video-policy.ts';
import { invalid, optionalText, requireText, storableText } from './field-checks.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { Digest } from './ports/digest.ts';
import type { Doorbell } from './ports/doorbell.ts';
import type { Ids } from './ports/ids.ts';
import type { Posts } from './ports/posts.ts';
import type { RequestKey } from './ports/request-key.ts';
import type { Traces } from './ports/traces.ts';
import type { VideoFetcher } from './ports/video-fetcher.ts';
import type { Videos } from './ports/videos.ts';
import type { Refusal } from './refusal.ts';

export type PublishPostInput = {
  readonly workspaceId: WorkspaceId;
  readonly connectionId: ConnectionId;
  readonly requestId: string;
  readonly validateOnly: boolean;
  readonly destination: string;
  readonly caption: string;
  readonly video: { readonly videoId: VideoId } | { readonly videoUri: string } | undefined;
  readonly scheduleTime?: Date;
  readonly settings: PostSettings;
  readonly latePolicy?: LatePolicy;
  readonly externalRef?: string;
  readonly labels: Readonly<Record<string, string>>;
};

export type PublishPostOutput = {
  readonly step: Step;
  /** Warnings. */
  readonly findings: readonly Finding[];
  readonly replayed: boolean;
};

export type PublishPost = (input: PublishPostInput) => Promise<Result<PublishPostOutput, Refusal>>;

/** What the operator decides for every post. */
export type PostPolicy = {
  readonly requireConsent: boolean;
  readonly video: VideoPolicy;
  /** Files up to this length go to TikTok in one piece, longer ones in pieces of at most this. */
  readonly largestChunkBytes: number;
  /** How TikTok gets the bytes of new attempts; those that live keep their own way. */
  readonly transfer: Attempt['transfer'];
  /** For posts that bring none of their own. */
  readonly latePolicy: LatePolicy;
};

export function publishPost(needs: {
  readonly posts: Posts;
  readonly connections: Connections;
  readonly videos: Videos;
  readonly fetcher: VideoFetcher;
  readonly doorbell: Doorbell;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly digest: Digest;
  readonly policy: PostPolicy;
  readonly traces: Traces;
}): PublishPost {
  const { posts, connections, videos, fetcher, doorbell, clock, ids, digest, policy, traces } = needs;
  return async (input) => {
    const shape = checkShape(input, fetcher);
    if (shape.some(isError)) return err({ code: 'INVALID', findings: await allFindings(needs, input, shape) });

    const { requestId, validateOnly, ...payload } = input;
    const key: RequestKey = { requestId, payloadHash: digest({ rpc: 'PublishPost', ...payload }) };
    const before = validateOnly ? ok(undefined) : await posts.findRequest(input.workspaceId, key);
    if (!before.ok) return before;
    if (before.value !== undefined) return ok({ step: before.value, findings: [], replayed: true });

    const connection = await connections.find(input.connectionId, input.workspaceId);
    if (connection === undefined) {
      return err({ code: 'NOT_FOUND', resource: 'connection', id: input.connectionId });
    }
    const known = await findVideo(videos, input);
    if (!known.ok) return known;

    const now = clock.now();
    const findings = checkContent(input, connection, known.value, now, policy);
    if (findings.some(isError)) return err({ code: 'INVALID', findings });
    if (connection.state === 'DISCONNECTED') {
      return err({ code: 'CONNECTION_DISCONNECTED', state: connection.state, id: connection.id });
    }

    const ineligible = ineligibility(connection.account);
    if (ineligible !== undefined) return err({ code: 'TIKTOK_REFUSED', error: ineligible });

    const video = known.value ?? newImport(input, ids, now);
    const post = newPost(input, video, validateOnly ? ('' as PostId) : ids.postId(), now, policy);
    if (validateOnly) return ok({ step: restingStep(post), findings, replayed: false });

    if (video.state === 'IMPORTING' && known.value === undefined) {
      // The import is keyed by the post's request, so that a repeated call after a crash between the two finds it again.
      const imported = await videos.addImport(video, { requestId: `\u001f${requestId}`, payloadHash: key.payloadHash });
      if (!imported.ok) return err({ code: 'REQUEST_ID_REUSED', requestId });
      return accept({ ...post, videoId: imported.value.video.id });
    }
    return accept(post);

    async function accept(accepted: Post): Promise<Result<PublishPostOutput, Refusal>> {
      const added = await posts.add(restingStep(accepted), key, traces.here());
      if (!added.ok) {
        return added.error.code === 'VIDEO_GONE'
          ? err({ code: 'NOT_FOUND', resource: 'video', id: accepted.videoId })
          : err(added.error);
      }
      const { step, replayed } = added.value;
      // A video that became ready between our look and our write woke nobody: look again.
      if (step.post.state === 'PREPARING' && (await videos.find(step.post.videoId))?.state !== 'IMPORTING') {
        await posts.wake({ videoId: step.post.videoId });
      }
      if (step.nextActionTime !== undefined && step.nextActionTime > now) await doorbell.ringAt(step.nextActionTime);
      else await doorbell.ringNow();
      return ok({ step, findings: findings.filter((finding) => !isError(finding)), replayed });
    }
  };
}

/** What can be said without looking anything up. */
function checkShape(input: PublishPostInput, fetcher: VideoFetcher): readonly Finding[] {
  return [
    ...requireText('workspace_id', input.workspaceId, 200),
    ...requireText('connection_id', input.connectionId, 200),
    ...requireText('request_id', input.requestId, 200),
    ...optionalText('external_ref', input.externalRef ?? '', 200),
    ...checkLabels(input.labels),
    ...(input.destination === 'tiktok'
      ? []
      : [
          {
            ...invalid('destination', input.destination || 'nothing', '`tiktok`', 'Set destination to `tiktok`.'),
            code: 'DESTINATION_UNKNOWN' as const,
            message: 'This connector publishes to TikTok only.',
          },
        ]),
    ...(input.video === undefined
      ? [
          {
            ...invalid('video_id', 'nothing', 'video_id or video_uri', 'Upload a video first, or give its address.'),
            code: 'VIDEO_REQUIRED' as const,
            message: 'The post has no video.',
          },
        ]
      : 'videoUri' in input.video
        ? [...optionalText('video_uri', input.video.videoUri, 2_000), ...fetcher.check(input.video.videoUri)]
        : requireText('video_id', input.video.videoId, 200)),
    ...checkLatePolicy(input.latePolicy),
    ...checkTexts(input.caption, input.settings),
  ];
}

/** Whatever else is right about them, they must be storable. */
export const checkTexts = (caption: string, { consent }: PostSettings): readonly Finding[] => [
  ...storableText('caption', caption),
  ...optionalText('settings.consent.user_id', consent?.userId ?? '', 200),
  ...optionalText('settings.consent.declaration', consent?.declaration ?? '', 2_000),
];

export function checkLabels(labels: Readonly<Record<string, string>>): readonly Finding[] {
  const entries = Object.entries(labels);
  if (entries.length > 64) {
    return [invalid('labels', `${entries.length} labels`, 'at most 64', 'Send fewer labels.')];
  }
  return entries.flatMap(([name, value]) => [
    ...requireText('labels', name, 63),
    ...optionalText(`labels.${name.slice(0, 63)}`, value, 255),
  ]);
}

/** The request is refused already; whatever else can be found is reported with it. */
async function allFindings(
  { connections, videos, clock, policy }: Parameters<typeof publishPost>[0],
  input: PublishPostInput,
  shape: readonly Finding[],
): Promise<readonly Finding[]> {
  const connection = await connections.find(input.connectionId, input.workspaceId);
  const video = await findVideo(videos, input);
  return [...shape, ...checkContent(input, connection, video.ok ? video.value : undefined, clock.now(), policy)];
}

/** Undefined when the video is still to be fetched from an address. */
async function findVideo(videos: Videos, input: PublishPostInput): Promise<Result<Video | undefined, Refusal>> {
  if (input.video === undefined || 'videoUri' in input.video) return ok(undefined);
  const { videoId } = input.video;
  const video = await videos.find(videoId, input.workspaceId);
  return video === undefined ? err({ code: 'NOT_FOUND', resource: 'video', id: videoId }) : ok(video);
}

function checkContent(
  input: PublishPostInput,
  connection: Connection | undefined,
  video: Video | undefined,
  now: Date,
  policy: PostPolicy,
): readonly Finding[] {
  return [
    ...checkCaption(input.caption, input.settings),
    ...checkSettings(input.settings, policy),
    ...checkFamily(input.settings, connection),
    ...checkSchedule(input.scheduleTime, now),
    ...checkVideo(video, input.settings, connection, policy),
  ];
}

/** Judged again for this account: its own limit may be shorter than TikTok's. */
export function checkVideo(
  video: Video | undefined,
  settings: PostSettings,
  connection: Connection | undefined,
  policy: PostPolicy,
): readonly Finding[] {
  switch (video?.state) {
    case undefined:
    case 'IMPORTING':
      return [];
    case 'REJECTED':
      return video.findings;
    case 'READY':
      return [
        ...check(video.spec, videoPolicyFor(policy.video, connection?.apiFamily, connection?.account.maxVideoSeconds)),
        ...checkCover(settings, video.spec.durationSeconds),
      ];
  }
}

/** The operator's policy, as far as the family and the account go along with it. */
export const videoPolicyFor = (
  policy: VideoPolicy,
  family: ApiFamily | undefined,
  accountSeconds: number | undefined,
): VideoPolicy => ({
  ...policy,
  ...(family === 'BUSINESS' ? { maxSizeBytes: Math.min(policy.maxSizeBytes, businessVideoPolicy.maxSizeBytes) } : {}),
  ...(accountSeconds === undefined ? {} : { accountMaxDurationSeconds: accountSeconds }),
});

const newImport = (input: PublishPostInput, ids: Ids, now: Date): ImportingVideo => ({
  id: ids.videoId(),
  workspaceId: input.workspaceId,
  state: 'IMPORTING',
  createTime: now,
  ...(input.video !== undefined && 'videoUri' in input.video ? { sourceUri: input.video.videoUri } : {}),
});

function newPost(input: PublishPostInput, video: Video, id: PostId, now: Date, policy: PostPolicy): Post {
  return {
    id,
    workspaceId: input.workspaceId,
    connectionId: input.connectionId,
    videoId: video.id,
    caption: input.caption,
    settings: input.settings,
    scheduleTime: dueTime(input.scheduleTime, now),
    latePolicy: input.latePolicy ?? policy.latePolicy,
    requestId: input.requestId,
    labels: input.labels,
    createTime: now,
    updateTime: now,
    version: 1,
    attempts: [],
    setbacks: 0,
    state: video.state === 'IMPORTING' ? 'PREPARING' : 'SCHEDULED',
    ...(input.externalRef === undefined ? {} : { externalRef: input.externalRef }),
  };
}
