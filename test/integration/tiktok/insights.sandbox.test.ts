import { describe, expect, it, onTestFinished } from 'vitest';
import type { AccountInsights } from '../../../sandbox/insights/told.ts';
import type { VideoInsights } from '../../../sandbox/insights/video-insights.ts';
import { type SandboxOptions, startSandbox } from '../../../sandbox/sandbox.ts';
import type { VideoPage } from '../../../src/application/ports/tiktok.ts';
import {
  ACCOUNT_BREAKDOWNS,
  DAY_NUMBERS,
  VIDEO_BREAKDOWNS,
  VIDEO_CURVES,
  VIDEO_NUMBERS,
  type VideoReading,
} from '../../../src/domain/analytics/reading.ts';
import { type ApiFamily, REQUESTED_SCOPES } from '../../../src/domain/connection/connection.ts';
import type { Result } from '../../../src/domain/result.ts';
import { sandboxTikTok } from '../../support/sandbox-tiktok.ts';

const ACCOUNT = 'glow.bakery';
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function got<T>(result: Result<T, unknown>): T {
  if (result.ok) return result.value;
  throw new Error('refused', { cause: result.error });
}

/** An account that gets its videos and numbers from `control`. Numbers are of the last full day, so that all who ask get the same. */
async function connectedTo(family: ApiFamily, options: SandboxOptions = {}) {
  const sandbox = await startSandbox({ openRefreshMs: DAY, insightsRefreshMs: DAY, ...options });
  onTestFinished(() => sandbox.close());
  const { control } = sandbox;
  // Noon: no day ends during a test.
  control.advanceClock(1.5 * DAY - (control.now() % DAY));
  const { tiktok } = sandboxTikTok(family, sandbox);
  control.changeAccount(ACCOUNT, { createTime: control.now() - 400 * DAY, analyticsSince: control.now() - 400 * DAY });
  const scopes = REQUESTED_SCOPES[family];
  const authorizeUri = tiktok.authorization.authorizeUri({ state: 's', scopes });
  const { code } = await control.consent({ authorizeUri, account: ACCOUNT });
  const { accessToken } = got(await tiktok.authorization.exchange(code));

  /** Every page. */
  async function listed(): Promise<VideoReading[][]> {
    const pages: VideoReading[][] = [];
    let before: Date | undefined = new Date(control.now() + 1000);
    while (before !== undefined) {
      const page: VideoPage = got(await tiktok.insights.listVideos(accessToken, scopes, before));
      pages.push([...page.videos]);
      before = page.olderThan;
    }
    return pages;
  }
  return { control, insights: tiktok.insights, accessToken, scopes, listed };
}

/** Those of the names that there are. An empty list is none. */
const only = (values: object, names: readonly string[]): object =>
  Object.fromEntries(
    Object.entries(values).filter(
      ([name, value]) => names.includes(name) && !(Array.isArray(value) && value.length === 0),
    ),
  );

const told = (values: Partial<VideoInsights>) => ({
  numbers: only(values, VIDEO_NUMBERS),
  curves: only(values, VIDEO_CURVES),
  breakdowns: only(
    // The sandbox tells two pairs one after the other.
    { ...values, audienceTypes: values.audienceTypes?.toSorted((left, right) => right.fraction - left.fraction) ?? [] },
    VIDEO_BREAKDOWNS,
  ),
});

/** One that people go on seeing, one that they left after five days, one that nobody saw, and one of today. */
const model = { finalViews: 40_000, halfLifeMs: 5 * DAY };
const videosAt = (now: number) => [
  { createTime: now - 40 * DAY, caption: 'lively', model, durationSeconds: 31.5 },
  { createTime: now - 39 * DAY, caption: 'idle', model: { ...model, pauses: [{ fromMs: 5 * DAY, untilMs: null }] } },
  { createTime: now - 6 * DAY, caption: 'unseen', model: { ...model, finalViews: 0, finalLikes: 0 } },
  { createTime: now - 2 * HOUR, caption: 'fresh', model },
];

