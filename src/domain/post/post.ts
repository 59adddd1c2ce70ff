import type { ConnectionId, PostId, VideoId, WorkspaceId } from '../ids.ts';
import { consequenceOf, type PublishError } from '../publish-error.ts';
import { err, ok, type Result } from '../result.ts';
import type { Attempt, LiveAttempt, SentAttempt } from './attempt.ts';
import { end } from './attempt.ts';
import type { ChunkPlan } from './chunk-plan.ts';
import type { LatePolicy } from './schedule.ts';
import type { PostSettings } from './settings.ts';

/** What the caller wants, true in every state. */
export type Plan = {
  readonly id: PostId;
  readonly workspaceId: WorkspaceId;
  readonly connectionId: ConnectionId;
  readonly videoId: VideoId;
  readonly caption: string;
  readonly settings: PostSettings;
  /** When it is to go out. */
  readonly scheduleTime: Date;
  readonly latePolicy: LatePolicy;
  readonly externalRef?: string;
  /** What the caller named the request that made it. Absent: made by a release that did not keep it. */
  readonly requestId?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createTime: Date;
  readonly updateTime: Date;
  /** Grows by one with every stored change. */
  readonly version: number;
  /** Oldest first. At most one is without an end, and only the last. */
  readonly attempts: readonly Attempt[];
  /** From the schedule to the first call made for this post. */
  readonly dispatchLatenessSeconds?: number;
  /** Tries in a row that TikTok did not answer as it should; a success sets it back to 0. */
  readonly setbacks: number;
};

export type HoldReason = 'RECONNECT' | 'QUOTA' | 'PLATFORM_OUTAGE' | 'LATE';
export type Hold = {
  readonly reason: HoldReason;
  /** When it is tried again by itself. Absent: when the cause is gone. */
  readonly releaseTime?: Date;
};

export type Preparing = Plan & { readonly state: 'PREPARING' };
/** `turnTime`: when TikTok's rate limit lets the account announce it. Given once, so that each post waits once. */
type Waiting = Plan & { readonly turnTime?: Date };
export type Scheduled = Waiting & { readonly state: 'SCHEDULED' };
/** Nothing of the last attempt is left to go on with: either none lives, or the answer to its announcement is missing. */
export type Initializing = Waiting & {
  readonly state: 'PUBLISHING';
  readonly phase: 'INITIALIZING';
  /** What the last try met. */
  readonly error?: PublishError;
};
export type Uploading = Plan & {
  readonly state: 'PUBLISHING';
  readonly phase: 'UPLOADING';
  readonly error?: PublishError;
};
/** The last byte may have been sent: from here only TikTok decides. */
export type Finalizing = Plan & {
  readonly state: 'PUBLISHING';
  readonly phase: 'FINALIZING';
  readonly error?: PublishError;
};
export type Processing = Plan & {
  readonly state: 'PUBLISHING';
  readonly phase: 'PROCESSING';
  readonly error?: PublishError;
};
export type Publishing = Initializing | Uploading | Finalizing | Processing;
export type Held = Waiting & { readonly state: 'HELD'; readonly hold: Hold; readonly error?: PublishError };
export type Published = Plan & {
  readonly state: 'PUBLISHED';
  readonly publishTime: Date;
  /** Empty until TikTok tells; more than one when a draft was posted several times. */
  readonly tiktokPostIds: readonly string[];
  /** Everyone can see it at its link. False before moderation, for posts to fewer than everyone, and after it was hidden. */
  readonly publiclyAvailable: boolean;
};
export type InCreatorInbox = Plan & { readonly state: 'IN_CREATOR_INBOX'; readonly publishTime: Date };
export type Failed = Plan & {
  readonly state: 'FAILED';
  readonly error: PublishError;
  /** Changed since it failed, so that a retry is not the same again. */
  readonly edited: boolean;
};
export type Unconfirmed = Plan & { readonly state: 'UNCONFIRMED'; readonly error: PublishError };
export type Cancelled = Plan & { readonly state: 'CANCELLED' };

export type Post =
  | Preparing
  | Scheduled
  | Publishing
  | Held
  | Published
  | InCreatorInbox
  | Failed
  | Unconfirmed
  | Cancelled;

export type PostState = Post['state'];

/** The attempt that may still become a post. */
export function liveAttempt(post: Post): LiveAttempt | undefined {
  const last = post.attempts.at(-1);
  return last !== undefined && last.outcome === undefined ? last : undefined;
}

