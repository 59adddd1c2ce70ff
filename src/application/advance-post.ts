import { isError } from '../domain/finding.ts';
import type { LiveAttempt } from '../domain/post/attempt.ts';
import { chunkAt, planChunks } from '../domain/post/chunk-plan.ts';
import {
  ADDRESS_GRACE_SECONDS,
  backOff,
  MAX_FAILED_ATTEMPTS,
  OUTAGE_AFTER_SETBACKS,
  pollDelaySeconds,
} from '../domain/post/pacing.ts';
import {
  awaitStart,
  begin,
  confirmBytes,
  type Finalizing,
  fail,
  failedAttempts,
  finalize,
  type Held,
  hold,
  type Initializing,
  liveAttempt,
  type Post,
  type Preparing,
  type Processing,
  type Published,
  polled,
  process,
  rescheduled,
  resume,
  type Scheduled,
  schedule,
  setBack,
  startOver,
  type Unconfirmed,
  type Uploading,
  upload,
} from '../domain/post/post.ts';
import { restingStep, type Step } from '../domain/post/step.ts';
import { afterPublished, keepTrying, keepWaiting, takeVerdict } from '../domain/post/verdict.ts';
import { consequenceOf, type PublishError } from '../domain/publish-error.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { inSeconds } from '../domain/time.ts';
import type { ReadyVideo } from '../domain/video/video.ts';
import { check } from '../domain/video/video-policy.ts';
import type { AccountAccess } from './account-access.ts';
import type { AskTikTok } from './ask-tiktok.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { FailPoint } from './ports/fail-point.ts';
import type { Lease, PostQueue } from './ports/post-queue.ts';
import type { Posts } from './ports/posts.ts';
import type { ChunkOutcome, Publishing } from './ports/tiktok.ts';
import type { VideoStore } from './ports/video-store.ts';
import type { Videos } from './ports/videos.ts';
import { type PostPolicy, videoPolicyFor } from './publish-post.ts';
import { type TikToks, tiktokOf } from './tiktoks.ts';

/** What the engine asks of a worker's surroundings. */
export type Shift = {
  /** Aborts when the lease is lost: nothing more may be sent. */
  readonly signal: AbortSignal;
  /** True when the process is about to stop: what is under way ends at the next chunk. */
  readonly ending: () => boolean;
  /** Runs an upload when there is room for one of its size. */
  readonly whenThereIsRoom: <T>(sizeBytes: number, send: () => Promise<T>) => Promise<T>;
};

/**
 * Takes a claimed post as far as it goes without waiting, and stores every step under the lease before the next effect. Gives
 * what was stored last; undefined when the lease was lost on the way.
 */
export type AdvancePost = (lease: Lease, shift: Shift) => Promise<Step | undefined>;

/** Another worker has the post: this one stores and sends nothing more. */
class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** A chunk that keeps meeting another position than ours is left to the next look at TikTok's count. */
const MAX_REALIGNMENTS = 3;