describe('What the sandbox tells, and what is read of it', () => {
  it.each(['missing', 'null', 'zero'] as const)(
    'are the same in the Business family, writing a gap as %s',
    async (gap) => {
      const { control, listed, insights, accessToken, scopes } = await connectedTo('BUSINESS', { insightsGap: gap });
      const videos = control.addVideos(ACCOUNT, videosAt(control.now()));
      const [page = [], ...more] = await listed();
      expect(more).toEqual([]);
      expect(page.map(({ caption }) => caption)).toEqual(['fresh', 'unseen', 'idle', 'lively']);
      const ids = videos.map(({ postId }) => postId);
      expect(got(await insights.readVideos(accessToken, scopes, ids))).toEqual(page);
      const truth = videos.map(({ postId }) => control.insights(postId, { family: 'BUSINESS' }).values);
      const readings = page.toReversed().map(({ numbers, curves, breakdowns }) => ({ numbers, curves, breakdowns }));
      expect(readings).toEqual(truth.map(told));
      const [lively, idle, unseen, fresh] = readings;
      expect(Object.keys(lively?.numbers ?? {})).toHaveLength(VIDEO_NUMBERS.length);
      expect(lively?.curves.retention).toHaveLength(33);
      expect(idle?.numbers).toHaveProperty('newFollowers');
      expect(idle?.numbers).not.toHaveProperty('reach');
      expect(unseen?.numbers).toMatchObject({ views: 0, likes: 0 });
      expect(fresh?.numbers).toEqual({});
    },
  );

  it('are the same in the open family', async () => {
    const { control, listed } = await connectedTo('OPEN');
    const videos = control.addVideos(ACCOUNT, videosAt(control.now()));
    const truth = videos.map(({ postId }) => control.insights(postId, { family: 'OPEN' }).values);
    const readings = (await listed()).flat().toReversed();
    expect(readings.map(({ numbers }) => numbers)).toEqual(truth.map((values) => told(values).numbers));
    expect(readings.map(({ durationSeconds }) => durationSeconds)).toEqual(
      truth.map((values) => values.durationSeconds),
    );
    expect(readings[0]?.numbers.views).toBeGreaterThan(10_000);
  });

  it('are the same of an account, its days and its audience', async () => {
    const { control, insights, accessToken, scopes } = await connectedTo('BUSINESS');
    control.addVideos(ACCOUNT, videosAt(control.now()));
    const day = (back: number) => new Date(control.now() - back * DAY).toISOString().slice(0, 10);
    const reading = got(await insights.readAccount(accessToken, scopes, day(400), day(0)));
    const question = { family: 'BUSINESS', startDate: day(60), endDate: day(1) } as const;
    const truth = control.accountInsights(ACCOUNT, question).values as AccountInsights;
    const { followers, following, totalLikes, videoCount } = truth;
    expect(reading.numbers).toEqual({ followers, following, totalLikes, videoCount });
    expect(reading.breakdowns).toEqual(only(truth, ACCOUNT_BREAKDOWNS));
    expect(reading.days).toEqual(
      truth.days.map(({ date, audienceActivity, ...numbers }) => ({
        date,
        numbers: only(numbers, DAY_NUMBERS),
        ...(audienceActivity && { audienceActivity }),
      })),
    );
    expect(reading.days.length).toBeGreaterThan(55);
  });

  it('are the same however short the pages are', async () => {
    const { control, listed } = await connectedTo('BUSINESS', { businessPageSize: 3 });
    const now = control.now();
    const videos = control.addVideos(
      ACCOUNT,
      Array.from({ length: 10 }, (_, index) => ({ createTime: now - (20 - index) * DAY, model })),
    );
    const pages = await listed();
    expect(pages.map((page) => page.length)).toEqual([3, 3, 3, 1]);
    expect(pages.flat().map(({ tiktokPostId }) => tiktokPostId)).toEqual(
      videos.map(({ postId }) => postId).toReversed(),
    );
  });
});
