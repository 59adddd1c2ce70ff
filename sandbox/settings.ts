import { verifiedProperty } from './business/properties.ts';
import { businessScopes, webhookTypes } from './business/vocabulary.ts';
import { type Check, type Checks, flag, listOf, oneOf, orNull, readPatch, refuse, text, whole } from './input.ts';
import { urlProperty } from './open/pull.ts';
import { redirectUri, slashedRedirectUri } from './open/redirect-uris.ts';
import { scopes } from './open/vocabulary.ts';
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

export const accountChecks: Checks<Account> = {
  openId,
  username,
  displayName: text(1, 100),
  bio: text(0, 500),
  verified: flag,
  businessAccount: flag,
  private: flag,
  banned: flag,
  commentDisabled: flag,
  duetDisabled: flag,
  stitchDisabled: flag,
  maxVideoPostDurationSec: whole(1, 86_400),
  dailyPostCap: whole(0, many),
  followerCount: whole(0, many),
  followingCount: whole(0, many),
  likesCount: whole(0, many),
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
};
