import { verifiedProperty } from './business/properties.ts';
import { businessScopes, webhookTypes } from './business/vocabulary.ts';
import {
  asObject,
  type Check,
  type Checks,
  flag,
  listOf,
  oneOf,
  orNull,
  readPatch,
  refuse,
  text,
  whole,
  within,
} from './input.ts';
import { type Audience, dateOf } from './insights/account-insights.ts';
import type { Weights } from './insights/shares.ts';
import type { Pause, VideoModel } from './insights/video-model.ts';
import { urlProperty } from './open/pull.ts';
import { redirectUri, slashedRedirectUri } from './open/redirect-uris.ts';
import { scopes } from './open/vocabulary.ts';
import type { Crowd, NewVideo } from './seeding.ts';
import type { Account, App, BusinessApp, Settings } from './state.ts';
import { webhookUrl } from './webhook-url.ts';

const yearMs = 365 * 86_400_000;
const many = 1_000_000_000;

const openId: Check<string> = (value, field) =>
  typeof value === 'string' && /^-000[A-Za-z0-9_-]{1,60}$/.test(value)
    ? value
    : refuse(field, value, 'must be -000 and 1 to 60 of A-Z a-z 0-9 - _', 'Leave it out to have one made.');

const username: Check<string> = (value, field) =>
  typeof value === 'string' && /^[a-z0-9._]{2,40}$/.test(value)
    ? value
    : refuse(field, value, 'must be 2 to 40 of a-z 0-9 . _', 'Choose such a name.');

export const appChecks: Checks<App> = {
  clientKey: text(1, 200),
  clientSecret: text(1, 200),
  redirectUris: listOf(redirectUri, 10),
  scopes: listOf(oneOf(...scopes), scopes.length),
  audited: flag,
  activeUserCap: whole(0, many),
  verifiedUrlProperties: listOf(urlProperty, 100),
  webhookUrl: orNull(webhookUrl),
  pkceRequired: flag,
  pkceEncodings: listOf(oneOf('hex', 'base64url'), 2),
  autoConsent: orNull(text(1, 200)),
};

const callbackUrls: Check<BusinessApp['callbackUrls']> = (value, field) =>
  readPatch(Object.fromEntries(webhookTypes.map((type) => [type, webhookUrl])), value, field);

export const businessChecks: Checks<BusinessApp> = {
  appId: text(1, 200),
  secret: text(1, 200),
  redirectUris: listOf(slashedRedirectUri, 10),
  scopes: listOf(oneOf(...businessScopes), businessScopes.length),
  urlProperties: listOf(verifiedProperty, 100),
  callbackUrls,
};

const latest = 8_640_000_000_000_000;
export const moment = whole(0, latest);

export const calendarDate: Check<string> = (value, field) =>
  typeof value === 'string' && !Number.isNaN(Date.parse(value)) && dateOf(Date.parse(value)) === value
    ? value
    : refuse(field, value, 'must be a date', 'Send YYYY-MM-DD.');

const weights: Check<Weights> = (value, field) => {
  const entries = Object.entries(asObject(value, field));
  if (entries.length < 1 || entries.length > 100)
    refuse(field, value, 'must have 1 to 100 names', 'Send {"DE":3,"AT":1}.');
  const weight = within(Number.MIN_VALUE, many);
  return Object.fromEntries(
    entries.map(([name, seen]) => [text(1, 100)(name, field), weight(seen, `${field}.${name}`)]),
  );
};

const audienceChecks: Checks<Audience> = { ages: weights, genders: weights, countries: weights, cities: weights };
const audience: Check<Partial<Audience>> = (value, field) => readPatch(audienceChecks, value, field);

export const accountChecks: Checks<Account> = {
  openId,
  username,
  displayName: text(1, 100),
  bio: text(0, 500),
  verified: flag,
  businessAccount: flag,
  registeredBusiness: flag,
  private: flag,
  banned: flag,
  commentDisabled: flag,
  duetDisabled: flag,
  stitchDisabled: flag,
  maxVideoPostDurationSec: whole(1, 86_400),
  dailyPostCap: whole(0, many),
  createTime: moment,
  analyticsSince: orNull(moment),
  followerCount: whole(0, many),
  followingCount: whole(0, many),
  likesCount: whole(0, many),
  audience,
};