/** The living attempt of a post that can't be without one. */
export function theAttempt(post: Publishing): LiveAttempt {
  const attempt = liveAttempt(post);
  if (attempt === undefined) throw new Error(`post ${post.id} is ${post.phase} without a living attempt`);
  return attempt;
}

/** The latest attempt that TikTok gave a publish id. */
export function sentAttempt(post: Post): SentAttempt | undefined {
  const last = post.attempts.findLast((attempt) => attempt.publishId !== undefined);
  return last?.publishId === undefined ? undefined : { ...last, publishId: last.publishId };
}

/**
 * Attempts of the current schedule that TikTok took on and that came to nothing, though the post was not at fault and waits for
 * nothing: caps and grants are waited for, however often.
 */
export const failedAttempts = ({ attempts, scheduleTime }: Plan): number =>
  attempts.filter(
    ({ outcome, publishId, startTime, error }) =>
      outcome === 'FAILED' &&
      publishId !== undefined &&
      startTime >= scheduleTime &&
      (error === undefined || consequenceOf(error).kind === 'BACK_OFF'),
  ).length;

/** What is true in every state, and nothing of the state it leaves. */
export const planOf = (post: Post): Plan => ({
  id: post.id,
  workspaceId: post.workspaceId,
  connectionId: post.connectionId,
  videoId: post.videoId,
  caption: post.caption,
  settings: post.settings,
  scheduleTime: post.scheduleTime,
  latePolicy: post.latePolicy,
  labels: post.labels,
  createTime: post.createTime,
  updateTime: post.updateTime,
  version: post.version,
  attempts: post.attempts,
  setbacks: post.setbacks,
  ...(post.externalRef === undefined ? {} : { externalRef: post.externalRef }),
  ...(post.requestId === undefined ? {} : { requestId: post.requestId }),
  ...(post.dispatchLatenessSeconds === undefined ? {} : { dispatchLatenessSeconds: post.dispatchLatenessSeconds }),
});

export const withAttempt = <P extends Plan>(post: P, attempt: Attempt): P => ({
  ...post,
  attempts: [...post.attempts.filter(({ number }) => number !== attempt.number), attempt],
});

/** Ends the attempt whose outcome is now known: the living one, or the one that was given up unconfirmed. */
const settle = (post: Post, outcome: NonNullable<Attempt['outcome']>, now: Date, error?: PublishError): Plan => {
  const plan = planOf(post);
  const open = post.state === 'UNCONFIRMED' ? post.attempts.at(-1) : liveAttempt(post);
  return open === undefined ? plan : withAttempt(plan, end(open, outcome, now, error));
};

export const schedule = (post: Preparing): Scheduled => ({ ...planOf(post), state: 'SCHEDULED' });

/** Records the intent, before TikTok is called. An attempt that still lived without a publish id is an orphan by now. */
export function begin(
  post: Scheduled | Initializing | Held,
  attempt: Pick<LiveAttempt, 'transfer' | 'plan'>,
  now: Date,
): Initializing {
  const plan = settle(post, 'ORPHANED', now);
  return {
    ...plan,
    state: 'PUBLISHING',
    phase: 'INITIALIZING',
    attempts: [
      ...plan.attempts,
      { ...attempt, number: plan.attempts.length + 1, startTime: now, bytesSent: 0, polls: 0 },
    ],
    dispatchLatenessSeconds:
      plan.dispatchLatenessSeconds ?? Math.max(0, (now.getTime() - plan.scheduleTime.getTime()) / 1000),
  };
}

/**
 * Records the intent of a pull. TikTok posts what it can fetch, without another word from us: from here on only evidence
 * decides.
 */
export function beginPull(post: Scheduled | Initializing | Held, plan: ChunkPlan, now: Date): Finalizing {
  const begun = begin(post, { transfer: 'PULL', plan }, now);
  return {
    ...withAttempt(planOf(begun), { ...theAttempt(begun), finalizeTime: now }),
    state: 'PUBLISHING',
    phase: 'FINALIZING',
  };
}

/** TikTok's id of a pull is known. */
export const pulling = (post: Finalizing, publishId: string): Processing => ({
  ...withAttempt(planOf(post), { ...theAttempt(post), publishId, polls: 0 }),
  state: 'PUBLISHING',
  phase: 'PROCESSING',
  setbacks: 0,
});

