import { describe, expect, it } from 'vitest';
import { checkFamily } from '../../../src/domain/post/family.ts';
import type { PostSettings } from '../../../src/domain/post/settings.ts';
import { anActiveConnection, aScheduledPost } from '../../support/builders.ts';

const settingsOf = (change: Partial<PostSettings>): PostSettings => ({ ...aScheduledPost().settings, ...change });
const business = anActiveConnection({ apiFamily: 'BUSINESS', grantedScopes: ['user.info.basic', 'video.publish'] });
const open = anActiveConnection({ apiFamily: 'OPEN' });
const codes = (settings: Partial<PostSettings>, connection = business) =>
  checkFamily(settingsOf(settings), connection).map(({ code, field }) => `${code} ${field}`);

describe('What a family can not do', () => {
  it.each(['MUTUAL_FOLLOW_FRIENDS', 'FOLLOWER_OF_CREATOR', 'SELF_ONLY'] as const)(
    'is told before TikTok hears of it: %s in the Business family',
    (privacyLevel) => {
      expect(codes({ privacyLevel })).toEqual(['PRIVACY_LEVEL_NOT_ALLOWED settings.privacy_level']);
      expect(codes({ privacyLevel }, open)).toEqual([]);
    },
  );

  it('is not to publish for everyone', () => {
    expect(codes({ privacyLevel: 'PUBLIC_TO_EVERYONE' })).toEqual([]);
  });

  it('is to take drafts without the permission for them, whatever their audience', () => {
    const draft = { draft: true, privacyLevel: 'SELF_ONLY' } as const;
    expect(codes(draft)).toEqual(['DRAFT_NOT_AVAILABLE settings.draft']);
    expect(codes(draft, { ...business, grantedScopes: ['video.upload'] })).toEqual([]);
    expect(codes(draft, open)).toEqual([]);
  });

  it.each([
    ['COMMENT', 'allowComment', 'settings.allow_comment'],
    ['DUET', 'allowDuet', 'settings.allow_duet'],
    ['STITCH', 'allowStitch', 'settings.allow_stitch'],
  ] as const)('is to allow what the account forbids: %s', (interaction, setting, field) => {
    const none = {
      privacyLevel: 'PUBLIC_TO_EVERYONE',
      allowComment: false,
      allowDuet: false,
      allowStitch: false,
    } as const;
    const forbidding = { ...business, account: { ...business.account, forbids: [interaction] } };
    expect(codes({ ...none, [setting]: true }, forbidding)).toEqual([`INTERACTION_NOT_AVAILABLE ${field}`]);
    expect(codes(none, forbidding)).toEqual([]);
    expect(codes({ ...none, [setting]: true })).toEqual([]);
    expect(
      codes({ ...none, [setting]: true, draft: true }, { ...forbidding, grantedScopes: ['video.upload'] }),
    ).toEqual([]);
    expect(codes({ ...none, [setting]: true }, { ...open, account: forbidding.account })).toEqual([]);
  });

  it('is not known without a connection', () => {
    expect(checkFamily(settingsOf({ privacyLevel: 'SELF_ONLY' }), undefined)).toEqual([]);
  });
});
