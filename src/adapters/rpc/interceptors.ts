import { randomUUID } from 'node:crypto';
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import type { Clock } from '../../application/ports/clock.ts';
import type { Log } from '../../application/ports/log.ts';
import { connectError } from './answer.ts';
import { checkText } from './request-fields.ts';
import { toConnectError } from './to-connect-error.ts';

/** How soon a failed call may come again when nobody knows better. */
const UNAVAILABLE_SECONDS = 2;

/** What nobody expected leaves without its own text: that may name hosts, statements or tokens. The log has it all. */
export function hideFailures(needs: {
  readonly log: Log;
  readonly clock: Clock;
  readonly isUnavailable: (error: unknown) => boolean;
}): Interceptor {
  const { log, clock, isUnavailable } = needs;

  function shown(error: unknown, rpc: string): ConnectError {
    if (error instanceof ConnectError) return error;
    const incidentId = randomUUID();
    log.error({ error, rpc, incidentId }, 'an RPC failed');
    const now = clock.now();
    return isUnavailable(error)
      ? connectError(
          {
            status: Code.Unavailable,
            reason: 'SERVICE_UNAVAILABLE',
            message: 'This service can not reach its own storage at the moment.',
            remedy: 'Repeat the call; with the same request_id where it has one.',
            metadata: { incident_id: incidentId },
            retryTime: new Date(now.getTime() + UNAVAILABLE_SECONDS * 1000),
          },
          now,
        )
      : connectError(
          {
            status: Code.Internal,
            reason: 'INTERNAL',
            message: 'Something went wrong in this service.',
            remedy: `Report it with the incident id ${incidentId}.`,
            metadata: { incident_id: incidentId },
          },
          now,
        );
  }

  async function* guarded<T>(messages: AsyncIterable<T>, rpc: string): AsyncIterable<T> {
    try {
      yield* messages;
    } catch (error) {
      throw shown(error, rpc);
    }
  }

  return (next) => async (request) => {
    const rpc = `${request.service.typeName}/${request.method.name}`;
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: guarded(response.message, rpc) } : response;
    } catch (error) {
      throw shown(error, rpc);
    }
  };
}

/** Refuses text that nothing behind us could store. Streams check their own messages. */
export const refuseUnusableText =
  ({ clock }: { readonly clock: Clock }): Interceptor =>
  (next) =>
  (request) => {
    if (!request.stream) {
      const findings = checkText(request.method.input, request.message);
      if (findings.length > 0) throw toConnectError({ code: 'INVALID', findings }, clock.now());
    }
    return next(request);
  };

/**
 * Answers when the caller's deadline passes, or `seconds` after a call without one began. Only the waiting ends: the use
 * case is not told, because what it began to store it must finish.
 */
export const answerInTime =
  (seconds: number, { clock }: { readonly clock: Clock }): Interceptor =>
  (next) =>
  async (request) => {
    const hasDeadline = request.header.has('grpc-timeout') || request.header.has('connect-timeout-ms');
    const signal = hasDeadline
      ? request.signal
      : AbortSignal.any([request.signal, AbortSignal.timeout(seconds * 1000)]);
    const over = Promise.withResolvers<never>();
    const end = () => over.reject(endOf(signal, clock.now()));
    signal.addEventListener('abort', end, { once: true });
    try {
      if (signal.aborted) throw endOf(signal, clock.now());
      return await Promise.race([next({ ...request, signal }), over.promise]);
    } finally {
      signal.removeEventListener('abort', end);
    }
  };

/** Why the caller no longer waits. */
export function endOf(signal: AbortSignal, now: Date): ConnectError {
  const { reason } = signal;
  const late = reason instanceof ConnectError ? reason.code === Code.DeadlineExceeded : reason?.name === 'TimeoutError';
  return connectError(
    late
      ? {
          status: Code.DeadlineExceeded,
          reason: 'DEADLINE_EXCEEDED',
          message: 'The call took longer than its deadline; what it began to store may be stored all the same.',
          remedy: 'Read the resource, or repeat the call with the same request_id where it has one.',
        }
      : {
          status: Code.Canceled,
          reason: 'CANCELLED',
          message: 'The caller ended the call; what it began to store may be stored all the same.',
          remedy: 'Read the resource, or repeat the call with the same request_id where it has one.',
        },
    now,
  );
}
