import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Attempt } from '../../../src/domain/post/attempt.ts';
import {
  begin,
  cancel,
  confirmBytes,
  edit,
  finalize,
  hold,
  liveAttempt,
  type Post,
  process,
  resume,
  setAside,
  startOver,
  theAttempt,
  upload,
} from '../../../src/domain/post/post.ts';
import { retry } from '../../../src/domain/post/retry.ts';
import { meet, retryLater } from '../../../src/domain/post/setback.ts';
import { keepTrying, keepWaiting, type PublishStatus, takeVerdict } from '../../../src/domain/post/verdict.ts';
import { consequenceOf, type PublishError } from '../../../src/domain/publish-error.ts';
import { Secret } from '../../../src/domain/secret.ts';
import { anAttempt, aScheduledPost, everyPublishError, later } from '../../support/builders.ts';

/**
 * A post as anyone would draw it on paper. `WAITING`: nothing of it is at TikTok and it may begin; `TRYING`: an announcement is
 * on its way; `PAUSED`: TikTok took it on and it waits.
 */
type Place = 'WAITING' | 'TRYING' | 'UPLOADING' | 'PAUSED' | 'LAST BYTE' | 'OUT' | 'FAILED' | 'UNKNOWN' | 'CANCELLED';

/** One try, as TikTok's side and the paper know it. */
type Try = {
  publishId?: string;
  /** The last byte may have been sent. */
  complete: boolean;
  /** Why nothing can come of it any more. */
  proof?: 'NO ID' | 'TIKTOK SAID SO' | 'NO MORE BYTES' | 'NEVER COMPLETED';
};

type Model = { place: Place; tries: Try[]; risksAccepted: number; seconds: number; ids: number };
type Real = { post: Post };

const placeOf = (post: Post): Place => {
  switch (post.state) {
    case 'PREPARING':
    case 'SCHEDULED':
      return 'WAITING';
    case 'HELD':
      return liveAttempt(post) === undefined ? 'WAITING' : 'PAUSED';
    case 'PUBLISHING':
      if (post.phase === 'INITIALIZING') return liveAttempt(post) === undefined ? 'WAITING' : 'TRYING';
      return post.phase === 'UPLOADING' ? 'UPLOADING' : 'LAST BYTE';
    case 'PUBLISHED':
    case 'IN_CREATOR_INBOX':
      return 'OUT';
    case 'FAILED':
      return 'FAILED';
    case 'UNCONFIRMED':
      return 'UNKNOWN';
    case 'CANCELLED':
      return 'CANCELLED';
  }
};

const now = ({ seconds }: Model): Date => later(seconds);
const current = ({ tries }: Model): Try => {
  const last = tries.at(-1);
  if (last === undefined) throw new Error('nothing was tried');
  return last;
};
const isPublishing = <Phase extends string>(post: Post, ...phases: readonly Phase[]) =>
  post.state === 'PUBLISHING' && phases.includes(post.phase as Phase);
function uploading(post: Post) {
  if (post.state !== 'PUBLISHING' || post.phase !== 'UPLOADING') throw new Error(`it is ${post.state}`);
  return post;
}
function initializing(post: Post) {
  if (post.state !== 'PUBLISHING' || post.phase !== 'INITIALIZING') throw new Error(`it is ${post.state}`);
  return post;
}
function atTheEnd(post: Post) {
  if (post.state !== 'PUBLISHING' || post.phase === 'INITIALIZING' || post.phase === 'UPLOADING') {
    throw new Error(`it is ${post.state}`);
  }
  return post;
}

/** Of one try nothing that is known ever changes but its end, and the end only where nobody knew it. */
function expectSameTry(before: Attempt, after: Attempt | undefined): void {
  expect(after).toMatchObject({ number: before.number, startTime: before.startTime });
  if (before.publishId !== undefined) expect(after?.publishId).toBe(before.publishId);
  if (before.finalizeTime !== undefined) expect(after?.finalizeTime).toEqual(before.finalizeTime);
  if (before.outcome !== undefined && before.outcome !== 'UNCONFIRMED') expect(after).toEqual(before);
}

