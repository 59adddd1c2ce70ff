import type { PublishError } from '../../../domain/publish-error.ts';
import { RATE_LIMITED, REJECTED, UNAVAILABLE } from '../refusal.ts';

const SESSION_INVALID = { code: 'ACCOUNT_SESSION_INVALID' } as const;
const CREDENTIALS = { code: 'APP_CREDENTIALS_REJECTED' } as const;
const FORMAT = { code: 'VIDEO_FORMAT_REJECTED' } as const;
/** Which scopes, the call knows; TikTok does not say. */
const SCOPE_MISSING = { code: 'ACCOUNT_SCOPE_MISSING', scopes: [] } as const;

/** Return codes of the appendix, and two that were only seen (business-api §9.1). */
export const BUSINESS_CODES: ReadonlyMap<string, PublishError> = new Map<string, PublishError>([
  ['40000', REJECTED],
  ['40001', SCOPE_MISSING],
  ['40002', REJECTED],
  ['40006', REJECTED],
  ['40007', REJECTED],
  ['40008', REJECTED],
  ['40010', REJECTED],
  ['40011', REJECTED],
  ['40016', RATE_LIMITED],
  // It may be our own call of before that it is a duplicate of: the same as no answer.
  ['40050', UNAVAILABLE],
  ['40051', REJECTED],
  ['40100', RATE_LIMITED],
  ['40101', CREDENTIALS],
  ['40102', SESSION_INVALID],
  ['40103', SESSION_INVALID],
  ['40104', REJECTED],
  ['40105', SESSION_INVALID],
  ['40106', SESSION_INVALID],
  ['40107', SESSION_INVALID],
  ['40108', REJECTED],
  ['40110', SESSION_INVALID],
  ['40113', CREDENTIALS],
  ['40115', SESSION_INVALID],
  ['40117', REJECTED],
  ['40118', REJECTED],
  ['40124', REJECTED],
  ['40125', REJECTED],
  ['40131', SESSION_INVALID],
  ['40133', RATE_LIMITED],
  ['40202', UNAVAILABLE],
  ['40700', REJECTED],
  ['40902', { code: 'MEDIA_PULL_FAILED' }],
  ['40907', FORMAT],
  ['40908', FORMAT],
  ['41000', REJECTED],
  ['41001', REJECTED],
  ['41002', REJECTED],
  ['50000', UNAVAILABLE],
  ['50002', UNAVAILABLE],
  ['51021', RATE_LIMITED],
  ['51065', UNAVAILABLE],
  ['51305', UNAVAILABLE],
  ['60001', UNAVAILABLE],
]);

/** A code that is for the app's permissions, and may be for those that the account's owner did not give (business-api §13.3). */
const NOT_PERMITTED = '40125';

/** A code that is new to us: 4… is our request, everything else TikTok's own trouble (business-api §9.2). */
export const meaningOf = (code: string, message: string): PublishError =>
  (code === NOT_PERMITTED && /\bscopes?\b|\bgrant/i.test(message) ? SCOPE_MISSING : BUSINESS_CODES.get(code)) ??
  (/^4\d{4}$/.test(code) ? REJECTED : UNAVAILABLE);
