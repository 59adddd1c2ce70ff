import { Code, type ConnectError } from '@connectrpc/connect';
import type { Clock } from '../../application/ports/clock.ts';
import type { Refusal } from '../../application/refusal.ts';
import { type Finding, isError } from '../../domain/finding.ts';
import { explain, type PublishError, publicCode } from '../../domain/publish-error.ts';
import type { Result } from '../../domain/result.ts';
import { type Answer, connectError } from './answer.ts';

export const toConnectError = (refusal: Refusal, now: Date): ConnectError => connectError(answerTo(refusal), now);

/** How a service says no. */
export const refusals = (clock: Clock) => ({
  /** The value, or the refusal as the error that the caller gets. */
  accept<T>(result: Result<T, Refusal>): T {
    if (result.ok) return result.value;
    throw toConnectError(result.error, clock.now());
  },
  /** Refuses the request when anything is wrong with it. */
  refuse(findings: readonly Finding[]): void {
    if (findings.length > 0) throw toConnectError({ code: 'INVALID', findings }, clock.now());
  },
});

/** The one place where a refusal becomes a gRPC status and words. */
export function answerTo(refusal: Refusal): Answer {
  const reason = refusal.code;
  switch (refusal.code) {
    case 'NOT_FOUND':
      return {
        status: Code.NotFound,
        reason,
        message: `There is no ${refusal.resource} with the id ${quoted(refusal.id)}.`,
        remedy: 'Check the id and the workspace.',
        metadata: { resource: refusal.resource, id: refusal.id },
      };
    case 'INVALID':
      return invalid(refusal.findings.filter(isError));
    case 'REQUEST_ID_REUSED':
      return {
        status: Code.InvalidArgument,
        reason,
        message: `The request_id ${quoted(refusal.requestId)} was used before with another request.`,
        remedy: 'Send exactly what was sent before to get its result, or choose a new request_id.',
        metadata: { request_id: refusal.requestId },
      };
    case 'STATE_INVALID':
      return {
        status: Code.InvalidArgument,
        reason,
        message: 'This authorization is unknown, was used before, or is older than ten minutes.',
        remedy: 'Begin again with connecting the account.',
      };
    case 'AUTHORIZATION_DENIED':
      return {
        status: Code.FailedPrecondition,
        reason,
        message: 'TikTok ended the authorization without giving access to the account.',
        remedy: 'Begin again with connecting the account, and allow the access on TikTok’s page.',
        metadata: { tiktok_code: refusal.tiktokCode },
        precondition: 'authorization',
      };
    case 'RECONNECT_OTHER_ACCOUNT':
      return {
        status: Code.FailedPrecondition,
        reason,
        message: 'The reconnect was begun for one TikTok account and ended with another.',
        remedy: 'Begin again, and log in at TikTok with the account that is to be reconnected.',
        metadata: { expected_open_id: refusal.expected, observed_open_id: refusal.observed },
        precondition: refusal.expected,
      };
    case 'CONNECTION_DISCONNECTED':
      return {
        status: Code.FailedPrecondition,
        reason,
        message: `The connection ${quoted(refusal.id)} was disconnected.`,
        remedy: 'Connect the TikTok account again; it keeps its connection_id.',
        metadata: { id: refusal.id, state: refusal.state },
        precondition: refusal.id,
      };
    case 'ETAG_MISMATCH':
      return {
        status: Code.Aborted,
        reason,
        message: 'Someone else changed the resource since it was read.',
        remedy: 'Read it again, apply the change to what is there now, and send its etag.',
        metadata: { observed_etag: refusal.observed, current_etag: refusal.current },
      };
    case 'VIDEO_IN_USE':
      return {
        status: Code.FailedPrecondition,
        reason,
        message: `The video ${quoted(refusal.id)} is needed by a post that may still go out.`,
        remedy: 'Cancel that post first, or wait until it has ended.',
        metadata: { id: refusal.id },
        precondition: refusal.id,
      };
    case 'STORAGE_FULL':
      return {
        status: Code.ResourceExhausted,
        reason,
        message: 'The video store is full; nothing was kept.',
        remedy: 'Tell the operator of this service; send the file again when there is space.',
      };
    case 'WORKSPACE_QUOTA_EXCEEDED':
      return {
        status: Code.ResourceExhausted,
        reason,
        message: `The workspace has no room left for this video: it uses ${refusal.usedBytes} of ${refusal.limitBytes} bytes; nothing was kept.`,
        remedy: 'Delete videos that are not needed any more, or ask the operator of this service for more room.',
        metadata: { used_bytes: String(refusal.usedBytes), limit_bytes: String(refusal.limitBytes) },
      };
    case 'POST_ALREADY_SENT':
      return wrongState(refusal, 'TikTok may have received the whole post already.', 'Delete it in the TikTok app.');
    case 'POST_ALREADY_STARTED':
      return wrongState(
        refusal,
        'The post has begun to go out, or has ended, and can not be changed.',
        'Publish a new post instead.',
      );
    case 'POST_ENDED':
      return wrongState(refusal, 'The post has ended already.', 'Nothing to do.');
    case 'POST_NOT_SENT':
      return wrongState(
        refusal,
        'TikTok was never given this post, so there is nothing to ask about.',
        'Wait until it has begun to go out.',
      );
    case 'POST_NOT_RETRYABLE':
      return notRetryable(refusal);
    case 'DUPLICATE_RISK_NOT_ACCEPTED':
      return wrongState(
        refusal,
        'The first try may still appear on TikTok, so a second one may make it appear twice.',
        'Look at the account on TikTok; if the post is not there, retry with accept_duplicate_risk.',
      );
    case 'TIKTOK_REFUSED':
      return tiktokRefused(refusal);
  }
}

