import { chunkAt } from '../domain/post/chunk-plan.ts';
import { pollDelaySeconds } from '../domain/post/pacing.ts';
import {
  confirmBytes,
  type Finalizing,
  fail,
  finalize,
  type Processing,
  process,
  startOver,
  theAttempt,
  type Uploading,
} from '../domain/post/post.ts';
import { type Moment, meet, retryLater } from '../domain/post/setback.ts';
import type { Step } from '../domain/post/step.ts';
import { keepTrying, takeVerdict } from '../domain/post/verdict.ts';
import type { PublishError } from '../domain/publish-error.ts';
import { inSeconds } from '../domain/time.ts';
import { contentTypeOf } from '../domain/video/video.ts';
import type { Means } from './announce-post.ts';
import type { AskTikTok } from './ask-tiktok.ts';
import type { CheckBytes } from './check-bytes.ts';
import type { PlatformHealth } from './platform-health.ts';
import type { Clock } from './ports/clock.ts';
import type { FailPoint } from './ports/fail-point.ts';
import type { ChunkOutcome } from './ports/tiktok.ts';
import type { WorkInHand } from './work-in-hand.ts';

/**
 * Sends the bytes of a stored attempt from where TikTok stands, looks at the whole file and stores FINALIZING before the last of them.
 * `ready`: both was done just now.
 */
export type SendVideo = (post: Uploading | Finalizing, means: Means, work: WorkInHand, ready: boolean) => Promise<Sent>;

/** `refused`: the last chunk was turned away right now. Only TikTok's status decides then. */
export type Sent = Step | { readonly refused: Finalizing };

/** A chunk that keeps meeting another position than ours is left to the next look at TikTok's count. */
const MAX_REALIGNMENTS = 3;

export function sendVideo(needs: {
  readonly checkBytes: CheckBytes;
  readonly ask: AskTikTok;
  readonly health: PlatformHealth;
  readonly clock: Clock;
  readonly moment: () => Moment;
  readonly failPoint: FailPoint;
}): SendVideo {
  const { checkBytes, ask, health, clock, moment, failPoint } = needs;

  return (post, means, work, ready) =>
    work.shift.whenThereIsRoom(means.video.sizeBytes, () => sendBytes(post, means, work, ready));

  async function sendBytes(
    from: Uploading | Finalizing,
    { connection, video, reading, publishing }: Means,
    work: WorkInHand,
    ready: boolean,
  ): Promise<Sent> {
    const { save, shift } = work;
    const { sendChunk } = publishing;
    if (sendChunk === undefined)
      throw new Error(`${connection.apiFamily} takes no bytes, but post ${from.id} is an upload`);
    let post = from;
    let realignments = 0;
    let stored = ready;
    for (;;) {
      const attempt = theAttempt(post);
      const chunk = chunkAt(attempt.plan, attempt.bytesSent);
      if (chunk === undefined) return poll(process(post, attempt));
      // Whoever would go on with one that is ready had to find out first whether its bytes are there.
      if (shift.ending() && !stored) return { post, nextActionTime: clock.now() };
      if (attempt.uploadUrl === undefined) throw new Error(`attempt ${attempt.number} of ${post.id} has no address`);
      if (chunk.last && !stored) {
        const damage = await checkBytes(video, reading);
        if (damage !== undefined) return afterDamage(post, damage);
        post = await save(finalize(post, attempt, clock.now()));
      }
      stored = false;
      if (chunk.last) await failPoint('finalizing-stored');
      const outcome = await sendChunk({
        uploadUrl: attempt.uploadUrl,
        plan: attempt.plan,
        chunk,
        contentType: contentTypeOf(video),
        bytes: reading.bytes(chunk),
        signal: shift.signal,
      });
      await failPoint(chunk.last ? 'last-byte-sent' : 'chunk-sent');
      // A chunk that we cut off ourselves tells nothing of TikTok.
      if (!shift.signal.aborted) {
        health.note(connection.apiFamily, outcome.kind === 'NOT_ANSWERED' ? outcome.error : undefined);
      }
      const next = await afterChunk(post, outcome, work);
      if (!('sent' in next)) return next;
      post = next.sent;
      if (outcome.kind === 'MISALIGNED' && ++realignments > MAX_REALIGNMENTS) {
        return tryAgain(post, { code: 'PLATFORM_UNAVAILABLE' });
      }
    }
  }

  /** Until the last byte was on its way nothing can come of this attempt; after that only TikTok's status decides. */
  function afterDamage(post: Uploading | Finalizing, error: PublishError): Sent {
    return post.phase === 'FINALIZING' ? { refused: { ...post, error } } : { post: fail(post, error, clock.now()) };
  }

  async function afterChunk(
    post: Uploading | Finalizing,
    outcome: ChunkOutcome,
    { save, shift }: WorkInHand,
  ): Promise<Sent | { readonly sent: Uploading | Finalizing }> {
    const attempt = theAttempt(post);
    switch (outcome.kind) {
      case 'ACCEPTED': {
        if (outcome.confirmedBytes <= attempt.bytesSent) return tryAgain(post, { code: 'PLATFORM_UNAVAILABLE' });
        const confirmed = await save(confirmBytes(post, attempt, outcome.confirmedBytes));
        await failPoint('chunk-stored');
        return { sent: confirmed };
      }
      case 'COMPLETE':
        return poll(process(post, attempt));
      case 'MISALIGNED':
        // Where TikTok does not say where it stands, its status does, at the next look.
        return outcome.confirmedBytes === undefined
          ? tryAgain(post, { code: 'PLATFORM_UNAVAILABLE' })
          : { sent: await save(confirmBytes(post, attempt, outcome.confirmedBytes)) };
      case 'ADDRESS_DEAD':
      case 'REFUSED':
        return afterRefusedChunk(post, outcome);
      case 'NOT_ANSWERED':
        // Cut off because this process stops: no fault of TikTok's, and the next worker goes on at once.
        return shift.signal.aborted ? { post, nextActionTime: clock.now() } : tryAgain(post, outcome.error);
    }
  }

  /**
   * Before the last byte was on its way nobody can complete this attempt any more: whoever would have to store FINALIZING
   * first. After that only TikTok's status decides.
   */
  async function afterRefusedChunk(
    post: Uploading | Finalizing,
    { kind, error }: Extract<ChunkOutcome, { kind: 'ADDRESS_DEAD' | 'REFUSED' }>,
  ): Promise<Sent> {
    if (post.phase === 'FINALIZING') return { refused: { ...post, error } };
    const status = await ask(post);
    if (!status.ok) return tryAgain(post, status.error);
    const now = clock.now();
    const verdict = takeVerdict(post, status.value, now);
    if (verdict !== undefined) return verdict;
    if (kind === 'REFUSED') return { post: fail(post, error, now) };
    return meet(startOver(post, 'FAILED', error, now), error, moment());
  }

  function tryAgain(post: Uploading | Finalizing, error: PublishError): Step {
    return post.phase === 'FINALIZING'
      ? keepTrying(post, theAttempt(post), error, moment())
      : retryLater(post, error, moment());
  }

  function poll(post: Processing): Step {
    return { post, nextActionTime: inSeconds(clock.now(), pollDelaySeconds(0)) };
  }
}
