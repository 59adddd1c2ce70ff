import type { PublishError } from '../../domain/publish-error.ts';
import { asWord } from './answer.ts';
import { REJECTED, refusal, UNAVAILABLE } from './refusal.ts';

const FLAGGED = { code: 'CONTENT_FLAGGED' } as const;

/** Every documented `fail_reason` (open-api §4.6), which the Business family calls `reason` (business-api §6.5). */
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
  ['spam_risk_too_many_posts', { code: 'ACCOUNT_DAILY_POST_CAP' }],
  ['spam_risk_user_banned_from_posting', { code: 'ACCOUNT_NOT_ELIGIBLE', cause: 'BANNED' }],
  ['video_pull_failed', { code: 'MEDIA_PULL_FAILED' }],
]);

/** Why TikTok says that a job failed. A reason that we don't know, or none, is a fault of the connector. */
export function failure(reason: string | undefined, logId: string | undefined): PublishError {
  const meaning = reason === undefined ? undefined : FAIL_REASONS.get(reason);
  return refusal(meaning ?? REJECTED, { code: asWord(reason), logId, message: reason ?? 'TikTok gave no reason.' });
}
