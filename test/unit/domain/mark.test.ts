import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  announcedMark,
  type Mark,
  mayBeFetched,
  pullMark,
  recall,
  type Sending,
} from '../../../src/domain/post/mark.ts';
import { theAttempt } from '../../../src/domain/post/post.ts';
import {
  aFinalizingPost,
  aHeldPost,
  anAnnouncedAttempt,
  anAttempt,
  anEndedAttempt,
  anInitializingPost,
  anUploadingPost,
  aScheduledPost,
  later,
  NOW,
} from '../../support/builders.ts';

/** Of an attempt that began so many seconds after those of the builders. */
const announced = (seconds: number, parts: object = {}) =>
  announcedMark(anAnnouncedAttempt({ publishId: `lost~${seconds}`, startTime: later(seconds), ...parts }));
const pulled = (seconds: number, parts: object = {}) =>
  announcedMark(anAttempt({ transfer: 'PULL', startTime: later(seconds), finalizeTime: later(seconds), ...parts }));

const SENDING: readonly [string, Sending][] = [
  ['SCHEDULED', aScheduledPost()],
  ['HELD', aHeldPost()],
  ['HELD with an attempt', aHeldPost({ attempts: [anAnnouncedAttempt()] })],
  ['INITIALIZING', anInitializingPost()],
  ['UPLOADING', anUploadingPost()],
  ['FINALIZING', aFinalizingPost()],
];

