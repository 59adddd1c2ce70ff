import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backOff, pollDelaySeconds } from '../../../src/domain/post/pacing.ts';
import { checkSchedule, dueTime } from '../../../src/domain/post/schedule.ts';
import { restingStep } from '../../../src/domain/post/step.ts';
import {
  aCancelledPost,
  aFailedPost,
  aHeldPost,
  anUnconfirmedPost,
  anUploadingPost,
  aPostInTheInbox,
  aPreparingPost,
  aPublishedPost,
  aScheduledPost,
  later,
  NOW,
} from '../../support/builders.ts';

const DAY = 86_400;

describe('a due time', () => {
  it('is now for a moment that has passed, for none, and for this very moment', () => {
    expect([dueTime(undefined, NOW), dueTime(later(-1), NOW), dueTime(NOW, NOW)]).toEqual([NOW, NOW, NOW]);
  });

  it('is the moment asked for when that is yet to come', () => {
    expect(dueTime(later(0.001), NOW)).toEqual(later(0.001));
  });

  it('is never in the past', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), fc.date({ noInvalidDate: true }), (wanted, now) => {
        expect(dueTime(wanted, now).getTime()).toBe(Math.max(wanted.getTime(), now.getTime()));
      }),
    );
  });
});

describe('a schedule', () => {
  it.each([
    ['none', undefined],
    ['the past', later(-400 * DAY)],
    ['a year and a leap day ahead', later(366 * DAY)],
  ])('may be %s', (_, wanted) => {
    expect(checkSchedule(wanted, NOW)).toEqual([]);
  });

  it('may not be further ahead than a year and a leap day', () => {
    expect(checkSchedule(later(366 * DAY + 0.001), NOW)).toMatchObject([
      {
        code: 'SCHEDULE_TOO_FAR',
        severity: 'ERROR',
        field: 'schedule_time',
        observed: '2027-11-23T10:00:00.001Z',
        limit: 'at most 2027-11-23T10:00:00.000Z',
      },
    ]);
  });
});

describe('a resting post is looked at', () => {
  it.each([
    ['at its time when it is scheduled', aScheduledPost({ scheduleTime: later(60) }), later(60)],
    ['at the end of its hold', aHeldPost({ hold: { reason: 'QUOTA', releaseTime: later(90) } }), later(90)],
    ['when it is woken from a hold without end', aHeldPost(), undefined],
    ['when its video is there', aPreparingPost({ scheduleTime: later(60) }), undefined],
    ['never again when it is published', aPublishedPost(), undefined],
    ['never again when it is in the inbox', aPostInTheInbox(), undefined],
    ['never again when it failed', aFailedPost(), undefined],
    ['never again when it was cancelled', aCancelledPost(), undefined],
    ['by its worker when it is publishing', anUploadingPost(), undefined],
    ['by its worker when it is unconfirmed', anUnconfirmedPost(), undefined],
  ])('%s', (_, post, nextActionTime) => {
    expect(restingStep(post)).toEqual(nextActionTime === undefined ? { post } : { post, nextActionTime });
  });
});

describe('pacing', () => {
  it('asks for the verdict soon at first, then once a minute', () => {
    expect(Array.from({ length: 10 }, (_, polls) => pollDelaySeconds(polls))).toEqual([
      1, 2, 5, 5, 10, 20, 40, 60, 60, 60,
    ]);
  });

  it('never asks more than 30 times a minute', () => {
    const delays = Array.from({ length: 60 }, (_, polls) => pollDelaySeconds(polls));
    const moments = delays.map((_, index) => delays.slice(0, index + 1).reduce((sum, delay) => sum + delay, 0));
    for (const start of moments) {
      expect(moments.filter((moment) => moment >= start && moment < start + 60).length).toBeLessThanOrEqual(30);
    }
  });

  it('backs off ever longer, up to five minutes', () => {
    expect([1, 2, 3, 4, 5, 100].map(backOff)).toEqual([5, 20, 80, 300, 300, 300]);
  });
});
