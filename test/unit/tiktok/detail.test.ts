import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withoutSecrets } from '../../../src/adapters/tiktok/refusal.ts';

describe("The detail kept of TikTok's message", () => {
  it.each([
    ['The chunk size is invalid', 'The chunk size is invalid'],
    ['see https://developers.tiktok.com/doc/guidelines/', 'see https://developers.tiktok.com/doc/guidelines/'],
    ['bad https://open-upload.tiktokapis.com/video/?upload_token=x now', 'bad [removed] now'],
    ['bad open-upload.tiktokapis.com/video/?x', 'bad [removed]'],
    ['token act.abc!1 is dead', 'token [removed] is dead'],
    ['{"refresh_token":"rft.abc"}', '[removed]'],
    ['client_secret=abc', '[removed]'],
    ['the exact.fraction stays', 'the exact.fraction stays'],
  ])('%s', (message, detail) => {
    expect(withoutSecrets(message)).toBe(detail);
  });

  it('holds no token and at most 300 characters, whatever surrounds it', () => {
    const around = fc.string({ maxLength: 2_500, unit: fc.constantFrom(' ', '\n', '"', '/', '(', '?', '=', '.', 'é') });
    fc.assert(
      fc.property(around, fc.constantFrom('act.', 'rft.'), around, (before, prefix, after) => {
        const detail = withoutSecrets(`${before}${prefix}s3cr3t${after}`);
        expect(detail).not.toContain('s3cr3t');
        expect(detail.length).toBeLessThanOrEqual(300);
      }),
    );
  });
});
