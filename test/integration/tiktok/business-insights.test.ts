import { describe, expect, it } from 'vitest';
import type { BusinessTikTokOptions } from '../../../src/adapters/tiktok/business/business-tiktok.ts';
import type { VideoReading } from '../../../src/domain/analytics/reading.ts';
import type { Result } from '../../../src/domain/result.ts';
import { fixedClock } from '../../support/fixed-clock.ts';
import { ACCESS, approved, OPEN_ID, replying, said } from './answering-business.ts';
import { type Answering, LOG_ID, raw, type Seen } from './answering-tiktok.ts';

const ID = '7551234567890123456';
const NOW = new Date('2026-11-22T10:00:00Z');
const VIDEO_SCOPES = ['video.list', 'video.insights'];
const HOURS = 3_600_000;

const hoursAgo = (hours: number) => new Date(NOW.getTime() - hours * HOURS);
const secondsOf = (time: Date) => String(time.getTime() / 1000);
const OLD = { item_id: ID, create_time: secondsOf(hoursAgo(48)) };
const YOUNG = { item_id: ID, create_time: secondsOf(new Date(hoursAgo(48).getTime() + 1000)) };

/** Data in which what stands for `@` is written by hand. */
const written = (data: unknown, text: string): Answering =>
  raw(200, JSON.stringify({ code: 0, message: 'OK', request_id: LOG_ID, data }).replaceAll('"@"', text));

function got<T>(result: Result<T, unknown>): T {
  if (result.ok) return result.value;
  throw new Error('refused', { cause: result.error });
}

async function readFrom(reply: Answering, options: Partial<BusinessTikTokOptions> = {}) {
  const { insights } = await replying(reply, options);
  return insights.readVideos(ACCESS, VIDEO_SCOPES, [ID]);
}
const readingOf = async (video: object, text = ''): Promise<VideoReading | undefined> =>
  got(await readFrom(written({ videos: [video] }, text)))[0];

async function pageFrom(data: unknown, text = '') {
  const { insights } = await replying(written(data, text));
  return insights.listVideos(ACCESS, VIDEO_SCOPES, NOW);
}

const queryOf = (seen: readonly Seen[]) => {
  const { pathname, searchParams } = new URL(seen[0]?.url ?? '', 'http://x');
  const { fields = '[]', ...query } = Object.fromEntries(searchParams);
  return { pathname, fields: JSON.parse(fields) as string[], query };
};

const LIST_FIELDS = [
  ...['item_id', 'create_time', 'caption', 'share_url', 'video_duration'],
  ...['video_views', 'likes', 'comments', 'shares', 'favorites', 'reach'],
];
const INSIGHTS_FIELDS = [
  ...['total_time_watched', 'average_time_watched', 'full_video_watched_rate', 'new_followers', 'profile_views'],
  ...['video_view_retention', 'engagement_likes', 'impression_sources'],
  ...['audience_types', 'audience_genders', 'audience_countries', 'audience_cities'],
];