const quoted = (text: string): string => `'${text.length <= 80 ? text : `${text.slice(0, 80)}…`}'`;

function invalid(violations: readonly Finding[]): Answer {
  const [first, ...others] = violations;
  if (first === undefined) throw new Error('a request was refused as invalid without a finding that says why');
  return {
    status: Code.InvalidArgument,
    reason: first.code,
    message: others.length === 0 ? first.message : `${first.message} (And ${others.length} more.)`,
    remedy: first.remedy,
    violations,
  };
}

type WrongState = Extract<Refusal, { readonly code: `POST_${string}` | 'DUPLICATE_RISK_NOT_ACCEPTED' }>;

const wrongState = ({ code, state, id }: WrongState, message: string, remedy: string): Answer => ({
  status: Code.FailedPrecondition,
  reason: code,
  message: `${message} It is ${state}.`,
  remedy,
  metadata: { id, state },
  precondition: id,
});

function notRetryable(refusal: Extract<Refusal, { readonly code: 'POST_NOT_RETRYABLE' }>): Answer {
  const { error } = refusal;
  if (error === undefined) {
    return wrongState(refusal, 'Only a post that failed, waits or is unconfirmed can be retried.', 'Nothing to do.');
  }
  const answer = wrongState(refusal, `The same would fail again: ${explain(error).message}`, explain(error).remedy);
  return { ...answer, metadata: { ...answer.metadata, error_code: publicCode(error), ...evidence(error) } };
}

const evidence = ({ tiktokCode, tiktokLogId }: PublishError): Readonly<Record<string, string>> => ({
  ...(tiktokCode === undefined ? {} : { tiktok_code: tiktokCode }),
  ...(tiktokLogId === undefined ? {} : { tiktok_log_id: tiktokLogId }),
});

function tiktokRefused(refusal: Extract<Refusal, { readonly code: 'TIKTOK_REFUSED' }>): Answer {
  const { error } = refusal;
  const { message, actor } = explain(error);
  const remedy = remedyOfCall(refusal);
  const status = statusOf(error);
  const reason = publicCode(error);
  return {
    status,
    reason,
    message,
    remedy,
    metadata: { actor, ...evidence(error) },
    ...(error.code === 'CHECK_FAILED' ? { violations: [error.finding] } : {}),
    ...(error.code === 'UPSTREAM_RATE_LIMITED' && error.retryTime !== undefined ? { retryTime: error.retryTime } : {}),
    ...(status === Code.FailedPrecondition ? { precondition: PRECONDITION_OF[actor] } : {}),
  };
}

/** A post is tried again by itself; a call is not. */
function remedyOfCall({ error, consentSpent }: Extract<Refusal, { readonly code: 'TIKTOK_REFUSED' }>): string {
  if (error.code !== 'PLATFORM_UNAVAILABLE' && error.code !== 'UPSTREAM_RATE_LIMITED') return explain(error).remedy;
  return consentSpent ? 'Begin again with connecting the account, in a few minutes.' : 'Call again in a few minutes.';
}

/** What a precondition is about, by who can mend it. */
const PRECONDITION_OF = {
  USER: 'the TikTok account',
  OPERATOR: "this service's TikTok app",
  PLATFORM: 'TikTok',
  CONNECTOR: 'this service',
} as const;

/** The gRPC column of the contract's table. UNAUTHENTICATED and PERMISSION_DENIED speak of the caller's login only. */
function statusOf(error: PublishError): Code {
  switch (error.code) {
    case 'ACCOUNT_SESSION_INVALID':
    case 'ACCOUNT_ACCESS_REVOKED':
    case 'ACCOUNT_SCOPE_MISSING':
    case 'ACCOUNT_NOT_ELIGIBLE':
    case 'APP_NOT_AUDITED':
    case 'MEDIA_DOMAIN_UNVERIFIED':
    case 'OUTCOME_UNCONFIRMED':
    case 'SCHEDULE_MISSED':
    case 'VIDEO_MISSING':
      return Code.FailedPrecondition;
    case 'APP_DAILY_USER_CAP':
    case 'ACCOUNT_DAILY_POST_CAP':
    case 'ACCOUNT_PENDING_DRAFT_CAP':
    case 'UPSTREAM_RATE_LIMITED':
      return Code.ResourceExhausted;
    case 'PRIVACY_LEVEL_NOT_ALLOWED':
    case 'VIDEO_FORMAT_REJECTED':
    case 'VIDEO_DURATION_REJECTED':
    case 'VIDEO_FRAME_RATE_REJECTED':
    case 'VIDEO_RESOLUTION_REJECTED':
    case 'CONTENT_FLAGGED':
    case 'CHECK_FAILED':
      return Code.InvalidArgument;
    case 'MEDIA_PULL_FAILED':
    case 'APP_CREDENTIALS_REJECTED':
    case 'PLATFORM_UNAVAILABLE':
      return Code.Unavailable;
    case 'CONNECTOR_REQUEST_REJECTED':
    case 'CONNECTOR_FAILED':
      return Code.Internal;
  }
}
