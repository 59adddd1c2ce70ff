import { describe, expect, it } from 'vitest';
import type { VideoInsights } from '../insights/video-insights.ts';
import type { SandboxOptions } from '../sandbox.ts';
import type { NewVideo } from '../seeding.ts';
import { bakery } from '../test-client.ts';
import { aBusinessSandbox, businessClientOf } from './test-client.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** By our name: TikTok's, and of a list, what it calls the name of an element. */
const fieldOf: Record<keyof VideoInsights, readonly [string, string?]> = {
  durationSeconds: ['video_duration'],
  views: ['video_views'],
  likes: ['likes'],
  comments: ['comments'],
  shares: ['shares'],
  favorites: ['favorites'],
  reach: ['reach'],
  totalWatchSeconds: ['total_time_watched'],
  averageWatchSeconds: ['average_time_watched'],
  fullWatchRate: ['full_video_watched_rate'],
  retention: ['video_view_retention', 'second'],
  likesBySecond: ['engagement_likes', 'second'],
  impressionSources: ['impression_sources', 'impression_source'],
  audienceTypes: ['audience_types', 'type'],
  audienceGenders: ['audience_genders', 'gender'],
  audienceCountries: ['audience_countries', 'country'],
  audienceCities: ['audience_cities', 'city_name'],
  newFollowers: ['new_followers'],
  profileViews: ['profile_views'],
  websiteClicks: ['website_clicks'],
  phoneNumberClicks: ['phone_number_clicks'],
  leadSubmissions: ['lead_submissions'],
  appDownloadClicks: ['app_download_clicks'],
  emailClicks: ['email_clicks'],
  addressClicks: ['address_clicks'],
};
const allFields = ['item_id', ...Object.values(fieldOf).map(([field]) => field)];
const clicks = [
  ...['website_clicks', 'phone_number_clicks', 'lead_submissions'],
  ...['app_download_clicks', 'email_clicks', 'address_clicks'],
];
const perishable = [
  ...['reach', 'full_video_watched_rate', 'total_time_watched'],
  ...['average_time_watched', 'impression_sources', 'audience_countries'],
];
/** Needs Analytics to be turned on. */
const analytics = allFields.slice(allFields.indexOf('total_time_watched'));

/** The truth as TikTok writes it. */
function wire(values: Partial<VideoInsights>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      const [field, element] = fieldOf[name as keyof VideoInsights];
      if (typeof value === 'number') return [field, value];
      const list = value as { second?: number; name?: string; fraction: number }[];
      const element_ = element ?? '';
      return [
        field,
        list.map(({ second, name: word, fraction }) => ({
          [element_]: second === undefined ? word : String(second),
          percentage: fraction,
        })),
      ];
    }),
  );
}

async function aVideo(video: NewVideo = {}, options: SandboxOptions = {}) {
  const sandbox = await aBusinessSandbox(options);
  const { control } = sandbox;
  const { createTime = control.now() } = video;
  const { postId } = control.addVideo(bakery, { durationSeconds: 21.5, ...video, createTime });
  /** All fields of the one video, by a new token each time: days pass. */
  const read = async (fields: readonly string[] = allFields): Promise<Record<string, unknown>> => {
    const answer = await businessClientOf(sandbox).videos({ fields: JSON.stringify(fields) });
    return (answer.data['videos'] as Record<string, unknown>[])[0] ?? {};
  };
  return { sandbox, control, postId, read };
}

