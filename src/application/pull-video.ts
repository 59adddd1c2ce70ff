import { announcedMark, mayBeFetched, pullMark } from '../domain/post/mark.ts';
import { judgePull } from '../domain/post/media-evidence.ts';
import { pollDelaySeconds } from '../domain/post/pacing.ts';
import {
  beginPull,
  type Finalizing,
  fail,
  type Held,
  type Initializing,
  polled,
  pulling,
  type Scheduled,
  startOver,
  theAttempt,
} from '../domain/post/post.ts';
import { type Moment, meet } from '../domain/post/setback.ts';
import type { PostSettings } from '../domain/post/settings.ts';
import type { Step } from '../domain/post/step.ts';
import { keepTrying, keepWaiting, takeVerdict } from '../domain/post/verdict.ts';
import type { PublishError } from '../domain/publish-error.ts';
import { Secret } from '../domain/secret.ts';
import { inSeconds } from '../domain/time.ts';
import { type AccountAccess, wasNotAsked } from './account-access.ts';
import { type Means, reportDispatch } from './announce-post.ts';
import type { AskTikTok } from './ask-tiktok.ts';
import type { CheckBytes } from './check-bytes.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { FailPoint } from './ports/fail-point.ts';
import type { Ids } from './ports/ids.ts';
import type { Log } from './ports/log.ts';
import type { Marks } from './ports/marks.ts';
import type { MediaAddresses } from './ports/media-addresses.ts';
import type { Metrics } from './ports/metrics.ts';
import type { Posts } from './ports/posts.ts';
import type { WebhookInbox } from './ports/webhook-inbox.ts';
import { type TikToks, tiktokOf } from './tiktoks.ts';
import type { WorkInHand } from './work-in-hand.ts';

/** Videos that TikTok fetches itself. Its word that it will is all it takes, so the witness decides when that word is lost. */
export type PullVideo = {
  /** Opens an address, stores the intent, tells TikTok, with `settings` in place of the post's own. `refused`: TikTok said a plain no, and nothing came of it. */
  announce(
    post: Scheduled | Initializing | Held,
    means: Means & { readonly settings: PostSettings },
    work: WorkInHand,
  ): Promise<Step | { readonly refused: Initializing; readonly error: PublishError }>;
  /** What became of an announcement whose answer is missing. */
  settle(post: Finalizing): Promise<Step>;
};

/** Closing takes effect at once; what was on its way needs a moment. */
const AFTER_CLOSE_SECONDS = 60;

