import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { Finding } from '../../domain/finding.ts';
import { type Actor, explain, type PublishError, publicCode } from '../../domain/publish-error.ts';
import * as pb from './gen/glowtify/tiktok/v1/publish_error_pb.js';

export const ACTORS = {
  USER: pb.Actor.USER,
  OPERATOR: pb.Actor.OPERATOR,
  PLATFORM: pb.Actor.PLATFORM,
  CONNECTOR: pb.Actor.CONNECTOR,
} satisfies Record<Actor, pb.Actor>;

export const SEVERITIES = {
  ERROR: pb.Severity.ERROR,
  WARNING: pb.Severity.WARNING,
} satisfies Record<Finding['severity'], pb.Severity>;

/** `retryTime` is when it is tried again, for errors that don't know it themselves. */
export function publishErrorMessage(error: PublishError, retryTime?: Date): pb.PublishError {
  const { message, remedy, actor, retryable } = explain(error);
  const known = error.code === 'UPSTREAM_RATE_LIMITED' ? (error.retryTime ?? retryTime) : retryTime;
  return create(pb.PublishErrorSchema, {
    code: publicCode(error),
    message,
    remedy,
    actor: ACTORS[actor],
    retryable,
    tiktokCode: error.tiktokCode ?? '',
    tiktokLogId: error.tiktokLogId ?? '',
    ...(retryable && known !== undefined ? { retryTime: timestampFromDate(known) } : {}),
  });
}

export const findingMessage = (finding: Finding): pb.Finding =>
  create(pb.FindingSchema, { ...finding, severity: SEVERITIES[finding.severity] });