const century = 100 * yearMs;
const pauseChecks: Checks<Pause> = { fromMs: whole(0, century), untilMs: orNull(whole(0, century)) };
const pause: Check<Pause> = (value, field) => {
  const { fromMs = 0, untilMs = null } = readPatch(pauseChecks, value, field);
  return { fromMs, untilMs };
};

const most = 1_000_000_000_000;
const share = within(0, 1);
export const videoModelChecks: Checks<VideoModel> = {
  finalViews: whole(0, most),
  finalLikes: whole(0, most),
  finalComments: whole(0, most),
  finalShares: whole(0, most),
  finalFavorites: whole(0, most),
  finalReach: whole(0, most),
  finalNewFollowers: whole(0, most),
  finalProfileViews: whole(0, most),
  finalClicks: whole(0, most),
  halfLifeMs: whole(0, century),
  pauses: listOf(pause, 100),
  meanWatchShare: within(0.02, 0.99),
  fullWatchRate: within(0.0001, 0.98),
  followerShare: share,
  newViewerShare: share,
  impressionSources: weights,
  audienceGenders: weights,
  audienceCountries: weights,
  audienceCities: weights,
};

/** Values that are allowed each, but not together, are refused. */
export function fittingModel(model: Partial<VideoModel>, field: string): Partial<VideoModel> {
  const { finalViews, finalReach, meanWatchShare, fullWatchRate } = model;
  if (finalViews !== undefined && finalReach !== undefined && finalReach > finalViews) {
    refuse(`${field}.finalReach`, finalReach, `must be at most finalViews, ${finalViews}`, 'Set both.');
  }
  if (meanWatchShare !== undefined && fullWatchRate !== undefined && fullWatchRate > meanWatchShare - 0.01) {
    const limit = `must be at least 0.01 below meanWatchShare, ${meanWatchShare}`;
    refuse(`${field}.fullWatchRate`, fullWatchRate, limit, 'Set both.');
  }
  return model;
}

const duration = within(0.001, 3_600);
const model: Check<Partial<VideoModel>> = (value, field) => readPatch(videoModelChecks, value, field);
export const newVideoChecks: Checks<NewVideo> = {
  createTime: moment,
  caption: text(0, 4_000),
  durationSeconds: duration,
  public: flag,
  model,
};

const { openId: _openId, username: _username, ...commonChecks } = accountChecks;
export const crowdChecks: Checks<Crowd> = {
  accounts: whole(1, 100_000),
  videos: whole(0, 10_000),
  prefix: text(1, 30),
  spanMs: whole(0, century),
  account: (value, field) => readPatch(commonChecks, value, field),
  model,
  durationSeconds: duration,
};

export const settingChecks: Checks<Settings> = {
  tokenRegime: oneOf('legacy', 'rotating'),
  revocation: oneOf('account', 'grant'),
  codeLifetimeMs: whole(1, yearMs),
  processingMs: whole(0, yearMs),
  postIdDelayMs: whole(0, yearMs),
  initPerMinute: whole(0, many),
  creatorInfoPerMinute: whole(0, many),
  statusPerMinute: whole(0, many),
  appPerMinute: whole(0, many),
  pendingDraftCap: whole(0, many),
  progressHeader: oneOf('count', 'last_index'),
  partialChunks: oneOf('discarded', 'kept'),
  unknownUpload: oneOf('404', '405_html'),
  pullFromLoopback: flag,
  listedDurationSec: whole(1, 86_400),
  openRefreshMs: whole(0, yearMs),
  webhookMode: oneOf('automatic', 'manual'),
  webhookCopies: whole(1, 20),
  webhookJitterMs: whole(0, 3_600_000),
  webhookRetryMs: whole(1, 3_600_000),
  webhookTimestamp: oneOf('first', 'fresh'),
  businessRefresh: oneOf('rotated', 'kept'),
  businessPerMinute: whole(0, many),
  businessPublishPerMinute: whole(0, many),
  businessAppPerSecond: whole(0, many),
  businessAppPerMinute: whole(0, many),
  businessPenaltyMs: whole(0, yearMs),
  unverifiedUrl: oneOf('refusal', 'verdict'),
  businessPostIds: oneOf('string', 'number'),
  insightsDelayMs: whole(0, yearMs),
  insightsRefreshMs: whole(0, yearMs),
  insightsGap: oneOf('missing', 'null', 'zero'),
  businessPageSize: whole(1, 20),
};