/** What holds after everything that may happen. */
function expectWhatHolds(model: Model, before: Post, { post }: Real): void {
  expect(placeOf(post)).toBe(model.place);
  const living = post.attempts.filter(({ outcome }) => outcome === undefined);
  expect(living.length, 'two live').toBeLessThanOrEqual(1);
  expect(living, 'one lives that is not the last').toEqual(living.length === 0 ? [] : post.attempts.slice(-1));
  for (const attempt of before.attempts) expectSameTry(attempt, post.attempts[attempt.number - 1]);
  expect(post.attempts.map(({ publishId }) => publishId)).toEqual(model.tries.map(({ publishId }) => publishId));
  // Whatever may still be a post was asked for: one, and one more for each risk that the caller took.
  const maybe = model.tries.filter(({ complete, proof }) => complete && proof === undefined);
  expect(maybe.length, 'two may go out').toBeLessThanOrEqual(1 + model.risksAccepted);
}

/** `happen` does both, on paper and for real. */
abstract class Event implements fc.Command<Model, Real> {
  abstract readonly from: readonly Place[];
  abstract happen(model: Model, real: Real): void;
  /** Where it ends, when that is one place. */
  check = ({ place }: Readonly<Model>): boolean => this.from.includes(place);
  run(model: Model, real: Real): void {
    const before = real.post;
    model.seconds += 1;
    this.happen(model, real);
    expectWhatHolds(model, before, real);
  }
  toString = (): string => this.constructor.name;
}

class Begins extends Event {
  readonly from = ['WAITING'] as const;
  happen(model: Model, real: Real): void {
    const { post } = real;
    if (post.state !== 'SCHEDULED' && post.state !== 'HELD' && !isPublishing(post, 'INITIALIZING')) {
      throw new Error(`${post.state} waits for nothing`);
    }
    // Only with the proof that nothing comes of any before, or with the caller's word.
    const open = model.tries.filter(({ proof }) => proof === undefined);
    expect(open.length, 'it began without proof').toBeLessThanOrEqual(model.risksAccepted);
    real.post = begin(post as Parameters<typeof begin>[0], { transfer: 'UPLOAD', plan: anAttempt().plan }, now(model));
    model.tries.push({ complete: false });
    model.place = 'TRYING';
  }
}

/** The answer never reached the record: without an id nothing can come of the try before. */
class IsTakenOver extends Event {
  readonly from = ['TRYING'] as const;
  happen(model: Model, real: Real): void {
    real.post = begin(initializing(real.post), { transfer: 'UPLOAD', plan: anAttempt().plan }, now(model));
    current(model).proof = 'NO ID';
    model.tries.push({ complete: false });
  }
}

class IsAnnounced extends Event {
  readonly from = ['TRYING'] as const;
  happen(model: Model, real: Real): void {
    model.ids += 1;
    const publishId = `v_pub~${model.ids}`;
    const post = initializing(real.post);
    real.post = upload(post, { ...theAttempt(post), publishId, uploadUrl: new Secret(`https://u/${publishId}`) });
    current(model).publishId = publishId;
    model.place = 'UPLOADING';
  }
}

/** The answer is lost, the process ends, or TikTok says no: without an id nobody can send a byte. */
class IsNotAnnounced extends Event {
  readonly from = ['TRYING'] as const;
  readonly error: PublishError;
  constructor(error: PublishError) {
    super();
    this.error = error;
  }
  happen(model: Model, real: Real): void {
    const over = startOver(initializing(real.post), 'ORPHANED', this.error, now(model));
    real.post = meet(over, this.error, { now: now(model), random: 0 }).post;
    current(model).proof = 'NO ID';
    model.place = consequenceOf(this.error).kind === 'FAIL' ? 'FAILED' : 'WAITING';
  }
  override toString = (): string => `IsNotAnnounced(${this.error.code})`;
}

