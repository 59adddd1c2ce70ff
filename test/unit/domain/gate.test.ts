import { describe, expect, it } from 'vitest';
import {
  activeUsersGate,
  closingFor,
  credentialsGate,
  gatesOf,
  isPlatformTrouble,
  platformGate,
  platformGates,
} from '../../../src/domain/post/gate.ts';
import type { PublishError, PublishErrorCode } from '../../../src/domain/publish-error.ts';
import { anAccount, anActiveConnection, everyPublishError, later, someSettings } from '../../support/builders.ts';

const mine = anActiveConnection({ account: anAccount({ openId: 'open-1' }) });
const other = anActiveConnection({ account: anAccount({ openId: 'open-2' }) });
const business = anActiveConnection({ apiFamily: 'BUSINESS' });
const draft = someSettings({ draft: true });

describe('the gates of a post', () => {
  it('are TikTok, the app, the app’s accounts, the account’s rate and its posts or drafts', () => {
    expect(gatesOf(mine, someSettings()).toSorted()).toEqual(
      ['platform:OPEN', 'credentials:OPEN', 'active-users:OPEN', 'rate:OPEN:open-1', 'posts:OPEN:open-1'].toSorted(),
    );
    expect(gatesOf(mine, draft)).toContain('drafts:OPEN:open-1');
    expect(gatesOf(mine, draft)).not.toContain('posts:OPEN:open-1');
  });

  it('are shared by all accounts as far as they are about TikTok or the app, and no further', () => {
    const shared = gatesOf(mine, draft).filter((key) => gatesOf(other, draft).includes(key));
    expect(shared.toSorted()).toEqual(['active-users:OPEN', 'credentials:OPEN', 'platform:OPEN']);
    expect(platformGates(mine)).toEqual([platformGate('OPEN'), credentialsGate('OPEN')]);
  });

  it('are others for each API family', () => {
    expect(gatesOf(mine, draft).filter((key) => gatesOf(business, draft).includes(key))).toEqual([]);
    expect(activeUsersGate('OPEN')).not.toBe(activeUsersGate('BUSINESS'));
  });
});

describe('the gate that one refusal shuts', () => {
  /** The key, the first time and the longest, in seconds. What is not here shuts none. */
  const closings: Partial<Record<PublishErrorCode, readonly [string, number, number]>> = {
    ACCOUNT_DAILY_POST_CAP: ['posts:OPEN:open-1', 3600, 3600],
    ACCOUNT_PENDING_DRAFT_CAP: ['drafts:OPEN:open-1', 3600, 3600],
    APP_DAILY_USER_CAP: ['active-users:OPEN', 3600, 3600],
    APP_CREDENTIALS_REJECTED: ['credentials:OPEN', 30, 300],
    UPSTREAM_RATE_LIMITED: ['rate:OPEN:open-1', 60, 600],
  };

  it.each(everyPublishError.map((error) => [error.code, error] as const))('for %s', (code, error) => {
    const [key, seconds, atMostSeconds] = closings[code] ?? [];
    // TikTok does not tell when to come back; our own limit does.
    const { retryTime: _, ...told } = { retryTime: undefined, ...error };
    const closing = closingFor(told as PublishError, mine);
    expect(closing).toEqual(key === undefined ? undefined : { key, seconds, atMostSeconds });
    if (closing !== undefined)
      expect([...gatesOf(mine, someSettings()), ...gatesOf(mine, draft)]).toContain(closing.key);
  });

  it('is none for our own limit: TikTok was not asked', () => {
    expect(closingFor({ code: 'UPSTREAM_RATE_LIMITED', retryTime: later(62) }, mine)).toBeUndefined();
  });
});

describe('trouble of the platform', () => {
  it('is TikTok’s or the app’s, and no account’s', () => {
    const codes = new Set(everyPublishError.filter(isPlatformTrouble).map(({ code }) => code));
    expect([...codes].toSorted()).toEqual(['APP_CREDENTIALS_REJECTED', 'PLATFORM_UNAVAILABLE']);
  });
});