/** TikTok's ids are known. Stored before any byte leaves. */
export const upload = (post: Initializing, attempt: LiveAttempt): Uploading => ({
  ...withAttempt(planOf(post), attempt),
  state: 'PUBLISHING',
  phase: 'UPLOADING',
  setbacks: 0,
});

/** What it waited for is over before its time has come. */
export const rescheduled = (post: Held): Scheduled => ({ ...planOf(post), state: 'SCHEDULED' });

/** Due, but it is not the account's turn yet. */
export const awaitTurn = <P extends Scheduled | Initializing | Held>(post: P, turnTime: Date): P => ({
  ...post,
  turnTime,
});

/** Goes on with a stored attempt after a hold. */
export const resume = (post: Held): Uploading => ({ ...planOf(post), state: 'PUBLISHING', phase: 'UPLOADING' });

/** `bytesSent` of the living attempt were confirmed by TikTok. */
export const confirmBytes = <P extends Uploading | Finalizing>(post: P, attempt: LiveAttempt, bytesSent: number): P =>
  withAttempt({ ...post, setbacks: bytesSent > attempt.bytesSent ? 0 : post.setbacks }, { ...attempt, bytesSent });

/** Stored before the last byte is sent. */
export const finalize = (post: Uploading | Finalizing, attempt: LiveAttempt, now: Date): Finalizing => ({
  ...withAttempt(
    planOf(post),
    attempt.finalizeTime === undefined ? { ...attempt, finalizeTime: now, polls: 0 } : attempt,
  ),
  state: 'PUBLISHING',
  phase: 'FINALIZING',
});

/** TikTok has every byte: nobody needs the address any more. */
export const process = (post: Uploading | Finalizing, { uploadUrl: _, ...attempt }: LiveAttempt): Processing => ({
  ...withAttempt(planOf(post), { ...attempt, bytesSent: attempt.plan.sizeBytes, polls: 0 }),
  state: 'PUBLISHING',
  phase: 'PROCESSING',
  setbacks: 0,
});

/** TikTok was asked once more and had nothing new. */
export const polled = <P extends Finalizing | Processing>(post: P, attempt: LiveAttempt): P =>
  withAttempt({ ...post, setbacks: 0 }, { ...attempt, polls: attempt.polls + 1 });

/** TikTok did not answer as it should; the same is tried again later. */
export const setBack = <P extends Publishing>(post: P, error: PublishError): P => ({
  ...post,
  error,
  setbacks: post.setbacks + 1,
});

/** Due, and nothing of it is at TikTok: the first call failed before anything was announced. */
export const awaitStart = (post: Scheduled | Initializing | Held): Initializing => ({
  ...planOf(post),
  state: 'PUBLISHING',
  phase: 'INITIALIZING',
});

export const published = (post: Post, tiktokPostIds: readonly string[], now: Date): Published => ({
  ...(post.state === 'PUBLISHED' ? post : { ...settle(post, 'PUBLISHED', now), publishTime: now }),
  state: 'PUBLISHED',
  tiktokPostIds,
  // TikTok tells ids of posts only that everyone can see (open-api §4.5).
  publiclyAvailable: tiktokPostIds.length > 0,
  setbacks: 0,
});

/** TikTok no longer shows it to everyone. Its id stays known: it may come back. */
export const hidden = (post: Published): Published => ({ ...post, publiclyAvailable: false });

export const deliveredToInbox = (post: Post, now: Date): InCreatorInbox => ({
  ...settle(post, 'IN_CREATOR_INBOX', now),
  state: 'IN_CREATOR_INBOX',
  publishTime: now,
});

/** The end, until someone changes something. Only with proof that no attempt can still become a post. */
export const fail = (post: Post, error: PublishError, now: Date): Failed => ({
  ...settle(post, 'FAILED', now, error),
  state: 'FAILED',
  error,
  edited: false,
});

/** The living attempt is proven dead; another one may begin. */
export const startOver = (
  post: Publishing | Held,
  outcome: 'FAILED' | 'ORPHANED',
  error: PublishError,
  now: Date,
): Initializing => ({
  ...settle(post, outcome, now, error),
  state: 'PUBLISHING',
  phase: 'INITIALIZING',
  error,
});