describe('the numbers of a video', () => {
  it('are those of a day ago, all of them as the model has them', async () => {
    const { control, postId, read } = await aVideo(
      { model: { finalViews: 5_000_000, finalReach: 4_000_000, halfLifeMs: dayMs } },
      { insightsRefreshMs: hourMs },
    );
    control.changeAccount(bakery, { registeredBusiness: true });
    // Half an hour after the numbers were brought up to date, so that they stay as they are while the test runs.
    control.advanceClock(3 * dayMs + hourMs / 2 - (control.now() % hourMs));
    const { values } = control.insights(postId, { at: control.now() - (control.now() % hourMs) - dayMs });
    const told = await read();
    expect(Object.keys(told).toSorted()).toEqual(allFields.toSorted());
    expect(told).toEqual({ item_id: postId, ...wire(values) });
    expect(told).toMatchObject({ video_duration: 21.5 });
    expect(control.insights(postId, { family: 'BUSINESS' }).values).toEqual(values);
    expect(control.insights(postId).values.views).toBeGreaterThan(values.views);
  });

  it.each([
    ['missing', undefined, undefined],
    ['null', null, null],
    ['zero', 0, []],
  ] as const)('that are not there yet are %s', async (insightsGap, number, list) => {
    const { control, read } = await aVideo({}, { insightsGap });
    control.advanceClock(dayMs - 60_000);
    const told = await read();
    expect(told).toHaveProperty('item_id');
    expect(told['video_views']).toBe(number);
    expect(told['video_duration']).toBe(number);
    expect(told['video_view_retention']).toEqual(list);
    expect('reach' in told).toBe(insightsGap !== 'missing');
    expect('website_clicks' in told).toBe(false); // never of this account
    control.advanceClock(60_000);
    expect((await read())['video_duration']).toBe(21.5);
  });

  it('lose six of them after seven idle days, and have them again a day after somebody came', async () => {
    const pauses = [{ fromMs: 5 * dayMs, untilMs: 20 * dayMs }];
    const { control, read } = await aVideo({ model: { finalViews: 1_000_000, halfLifeMs: 10 * dayMs, pauses } });
    const gone = async () => {
      const told = await read();
      return allFields.filter((field) => !(field in told) && !clicks.includes(field));
    };
    const at = async (days: number) => {
      control.advanceClock(created + days * dayMs - control.now());
      return gone();
    };
    const created = control.now();
    expect(await at(12.9)).toEqual([]); // idle for 6.9 days, a day ago
    expect((await at(13.1)).toSorted()).toEqual(perishable.toSorted());
    expect((await at(20.9)).toSorted()).toEqual(perishable.toSorted());
    expect(await at(21.1)).toEqual([]);
  });

  it('stand still after 365 days', async () => {
    const { control, postId, read } = await aVideo({ model: { finalViews: 1_000_000, halfLifeMs: 300 * dayMs } });
    const created = control.now();
    control.advanceClock(500 * dayMs);
    const frozen = await read();
    const { values } = control.insights(postId, { at: created + 365 * dayMs });
    expect(frozen['video_views']).toBe(values.views);
    expect(control.insights(postId).values.views).toBeGreaterThan(values.views);
    control.advanceClock(100 * dayMs);
    expect(await read()).toEqual(frozen);
  });

  it.each<[string, Parameters<Awaited<ReturnType<typeof aVideo>>['control']['changeAccount']>[1], string[]]>([
    ['of a personal account', { businessAccount: false, registeredBusiness: true }, ['profile_views', ...clicks]],
    ['of a Business account', {}, clicks],
    ['of a registered one', { registeredBusiness: true }, []],
    ['of few followers', { registeredBusiness: true, followerCount: 0 }, ['audience_cities']],
    ['without Analytics', { registeredBusiness: true, analyticsSince: null }, analytics],
  ])('%s lack what it is not told', async (_, patch, lacking) => {
    const { control, read } = await aVideo({ model: { finalViews: 5_000, finalNewFollowers: 50 } });
    control.changeAccount(bakery, patch);
    control.advanceClock(3 * dayMs);
    const told = await read();
    expect(allFields.filter((field) => !(field in told)).toSorted()).toEqual(lacking.toSorted());
  });

  it('need a permission each, or the call is refused', async () => {
    const { sandbox } = await aVideo();
    const client = businessClientOf(sandbox, bakery, ['video.list']);
    const ask = async (field: string) => (await client.videos({ fields: JSON.stringify(['item_id', field]) })).code;
    expect([await ask('favorites'), await ask('reach'), await ask('website_clicks')]).toEqual([0, 0, 40001]);
  });
});

describe('filtered by ids', () => {
  it('the list has those of the account that are public, newest first, each once', async () => {
    const sandbox = await aBusinessSandbox();
    const { control } = sandbox;
    const [older, newer, hidden] = control.addVideos(bakery, [
      { createTime: control.now() - dayMs },
      {},
      { public: false },
    ]);
    const others = control.addVideo('glow.short');
    const ids = [older, newer, hidden, others, older].map((video) => video?.postId);
    const ask = async (filters: object) =>
      (await businessClientOf(sandbox).videos({ filters: JSON.stringify(filters) })).data['videos'];
    expect(await ask({ video_ids: ids })).toEqual([{ item_id: newer?.postId }, { item_id: older?.postId }]);
    expect(await ask({ video_ids: ids, ad_post_only: true })).toEqual([]);
  });
});

