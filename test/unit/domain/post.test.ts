import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  awaitStart,
  awaitTurn,
  begin,
  cancel,
  confirmBytes,
  deliveredToInbox,
  edit,
  fail,
  failedAttempts,
  finalize,
  giveUpWaiting,
  type Held,
  hidden,
  hold,
  type Initializing,
  liveAttempt,
  type Post,
  type PostState,
  planOf,
  polled,
  process,
  published,
  resume,
  type Scheduled,
  schedule,
  sentAttempt,
  setAside,
  setBack,
  startOver,
  upload,
} from '../../../src/domain/post/post.ts';
import { retry } from '../../../src/domain/post/retry.ts';
import { err, ok } from '../../../src/domain/result.ts';
import {
  aCancelledPost,
  aFailedPost,
  aFinalizingPost,
  aHeldPost,
  anAnnouncedAttempt,
  anAttempt,
  anEndedAttempt,
  anInitializingPost,
  anUnconfirmedPost,
  anUploadingPost,
  aPlan,
  aPostInTheInbox,
  aPreparingPost,
  aProcessingPost,
  aPublishedPost,
  aScheduledPost,
  later,
  NOW,
  someSettings,
} from '../../support/builders.ts';

const UNAVAILABLE = { code: 'PLATFORM_UNAVAILABLE' } as const;
const held = anUploadingPost();
const each: readonly Post[] = [
  aPreparingPost(),
  aScheduledPost(),
  anInitializingPost(),
  anUploadingPost(),
  aFinalizingPost(),
  aProcessingPost(),
  aHeldPost(),
  hold(held, { reason: 'QUOTA', releaseTime: later(60) }, UNAVAILABLE),
  aPublishedPost(),
  aPostInTheInbox(),
  aFailedPost(),
  anUnconfirmedPost(),
  aCancelledPost(),
];
const nameOf = (post: Post): string =>
  post.state === 'PUBLISHING'
    ? post.phase
    : liveAttempt(post) === undefined
      ? post.state
      : `${post.state} while uploading`;
const named = each.map((post) => [nameOf(post), post] as const);

describe('cancelling', () => {
  it.each(named)('a post that is %s', (name, post) => {
    const outcome = cancel(post, NOW);
    switch (name) {
      case 'PREPARING':
      case 'SCHEDULED':
      case 'INITIALIZING':
      case 'UPLOADING':
      case 'HELD':
      case 'HELD while uploading':
      case 'CANCELLED':
        expect(outcome).toMatchObject(ok({ state: 'CANCELLED' }));
        expect(outcome.ok && liveAttempt(outcome.value)).toBeUndefined();
        break;
      case 'FAILED':
        expect(outcome).toEqual(err({ code: 'POST_ENDED', state: post.state }));
        break;
      default:
        expect(outcome).toEqual(err({ code: 'POST_ALREADY_SENT', state: post.state }));
    }
  });
});

describe('editing', () => {
  const change = { caption: 'New', labels: { a: 'b' } };
  it.each(named)('a post that is %s', (name, post) => {
    const outcome = edit(post, change);
    switch (name) {
      case 'PREPARING':
      case 'SCHEDULED':
      case 'HELD':
        expect(outcome).toEqual(ok({ ...post, ...change }));
        break;
      case 'FAILED':
        expect(outcome).toEqual(ok({ ...post, ...change, edited: true }));
        break;
      default:
        expect(outcome).toEqual(err({ code: 'POST_ALREADY_STARTED', state: post.state }));
    }
  });

  it('the time of a post that was held for being late schedules it anew', () => {
    const late = aHeldPost({ hold: { reason: 'LATE' }, error: { code: 'SCHEDULE_MISSED', latenessSeconds: 9 } });
    const { hold: _, error: __, ...plan } = late;
    expect(edit(late, { scheduleTime: later(60) })).toEqual(
      ok({ ...plan, state: 'SCHEDULED', scheduleTime: later(60) }),
    );
    expect(edit(late, { caption: 'New' })).toMatchObject(ok({ state: 'HELD', caption: 'New' }));
  });

  it('changes only what is named', () => {
    const post = aScheduledPost();
    expect(edit(post, {})).toEqual(ok(post));
    expect(edit(post, { settings: someSettings({ allowDuet: true }) })).toEqual(
      ok({ ...post, settings: someSettings({ allowDuet: true }) }),
    );
  });
});

