import { readFileSync } from 'node:fs';

/** What a client may do about one method, from `service-config.json`: the same file that gRPC's own libraries take. */
export type MethodPolicy = {
  /** Deadline of a call that brings none. Undefined: it may last for ever, as a watch does. */
  readonly timeoutMilliseconds: number | undefined;
  /** Undefined: never repeated by itself, for a repeat of a call that worked would not answer as the first one did. */
  readonly retry: RetryPolicy | undefined;
};

export type RetryPolicy = {
  /** The first call among them. */
  readonly maxAttempts: number;
  readonly initialBackoffMilliseconds: number;
  readonly maxBackoffMilliseconds: number;
  readonly backoffMultiplier: number;
};

/** Each failure that may be repeated takes 1, each success gives `tokenRatio` back; at half and below nothing is repeated. */
export type RetryThrottling = { readonly maxTokens: number; readonly tokenRatio: number };

export type ServiceConfig = {
  /** Throws for a method that the file does not name: nobody decided whether it may be repeated. */
  policyOf(service: string, method: string): MethodPolicy;
  readonly throttling: RetryThrottling;
};

/** https://github.com/grpc/grpc-proto/blob/master/grpc/service_config/service_config.proto, as far as the file uses it. */
type Written = {
  readonly methodConfig: readonly {
    readonly name: readonly { readonly service: string; readonly method: string }[];
    readonly timeout?: string;
    readonly retryPolicy?: {
      readonly maxAttempts: number;
      readonly initialBackoff: string;
      readonly maxBackoff: string;
      readonly backoffMultiplier: number;
    };
  }[];
  readonly retryThrottling: RetryThrottling;
};

const milliseconds = (duration: string): number => Number(duration.replace(/s$/, '')) * 1000;

export function readServiceConfig(): ServiceConfig {
  const written: Written = JSON.parse(readFileSync(new URL('../service-config.json', import.meta.url), 'utf8'));
  const policies = new Map<string, MethodPolicy>();
  for (const { name, timeout, retryPolicy } of written.methodConfig) {
    const policy: MethodPolicy = {
      timeoutMilliseconds: timeout === undefined ? undefined : milliseconds(timeout),
      retry:
        retryPolicy === undefined
          ? undefined
          : {
              maxAttempts: retryPolicy.maxAttempts,
              initialBackoffMilliseconds: milliseconds(retryPolicy.initialBackoff),
              maxBackoffMilliseconds: milliseconds(retryPolicy.maxBackoff),
              backoffMultiplier: retryPolicy.backoffMultiplier,
            },
    };
    for (const { service, method } of name) policies.set(`${service}/${method}`, policy);
  }
  return {
    policyOf(service, method) {
      const policy = policies.get(`${service}/${method}`);
      if (policy === undefined) throw new Error(`service-config.json does not name ${service}/${method}`);
      return policy;
    },
    throttling: written.retryThrottling,
  };
}
