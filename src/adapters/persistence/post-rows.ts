import type { Cipher } from '../../application/ports/cipher.ts';
import type { ConnectionId, PostId, VideoId, WorkspaceId } from '../../domain/ids.ts';
import type { Attempt } from '../../domain/post/attempt.ts';
import type { Hold, Plan, Post, PostState, Publishing } from '../../domain/post/post.ts';
import type { LatePolicy } from '../../domain/post/schedule.ts';
import type { ConsentRecord, PostSettings } from '../../domain/post/settings.ts';
import type { Step } from '../../domain/post/step.ts';
import type { Secret } from '../../domain/secret.ts';
import { date, optionalDate, present, type Time } from './json.ts';
import { publishErrorFromJson } from './publish-error-json.ts';

/** A row of `post`, as plain SQL and `to_jsonb` give it. */
export type PostRow = {
  id: string;
  workspace_id: string;
  connection_id: string;
  video_id: string;
  /** Absent in events of earlier releases. */
  request_id?: string | null;
  state: string;
  phase: string | null;
  caption: string;
  settings: object;
  schedule_time: Time;
  late_policy: object;
  external_ref: string | null;
  labels: Record<string, string>;
  hold: object | null;
  error: object | null;
  edited: boolean | null;
  publish_time: Time | null;
  tiktok_post_ids: string[] | null;
  dispatch_lateness_seconds: number | null;
  setbacks: number;
  turn_time: Time | null;
  publicly_available: boolean | null;
  create_time: Time;
  update_time: Time;
  version: number;
  next_action_at: Time | null;
  lease_owner: string | null;
  fence: string;
  lapses: number;
  /** Absent in an event. */
  traceparent?: string | null;
};

export type AttemptRow = {
  post_id: string;
  number: number;
  transfer: string;
  size_bytes: string;
  chunk_bytes: string;
  chunk_count: number;
  start_time: Time;
  publish_id: string | null;
  /** Absent in an event. */
  upload_url?: Buffer | null;
  upload_expire_time: Time | null;
  bytes_sent: string;
  polls: number;
  finalize_time: Time | null;
  end_time: Time | null;
  outcome: string | null;
  error: object | null;
};

/** A post that a worker holds is looked at next by that worker; only a resting one has a next action to tell. */
export function stepFromRow(row: PostRow, attempts: readonly Attempt[]): Step {
  const post = postFromRow(row, attempts);
  return row.next_action_at === null || row.lease_owner !== null
    ? { post }
    : { post, nextActionTime: date(row.next_action_at) };
}

export function postFromRow(row: PostRow, attempts: readonly Attempt[]): Post {
  const plan: Plan = present({
    id: row.id as PostId,
    workspaceId: row.workspace_id as WorkspaceId,
    connectionId: row.connection_id as ConnectionId,
    videoId: row.video_id as VideoId,
    caption: row.caption,
    settings: settingsFromJson(row.settings),
    scheduleTime: date(row.schedule_time),
    latePolicy: row.late_policy as LatePolicy,
    externalRef: row.external_ref ?? undefined,
    requestId: row.request_id ?? undefined,
    labels: row.labels,
    createTime: date(row.create_time),
    updateTime: date(row.update_time),
    version: row.version,
    attempts,
    dispatchLatenessSeconds: row.dispatch_lateness_seconds ?? undefined,
    setbacks: row.setbacks,
  });
  const error = row.error === null ? undefined : publishErrorFromJson(row.error);
  const withError = error === undefined ? {} : { error };
  const turnTime = optionalDate(row.turn_time);
  const withTurn = turnTime === undefined ? {} : { turnTime };
  const state = row.state as PostState;
  switch (state) {
    case 'PREPARING':
    case 'CANCELLED':
      return { ...plan, state };
    case 'SCHEDULED':
      return { ...plan, state, ...withTurn };
    case 'PUBLISHING': {
      const phase = row.phase as Publishing['phase'];
      return phase === 'INITIALIZING'
        ? { ...plan, state, phase, ...withError, ...withTurn }
        : { ...plan, state, phase, ...withError };
    }
    case 'HELD':
      return { ...plan, state, hold: holdFromRow(row), ...withError, ...withTurn };
    case 'PUBLISHED':
      return {
        ...plan,
        state,
        publishTime: date(required(row, row.publish_time)),
        tiktokPostIds: row.tiktok_post_ids ?? [],
        publiclyAvailable: row.publicly_available ?? (row.tiktok_post_ids ?? []).length > 0,
      };
    case 'IN_CREATOR_INBOX':
      return { ...plan, state, publishTime: date(required(row, row.publish_time)) };
    case 'FAILED':
      return { ...plan, state, error: required(row, error), edited: row.edited ?? false };
    case 'UNCONFIRMED':
      return { ...plan, state, error: required(row, error) };
  }
}

function required<T>(row: PostRow, value: T | null | undefined): T {
  if (value === null || value === undefined)
    throw new Error(`post ${row.id} is ${row.state} and lacks what that means`);
  return value;
}

function settingsFromJson(json: object): PostSettings {
  const settings = json as PostSettings;
  return settings.consent === undefined
    ? settings
    : {
        ...settings,
        consent: { ...settings.consent, consentTime: date(settings.consent.consentTime) } satisfies ConsentRecord,
      };
}

/** A hold that ends by itself ends at the next action, also when that was moved since. */
function holdFromRow(row: PostRow): Hold {
  const hold = required(row, row.hold) as Hold;
  if (hold.releaseTime === undefined) return hold;
  const moved = row.lease_owner === null ? row.next_action_at : null;
  return { ...hold, releaseTime: date(moved ?? hold.releaseTime) };
}

