import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ACCOUNT_DEMANDS,
  DAY_DEMANDS,
  type Demand,
  type Facts,
  isHidden,
  REASONS_MISSING,
  REASONS_STALE,
  type UnavailableReason,
  VIDEO_DEMANDS,
  type VideoFacts,
  whyDaysMissing,
  whyMissing,
  whyStale,
} from '../../../src/domain/analytics/availability.ts';
import {
  ACCOUNT_BREAKDOWNS,
  ACCOUNT_NUMBERS,
  DAY_NUMBERS,
  VIDEO_BREAKDOWNS,
  VIDEO_CURVES,
  VIDEO_NUMBERS,
  type VideoMetric,
} from '../../../src/domain/analytics/reading.ts';
import { REQUESTED_SCOPES } from '../../../src/domain/connection/connection.ts';
import { aPublishedPost, later, NOW } from '../../support/builders.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;
const ago = (seconds: number) => later(-seconds);

/** A lively public video of a large Business account, ten days old, asked for an hour ago. */
const business: VideoFacts = {
  connection: { state: 'ACTIVE', apiFamily: 'BUSINESS', grantedScopes: REQUESTED_SCOPES.BUSINESS },
  accountType: 'BUSINESS',
  followers: 5_000,
  published: true,
  hidden: false,
  publishTime: ago(10 * DAY),
  collectTime: ago(HOUR),
  activityTime: ago(HOUR),
  now: NOW,
};
const open: VideoFacts = {
  ...business,
  connection: { state: 'ACTIVE', apiFamily: 'OPEN', grantedScopes: REQUESTED_SCOPES.OPEN },
};
const without = (facts: VideoFacts, ...names: readonly (keyof VideoFacts)[]): VideoFacts =>
  Object.fromEntries(Object.entries(facts).filter(([name]) => !(names as string[]).includes(name))) as VideoFacts;
const granting = (facts: VideoFacts, ...grantedScopes: readonly string[]): VideoFacts => ({
  ...facts,
  connection: { ...facts.connection, grantedScopes },
});

const VIDEO_METRICS: readonly VideoMetric[] = [...VIDEO_NUMBERS, ...VIDEO_CURVES, ...VIDEO_BREAKDOWNS];
const DEMANDS: readonly (readonly [string, Demand])[] = [
  ...Object.entries(VIDEO_DEMANDS),
  ...Object.entries(ACCOUNT_DEMANDS),
  ...Object.entries(DAY_DEMANDS),
];

describe('what a metric takes', () => {
  it('is said of every metric there is', () => {
    expect(Object.keys(VIDEO_DEMANDS).toSorted()).toEqual(VIDEO_METRICS.toSorted());
    expect(Object.keys(ACCOUNT_DEMANDS).toSorted()).toEqual([...ACCOUNT_NUMBERS, ...ACCOUNT_BREAKDOWNS].toSorted());
    expect(Object.keys(DAY_DEMANDS).toSorted()).toEqual([...DAY_NUMBERS, 'audienceActivity'].toSorted());
  });

  it('is a scope that we ask for', () => {
    for (const [name, { scopes }] of DEMANDS) {
      for (const family of ['OPEN', 'BUSINESS'] as const) {
        const scope = scopes[family];
        if (scope !== undefined) expect(REQUESTED_SCOPES[family], name).toContain(scope);
      }
    }
  });

  it('is what the open family tells: four numbers of a video (open-api §7), and of an account those of user info (§3)', () => {
    const told = (demands: Readonly<Record<string, Demand>>) =>
      Object.keys(demands).filter((name) => demands[name]?.scopes.OPEN !== undefined);
    expect(told(VIDEO_DEMANDS)).toEqual(['views', 'likes', 'comments', 'shares']);
    expect(told(ACCOUNT_DEMANDS)).toEqual(['followers', 'following', 'totalLikes', 'videoCount']);
    expect(told(DAY_DEMANDS)).toEqual(['followers', 'totalLikes', 'videoCount']);
  });

  it('is what the Business family has other rules for (business-api §4, §5.1, §5.2)', () => {
    const those = (demands: Readonly<Record<string, Demand>>, fits: (demand: Demand) => boolean) =>
      Object.keys(demands).filter((name) => fits(demands[name] ?? { scopes: {} }));
    expect(those(VIDEO_DEMANDS, ({ perishable }) => perishable === true)).toEqual([
      'reach',
      'totalWatchSeconds',
      'averageWatchSeconds',
      'fullWatchRate',
      'impressionSources',
      'audienceCountries',
    ]);
    expect(those(VIDEO_DEMANDS, ({ businessAccount }) => businessAccount === true)).toEqual(['profileViews']);
    expect(those(VIDEO_DEMANDS, ({ followers }) => followers === 100)).toEqual(['audienceCities']);
    expect(those(ACCOUNT_DEMANDS, ({ followers }) => followers === 100)).toEqual([...ACCOUNT_BREAKDOWNS]);
    expect(those(DAY_DEMANDS, ({ businessAccount }) => businessAccount === true)).toEqual([
      'reach',
      'newFollowers',
      'lostFollowers',
      'engagedAudience',
      'bioLinkClicks',
      'audienceActivity',
    ]);
    expect(those(VIDEO_DEMANDS, ({ scopes }) => scopes.BUSINESS === 'video.list')).toEqual([
      'views',
      'likes',
      'comments',
      'shares',
      'favorites',
      'reach',
    ]);
  });
});