export function advancePost(needs: {
  readonly queue: PostQueue;
  readonly posts: Posts;
  readonly connections: Connections;
  readonly videos: Videos;
  readonly store: VideoStore;
  readonly access: AccountAccess;
  readonly ask: AskTikTok;
  readonly tiktoks: TikToks;
  readonly clock: Clock;
  readonly policy: PostPolicy;
  readonly failPoint: FailPoint;
}): AdvancePost {
  const { queue, posts, connections, videos, store, access, ask, tiktoks, clock, policy, failPoint } = needs;

  return async (lease, shift) => {
    const since = clock.now();
    await failPoint('claimed');
    try {
      const step = await workOn(lease, shift).advance(lease.post);
      if (!(await queue.finish(lease, step))) return undefined;
      if (step.post.state === 'HELD' && step.post.hold.reason === 'RECONNECT') await confirmGrant(step.post, since);
      return step;
    } catch (error) {
      if (error instanceof LeaseLost) return undefined;
      throw error;
    }
  };

  /**
   * A post waits for a reconnect while its connection says that all is well: either the reconnect came while the post was on
   * its way here, or TikTok told the end of the grant through the post. A refresh tells which, and marks a dead grant. A scope that
   * is missing is missing after a refresh too, unless there was a new consent.
   */
  async function confirmGrant(post: Held, since: Date): Promise<void> {
    const connection = await connections.find(post.connectionId);
    if (connection?.state !== 'ACTIVE') return;
    const good =
      post.error?.code === 'ACCOUNT_SCOPE_MISSING'
        ? connection.updateTime > since
        : (await access.refresh(post.connectionId)).ok;
    if (good) await posts.wake({ connectionId: post.connectionId });
  }

  function workOn(lease: Lease, shift: Shift) {
    async function save<P extends Post>(post: P): Promise<P> {
      if (!(await queue.store(lease, post))) throw new LeaseLost();
      return post;
    }

    async function advance(post: Post): Promise<Step> {
      switch (post.state) {
        case 'PREPARING':
          return prepare(post);
        case 'SCHEDULED':
          return start(post);
        case 'HELD':
          return liveAttempt(post) === undefined ? start(post) : (tooLate(post) ?? goOn(await save(resume(post))));
        case 'PUBLISHING':
          switch (post.phase) {
            case 'INITIALIZING':
              return start(orphaned(post));
            case 'UPLOADING':
              return goOn(post);
            case 'FINALIZING':
              return settleLastByte(post);
            case 'PROCESSING':
              return awaitVerdict(post);
          }
          break;
        case 'UNCONFIRMED':
          return findOut(post);
        case 'PUBLISHED':
          return findLink(post);
        case 'IN_CREATOR_INBOX':
        case 'FAILED':
        case 'CANCELLED':
          return { post };
      }
    }

    /** Its video arrived, or never will. */
    async function prepare(post: Preparing): Promise<Step> {
      const video = await videos.find(post.videoId);
      switch (video?.state) {
        case 'IMPORTING':
          return { post };
        case 'READY':
          return restingStep(schedule(post));
        case 'REJECTED': {
          const finding = video.findings.find(isError);
          if (finding === undefined) throw new Error(`video ${video.id} is rejected without an error`);
          return { post: fail(post, { code: 'CHECK_FAILED', finding }, clock.now()) };
        }
        case undefined:
          return { post: fail(post, { code: 'VIDEO_MISSING' }, clock.now()) };
      }
    }

    /** The answer to the announcement never reached the record: nobody has the address, so it can't become a post. */
    function orphaned(post: Initializing): Initializing {
      return liveAttempt(post) === undefined
        ? post
        : startOver(post, 'ORPHANED', post.error ?? { code: 'PLATFORM_UNAVAILABLE' }, clock.now());
    }

    async function start(post: Scheduled | Initializing | Held): Promise<Step> {
      // Moved to a later time while it was held.
      if (post.state === 'HELD' && post.scheduleTime > clock.now()) return restingStep(rescheduled(post));
      const late = tooLate(post);
      if (late !== undefined) return late;
      const lastError = post.attempts.at(-1)?.error;
      if (lastError !== undefined && failedAttempts(post) >= MAX_FAILED_ATTEMPTS) {
        return { post: fail(post, lastError, clock.now()) };
      }
      const ready = await examine(post);
      if (!ready.ok) return meet(awaitStart(post), ready.error);
      const { video, publishing } = ready.value;

      const plan = planChunks(video.sizeBytes, policy.largestChunkBytes);
      const intent = await save(begin(post, { transfer: 'UPLOAD', plan }, clock.now()));
      await failPoint('intent-stored');
      const { caption, settings } = intent;
      const announced = await access.call(post.connectionId, (token) =>
        publishing.announce(token, { caption, settings, plan }),
      );
      await failPoint('announced');
      if (!announced.ok) {
        const outcome = announced.error.code === 'PLATFORM_UNAVAILABLE' ? 'ORPHANED' : 'FAILED';
        return meet(startOver(intent, outcome, announced.error, clock.now()), announced.error);
      }
      const { publishId, uploadUrl, uploadSeconds } = announced.value;
      const uploadExpireTime = inSeconds(clock.now(), uploadSeconds);
      const attempt = { ...theAttempt(intent), publishId, uploadUrl, uploadExpireTime };
      const uploading = await save(upload(intent, attempt));
      await failPoint('ids-stored');
      return send(uploading, video, publishing);
    }

    function tooLate(post: Scheduled | Initializing | Held): Step | undefined {
      const now = clock.now();
      const latenessSeconds = (now.getTime() - post.scheduleTime.getTime()) / 1000;
      if (latenessSeconds <= post.latePolicy.maxLatenessSeconds) return undefined;
      const error: PublishError = { code: 'SCHEDULE_MISSED', latenessSeconds };
      switch (post.latePolicy.action) {
        case 'PUBLISH':
          return undefined;
        case 'HOLD':
          return restingStep(hold(post, { reason: 'LATE' }, error));
        case 'FAIL':
          return { post: fail(post, error, now) };
      }
    }

    /** Everything that can be known before TikTok is asked to take the post. */
    async function examine(
      post: Post,
    ): Promise<Result<{ readonly video: ReadyVideo; readonly publishing: Publishing }, PublishError>> {
      const found = await findWhatIsNeeded(post);
      if (!found.ok || post.settings.draft) return found;
      const { video, publishing } = found.value;
      const creator = await access.call(post.connectionId, (token) => publishing.readCreator(token));
      if (!creator.ok) return creator;
      const { privacyLevels, maxVideoSeconds } = creator.value;
      const { privacyLevel } = post.settings;
      if (privacyLevel === undefined || !privacyLevels.includes(privacyLevel)) {
        return err({ code: 'PRIVACY_LEVEL_NOT_ALLOWED', allowed: privacyLevels });
      }
      const finding = check(video.spec, videoPolicyFor(policy.video, maxVideoSeconds)).find(isError);
      return finding === undefined ? found : err({ code: 'CHECK_FAILED', finding });
    }

    async function findWhatIsNeeded(
      post: Post,
    ): Promise<Result<{ readonly video: ReadyVideo; readonly publishing: Publishing }, PublishError>> {
      const connection = await connections.find(post.connectionId);
      if (connection === undefined || connection.state === 'DISCONNECTED') {
        return err({ code: 'ACCOUNT_ACCESS_REVOKED' });
      }
      const video = await videos.find(post.videoId);
      const whole = video?.state === 'READY' && (await store.size(video.id)) === video.sizeBytes;
      return whole
        ? ok({ video, publishing: tiktokOf(tiktoks, connection.apiFamily).publishing })
        : err({ code: 'VIDEO_MISSING' });
    }

    /** A stored attempt goes on, after a restart or a setback: TikTok knows where it stands. */
    async function goOn(post: Uploading): Promise<Step> {
      const needed = await findWhatIsNeeded(post);
      if (!needed.ok) return meet(post, needed.error);
      const status = await ask(post);
      if (!status.ok) return meet(post, status.error);
      const verdict = takeVerdict(post, status.value, clock.now());
      if (verdict !== undefined) return verdict;
      const confirmed = status.value.state === 'WORKING' ? status.value.uploadedBytes : undefined;
      const attempt = theAttempt(post);
      return send(
        confirmBytes(post, attempt, confirmed ?? attempt.bytesSent),
        needed.value.video,
        needed.value.publishing,
      );
    }

    function send(post: Uploading | Finalizing, video: ReadyVideo, publishing: Publishing): Promise<Step> {
      return shift.whenThereIsRoom(video.sizeBytes, () => sendBytes(post, video, publishing));
    }

    async function sendBytes(from: Uploading | Finalizing, video: ReadyVideo, publishing: Publishing): Promise<Step> {
      let post = from;
      let realignments = 0;
      for (;;) {
        const attempt = theAttempt(post);
        const chunk = chunkAt(attempt.plan, attempt.bytesSent);
        if (chunk === undefined) return poll(await save(process(post, attempt)));
        if (shift.ending()) return { post, nextActionTime: clock.now() };
        if (attempt.uploadUrl === undefined) throw new Error(`attempt ${attempt.number} of ${post.id} has no address`);
        if (chunk.last) {
          post = await save(finalize(post, attempt, clock.now()));
          await failPoint('finalizing-stored');
        }
        const outcome = await publishing.sendChunk({
          uploadUrl: attempt.uploadUrl,
          plan: attempt.plan,
          chunk,
          contentType: contentTypeOf(video),
          bytes: store.read(video.id, { start: chunk.start, endExclusive: chunk.endExclusive }),
          signal: shift.signal,
        });
        await failPoint(chunk.last ? 'last-byte-sent' : 'chunk-sent');
        const next = await afterChunk(post, outcome);
        if ('step' in next) return next.step;
        post = next.post;
        if (outcome.kind === 'MISALIGNED' && ++realignments > MAX_REALIGNMENTS) {
          return retryLater(post, { code: 'PLATFORM_UNAVAILABLE' });
        }
      }
    }

    async function afterChunk(
      post: Uploading | Finalizing,
      outcome: ChunkOutcome,
    ): Promise<{ readonly post: Uploading | Finalizing } | { readonly step: Step }> {
      const attempt = theAttempt(post);
      switch (outcome.kind) {
        case 'ACCEPTED': {
          if (outcome.confirmedBytes <= attempt.bytesSent) {
            return { step: retryLater(post, { code: 'PLATFORM_UNAVAILABLE' }) };
          }
          const confirmed = await save(confirmBytes(post, attempt, outcome.confirmedBytes));
          await failPoint('chunk-stored');
          return { post: confirmed };
        }
        case 'COMPLETE': {
          const processing = await save(process(post, attempt));
          await failPoint('processing-stored');
          return { step: poll(processing) };
        }
        case 'MISALIGNED':
          // Where TikTok does not say where it stands, its status does, at the next look.
          return outcome.confirmedBytes === undefined
            ? { step: retryLater(post, { code: 'PLATFORM_UNAVAILABLE' }) }
            : { post: await save(confirmBytes(post, attempt, outcome.confirmedBytes)) };
        case 'ADDRESS_DEAD':
        case 'REFUSED':
          return { step: await afterRefusedChunk(post, outcome) };
        case 'NOT_ANSWERED':
          // Cut off because this process stops: no fault of TikTok's, and the next worker goes on at once.
          return {
            step: shift.signal.aborted ? { post, nextActionTime: clock.now() } : retryLater(post, outcome.error),
          };
      }
    }

    /**
     * Before the last byte was on its way nobody can complete this attempt any more: whoever would have to store FINALIZING
     * first. After that only TikTok's status decides.
     */
    async function afterRefusedChunk(
      post: Uploading | Finalizing,
      { kind, error }: Extract<ChunkOutcome, { kind: 'ADDRESS_DEAD' | 'REFUSED' }>,
    ): Promise<Step> {
      if (post.phase === 'FINALIZING') return settleLastByte({ ...post, error }, true);
      const status = await ask(post);
      if (!status.ok) return retryLater(post, status.error);
      const verdict = takeVerdict(post, status.value, clock.now());
      if (verdict !== undefined) return verdict;
      if (kind === 'REFUSED') return { post: fail(post, error, clock.now()) };
      return meet(startOver(post, 'FAILED', error, clock.now()), error);
    }

    /**
     * The last byte may have been sent. Only TikTok knows. `refused`: the last chunk was turned away right now, and sending it again
     * at once would meet the same.
     */
    async function settleLastByte(post: Finalizing, refused = false): Promise<Step> {
      const attempt = theAttempt(post);
      const status = await ask(post);
      if (!status.ok) return waitOn(post, status.error);
      const now = clock.now();
      const verdict = takeVerdict(post, status.value, now);
      if (verdict !== undefined) return verdict;
      const seen = status.value.state === 'WORKING' ? status.value.uploadedBytes : undefined;
      if (seen === undefined) return keepWaiting(post, attempt, now);
      if (seen >= attempt.plan.sizeBytes) {
        const processing = await save(process(post, attempt));
        return keepWaiting(processing, theAttempt(processing), now);
      }
      // Bytes are missing. Twice the same answer, and they were not just on their way.
      if (attempt.polls === 0) return { post: polled(post, attempt), nextActionTime: inSeconds(now, 5) };
      const { uploadExpireTime } = attempt;
      if (uploadExpireTime !== undefined && inSeconds(uploadExpireTime, ADDRESS_GRACE_SECONDS) < now) {
        const error: PublishError = post.error ?? { code: 'PLATFORM_UNAVAILABLE' };
        return meet(startOver(post, 'FAILED', error, now), error);
      }
      if (refused) return keepWaiting(post, attempt, now);
      const needed = await findWhatIsNeeded(post);
      if (!needed.ok) return waitOn(post, needed.error);
      return send(confirmBytes(post, attempt, seen), needed.value.video, needed.value.publishing);
    }

    async function awaitVerdict(post: Processing): Promise<Step> {
      const status = await ask(post);
      await failPoint('verdict-read');
      if (!status.ok) return waitOn(post, status.error);
      const now = clock.now();
      return takeVerdict(post, status.value, now) ?? keepWaiting(post, theAttempt(post), now);
    }

    /** TikTok can't be asked right now; the post itself is out of our hands. A reconnect wakes it earlier. */
    const waitOn = (post: Finalizing | Processing, error: PublishError): Step =>
      keepTrying(post, theAttempt(post), error, clock.now());

    async function findOut(post: Unconfirmed): Promise<Step> {
      const now = clock.now();
      const status = await ask(post);
      const verdict = status.ok ? takeVerdict(post, status.value, now) : undefined;
      if (verdict !== undefined) return verdict;
      const since = post.attempts.at(-1)?.finalizeTime ?? post.createTime;
      const days = (now.getTime() - since.getTime()) / 86_400_000;
      return days > RECONCILE_DAYS ? { post } : { post, nextActionTime: inSeconds(now, 3600) };
    }

    async function findLink(post: Published): Promise<Step> {
      const status = await ask(post);
      const found = status.ok && status.value.state === 'PUBLISHED' ? status.value.tiktokPostIds : [];
      return afterPublished({ ...post, tiktokPostIds: found.length > 0 ? found : post.tiktokPostIds }, clock.now());
    }

    return { advance };
  }

  /** TikTok, or our standing with it, said no before the last byte. */
  function meet(post: Initializing | Uploading, error: PublishError): Step {
    const now = clock.now();
    const consequence = consequenceOf(error);
    switch (consequence.kind) {
      case 'HOLD_RECONNECT':
        return restingStep(hold(post, { reason: 'RECONNECT' }, error));
      case 'HOLD_QUOTA':
        return restingStep(hold(post, { reason: 'QUOTA', releaseTime: inSeconds(now, consequence.seconds) }, error));
      case 'BACK_OFF':
        return retryLater(post, error, consequence.atLeastSeconds);
      case 'FAIL':
        return { post: fail(post, error, now) };
    }
  }

  function retryLater(post: Initializing | Uploading | Finalizing, error: PublishError, atLeastSeconds = 0): Step {
    const now = clock.now();
    if (post.phase === 'FINALIZING') return keepTrying(post, theAttempt(post), error, now);
    const later = setBack(post, error);
    const releaseTime = inSeconds(now, Math.max(backOff(later.setbacks), atLeastSeconds));
    const outage = later.setbacks >= OUTAGE_AFTER_SETBACKS && error.code === 'PLATFORM_UNAVAILABLE';
    return outage
      ? restingStep(hold(later, { reason: 'PLATFORM_OUTAGE', releaseTime }, error))
      : { post: later, nextActionTime: releaseTime };
  }

  function poll(post: Processing): Step {
    return { post, nextActionTime: inSeconds(clock.now(), pollDelaySeconds(0)) };
  }
}

/** How long the outcome of an unconfirmed post is still looked for. */
const RECONCILE_DAYS = 7;

function theAttempt(post: Initializing | Uploading | Finalizing | Processing): LiveAttempt {
  const attempt = liveAttempt(post);
  if (attempt === undefined) throw new Error(`post ${post.id} is ${post.phase} without a living attempt`);
  return attempt;
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  mp4: 'video/mp4',
  mov: 'video/quicktime',
  webm: 'video/webm',
};

function contentTypeOf(video: ReadyVideo): string {
  const contentType = CONTENT_TYPES[video.spec.container];
  if (contentType === undefined) throw new Error(`video ${video.id} is ${video.spec.container}, which is never READY`);
  return contentType;
}
