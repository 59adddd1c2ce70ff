import { setTimeout as delay } from 'node:timers/promises';
import { Code, type Interceptor } from '@connectrpc/connect';
import { toConnectorError } from './connector-error.ts';
import type { RetryPolicy, RetryThrottling, ServiceConfig } from './service-config.ts';

/** What retries need beside the policy: tests hand in their own. */
export type RetrySurroundings = {
  /** 0 up to, not including, 1. */
  readonly random: () => number;
  /** Rejects when the signal is aborted. */
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
};

export const ordinarySurroundings: RetrySurroundings = {
  random: Math.random,
  wait: (milliseconds, signal) => delay(milliseconds, undefined, { signal }),
};

/** gRFC A6: `attempt` from 1. Anywhere between nothing and the full time, so that callers that failed together come back apart. */
export const backoffMilliseconds = (policy: RetryPolicy, attempt: number, random: () => number): number =>
  random() *
  Math.min(
    policy.initialBackoffMilliseconds * policy.backoffMultiplier ** (attempt - 1),
    policy.maxBackoffMilliseconds,
  );

/** One for each client: all its calls together tell whether the service is well enough to be asked again. */
export function retryThrottle({ maxTokens, tokenRatio }: RetryThrottling) {
  let tokens = maxTokens;
  return {
    failed: (): void => {
      tokens = Math.max(0, tokens - 1);
    },
    succeeded: (): void => {
      tokens = Math.min(maxTokens, tokens + tokenRatio);
    },
    mayRetry: (): boolean => tokens > maxTokens / 2,
  };
}

/**
 * What gRPC's own libraries do with `service-config.json`, which connect-node does not read: unary calls that are harmless to repeat are
 * repeated on UNAVAILABLE, within the deadline of the call, with the same request.
 */
export function repeating(config: ServiceConfig, surroundings: RetrySurroundings): Interceptor {
  const throttle = retryThrottle(config.throttling);
  return (next) => async (request) => {
    const { retry } = config.policyOf(request.service.typeName, request.method.name);
    if (request.stream || retry === undefined) return next(request);
    for (let attempt = 1; ; attempt += 1) {
      try {
        const response = await next(request);
        throttle.succeeded();
        return response;
      } catch (thrown) {
        const error = toConnectorError(thrown, request.signal.aborted);
        if (error.code !== Code.Unavailable) {
          // The service answered: it is there.
          if (error.isWireError) throttle.succeeded();
          throw error;
        }
        throttle.failed();
        if (attempt >= retry.maxAttempts || !throttle.mayRetry()) throw error;
        // The service's own word on when to come back goes before ours.
        const pause = error.retryDelayMilliseconds ?? backoffMilliseconds(retry, attempt, surroundings.random);
        await surroundings.wait(pause, request.signal).catch((aborted: unknown) => {
          throw request.signal.reason ?? aborted;
        });
      }
    }
  };
}
