import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { type Code, ConnectError } from '@connectrpc/connect';
import type { Finding } from '../../domain/finding.ts';
import { FindingSchema } from './gen/glowtify/tiktok/v1/publish_error_pb.js';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  LocalizedMessageSchema,
  PreconditionFailureSchema,
  RetryInfoSchema,
} from './gen/google/rpc/error_details_pb.js';
import { findingMessage } from './publish-error-messages.ts';

/** A refusal in words: what every kind of caller is told, machine or person. */
export type Answer = {
  readonly status: Code;
  /** Stable code, for machines. */
  readonly reason: string;
  /** One sentence for the person. */
  readonly message: string;
  /** What to do now, in one sentence. */
  readonly remedy: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Errors in fields of the request. */
  readonly violations?: readonly Finding[];
  /** What has to change before the call can succeed, such as a post's id. */
  readonly precondition?: string;
  /** When the call may be repeated at the earliest. */
  readonly retryTime?: Date;
};

export const ERROR_DOMAIN = 'tiktok.glowtify';

/** Details travel in a header, and some clients take no more than 8 KiB of those. */
const MOST_VIOLATIONS = 12;
/** As typed details; more of them are only told as violations. */
const MOST_FINDINGS = 6;
const LONGEST_TEXT = 200;

/** Callers' own text comes back in errors: never at a length, nor in a form, that breaks the header it travels in. */
const clipped = (text: string): string =>
  (text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT - 1)}…`).toWellFormed();

/** Those made here, of words that are meant for callers. Any other `ConnectError` may hold what a library was told. */
const made = new WeakSet<ConnectError>();

export const isOurs = (error: unknown): error is ConnectError => error instanceof ConnectError && made.has(error);

export function connectError(answer: Answer, now: Date): ConnectError {
  const { status, reason, message, remedy, metadata = {}, violations = [], precondition, retryTime } = answer;
  const text = `${message} ${remedy}`.toWellFormed();
  const error = new ConnectError(text, status, undefined, [
    {
      desc: ErrorInfoSchema,
      value: create(ErrorInfoSchema, {
        reason,
        domain: ERROR_DOMAIN,
        metadata: Object.fromEntries(
          Object.entries({ ...metadata, remedy }).map(([name, value]) => [name, clipped(value)]),
        ),
      }),
    },
    ...(violations.length === 0 ? [] : [{ desc: BadRequestSchema, value: badRequest(violations) }]),
    ...violations.slice(0, MOST_FINDINGS).map((finding) => ({
      desc: FindingSchema,
      value: findingMessage({ ...finding, observed: clipped(finding.observed), limit: clipped(finding.limit) }),
    })),
    ...(precondition === undefined
      ? []
      : [
          {
            desc: PreconditionFailureSchema,
            value: create(PreconditionFailureSchema, {
              violations: [{ type: reason, subject: clipped(precondition), description: remedy }],
            }),
          },
        ]),
    ...(retryTime === undefined
      ? []
      : [
          {
            desc: RetryInfoSchema,
            value: create(RetryInfoSchema, {
              retryDelay: durationFromMs(Math.max(0, retryTime.getTime() - now.getTime())),
            }),
          },
        ]),
    { desc: LocalizedMessageSchema, value: create(LocalizedMessageSchema, { locale: 'en', message: text }) },
  ]);
  made.add(error);
  return error;
}

function badRequest(violations: readonly Finding[]) {
  const left = violations.length - MOST_VIOLATIONS;
  return create(BadRequestSchema, {
    fieldViolations: [
      ...violations.slice(0, MOST_VIOLATIONS).map((finding) => ({
        field: clipped(finding.field),
        reason: finding.code,
        description: describe(finding),
        localizedMessage: { locale: 'en', message: clipped(`${finding.message} ${finding.remedy}`) },
      })),
      ...(left > 0 ? [{ reason: 'FIELD_INVALID', description: `${left} more; mend these first and ask again.` }] : []),
    ],
  });
}

const describe = ({ message, observed, limit, remedy }: Finding): string =>
  [
    clipped(message),
    observed === '' ? '' : `Seen: ${clipped(observed)}.`,
    limit === '' ? '' : `Limit: ${clipped(limit)}.`,
    clipped(remedy),
  ]
    .filter((sentence) => sentence !== '')
    .join(' ');
