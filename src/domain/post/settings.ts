import type { Finding } from '../finding.ts';

/** Who sees a post (open-api §4.2). Which of them an account may use, TikTok says for each account anew. */
export type PrivacyLevel = 'PUBLIC_TO_EVERYONE' | 'MUTUAL_FOLLOW_FRIENDS' | 'FOLLOWER_OF_CREATOR' | 'SELF_ONLY';

/** Record that a person agreed to TikTok's declaration. Stored with the post, never interpreted. */
export type ConsentRecord = { readonly userId: string; readonly consentTime: Date; readonly declaration: string };

export type PostSettings = {
  /** Absent only for drafts: TikTok wants the person to choose, with no default (open-api §10.2). */
  readonly privacyLevel?: PrivacyLevel;
  readonly allowComment: boolean;
  readonly allowDuet: boolean;
  readonly allowStitch: boolean;
  /** From the start of the video. Absent: the first frame. */
  readonly coverMilliseconds?: number;
  readonly yourBrand: boolean;
  readonly brandedContent: boolean;
  readonly aiGenerated: boolean;
  /** Goes to the creator's inbox; TikTok ignores the caption and every other setting (open-api §4.3). */
  readonly draft: boolean;
  readonly consent?: ConsentRecord;
};

export function checkSettings(
  settings: PostSettings,
  { requireConsent }: { readonly requireConsent: boolean },
): readonly Finding[] {
  const findings: Finding[] = [];
  if (!settings.draft && settings.privacyLevel === undefined) {
    findings.push({
      code: 'PRIVACY_LEVEL_REQUIRED',
      severity: 'ERROR',
      field: 'settings.privacy_level',
      message: 'Nobody chose who may see the post.',
      remedy:
        'Let the person choose one of the levels that GetPublishingCapabilities returns; TikTok allows no default.',
      observed: 'none',
      limit: 'one privacy level',
    });
  }
  if (!settings.draft && settings.brandedContent && settings.privacyLevel === 'SELF_ONLY') {
    findings.push({
      code: 'BRANDED_CONTENT_NOT_PRIVATE',
      severity: 'ERROR',
      field: 'settings.branded_content',
      message: 'A paid partnership can not be visible to the creator only.',
      remedy: 'Choose a wider audience, or switch branded content off.',
      observed: 'branded content with SELF_ONLY',
      limit: 'branded content with any other privacy level',
    });
  }
  if (requireConsent && settings.consent === undefined) {
    findings.push({
      code: 'CONSENT_REQUIRED',
      severity: 'ERROR',
      field: 'settings.consent',
      message: "The record that the person agreed to TikTok's declaration is missing.",
      remedy: 'Show the declaration, and send who agreed to it and when.',
      observed: 'none',
      limit: 'user_id, consent_time and declaration',
    });
  }
  return findings;
}

/** What the account has switched off for all of its posts. */
export type AccountSwitches = {
  readonly commentAvailable: boolean;
  readonly duetAvailable: boolean;
  readonly stitchAvailable: boolean;
};

/**
 * What the account switched off stays off, whatever was chosen for the post when that was not so: the open family switches it off itself
 * (open-api §4.2), the Business family may refuse the post for it (business-api §6.1, §13.1).
 */
export const underSwitches = (settings: PostSettings, account: AccountSwitches): PostSettings => ({
  ...settings,
  allowComment: settings.allowComment && account.commentAvailable,
  allowDuet: settings.allowDuet && account.duetAvailable,
  allowStitch: settings.allowStitch && account.stitchAvailable,
});

/** The cover must be a frame of the video; TikTok would quietly take the first one instead (open-api §4.2). */
export function checkCover(settings: PostSettings, videoSeconds: number): readonly Finding[] {
  const cover = settings.coverMilliseconds;
  if (cover === undefined || (cover >= 0 && cover <= videoSeconds * 1000)) return [];
  return [
    {
      code: 'COVER_OUTSIDE_VIDEO',
      severity: 'ERROR',
      field: 'settings.cover_timestamp',
      message: 'The cover lies outside of the video.',
      remedy: 'Choose a moment within the video, or none for the first frame.',
      observed: `${cover / 1000} s`,
      limit: `0 s to ${videoSeconds} s`,
    },
  ];
}
