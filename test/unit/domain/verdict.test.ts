import { describe, expect, it } from 'vitest';
import type { Finalizing, Post, Processing, Unconfirmed, Uploading } from '../../../src/domain/post/post.ts';
import { liveAttempt } from '../../../src/domain/post/post.ts';
import {
  afterPublished,
  keepTrying,
  keepWaiting,
  type PublishStatus,
  takeVerdict,
} from '../../../src/domain/post/verdict.ts';
import { consequenceOf } from '../../../src/domain/publish-error.ts';
import {
  aFinalizingPost,
  anAnnouncedAttempt,
  anEndedAttempt,
  anUnconfirmedPost,
  anUploadingPost,
  aProcessingPost,
  aPublishedPost,
  everyPublishError,
  later,
  NOW,
  someSettings,
} from '../../support/builders.ts';

const UNAVAILABLE = { code: 'PLATFORM_UNAVAILABLE' } as const;
const AT = later(100);
type Asked = Uploading | Finalizing | Processing | Unconfirmed;
const asked: readonly (readonly [string, () => Asked])[] = [
  ['UPLOADING', () => anUploadingPost()],
  ['FINALIZING', () => aFinalizingPost()],
  ['PROCESSING', () => aProcessingPost()],
  ['UNCONFIRMED', () => anUnconfirmedPost()],
];

function take(post: Asked, status: PublishStatus) {
  const step = takeVerdict(post, status, AT);
  if (step === undefined) throw new Error('no verdict');
  return step;
}

describe.each(asked)('the verdict over a post that is %s', (name, build) => {
  it('is open while TikTok works on it', () => {
    expect(takeVerdict(build(), { state: 'WORKING' }, AT)).toBeUndefined();
    expect(takeVerdict(build(), { state: 'WORKING', uploadedBytes: 10_000_000 }, AT)).toBeUndefined();
  });

  it('PUBLISHED publishes it, with the ids TikTok told', () => {
    const { post, nextActionTime } = take(build(), { state: 'PUBLISHED', tiktokPostIds: ['7', '8'] });
    expect(post).toMatchObject({ state: 'PUBLISHED', publishTime: AT, tiktokPostIds: ['7', '8'], setbacks: 0 });
    expect(nextActionTime).toBeUndefined();
    if (name !== 'UNCONFIRMED') expect(post.attempts).toMatchObject([{ outcome: 'PUBLISHED', endTime: AT }]);
  });

  it('PUBLISHED without an id publishes it, and the id is asked for soon', () => {
    const step = take(build(), { state: 'PUBLISHED', tiktokPostIds: [] });
    expect(step).toMatchObject({ post: { state: 'PUBLISHED', tiktokPostIds: [] }, nextActionTime: later(102) });
  });

  it('IN_CREATOR_INBOX ends it there', () => {
    const step = take(build(), { state: 'IN_CREATOR_INBOX' });
    expect(step).toMatchObject({ post: { state: 'IN_CREATOR_INBOX', publishTime: AT } });
    expect(step.nextActionTime).toBeUndefined();
  });

  it.each(everyPublishError.map((error) => [error.code, error] as const))(
    'FAILED with %s does what that means',
    (_, error) => {
      const { post, nextActionTime } = take(build(), { state: 'FAILED', error });
      const consequence = consequenceOf(error);
      expect(liveAttempt(post)).toBeUndefined();
      if (name === 'UNCONFIRMED' || consequence.kind === 'FAIL') {
        expect([post, nextActionTime]).toMatchObject([{ state: 'FAILED', error, edited: false }, undefined]);
        return;
      }
      expect(post.attempts).toMatchObject([{ outcome: 'FAILED', endTime: AT, error }]);
      switch (consequence.kind) {
        case 'HOLD_RECONNECT':
          expect([post, nextActionTime]).toMatchObject([
            { state: 'HELD', hold: { reason: 'RECONNECT' }, error },
            undefined,
          ]);
          break;
        case 'HOLD_QUOTA': {
          const releaseTime = later(consequence.seconds, AT);
          expect([post, nextActionTime]).toMatchObject([
            { state: 'HELD', hold: { reason: 'QUOTA', releaseTime }, error },
            releaseTime,
          ]);
          break;
        }
        case 'BACK_OFF':
          expect([post, nextActionTime]).toMatchObject([
            { state: 'PUBLISHING', phase: 'INITIALIZING', error },
            later(105),
          ]);
      }
    },
  );
});

describe('a failure that may pass', () => {
  const third = (attempts: readonly ReturnType<typeof anEndedAttempt>[]) =>
    aProcessingPost({ attempts: [...attempts, anAnnouncedAttempt({ number: 3, finalizeTime: NOW })] });

  it('ends the post at the third attempt, each try waiting longer', () => {
    const second = aProcessingPost({
      attempts: [anEndedAttempt(), anAnnouncedAttempt({ number: 2, finalizeTime: NOW })],
    });
    expect(take(second, { state: 'FAILED', error: UNAVAILABLE })).toMatchObject({
      post: { state: 'PUBLISHING', phase: 'INITIALIZING' },
      nextActionTime: later(120),
    });
    const post = third([anEndedAttempt(), anEndedAttempt({ number: 2 })]);
    expect(take(post, { state: 'FAILED', error: UNAVAILABLE }).post).toMatchObject({
      state: 'FAILED',
      error: UNAVAILABLE,
    });
  });

  it('does not count attempts that TikTok never took on, or that were before a retry', () => {
    const { publishId: _, ...orphan } = anEndedAttempt({ outcome: 'ORPHANED' });
    const old = anEndedAttempt({ number: 2, startTime: later(-3600) });
    expect(take(third([orphan, old]), { state: 'FAILED', error: UNAVAILABLE }).post).toMatchObject({
      state: 'PUBLISHING',
    });
  });
});

