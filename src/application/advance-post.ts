import type { Connection } from '../domain/connection/connection.ts';
import { isError } from '../domain/finding.ts';
import { announcedMark, recall, type Sending } from '../domain/post/mark.ts';
import { ADDRESS_GRACE_SECONDS, MAX_LAPSES, restSeconds } from '../domain/post/pacing.ts';
import {
  awaitStart,
  confirmBytes,
  type Finalizing,
  fail,
  type Held,
  hidden,
  type InCreatorInbox,
  type Initializing,
  liveAttempt,
  type Post,
  type PostState,
  type Preparing,
  type Processing,
  type Published,
  type Publishing,
  polled,
  process,
  published,
  resume,
  schedule,
  setAside,
  startOver,
  theAttempt,
  type Unconfirmed,
  type Uploading,
} from '../domain/post/post.ts';
import { type Moment, meet } from '../domain/post/setback.ts';
import { restingStep, type Step } from '../domain/post/step.ts';
import { afterPublished, keepTrying, keepWaiting, takeVerdict } from '../domain/post/verdict.ts';
import { consequenceOf, type PublishError } from '../domain/publish-error.ts';
import { inSeconds } from '../domain/time.ts';
import type { AccountAccess } from './account-access.ts';
import { announcePost, type Means } from './announce-post.ts';
import type { AskTikTok } from './ask-tiktok.ts';
import { checkBytes } from './check-bytes.ts';
import type { PlatformHealth } from './platform-health.ts';
import type { CallTrace } from './ports/call-trace.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { FailPoint } from './ports/fail-point.ts';
import type { Gates } from './ports/gates.ts';
import type { Ids } from './ports/ids.ts';
import type { Log } from './ports/log.ts';
import type { Marks } from './ports/marks.ts';
import type { MediaAddresses } from './ports/media-addresses.ts';
import type { Metrics } from './ports/metrics.ts';
import type { Lease, PostQueue } from './ports/post-queue.ts';
import type { Posts } from './ports/posts.ts';
import type { Traces } from './ports/traces.ts';
import type { Turns } from './ports/turns.ts';
import { type VideoStore, VideoStoreDown } from './ports/video-store.ts';
import type { Videos } from './ports/videos.ts';
import type { WebhookInbox } from './ports/webhook-inbox.ts';
import type { PostPolicy } from './publish-post.ts';
import { pullVideo } from './pull-video.ts';
import { sendVideo } from './send-video.ts';
import { type TikToks, tiktokOf } from './tiktoks.ts';
import { LeaseLost, type Shift, type WorkInHand, workInHand } from './work-in-hand.ts';

/**
 * Takes a claimed post as far as it goes without waiting, and stores every step under the lease before the next effect. Gives
 * what was stored last; undefined when the lease was lost on the way.
 */
export type AdvancePost = (lease: Lease, shift: Shift) => Promise<Step | undefined>;

/** Whether a grant is dead is asked again when TikTok did not tell. */
const UNSURE_SECONDS = 60;
/** How long the outcome of an unconfirmed post is still looked for. */
const RECONCILE_DAYS = 7;
const RECONCILE_SECONDS = 3600;
/** The video store is asked again, however long it has been away. */
const STORE_RETRY_SECONDS = 30;
/** A link that could not be looked at is looked at again. */
const LINK_RETRY_SECONDS = 600;

type Stage = Exclude<PostState, 'PUBLISHING'> | Publishing['phase'];

const stageOf = (post: Post): Stage => (post.state === 'PUBLISHING' ? post.phase : post.state);

/** What each stage has done for it, as traces call it. */
const EFFECTS: Readonly<Record<Stage, string>> = {
  PREPARING: 'LOOK_FOR_VIDEO',
  SCHEDULED: 'ANNOUNCE',
  HELD: 'RELEASE',
  INITIALIZING: 'ANNOUNCE',
  UPLOADING: 'SEND',
  FINALIZING: 'SETTLE_LAST_BYTE',
  PROCESSING: 'ASK_VERDICT',
  UNCONFIRMED: 'FIND_OUT',
  PUBLISHED: 'FIND_LINK',
  IN_CREATOR_INBOX: 'FIND_DRAFT',
  FAILED: 'NOTHING',
  CANCELLED: 'NOTHING',
};