/** What a change of a post writes, with its types. Version, times of change and the lease belong to the store. */
export const POST_TYPE = {
  id: 'text',
  workspace_id: 'text',
  connection_id: 'text',
  video_id: 'text',
  request_id: 'text',
  state: 'text',
  phase: 'text',
  caption: 'text',
  settings: 'jsonb',
  schedule_time: 'timestamptz',
  late_policy: 'jsonb',
  external_ref: 'text',
  labels: 'jsonb',
  hold: 'jsonb',
  error: 'jsonb',
  edited: 'boolean',
  publish_time: 'timestamptz',
  tiktok_post_ids: 'text[]',
  dispatch_lateness_seconds: 'double precision',
  setbacks: 'integer',
  turn_time: 'timestamptz',
  publicly_available: 'boolean',
} as const;
export const POST_COLUMNS = Object.keys(POST_TYPE) as readonly (keyof typeof POST_TYPE)[];

/** A whole `PostRow`, by name: a prepared statement with `*` would fail once a migration added a column. */
export const ROW_COLUMNS = [
  ...POST_COLUMNS,
  'create_time',
  'update_time',
  'version',
  'next_action_at',
  'lease_owner',
  'fence',
  'lapses',
  'traceparent',
] as const;

/** A post as `json_to_recordset` reads it: however many there are, one parameter carries them. */
export const postRecord = (post: Post, cipher: Cipher) =>
  ({
    id: post.id,
    workspace_id: post.workspaceId,
    connection_id: post.connectionId,
    video_id: post.videoId,
    request_id: post.requestId ?? null,
    state: post.state,
    phase: post.state === 'PUBLISHING' ? post.phase : null,
    caption: post.caption,
    settings: post.settings,
    schedule_time: post.scheduleTime,
    late_policy: post.latePolicy,
    external_ref: post.externalRef ?? null,
    labels: post.labels,
    hold: post.state === 'HELD' ? post.hold : null,
    error: 'error' in post ? (post.error ?? null) : null,
    edited: post.state === 'FAILED' ? post.edited : null,
    publish_time: post.state === 'PUBLISHED' || post.state === 'IN_CREATOR_INBOX' ? post.publishTime : null,
    tiktok_post_ids: post.state === 'PUBLISHED' ? post.tiktokPostIds : null,
    dispatch_lateness_seconds: post.dispatchLatenessSeconds ?? null,
    setbacks: post.setbacks,
    turn_time: 'turnTime' in post ? (post.turnTime ?? null) : null,
    publicly_available: post.state === 'PUBLISHED' ? post.publiclyAvailable : null,
    attempts: post.attempts.map((attempt) => attemptRecord(attempt, post, cipher)),
  }) satisfies Readonly<Record<keyof typeof POST_TYPE | 'attempts', unknown>>;

/** Where the address of an attempt belongs. */
export const uploadUrlContext = (workspaceId: string, postId: string, number: number): readonly string[] => [
  'attempt',
  workspaceId,
  postId,
  String(number),
  'upload_url',
];

export const attemptFromRow = (row: AttemptRow, workspaceId: string, cipher: Cipher): Attempt =>
  present({
    number: row.number,
    transfer: row.transfer as Attempt['transfer'],
    plan: {
      sizeBytes: Number(row.size_bytes),
      chunkBytes: Number(row.chunk_bytes),
      chunkCount: row.chunk_count,
    },
    startTime: date(row.start_time),
    publishId: row.publish_id ?? undefined,
    uploadUrl:
      row.upload_url === null || row.upload_url === undefined
        ? undefined
        : cipher.open(row.upload_url, uploadUrlContext(workspaceId, row.post_id, row.number)),
    uploadExpireTime: optionalDate(row.upload_expire_time),
    bytesSent: Number(row.bytes_sent),
    polls: row.polls,
    finalizeTime: optionalDate(row.finalize_time),
    endTime: optionalDate(row.end_time),
    outcome: (row.outcome ?? undefined) as Attempt['outcome'],
    error: row.error === null ? undefined : publishErrorFromJson(row.error),
  });

const attemptRecord = (attempt: Attempt, { id, workspaceId }: Post, cipher: Cipher): object => ({
  number: attempt.number,
  transfer: attempt.transfer,
  size_bytes: attempt.plan.sizeBytes,
  chunk_bytes: attempt.plan.chunkBytes,
  chunk_count: attempt.plan.chunkCount,
  start_time: attempt.startTime,
  publish_id: attempt.publishId ?? null,
  upload_url:
    attempt.uploadUrl === undefined
      ? null
      : sealedOnce(attempt.uploadUrl, uploadUrlContext(workspaceId, id, attempt.number), cipher),
  upload_expire_time: attempt.uploadExpireTime ?? null,
  bytes_sent: attempt.bytesSent,
  polls: attempt.polls,
  finalize_time: attempt.finalizeTime ?? null,
  end_time: attempt.endTime ?? null,
  outcome: attempt.outcome ?? null,
  error: attempt.error ?? null,
});

/** An attempt is written several times, and its address stays the same: it is sealed once for each place it belongs to. */
const sealedLast = new WeakMap<Secret, { readonly cipher: Cipher; readonly place: string; readonly sealed: string }>();

function sealedOnce(address: Secret, context: readonly string[], cipher: Cipher): string {
  const place = JSON.stringify(context);
  const last = sealedLast.get(address);
  if (last?.cipher === cipher && last.place === place) return last.sealed;
  const sealed = `\\x${Buffer.from(cipher.seal(address, context)).toString('hex')}`;
  sealedLast.set(address, { cipher, place, sealed });
  return sealed;
}
