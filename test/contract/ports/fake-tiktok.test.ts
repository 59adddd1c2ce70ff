import { FakeTikTok, lostAfter, lostBefore, UNAVAILABLE } from '../../support/fake-tiktok.ts';
import { fixedClock } from '../../support/fixed-clock.ts';
import { type TikTokCall, tiktokContract } from './tiktok.contract.ts';

const FLAGGED = { state: 'FAILED', error: { code: 'CONTENT_FLAGGED' } } as const;

async function aFakeTikTok({ rotates }: { readonly rotates: boolean }) {
  const clock = fixedClock();
  const tiktok = new FakeTikTok({ clock });
  tiktok.keepsOlderPairs = !rotates;
  tiktok.account = { ...tiktok.account, followerCount: 1200 };

  /** Each kind of call says in its own way that nobody answered. */
  function loseNext(call: TikTokCall, what: 'REQUEST' | 'ANSWER'): void {
    const lost = { ok: false, error: { code: 'NOT_ANSWERED', error: UNAVAILABLE } } as const;
    const done =
      <T>(instead: T) =>
      async (answer: () => Promise<unknown>): Promise<T> => {
        if (what === 'ANSWER') await answer();
        return instead;
      };
    if (call === 'exchange' || call === 'refresh') tiktok.next(call, done(lost));
    else if (call === 'sendChunk') tiktok.next(call, done({ kind: 'NOT_ANSWERED', error: UNAVAILABLE } as const));
    else tiktok.next(call, what === 'ANSWER' ? lostAfter : lostBefore);
  }

  const other = {
    rotates,
    async consent(authorizeUri: string, scopes?: readonly string[]) {
      const { searchParams } = new URL(authorizeUri);
      const code = tiktok.consent(scopes ?? searchParams.get('scope')?.split(',') ?? []);
      return { code, state: searchParams.get('state') ?? '' };
    },
    removeApp: () => tiktok.kill('grant'),
    flagNext: () =>
      tiktok.next('announce', async (answer) => {
        tiktok.verdict = FLAGGED;
        const announced = await answer();
        tiktok.verdict = undefined;
        return announced;
      }),
    /** Here a post is through as soon as it has every byte. */
    finish: () => undefined,
    publicIds(publishId: string) {
      const verdict = tiktok.jobs.find((job) => job.publishId === publishId)?.verdict;
      return verdict?.state === 'PUBLISHED' ? verdict.tiktokPostIds : [];
    },
    show(tiktokPostId: string, isPublic: boolean) {
      if (isPublic) tiktok.hidden.delete(tiktokPostId);
      else tiktok.hidden.add(tiktokPostId);
    },
    loseNext,
    asked: (call: TikTokCall) => tiktok.called(call),
    now: () => clock.now(),
    passTime: (seconds: number) => clock.advance(seconds),
  };
  return { tiktok, other };
}

tiktokContract('a fake that rotates tokens', () => aFakeTikTok({ rotates: true }));
tiktokContract('a fake that keeps tokens', () => aFakeTikTok({ rotates: false }));