class SendsBytes extends Event {
  readonly from = ['UPLOADING'] as const;
  happen(model: Model, real: Real): void {
    const post = uploading(real.post);
    const attempt = theAttempt(post);
    expect(attempt.publishId, 'a byte left before its publish id was stored').toBe(current(model).publishId);
    expect(attempt.publishId).toBeDefined();
    expect(attempt.uploadUrl?.reveal()).toBe(`https://u/${attempt.publishId}`);
    real.post = confirmBytes(post, attempt, attempt.bytesSent + 1);
  }
}

class SendsTheLastByte extends Event {
  readonly from = ['UPLOADING', 'LAST BYTE'] as const;
  readonly answered: boolean;
  constructor(answered: boolean) {
    super();
    this.answered = answered;
  }
  happen(model: Model, real: Real): void {
    const { post } = real;
    if (!isPublishing(post, 'UPLOADING', 'FINALIZING')) return;
    const sending = post as ReturnType<typeof uploading>;
    const stored = finalize(sending, theAttempt(sending), now(model));
    expect(theAttempt(stored).publishId).toBe(current(model).publishId);
    real.post = this.answered ? process(stored, theAttempt(stored)) : stored;
    current(model).complete = true;
    model.place = 'LAST BYTE';
  }
  override toString = (): string => `SendsTheLastByte(${this.answered ? 'answered' : 'not answered'})`;
}

/** Before the last byte: whoever would complete it would have to store FINALIZING first. */
class LosesItsAddress extends Event {
  readonly from = ['UPLOADING'] as const;
  readonly error: PublishError;
  constructor(error: PublishError) {
    super();
    this.error = error;
  }
  happen(model: Model, real: Real): void {
    const over = startOver(uploading(real.post), 'FAILED', this.error, now(model));
    real.post = meet(over, this.error, { now: now(model), random: 0 }).post;
    current(model).proof = 'NO MORE BYTES';
    model.place = consequenceOf(this.error).kind === 'FAIL' ? 'FAILED' : 'WAITING';
  }
  override toString = (): string => `LosesItsAddress(${this.error.code})`;
}

class MeetsASetback extends Event {
  readonly from = ['UPLOADING'] as const;
  happen(model: Model, real: Real): void {
    real.post = retryLater(uploading(real.post), { code: 'PLATFORM_UNAVAILABLE' }, { now: now(model), random: 0 }).post;
    model.place = real.post.state === 'HELD' ? 'PAUSED' : 'UPLOADING';
  }
}

class Pauses extends Event {
  readonly from = ['UPLOADING', 'PAUSED'] as const;
  happen(model: Model, real: Real): void {
    const { post } = real;
    real.post =
      post.state === 'HELD'
        ? resume(post)
        : hold(uploading(post), { reason: 'RECONNECT' }, { code: 'ACCOUNT_SESSION_INVALID' });
    model.place = post.state === 'HELD' ? 'UPLOADING' : 'PAUSED';
  }
}

class HasAVerdict extends Event {
  readonly from = ['UPLOADING', 'LAST BYTE', 'UNKNOWN'] as const;
  readonly status: PublishStatus;
  constructor(status: PublishStatus) {
    super();
    this.status = status;
  }
  happen(model: Model, real: Real): void {
    const { status } = this;
    // TikTok makes no post of what it does not have.
    if (status.state !== 'FAILED' && status.state !== 'WORKING' && !current(model).complete) return;
    const { post } = real;
    const step = takeVerdict(post as Parameters<typeof takeVerdict>[0], status, now(model));
    if (status.state === 'WORKING') {
      expect(step).toBeUndefined();
      if (model.place === 'LAST BYTE') {
        const waiting = atTheEnd(post);
        real.post = keepWaiting(waiting, theAttempt(waiting), now(model)).post;
        if (real.post.state === 'UNCONFIRMED') model.place = 'UNKNOWN';
      }
      return;
    }
    if (step === undefined) throw new Error('a verdict is a verdict');
    real.post = step.post;
    if (status.state !== 'FAILED') {
      model.place = 'OUT';
      return;
    }
    current(model).proof = 'TIKTOK SAID SO';
    // After the third failure, or when somebody may have posted it by hand since, only the caller tries again.
    model.place =
      model.place === 'UNKNOWN' || consequenceOf(status.error).kind === 'FAIL' || real.post.state === 'FAILED'
        ? 'FAILED'
        : 'WAITING';
  }
  override toString = (): string =>
    `HasAVerdict(${this.status.state}${this.status.state === 'FAILED' ? ` ${this.status.error.code}` : ''})`;
}