describe('retrying', () => {
  const risk = { acceptDuplicateRisk: true };
  const noRisk = { acceptDuplicateRisk: false };

  it.each(named)('a post that is %s', (name, post) => {
    const outcome = retry(post, risk, later(60));
    switch (name) {
      case 'HELD':
      case 'UNCONFIRMED':
        expect(outcome).toEqual(ok({ ...planOf(post), state: 'SCHEDULED', scheduleTime: later(60), setbacks: 0 }));
        break;
      case 'HELD while uploading':
        expect(outcome).toEqual(
          ok({ ...post, scheduleTime: later(60), hold: { reason: 'QUOTA', releaseTime: later(60) } }),
        );
        break;
      case 'FAILED':
        expect(outcome).toMatchObject(err({ code: 'POST_NOT_RETRYABLE', error: { code: 'CONTENT_FLAGGED' } }));
        break;
      default:
        expect(outcome).toEqual(err({ code: 'POST_NOT_RETRYABLE', state: post.state }));
    }
  });

  it('an unconfirmed post needs the risk accepted that it goes out twice', () => {
    const post = anUnconfirmedPost();
    expect(retry(post, noRisk, NOW)).toEqual(err({ code: 'DUPLICATE_RISK_NOT_ACCEPTED', state: 'UNCONFIRMED' }));
  });

  it('a failed post needs a cause that may have passed, or a change', () => {
    expect(retry(aFailedPost({ error: UNAVAILABLE }), noRisk, NOW)).toMatchObject(ok({ state: 'SCHEDULED' }));
    expect(retry(aFailedPost({ edited: true }), noRisk, NOW)).toMatchObject(ok({ state: 'SCHEDULED' }));
    expect(retry(aFailedPost(), noRisk, NOW)).toMatchObject({ ok: false });
  });

  it('keeps the attempts, and counts failures from here', () => {
    const attempts = [anEndedAttempt(), anEndedAttempt({ number: 2 }), anEndedAttempt({ number: 3 })];
    const post = aFailedPost({ attempts, error: UNAVAILABLE, setbacks: 4 });
    expect(failedAttempts(post)).toBe(3);
    const outcome = retry(post, noRisk, later(600));
    if (!outcome.ok) throw new Error('refused');
    expect(outcome.value.attempts).toEqual(attempts);
    expect(failedAttempts(outcome.value)).toBe(0);
  });
});

describe('setting aside a post that ended its workers', () => {
  it.each(named)('that is %s', (name, post) => {
    const aside = setAside(post, 5, later(60));
    switch (name) {
      case 'PREPARING':
      case 'SCHEDULED':
      case 'HELD':
      case 'HELD while uploading':
      case 'INITIALIZING':
      case 'UPLOADING': {
        const cause = { code: 'CONNECTOR_FAILED', crashes: 5 } as const;
        expect(aside).toEqual(fail(post, cause, later(60)));
        expect(aside).toMatchObject({ state: 'FAILED', error: cause, edited: false });
        expect(liveAttempt(aside)).toBeUndefined();
        break;
      }
      case 'FINALIZING':
      case 'PROCESSING':
        expect(aside).toMatchObject({
          state: 'UNCONFIRMED',
          error: { code: 'OUTCOME_UNCONFIRMED' },
          attempts: [{ publishId: 'v_pub_file~1', outcome: 'UNCONFIRMED', endTime: later(60) }],
        });
        break;
      default:
        expect(aside).toBe(post);
    }
  });
});

describe('the link of a post', () => {
  it('is for everyone once TikTok tells its id, and only then', () => {
    expect(published(aProcessingPost(), [], NOW)).toMatchObject({ tiktokPostIds: [], publiclyAvailable: false });
    expect(published(aProcessingPost(), ['7'], NOW)).toMatchObject({ tiktokPostIds: ['7'], publiclyAvailable: true });
  });

  it('leads nowhere once the post is hidden, keeps its id, and leads there again when it is back', () => {
    const out = published(aProcessingPost(), ['7'], NOW);
    const away = hidden(out);
    expect(away).toEqual({ ...out, publiclyAvailable: false });
    expect(published(away, ['7'], later(9))).toEqual(out);
  });
});

