import { Code, type ConnectError } from '@connectrpc/connect';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  LocalizedMessageSchema,
  PreconditionFailureSchema,
  RetryInfoSchema,
} from '../../../src/adapters/rpc/gen/google/rpc/error_details_pb.js';
import { toConnectError } from '../../../src/adapters/rpc/to-connect-error.ts';
import type { Refusal } from '../../../src/application/refusal.ts';
import type { Finding } from '../../../src/domain/finding.ts';
import { explain, type PublishError, type PublishErrorCode } from '../../../src/domain/publish-error.ts';

const NOW = new Date('2026-03-01T12:00:00Z');

const finding = (changes: Partial<Finding> = {}): Finding => ({
  code: 'VIDEO_TOO_SHORT',
  severity: 'ERROR',
  field: 'spec.duration',
  message: 'The video is too short.',
  remedy: 'Upload a longer one.',
  observed: '2.9 s',
  limit: 'at least 3 s',
  ...changes,
});

const REFUSALS: { readonly [C in Refusal['code']]: readonly [Extract<Refusal, { readonly code: C }>, Code] } = {
  NOT_FOUND: [{ code: 'NOT_FOUND', resource: 'post', id: 'post_1' }, Code.NotFound],
  INVALID: [{ code: 'INVALID', findings: [finding()] }, Code.InvalidArgument],
  REQUEST_ID_REUSED: [{ code: 'REQUEST_ID_REUSED', requestId: 'r' }, Code.InvalidArgument],
  STATE_INVALID: [{ code: 'STATE_INVALID' }, Code.InvalidArgument],
  AUTHORIZATION_DENIED: [{ code: 'AUTHORIZATION_DENIED', tiktokCode: 'access_denied' }, Code.FailedPrecondition],
  RECONNECT_OTHER_ACCOUNT: [{ code: 'RECONNECT_OTHER_ACCOUNT', expected: 'a', observed: 'b' }, Code.FailedPrecondition],
  CONNECTION_DISCONNECTED: [
    { code: 'CONNECTION_DISCONNECTED', state: 'DISCONNECTED', id: 'conn_1' },
    Code.FailedPrecondition,
  ],
  ETAG_MISMATCH: [{ code: 'ETAG_MISMATCH', observed: '1', current: '2' }, Code.Aborted],
  VIDEO_IN_USE: [{ code: 'VIDEO_IN_USE', id: 'vid_1' }, Code.FailedPrecondition],
  STORAGE_FULL: [{ code: 'STORAGE_FULL' }, Code.ResourceExhausted],
  WORKSPACE_QUOTA_EXCEEDED: [{ code: 'WORKSPACE_QUOTA_EXCEEDED', usedBytes: 1, limitBytes: 2 }, Code.ResourceExhausted],
  POST_ALREADY_SENT: [{ code: 'POST_ALREADY_SENT', state: 'PUBLISHED', id: 'post_1' }, Code.FailedPrecondition],
  POST_ALREADY_STARTED: [{ code: 'POST_ALREADY_STARTED', state: 'PUBLISHING', id: 'post_1' }, Code.FailedPrecondition],
  POST_ENDED: [{ code: 'POST_ENDED', state: 'FAILED', id: 'post_1' }, Code.FailedPrecondition],
  POST_NOT_SENT: [{ code: 'POST_NOT_SENT', state: 'SCHEDULED', id: 'post_1' }, Code.FailedPrecondition],
  POST_NOT_RETRYABLE: [{ code: 'POST_NOT_RETRYABLE', state: 'SCHEDULED', id: 'post_1' }, Code.FailedPrecondition],
  DUPLICATE_RISK_NOT_ACCEPTED: [
    { code: 'DUPLICATE_RISK_NOT_ACCEPTED', state: 'UNCONFIRMED', id: 'post_1' },
    Code.FailedPrecondition,
  ],
  TIKTOK_REFUSED: [{ code: 'TIKTOK_REFUSED', error: { code: 'PLATFORM_UNAVAILABLE' } }, Code.Unavailable],
};

