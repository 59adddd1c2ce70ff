import type { PublishError } from '../../../domain/publish-error.ts';
import type { Answer } from './answer.ts';
import { present } from './fields.ts';

export const UNAVAILABLE = { code: 'PLATFORM_UNAVAILABLE' } as const;
const RATE_LIMITED = { code: 'UPSTREAM_RATE_LIMITED' } as const;
const REJECTED = { code: 'CONNECTOR_REQUEST_REJECTED' } as const;
const SESSION_INVALID = { code: 'ACCOUNT_SESSION_INVALID' } as const;
const BANNED = { code: 'ACCOUNT_NOT_ELIGIBLE', cause: 'BANNED' } as const;
const POST_CAP = { code: 'ACCOUNT_DAILY_POST_CAP' } as const;
const FLAGGED = { code: 'CONTENT_FLAGGED' } as const;
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

/** Every documented `fail_reason` (open-api §4.6). */
export const FAIL_REASONS: ReadonlyMap<string, PublishError> = new Map<string, PublishError>([
  ['auth_removed', { code: 'ACCOUNT_ACCESS_REVOKED' }],
  ['duration_check_failed', { code: 'VIDEO_DURATION_REJECTED' }],
  ['file_format_check_failed', { code: 'VIDEO_FORMAT_REJECTED' }],
  ['frame_rate_check_failed', { code: 'VIDEO_FRAME_RATE_REJECTED' }],
  ['internal', UNAVAILABLE],
  ['photo_pull_failed', { code: 'MEDIA_PULL_FAILED' }],
  ['picture_size_check_failed', { code: 'VIDEO_RESOLUTION_REJECTED' }],
  ['publish_cancelled', REJECTED],
  ['spam_risk', FLAGGED],
  ['spam_risk_text', FLAGGED],
  ['spam_risk_too_many_posts', POST_CAP],
  ['spam_risk_user_banned_from_posting', BANNED],
  ['video_pull_failed', { code: 'MEDIA_PULL_FAILED' }],
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

/** What the status alone tells. A redirect is never followed and counts as a platform that is not itself. */
export function byStatus({ status, body }: Pick<Answer, 'status' | 'body'>): PublishError {
  if (status === 429) return RATE_LIMITED;
  const rejected = status >= 400 && status < 500 && status !== 408;
  const unreadable = body === 'HTML' || (status < 300 && body !== 'JSON');
  return unreadable || (status >= 300 && !rejected) ? UNAVAILABLE : REJECTED;
}

/** What TikTok gave with a refusal. `message` may hold the caption or addresses: it goes nowhere but into a cleaned detail. */
export type Said = {
  readonly code?: string | undefined;
  readonly logId?: string | undefined;
  readonly message?: string | undefined;
};

/** `meaning`, with the evidence for support and what only the call knows. */
export function refusal(meaning: PublishError, said: Said, scopes: readonly string[] = []): PublishError {
  const evidence = present({ tiktokCode: said.code, tiktokLogId: said.logId });
  switch (meaning.code) {
    case 'ACCOUNT_SCOPE_MISSING':
      return { ...meaning, scopes, ...evidence };
    case 'CONNECTOR_REQUEST_REJECTED':
      return { ...meaning, ...present({ detail: said.message && withoutSecrets(said.message) }), ...evidence };
    default:
      return { ...meaning, ...evidence };
  }
}

/** TikTok said yes and left out, or changed, what it documents. */
export const malformed = (answer: Answer, field: string): PublishError =>
  refusal(REJECTED, { logId: answer.logId, message: `TikTok's answer has no usable ${field}.` });

const LOOKS_SECRET = /\?.|(?<![a-z0-9])(?:act|rft|clt)\.|(?:token|secret|code)=/i;

/** At most 300 characters, without words that look like a token or an address with a query. */
export const withoutSecrets = (text: string): string =>
  text
    .slice(0, 2_000)
    .split(/\s+/)
    .map((word) => (LOOKS_SECRET.test(word) ? '[removed]' : word))
    .join(' ')
    .slice(0, 300);
