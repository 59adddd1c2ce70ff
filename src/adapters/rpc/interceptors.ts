import { randomUUID } from 'node:crypto';
import { Code, ConnectError, type HandlerContext, type Interceptor } from '@connectrpc/connect';
import type { Clock } from '../../application/ports/clock.ts';
import type { Log } from '../../application/ports/log.ts';
import { connectError, isOurs } from './answer.ts';
import { checkText } from './request-fields.ts';
import { toConnectError } from './to-connect-error.ts';

/** How soon a failed call may come again when nobody knows better. */
const UNAVAILABLE_SECONDS = 2;

/**
 * What nobody expected leaves without its own text: that may name hosts, statements or tokens. The log has it all. So does a
 * `ConnectError` that we did not make: libraries make them of whatever they were told.
 */
export function hideFailures(needs: {
  readonly log: Log;
  readonly clock: Clock;
  readonly isUnavailable: (error: unknown) => boolean;
}): Interceptor {
  const { log, clock, isUnavailable } = needs;

  function shown(error: unknown, rpc: string): ConnectError {
    if (isOurs(error)) return error;
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

  /** What comes up at `yield` was thrown in by whoever sends the messages: the caller is gone, which is no failure of ours. */
  async function* guarded<T>(messages: AsyncIterable<T>, rpc: string): AsyncIterable<T> {
    const iterator = messages[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await iterator.next().catch((error: unknown) => {
          throw shown(error, rpc);
        });
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }

  /**
   * What can't be read of a request is the caller's, or the caller's connection's. Where one message is expected, Connect would
   * count them further in, where its error is one among others.
   */
  async function* readable<T>(messages: AsyncIterable<T>, signal: AbortSignal, single: boolean): AsyncIterable<T> {
    const iterator = messages[Symbol.asyncIterator](); // never ended early: that would close the way of the answer
    for (let count = 0; ; count += 1) {
      const next = await iterator.next().catch((error: unknown) => {
        throw error instanceof ConnectError ? unreadable(error, clock.now()) : endOf(signal, clock.now());
      });
      if (single && (next.done === true ? count === 0 : count > 0)) throw unreadable(ONE_MESSAGE, clock.now());
      if (next.done === true) return;
      yield next.value;
    }
  }

  return (next) => async (request) => {
    const rpc = `${request.service.typeName}/${request.method.name}`;
    try {
      const response = await next(
        request.stream
          ? {
              ...request,
              message: readable(request.message, request.signal, request.method.methodKind === 'server_streaming'),
            }
          : request,
      );
      return response.stream ? { ...response, message: guarded(response.message, rpc) } : response;
    } catch (error) {
      throw shown(error, rpc);
    }
  };
}

/** As gRPC has it: nobody implements a method of that shape. */
const ONE_MESSAGE = new ConnectError('this method takes exactly one message', Code.Unimplemented);

/** Connect says what is wrong with the bytes of a message, and knows nothing else. */
function unreadable({ code, rawMessage, metadata }: ConnectError, now: Date): ConnectError {
  const error = connectError(
    {
      status: code,
      reason: code === Code.ResourceExhausted ? 'MESSAGE_TOO_LARGE' : 'MESSAGE_UNREADABLE',
      message: `A message of this call can not be read: ${rawMessage}.`,
      remedy: 'Send what the contract describes, within its limits.',
    },
    now,
  );
  metadata.forEach((value, name) => {
    error.metadata.set(name, value);
  });
  return error;
}

/** Before anything of the call is read: refuses a deadline longer than `seconds`, and a version of Connect that is not ours. */
export const refuseStrangeCall =
  (seconds: number, { clock }: { readonly clock: Clock }) =>
  (context: HandlerContext): void => {
    const milliseconds = context.timeoutMs() ?? 0;
    if (milliseconds > seconds * 1000) {
      throw connectError(
        {
          status: Code.InvalidArgument,
          reason: 'DEADLINE_TOO_LONG',
          message: `The deadline is ${Math.ceil(milliseconds / 1000)} s away, and at most ${seconds} s are taken.`,
          remedy: 'Check its unit, or leave it out for the default.',
          metadata: { limit_seconds: String(seconds) },
        },
        clock.now(),
      );
    }
    const version = context.requestHeader.get('connect-protocol-version') ?? '1';
    if (version !== '1') {
      throw connectError(
        {
          status: Code.InvalidArgument,
          reason: 'PROTOCOL_VERSION_UNKNOWN',
          message: 'The header connect-protocol-version asks for a version that is not known here.',
          remedy: 'Send 1, or leave it out.',
          metadata: { observed: version, supported: '1' },
        },
        clock.now(),
      );
    }
  };

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