class CanNotBeAskedFor extends Event {
  readonly from = ['LAST BYTE'] as const;
  readonly error: PublishError;
  constructor(error: PublishError) {
    super();
    this.error = error;
  }
  happen(model: Model, real: Real): void {
    const post = atTheEnd(real.post);
    real.post = keepTrying(post, theAttempt(post), this.error, { now: now(model), random: 0 }).post;
    // Nothing but TikTok's word and the end of the day ends this.
    if (real.post.state === 'UNCONFIRMED') model.place = 'UNKNOWN';
  }
  override toString = (): string => `CanNotBeAskedFor(${this.error.code})`;
}

class WaitsADay extends Event {
  readonly from = ['LAST BYTE'] as const;
  happen(model: Model, real: Real): void {
    model.seconds += 86_400;
    const post = atTheEnd(real.post);
    real.post = keepWaiting(post, theAttempt(post), now(model)).post;
    model.place = 'UNKNOWN';
  }
}

class IsSetAside extends Event {
  readonly from = [
    'WAITING',
    'TRYING',
    'UPLOADING',
    'PAUSED',
    'LAST BYTE',
    'OUT',
    'FAILED',
    'UNKNOWN',
    'CANCELLED',
  ] as const;
  happen(model: Model, real: Real): void {
    real.post = setAside(real.post, 5, now(model));
    switch (model.place) {
      case 'LAST BYTE':
        model.place = 'UNKNOWN';
        return;
      case 'TRYING':
      case 'UPLOADING':
      case 'PAUSED':
        current(model).proof = 'NEVER COMPLETED';
        model.place = 'FAILED';
        return;
      case 'WAITING':
        model.place = 'FAILED';
    }
  }
}

class IsCancelled extends Event {
  readonly from = [
    'WAITING',
    'TRYING',
    'UPLOADING',
    'PAUSED',
    'LAST BYTE',
    'OUT',
    'FAILED',
    'UNKNOWN',
    'CANCELLED',
  ] as const;
  happen(model: Model, real: Real): void {
    const outcome = cancel(real.post, now(model));
    const inTime = ['WAITING', 'TRYING', 'UPLOADING', 'PAUSED', 'CANCELLED'].includes(model.place);
    expect(outcome.ok).toBe(inTime);
    if (!outcome.ok) {
      expect(outcome.error.code).toBe(model.place === 'FAILED' ? 'POST_ENDED' : 'POST_ALREADY_SENT');
      return;
    }
    real.post = outcome.value;
    if (['TRYING', 'UPLOADING', 'PAUSED'].includes(model.place)) current(model).proof = 'NEVER COMPLETED';
    model.place = 'CANCELLED';
  }
}

class IsEdited extends Event {
  readonly from = [
    'WAITING',
    'TRYING',
    'UPLOADING',
    'PAUSED',
    'LAST BYTE',
    'OUT',
    'FAILED',
    'UNKNOWN',
    'CANCELLED',
  ] as const;
  happen(model: Model, real: Real): void {
    const outcome = edit(real.post, { caption: `caption ${model.seconds}` });
    // What TikTok may have by now can't be changed any more.
    const open = model.place === 'FAILED' || (model.place === 'WAITING' && real.post.state !== 'PUBLISHING');
    expect(outcome.ok).toBe(open);
    if (outcome.ok) real.post = outcome.value;
  }
}

