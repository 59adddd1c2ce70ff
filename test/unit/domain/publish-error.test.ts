import { describe, expect, it } from 'vitest';
import {
  type Consequence,
  consequenceOf,
  explain,
  mayBeRetriedUnchanged,
  type PublishError,
  type PublishErrorCode,
  publicCode,
} from '../../../src/domain/publish-error.ts';
import { aFinding, everyPublishError } from '../../support/builders.ts';

/** A full stop ends the text and nothing but the text; `H.264` and `9:16,` are no ends. */
const oneSentence = /^[^\s](?:(?![.!?]\s+[A-Z]).)*[.!?]$/;

describe('an error', () => {
  it.each(everyPublishError.map((error) => [error.code, error] as const))(
    '%s tells the person what happened and what to do',
    (_, error) => {
      const { message, remedy } = explain(error);
      // What we read in the file is told in a sentence of its own.
      expect(message.replace(/ We read the file as .*\.$/, '')).toMatch(oneSentence);
      expect(remedy).toMatch(oneSentence);
      expect(`${message} ${remedy}`).not.toMatch(/undefined|null|NaN|\[object|\s\s|: \.|, \./);
    },
  );

  it('never shows what TikTok said word for word', () => {
    for (const error of everyPublishError) {
      const { message, remedy } = explain({ ...error, tiktokCode: 'tiktok_secret', tiktokLogId: 'log-secret' });
      expect(`${message} ${remedy}`).not.toContain('secret');
    }
  });

  it('names what is missing, allowed or seen', () => {
    const messageOf = (error: PublishError) => explain(error).message;
    expect(messageOf({ code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.publish', 'video.list'] })).toContain(
      'video.publish, video.list',
    );
    expect(explain({ code: 'PRIVACY_LEVEL_NOT_ALLOWED', allowed: ['SELF_ONLY'] }).remedy).toBe(
      'Choose one of: SELF_ONLY.',
    );
    expect(messageOf({ code: 'VIDEO_FORMAT_REJECTED', probed: 'MP4, AV1' })).toContain('We read the file as MP4, AV1.');
    expect(messageOf({ code: 'SCHEDULE_MISSED', latenessSeconds: 90.4 })).toContain('90 s late');
    expect(messageOf({ code: 'ACCOUNT_NOT_ELIGIBLE', cause: 'PERSONAL' })).toContain('personal account');
  });

  it('speaks with the words the contract fixes', () => {
    expect(explain({ code: 'ACCOUNT_SESSION_INVALID' }).message).toMatch(/^Account session invalid/);
    expect(explain({ code: 'ACCOUNT_NOT_ELIGIBLE', cause: 'BANNED' }).message).toMatch(
      /^Account not eligible to publish via API/,
    );
    expect(explain({ code: 'VIDEO_FORMAT_REJECTED' }).message).toMatch(/^Video format rejected/);
  });

  it('of a check of ours speaks with the check’s own words and code', () => {
    const finding = aFinding({ code: 'VIDEO_NO_AUDIO', message: 'No sound.', remedy: 'Add some.' });
    expect(explain({ code: 'CHECK_FAILED', finding })).toMatchObject({
      message: 'No sound.',
      remedy: 'Add some.',
      actor: 'USER',
    });
    expect(publicCode({ code: 'CHECK_FAILED', finding })).toBe('VIDEO_NO_AUDIO');
  });

  it('is shown by its own code otherwise', () => {
    for (const error of everyPublishError) {
      if (error.code !== 'CHECK_FAILED') expect(publicCode(error)).toBe(error.code);
    }
  });
});

describe('what an error does to its post', () => {
  const RECONNECT = { kind: 'HOLD_RECONNECT' } as const;
  const QUOTA = { kind: 'HOLD_QUOTA', seconds: 3600 } as const;
  const FAIL = { kind: 'FAIL' } as const;
  const SOON = { kind: 'BACK_OFF' } as const;

  /** The contract's table: the consequence, who mends it, whether time alone may, and whether the same may be tried again. */
  const table: Readonly<Record<PublishErrorCode, readonly [Consequence, string, boolean, boolean]>> = {
    ACCOUNT_SESSION_INVALID: [RECONNECT, 'USER', false, true],
    ACCOUNT_ACCESS_REVOKED: [RECONNECT, 'USER', false, true],
    ACCOUNT_SCOPE_MISSING: [RECONNECT, 'USER', false, true],
    ACCOUNT_NOT_ELIGIBLE: [FAIL, 'USER', false, true],
    APP_NOT_AUDITED: [FAIL, 'OPERATOR', false, true],
    APP_DAILY_USER_CAP: [QUOTA, 'OPERATOR', true, true],
    ACCOUNT_DAILY_POST_CAP: [QUOTA, 'USER', true, true],
    ACCOUNT_PENDING_DRAFT_CAP: [QUOTA, 'USER', true, true],
    UPSTREAM_RATE_LIMITED: [SOON, 'PLATFORM', true, true],
    PRIVACY_LEVEL_NOT_ALLOWED: [FAIL, 'USER', false, true],
    VIDEO_FORMAT_REJECTED: [FAIL, 'USER', false, false],
    VIDEO_DURATION_REJECTED: [FAIL, 'USER', false, false],
    VIDEO_FRAME_RATE_REJECTED: [FAIL, 'USER', false, false],
    VIDEO_RESOLUTION_REJECTED: [FAIL, 'USER', false, false],
    CONTENT_FLAGGED: [FAIL, 'USER', false, false],
    MEDIA_DOMAIN_UNVERIFIED: [FAIL, 'OPERATOR', false, true],
    MEDIA_PULL_FAILED: [SOON, 'PLATFORM', true, true],
    CONNECTOR_REQUEST_REJECTED: [FAIL, 'CONNECTOR', false, true],
    APP_CREDENTIALS_REJECTED: [SOON, 'OPERATOR', true, true],
    PLATFORM_UNAVAILABLE: [SOON, 'PLATFORM', true, true],
    CONNECTOR_FAILED: [FAIL, 'CONNECTOR', false, true],
    OUTCOME_UNCONFIRMED: [FAIL, 'PLATFORM', false, true],
    SCHEDULE_MISSED: [FAIL, 'USER', true, true],
    VIDEO_MISSING: [FAIL, 'OPERATOR', false, false],
    CHECK_FAILED: [FAIL, 'USER', false, false],
  };

  it.each(everyPublishError.map((error) => [error.code, error] as const))('%s', (code, error) => {
    const { actor, retryable } = explain(error);
    expect([consequenceOf(error), actor, retryable, mayBeRetriedUnchanged(error)]).toEqual(table[code]);
  });

  it('lets time alone mend only what may be tried again unchanged', () => {
    for (const error of everyPublishError) {
      if (explain(error).retryable) expect(mayBeRetriedUnchanged(error)).toBe(true);
      if (consequenceOf(error).kind === 'BACK_OFF') expect(explain(error).retryable).toBe(true);
    }
  });
});
