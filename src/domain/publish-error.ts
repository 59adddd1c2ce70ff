import type { Finding } from './finding.ts';

/** What TikTok said, for support. Absent when TikTok was not asked, or said nothing. */
export type Evidence = {
  /** Error code or fail reason, as TikTok spells it. */
  readonly tiktokCode?: string;
  readonly tiktokLogId?: string;
};

/** Why a post did not go out, or why a call about an account was refused. Codes are stored and sent: never rename one. */
export type PublishError = Evidence &
  (
    | { readonly code: 'ACCOUNT_SESSION_INVALID' }
    | { readonly code: 'ACCOUNT_ACCESS_REVOKED' }
    | { readonly code: 'ACCOUNT_SCOPE_MISSING'; readonly scopes: readonly string[] }
    | { readonly code: 'ACCOUNT_NOT_ELIGIBLE'; readonly cause: 'PERSONAL' | 'BANNED' | 'TERMS' }
    | { readonly code: 'APP_NOT_AUDITED' }
    | { readonly code: 'APP_DAILY_USER_CAP' }
    /** `seenCap`: how many posts we had published in the day before TikTok said so. Other apps' posts count as well. */
    | { readonly code: 'ACCOUNT_DAILY_POST_CAP'; readonly seenCap?: number }
    | { readonly code: 'ACCOUNT_PENDING_DRAFT_CAP' }
    | { readonly code: 'UPSTREAM_RATE_LIMITED'; readonly retryTime?: Date }
    | { readonly code: 'PRIVACY_LEVEL_NOT_ALLOWED'; readonly allowed: readonly string[] }
    | { readonly code: 'VIDEO_FORMAT_REJECTED'; readonly probed?: string }
    | { readonly code: 'VIDEO_DURATION_REJECTED'; readonly probed?: string }
    | { readonly code: 'VIDEO_FRAME_RATE_REJECTED'; readonly probed?: string }
    | { readonly code: 'VIDEO_RESOLUTION_REJECTED'; readonly probed?: string }
    | { readonly code: 'CONTENT_FLAGGED' }
    | { readonly code: 'MEDIA_DOMAIN_UNVERIFIED' }
    | { readonly code: 'MEDIA_PULL_FAILED' }
    | { readonly code: 'CONNECTOR_REQUEST_REJECTED'; readonly detail?: string }
    | { readonly code: 'APP_CREDENTIALS_REJECTED' }
    | { readonly code: 'PLATFORM_UNAVAILABLE' }
    | { readonly code: 'CONNECTOR_FAILED'; readonly crashes: number }
    | { readonly code: 'OUTCOME_UNCONFIRMED' }
    | { readonly code: 'SCHEDULE_MISSED'; readonly latenessSeconds: number }
    | { readonly code: 'VIDEO_MISSING' }
    | { readonly code: 'CHECK_FAILED'; readonly finding: Finding }
  );

export type PublishErrorCode = PublishError['code'];

/** Who can mend it. */
export type Actor = 'USER' | 'OPERATOR' | 'PLATFORM' | 'CONNECTOR';

export type Explanation = {
  /** One sentence for the person. */
  readonly message: string;
  /** What to do now, in one sentence. */
  readonly remedy: string;
  readonly actor: Actor;
  /** The same request may succeed later without anyone changing anything. */
  readonly retryable: boolean;
};

const RECONNECT = 'Reconnect the TikTok account; waiting posts then go out by themselves.';

const verdict = (problem: string, remedy: string, probed: string | undefined): Explanation => ({
  message: probed === undefined ? problem : `${problem} We read the file as ${probed}.`,
  remedy,
  actor: 'USER',
  retryable: false,
});

const NOT_ELIGIBLE = {
  PERSONAL: 'it is a personal account',
  BANNED: 'TikTok banned it from posting',
  TERMS: "TikTok's terms were not accepted",
} as const;