class IsRetried extends Event {
  readonly from = [
    'WAITING',
    'TRYING',
    'UPLOADING',
    'PAUSED',
    'LAST BYTE',
    'OUT',
    'FAILED',
    'UNKNOWN',
    'CANCELLED',
  ] as const;
  readonly acceptDuplicateRisk: boolean;
  constructor(acceptDuplicateRisk: boolean) {
    super();
    this.acceptDuplicateRisk = acceptDuplicateRisk;
  }
  happen(model: Model, real: Real): void {
    const outcome = retry(real.post, { acceptDuplicateRisk: this.acceptDuplicateRisk }, now(model));
    if (!outcome.ok) {
      expect(model.place === 'PAUSED', 'a paused post may always be hurried').toBe(false);
      return;
    }
    real.post = outcome.value;
    switch (model.place) {
      case 'UNKNOWN':
        expect(this.acceptDuplicateRisk, 'it may go out twice, and nobody accepted that').toBe(true);
        model.risksAccepted += 1;
        model.place = 'WAITING';
        return;
      case 'FAILED':
        model.place = 'WAITING';
        return;
      default:
        // Held: it is due at once, with its attempt where one lives.
        expect(['WAITING', 'PAUSED']).toContain(model.place);
    }
  }
  override toString = (): string => `IsRetried(${this.acceptDuplicateRisk ? 'at any risk' : 'without risk'})`;
}

const anyError = fc.constantFrom(...everyPublishError);
const verdicts: fc.Arbitrary<PublishStatus> = fc.oneof(
  fc.constantFrom<PublishStatus>(
    { state: 'WORKING' },
    { state: 'WORKING', uploadedBytes: 5 },
    { state: 'PUBLISHED', tiktokPostIds: ['7'] },
    { state: 'PUBLISHED', tiktokPostIds: [] },
    { state: 'IN_CREATOR_INBOX' },
  ),
  anyError.map((error): PublishStatus => ({ state: 'FAILED', error })),
);

const engine: readonly fc.Arbitrary<Event>[] = [
  fc.constant(new Begins()),
  fc.constant(new IsTakenOver()),
  fc.constant(new IsAnnounced()),
  anyError.map((error) => new IsNotAnnounced(error)),
  fc.constant(new SendsBytes()),
  fc.boolean().map((answered) => new SendsTheLastByte(answered)),
  anyError.map((error) => new LosesItsAddress(error)),
  fc.constant(new MeetsASetback()),
  fc.constant(new Pauses()),
  verdicts.map((status) => new HasAVerdict(status)),
  anyError.map((error) => new CanNotBeAskedFor(error)),
  fc.constant(new WaitsADay()),
];
// Now and then; else no post would live long.
const rare: readonly fc.Arbitrary<Event>[] = [
  fc.constant(new IsSetAside()),
  fc.constant(new IsCancelled()),
  fc.constant(new IsEdited()),
  fc.boolean().map((risk) => new IsRetried(risk)),
];

const seen = new Set<Place>();
const lives = fc.commands([...engine, ...engine, ...engine, ...rare], { maxCommands: 60, size: 'max' });

describe('a post and its paper model', () => {
  it('agree on where it is, what lives and what may be out, whatever happens in whatever order', () => {
    fc.assert(
      fc.property(lives, (events) => {
        const model: Model = { place: 'WAITING', tries: [], risksAccepted: 0, seconds: 0, ids: 0 };
        const real: Real = { post: aScheduledPost() };
        fc.modelRun(() => ({ model, real }), events);
        seen.add(model.place);
      }),
      { numRuns: 1500 },
    );
    expect([...seen].toSorted()).toEqual(
      ['CANCELLED', 'FAILED', 'LAST BYTE', 'OUT', 'PAUSED', 'TRYING', 'UNKNOWN', 'UPLOADING', 'WAITING'].toSorted(),
    );
  });
});