describe('why nothing is known of a metric', () => {
  it.each<[UnavailableReason, VideoMetric, string, VideoFacts]>([
    ['NOT_PUBLISHED', 'views', 'the post is not published', { ...open, published: false }],
    ['NEEDS_BUSINESS_API', 'reach', 'only the Business family tells it', open],
    ['NEEDS_SCOPE', 'views', 'the list may not be read', granting(open, 'user.info.stats')],
    ['NEEDS_SCOPE', 'retention', 'the insights may not be read', granting(business, 'video.list')],
    [
      'NOT_CONNECTED',
      'views',
      'a reconnect is asked for',
      { ...open, connection: { ...open.connection, state: 'RECONNECT_REQUIRED' } },
    ],
    [
      'NOT_CONNECTED',
      'reach',
      'the connection was ended',
      { ...business, connection: { ...business.connection, state: 'DISCONNECTED' } },
    ],
    ['NOT_PUBLIC', 'views', 'not everyone can see it', { ...open, hidden: true }],
    ['NEEDS_BUSINESS_ACCOUNT', 'profileViews', 'the account is personal', { ...business, accountType: 'PERSONAL' }],
    ['TOO_FEW_FOLLOWERS', 'audienceCities', 'there are 99 followers', { ...business, followers: 99 }],
    ['NOT_YET_COLLECTED', 'views', 'nobody asked', without(open, 'collectTime')],
    [
      'NOT_YET_AVAILABLE',
      'views',
      'it was a second too young when TikTok was asked',
      { ...business, publishTime: ago(50 * HOUR), collectTime: ago(2 * HOUR + 1) },
    ],
    ['FROZEN', 'favorites', 'it is 365 days old', { ...business, publishTime: ago(365 * DAY) }],
    ['IDLE', 'reach', 'nobody did anything for more than 7 days', { ...business, activityTime: ago(7 * DAY + 1) }],
    ['NOT_PROVIDED', 'views', 'nothing else explains it', business],
    ['NOT_PROVIDED', 'views', 'nothing else explains it, in the open family', open],
  ])('is %s for %s when %s', (reason, metric, _, facts) => {
    expect(whyMissing(VIDEO_DEMANDS[metric], facts)).toBe(reason);
  });

  it.each<[string, VideoMetric, VideoFacts]>([
    ['100 followers are enough', 'audienceCities', { ...business, followers: 100 }],
    ['an unknown number of followers is no reason', 'audienceCities', without(business, 'followers')],
    ['an unknown kind of account is no reason', 'profileViews', without(business, 'accountType')],
    ['48 hours are enough', 'views', { ...business, publishTime: ago(50 * HOUR), collectTime: ago(2 * HOUR) }],
    ['the open family tells at once', 'views', { ...open, publishTime: ago(HOUR), collectTime: ago(60) }],
    ['7 days of rest are not more than 7', 'reach', { ...business, activityTime: ago(7 * DAY) }],
    ['plain counters do not perish', 'views', { ...business, activityTime: ago(30 * DAY) }],
    ['a second is missing to 365 days', 'views', { ...business, publishTime: ago(365 * DAY - 1) }],
  ])('is none of those: %s', (_, metric, facts) => {
    expect(whyMissing(VIDEO_DEMANDS[metric], facts)).toBe('NOT_PROVIDED');
  });

  /** From all that can be at once, one cause after the other goes: the next one comes up. */
  it('is the first of their order', () => {
    const demand: Demand = { scopes: { BUSINESS: 's' }, businessAccount: true, followers: 100, perishable: true };
    let facts: Facts = {
      connection: { state: 'DISCONNECTED', apiFamily: 'OPEN', grantedScopes: [] },
      accountType: 'PERSONAL',
      followers: 3,
      published: false,
      hidden: true,
      publishTime: ago(366 * DAY),
      activityTime: ago(300 * DAY),
      now: NOW,
    };
    const seen: string[] = [];
    const mend = (change: Partial<VideoFacts>) => {
      seen.push(whyMissing(demand, facts));
      facts = { ...facts, ...change };
    };
    mend({ published: true });
    mend({ connection: { ...facts.connection, apiFamily: 'BUSINESS' } });
    mend({ connection: { ...facts.connection, grantedScopes: ['s'] } });
    mend({ connection: { ...facts.connection, state: 'ACTIVE' } });
    mend({ hidden: false });
    mend({ accountType: 'BUSINESS' });
    mend({ followers: 100 });
    mend({ collectTime: ago(365 * DAY) });
    mend({ collectTime: ago(DAY) });
    mend({ publishTime: ago(301 * DAY) });
    mend({ activityTime: NOW });
    mend({});
    expect(seen).toEqual(REASONS_MISSING);
  });
});