/** The gRPC column of contract.md; `–` there is a post's own state and FAILED_PRECONDITION here. */
const PUBLISH_ERRORS: {
  readonly [C in PublishErrorCode]: readonly [Extract<PublishError, { readonly code: C }>, Code];
} = {
  ACCOUNT_SESSION_INVALID: [{ code: 'ACCOUNT_SESSION_INVALID' }, Code.FailedPrecondition],
  ACCOUNT_ACCESS_REVOKED: [{ code: 'ACCOUNT_ACCESS_REVOKED' }, Code.FailedPrecondition],
  ACCOUNT_SCOPE_MISSING: [{ code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.publish'] }, Code.FailedPrecondition],
  ACCOUNT_NOT_ELIGIBLE: [{ code: 'ACCOUNT_NOT_ELIGIBLE', cause: 'BANNED' }, Code.FailedPrecondition],
  APP_NOT_AUDITED: [{ code: 'APP_NOT_AUDITED' }, Code.FailedPrecondition],
  APP_DAILY_USER_CAP: [{ code: 'APP_DAILY_USER_CAP' }, Code.ResourceExhausted],
  ACCOUNT_DAILY_POST_CAP: [{ code: 'ACCOUNT_DAILY_POST_CAP' }, Code.ResourceExhausted],
  ACCOUNT_PENDING_DRAFT_CAP: [{ code: 'ACCOUNT_PENDING_DRAFT_CAP' }, Code.ResourceExhausted],
  UPSTREAM_RATE_LIMITED: [{ code: 'UPSTREAM_RATE_LIMITED' }, Code.ResourceExhausted],
  PRIVACY_LEVEL_NOT_ALLOWED: [{ code: 'PRIVACY_LEVEL_NOT_ALLOWED', allowed: [] }, Code.InvalidArgument],
  VIDEO_FORMAT_REJECTED: [{ code: 'VIDEO_FORMAT_REJECTED' }, Code.InvalidArgument],
  VIDEO_DURATION_REJECTED: [{ code: 'VIDEO_DURATION_REJECTED' }, Code.InvalidArgument],
  VIDEO_FRAME_RATE_REJECTED: [{ code: 'VIDEO_FRAME_RATE_REJECTED' }, Code.InvalidArgument],
  VIDEO_RESOLUTION_REJECTED: [{ code: 'VIDEO_RESOLUTION_REJECTED' }, Code.InvalidArgument],
  CONTENT_FLAGGED: [{ code: 'CONTENT_FLAGGED' }, Code.InvalidArgument],
  MEDIA_DOMAIN_UNVERIFIED: [{ code: 'MEDIA_DOMAIN_UNVERIFIED' }, Code.FailedPrecondition],
  MEDIA_PULL_FAILED: [{ code: 'MEDIA_PULL_FAILED' }, Code.Unavailable],
  CONNECTOR_REQUEST_REJECTED: [{ code: 'CONNECTOR_REQUEST_REJECTED' }, Code.Internal],
  APP_CREDENTIALS_REJECTED: [{ code: 'APP_CREDENTIALS_REJECTED' }, Code.Unavailable],
  PLATFORM_UNAVAILABLE: [{ code: 'PLATFORM_UNAVAILABLE' }, Code.Unavailable],
  CONNECTOR_FAILED: [{ code: 'CONNECTOR_FAILED', crashes: 5 }, Code.Internal],
  OUTCOME_UNCONFIRMED: [{ code: 'OUTCOME_UNCONFIRMED' }, Code.FailedPrecondition],
  SCHEDULE_MISSED: [{ code: 'SCHEDULE_MISSED', latenessSeconds: 7200 }, Code.FailedPrecondition],
  VIDEO_MISSING: [{ code: 'VIDEO_MISSING' }, Code.FailedPrecondition],
  CHECK_FAILED: [{ code: 'CHECK_FAILED', finding: finding() }, Code.InvalidArgument],
};

const info = (error: ConnectError) => error.findDetails(ErrorInfoSchema);

/** A post goes out by itself; who called has to call again. */
const remedyOfCall = (error: PublishError): string =>
  error.code === 'PLATFORM_UNAVAILABLE' || error.code === 'UPSTREAM_RATE_LIMITED'
    ? 'Call again in a few minutes.'
    : explain(error).remedy;

describe('toConnectError', () => {
  it.each(Object.values(REFUSALS))('answers $code with one ErrorInfo and words for a person', (refusal, code) => {
    const error = toConnectError(refusal, NOW);
    expect(error.code).toBe(code);
    expect(info(error)).toHaveLength(1);
    expect(info(error)[0]?.domain).toBe('tiktok.glowtify');
    expect(error.rawMessage).toMatch(/^\S.+[.)] \S.+\.$/);
    expect(error.findDetails(LocalizedMessageSchema)).toMatchObject([{ locale: 'en', message: error.rawMessage }]);
    expect(error.findDetails(PreconditionFailureSchema)).toHaveLength(code === Code.FailedPrecondition ? 1 : 0);
  });

  it.each(Object.values(REFUSALS).filter(([{ code }]) => code !== 'INVALID' && code !== 'TIKTOK_REFUSED'))(
    'gives $code as the reason',
    (refusal) => {
      expect(info(toConnectError(refusal, NOW))[0]?.reason).toBe(refusal.code);
    },
  );

  it.each(Object.values(PUBLISH_ERRORS))('answers $code of TikTok with its status', (error, code) => {
    const evidence = { tiktokCode: 'their_code', tiktokLogId: '2026LOG' };
    const answer = toConnectError({ code: 'TIKTOK_REFUSED', error: { ...error, ...evidence } }, NOW);
    expect(answer.code).toBe(code);
    expect([Code.Unauthenticated, Code.PermissionDenied]).not.toContain(answer.code);
    expect(info(answer)).toMatchObject([
      {
        reason: error.code === 'CHECK_FAILED' ? 'VIDEO_TOO_SHORT' : error.code,
        metadata: {
          tiktok_code: 'their_code',
          tiktok_log_id: '2026LOG',
          actor: explain(error).actor,
          remedy: remedyOfCall(error),
        },
      },
    ]);
    expect(answer.rawMessage).toBe(`${explain(error).message} ${remedyOfCall(error)}`);
  });

  it.each(['PLATFORM_UNAVAILABLE', 'UPSTREAM_RATE_LIMITED'] as const)(
    'tells who brought a consent that it is spent, whether TikTok did not answer or was asked too often: %s',
    (code) => {
      const answer = toConnectError({ code: 'TIKTOK_REFUSED', error: { code }, consentSpent: true }, NOW);
      expect(info(answer)[0]?.metadata['remedy']).toBe('Begin again with connecting the account, in a few minutes.');
    },
  );

  it('says when to come back, and never in the past', () => {
    const at = (retryTime: Date) =>
      toConnectError({ code: 'TIKTOK_REFUSED', error: { code: 'UPSTREAM_RATE_LIMITED', retryTime } }, NOW).findDetails(
        RetryInfoSchema,
      );
    expect(at(new Date(NOW.getTime() + 61_500))).toMatchObject([{ retryDelay: { seconds: 61n, nanos: 500_000_000 } }]);
    expect(at(new Date(NOW.getTime() - 1))).toMatchObject([{ retryDelay: { seconds: 0n, nanos: 0 } }]);
  });

  it('names every error in a field, and no warning', () => {
    const error = toConnectError(
      {
        code: 'INVALID',
        findings: [
          finding({ severity: 'WARNING', code: 'VIDEO_NOT_VERTICAL' }),
          finding({ code: 'CAPTION_TOO_LONG', field: 'caption', observed: '', limit: '' }),
          finding(),
        ],
      },
      NOW,
    );
    expect(info(error)[0]?.reason).toBe('CAPTION_TOO_LONG');
    expect(error.findDetails(BadRequestSchema)[0]?.fieldViolations).toMatchObject([
      {
        field: 'caption',
        reason: 'CAPTION_TOO_LONG',
        description: 'The video is too short. Upload a longer one.',
      },
      {
        field: 'spec.duration',
        reason: 'VIDEO_TOO_SHORT',
        description: 'The video is too short. Seen: 2.9 s. Limit: at least 3 s. Upload a longer one.',
        localizedMessage: { locale: 'en', message: 'The video is too short. Upload a longer one.' },
      },
    ]);
  });

  it('says why a failed post can not be retried as it is', () => {
    const error = toConnectError(
      { code: 'POST_NOT_RETRYABLE', state: 'FAILED', id: 'post_1', error: { code: 'CONTENT_FLAGGED' } },
      NOW,
    );
    expect(error.rawMessage).toContain('judged the post risky');
    expect(info(error)[0]?.metadata).toMatchObject({ error_code: 'CONTENT_FLAGGED', state: 'FAILED' });
  });

  it('never sends more than a header takes, whatever text callers sent', () => {
    const text = fc.string({ unit: 'binary', maxLength: 3000 });
    fc.assert(
      fc.property(text, fc.array(text, { minLength: 1, maxLength: 100 }), (id, observed) => {
        for (const refusal of [
          { code: 'NOT_FOUND', resource: 'post', id },
          { code: 'INVALID', findings: observed.map((seen) => finding({ observed: seen, field: seen })) },
        ] satisfies Refusal[]) {
          const error = toConnectError(refusal, NOW);
          expect(() => encodeURIComponent(error.rawMessage)).not.toThrow();
          const bad = error.findDetails(BadRequestSchema)[0]?.fieldViolations ?? [];
          expect(bad.length).toBeLessThanOrEqual(13);
          for (const { field, description } of bad) expect(field.length + description.length).toBeLessThan(1100);
        }
      }),
      { numRuns: 50 },
    );
  });
});
