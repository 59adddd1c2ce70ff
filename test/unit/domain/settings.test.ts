import { describe, expect, it } from 'vitest';
import { checkCover, checkSettings, type PostSettings, underSwitches } from '../../../src/domain/post/settings.ts';
import { NOW, someSettings } from '../../support/builders.ts';

const withoutLevel = (parts: Partial<PostSettings> = {}): PostSettings => {
  const { privacyLevel: _, ...settings } = someSettings(parts);
  return settings;
};
const consent = { userId: 'u', consentTime: NOW, declaration: 'd' };

describe('settings', () => {
  it.each<[string, PostSettings, boolean, readonly string[]]>([
    ['with a privacy level', someSettings(), false, []],
    ['without a privacy level', withoutLevel(), false, ['PRIVACY_LEVEL_REQUIRED']],
    ['without a privacy level, of a draft', withoutLevel({ draft: true }), false, []],
    [
      'branded and private',
      someSettings({ brandedContent: true, privacyLevel: 'SELF_ONLY' }),
      false,
      ['BRANDED_CONTENT_NOT_PRIVATE'],
    ],
    [
      'branded and for friends',
      someSettings({ brandedContent: true, privacyLevel: 'MUTUAL_FOLLOW_FRIENDS' }),
      false,
      [],
    ],
    [
      'branded and private, of a draft',
      someSettings({ brandedContent: true, privacyLevel: 'SELF_ONLY', draft: true }),
      false,
      [],
    ],
    ['with your own brand and private', someSettings({ yourBrand: true, privacyLevel: 'SELF_ONLY' }), false, []],
    ['without a consent that nobody asks for', someSettings(), false, []],
    ['without a consent that is asked for', someSettings(), true, ['CONSENT_REQUIRED']],
    ['without a consent that is asked for, of a draft', withoutLevel({ draft: true }), true, ['CONSENT_REQUIRED']],
    ['with the consent that is asked for', someSettings({ consent }), true, []],
    [
      'with everything wrong',
      withoutLevel({ brandedContent: true }),
      true,
      ['PRIVACY_LEVEL_REQUIRED', 'CONSENT_REQUIRED'],
    ],
  ])('%s', (_, settings, requireConsent, codes) => {
    const findings = checkSettings(settings, { requireConsent });
    expect(findings.map(({ code }) => code)).toEqual(codes);
    expect(findings.every(({ severity, field }) => severity === 'ERROR' && field.startsWith('settings.'))).toBe(true);
  });
});

describe('what an account switched off', () => {
  it('stays off, and nothing that was not chosen comes on', () => {
    const names = ['Comment', 'Duet', 'Stitch'] as const;
    const combinations = Array.from({ length: 64 }, (_, bits) => (bit: number) => (bits & (1 << bit)) !== 0);
    for (const bit of combinations) {
      const settings = someSettings({ allowComment: bit(0), allowDuet: bit(1), allowStitch: bit(2), yourBrand: true });
      const account = { commentAvailable: bit(3), duetAvailable: bit(4), stitchAvailable: bit(5) };
      const left = underSwitches(settings, account);
      expect(names.map((name) => left[`allow${name}`])).toEqual([0, 1, 2].map((index) => bit(index) && bit(index + 3)));
      expect(underSwitches(left, account)).toEqual(left);
      expect(left).toMatchObject({ yourBrand: true, privacyLevel: settings.privacyLevel });
    }
  });
});

describe('a cover', () => {
  it.each([
    [undefined, []],
    [0, []],
    [1, []],
    [20_500, []],
    [20_501, ['COVER_OUTSIDE_VIDEO']],
    [-1, ['COVER_OUTSIDE_VIDEO']],
    [Number.NaN, ['COVER_OUTSIDE_VIDEO']],
  ])('at %s ms of a video of 20.5 s', (coverMilliseconds, codes) => {
    const settings = coverMilliseconds === undefined ? someSettings() : someSettings({ coverMilliseconds });
    expect(checkCover(settings, 20.5).map(({ code }) => code)).toEqual(codes);
  });
});