describe('why what is known of a metric moves no more', () => {
  it('is nothing while it is collected', () => {
    for (const metric of VIDEO_METRICS)
      expect(whyStale(VIDEO_DEMANDS[metric], business, ago(HOUR)), metric).toBeUndefined();
  });

  it.each<[UnavailableReason | undefined, VideoMetric, string, VideoFacts]>([
    ['FROZEN', 'views', 'it is 365 days old', { ...open, publishTime: ago(365 * DAY) }],
    ['NEEDS_SCOPE', 'views', 'the scope was taken back', granting(open)],
    [
      'NOT_CONNECTED',
      'views',
      'the connection was ended',
      { ...open, connection: { ...open.connection, state: 'DISCONNECTED' } },
    ],
    ['NOT_PUBLIC', 'views', 'it was hidden', { ...open, hidden: true }],
    ['NEEDS_BUSINESS_ACCOUNT', 'profileViews', 'the account became personal', { ...business, accountType: 'PERSONAL' }],
    ['TOO_FEW_FOLLOWERS', 'audienceCities', 'followers left', { ...business, followers: 99 }],
    ['IDLE', 'audienceCountries', 'it is withheld', { ...business, activityTime: ago(8 * DAY) }],
    [undefined, 'likes', 'it rests, and likes are told all the same', { ...business, activityTime: ago(8 * DAY) }],
    [undefined, 'views', 'it is young', { ...business, publishTime: ago(HOUR) }],
  ])('is %s for %s when %s', (reason, metric, _, facts) => {
    expect(whyStale(VIDEO_DEMANDS[metric], facts, ago(DAY))).toBe(reason);
  });

  it.each<[VideoMetric, VideoFacts]>([
    ['reach', { ...business, activityTime: ago(8 * DAY) }],
    ['audienceCities', { ...business, followers: 99 }],
    ['profileViews', { ...business, accountType: 'PERSONAL' }],
  ])('is nothing that would keep TikTok from telling %s, where it just told it', (metric, facts) => {
    expect(whyStale(VIDEO_DEMANDS[metric], facts, ago(HOUR))).toBeUndefined();
    expect(whyStale(VIDEO_DEMANDS[metric], facts, ago(HOUR + 1))).toBeDefined();
  });

  it('is first of all what nobody can change', () => {
    const demand: Demand = { scopes: { BUSINESS: 's' }, businessAccount: true, followers: 100, perishable: true };
    let facts: Facts = {
      connection: { state: 'DISCONNECTED', apiFamily: 'BUSINESS', grantedScopes: [] },
      accountType: 'PERSONAL',
      followers: 3,
      hidden: true,
      publishTime: ago(366 * DAY),
      activityTime: ago(300 * DAY),
      collectTime: ago(HOUR),
      now: NOW,
    };
    const seen: (string | undefined)[] = [];
    const mend = (change: Partial<VideoFacts>) => {
      seen.push(whyStale(demand, facts, ago(DAY)));
      facts = { ...facts, ...change };
    };
    mend({ publishTime: ago(301 * DAY) });
    mend({ connection: { ...facts.connection, grantedScopes: ['s'] } });
    mend({ connection: { ...facts.connection, state: 'ACTIVE' } });
    mend({ hidden: false });
    mend({ accountType: 'BUSINESS' });
    mend({ followers: 100 });
    mend({ activityTime: NOW });
    mend({});
    expect(seen).toEqual([...REASONS_STALE, undefined]);
  });
});