export function advancePost(needs: {
  readonly queue: PostQueue;
  readonly posts: Posts;
  readonly connections: Connections;
  readonly videos: Videos;
  readonly store: VideoStore;
  readonly addresses: MediaAddresses;
  readonly marks: Marks;
  readonly inbox: WebhookInbox;
  readonly ids: Ids;
  readonly access: AccountAccess;
  readonly ask: AskTikTok;
  readonly tiktoks: TikToks;
  readonly gates: Gates;
  readonly turns: Turns;
  readonly health: PlatformHealth;
  readonly trace: CallTrace;
  readonly traces: Traces;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
  readonly policy: PostPolicy;
  /** Where TikTok reaches this service. */
  readonly publicUrl: string;
  readonly random: () => number;
  readonly wait: (seconds: number) => Promise<void>;
  /** How long a dead worker's lease goes on. */
  readonly leaseSeconds: number;
  readonly failPoint: FailPoint;
}): AdvancePost {
  const { connections, videos, access, ask, tiktoks, trace, traces, metrics, clock, log, failPoint } = needs;
  const moment = (): Moment => ({ now: clock.now(), random: needs.random() });
  const bytes = checkBytes(needs);
  const pull = pullVideo({ ...needs, checkBytes: bytes, moment });
  const announce = announcePost({ ...needs, checkBytes: bytes, pull, moment });
  const send = sendVideo({ ...needs, checkBytes: bytes, moment });

  return (lease, shift) => {
    const { post, traceparent } = lease;
    const before = stageOf(post);
    const facts = { postId: post.id, connectionId: post.connectionId, stateBefore: before, effect: EFFECTS[before] };
    return traces.span({ name: 'advance post', cause: traceparent, facts }, () => advanceTraced(lease, shift));
  };

  function advanceTraced(lease: Lease, shift: Shift): Promise<Step | undefined> {
    return trace.during(async (takeCalls) => {
      const since = clock.now();
      await failPoint('claimed');
      const work = workInHand(needs, lease, shift, takeCalls);
      try {
        const rest = lease.lapsed ? restSeconds(lease.lapses, needs.leaseSeconds) : 0;
        if (rest > 0 && lease.lapses < MAX_LAPSES) return await putOff(lease, rest);
        const step =
          lease.lapses >= MAX_LAPSES
            ? giveUpOn(lease)
            : await confirmed(await advance(await remembered(lease.post), work), since);
        await work.finish(step);
        report(lease.post, step);
        return step;
      } catch (error) {
        if (error instanceof LeaseLost) {
          traces.tell({ outcome: 'LEASE_LOST' });
          return undefined;
        }
        if (error instanceof VideoStoreDown) return await waitForStore(lease, error);
        throw error;
      }
    });
  }

  /** Before anything is sent: the record may be a restored backup, which knows less than was done. */
  async function remembered(post: Post): Promise<Post> {
    if (!maySend(post)) return post;
    const recalled = recall(post, await needs.marks.of(post), clock.now());
    if (recalled === undefined) return post;
    log.error(
      { postId: post.id, requestId: post.requestId, recorded: post.state, recalled: recalled.state },
      'the record has forgotten what became of a post: an old backup was restored. TikTok is asked before anything is sent',
    );
    metrics.recalled(recalled.state);
    return recalled;
  }

  async function advance(post: Post, work: WorkInHand): Promise<Step> {
    switch (post.state) {
      case 'PREPARING':
        return prepare(post);
      case 'SCHEDULED':
        return start(post, work);
      case 'HELD':
        return liveAttempt(post) === undefined ? start(post, work) : release(post, work);
      case 'PUBLISHING':
        switch (post.phase) {
          case 'INITIALIZING':
            return start(orphaned(post), work);
          case 'UPLOADING':
            return goOn(post, work);
          case 'FINALIZING':
            return theAttempt(post).transfer === 'PULL' ? pull.settle(post) : settleLastByte(post, work);
          case 'PROCESSING':
            return awaitVerdict(post);
        }
        break;
      case 'UNCONFIRMED':
        return findOut(post);
      case 'PUBLISHED':
        return findLink(post);
      case 'IN_CREATOR_INBOX':
        return findDraft(post);
      case 'FAILED':
      case 'CANCELLED':
        return { post };
    }
  }

  /** Its workers ended over it, and perhaps because of it. */
  async function putOff(lease: Lease, seconds: number): Promise<Step | undefined> {
    const { postId, post, lapses } = lease;
    traces.tell({ outcome: 'PUT_OFF', waitSeconds: seconds });
    if (!(await needs.queue.putOff(lease, seconds))) return undefined;
    log.warn({ postId, lapses, seconds }, 'workers ended over this post: it rests before the next try');
    return { post, nextActionTime: inSeconds(clock.now(), seconds) };
  }

  /** As after a worker's end, except that nothing speaks against the post: whatever was stored of it is gone on with. */
  async function waitForStore(lease: Lease, error: VideoStoreDown): Promise<undefined> {
    const nextActionTime = inSeconds(clock.now(), STORE_RETRY_SECONDS);
    traces.tell({ outcome: 'STORE_DOWN', waitSeconds: STORE_RETRY_SECONDS });
    if (await needs.queue.letGo(lease, nextActionTime)) {
      log.warn(
        { postId: lease.postId, error, nextActionTime },
        'the video store does not answer: the post waits for it',
      );
    }
  }

  /** Its worker ended over it again and again. */
  function giveUpOn({ post, lapses }: Lease): Step {
    log.error(
      { postId: post.id, state: post.state, lapses },
      'a post ended its workers again and again: it is set aside',
    );
    metrics.setAside('POST');
    return { post: setAside(post, lapses, clock.now()) };
  }

  /** What came of it, and of attempts that ended just now. */
  function report(before: Post, { post: after, nextActionTime }: Step): void {
    const error = 'error' in after ? after.error : undefined;
    const attempt = after.attempts.at(-1)?.number;
    traces.tell({
      stateAfter: stageOf(after),
      ...(attempt === undefined ? {} : { attempt }),
      ...(error === undefined ? {} : { postError: error.code }),
      ...(nextActionTime && { waitSeconds: Math.max(0, (nextActionTime.getTime() - clock.now().getTime()) / 1000) }),
      ...(after.state === 'FAILED' && before.state !== 'FAILED' ? { failure: after.error.code } : {}),
    });
    for (const { number, outcome, error } of after.attempts) {
      const known = before.attempts.find((attempt) => attempt.number === number)?.outcome;
      if (outcome !== undefined && outcome !== known) metrics.attemptEnded(outcome, error?.code);
    }
  }

  /**
   * A post is to wait for a reconnect while its connection says that all is well: either the reconnect came while the post was on
   * its way here, or TikTok told the end of the grant through the post. A refresh tells which, and marks a dead grant. A scope that
   * is missing is missing after a refresh too, unless there was a new consent.
   */
  async function confirmed(step: Step, since: Date): Promise<Step> {
    const { post } = step;
    if (post.state !== 'HELD' || post.hold.reason !== 'RECONNECT') return step;
    const connection = await connections.find(post.connectionId);
    if (connection?.state !== 'ACTIVE') return step;
    if (post.error?.code === 'ACCOUNT_SCOPE_MISSING') {
      return connection.updateTime > since ? { post, nextActionTime: clock.now() } : step;
    }
    const refreshed = await access.refresh(post.connectionId);
    if (refreshed.ok) return { post, nextActionTime: clock.now() };
    // Nobody knows yet: it is looked at again.
    const dead = consequenceOf(refreshed.error).kind === 'HOLD_RECONNECT';
    return dead ? step : { post, nextActionTime: inSeconds(clock.now(), UNSURE_SECONDS) };
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

  async function start(post: Parameters<typeof announce.start>[0], work: WorkInHand): Promise<Step> {
    const started = await announce.start(post, work);
    return 'announced' in started
      ? sendAll(started.announced, started.means, work, started.announced.phase === 'FINALIZING')
      : started;
  }

  async function release(post: Held, work: WorkInHand): Promise<Step> {
    return announce.tooLate(post, clock.now()) ?? goOn(await work.save(resume(post)), work);
  }

  /** A stored attempt goes on, after a restart or a setback: TikTok knows where it stands. */
  async function goOn(post: Uploading, work: WorkInHand): Promise<Step> {
    const means = await announce.findMeans(post);
    if (!means.ok) return announce.meetRefusal(post, means.error);
    const barred = await announce.barredByPlatform(post, means.value);
    if (barred !== undefined) return barred;
    const status = await ask(post);
    if (!status.ok) return announce.meetRefusal(post, status.error);
    const verdict = takeVerdict(post, status.value, clock.now());
    if (verdict !== undefined) return heeded(verdict);
    const confirmed = status.value.state === 'WORKING' ? status.value.uploadedBytes : undefined;
    const attempt = theAttempt(post);
    return sendAll(confirmBytes(post, attempt, confirmed ?? attempt.bytesSent), means.value, work);
  }

  async function sendAll(post: Uploading | Finalizing, means: Means, work: WorkInHand, ready = false): Promise<Step> {
    // Its id is in the record. No byte leaves before it is outside of it, too: a restored backup would not know what it may become.
    await needs.marks.leave(post, announcedMark(theAttempt(post)));
    const sent = await send(post, means, work, ready);
    return 'refused' in sent ? settleLastByte(sent.refused, work, true) : firstLook(sent, means, work);
  }

  /**
   * TikTok has all of it, and is asked for its verdict so soon that the record waits for the answer: until then it says that the last
   * byte may be there, which is all that another worker has to know.
   */
  async function firstLook(sent: Step, { connection }: Means, { shift }: WorkInHand): Promise<Step> {
    const { post, nextActionTime } = sent;
    if (post.state !== 'PUBLISHING' || post.phase !== 'PROCESSING' || nextActionTime === undefined) return sent;
    const seconds = (nextActionTime.getTime() - clock.now().getTime()) / 1000;
    return (await shift.pause(seconds)) ? awaitVerdict(post, connection) : sent;
  }

  /**
   * The last byte may have been sent. Only TikTok knows. `refused`: the last chunk was turned away right now, and sending it again
   * at once would meet the same.
   */
  async function settleLastByte(post: Finalizing, work: WorkInHand, refused = false): Promise<Step> {
    const attempt = theAttempt(post);
    const status = await ask(post);
    if (!status.ok) return waitOn(post, status.error);
    const now = clock.now();
    const verdict = takeVerdict(post, status.value, now);
    if (verdict !== undefined) return heeded(verdict);
    const seen = status.value.state === 'WORKING' ? status.value.uploadedBytes : undefined;
    if (seen === undefined) return keepWaiting(post, attempt, now);
    if (seen >= attempt.plan.sizeBytes) {
      const processing = process(post, attempt);
      return keepWaiting(processing, theAttempt(processing), now);
    }
    // Bytes are missing. Twice the same answer, and they were not just on their way.
    if (attempt.polls === 0) return { post: polled(post, attempt), nextActionTime: inSeconds(now, 5) };
    const { uploadExpireTime } = attempt;
    if (uploadExpireTime !== undefined && inSeconds(uploadExpireTime, ADDRESS_GRACE_SECONDS) < now) {
      const error: PublishError = post.error ?? { code: 'PLATFORM_UNAVAILABLE' };
      return meet(startOver(post, 'FAILED', error, now), error, moment());
    }
    // A recalled attempt has no address any more: what TikTok lacks nobody can send, and in an hour that is proven.
    if (refused || attempt.uploadUrl === undefined) return keepWaiting(post, attempt, now);
    const means = await announce.findMeans(post);
    if (!means.ok) return waitOn(post, means.error);
    return sendAll(confirmBytes(post, attempt, seen), means.value, work);
  }

  async function awaitVerdict(post: Processing, known?: Connection): Promise<Step> {
    await failPoint('verdict-due');
    const status = await ask(post, known);
    await failPoint('verdict-read');
    if (!status.ok) return waitOn(post, status.error);
    const now = clock.now();
    const verdict = takeVerdict(post, status.value, now);
    return verdict === undefined ? keepWaiting(post, theAttempt(post), now) : heeded(verdict);
  }

  /** A cap that TikTok tells as a verdict holds the account's other posts as well. */
  async function heeded(verdict: Step): Promise<Step> {
    const { post } = verdict;
    return post.state === 'HELD' && post.hold.reason === 'QUOTA' && post.error !== undefined
      ? announce.meetRefusal(awaitStart(post), post.error)
      : verdict;
  }

  /** TikTok can't be asked right now; the post itself is out of our hands. A reconnect wakes it earlier. */
  function waitOn(post: Finalizing | Processing, error: PublishError): Step {
    return keepTrying(post, theAttempt(post), error, moment());
  }

  async function findOut(post: Unconfirmed): Promise<Step> {
    const now = clock.now();
    const status = await ask(post);
    const verdict = status.ok ? takeVerdict(post, status.value, now) : undefined;
    if (verdict !== undefined) return verdict;
    const since = post.attempts.at(-1)?.finalizeTime ?? post.createTime;
    const days = (now.getTime() - since.getTime()) / 86_400_000;
    return days > RECONCILE_DAYS ? { post } : { post, nextActionTime: inSeconds(now, RECONCILE_SECONDS) };
  }

  /** A creator may finish a draft at any time, and TikTok tells by webhook. */
  async function findDraft(post: InCreatorInbox): Promise<Step> {
    const status = await ask(post);
    const now = clock.now();
    return status.ok && status.value.state === 'PUBLISHED'
      ? afterPublished(published(post, status.value.tiktokPostIds, now), now)
      : { post };
  }

  /** The id comes late; later a look tells whether everyone can still see it. */
  async function findLink(post: Published): Promise<Step> {
    const now = clock.now();
    const status = await ask(post);
    if (!status.ok && post.tiktokPostIds.length > 0 && consequenceOf(status.error).kind === 'BACK_OFF') {
      return { post, nextActionTime: inSeconds(now, LINK_RETRY_SECONDS) };
    }
    if (!status.ok || status.value.state !== 'PUBLISHED') return afterPublished(post, now);
    const told = status.value.tiktokPostIds;
    if (post.tiktokPostIds.length === 0) return afterPublished(published(post, told, now), now);
    const known = [...new Set([...post.tiktokPostIds, ...told])];
    const shown = await publicAmong(post, known, told);
    if (shown === undefined) return { post, nextActionTime: inSeconds(now, LINK_RETRY_SECONDS) };
    const [first] = shown;
    return first === undefined
      ? { post: hidden({ ...post, tiktokPostIds: known }) }
      : { post: published(post, [first, ...known.filter((id) => id !== first)], now) };
  }

  /** By the account's own list; without the scope for it, by what the publish job tells. Undefined when TikTok did not answer. */
  async function publicAmong(
    post: Published,
    known: readonly string[],
    told: readonly string[],
  ): Promise<readonly string[] | undefined> {
    const connection = await connections.find(post.connectionId);
    if (connection === undefined || !connection.grantedScopes.includes('video.list')) return told;
    const { publishing } = tiktokOf(tiktoks, connection.apiFamily);
    const answer = await access.call(connection.id, (token) => publishing.publicAmong(token, known));
    return answer.ok ? answer.value : undefined;
  }
}

/** What may follow from it is an announcement, or bytes. */
function maySend(post: Post): post is Sending {
  switch (post.state) {
    case 'SCHEDULED':
    case 'HELD':
      return true;
    case 'PUBLISHING':
      return post.phase !== 'PROCESSING';
    case 'PREPARING':
    case 'UNCONFIRMED':
    case 'PUBLISHED':
    case 'IN_CREATOR_INBOX':
    case 'FAILED':
    case 'CANCELLED':
      return false;
  }
}
