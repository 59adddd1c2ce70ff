import type { DescMessage, DescMethod } from '@bufbuild/protobuf';
import { Code, ConnectError, type Interceptor, type StreamResponse, type Transport } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { toConnectorError } from './connector-error.ts';
import type { ServiceConfig } from './service-config.ts';

export type ConnectorAddress = {
  /** `host:port` of the service's gRPC port. */
  readonly address: string;
  /** Absent: HTTP/2 without TLS, for loopback and for networks that encrypt by themselves. */
  readonly tls?: {
    /** PEM: the authorities to trust. Absent: those of Node. */
    readonly ca?: string | Buffer;
    /** PEM: our own certificate with its chain, where the service asks for one (mTLS); with `key`. */
    readonly cert?: string | Buffer;
    /** PEM: the key of `cert`. */
    readonly key?: string | Buffer;
    /** Name that the service's certificate has to be for, where it is not the host of `address`. */
    readonly serverName?: string;
  };
  /**
   * Our key, or a function that gives a token (JWT) that is still good: it is asked before every call and every repeat. Refused without
   * TLS, except to loopback: whoever listens would have it.
   */
  readonly credential?: string | (() => string | Promise<string>);
  /** Lets `credential` go without TLS over a network that encrypts by itself, such as a service mesh. */
  readonly credentialWithoutTls?: boolean;
};

/** Finds out that a connection is dead when nothing says so: a watch would wait on it for ever. */
const PING = { pingIntervalMs: 30_000, pingTimeoutMs: 10_000 };

const isLoopback = (host: string): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(host);

export type Connected = { readonly transport: Transport; close(): void };

/** The way to the service. Connects with the first call, and again whenever it has to. */
export function connectorTransport(
  { address, tls, credential, credentialWithoutTls = false }: ConnectorAddress,
  config: ServiceConfig,
  interceptors: readonly Interceptor[],
): Connected {
  const url = new URL(`${tls === undefined ? 'http' : 'https'}://${address}`);
  if (credential !== undefined && tls === undefined && !credentialWithoutTls && !isLoopback(url.hostname)) {
    throw new Error(
      `a credential would go to ${address} unencrypted: set tls, or credentialWithoutTls where the network encrypts`,
    );
  }
  const { serverName, ...certificates } = tls ?? {};
  const sessionManager = new Http2SessionManager(url, PING, {
    ...certificates,
    ...(serverName === undefined ? {} : { servername: serverName }),
  });
  const transport = createGrpcTransport({
    baseUrl: url.origin,
    sessionManager,
    interceptors: [...interceptors, ...(credential === undefined ? [] : [authorized(credential)])],
  });
  const closing = new AbortController();
  return {
    transport: withDeadlinesAndErrors(transport, config, closing.signal),
    close() {
      // First: a connection that broke would be made again.
      closing.abort(new ConnectError('the client was closed', Code.Canceled));
      sessionManager.abort();
    },
  };
}

/** Innermost, so that a repeat asks for the token again. */
const authorized =
  (credential: NonNullable<ConnectorAddress['credential']>): Interceptor =>
  (next) =>
  async (request) => {
    const token = typeof credential === 'string' ? credential : await credential();
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };

/**
 * The deadline of `service-config.json` where the caller names none (0: none at all), and a `ConnectorError` whatever fails. With
 * `closing` every call ends, also one that waits to be repeated.
 */
export function withDeadlinesAndErrors(transport: Transport, config: ServiceConfig, closing: AbortSignal): Transport {
  // One of its own for each call: Node takes many listeners on one signal for a leak.
  const untilClosed = (signal: AbortSignal | undefined): AbortSignal =>
    AbortSignal.any(signal === undefined ? [closing] : [signal, closing]);
  const deadline = (method: DescMethod, given: number | undefined): number =>
    given ?? config.policyOf(method.parent.typeName, method.name).timeoutMilliseconds ?? 0;
  return {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      const ended = untilClosed(signal);
      try {
        return await transport.unary(method, ended, deadline(method, timeoutMs), header, input, contextValues);
      } catch (thrown) {
        throw toConnectorError(thrown, ended.aborted);
      }
    },
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const ended = untilClosed(signal);
      try {
        const response = await transport.stream(
          method,
          ended,
          deadline(method, timeoutMs),
          header,
          input,
          contextValues,
        );
        return { ...response, message: told(response, ended) };
      } catch (thrown) {
        throw toConnectorError(thrown, ended.aborted);
      }
    },
  };
}

async function* told<I extends DescMessage, O extends DescMessage>(
  { message }: StreamResponse<I, O>,
  ended: AbortSignal,
) {
  try {
    yield* message;
  } catch (thrown) {
    throw toConnectorError(thrown, ended.aborted);
  }
}