describe('waiting for a verdict', () => {
  it.each([
    ['FINALIZING', aFinalizingPost()],
    ['PROCESSING', aProcessingPost()],
  ] as const)('of a post that is %s goes on a little more slowly each time', (_, post) => {
    const attempt = anAnnouncedAttempt({ finalizeTime: NOW, polls: 3 });
    expect(keepWaiting(post, attempt, AT)).toEqual({
      post: { ...post, attempts: [{ ...attempt, polls: 4 }] },
      nextActionTime: later(105),
    });
  });

  it('ends after 24 hours, honestly', () => {
    const attempt = anAnnouncedAttempt({ finalizeTime: NOW });
    const post = aProcessingPost({ attempts: [attempt] });
    expect(keepWaiting(post, attempt, later(86_399.999)).post.state).toBe('PUBLISHING');
    const step = keepWaiting(post, attempt, later(86_400));
    expect(step).toMatchObject({
      post: {
        state: 'UNCONFIRMED',
        error: { code: 'OUTCOME_UNCONFIRMED' },
        attempts: [{ outcome: 'UNCONFIRMED', publishId: 'v_pub_file~1' }],
      },
      nextActionTime: later(87_000),
    });
  });

  it('counts from the last byte, or from the start where that is not known', () => {
    const { finalizeTime: _, ...attempt } = anAnnouncedAttempt({ startTime: NOW });
    expect(keepWaiting(aProcessingPost({ attempts: [attempt] }), attempt, later(86_400)).post.state).toBe(
      'UNCONFIRMED',
    );
    const late = { ...attempt, finalizeTime: later(3600) };
    expect(keepWaiting(aProcessingPost({ attempts: [late] }), late, later(86_400)).post.state).toBe('PUBLISHING');
  });
});

describe('a verdict that could not be asked for', () => {
  const DOWN = { code: 'PLATFORM_UNAVAILABLE', tiktokCode: 'internal_error' } as const;
  const attempt = anAnnouncedAttempt({ finalizeTime: NOW, polls: 7 });
  const waiting = [
    ['FINALIZING', aFinalizingPost({ attempts: [attempt] })],
    ['PROCESSING', aProcessingPost({ attempts: [attempt] })],
  ] as const;

  describe.each(waiting)('for a post that is %s', (_, post) => {
    it.each([
      [0, 5],
      [1, 20],
      [2, 60],
      [3, 60],
      [99, 60],
    ])('is asked for again after %i setbacks, and a minute later at last', (setbacks, seconds) => {
      expect(keepTrying({ ...post, setbacks }, attempt, DOWN, { now: AT, random: 0 })).toEqual({
        post: { ...post, setbacks: setbacks + 1, error: DOWN },
        nextActionTime: later(seconds, AT),
      });
    });

    it.each(everyPublishError.map((error) => [error.code, error] as const))(
      'leaves the post open at %s',
      (__, error) => {
        const step = keepTrying(post, attempt, error, { now: AT, random: 0 });
        expect(step.post).toMatchObject({ state: 'PUBLISHING', phase: post.phase, attempts: [attempt] });
        expect(step.nextActionTime).toBeDefined();
      },
    );

    it('is no setback when it is not our turn, and each post comes back at a moment of its own', () => {
      const early = { code: 'UPSTREAM_RATE_LIMITED', retryTime: later(40, AT) } as const;
      for (const [random, seconds] of [
        [0, 40],
        [0.5, 55],
        [1, 70],
      ] as const) {
        expect(keepTrying(post, attempt, early, { now: AT, random })).toEqual({
          post,
          nextActionTime: later(seconds, AT),
        });
      }
      const untold = { code: 'UPSTREAM_RATE_LIMITED' } as const;
      expect(keepTrying(post, attempt, untold, { now: AT, random: 0 }).nextActionTime).toEqual(later(60, AT));
    });

    it('leaves the outcome open after a day, whyever it could not be asked for', () => {
      const errors = [DOWN, { code: 'UPSTREAM_RATE_LIMITED' }, { code: 'ACCOUNT_SESSION_INVALID' }] as const;
      for (const error of errors) {
        expect(keepTrying(post, attempt, error, { now: later(86_399.999), random: 0 }).post.state).toBe('PUBLISHING');
        expect(keepTrying(post, attempt, error, { now: later(86_400), random: 0 }).post).toMatchObject({
          state: 'UNCONFIRMED',
          error: { code: 'OUTCOME_UNCONFIRMED' },
        });
      }
    });
  });
});

describe('the link of a published post', () => {
  it.each<[string, Partial<ReturnType<typeof aPublishedPost>>, number, number | undefined]>([
    ['is asked for after two seconds', {}, 0, 2],
    ['is asked for ever more rarely', {}, 100, 200],
    ['is asked for every ten minutes at last', {}, 3600, 4200],
    ['is asked for during two days', {}, 172_800, 173_400],
    ['is given up after two days', {}, 172_801, undefined],
    ['is not asked for when it is known', { tiktokPostIds: ['7'] }, 0, undefined],
    ['is not expected of a draft', { settings: someSettings({ draft: true }) }, 0, undefined],
    [
      'is not expected for friends only',
      { settings: someSettings({ privacyLevel: 'MUTUAL_FOLLOW_FRIENDS' }) },
      0,
      undefined,
    ],
  ])('%s', (_, parts, age, next) => {
    const post: Post & { state: 'PUBLISHED' } = aPublishedPost(parts);
    expect(afterPublished(post, later(age))).toEqual(
      next === undefined ? { post } : { post, nextActionTime: later(next) },
    );
  });
});