describe('a turn', () => {
  it.each([
    ['SCHEDULED', aScheduledPost()],
    ['INITIALIZING', anInitializingPost()],
    ['HELD', aHeldPost()],
  ] as const)('is noted by a post that is %s, and changes nothing else', (_, post) => {
    expect(awaitTurn(post, later(62))).toEqual({ ...post, turnTime: later(62) });
  });

  it('is used up by the attempt it was for', () => {
    const attempt = { transfer: 'UPLOAD', plan: anAttempt().plan } as const;
    const begun = begin(awaitTurn(aScheduledPost(), later(62)), attempt, later(62));
    expect(begun).not.toHaveProperty('turnTime');
    expect(planOf(awaitTurn(aHeldPost(), later(62)))).not.toHaveProperty('turnTime');
  });
});

describe('attempts', () => {
  it('that are counted as failed were taken on by TikTok, and since the last schedule', () => {
    const { publishId: _, ...unannounced } = anEndedAttempt();
    const attempts = [
      anEndedAttempt(),
      unannounced,
      anEndedAttempt({ outcome: 'ORPHANED' }),
      anEndedAttempt({ startTime: later(-1) }),
      anAnnouncedAttempt(),
    ];
    expect(failedAttempts(aPlan({ attempts, scheduleTime: NOW }))).toBe(1);
  });

  it('that live are the last, and without an end', () => {
    expect(liveAttempt(aScheduledPost())).toBeUndefined();
    expect(liveAttempt(anUploadingPost({ attempts: [anEndedAttempt(), anAttempt({ number: 2 })] }))?.number).toBe(2);
    expect(liveAttempt(aFailedPost({ attempts: [anEndedAttempt()] }))).toBeUndefined();
  });

  it('that TikTok can be asked about are the latest with a publish id', () => {
    const { publishId: _, ...orphan } = anEndedAttempt({ number: 2, outcome: 'ORPHANED' });
    expect(sentAttempt(aFailedPost({ attempts: [anEndedAttempt(), orphan] }))).toMatchObject({
      number: 1,
      publishId: 'v_pub_file~0',
    });
    expect(sentAttempt(aFailedPost({ attempts: [orphan] }))).toBeUndefined();
  });
});

describe('the dispatch lateness', () => {
  it('is counted from the schedule to the first try, and kept', () => {
    const attempt = { transfer: 'UPLOAD', plan: anAttempt().plan } as const;
    const first = begin(aScheduledPost({ scheduleTime: NOW }), attempt, later(1.5));
    expect(first.dispatchLatenessSeconds).toBe(1.5);
    expect(begin(first, attempt, later(90)).dispatchLatenessSeconds).toBe(1.5);
    expect(begin(aScheduledPost({ scheduleTime: later(5) }), attempt, NOW).dispatchLatenessSeconds).toBe(0);
  });
});

// A post's whole life, in any order that its states allow: workers and callers take turns.

type Move = { readonly name: string; readonly from: (post: Post) => Post | undefined };

const error = UNAVAILABLE;
const attempt = { transfer: 'UPLOAD', plan: anAttempt().plan } as const;

