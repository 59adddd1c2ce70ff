import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { liveAttempt } from '../../../src/domain/post/post.ts';
import { meet, retryLater } from '../../../src/domain/post/setback.ts';
import { consequenceOf, type PublishError } from '../../../src/domain/publish-error.ts';
import { anInitializingPost, anUploadingPost, everyPublishError, later, NOW } from '../../support/builders.ts';

const DOWN: PublishError = { code: 'PLATFORM_UNAVAILABLE' };
const at = (random: number) => ({ now: NOW, random });
const posts = [
  ['INITIALIZING', (setbacks: number) => anInitializingPost({ setbacks, attempts: [] })],
  ['UPLOADING', (setbacks: number) => anUploadingPost({ setbacks })],
] as const;

describe.each(posts)('a post that is %s and meets a setback', (_, build) => {
  it.each([
    [1, 5],
    [2, 20],
    [3, 80],
    [4, 300],
    [5, 300],
    [50, 300],
  ])('tries again after the %i. in a row in %i s, and up to a quarter later', (setbacks, seconds) => {
    for (const random of [0, 0.5, 1]) {
      const step = retryLater(build(setbacks - 1), DOWN, at(random));
      expect(step.post).toMatchObject({ setbacks, error: DOWN });
      expect(step.nextActionTime).toEqual(later(seconds * (1 + random / 4)));
    }
  });

  it('says from the fourth on that it waits for TikTok, and keeps what it has there', () => {
    const post = build(3);
    const step = retryLater(post, DOWN, at(0));
    expect(step.post).toMatchObject({
      state: 'HELD',
      hold: { reason: 'PLATFORM_OUTAGE', releaseTime: later(300) },
      error: DOWN,
      setbacks: 4,
    });
    expect(liveAttempt(step.post)).toEqual(liveAttempt(post));
    expect(retryLater(build(2), DOWN, at(0)).post.state).toBe('PUBLISHING');
  });

  it.each([{ code: 'MEDIA_PULL_FAILED' }, { code: 'APP_CREDENTIALS_REJECTED' }] as const)(
    'does not say that it waits for TikTok when it is $code',
    (error) => {
      expect(retryLater(build(9), error, at(0))).toMatchObject({
        post: { state: 'PUBLISHING', setbacks: 10, error },
        nextActionTime: later(300),
      });
    },
  );

  it('counts no setback when it is slowed down, however often, and comes back when it may', () => {
    const told: PublishError = { code: 'UPSTREAM_RATE_LIMITED', retryTime: later(17) };
    expect(retryLater(build(9), told, at(0.5))).toMatchObject({
      post: { state: 'PUBLISHING', setbacks: 9, error: told },
      nextActionTime: later(22),
    });
    const untold: PublishError = { code: 'UPSTREAM_RATE_LIMITED' };
    expect(retryLater(build(9), untold, at(1))).toMatchObject({
      post: { setbacks: 9, error: untold },
      nextActionTime: later(70),
    });
  });

  it.each(everyPublishError.map((error) => [error.code, error] as const))('meets %s as that is meant', (__, error) => {
    const step = meet(build(0), error, at(0));
    const consequence = consequenceOf(error);
    switch (consequence.kind) {
      case 'HOLD_RECONNECT':
        expect(step).toMatchObject({ post: { state: 'HELD', hold: { reason: 'RECONNECT' }, error } });
        expect(step).not.toHaveProperty('nextActionTime');
        break;
      case 'HOLD_QUOTA': {
        const releaseTime = later(consequence.seconds);
        expect(step).toMatchObject({
          post: { state: 'HELD', hold: { reason: 'QUOTA', releaseTime }, error },
          nextActionTime: releaseTime,
        });
        break;
      }
      case 'BACK_OFF':
        expect(step.post).toMatchObject({ state: 'PUBLISHING', error });
        expect(step.nextActionTime?.getTime()).toBeGreaterThan(NOW.getTime());
        break;
      case 'FAIL':
        expect(step.post).toMatchObject({ state: 'FAILED', error });
        expect(liveAttempt(step.post)).toBeUndefined();
        expect(step).not.toHaveProperty('nextActionTime');
    }
  });

  it('never comes back in step with others, and never before its time nor long after', () => {
    fc.assert(
      fc.property(fc.nat({ max: 20 }), fc.double({ min: 0, max: 1, noNaN: true }), (setbacks, random) => {
        const { nextActionTime } = retryLater(build(setbacks), DOWN, at(random));
        const seconds = ((nextActionTime ?? NOW).getTime() - NOW.getTime()) / 1000;
        expect(seconds).toBeGreaterThanOrEqual(Math.min(5 * 4 ** setbacks, 300));
        expect(seconds).toBeLessThanOrEqual(375);
      }),
    );
  });
});