describe('OPS-04 recalling what a restored record has forgotten', () => {
  it.each(SENDING)('leaves a post that is %s as it is when it knows all of its marks', (_, post) => {
    const known = post.attempts.map((attempt) => announcedMark(attempt));
    expect(recall(post, known, NOW)).toBeUndefined();
    expect(recall(post, [...known, ...known], NOW)).toBeUndefined();
  });

  it.each(SENDING)('asks for a forgotten upload before anything is sent of a post that is %s', (_, post) => {
    const recalled = recall(post, [announced(60)], NOW);
    expect(recalled).toMatchObject({ state: 'PUBLISHING', phase: 'FINALIZING' });
    expect(recalled?.attempts.at(-1)).toEqual({
      number: post.attempts.length + 1,
      transfer: 'UPLOAD',
      plan: anAttempt().plan,
      publishId: 'lost~60',
      startTime: later(60),
      finalizeTime: later(60),
      uploadExpireTime: later(3600),
      bytesSent: 0,
      polls: 0,
    });
    // Of those before it nothing can come: it was begun.
    expect(recalled?.attempts.slice(0, -1).map(({ outcome }) => outcome)).toEqual(post.attempts.map(() => 'ORPHANED'));
  });

  it.each(SENDING)('asks for a forgotten pull before anything is sent of a post that is %s', (_, post) => {
    const recalled = recall(post, [pulled(60), pulled(60, { publishId: 'lost~60' })], NOW);
    expect(recalled).toMatchObject({ state: 'PUBLISHING', phase: 'PROCESSING' });
    expect(recalled?.attempts.at(-1)).toMatchObject({ publishId: 'lost~60', transfer: 'PULL' });
  });

  it('learns the id of an attempt it knows the intent of', () => {
    const post = anInitializingPost();
    const recalled = recall(post, [announced(0)], NOW);
    expect(recalled?.attempts).toHaveLength(1);
    expect(recalled?.attempts[0]).toMatchObject({ number: 1, publishId: 'lost~0', startTime: NOW });
    const pull = aFinalizingPost({ attempts: [anAttempt({ transfer: 'PULL', finalizeTime: NOW })] });
    expect(recall(pull, [pulled(0), pulled(0, { publishId: 'lost~0' })], NOW)).toMatchObject({
      phase: 'PROCESSING',
      attempts: [{ number: 1, publishId: 'lost~0' }],
    });
  });

  it('knows a pull by its intent, and judges it by its evidence', () => {
    const attempt = anAttempt({ transfer: 'PULL', finalizeTime: NOW });
    const post = aFinalizingPost({ attempts: [attempt] });
    expect(recall(post, [pulled(0)], NOW)).toBeUndefined();
    expect(mayBeFetched(theAttempt(post), [pulled(0)])).toBe(false);
    expect(mayBeFetched(theAttempt(post), [pullMark('FETCHED', anAttempt({ startTime: later(1) }))])).toBe(false);
    expect(mayBeFetched(theAttempt(post), [pulled(0), pullMark('FETCHED', attempt)])).toBe(true);
  });

  it('can prove nothing of a forgotten pull without an id, unless it came to nothing', () => {
    const lost = anAttempt({ transfer: 'PULL', startTime: later(60), finalizeTime: later(60) });
    expect(recall(aScheduledPost(), [pulled(60)], later(99))).toMatchObject({
      state: 'UNCONFIRMED',
      error: { code: 'OUTCOME_UNCONFIRMED' },
      attempts: [
        { number: 1, outcome: 'UNCONFIRMED', startTime: later(60), finalizeTime: later(60), endTime: later(99) },
      ],
    });
    expect(recall(aScheduledPost(), [pulled(60), pullMark('CAME_TO_NOTHING', lost)], NOW)).toBeUndefined();
    expect(recall(aScheduledPost(), [pulled(61), pullMark('CAME_TO_NOTHING', lost)], NOW)).toMatchObject({
      state: 'UNCONFIRMED',
    });
  });

  it('comes to each forgotten attempt, the latest first, and to none twice', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.record({ seconds: fc.integer({ min: 1, max: 500 }), pull: fc.boolean(), id: fc.boolean() }), {
          selector: ({ seconds }) => seconds,
          maxLength: 6,
        }),
        (lost) => {
          const marks: readonly Mark[] = lost.map(({ seconds, pull, id }) =>
            pull ? pulled(seconds, id ? { publishId: `lost~${seconds}` } : {}) : announced(seconds),
          );
          const times: number[] = [];
          let attempts = aScheduledPost({ attempts: [anEndedAttempt()] }).attempts;
          for (let left = lost.length; left > 0; left -= 1) {
            const recalled = recall(aScheduledPost({ attempts }), marks, NOW);
            const last = recalled?.attempts.at(-1);
            if (recalled === undefined || last === undefined) throw new Error('nothing was recalled');
            times.push((last.startTime.getTime() - NOW.getTime()) / 1000);
            // TikTok says that it is dead.
            attempts = recalled.attempts.map((attempt) => ({ outcome: 'FAILED' as const, ...attempt }));
            expect(attempts.map(({ number }) => number)).toEqual(attempts.map((_, index) => index + 1));
          }
          expect(times).toEqual(lost.map(({ seconds }) => seconds).sort((left, right) => right - left));
          expect(recall(aScheduledPost({ attempts }), marks, NOW)).toBeUndefined();
        },
      ),
    );
  });

  it.each(SENDING)('cancels a post that is %s again, unless its last byte may be out', (state, post) => {
    const recalled = recall(post, [{ kind: 'CANCELLED' }], NOW);
    if (state === 'FINALIZING') expect(recalled).toBeUndefined();
    else expect(recalled).toMatchObject({ state: 'CANCELLED' });
  });

  it('tells how late the forgotten attempt was, when the record knows of none', () => {
    const due = { scheduleTime: later(30) };
    expect(recall(aScheduledPost(due), [announced(42)], NOW)).toMatchObject({ dispatchLatenessSeconds: 12 });
    expect(recall(aScheduledPost(due), [announced(10)], NOW)).toMatchObject({ dispatchLatenessSeconds: 0 });
    const known = aScheduledPost({ ...due, dispatchLatenessSeconds: 3 });
    expect(recall(known, [announced(42)], NOW)).toMatchObject({ dispatchLatenessSeconds: 3 });
  });
});