const moves = (now: Date): readonly Move[] => [
  { name: 'schedule', from: (post) => (post.state === 'PREPARING' ? schedule(post) : undefined) },
  { name: 'begin', from: (post) => (mayStart(post) ? begin(post, attempt, now) : undefined) },
  {
    name: 'wait to start',
    from: (post) => (mayStart(post) && liveAttempt(post) === undefined ? awaitStart(post) : undefined),
  },
  {
    name: 'upload',
    from: (post) => {
      const live = liveAttempt(post);
      if (live === undefined || post.state !== 'PUBLISHING' || post.phase !== 'INITIALIZING') return undefined;
      return upload(post, anAnnouncedAttempt({ number: live.number, startTime: live.startTime }));
    },
  },
  {
    name: 'confirm',
    from: (post) => (isSending(post) ? confirmBytes(post, the(post), the(post).bytesSent + 1) : undefined),
  },
  { name: 'finalize', from: (post) => (isSending(post) ? finalize(post, the(post), now) : undefined) },
  { name: 'process', from: (post) => (isSending(post) ? process(post, the(post)) : undefined) },
  {
    name: 'poll',
    from: (post) => (isAtTikTok(post) && post.phase !== 'UPLOADING' ? polled(post, the(post)) : undefined),
  },
  { name: 'set back', from: (post) => (post.state === 'PUBLISHING' ? setBack(post, error) : undefined) },
  {
    name: 'publish',
    from: (post) =>
      isAtTikTok(post) || post.state === 'UNCONFIRMED' || post.state === 'PUBLISHED'
        ? published(post, ['7'], now)
        : undefined,
  },
  {
    name: 'deliver',
    from: (post) => (isAtTikTok(post) || post.state === 'UNCONFIRMED' ? deliveredToInbox(post, now) : undefined),
  },
  { name: 'start over', from: (post) => (isAtTikTok(post) ? startOver(post, 'FAILED', error, now) : undefined) },
  {
    name: 'fail',
    from: (post) =>
      isAtTikTok(post) || mayStart(post) || post.state === 'UNCONFIRMED' ? fail(post, error, now) : undefined,
  },
  {
    name: 'give up',
    from: (post) =>
      post.state === 'PUBLISHING' && (post.phase === 'FINALIZING' || post.phase === 'PROCESSING')
        ? giveUpWaiting(post, { code: 'OUTCOME_UNCONFIRMED' }, now)
        : undefined,
  },
  {
    name: 'hold',
    from: (post) =>
      post.state === 'SCHEDULED' || (post.state === 'PUBLISHING' && post.phase === 'UPLOADING')
        ? hold(post, { reason: 'PLATFORM_OUTAGE', releaseTime: now }, error)
        : undefined,
  },
  {
    name: 'resume',
    from: (post) => (post.state === 'HELD' && liveAttempt(post) !== undefined ? resume(post) : undefined),
  },
  {
    name: 'wait for a turn',
    from: (post) => (mayStart(post) && liveAttempt(post) === undefined ? awaitTurn(post, now) : undefined),
  },
  {
    name: 'set aside',
    from: (post) => {
      const aside = setAside(post, 5, now);
      return aside === post ? undefined : aside;
    },
  },
  { name: 'hide', from: (post) => (post.state === 'PUBLISHED' ? hidden(post) : undefined) },
  { name: 'CANCEL', from: (post) => made(cancel(post, now)) },
  { name: 'EDIT', from: (post) => made(edit(post, { caption: 'New' })) },
  { name: 'RETRY', from: (post) => made(retry(post, { acceptDuplicateRisk: true }, now)) },
];

const made = (outcome: { ok: true; value: Post } | { ok: false }): Post | undefined =>
  outcome.ok ? outcome.value : undefined;

const mayStart = (post: Post): post is Scheduled | Held | Initializing =>
  post.state === 'SCHEDULED' ||
  (post.state === 'HELD' && liveAttempt(post) === undefined) ||
  (post.state === 'PUBLISHING' && post.phase === 'INITIALIZING');
const isSending = (post: Post) =>
  post.state === 'PUBLISHING' && (post.phase === 'UPLOADING' || post.phase === 'FINALIZING');
const isAtTikTok = (post: Post) => post.state === 'PUBLISHING' && post.phase !== 'INITIALIZING';
function the(post: Post) {
  const live = liveAttempt(post);
  if (live === undefined) throw new Error('an attempt should live');
  return live;
}

const ENDED: readonly PostState[] = ['PUBLISHED', 'IN_CREATOR_INBOX', 'FAILED', 'UNCONFIRMED', 'CANCELLED'];

