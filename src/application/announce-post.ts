import { type Connection, described, ineligibility } from '../domain/connection/connection.ts';
import { isError } from '../domain/finding.ts';
import { planChunks } from '../domain/post/chunk-plan.ts';
import { checkFamily } from '../domain/post/family.ts';
import {
  activeUsersGate,
  type Closing,
  closingFor,
  type GateKey,
  gatesOf,
  isPlatformTrouble,
  platformGate,
  platformGates,
} from '../domain/post/gate.ts';
import { MAX_FAILED_ATTEMPTS } from '../domain/post/pacing.ts';
import {
  awaitStart,
  awaitTurn,
  begin,
  type Finalizing,
  fail,
  failedAttempts,
  finalize,
  type Held,
  hold,
  type Initializing,
  type Post,
  rescheduled,
  type Scheduled,
  startOver,
  theAttempt,
  type Uploading,
  upload,
} from '../domain/post/post.ts';
import { type Moment, meet } from '../domain/post/setback.ts';
import { type PostSettings, underSwitches } from '../domain/post/settings.ts';
import { restingStep, type Step } from '../domain/post/step.ts';
import type { PublishError } from '../domain/publish-error.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { Secret } from '../domain/secret.ts';
import { inSeconds } from '../domain/time.ts';
import type { ReadyVideo } from '../domain/video/video.ts';
import { check } from '../domain/video/video-policy.ts';
import { type AccountAccess, wasNotAsked } from './account-access.ts';
import type { CheckBytes } from './check-bytes.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { FailPoint } from './ports/fail-point.ts';
import type { Gates, ShutGate } from './ports/gates.ts';
import type { Log } from './ports/log.ts';
import type { Metrics } from './ports/metrics.ts';
import type { Posts } from './ports/posts.ts';
import type { Publishing } from './ports/tiktok.ts';
import { postsKey, quotaKey, type Turns } from './ports/turns.ts';
import type { VideoReading, VideoStore } from './ports/video-store.ts';
import type { Videos } from './ports/videos.ts';
import { type PostPolicy, videoPolicyFor } from './publish-post.ts';
import type { PullVideo } from './pull-video.ts';
import { type TikToks, tiktokOf } from './tiktoks.ts';
import { toldByCreator } from './told-by-creator.ts';
import type { WorkInHand } from './work-in-hand.ts';

/** What a post needs to go out, as it is at this moment. */
export type Means = {
  readonly connection: Connection;
  readonly video: ReadyVideo;
  readonly reading: VideoReading;
  readonly publishing: Publishing;
};

/**
 * TikTok's ids are stored, and its bytes may be sent. Of a file that goes in one piece FINALIZING is stored with them, and its bytes
 * were looked at before: its first chunk is the last.
 */
export type Announced = { readonly announced: Uploading | Finalizing; readonly means: Means };

export type AnnouncePost = {
  /** Waits for its turn, passes the gates, checks what can be known before, stores the intent, tells TikTok, and stores its ids. */
  start(post: Scheduled | Initializing | Held, work: WorkInHand): Promise<Step | Announced>;
  /** Later than its late policy allows. Undefined while it is not. */
  tooLate(post: Scheduled | Initializing | Held, time: Date): Step | undefined;
  findMeans(post: Post): Promise<Result<Means, PublishError>>;
  /** What keeps a post that is announced already from going on: TikTok itself is not well. */
  barredByPlatform(post: Uploading, means: Means): Promise<Step | undefined>;
  /** TikTok, or our standing with it, said no before the last byte. What it would say to others as well is kept from it. */
  meetRefusal(post: Initializing | Uploading, error: PublishError): Promise<Step>;
};

/** One post that tries a shut gate again is waited for so long: creator info and announcement have 20 s each. */
const TRY_SECONDS = 60;
/** A place in line is good while it is fresh: after a standstill all those of the past would come at once. */
const TURN_SECONDS = 15;
const DAY_SECONDS = 86_400;
/** The database says what is due; our idea of its clock may be this much behind. */
const CLOCK_SECONDS = 1;
/** Posts of many accounts that wait for the same come back within this. */
const RETURN_SPREAD_SECONDS = 60;