export function pullVideo(needs: {
  readonly addresses: MediaAddresses;
  readonly marks: Marks;
  readonly posts: Posts;
  readonly connections: Connections;
  readonly inbox: WebhookInbox;
  readonly tiktoks: TikToks;
  readonly access: AccountAccess;
  readonly ask: AskTikTok;
  readonly checkBytes: CheckBytes;
  readonly ids: Ids;
  readonly clock: Clock;
  readonly moment: () => Moment;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Where TikTok reaches this service. */
  readonly publicUrl: string;
  readonly failPoint: FailPoint;
}): PullVideo {
  const { addresses, marks, posts, connections, inbox, tiktoks, access, ask, ids, clock, moment, metrics, log } = needs;
  const { publicUrl, failPoint } = needs;

  return {
    async announce(post, { connection, video, publishing, settings }, work) {
      const damage = await needs.checkBytes(video);
      if (damage !== undefined) return { post: fail(post, damage, clock.now()) };
      const token = new Secret(ids.unguessable());
      const plan = { sizeBytes: video.sizeBytes, chunkBytes: video.sizeBytes, chunkCount: 1 };
      const begun = beginPull(post, plan, clock.now());
      const owner = { postId: post.id, attemptNumber: theAttempt(begun).number };
      await addresses.open({ ...owner, videoId: video.id }, token);
      const intent = await work.save(begun);
      reportDispatch(metrics, post, intent);
      await marks.leave(intent, announcedMark(theAttempt(intent)));
      // Who takes the post from a restored record from here on finds the mark.
      await work.holdOn();
      await failPoint('intent-stored');
      const { caption } = intent;
      const mediaUrl = new Secret(`${publicUrl}/media/${token.reveal()}`);
      const answer = await access.call(connection, (accessToken) =>
        publishing.announcePull(accessToken, { caption, settings, mediaUrl }),
      );
      await failPoint('announced');
      if (answer.ok) {
        const processing = await work.saveHoweverLong(pulling(intent, answer.value.publishId));
        await marks.leave(processing, announcedMark(theAttempt(processing)));
        await failPoint('ids-stored');
        return { post: processing, nextActionTime: inSeconds(clock.now(), pollDelaySeconds(0)) };
      }
      if (isPlainNo(answer.error)) {
        await addresses.close(owner);
        await marks.leave(intent, pullMark('CAME_TO_NOTHING', theAttempt(intent)));
        return { refused: startOver(intent, 'FAILED', answer.error, clock.now()), error: answer.error };
      }
      return settle({ ...intent, error: answer.error });
    },
    settle,
  };

  async function settle(post: Finalizing): Promise<Step> {
    const attempt = theAttempt(post);
    const owner = { postId: post.id, attemptNumber: attempt.number };
    const evidence = await addresses.evidence(owner);
    const now = clock.now();
    const { startTime, plan } = attempt;
    const judgement = judgePull(evidence, { sizeBytes: plan.sizeBytes, startTime }, now);
    switch (judgement.kind) {
      case 'WAIT':
        return { post, nextActionTime: judgement.until };
      case 'CLOSE':
        await addresses.close(owner);
        return { post: polled(post, attempt), nextActionTime: inSeconds(now, AFTER_CLOSE_SECONDS) };
      case 'DEAD': {
        // What was fetched is noted in the record, of which a restored backup lacks the end.
        if (mayBeFetched(attempt, await marks.of(post))) return findOut(post, now);
        await marks.leave(post, pullMark('CAME_TO_NOTHING', attempt));
        log.warn({ postId: post.id, attempt: attempt.number }, 'TikTok never fetched a video it may have been told of');
        const error: PublishError = post.error ?? { code: 'PLATFORM_UNAVAILABLE' };
        return meet(startOver(post, 'ORPHANED', error, now), error, moment());
      }
      case 'TAKEN':
        return findOut(post, now);
    }
  }

  /** TikTok may hold the whole video. */
  async function findOut(post: Finalizing, now: Date): Promise<Step> {
    const learnt = await askByWebhook(post);
    if (learnt !== undefined) return learnt;
    const attempt = theAttempt(post);
    const status = await ask(post);
    if (!status.ok) return keepTrying(post, attempt, status.error, moment());
    return takeVerdict(post, status.value, now) ?? keepWaiting(post, attempt, now);
  }

  /**
   * TikTok's webhooks name publish ids. When just one of the account's belongs to nobody, and this is the only pull without an
   * answer, it is this one's; whether it is a post, TikTok's status says. Anything less proves nothing.
   */
  async function askByWebhook(post: Finalizing): Promise<Step | undefined> {
    const connection = await connections.find(post.connectionId);
    if (connection === undefined) return undefined;
    const { apiFamily, account } = connection;
    const told = await inbox.publishIds(account.openId, theAttempt(post).startTime);
    const { stray, unansweredPulls } = await posts.strayPublishIds({ apiFamily, openId: account.openId }, told);
    const [publishId, another] = stray;
    if (publishId === undefined || another !== undefined || unansweredPulls !== 1) return undefined;
    const { publishing } = tiktokOf(tiktoks, apiFamily);
    const status = await access.call(connection, (token) => publishing.readStatus(token, publishId), 'READ_STATUS');
    if (!status.ok || status.value.state === 'WORKING' || status.value.state === 'FAILED') return undefined;
    return takeVerdict(pulling(post, publishId), status.value, clock.now());
  }
}

/** TikTok named a code of its own that is not its own trouble: it understood, and refused. Anything else may have been a yes. */
const isPlainNo = (error: PublishError): boolean =>
  wasNotAsked(error) ||
  (error.tiktokCode !== undefined &&
    error.code !== 'PLATFORM_UNAVAILABLE' &&
    error.code !== 'APP_CREDENTIALS_REJECTED');
