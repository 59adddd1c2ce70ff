/**
 * Codes of our own checks, made before TikTok sees anything. Stored and sent: add, never rename.
 * The list is the contract's, and a few for checks that it leaves unnamed.
 */
export type FindingCode =
  | 'CAPTION_REQUIRED'
  | 'CAPTION_TOO_LONG'
  | 'VIDEO_REQUIRED'
  | 'VIDEO_TOO_SHORT'
  | 'VIDEO_TOO_LONG'
  | 'VIDEO_NO_AUDIO'
  | 'VIDEO_UNSUPPORTED_CODEC'
  | 'VIDEO_UNSUPPORTED_CONTAINER'
  | 'VIDEO_FRAME_RATE'
  | 'VIDEO_RESOLUTION'
  | 'VIDEO_TOO_LARGE'
  | 'VIDEO_NOT_VERTICAL'
  | 'NOT_A_VIDEO'
  | 'VIDEO_CORRUPT'
  | 'VIDEO_SIZE_MISMATCH'
  | 'VIDEO_CHECKSUM_MISMATCH'
  | 'VIDEO_FETCH_FAILED'
  | 'WORKSPACE_QUOTA_EXCEEDED'
  | 'URI_NOT_ALLOWED'
  | 'PRIVACY_LEVEL_REQUIRED'
  | 'PRIVACY_LEVEL_NOT_ALLOWED'
  | 'DRAFT_NOT_AVAILABLE'
  | 'INTERACTION_NOT_AVAILABLE'
  | 'BRANDED_CONTENT_NOT_PRIVATE'
  | 'CONSENT_REQUIRED'
  | 'COVER_OUTSIDE_VIDEO'
  | 'SCHEDULE_TOO_FAR'
  | 'DESTINATION_UNKNOWN'
  | 'FIELD_REQUIRED'
  | 'FIELD_INVALID';

/** One thing a check found, worded for the person who has to act on it. */
export type Finding = {
  readonly code: FindingCode;
  /** An ERROR stops the post; a WARNING is only told. */
  readonly severity: 'ERROR' | 'WARNING';
  /** Path in the request or the resource, such as `settings.privacy_level`. */
  readonly field: string;
  readonly message: string;
  readonly remedy: string;
  /** What was seen, with its unit. Empty when nothing was there. */
  readonly observed: string;
  /** The limit that applies, with its unit. Empty when there is none to name. */
  readonly limit: string;
};

export const isError = (finding: Finding): boolean => finding.severity === 'ERROR';