describe('a post, whatever happens to it', () => {
  const start = () => ({ ...aPreparingPost({ labels: { a: 'b' }, externalRef: 'ref' }) });

  function live(choices: readonly number[], check: (before: Post, move: string, after: Post) => void): void {
    let post: Post = start();
    choices.forEach((choice, index) => {
      const possible = moves(later(index + 1)).flatMap(({ name, from }) => {
        const after = from(post);
        if (after === undefined) return [];
        // Callers (in capitals) come now and then; else no post would live long.
        return Array<{ name: string; after: Post }>(name === name.toUpperCase() ? 1 : 4).fill({ name, after });
      });
      const next = possible[choice % Math.max(possible.length, 1)];
      if (next === undefined) return;
      check(post, next.name, next.after);
      post = next.after;
    });
  }

  const lives = fc.array(fc.nat(), { minLength: 1, maxLength: 60, size: 'max' });
  const always = (check: (before: Post, move: string, after: Post) => void) =>
    fc.assert(
      fc.property(lives, (choices) => live(choices, check)),
      { numRuns: 200 },
    );

  it('reaches every state and phase', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(lives, (choices) => live(choices, (_, __, after) => seen.add(nameOf(after)))),
      { numRuns: 500 },
    );
    expect([...seen].toSorted()).toEqual(named.map(([name]) => name).toSorted());
  });

  it('has at most one living attempt, and only the last', () => {
    always((_, __, { attempts }) => {
      const alive = attempts.filter(({ outcome }) => outcome === undefined);
      expect(alive).toEqual(alive.length === 0 ? [] : [attempts.at(-1)]);
    });
  });

  it('numbers its attempts from 1 without a gap, and loses none', () => {
    always((before, _, after) => {
      expect(after.attempts.map(({ number }) => number)).toEqual(after.attempts.map((_, index) => index + 1));
      expect(after.attempts.length).toBeGreaterThanOrEqual(before.attempts.length);
    });
  });

  it('never changes an attempt that has ended, but for the one whose outcome nobody knew', () => {
    always((before, _, after) => {
      const ended = before.attempts.filter(({ outcome }) => outcome !== undefined && outcome !== 'UNCONFIRMED');
      expect(after.attempts).toEqual(expect.arrayContaining([...ended]));
    });
  });

  it('keeps no upload address of an attempt that has ended, and knows when it did', () => {
    always((_, __, { attempts }) => {
      for (const one of attempts) {
        expect(one.outcome !== undefined && one.uploadUrl !== undefined).toBe(false);
        expect(one.endTime !== undefined).toBe(one.outcome !== undefined);
      }
    });
  });

  it('has no living attempt once it has ended, and one with its publish id while TikTok has it', () => {
    always((_, __, after) => {
      if (ENDED.includes(after.state)) expect(liveAttempt(after)).toBeUndefined();
      if (isAtTikTok(after)) expect(liveAttempt(after)?.publishId).toBeDefined();
    });
  });

  it('is never cancelled once its last byte may have been sent', () => {
    always((before, move, after) => {
      if (move !== 'CANCEL' || after.state !== 'CANCELLED') return;
      expect(liveAttempt(before)?.finalizeTime).toBeUndefined();
      expect(nameOf(before)).not.toMatch(/FINALIZING|PROCESSING/);
    });
  });

  it('never comes back from PUBLISHED, from the inbox or from CANCELLED', () => {
    always((before, _, after) => {
      if (['PUBLISHED', 'IN_CREATOR_INBOX', 'CANCELLED'].includes(before.state)) expect(after.state).toBe(before.state);
    });
  });

  it('goes out a second time only when the caller accepted that it may', () => {
    always((before, move, after) => {
      if (before.state === 'UNCONFIRMED' && after.state === 'SCHEDULED') expect(move).toBe('RETRY');
    });
  });

  it('keeps what the caller wants through every move', () => {
    const { state: _, ...wanted } = start();
    const kept = ['workspaceId', 'settings', 'latePolicy', 'labels', 'externalRef', 'createTime'] as const;
    always((before, move, after) => {
      for (const member of kept) expect(after[member]).toEqual(wanted[member]);
      for (const member of ['id', 'connectionId', 'videoId', 'version'] as const)
        expect(after[member]).toEqual(before[member]);
      if (move !== 'EDIT') expect(after.caption).toBe(before.caption);
      if (move !== 'RETRY') expect(after.scheduleTime).toEqual(before.scheduleTime);
    });
  });

  it('has a plan with all that is true in every state, and nothing of its own state', () => {
    const ofState = [
      'state',
      'phase',
      'hold',
      'error',
      'edited',
      'publishTime',
      'tiktokPostIds',
      'publiclyAvailable',
      'turnTime',
    ];
    always((_, __, after) => {
      const rest = Object.entries(after).filter(([member]) => !ofState.includes(member));
      expect(planOf(after)).toEqual(Object.fromEntries(rest));
    });
  });
});
