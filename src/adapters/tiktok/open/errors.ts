import type { PublishError } from '../../../domain/publish-error.ts';
import { RATE_LIMITED, REJECTED, UNAVAILABLE } from '../refusal.ts';

const SESSION_INVALID = { code: 'ACCOUNT_SESSION_INVALID' } as const;
const BANNED = { code: 'ACCOUNT_NOT_ELIGIBLE', cause: 'BANNED' } as const;
const POST_CAP = { code: 'ACCOUNT_DAILY_POST_CAP' } as const;
const CREDENTIALS = { code: 'APP_CREDENTIALS_REJECTED' } as const;
/** Which scopes, the call knows; TikTok does not say. */
const SCOPE_MISSING = { code: 'ACCOUNT_SCOPE_MISSING', scopes: [] } as const;

/** Every documented `error.code` (open-api §2, §4.1 to §4.5, §4.7). */
export const ERROR_CODES: ReadonlyMap<string, PublishError> = new Map<string, PublishError>([
  ['access_token_invalid', SESSION_INVALID],
  ['app_version_check_failed', REJECTED],
  ['internal_error', UNAVAILABLE],
  ['invalid_file_upload', { code: 'VIDEO_FORMAT_REJECTED' }],
  ['invalid_param', REJECTED],
  ['invalid_params', REJECTED],
  ['invalid_publish_id', REJECTED],
  ['privacy_level_option_mismatch', { code: 'PRIVACY_LEVEL_NOT_ALLOWED', allowed: [] }],
  ['publish_not_cancellable', REJECTED],
  ['rate_limit_exceeded', RATE_LIMITED],
  ['reached_active_user_cap', { code: 'APP_DAILY_USER_CAP' }],
  ['scope_not_authorized', SCOPE_MISSING],
  ['scope_permission_missed', SCOPE_MISSING],
  ['spam_risk_too_many_pending_share', { code: 'ACCOUNT_PENDING_DRAFT_CAP' }],
  ['spam_risk_too_many_posts', POST_CAP],
  ['spam_risk_user_banned_from_posting', BANNED],
  ['token_not_authorized_for_specified_publish_id', REJECTED],
  ['unaudited_client_can_only_post_to_private_accounts', { code: 'APP_NOT_AUDITED' }],
  ['url_ownership_unverified', { code: 'MEDIA_DOMAIN_UNVERIFIED' }],
]);

/** Every documented OAuth `error` (open-api §1.7), and the two of the common codes that can happen to any endpoint (§2). */
export const OAUTH_ERRORS: ReadonlyMap<string, PublishError> = new Map<string, PublishError>([
  ['access_denied', REJECTED],
  ['internal_error', UNAVAILABLE],
  ['invalid_client', CREDENTIALS],
  ['invalid_grant', SESSION_INVALID],
  ['invalid_request', REJECTED],
  ['invalid_scope', REJECTED],
  ['rate_limit_exceeded', RATE_LIMITED],
  ['server_error', UNAVAILABLE],
  ['temporarily_unavailable', UNAVAILABLE],
  ['unauthorized_client', CREDENTIALS],
  ['unsupported_grant_type', REJECTED],
  ['unsupported_response_type', REJECTED],
]);