describe('The videos of the Business family', () => {
  it.each([
    [VIDEO_SCOPES, [...LIST_FIELDS, ...INSIGHTS_FIELDS]],
    [['video.list', 'user.insights'], LIST_FIELDS],
  ])('are asked for with %j: only for the fields of those', async (scopes, fields) => {
    const { insights, seen } = await replying(approved({ videos: [], cursor: 0, has_more: false }));
    await insights.listVideos(ACCESS, scopes, NOW);
    const { pathname, ...call } = queryOf(seen);
    expect(pathname).toBe('/open_api/v1.3/business/video/list/');
    expect(call.fields.toSorted()).toEqual(fields.toSorted());
    expect(call.query).toEqual({ business_id: OPEN_ID, cursor: String(NOW.getTime()), max_count: '20' });

    const one = await replying(approved({ videos: [], cursor: 0, has_more: false }));
    await one.insights.readVideos(ACCESS, scopes, [ID]);
    const { fields: asked, query } = queryOf(one.seen);
    expect(asked.toSorted()).toEqual(fields.toSorted());
    expect(query).toEqual({ business_id: OPEN_ID, filters: `{"video_ids":["${ID}"]}`, max_count: '20' });
  });

  it('are not asked for without the permission to list them, nor when none is asked about', async () => {
    const { insights, seen } = await replying(approved({}));
    const missing = { ok: false, error: { code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.list'] } };
    expect(await insights.listVideos(ACCESS, ['video.insights'], NOW)).toEqual(missing);
    expect(await insights.readVideos(ACCESS, ['video.insights'], [ID])).toEqual(missing);
    expect(await insights.readVideos(ACCESS, VIDEO_SCOPES, [])).toEqual({ ok: true, value: [] });
    expect(seen).toEqual([]);
  });

  it('have every number that TikTok tells', async () => {
    const share_url = `https://www.tiktok.com/@acme_kitchen/video/${ID}`;
    const reading = await readingOf({
      ...{ item_id: ID, create_time: '1758200000', caption: 'How we roast #coffee', share_url, video_duration: 21.5 },
      ...{ video_views: 903, likes: 61, comments: 4, shares: 3, favorites: 8, reach: 840 },
      ...{ total_time_watched: 6120.4, average_time_watched: 6.778, full_video_watched_rate: 0.118 },
      ...{ new_followers: 5, profile_views: 17 },
      video_view_retention: [
        { second: '1', percentage: 0.83 },
        { second: '0', percentage: 1 },
      ],
      engagement_likes: [{ second: '0', percentage: 0.4 }],
      impression_sources: [
        { impression_source: 'Personal Profile', percentage: 0.11 },
        { impression_source: 'For You', percentage: 0.81 },
      ],
      audience_types: [{ type: 'NEW_VIEWER', percentage: 0.7 }],
      audience_genders: [{ gender: 'Female', percentage: 0.58 }],
      audience_countries: [{ country: 'DE', percentage: 0.9 }],
      audience_cities: [{ city_name: 'Berlin', percentage: 0.3 }],
    });
    expect(reading).toEqual({
      tiktokPostId: ID,
      createTime: new Date(1_758_200_000_000),
      caption: 'How we roast #coffee',
      shareUri: share_url,
      durationSeconds: 21.5,
      numbers: {
        ...{ views: 903, likes: 61, comments: 4, shares: 3, favorites: 8, reach: 840 },
        ...{ totalWatchSeconds: 6120.4, averageWatchSeconds: 6.778, fullWatchRate: 0.118 },
        ...{ newFollowers: 5, profileViews: 17 },
      },
      curves: {
        retention: [
          { second: 0, fraction: 1 },
          { second: 1, fraction: 0.83 },
        ],
        likesBySecond: [{ second: 0, fraction: 0.4 }],
      },
      breakdowns: {
        impressionSources: [
          { name: 'For You', fraction: 0.81 },
          { name: 'Personal Profile', fraction: 0.11 },
        ],
        audienceTypes: [{ name: 'NEW_VIEWER', fraction: 0.7 }],
        audienceGenders: [{ name: 'Female', fraction: 0.58 }],
        audienceCountries: [{ name: 'DE', fraction: 0.9 }],
        audienceCities: [{ name: 'Berlin', fraction: 0.3 }],
      },
    });
  });

  it('have a caption and nothing else when TikTok tells nothing else', async () => {
    const silent = { createTime: hoursAgo(48), tiktokPostId: ID, caption: '', numbers: {}, curves: {}, breakdowns: {} };
    expect(await readingOf(OLD)).toEqual(silent);
    const empty = Object.fromEntries([...LIST_FIELDS, ...INSIGHTS_FIELDS].map((field) => [field, null]));
    expect(await readingOf({ ...empty, ...OLD })).toEqual(silent);
  });

  const COUNTS = {
    ...{ video_views: 'views', likes: 'likes', comments: 'comments', shares: 'shares', favorites: 'favorites' },
    ...{ reach: 'reach', new_followers: 'newFollowers', profile_views: 'profileViews' },
  };
  const AMOUNTS = { total_time_watched: 'totalWatchSeconds', average_time_watched: 'averageWatchSeconds' };
  const RATES = { full_video_watched_rate: 'fullWatchRate' };

  describe.each(Object.entries({ ...COUNTS, ...AMOUNTS, ...RATES }))('%s', (field, name) => {
    it.each(['null', '""', '"903"', '"Infinity"', '-1', '-0.5', 'true', '[]', '{}', '1e999', '9007199254740993'])(
      'is no value when it is %s',
      async (text) => {
        expect((await readingOf({ ...OLD, [field]: '@' }, text))?.numbers).toEqual({});
      },
    );

    it('is 0 of a video that is 48 hours old, and no value a second before', async () => {
      expect((await readingOf({ ...OLD, [field]: 0 }))?.numbers).toEqual({ [name]: 0 });
      expect((await readingOf({ ...YOUNG, [field]: 0 }))?.numbers).toEqual({});
      expect((await readingOf({ ...YOUNG, [field]: 1 }))?.numbers).toEqual({ [name]: 1 });
    });
  });

  describe('whose 0 may stand for a number that is withheld', () => {
    const zeros = {
      ...{ reach: 0, total_time_watched: 0, average_time_watched: 0, full_video_watched_rate: 0 },
      ...{ new_followers: 0, profile_views: 0 },
    };
    const none = {
      ...{ reach: 0, totalWatchSeconds: 0, averageWatchSeconds: 0, fullWatchRate: 0 },
      ...{ newFollowers: 0, profileViews: 0 },
    };
    const numbersOf = async (video: object) => (await readingOf({ ...OLD, ...zeros, ...video }))?.numbers;

    it('have no value where views reached nobody or took no time', async () => {
      const views = { video_views: 903, likes: 0, favorites: 0 };
      const left = { views: 903, likes: 0, favorites: 0 };
      expect(await numbersOf(views)).toEqual(left);
      expect(await numbersOf({ ...views, reach: 840 })).toEqual({ ...left, reach: 840 });
      expect(await numbersOf({ ...views, total_time_watched: 60.5 })).toEqual({ ...left, totalWatchSeconds: 60.5 });
    });

    it('have a 0 where nobody viewed, and where views have both', async () => {
      expect(await numbersOf({ video_views: 0 })).toEqual({ views: 0, ...none });
      expect(await numbersOf({})).toEqual(none);
      const viewed = { video_views: 903, reach: 840, total_time_watched: 60.5 };
      expect(await numbersOf(viewed)).toEqual({ ...none, views: 903, reach: 840, totalWatchSeconds: 60.5 });
    });
  });

  it('count in whole numbers, as far as a number goes, and measure in others', async () => {
    for (const [field, name] of Object.entries(COUNTS)) {
      expect((await readingOf({ ...OLD, [field]: 903.5 }))?.numbers).toEqual({});
      const most = Number.MAX_SAFE_INTEGER;
      expect((await readingOf({ ...OLD, [field]: most }))?.numbers).toEqual({ [name]: most });
    }
    for (const [field, name] of Object.entries(AMOUNTS)) {
      expect((await readingOf({ ...OLD, [field]: 587.024 }))?.numbers).toEqual({ [name]: 587.024 });
    }
  });

  it.each([
    [1, 1],
    [1.0001, 1],
    [1.00011, undefined],
    [11.8, undefined],
  ])('are watched to the end by a share of %d: %s', async (rate, fullWatchRate) => {
    const reading = await readingOf({ ...OLD, full_video_watched_rate: rate });
    expect(reading?.numbers).toEqual(fullWatchRate === undefined ? {} : { fullWatchRate });
  });

  it.each([
    [21.537, 21.537],
    [0, undefined],
    [-1, undefined],
    [null, undefined],
    ['21', undefined],
  ])('last for %j seconds: %s', async (video_duration, seconds) => {
    expect((await readingOf({ ...OLD, video_duration }))?.durationSeconds).toBe(seconds);
  });

  it.each([
    ['as text', `"${ID}"`],
    ['as a bare number', ID],
  ])('have an id digit for digit, written %s', async (_, text) => {
    expect((await readingOf({ ...OLD, item_id: '@' }, text))?.tiktokPostId).toBe(ID);
  });

  it.each(['1758200000', '"1758200000"'])('have a time, written %s', async (text) => {
    expect((await readingOf({ item_id: ID, create_time: '@' }, text))?.createTime).toEqual(new Date(1_758_200_000_000));
  });

  it.each([
    ['item_id', ['null', '""', '"x"', '0', '1.5']],
    ['create_time', ['null', '0', '"0"', '"soon"', '-1', '1.5', '9999999999999999', '"9999999999999"']],
  ])(
    'without a usable %s are left out, and are a fault of the answer when there is nothing else',
    async (field, texts) => {
      for (const text of texts) {
        const broken = { ...OLD, [field]: '@' };
        const beside = got(await pageFrom({ videos: [broken, { ...OLD, item_id: '7' }, 'x'], has_more: false }, text));
        expect(beside.videos.map(({ tiktokPostId }) => tiktokPostId)).toEqual(['7']);
        expect(await pageFrom({ videos: [broken], has_more: false }, text)).toMatchObject({
          error: {
            code: 'CONNECTOR_REQUEST_REJECTED',
            detail: "TikTok's answer has no usable video.",
            tiktokLogId: LOG_ID,
          },
        });
      }
    },
  );

  it('are told once, and only of those that are asked about', async () => {
    const videos = [
      { ...OLD, item_id: '7' },
      { ...OLD, likes: 1 },
      { ...OLD, likes: 2 },
      { ...OLD, item_id: '8' },
    ];
    const { insights } = await replying(approved({ videos }));
    expect(await insights.readVideos(ACCESS, VIDEO_SCOPES, ['8', ID])).toMatchObject({
      ok: true,
      value: [{ tiktokPostId: ID, numbers: { likes: 2 } }, { tiktokPostId: '8' }],
    });
  });

  it.each([1, 3, 4])(
    'are asked for by fewer ids where TikTok takes %d at once, each once and in their order',
    async (most) => {
      const { insights, seen } = await replying((request, response) => {
        const { searchParams } = new URL(request.url ?? '', 'http://x');
        const { video_ids } = JSON.parse(searchParams.get('filters') ?? '{}');
        const videos = video_ids.map((item_id: string) => ({ ...OLD, item_id }));
        (video_ids.length > most ? said(40_011, 'Too many ids.') : approved({ videos }))(request, response);
      });
      const ids = ['11', '12', '13', '14', '15'];
      const answer = await insights.readVideos(ACCESS, VIDEO_SCOPES, ids);
      expect(answer.ok && answer.value.map(({ tiktokPostId }) => tiktokPostId)).toEqual(ids);
      expect(seen.length).toBeLessThanOrEqual(2 * ids.length - 1);
    },
  );

  it('are refused where TikTok finds a single id too many, and the rest is not asked for', async () => {
    const { insights, seen } = await replying(said(40_011, 'Too many ids.'));
    expect(await insights.readVideos(ACCESS, VIDEO_SCOPES, ['11', '12', '13'])).toMatchObject({
      ok: false,
      error: { code: 'CONNECTOR_REQUEST_REJECTED', tiktokCode: '40011' },
    });
    expect(seen).toHaveLength(3);
  });
});

const SERIES = [
  ['video_view_retention', 'curves', 'retention', 'second'],
  ['engagement_likes', 'curves', 'likesBySecond', 'second'],
  ['impression_sources', 'breakdowns', 'impressionSources', 'impression_source'],
  ['audience_types', 'breakdowns', 'audienceTypes', 'type'],
  ['audience_genders', 'breakdowns', 'audienceGenders', 'gender'],
  ['audience_countries', 'breakdowns', 'audienceCountries', 'country'],
  ['audience_cities', 'breakdowns', 'audienceCities', 'city_name'],
] as const;

describe.each(SERIES)('%s', (field, kind, name, key) => {
  const said = async (video: object, value: unknown, text = '') =>
    (await readingOf({ ...video, [field]: value }, text))?.[kind];
  const entry = (percentage: unknown) => ({ [key]: '3', percentage });

  it.each(['null', '[]', '{}', '""', '0', '[null]', '["x"]', '[[]]'])('is no value when it is %s', async (text) => {
    expect(await said(OLD, '@', text)).toEqual({});
    expect(await said(YOUNG, '@', text)).toEqual({});
  });

  it('leaves out what can not be read', async () => {
    const unreadable = [null, '0.5', -0.1, true, undefined].map(entry);
    const nameless = [{ percentage: 0.5 }, { [key]: null, percentage: 0.5 }, { [key]: '', percentage: 0.5 }];
    const told = await said(OLD, [...unreadable, entry(0.25), ...nameless]);
    expect(told).toEqual({ [name]: [{ [kind === 'curves' ? 'second' : 'name']: expect.anything(), fraction: 0.25 }] });
    expect(await said(OLD, [...unreadable, ...nameless])).toEqual({});
  });

  it('may round to a little more than 1, and on another scale says nothing', async () => {
    expect(await said(OLD, [entry(1.0001)])).toMatchObject({ [name]: [{ fraction: 1 }] });
    expect(await said(OLD, [entry(100), entry(0.5)])).toEqual({});
    expect(await said(OLD, [entry('@'), entry(0.5)], '9007199254740993')).toEqual({});
  });

  it('of nothing but 0 is no value until the video is 48 hours old', async () => {
    expect(await said(YOUNG, [entry(0)])).toEqual({});
    expect(await said(YOUNG, [entry(0), entry(0.1)])).toMatchObject({ [name]: [{}, {}] });
    expect(await said(OLD, [entry(0)])).toMatchObject({ [name]: [{ fraction: 0 }] });
  });
});

describe('A curve', () => {
  it('goes by second, written as text or as a number, whole only', async () => {
    const points = [10, '9', '100', 0, '1.5', '-1', 2.5, 'x', ' 3', ''].map((second) => ({ second, percentage: 0.5 }));
    const reading = await readingOf({ ...OLD, video_view_retention: points });
    expect(reading?.curves.retention?.map(({ second }) => second)).toEqual([0, 9, 10, 100]);
  });
});

describe('A breakdown', () => {
  it('goes from the largest to the smallest, and takes words that are new to us', async () => {
    const shares = [
      ['Hashtag', 0.1],
      ['For You', 0.6],
      ['Teleport', 0.3],
    ].map(([impression_source, percentage]) => ({ impression_source, percentage }));
    const reading = await readingOf({ ...OLD, impression_sources: shares });
    expect(reading?.breakdowns.impressionSources?.map(({ name }) => name)).toEqual(['For You', 'Teleport', 'Hashtag']);
  });
});

describe('A page of the Business family', () => {
  const cursor = hoursAgo(1).getTime();

  it.each([
    ['short', [OLD]],
    ['empty', []],
    ['without a list', null],
  ])('that is %s is not the last while there are more', async (_, videos) => {
    const { videos: read, ...rest } = got(await pageFrom({ videos, cursor, has_more: true }));
    expect(read).toHaveLength(videos?.length ?? 0);
    expect(rest).toEqual({ olderThan: hoursAgo(1) });
  });

  it.each([[false], [null], [undefined]])('is the last when has_more is %s, however full', async (has_more) => {
    const videos = Array.from({ length: 20 }, (_, index) => ({ ...OLD, item_id: `75${index + 10}` }));
    const { videos: read, ...rest } = got(await pageFrom({ videos, cursor, has_more }));
    expect(read).toHaveLength(20);
    expect(rest).toEqual({});
  });

  it('may have its cursor as text', async () => {
    expect(await pageFrom({ videos: [], cursor: String(cursor), has_more: true })).toMatchObject({
      value: { olderThan: hoursAgo(1) },
    });
  });

  it.each([NOW.getTime(), NOW.getTime() + 1, 0, -1, null, undefined, 'x', 1.5])(
    'that says that there are more, from %s on, would lead us round in circles',
    async (wrong) => {
      expect(await pageFrom({ videos: [OLD], cursor: wrong, has_more: true })).toMatchObject({
        error: { code: 'CONNECTOR_REQUEST_REJECTED', detail: "TikTok's answer has no usable cursor." },
      });
    },
  );

  it.each([
    ['has_more', { videos: [], cursor, has_more: 'true' }],
    ['videos', { videos: {}, cursor, has_more: false }],
  ])('has to have a usable %s', async (field, data) => {
    expect(await pageFrom(data)).toMatchObject({
      error: { code: 'CONNECTOR_REQUEST_REJECTED', detail: `TikTok's answer has no usable ${field}.` },
    });
  });
});

describe('An answer with numbers', () => {
  it('counts when it succeeded in part', async () => {
    expect(await readFrom(said(20_001, 'partial', { videos: [{ ...OLD, likes: 3 }] }))).toMatchObject({
      value: [{ numbers: { likes: 3 } }],
    });
  });

  it.each([
    [40_125, 'fields not supported: profile_views', 'CONNECTOR_REQUEST_REJECTED'],
    [40_002, 'fields: audience_cities is not a valid field.', 'CONNECTOR_REQUEST_REJECTED'],
    [40_100, 'too many requests', 'UPSTREAM_RATE_LIMITED'],
    [40_102, 'expired', 'ACCOUNT_SESSION_INVALID'],
    [51_065, 'try later', 'PLATFORM_UNAVAILABLE'],
  ])('may be a refusal: %d', async (code, message, meaning) => {
    const refused = { ok: false, error: { code: meaning, tiktokCode: String(code), tiktokLogId: LOG_ID } };
    const { insights } = await replying(said(code, message));
    expect(await insights.readVideos(ACCESS, VIDEO_SCOPES, [ID])).toMatchObject(refused);
    expect(await insights.listVideos(ACCESS, VIDEO_SCOPES, NOW)).toMatchObject(refused);
    expect(await insights.readAccount(ACCESS, ['user.insights'], '2026-11-01', '2026-11-21')).toMatchObject(refused);
  });

  it('that misses a permission all the same names those that were used', async () => {
    const { insights } = await replying(said(40_001));
    const missing = (scopes: readonly string[]) => ({ error: { code: 'ACCOUNT_SCOPE_MISSING', scopes } });
    expect(await insights.listVideos(ACCESS, VIDEO_SCOPES, NOW)).toMatchObject(missing(VIDEO_SCOPES));
    expect(await insights.listVideos(ACCESS, ['video.list'], NOW)).toMatchObject(missing(['video.list']));
    expect(await insights.readAccount(ACCESS, ['user.insights'], '2026-11-01', '2026-11-21')).toMatchObject(
      missing(['user.insights']),
    );
  });

  it('may be as large as 20 videos of an hour are, which nothing else may', async () => {
    const points = Array.from({ length: 3600 }, (_, second) => ({
      second: `${second}`,
      percentage: 0.1234567890123456,
    }));
    const whole = { caption: '\u{1f35e}'.repeat(1100), video_view_retention: points, engagement_likes: points };
    const videos = Array.from({ length: 20 }, (_, index) => ({ ...OLD, ...whole, item_id: `75${index + 10}` }));
    const reply = approved({ videos, cursor: 0, has_more: false });
    const { insights, publishing, calls } = await replying(reply);
    const page = got(await insights.listVideos(ACCESS, VIDEO_SCOPES, NOW));
    expect(page.videos.map(({ curves }) => curves.retention?.length)).toEqual(Array.from({ length: 20 }, () => 3600));
    expect(await publishing.listVideos(ACCESS, NOW)).toMatchObject({ error: { code: 'PLATFORM_UNAVAILABLE' } });
    expect(await readFrom(reply, { limits: { maxInsightsBytes: 6_000_000 } })).toMatchObject({
      error: { code: 'PLATFORM_UNAVAILABLE' },
    });
    expect(calls.map(({ code }) => code)).toEqual(['ok', 'ANSWER_TOO_LARGE']);
  });
});

const STATS = ['followers_count', 'following_count', 'total_likes', 'videos_count'];
const AUDIENCE = ['audience_ages', 'audience_genders', 'audience_countries', 'audience_cities'];
const DAILY = [
  ...['video_views', 'unique_video_views', 'profile_views', 'likes', 'comments', 'shares'],
  ...['daily_new_followers', 'daily_lost_followers', 'engaged_audience', 'bio_link_clicks', 'audience_activity'],
];
const ACCOUNT_SCOPES = ['user.info.stats', 'user.insights'];

describe('An account of the Business family', () => {
  const asked = async (scopes: readonly string[], from: string, until: string, now = NOW) => {
    const { insights, seen } = await replying(approved({}), { clock: fixedClock(now) });
    got(await insights.readAccount(ACCESS, scopes, from, until));
    const { pathname, fields, query } = queryOf(seen);
    expect(pathname).toBe('/open_api/v1.3/business/get/');
    return { fields: fields.toSorted(), ...query };
  };
  const dates = (start_date: string, end_date: string) => ({ start_date, end_date });

  it.each([
    [ACCOUNT_SCOPES, [...STATS, ...AUDIENCE, ...DAILY], dates('2026-11-01', '2026-11-21')],
    [['user.insights', 'video.list'], [...AUDIENCE, ...DAILY], dates('2026-11-01', '2026-11-21')],
    [['user.info.stats'], STATS, {}],
  ])('is asked for with %j: only for the fields of those', async (scopes, fields, range) => {
    expect(await asked(scopes, '2026-11-01', '2026-11-21')).toEqual({
      business_id: OPEN_ID,
      fields: fields.toSorted(),
      ...range,
    });
  });

  it('is not asked for without either', async () => {
    const { insights, seen } = await replying(approved({}));
    expect(await insights.readAccount(ACCESS, ['user.info.basic', 'video.list'], '2026-11-01', '2026-11-21')).toEqual({
      ok: false,
      error: { code: 'ACCOUNT_SCOPE_MISSING', scopes: ACCOUNT_SCOPES },
    });
    expect(seen).toEqual([]);
  });

  it.each([
    ['2026-09-23', '2026-11-21', dates('2026-09-23', '2026-11-21')],
    ['2026-09-22', '2026-11-22', dates('2026-09-23', '2026-11-21')],
    ['2020-01-01', '2030-01-01', dates('2026-09-23', '2026-11-21')],
    ['2026-11-21', '2026-11-21', dates('2026-11-21', '2026-11-21')],
  ])('is asked for its days from %s to %s as far as TikTok has them', async (from, until, range) => {
    expect(await asked(ACCOUNT_SCOPES, from, until)).toMatchObject(range);
  });

  it.each([
    ['2026-11-22', '2026-11-22'],
    ['2020-01-01', '2026-09-22'],
    ['2026-11-21', '2026-11-20'],
  ])('is asked for no days from %s to %s, of which TikTok has none', async (from, until) => {
    expect(await asked(ACCOUNT_SCOPES, from, until)).toEqual({
      business_id: OPEN_ID,
      fields: [...STATS, ...AUDIENCE].toSorted(),
    });
  });

  it('is asked for no day that a turn of the day on the way, or on one of both clocks, puts out of reach', async () => {
    const all = ['2020-01-01', '2030-01-01'] as const;
    const inTime = (time: string) => asked(ACCOUNT_SCOPES, ...all, new Date(time));
    expect(await inTime('2026-11-22T23:58:59Z')).toMatchObject(dates('2026-09-23', '2026-11-21'));
    expect(await inTime('2026-11-22T23:59:01Z')).toMatchObject(dates('2026-09-24', '2026-11-21'));
    expect(await inTime('2026-11-23T00:00:59Z')).toMatchObject(dates('2026-09-24', '2026-11-21'));
    expect(await inTime('2026-11-23T00:01:00Z')).toMatchObject(dates('2026-09-24', '2026-11-22'));
  });

  const readFrom = async (data: unknown, from = '2026-11-01', until = '2026-11-21') => {
    const { insights } = await replying(approved(data));
    return got(await insights.readAccount(ACCESS, ACCOUNT_SCOPES, from, until));
  };

  it('has every number that TikTok tells', async () => {
    const activity = [
      { hour: '23', count: 4 },
      { hour: '0', count: 7 },
      { hour: 9, count: 0 },
    ];
    expect(
      await readFrom({
        ...{ followers_count: 1520, following_count: 0, total_likes: 30411, videos_count: 87 },
        metrics: [
          {
            ...{ date: '2026-11-20', video_views: 4021, unique_video_views: 3100, profile_views: 40, likes: 210 },
            ...{ comments: 12, shares: 9, followers_count: 1504, daily_total_followers: 5, daily_new_followers: 8 },
            ...{ daily_lost_followers: 3, engaged_audience: 230, bio_link_clicks: 0, audience_activity: activity },
          },
        ],
        audience_ages: [{ age: '18-24', percentage: 0.4 }],
        audience_genders: [
          { gender: 'Other', percentage: 0.05 },
          { gender: 'Female', percentage: 0.58 },
        ],
        audience_countries: [{ country: 'DE', percentage: 1 }],
        audience_cities: [{ city_name: 'Berlin', percentage: 0 }],
      }),
    ).toEqual({
      numbers: { followers: 1520, following: 0, totalLikes: 30411, videoCount: 87 },
      days: [
        {
          date: '2026-11-20',
          numbers: {
            ...{ videoViews: 4021, reach: 3100, profileViews: 40, likes: 210, comments: 12, shares: 9 },
            ...{ followers: 1504, newFollowers: 8, lostFollowers: 3, engagedAudience: 230, bioLinkClicks: 0 },
          },
          audienceActivity: [
            { hour: 0, count: 7 },
            { hour: 9, count: 0 },
            { hour: 23, count: 4 },
          ],
        },
      ],
      breakdowns: {
        audienceAges: [{ name: '18-24', fraction: 0.4 }],
        audienceGenders: [
          { name: 'Female', fraction: 0.58 },
          { name: 'Other', fraction: 0.05 },
        ],
        audienceCountries: [{ name: 'DE', fraction: 1 }],
        audienceCities: [{ name: 'Berlin', fraction: 0 }],
      },
    });
  });

  it('has nothing that TikTok left out or wrote in another way', async () => {
    const nothing = { numbers: {}, days: [], breakdowns: {} };
    expect(await readFrom({})).toEqual(nothing);
    const [stats, audience] = [STATS, AUDIENCE].map((fields) => Object.fromEntries(fields.map((name) => [name, null])));
    const day = Object.fromEntries(DAILY.map((name) => [name, null]));
    const odd = Object.fromEntries(DAILY.map((name) => [name, name === 'audience_activity' ? [] : -1]));
    const metrics = [{ date: '2026-11-20', ...day }, { date: '2026-11-19', ...odd }, { date: '2026-11-18' }, null, 'x'];
    expect(await readFrom({ ...stats, ...audience, metrics })).toEqual(nothing);
    expect(await readFrom({ followers_count: '1520', metrics: {}, audience_ages: {} })).toEqual(nothing);
  });

  it('has each of the days asked for once, the oldest first', async () => {
    const metrics = [
      ['2026-11-20', 1],
      ['2026-11-03', 2],
      ['2026-11-20', 3],
      ['2026-09-31', 4],
      ['2026-11-22', 5],
      ['2026-11-1', 6],
      ['2026-11-31', 7],
      ['20261105', 8],
      [20_261_105, 9],
      [null, 10],
      ['2026-11-01', 11],
      ['2026-11-21', 12],
    ].map(([date, likes]) => ({ date, likes }));
    const { days } = await readFrom({ metrics }, '2026-09-29', '2026-12-31');
    expect(days.map(({ date, numbers }) => [date, numbers.likes])).toEqual([
      ['2026-11-01', 11],
      ['2026-11-03', 2],
      ['2026-11-20', 3],
      ['2026-11-21', 12],
    ]);
  });

  it('has no days when none were asked for, whatever the answer holds', async () => {
    const { insights } = await replying(approved({ metrics: [{ date: '2026-11-20', followers_count: 3 }] }));
    expect(await insights.readAccount(ACCESS, ['user.info.stats'], '2026-11-01', '2026-11-21')).toMatchObject({
      value: { days: [] },
    });
  });

  it('has no hour that no day has', async () => {
    const audience_activity = ['24', '-1', 'x', '', null, 1.5, '5'].map((hour) => ({ hour, count: 1 }));
    const broken = [null, -1, '1', 1.5].map((count) => ({ hour: '6', count }));
    const metrics = [{ date: '2026-11-20', audience_activity: [...audience_activity, ...broken, null] }];
    const { days } = await readFrom({ metrics });
    expect(days).toEqual([{ date: '2026-11-20', numbers: {}, audienceActivity: [{ hour: 5, count: 1 }] }]);
  });
});
