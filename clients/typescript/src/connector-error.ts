import { durationMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { type Finding, FindingSchema } from '../gen/glowtify/tiktok/v1/publish_error_pb.js';
import {
  type BadRequest_FieldViolation,
  BadRequestSchema,
  ErrorInfoSchema,
  LocalizedMessageSchema,
  type PreconditionFailure_Violation,
  PreconditionFailureSchema,
  RetryInfoSchema,
} from '../gen/google/rpc/error_details_pb.js';

/** `domain` of the ErrorInfo of every error of this service. */
export const ERROR_DOMAIN = 'tiktok.glowtify';

/** Who can mend what TikTok refused: see `Actor` of the contract. */
export type Actor = 'USER' | 'OPERATOR' | 'PLATFORM' | 'CONNECTOR';
const ACTORS: readonly string[] = ['USER', 'OPERATOR', 'PLATFORM', 'CONNECTOR'] satisfies readonly Actor[];

/**
 * What a call was refused with, or why it failed. `code` is gRPC's. A connection that broke is UNAVAILABLE here, as in gRPC's own libraries:
 * nothing is known of the call then, and `reason` is undefined.
 */
export class ConnectorError extends ConnectError {
  /** Stable code of the service, such as `REQUEST_ID_REUSED`. Undefined where the service itself was not reached. */
  readonly reason: string | undefined;
  /** For the person, in English: what is wrong and what to do. Falls back to gRPC's own message. */
  readonly userMessage: string;
  /** What to do now, in one sentence. Undefined where the service itself was not reached. */
  readonly remedy: string | undefined;
  /** Who can mend what TikTok refused. Undefined where TikTok was not asked: then `code` tells. */
  readonly actor: Actor | undefined;
  /** True when the same call may succeed later without anyone changing anything. */
  readonly retryable: boolean;
  /** Milliseconds from the answer on, before which a repeat is of no use. Undefined when nobody knows. */
  readonly retryDelayMilliseconds: number | undefined;
  /** The first findings of a check, at most six. */
  readonly findings: readonly Finding[];
  /** Fields of the request that are wrong, at most twelve; one more tells how many are left. */
  readonly fieldViolations: readonly BadRequest_FieldViolation[];
  /** What has to change before the call can succeed. */
  readonly preconditions: readonly PreconditionFailure_Violation[];
  /** TikTok's own code. Undefined when TikTok was not asked. */
  readonly tiktokCode: string | undefined;
  /** TikTok's log id, for a ticket there. Undefined when there was none. */
  readonly tiktokLogId: string | undefined;
  /** All that the service said of `reason`, such as `current_etag`. */
  readonly facts: Readonly<Record<string, string>>;

  constructor(error: ConnectError, code: Code = error.code) {
    super(error.rawMessage, code, error.metadata, undefined, error.cause ?? error);
    this.details = error.details;
    this.isWireError = error.isWireError;
    const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === ERROR_DOMAIN);
    const [retryInfo] = error.findDetails(RetryInfoSchema);
    const [text] = error.findDetails(LocalizedMessageSchema);
    this.facts = info?.metadata ?? {};
    this.reason = info?.reason;
    this.userMessage = text?.message ?? error.rawMessage;
    this.remedy = this.facts['remedy'];
    const actor = this.facts['actor'];
    this.actor = isActor(actor) ? actor : undefined;
    this.retryDelayMilliseconds = retryInfo?.retryDelay === undefined ? undefined : durationMs(retryInfo.retryDelay);
    this.retryable = code === Code.Unavailable || this.retryDelayMilliseconds !== undefined;
    this.findings = error.findDetails(FindingSchema);
    this.fieldViolations = error.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations);
    this.preconditions = error.findDetails(PreconditionFailureSchema).flatMap(({ violations }) => violations);
    this.tiktokCode = this.facts['tiktok_code'];
    this.tiktokLogId = this.facts['tiktok_log_id'];
  }

  /** ConnectError's own takes every ConnectError for one of its subclasses. (It goes by `name`, so that stays as it is.) */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === 'ConnectError' && 'userMessage' in value;
  }
}

const isActor = (text: string | undefined): text is Actor => text !== undefined && ACTORS.includes(text);

/** Whatever a call threw, as one type. `cancelled`: the caller or its deadline ended the call, so nothing broke. */
export function toConnectorError(thrown: unknown, cancelled: boolean): ConnectorError {
  if (thrown instanceof ConnectorError) return thrown;
  const error = ConnectError.from(thrown);
  return new ConnectorError(error, !cancelled && isBrokenConnection(error) ? Code.Unavailable : error.code);
}

/**
 * connect-node names a connection that broke by what Node said of it: ABORTED, CANCELED, INTERNAL. Where no status came over the wire
 * and nobody here ended the call, gRPC says UNAVAILABLE.
 */
function isBrokenConnection(error: ConnectError): boolean {
  if (error.isWireError) return false;
  if (error.code === Code.Aborted || error.code === Code.Canceled) return true;
  return (error.code === Code.Internal || error.code === Code.Unknown) && nodeCodes(error.cause).length > 0;
}

/** What Node calls the failure and what is behind it, such as `ECONNRESET`. */
function nodeCodes(cause: unknown): readonly string[] {
  const codes: string[] = [];
  const seen = new Set<unknown>();
  for (let each = cause; each instanceof Error && !seen.has(each); each = each.cause) {
    seen.add(each);
    if ('code' in each && typeof each.code === 'string') codes.push(each.code);
  }
  return codes;
}