describe('a short page', () => {
  it('says that there is more, and loses nothing', async () => {
    const sandbox = await aBusinessSandbox({ businessPageSize: 3 });
    const { control } = sandbox;
    const posts = control.addVideos(
      bakery,
      Array.from({ length: 8 }, (_, index) => ({ createTime: control.now() - index * 3_600_000 })),
    );
    control.setVideoPublic(posts[2]?.postId ?? '', false);
    const client = businessClientOf(sandbox);
    const pages: string[][] = [];
    let query: Record<string, string> = { max_count: '20' };
    for (let more = true; more; ) {
      const { data } = await client.videos(query);
      pages.push((data['videos'] as { item_id: string }[]).map(({ item_id }) => item_id));
      more = data['has_more'] === true;
      query = { max_count: '20', cursor: String(data['cursor']) };
    }
    const shown = posts.filter((_, index) => index !== 2).map(({ postId }) => postId);
    expect(pages).toEqual([shown.slice(0, 3), shown.slice(3, 6), shown.slice(6)]);
  });
});

describe('the days of an account', () => {
  const daily = {
    video_views: 'videoViews',
    profile_views: 'profileViews',
    likes: 'likes',
    comments: 'comments',
    shares: 'shares',
    followers_count: 'followers',
    unique_video_views: 'reach',
    daily_total_followers: 'netFollowers',
    daily_new_followers: 'newFollowers',
    daily_lost_followers: 'lostFollowers',
    engaged_audience: 'engagedAudience',
    phone_number_clicks: 'phoneNumberClicks',
    lead_submissions: 'leadSubmissions',
    app_download_clicks: 'appDownloadClicks',
    bio_link_clicks: 'bioLinkClicks',
    email_clicks: 'emailClicks',
    address_clicks: 'addressClicks',
  } as const;
  const dailyClicks = Object.keys(daily).slice(-6);
  const businessOnly = [
    ...['unique_video_views', 'daily_total_followers', 'daily_new_followers', 'daily_lost_followers'],
    ...['engaged_audience', 'audience_activity'],
  ];
  const audience = ['audience_ages', 'audience_genders', 'audience_countries', 'audience_cities'];
  const date = (time: number) => new Date(time).toISOString().slice(0, 10);

  /** Noon, so that no midnight comes while a test runs. */
  async function anAccount() {
    const sandbox = await aBusinessSandbox();
    const { control } = sandbox;
    control.advanceClock(dayMs - (control.now() % dayMs) + dayMs / 2);
    for (const days of [3, 20, 64]) control.addVideo(bakery, { createTime: control.now() - days * dayMs });
    const read = async (fields: readonly string[], query: Record<string, string> = {}) =>
      businessClientOf(sandbox).get('/business/get/', { fields: JSON.stringify(fields), ...query });
    const daysAgo = (days: number) => date(control.now() - days * dayMs);
    return { sandbox, control, read, daysAgo };
  }
  const dates = (data: Record<string, unknown>) => (data['metrics'] as { date: string }[]).map((day) => day.date);

  it('are those of the model, each by its name', async () => {
    const { control, read, daysAgo } = await anAccount();
    control.changeAccount(bakery, { registeredBusiness: true });
    const { data } = await read([...Object.keys(daily), 'audience_activity'], {
      start_date: daysAgo(60),
      end_date: daysAgo(2),
    });
    const { days } = control.accountInsights(bakery, { startDate: daysAgo(60), endDate: daysAgo(2) }).values;
    expect(days).toHaveLength(59);
    expect(data['metrics']).toEqual(
      days.map((day) => ({
        date: day.date,
        ...Object.fromEntries(Object.entries(daily).map(([field, name]) => [field, day[name]])),
        audience_activity: day.audienceActivity.map(({ hour, count }) => ({ hour: String(hour), count })),
      })),
    );
    expect(data['followers_count']).toBe(control.accountInsights(bakery).values.followers);
  });

  it('are the last seven unless said, without those that are not known yet', async () => {
    const { read, daysAgo } = await anAccount();
    const { data } = await read(['likes']);
    expect(dates(data)).toEqual([7, 6, 5, 4, 3, 2].map(daysAgo));
    const late = await read(['likes'], { start_date: daysAgo(1), end_date: daysAgo(0) });
    expect(late).toMatchObject({ code: 0, data: { metrics: [] } });
  });

  it('begin with the account and with Analytics', async () => {
    const { control, read, daysAgo } = await anAccount();
    const at = async (patch: Parameters<typeof control.changeAccount>[1]) => {
      control.changeAccount(bakery, patch);
      const { data } = await read(['likes', 'audience_genders']);
      return [dates(data).length, 'audience_genders' in data];
    };
    const analyticsSince = Date.parse(daysAgo(4)) + 3_600_000;
    expect(await at({ analyticsSince })).toEqual([3, true]); // that day, and two more
    expect(await at({ analyticsSince: 0, createTime: analyticsSince })).toEqual([3, true]);
    expect(await at({ analyticsSince: null })).toEqual([0, false]);
  });

  it.each<[string, object, string[], boolean]>([
    ['personal', { businessAccount: false, registeredBusiness: true }, [...businessOnly, ...dailyClicks], true],
    ['Business', {}, dailyClicks, true],
    ['registered', { registeredBusiness: true }, [], true],
    ['new', { registeredBusiness: true, followerCount: 0 }, ['audience_activity'], false],
  ])('of a %s account lack what it is not told', async (_, patch, lacking, hasAudience) => {
    const { sandbox, control } = await anAccount();
    control.addAccount({ username: 'small.one', followerCount: 1_000, ...patch });
    const fields = [...Object.keys(daily), 'audience_activity', ...audience];
    const { data } = await businessClientOf(sandbox, 'small.one').get('/business/get/', {
      fields: JSON.stringify(fields),
    });
    const [first = {}] = data['metrics'] as object[];
    expect([...Object.keys(daily), 'audience_activity'].filter((field) => !(field in first)).toSorted()).toEqual(
      lacking.toSorted(),
    );
    expect(audience.filter((field) => field in data)).toEqual(hasAudience ? audience : []);
  });

  it('have the audience that was set', async () => {
    const { control, read } = await anAccount();
    const mine = { ages: { '18-24': 1, '25-34': 3 }, cities: { Berlin: 1 } };
    control.changeAccount(bakery, { audience: mine });
    const { data } = await read(audience);
    expect(data).toMatchObject({
      audience_ages: [
        { age: '25-34', percentage: 0.75 },
        { age: '18-24', percentage: 0.25 },
      ],
      audience_cities: [{ city_name: 'Berlin', percentage: 1 }],
    });
    const truth = control.accountInsights(bakery).values;
    expect(data['audience_genders']).toEqual(
      truth.audienceGenders.map(({ name, fraction }) => ({ gender: name, percentage: fraction })),
    );
    expect(data['audience_countries']).toEqual(
      truth.audienceCountries.map(({ name, fraction }) => ({ country: name, percentage: fraction })),
    );
    expect(data).not.toHaveProperty('metrics');
  });

  it('need the permission; without it, the followers of now are told all the same', async () => {
    const { sandbox } = await anAccount();
    const client = businessClientOf(sandbox, bakery, ['user.info.stats']);
    const ask = (field: string) => client.get('/business/get/', { fields: JSON.stringify([field]) });
    expect((await ask('likes')).code).toBe(40001);
    expect(Object.keys((await ask('followers_count')).data)).toEqual(['followers_count']);
  });

  it.each<[string, (daysAgo: (days: number) => string) => Record<string, string>]>([
    ['older than 60 days', (daysAgo) => ({ start_date: daysAgo(61) })],
    ['of tomorrow', (daysAgo) => ({ end_date: daysAgo(-1) })],
    ['in the wrong order', (daysAgo) => ({ start_date: daysAgo(2), end_date: daysAgo(3) })],
    ['that are none', () => ({ end_date: '2026-02-30' })],
    ['in another form', () => ({ start_date: '20260101' })],
    ['of a longer year', (daysAgo) => ({ start_date: `+00${daysAgo(2)}` })],
    ['with a time', (daysAgo) => ({ start_date: `${daysAgo(2)}T00:00:00Z` })],
  ])('are refused for dates %s', async (_, query) => {
    const { read, daysAgo } = await anAccount();
    expect(await read(['likes'], query(daysAgo))).toMatchObject({ status: 200, code: 40002 });
  });
});
