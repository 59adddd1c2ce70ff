import { type Attempt, end, type LiveAttempt } from './attempt.ts';
import {
  type Cancelled,
  cancel,
  type Finalizing,
  type Held,
  type Initializing,
  liveAttempt,
  type Plan,
  type Processing,
  planOf,
  type Scheduled,
  type Unconfirmed,
  type Uploading,
  withAttempt,
} from './post.ts';

/** Of an attempt: what it takes to ask TikTok for it, and nothing with which bytes could be sent. */
export type AnnouncedMark = Pick<LiveAttempt, 'transfer' | 'plan' | 'publishId' | 'uploadExpireTime'> & {
  readonly kind: 'ANNOUNCED';
  readonly intentTime: Date;
};

/**
 * What is kept of a post outside of the record, for the day on which an old backup of the record is restored. Each is true for ever, so
 * their order does not matter and one that is left twice says nothing new. `intentTime` names the attempt.
 */
export type Mark =
  /** TikTok may make a post of this attempt from here on. A pull has one before TikTok is told, and one with the id. */
  | AnnouncedMark
  /** TikTok is about to get the last byte of this pull. */
  | { readonly kind: 'FETCHED'; readonly intentTime: Date }
  /** This pull is proven dead though TikTok gave no id. */
  | { readonly kind: 'CAME_TO_NOTHING'; readonly intentTime: Date }
  /** A caller was told that it will not go out. */
  | { readonly kind: 'CANCELLED' };

/** When it was stored that TikTok is about to be told. No two attempts of a post have the same, and it never changes. */
const intentTimeOf = ({ transfer, startTime, finalizeTime = startTime }: Attempt): Date =>
  transfer === 'PULL' ? finalizeTime : startTime;

export const announcedMark = (attempt: LiveAttempt): AnnouncedMark => {
  const { transfer, plan, publishId, uploadExpireTime } = attempt;
  return {
    kind: 'ANNOUNCED',
    transfer,
    plan,
    intentTime: intentTimeOf(attempt),
    ...(publishId === undefined ? {} : { publishId }),
    ...(uploadExpireTime === undefined ? {} : { uploadExpireTime }),
  };
};

export const pullMark = (kind: 'FETCHED' | 'CAME_TO_NOTHING', attempt: LiveAttempt): Mark => ({
  kind,
  intentTime: intentTimeOf(attempt),
});

/** A post that may still have something sent. */
export type Sending = Scheduled | Held | Initializing | Uploading | Finalizing;

/** As a post is when what the record forgot of it is known again: TikTok is asked, or nobody. */
export type Recalled = Cancelled | Finalizing | Processing | Unconfirmed;

/**
 * The record is younger than all marks of a post, unless an old one was restored: an attempt that is marked and not in it was forgotten.
 * Gives the post with the latest of those, so that TikTok is asked for it before anything is sent; undefined when nothing was forgotten.
 * Those before it come to light one by one, as each is found dead.
 */
export function recall(post: Sending, marks: readonly Mark[], now: Date): Recalled | undefined {
  if (marks.some(({ kind }) => kind === 'CANCELLED')) {
    const cancelled = cancel(post, now);
    if (cancelled.ok) return cancelled.value;
  }
  const forgotten = marks
    .filter(
      (mark): mark is AnnouncedMark => mark.kind === 'ANNOUNCED' && !isKnown(post, mark) && !isSettled(mark, marks),
    )
    .toSorted((left, right) => left.intentTime.getTime() - right.intentTime.getTime())
    .at(-1);
  return forgotten === undefined ? undefined : withForgotten(post, forgotten, now);
}

const isKnown = ({ attempts }: Plan, { publishId, intentTime }: AnnouncedMark): boolean =>
  attempts.some((attempt) =>
    publishId === undefined ? isSame(intentTimeOf(attempt), intentTime) : attempt.publishId === publishId,
  );

/** Of a pull without its id: another mark says more, or that there is nothing to say. */
const isSettled = (mark: AnnouncedMark, marks: readonly Mark[]): boolean =>
  mark.publishId === undefined &&
  marks.some(
    (other) =>
      'intentTime' in other &&
      isSame(other.intentTime, mark.intentTime) &&
      (other.kind === 'CAME_TO_NOTHING' || (other.kind === 'ANNOUNCED' && other.publishId !== undefined)),
  );

const isSame = (one: Date, other: Date): boolean => one.getTime() === other.getTime();

/** Whoever may fetch or send for an attempt that the record still takes for alive, a later one was begun: that one was dead. */
function withForgotten(post: Sending, { kind: _, intentTime, ...mark }: AnnouncedMark, now: Date): Recalled {
  const living = liveAttempt(post);
  const same = living !== undefined && isSame(intentTimeOf(living), intentTime);
  const plan = planOf(living === undefined || same ? post : withAttempt(post, end(living, 'ORPHANED', now)));
  const number = same ? living.number : plan.attempts.length + 1;
  const attempt: LiveAttempt = {
    ...mark,
    number,
    startTime: intentTime,
    finalizeTime: intentTime,
    bytesSent: 0,
    polls: 0,
  };
  const lateness = (intentTime.getTime() - plan.scheduleTime.getTime()) / 1000;
  const known = { ...plan, dispatchLatenessSeconds: plan.dispatchLatenessSeconds ?? Math.max(0, lateness) };
  if (mark.publishId === undefined) {
    // What TikTok fetched of it was noted in the record that is lost: nothing is proven any more.
    const error = { code: 'OUTCOME_UNCONFIRMED' } as const;
    return { ...withAttempt(known, end(attempt, 'UNCONFIRMED', now, error)), state: 'UNCONFIRMED', error };
  }
  const sending = { ...withAttempt(known, attempt), state: 'PUBLISHING' } as const;
  // Its address is lost with the record, so that nobody can send what TikTok may lack.
  return mark.transfer === 'UPLOAD' ? { ...sending, phase: 'FINALIZING' } : { ...sending, phase: 'PROCESSING' };
}

/** Whether TikTok may hold the whole video of this pull, whatever the record knows of what was fetched. */
export const mayBeFetched = (attempt: LiveAttempt, marks: readonly Mark[]): boolean =>
  marks.some((mark) => mark.kind === 'FETCHED' && isSame(mark.intentTime, intentTimeOf(attempt)));