describe('days of an account', () => {
  it('have no reason once one has a number that only some accounts get', () => {
    const day = { date: '2026-11-01', numbers: { videoViews: 4 } };
    expect(whyDaysMissing([day], business)).toBe('NOT_PROVIDED');
    expect(whyDaysMissing([day, { ...day, numbers: { reach: 0 } }], business)).toBeUndefined();
    expect(whyDaysMissing([{ ...day, audienceActivity: [{ hour: 3, count: 9 }] }], business)).toBeUndefined();
  });

  it.each<[UnavailableReason, VideoFacts]>([
    ['NEEDS_BUSINESS_API', open],
    ['NEEDS_SCOPE', granting(business, 'user.info.stats')],
    ['NEEDS_BUSINESS_ACCOUNT', { ...business, accountType: 'PERSONAL' }],
    ['NOT_YET_COLLECTED', without(business, 'collectTime')],
  ])('have none for %s', (reason, facts) => {
    expect(whyDaysMissing([], without(facts, 'published', 'hidden', 'publishTime', 'activityTime'))).toBe(reason);
  });
});

describe('a published post', () => {
  const post = aPublishedPost();
  const to = (privacyLevel: 'PUBLIC_TO_EVERYONE' | 'SELF_ONLY') => ({ ...post.settings, privacyLevel });

  it.each([
    ['is not hidden where everyone sees it', false, { publiclyAvailable: true }],
    ['is hidden once everyone saw it and no longer does', true, { publiclyAvailable: false, tiktokPostIds: ['7'] }],
    ['is hidden when it is for few', true, { publiclyAvailable: false, tiktokPostIds: [], settings: to('SELF_ONLY') }],
    [
      'is not hidden while TikTok looks at it',
      false,
      { publiclyAvailable: false, tiktokPostIds: [], settings: to('PUBLIC_TO_EVERYONE') },
    ],
  ])('%s', (_, hidden, parts) => {
    expect(isHidden({ ...post, ...parts })).toBe(hidden);
  });
});

const moments = fc.integer({ min: 0, max: 500 * DAY }).map(ago);
const maybe = <T>(name: string, values: fc.Arbitrary<T>) =>
  fc.option(values, { nil: undefined }).map((value) => (value === undefined ? {} : { [name]: value }));
/** Whatever can be true of a video, or (without most of it) of an account. */
const someFacts: fc.Arbitrary<Facts> = fc
  .tuple(
    fc.record({
      state: fc.constantFrom('ACTIVE', 'RECONNECT_REQUIRED', 'DISCONNECTED'),
      apiFamily: fc.constantFrom('OPEN', 'BUSINESS'),
      grantedScopes: fc.subarray([...new Set(Object.values(REQUESTED_SCOPES).flat())]),
    }),
    maybe('accountType', fc.constantFrom('BUSINESS', 'PERSONAL')),
    maybe('followers', fc.nat(200)),
    maybe('published', fc.boolean()),
    maybe('hidden', fc.boolean()),
    maybe('publishTime', moments),
    maybe('collectTime', moments),
    maybe('activityTime', moments),
  )
  .map(([connection, ...parts]) => Object.assign({ connection, now: NOW }, ...parts) as Facts);

describe('whatever is true', () => {
  it('what is missing has a reason, and what is known none that is only for what is missing', () => {
    const onlyMissing: readonly string[] = REASONS_MISSING.filter(
      (reason) => !(REASONS_STALE as readonly string[]).includes(reason),
    );
    fc.assert(
      fc.property(someFacts, moments, fc.constantFrom(...DEMANDS), (facts, asOf, [, demand]) => {
        expect(REASONS_MISSING).toContain(whyMissing(demand, facts));
        expect(onlyMissing).not.toContain(whyStale(demand, facts, asOf));
      }),
    );
  });

  it('a reason to wait or to look no further never hides one that somebody can mend', () => {
    const toldByBusiness = DEMANDS.filter(([, { scopes }]) => scopes.BUSINESS !== undefined);
    fc.assert(
      fc.property(someFacts, fc.constantFrom(...toldByBusiness), (facts, [, demand]) => {
        const scope = demand.scopes[facts.connection.apiFamily];
        const mendable =
          facts.published !== false &&
          facts.connection.state === 'ACTIVE' &&
          facts.hidden !== true &&
          scope !== undefined &&
          facts.connection.grantedScopes.includes(scope);
        const waits = ['NOT_YET_COLLECTED', 'NOT_YET_AVAILABLE', 'FROZEN', 'IDLE'].includes(whyMissing(demand, facts));
        if (waits) expect(mendable).toBe(true);
      }),
    );
  });
});