/** No verdict in time. The attempt is kept: its publish id is how the outcome may still be learnt. */
export const giveUpWaiting = (post: Finalizing | Processing, error: PublishError, now: Date): Unconfirmed => ({
  ...settle(post, 'UNCONFIRMED', now, error),
  state: 'UNCONFIRMED',
  error,
});

/**
 * The work on it ended its worker again and again, so that it is left alone and the others flow. Before the last byte nothing
 * can have come of it; after that nobody knows.
 */
export function setAside(post: Post, crashes: number, now: Date): Post {
  switch (post.state) {
    case 'PREPARING':
    case 'SCHEDULED':
    case 'HELD':
      return fail(post, { code: 'CONNECTOR_FAILED', crashes }, now);
    case 'PUBLISHING':
      return post.phase === 'INITIALIZING' || post.phase === 'UPLOADING'
        ? fail(post, { code: 'CONNECTOR_FAILED', crashes }, now)
        : giveUpWaiting(post, { code: 'OUTCOME_UNCONFIRMED' }, now);
    case 'PUBLISHED':
    case 'IN_CREATOR_INBOX':
    case 'FAILED':
    case 'UNCONFIRMED':
    case 'CANCELLED':
      return post;
  }
}

/** Waits. A living attempt that has its publish id goes on later where it stopped. */
export const hold = (
  post: Scheduled | Initializing | Uploading | Held,
  { reason, releaseTime }: { reason: HoldReason; releaseTime?: Date | undefined },
  error?: PublishError,
): Held => ({
  ...planOf(post),
  state: 'HELD',
  hold: releaseTime === undefined ? { reason } : { reason, releaseTime },
  ...(error === undefined ? {} : { error }),
});

/** Why a verb was refused. The reason is what callers see. */
export type WrongState =
  | { readonly code: 'POST_ALREADY_SENT'; readonly state: PostState }
  | { readonly code: 'POST_ALREADY_STARTED'; readonly state: PostState }
  | { readonly code: 'POST_ENDED'; readonly state: PostState }
  | { readonly code: 'POST_NOT_SENT'; readonly state: PostState }
  | { readonly code: 'POST_NOT_RETRYABLE'; readonly state: PostState; readonly error?: PublishError }
  | { readonly code: 'DUPLICATE_RISK_NOT_ACCEPTED'; readonly state: PostState };

export function cancel(post: Post, now: Date): Result<Cancelled, WrongState> {
  switch (post.state) {
    case 'CANCELLED':
      return ok(post);
    case 'PREPARING':
    case 'SCHEDULED':
    case 'HELD':
      return ok({ ...settle(post, 'CANCELLED', now), state: 'CANCELLED' });
    case 'PUBLISHING':
      return post.phase === 'INITIALIZING' || post.phase === 'UPLOADING'
        ? ok({ ...settle(post, 'CANCELLED', now), state: 'CANCELLED' })
        : err({ code: 'POST_ALREADY_SENT', state: post.state });
    case 'PUBLISHED':
    case 'IN_CREATOR_INBOX':
    case 'UNCONFIRMED':
      return err({ code: 'POST_ALREADY_SENT', state: post.state });
    case 'FAILED':
      return err({ code: 'POST_ENDED', state: post.state });
  }
}

/** What UpdatePost may change. Absent members stay as they are. */
export type PostChange = Partial<Pick<Plan, 'caption' | 'settings' | 'scheduleTime' | 'latePolicy' | 'labels'>>;

/** A post that was held for being late goes out at its new time. */
export function edit(post: Post, change: PostChange): Result<Post, WrongState> {
  switch (post.state) {
    case 'PREPARING':
    case 'SCHEDULED':
      return ok({ ...post, ...change });
    case 'FAILED':
      return ok({ ...post, ...change, edited: true });
    case 'HELD':
      if (liveAttempt(post) !== undefined) return err({ code: 'POST_ALREADY_STARTED', state: post.state });
      return post.hold.reason === 'LATE' && change.scheduleTime !== undefined
        ? ok({ ...planOf(post), ...change, state: 'SCHEDULED' })
        : ok({ ...post, ...change });
    case 'PUBLISHING':
    case 'PUBLISHED':
    case 'IN_CREATOR_INBOX':
    case 'UNCONFIRMED':
    case 'CANCELLED':
      return err({ code: 'POST_ALREADY_STARTED', state: post.state });
  }
}