export function explain(error: PublishError): Explanation {
  switch (error.code) {
    case 'ACCOUNT_SESSION_INVALID':
      return {
        message: 'Account session invalid: TikTok no longer accepts our access to this account.',
        remedy: RECONNECT,
        actor: 'USER',
        retryable: false,
      };
    case 'ACCOUNT_ACCESS_REVOKED':
      return {
        message: 'Access revoked: this app was removed from the TikTok account.',
        remedy: RECONNECT,
        actor: 'USER',
        retryable: false,
      };
    case 'ACCOUNT_SCOPE_MISSING':
      return {
        message: `Permission missing: the TikTok account did not grant ${error.scopes.join(', ') || 'what this needs'}.`,
        remedy: 'Reconnect the TikTok account and leave every permission switched on.',
        actor: 'USER',
        retryable: false,
      };
    case 'ACCOUNT_NOT_ELIGIBLE':
      return {
        message: `Account not eligible to publish via API: ${NOT_ELIGIBLE[error.cause]}.`,
        remedy: 'In the TikTok app switch to a Business account, accept the terms, then try again.',
        actor: 'USER',
        retryable: false,
      };
    case 'APP_NOT_AUDITED':
      return {
        message: 'The TikTok app is not audited yet, so TikTok lets it post only to private accounts.',
        remedy: "Have TikTok audit the app; until then set the TikTok account itself to private and post as 'only me'.",
        actor: 'OPERATOR',
        retryable: false,
      };
    case 'APP_DAILY_USER_CAP':
      return {
        message: "The app reached TikTok's daily number of posting accounts.",
        remedy: 'The post waits and goes out by itself; ask TikTok for a higher quota for the app.',
        actor: 'OPERATOR',
        retryable: true,
      };
    case 'ACCOUNT_DAILY_POST_CAP':
      return {
        message: `The account reached the number of posts TikTok allows per day${error.seenCap === undefined ? '' : ` (${error.seenCap} went out from here in the last 24 hours)`}.`,
        remedy: 'The post waits and goes out by itself; to publish sooner use the TikTok app.',
        actor: 'USER',
        retryable: true,
      };
    case 'ACCOUNT_PENDING_DRAFT_CAP':
      return {
        message: 'The account has as many unfinished drafts in its inbox as TikTok allows.',
        remedy: 'Finish or delete drafts in the TikTok app; the post waits and goes out by itself.',
        actor: 'USER',
        retryable: true,
      };
    case 'UPSTREAM_RATE_LIMITED':
      return {
        message: 'TikTok asked us to slow down for this account.',
        remedy: 'Nothing to do: it is tried again by itself.',
        actor: 'PLATFORM',
        retryable: true,
      };
    case 'PRIVACY_LEVEL_NOT_ALLOWED':
      return {
        message: 'TikTok does not allow the chosen audience for this account.',
        remedy: `Choose one of: ${error.allowed.join(', ') || 'the levels the account offers now'}.`,
        actor: 'USER',
        retryable: false,
      };
    case 'VIDEO_FORMAT_REJECTED':
      return verdict(
        "Video format rejected: TikTok can't use this file.",
        'Export it as MP4, H.264 with AAC sound, 9:16, and upload it again.',
        error.probed,
      );
    case 'VIDEO_DURATION_REJECTED':
      return verdict(
        'TikTok refused the length of this video.',
        "Cut it to at least 3 seconds and no longer than the account's own limit, and upload it again.",
        error.probed,
      );
    case 'VIDEO_FRAME_RATE_REJECTED':
      return verdict(
        'TikTok refused the frame rate of this video.',
        'Export it with 23 to 60 frames per second and upload it again.',
        error.probed,
      );
    case 'VIDEO_RESOLUTION_REJECTED':
      return verdict(
        'TikTok refused the dimensions of this video.',
        'Export it with 1080 × 1920 pixels (each side 360 to 4096) and upload it again.',
        error.probed,
      );
    case 'CONTENT_FLAGGED':
      return {
        message: 'TikTok judged the post risky or spam.',
        remedy: 'Change the caption or the video; sending the same again makes it worse.',
        actor: 'USER',
        retryable: false,
      };
    case 'MEDIA_DOMAIN_UNVERIFIED':
      return {
        message: "TikTok won't fetch videos from this service's address: it is not verified for the app.",
        remedy: 'Verify the address in the TikTok developer portal, or set TIKTOK_TRANSFER=upload.',
        actor: 'OPERATOR',
        retryable: false,
      };
    case 'MEDIA_PULL_FAILED':
      return {
        message: 'TikTok could not fetch the video from this service.',
        remedy: 'Nothing to do: it is tried again by itself.',
        actor: 'PLATFORM',
        retryable: true,
      };
    case 'CONNECTOR_REQUEST_REJECTED':
      return {
        message: 'TikTok did not understand our request.',
        remedy: "This is a fault of the connector: report it with TikTok's log id.",
        actor: 'CONNECTOR',
        retryable: false,
      };
    case 'APP_CREDENTIALS_REJECTED':
      return {
        message: "TikTok refused this service's own app credentials.",
        remedy: 'Check TIKTOK_CLIENT_KEY and TIKTOK_CLIENT_SECRET; no account needs to reconnect.',
        actor: 'OPERATOR',
        retryable: true,
      };
    case 'PLATFORM_UNAVAILABLE':
      return {
        message: 'TikTok is not answering as it should.',
        remedy: 'Nothing to do: it is tried again by itself.',
        actor: 'PLATFORM',
        retryable: true,
      };
    case 'CONNECTOR_FAILED':
      return {
        message: `The connector failed ${error.crashes} times on this post and set it aside.`,
        remedy: 'This is a fault of the connector: report it with the id of the post; RetryPost tries again.',
        actor: 'CONNECTOR',
        retryable: false,
      };
    case 'OUTCOME_UNCONFIRMED':
      return {
        message: 'TikTok received the video but never said whether it was published.',
        remedy: 'Look at the account on TikTok; if the video is not there, retry and accept the risk of a second post.',
        actor: 'PLATFORM',
        retryable: false,
      };
    case 'SCHEDULE_MISSED':
      return {
        message: `The post could not go out in time: it was ${Math.round(error.latenessSeconds)} s late, more than its late policy allows.`,
        remedy: 'Choose a new time or retry to publish it now.',
        actor: 'USER',
        retryable: true,
      };
    case 'VIDEO_MISSING':
      return {
        message: 'The video of this post is no longer stored as it was accepted.',
        remedy: 'Upload the video again and publish a new post.',
        actor: 'OPERATOR',
        retryable: false,
      };
    case 'CHECK_FAILED':
      return {
        message: error.finding.message,
        remedy: error.finding.remedy,
        actor: 'USER',
        retryable: false,
      };
  }
}