export function announcePost(needs: {
  readonly posts: Posts;
  readonly connections: Connections;
  readonly videos: Videos;
  readonly store: VideoStore;
  readonly access: AccountAccess;
  readonly tiktoks: TikToks;
  readonly gates: Gates;
  readonly turns: Turns;
  readonly pull: PullVideo;
  readonly checkBytes: CheckBytes;
  readonly clock: Clock;
  readonly moment: () => Moment;
  readonly policy: PostPolicy;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly failPoint: FailPoint;
}): AnnouncePost {
  const {
    posts,
    connections,
    videos,
    store,
    access,
    tiktoks,
    gates,
    turns,
    pull,
    checkBytes,
    clock,
    moment,
    policy,
    metrics,
    log,
    failPoint,
  } = needs;

  async function findMeans(post: Post): Promise<Result<Means, PublishError>> {
    const [connection, video, storedBytes] = await Promise.all([
      connections.find(post.connectionId),
      videos.find(post.videoId),
      store.size(post.videoId),
    ]);
    if (connection === undefined || connection.state === 'DISCONNECTED') {
      return err({ code: 'ACCOUNT_ACCESS_REVOKED' });
    }
    return video?.state === 'READY' && storedBytes === video.sizeBytes
      ? ok({
          connection,
          video,
          reading: store.reading(video.id),
          publishing: tiktokOf(tiktoks, connection.apiFamily).publishing,
        })
      : err({ code: 'VIDEO_MISSING' });
  }

  async function start(post: Scheduled | Initializing | Held, work: WorkInHand): Promise<Step | Announced> {
    const now = clock.now();
    // Moved to a later time while it was held, or woken for something of the past.
    if (post.state !== 'PUBLISHING' && post.scheduleTime > inSeconds(now, CLOCK_SECONDS)) {
      return restingStep(post.state === 'HELD' ? rescheduled(post) : post);
    }
    const late = tooLate(post, now);
    if (late !== undefined) return late;
    const lastError = post.attempts.at(-1)?.error;
    if (lastError !== undefined && failedAttempts(post) >= MAX_FAILED_ATTEMPTS) {
      return { post: fail(post, lastError, now) };
    }
    const means = await findMeans(post);
    if (!means.ok) return meetRefusal(awaitStart(post), means.error);
    const { connection, publishing, reading, video } = means.value;

    const turnTime = await placeInLine(post, connection, now);
    if (turnTime > inSeconds(clock.now(), CLOCK_SECONDS)) return waitForTurn(post, turnTime);
    const passed = await pass(post, connection);
    if ('shut' in passed) return barred(post, connection, passed.shut);
    const place = await placeOfDay(post, connection);
    if ('full' in place) {
      await gates.handBack(passed.trying);
      return place.full;
    }

    /** Whether a refusal is TikTok's: without a turn or a grant nobody is asked, and nothing is learnt of its gates. */
    let asked = false;
    const asking =
      <T>(request: (token: Secret) => T) =>
      (token: Secret): T => {
        asked = true;
        return request(token);
      };
    const refuse = (refused: Initializing, error: PublishError): Promise<Step> =>
      asked ? tried(passed.trying, connection, refused, error) : handedBack(passed.trying, refused, error);

    const checked = await checkCreator(post, means.value, asking);
    if (!checked.ok) {
      await place.giveBack();
      return refuse(awaitStart(post), checked.error);
    }
    const settings = checked.value;
    const { announce } = publishing;
    const plan = planChunks(video.sizeBytes, policy.largestChunkBytes);
    // Some families take no bytes from us, whatever the operator chose for those that do.
    const pulled = policy.transfer === 'PULL' || announce === undefined;
    const inOnePiece = !pulled && plan.chunkCount === 1;
    const damage = inOnePiece ? await checkBytes(video, reading) : undefined;
    if (damage !== undefined) {
      await place.giveBack();
      await gates.handBack(passed.trying);
      return { post: fail(post, damage, clock.now()) };
    }

    // Only now: what came before may have taken its time, and TikTok counts when it is told.
    const key = quotaKey('ANNOUNCE', connection);
    const turn = await turns.take(key, announceQuota(connection));
    if (!turn.taken) {
      await place.giveBack();
      await gates.handBack(passed.trying);
      return waitForTurn(post, await turns.next(`RETURN:${key}`, announceQuota(connection), turn.freeTime));
    }
    if (pulled) {
      const told = await pull.announce(post, { ...means.value, settings }, work);
      if ('refused' in told) {
        await place.giveBack();
        return wasNotAsked(told.error)
          ? handedBack(passed.trying, told.refused, told.error)
          : tried(passed.trying, connection, told.refused, told.error);
      }
      await reopenTried(passed.trying, connection, told.post);
      return told;
    }
    const intent = await work.save(begin(post, { transfer: 'UPLOAD', plan }, clock.now()));
    reportDispatch(metrics, post, intent);
    await failPoint('intent-stored');
    const { caption } = intent;
    const answer = await access.call(
      connection,
      asking((token) => announce(token, { caption, settings, plan })),
    );
    await failPoint('announced');
    if (!answer.ok) {
      const outcome = answer.error.code === 'PLATFORM_UNAVAILABLE' ? 'ORPHANED' : 'FAILED';
      const over = startOver(intent, outcome, answer.error, clock.now());
      return refuse(over, answer.error);
    }
    const { publishId, uploadUrl, uploadSeconds } = answer.value;
    const uploadExpireTime = inSeconds(clock.now(), uploadSeconds);
    const attempt = { ...theAttempt(intent), publishId, uploadUrl, uploadExpireTime };
    // No byte leaves before this is stored. Should it never be, nobody has the address, and nothing comes of it.
    const uploading = upload(intent, attempt);
    const announced = await work.saveHoweverLong(inOnePiece ? finalize(uploading, attempt, clock.now()) : uploading);
    await failPoint('ids-stored');
    await reopenTried(passed.trying, connection, announced);
    return { announced, means: means.value };
  }

  function tooLate(post: Scheduled | Initializing | Held, time: Date): Step | undefined {
    const latenessSeconds = (time.getTime() - post.scheduleTime.getTime()) / 1000;
    if (latenessSeconds <= post.latePolicy.maxLatenessSeconds) return undefined;
    const error: PublishError = { code: 'SCHEDULE_MISSED', latenessSeconds };
    switch (post.latePolicy.action) {
      case 'PUBLISH':
        return undefined;
      case 'HOLD':
        return restingStep(hold(post, { reason: 'LATE' }, error));
      case 'FAIL':
        return { post: fail(post, error, clock.now()) };
    }
  }

  /** When it is this post's turn among all of its account. Given once: who comes back at its time goes on. */
  async function placeInLine(
    { turnTime }: Scheduled | Initializing | Held,
    connection: Connection,
    now: Date,
  ): Promise<Date> {
    if (turnTime !== undefined && inSeconds(turnTime, TURN_SECONDS) >= now) return turnTime;
    return turns.next(`LINE:${quotaKey('ANNOUNCE', connection)}`, announceQuota(connection));
  }

  /**
   * A place among the posts of the account's day, where the family tells how many those are; else there is always one. TikTok counts what it
   * took on, so who meets a plain no gives it back. Lost with a worker that dies in between, it is free a day later.
   */
  async function placeOfDay(
    post: Scheduled | Initializing | Held,
    connection: Connection,
  ): Promise<{ readonly full: Step } | { readonly giveBack: () => Promise<void> }> {
    const { postQuota } = tiktokOf(tiktoks, connection.apiFamily);
    if (postQuota === undefined || post.settings.draft) return { giveBack: async () => undefined };
    const key = postsKey(connection);
    const turn = await turns.take(key, postQuota);
    if (turn.taken) return { giveBack: () => turns.giveBack(key) };
    const error: PublishError = { code: 'ACCOUNT_DAILY_POST_CAP', seenCap: postQuota.calls };
    const releaseTime = turn.freeTime;
    // Who would be held for being late waits all the same; at its time it is seen whether it still is.
    const late = post.latePolicy.action === 'HOLD' ? undefined : tooLate(post, releaseTime);
    return { full: late ?? restingStep(hold(post, { reason: 'QUOTA', releaseTime }, error)) };
  }

  function waitForTurn(post: Scheduled | Initializing | Held, turnTime: Date): Step {
    metrics.waited('ANNOUNCE', (turnTime.getTime() - clock.now().getTime()) / 1000);
    return tooLate(post, turnTime) ?? { post: awaitTurn(post, turnTime), nextActionTime: turnTime };
  }

  const announceQuota = ({ apiFamily }: Connection) => tiktokOf(tiktoks, apiFamily).quotas.ANNOUNCE;

  async function pass(
    post: Post,
    connection: Connection,
  ): Promise<{ readonly shut: ShutGate } | { readonly trying: readonly GateKey[] }> {
    const keys = gatesOf(connection, post.settings);
    const passed = await gates.pass(keys, TRY_SECONDS);
    const usersOnly = activeUsersGate(connection.apiFamily);
    const concerned = passed.shut === undefined ? passed.trying.includes(usersOnly) : passed.shut.key === usersOnly;
    // An account that TikTok counts today already may go on posting (open-api §8): the gate is not for it, nor tried by it.
    const counted =
      concerned && (await posts.publishTimes(connection.id, inSeconds(clock.now(), -DAY_SECONDS))).length > 0;
    if (passed.shut === undefined) {
      if (!counted) return passed;
      await gates.handBack([usersOnly]);
      return { trying: passed.trying.filter((key) => key !== usersOnly) };
    }
    if (!counted) return { shut: passed.shut };
    const others = await gates.pass(
      keys.filter((key) => key !== usersOnly),
      TRY_SECONDS,
    );
    return others.shut === undefined ? others : { shut: others.shut };
  }

  /** TikTok would refuse it as it refused another: it waits without asking. */
  async function barred(
    post: Scheduled | Initializing | Held,
    connection: Connection,
    { key, error, until }: Pick<ShutGate, 'key' | 'error' | 'until'>,
  ): Promise<Step> {
    if (isPlatformTrouble(error)) return heldForOutage(post, error, until);
    const returnTime =
      key === activeUsersGate(connection.apiFamily)
        ? afterwards(until)
        : // Those that wait at one account's gate come back one by one.
          await turns.next(`RETURN:${key}`, announceQuota(connection), until);
    const late = tooLate(post, returnTime);
    if (late !== undefined) return late;
    return error.code === 'UPSTREAM_RATE_LIMITED'
      ? { post: { ...awaitStart(post), error: { ...error, retryTime: returnTime } }, nextActionTime: returnTime }
      : restingStep(hold(post, { reason: 'QUOTA', releaseTime: returnTime }, error));
  }

  /** What waits for the same, on many accounts, comes back at times of its own. */
  const afterwards = (until: Date): Date => inSeconds(until, moment().random * RETURN_SPREAD_SECONDS);

  const heldForOutage = (post: Scheduled | Initializing | Held | Uploading, error: PublishError, until: Date): Step =>
    restingStep(hold(post, { reason: 'PLATFORM_OUTAGE', releaseTime: afterwards(until) }, error));

  async function barredByPlatform(post: Uploading, { connection }: Means): Promise<Step | undefined> {
    // Whose time has come bars nobody any more: there may be no announcement left to try it.
    const now = clock.now();
    const keys = platformGates(connection);
    const shut = (await gates.all(keys)).find(({ key, until }) => keys.includes(key) && until > now);
    return shut === undefined ? undefined : heldForOutage(post, shut.error, shut.until);
  }

  /** Who tried a gate met another refusal than the one that shut it: TikTok answers, and that much is well again. */
  async function tried(
    trying: readonly GateKey[],
    connection: Connection,
    post: Initializing,
    error: PublishError,
  ): Promise<Step> {
    const { apiFamily } = connection;
    if (isPlatformTrouble(error)) {
      for (const key of trying) {
        if (platformGates(connection).includes(key)) await stayShut(key, error);
      }
    } else if (trying.includes(platformGate(apiFamily))) {
      await reopen(platformGate(apiFamily), connection);
    }
    return meetRefusal(post, error);
  }

  /** Nobody was asked, so nothing is learnt of the gates. */
  async function handedBack(trying: readonly GateKey[], post: Initializing, error: PublishError): Promise<Step> {
    await gates.handBack(trying);
    return meetRefusal(post, error);
  }

  async function stayShut(key: GateKey, error: PublishError): Promise<void> {
    const until = await gates.shut({ key, seconds: 30, atMostSeconds: 300 }, error);
    log.warn({ gate: key, ...error, until }, 'one post tried, and TikTok is still not well');
  }

  /** Only an announcement that TikTok took on tells that what was shut is over. */
  async function reopenTried(trying: readonly GateKey[], connection: Connection, { attempts }: Post): Promise<void> {
    if (attempts.at(-1)?.publishId === undefined) return;
    for (const key of trying) await reopen(key, connection);
  }

  async function reopen(key: GateKey, connection: Connection): Promise<void> {
    if (!(await gates.open(key))) return;
    if (!platformGates(connection).includes(key)) return;
    let seconds = 0;
    const released = await posts.releaseOutage(connection.apiFamily, (waiting) => {
      seconds = releaseSeconds(waiting);
      return seconds;
    });
    log.info({ gate: key, released, seconds }, 'TikTok is well again: the posts that waited for it go out one by one');
  }

  async function meetRefusal(post: Initializing | Uploading, error: PublishError): Promise<Step> {
    const connection = await connections.find(post.connectionId);
    const closing = connection === undefined ? undefined : closingFor(error, connection);
    if (connection === undefined || closing === undefined) return meet(post, error, moment());
    const learned =
      error.code === 'ACCOUNT_DAILY_POST_CAP' ? await learnCap(error, closing, connection) : { error, closing };
    const until = await gates.shut(learned.closing, learned.error);
    if (post.phase === 'UPLOADING') return meet(post, learned.error, moment());
    return barred(post, connection, { key: closing.key, error: learned.error, until });
  }

  /** The cap is a sliding day: it gives way when the oldest post of the day is a day old, if not sooner. */
  async function learnCap(
    error: Extract<PublishError, { code: 'ACCOUNT_DAILY_POST_CAP' }>,
    closing: Closing,
    { id }: Connection,
  ): Promise<{ readonly error: PublishError; readonly closing: Closing }> {
    const now = clock.now();
    const times = await posts.publishTimes(id, inSeconds(now, -DAY_SECONDS));
    const [oldest] = times;
    if (oldest === undefined) return { error, closing };
    const left = (inSeconds(oldest, DAY_SECONDS).getTime() - now.getTime()) / 1000;
    return {
      error: { ...error, seenCap: times.length },
      closing: { ...closing, seconds: Math.max(1, Math.min(left, closing.seconds)) },
    };
  }

  /** An account that was personal when last read may be a Business account again: nobody has to tell us. */
  async function stillIneligible(
    connection: Connection,
    asking: <T>(request: (token: Secret) => T) => (token: Secret) => T,
  ): Promise<PublishError | undefined> {
    const known = ineligibility(connection.account);
    if (known === undefined) return undefined;
    const { authorization } = tiktokOf(tiktoks, connection.apiFamily);
    const read = await access.call(
      connection,
      asking((token) => authorization.readAccount(token, connection.grantedScopes)),
    );
    if (!read.ok) return read.error;
    const account = { ...connection.account, ...read.value };
    await connections.update(connection.id, (current) =>
      current.state === 'ACTIVE' ? ok(described(current, account, clock.now())) : err(undefined),
    );
    return ineligibility(account);
  }

  /** Everything that can be known before TikTok is asked to take the post. Gives what the account's own settings leave of the post's. */
  async function checkCreator(
    post: Post,
    { connection, publishing, video }: Means,
    asking: <T>(request: (token: Secret) => T) => (token: Secret) => T,
  ): Promise<Result<PostSettings, PublishError>> {
    const ineligible = await stillIneligible(connection, asking);
    if (ineligible !== undefined) return err(ineligible);
    if (post.settings.draft) return ok(post.settings);
    const creator = await access.call(
      connection,
      asking((token) => publishing.readCreator(token)),
      'READ_CREATOR',
    );
    if (!creator.ok) return creator;
    const { privacyLevels, maxVideoSeconds } = creator.value;
    const { privacyLevel } = post.settings;
    if (privacyLevel === undefined || !privacyLevels.includes(privacyLevel)) {
      return err({ code: 'PRIVACY_LEVEL_NOT_ALLOWED', allowed: privacyLevels });
    }
    const account = { ...connection.account, ...toldByCreator(creator.value) };
    const settings = underSwitches(post.settings, creator.value);
    const finding = [
      ...check(video.spec, videoPolicyFor(policy.video, connection.apiFamily, maxVideoSeconds)),
      ...checkFamily(settings, { ...connection, account }),
    ].find(isError);
    return finding === undefined ? ok(settings) : err({ code: 'CHECK_FAILED', finding });
  }

  return { start, tooLate, findMeans, barredByPlatform, meetRefusal };
}

/** The first attempt of a post tells how late it is. */
export function reportDispatch(metrics: Metrics, before: Post, { dispatchLatenessSeconds }: Post): void {
  if (before.dispatchLatenessSeconds === undefined && dispatchLatenessSeconds !== undefined) {
    metrics.dispatched(dispatchLatenessSeconds);
  }
}

/** So gently do posts come back after an outage: 20 a second, ten minutes at most. */
const releaseSeconds = (waiting: number): number => Math.min(Math.max(waiting / 20, 1), 600);
