import type { Connection, Interaction } from '../connection/connection.ts';
import type { Finding } from '../finding.ts';
import type { PostSettings } from './settings.ts';

/** What the API family of a connection can't do, told before TikTok hears of the post. */
export function checkFamily(
  settings: PostSettings,
  connection: Pick<Connection, 'apiFamily' | 'grantedScopes' | 'account'> | undefined,
): readonly Finding[] {
  if (connection?.apiFamily !== 'BUSINESS') return [];
  return settings.draft
    ? checkDraft(connection)
    : [...checkAudience(settings), ...checkInteractions(settings, connection.account.forbids ?? [])];
}

/** Its video posts have no privacy level: they are public (business-api §6.3). */
function checkAudience({ privacyLevel }: PostSettings): readonly Finding[] {
  if (privacyLevel === undefined || privacyLevel === 'PUBLIC_TO_EVERYONE') return [];
  return [
    {
      code: 'PRIVACY_LEVEL_NOT_ALLOWED',
      severity: 'ERROR',
      field: 'settings.privacy_level',
      message: "Through TikTok's Business API a video is always public.",
      remedy: 'Choose PUBLIC_TO_EVERYONE, or connect the account through the open API family for other audiences.',
      observed: privacyLevel,
      limit: 'PUBLIC_TO_EVERYONE',
    },
  ];
}

const SWITCHES = {
  COMMENT: { field: 'settings.allow_comment', setting: 'allowComment', what: 'comments' },
  DUET: { field: 'settings.allow_duet', setting: 'allowDuet', what: 'duets' },
  STITCH: { field: 'settings.allow_stitch', setting: 'allowStitch', what: 'stitches' },
} as const satisfies Record<Interaction, object>;

/** It refuses a post that allows what the account does not (business-api §6.1); the open family switches it off by itself. */
const checkInteractions = (settings: PostSettings, forbids: readonly Interaction[]): readonly Finding[] =>
  forbids
    .map((interaction) => SWITCHES[interaction])
    .filter(({ setting }) => settings[setting])
    .map(({ field, what }) => ({
      code: 'INTERACTION_NOT_AVAILABLE',
      severity: 'ERROR',
      field,
      message: `The account allows no ${what}, and TikTok's Business API takes no post that does.`,
      remedy: `Switch ${what} off for this post, or allow them in the TikTok app and refresh the connection.`,
      observed: `${what} allowed`,
      limit: `no ${what}`,
    }));

/** It asks a permission of its own for drafts, which not every app has (business-api §1.1). */
function checkDraft({ grantedScopes }: Pick<Connection, 'grantedScopes'>): readonly Finding[] {
  if (grantedScopes.includes('video.upload')) return [];
  return [
    {
      code: 'DRAFT_NOT_AVAILABLE',
      severity: 'ERROR',
      field: 'settings.draft',
      message: "Through TikTok's Business API this account takes no drafts: the permission video.upload is missing.",
      remedy: 'Publish it directly, or connect the account through the open API family for drafts.',
      observed: 'a draft without video.upload',
      limit: 'drafts with video.upload only',
    },
  ];
}