/** The code callers see: a failed check of ours speaks with the check's own code. */
export const publicCode = (error: PublishError): string =>
  error.code === 'CHECK_FAILED' ? error.finding.code : error.code;

/** How long TikTok's account caps are left alone before we look again. They are sliding windows of a day (open-api §8). */
export const QUOTA_RECHECK_SECONDS = 60 * 60;

/** What a refusal does to the post that met it. */
export type Consequence =
  /** Waits for the person. */
  | { readonly kind: 'HOLD_RECONNECT' }
  /** Waits for a cap to reset. */
  | { readonly kind: 'HOLD_QUOTA'; readonly seconds: number }
  /** Tried again after a back-off, and held as an outage when that goes on. */
  | { readonly kind: 'BACK_OFF' }
  /** The end, until someone changes something. */
  | { readonly kind: 'FAIL' };

/** What each refusal means for the post, met before sending, while sending or as TikTok's verdict. */
export function consequenceOf(error: PublishError): Consequence {
  switch (error.code) {
    case 'ACCOUNT_SESSION_INVALID':
    case 'ACCOUNT_ACCESS_REVOKED':
    case 'ACCOUNT_SCOPE_MISSING':
      return { kind: 'HOLD_RECONNECT' };
    case 'APP_DAILY_USER_CAP':
    case 'ACCOUNT_DAILY_POST_CAP':
    case 'ACCOUNT_PENDING_DRAFT_CAP':
      return { kind: 'HOLD_QUOTA', seconds: QUOTA_RECHECK_SECONDS };
    case 'UPSTREAM_RATE_LIMITED':
    case 'PLATFORM_UNAVAILABLE':
    case 'MEDIA_PULL_FAILED':
    case 'APP_CREDENTIALS_REJECTED':
      return { kind: 'BACK_OFF' };
    case 'ACCOUNT_NOT_ELIGIBLE':
    case 'APP_NOT_AUDITED':
    case 'PRIVACY_LEVEL_NOT_ALLOWED':
    case 'VIDEO_FORMAT_REJECTED':
    case 'VIDEO_DURATION_REJECTED':
    case 'VIDEO_FRAME_RATE_REJECTED':
    case 'VIDEO_RESOLUTION_REJECTED':
    case 'CONTENT_FLAGGED':
    case 'MEDIA_DOMAIN_UNVERIFIED':
    case 'CONNECTOR_REQUEST_REJECTED':
    case 'CONNECTOR_FAILED':
    case 'OUTCOME_UNCONFIRMED':
    case 'SCHEDULE_MISSED':
    case 'VIDEO_MISSING':
    case 'CHECK_FAILED':
      return { kind: 'FAIL' };
  }
}

/** A failed post may be retried as it is when time or someone outside of the post can have mended the cause. */
export function mayBeRetriedUnchanged(error: PublishError): boolean {
  switch (error.code) {
    case 'CONTENT_FLAGGED':
    case 'VIDEO_FORMAT_REJECTED':
    case 'VIDEO_DURATION_REJECTED':
    case 'VIDEO_FRAME_RATE_REJECTED':
    case 'VIDEO_RESOLUTION_REJECTED':
    case 'VIDEO_MISSING':
    case 'CHECK_FAILED':
      return false;
    case 'ACCOUNT_SESSION_INVALID':
    case 'ACCOUNT_ACCESS_REVOKED':
    case 'ACCOUNT_SCOPE_MISSING':
    case 'ACCOUNT_NOT_ELIGIBLE':
    case 'APP_NOT_AUDITED':
    case 'APP_DAILY_USER_CAP':
    case 'ACCOUNT_DAILY_POST_CAP':
    case 'ACCOUNT_PENDING_DRAFT_CAP':
    case 'UPSTREAM_RATE_LIMITED':
    case 'PRIVACY_LEVEL_NOT_ALLOWED':
    case 'MEDIA_DOMAIN_UNVERIFIED':
    case 'MEDIA_PULL_FAILED':
    case 'CONNECTOR_REQUEST_REJECTED':
    case 'APP_CREDENTIALS_REJECTED':
    case 'PLATFORM_UNAVAILABLE':
    case 'CONNECTOR_FAILED':
    case 'OUTCOME_UNCONFIRMED':
    case 'SCHEDULE_MISSED':
      return true;
  }
}
