/** TikTok's own words in the Business family. */
export const businessScopes = [
  'user.info.basic',
  'user.info.username',
  'user.info.profile',
  'user.info.stats',
  'user.account.type',
  'user.insights',
  'video.list',
  'video.insights',
  'video.publish',
  'video.upload',
] as const;
export type BusinessScope = (typeof businessScopes)[number];

export const isBusinessScope = (word: string): word is BusinessScope =>
  (businessScopes as readonly string[]).includes(word);

export const webhookTypes = ['VIDEO', 'COMMENT', 'BRAND_MENTION', 'DIRECT_MESSAGE'] as const;
export type WebhookType = (typeof webhookTypes)[number];

/** Return codes of the appendix, as far as these endpoints can answer with them. All come with HTTP 200. */
export const businessCodes = {
  40000: 'Invalid parameter.',
  40001: 'No permission to operate. The account holder has not granted the scope that this needs.',
  40002: 'Invalid parameter.',
  40006: 'The API version does not support these parameters.',
  40007: 'The object or operation does not exist.',
  40008: 'This endpoint is not implemented.',
  40016: 'Too many requests. Please retry later.',
  40050: 'Duplicate request.',
  40100: 'App reaches the QPS limit. Too many requests.',
  40101: 'The auth values do not match.',
  40102: 'Access token is expired.',
  40103: 'Refresh token is expired.',
  40104: 'Access token is empty.',
  40105: 'Access token is incorrect or has been revoked.',
  40106: 'Core user is invalid.',
  40107: 'Refresh token is incorrect.',
  40108: 'The grant_type is not supported.',
  40110: 'Auth code is used, cancelled or expired.',
  40113: 'The app is unknown or blocked, or does not fit the token.',
  40117: 'The method is not allowed.',
  40118: 'The app is not on the allowlist.',
  40125: 'The developer has no permission for this, or a field is not supported.',
  40131: 'Authorization code is expired.',
  40133: 'Too many requests from this advertiser.',
  40202: 'Write conflict.',
  40700: 'Internal validation error.',
  40902: 'The URL can not be reached.',
  40907: 'The file is too large.',
  40908: 'The type of the file is not supported.',
  41000: 'The IP is in a banned country.',
  41001: 'The endpoint is offline.',
  50000: 'System error. Please retry later.',
  50002: 'Service error. Please retry later.',
  51065: 'Something is wrong. Please try later.',
  51305: 'Service error. Please retry later.',
  60001: 'The system is under maintenance.',
} as const;
export type BusinessCode = keyof typeof businessCodes;

export const isBusinessCode = (value: unknown): value is `${BusinessCode}` =>
  typeof value === 'string' && Object.hasOwn(businessCodes, value);
