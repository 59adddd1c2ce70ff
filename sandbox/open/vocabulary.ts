/** TikTok's own words in the open API. */
export const scopes = [
  'user.info.basic',
  'user.info.profile',
  'user.info.stats',
  'video.list',
  'video.upload',
  'video.publish',
] as const;
export type Scope = (typeof scopes)[number];

export const isScope = (word: string): word is Scope => (scopes as readonly string[]).includes(word);

export const privacyLevels = [
  'PUBLIC_TO_EVERYONE',
  'MUTUAL_FOLLOW_FRIENDS',
  'FOLLOWER_OF_CREATOR',
  'SELF_ONLY',
] as const;
export type PrivacyLevel = (typeof privacyLevels)[number];

export const failReasons = [
  'file_format_check_failed',
  'duration_check_failed',
  'frame_rate_check_failed',
  'picture_size_check_failed',
  'internal',
  'video_pull_failed',
  'photo_pull_failed',
  'publish_cancelled',
  'auth_removed',
  'spam_risk_too_many_posts',
  'spam_risk_user_banned_from_posting',
  'spam_risk_text',
  'spam_risk',
] as const;
export type FailReason = (typeof failReasons)[number];

/** `reason` of `authorization.removed`. */
export const removalReasons = [0, 1, 2, 3, 4, 5] as const;
export type RemovalReason = (typeof removalReasons)[number];

const integrationGuidelines =
  'Please review our integration guidelines at https://developers.tiktok.com/doc/content-sharing-guidelines/';

/** Status and text of each code of the JSON endpoints. */
export const errors = {
  access_token_invalid: { status: 401, message: 'The access token is invalid or not found in the request.' },
  scope_not_authorized: {
    status: 401,
    message: 'The user did not authorize the scope required for completing this request.',
  },
  scope_permission_missed: {
    status: 400,
    message: 'Access token is invalid, some fields need additional scopes.',
  },
  invalid_params: { status: 400, message: 'One or more fields in the request are invalid.' },
  invalid_file_upload: { status: 400, message: 'The uploaded file does not meet the API specifications.' },
  invalid_publish_id: { status: 400, message: 'The publish_id does not exist.' },
  token_not_authorized_for_specified_publish_id: {
    status: 400,
    message: 'The access token is not authorized for the specified publish_id.',
  },
  publish_not_cancellable: { status: 400, message: 'The publish task can no longer be cancelled.' },
  spam_risk_too_many_posts: { status: 403, message: 'The daily post cap from the API is reached for this user.' },
  spam_risk_too_many_pending_share: {
    status: 403,
    message: 'There are too many pending shares for this user in the last 24 hours.',
  },
  spam_risk_user_banned_from_posting: { status: 403, message: 'The user is banned from making new posts.' },
  reached_active_user_cap: { status: 403, message: 'The daily quota of active publishing users is reached.' },
  unaudited_client_can_only_post_to_private_accounts: { status: 403, message: integrationGuidelines },
  url_ownership_unverified: {
    status: 403,
    message:
      'Please review our URL ownership verification rules at https://developers.tiktok.com/doc/content-posting-api-media-transfer-guide/#pull_from_url',
  },
  privacy_level_option_mismatch: { status: 403, message: integrationGuidelines },
  rate_limit_exceeded: { status: 429, message: 'The API rate limit was exceeded. Please try again later.' },
  internal_error: { status: 500, message: 'Something went wrong. Please try again later.' },
} as const;
export type ErrorCode = keyof typeof errors;

/** The codes of the OAuth endpoints, with the text TikTok was seen to use, or ours where none was. */
export const oauthErrors = {
  access_denied: 'The user or the server denied the request.',
  invalid_client: 'Client key or secret is incorrect.',
  invalid_grant: 'Refresh token is invalid or expired.',
  invalid_request: 'The request parameters are malformed.',
  invalid_scope: 'The requested scope is invalid.',
  unauthorized_client: 'The client is not authorized to use this method.',
  unsupported_grant_type: 'The grant type is not supported.',
  unsupported_response_type: 'The response type is not supported.',
  server_error: 'Something went wrong. Please try again later.',
  temporarily_unavailable: 'The service is temporarily unavailable.',
} as const;
export type OAuthErrorCode = keyof typeof oauthErrors;
