import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import {
  Client,
  type ClientReadableStream,
  type ClientWritableStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';

/** A message as proto-loader gives it: snake_case fields, enums by name, 64-bit numbers as text, unset messages null. */
export type Message = Readonly<Record<string, unknown>>;

export type CallOptions = {
  readonly deadlineMilliseconds?: number;
  readonly headers?: Readonly<Record<string, string>>;
};

type Unary = <T = Message>(request: object, options?: CallOptions) => Promise<T>;

const UNARY = {
  ConnectionService: [
    'StartConnection',
    'CompleteConnection',
    'GetConnection',
    'ListConnections',
    'RefreshConnection',
    'DisconnectConnection',
    'GetPublishingCapabilities',
  ],
  VideoService: ['ImportVideo', 'GetVideo', 'ListVideos', 'DeleteVideo'],
  PostService: ['PublishPost', 'GetPost', 'ListPosts', 'UpdatePost', 'CancelPost', 'RetryPost', 'ReconcilePost'],
  AnalyticsService: ['GetPostMetrics', 'ListPostMetrics', 'ListPostMetricSnapshots', 'GetAccountMetrics'],
} as const;

type Names = typeof UNARY;

/** An open watch. */
export type Watch = {
  /** The next message. Rejects with the status the stream ended with. */
  next<T = Message>(): Promise<T>;
  cancel(): void;
};

export type UploadCall = {
  /** Settles with the answer, also when it comes before everything is sent. */
  readonly answer: Promise<Message>;
  /** Resolves when there is room for more. */
  send(message: object): Promise<void>;
  end(): void;
  cancel(): void;
};

export type GrpcClients = {
  readonly connections: Readonly<Record<Names['ConnectionService'][number], Unary>>;
  readonly videos: Readonly<Record<Names['VideoService'][number], Unary>>;
  readonly posts: Readonly<Record<Names['PostService'][number], Unary>>;
  readonly analytics: Readonly<Record<Names['AnalyticsService'][number], Unary>>;
  /** Sends the metadata, then the bytes, as fast as they are taken. */
  upload(
    metadata: object,
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    options?: CallOptions,
  ): Promise<Message>;
  openUpload(options?: CallOptions): UploadCall;
  /** Resolves when the headers of the answer are here, before any event. A refusal is what `next` rejects with. */
  watch(request: object, options?: CallOptions): Promise<Watch>;
  /** The same of connections. */
  watchConnections(request: object, options?: CallOptions): Promise<Watch>;
  close(): void;
};

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const definitions = loadSync(
  [
    'glowtify/tiktok/v1/connection_service.proto',
    'glowtify/tiktok/v1/video_service.proto',
    'glowtify/tiktok/v1/post_service.proto',
    'glowtify/tiktok/v1/analytics_service.proto',
    'grpc-status.proto',
  ],
  {
    includeDirs: [file('../../proto'), file('.')],
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
  },
);

function method(service: string, name: string): MethodDefinition<object, object> {
  const found = (definitions[service] as ServiceDefinition | undefined)?.[name];
  if (found === undefined) throw new Error(`the contract has no ${service}/${name}`);
  return found;
}

/** Clients that know nothing but the `.proto` files. Without TLS. */
export function grpcClients(address: string): GrpcClients {
  const client = new Client(address, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
  });

  const unary =
    (service: string, name: string): Unary =>
    <T>(request: object, options: CallOptions = {}) =>
      new Promise<T>((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = method(`glowtify.tiktok.v1.${service}`, name);
        client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          metadataOf(options),
          callOf(options),
          (error, response) => (error === null ? resolve(response as T) : reject(error)),
        );
      });

  const unaries = <S extends keyof Names>(service: S) =>
    Object.fromEntries(UNARY[service].map((name) => [name, unary(service, name)])) as Readonly<
      Record<Names[S][number], Unary>
    >;

  function openUpload(options: CallOptions = {}): UploadCall {
    const { path, requestSerialize, responseDeserialize } = method('glowtify.tiktok.v1.VideoService', 'UploadVideo');
    const answered = Promise.withResolvers<Message>();
    const call: ClientWritableStream<object> = client.makeClientStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadataOf(options),
      callOf(options),
      (error, response) => (error === null ? answered.resolve(response as Message) : answered.reject(error)),
    );
    answered.promise.catch(() => {}); // whoever awaits it hears of it
    return {
      answer: answered.promise,
      async send(message) {
        // An answer that came early also ends the wait for room.
        if (!call.write(message)) await Promise.race([once(call, 'drain'), answered.promise]);
      },
      end: () => call.end(),
      cancel: () => call.cancel(),
    };
  }

  async function watching(service: string, rpc: string, request: object, options: CallOptions = {}): Promise<Watch> {
    const { path, requestSerialize, responseDeserialize } = method(`glowtify.tiktok.v1.${service}`, rpc);
    const call: ClientReadableStream<object> = client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadataOf(options),
      callOf(options),
    );
    return streamed(call);
  }

  return {
    connections: unaries('ConnectionService'),
    videos: unaries('VideoService'),
    posts: unaries('PostService'),
    analytics: unaries('AnalyticsService'),
    openUpload,
    async upload(metadata, chunks, options) {
      const upload = openUpload(options);
      await upload.send({ metadata });
      for await (const chunk of chunks) await upload.send({ chunk });
      upload.end();
      return upload.answer;
    },
    watch: (request, options) => watching('PostService', 'WatchPosts', request, options),
    watchConnections: (request, options) => watching('ConnectionService', 'WatchConnections', request, options),
    close: () => client.close(),
  };
}

/** Resolves when the headers of the answer are here, before any message. */
export async function streamed(call: ClientReadableStream<object>): Promise<Watch> {
  const opened = Promise.withResolvers<void>();
  const messages: Message[] = [];
  let end: Error | undefined;
  let changed = Promise.withResolvers<void>();
  const tell = () => {
    changed.resolve();
    changed = Promise.withResolvers<void>();
  };
  call.on('metadata', () => opened.resolve());
  call.on('data', (message: Message) => {
    messages.push(message);
    tell();
  });
  call.on('error', (error) => {
    end = error;
    opened.resolve();
    tell();
  });
  call.on('status', ({ code }) => {
    if (code === status.OK) end = new Error('the stream ended with OK');
    tell();
  });
  await opened.promise;
  return {
    async next<T>() {
      for (;;) {
        const message = messages.shift();
        if (message !== undefined) return message as T;
        if (end !== undefined) throw end;
        await changed.promise;
      }
    },
    cancel: () => call.cancel(),
  };
}

function metadataOf({ headers = {} }: CallOptions): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

const callOf = ({ deadlineMilliseconds }: CallOptions) =>
  deadlineMilliseconds === undefined ? {} : { deadline: Date.now() + deadlineMilliseconds };

export type ErrorDetails = {
  /** gRPC's number. */
  readonly code: number;
  readonly message: string;
  /** All that came: the contract promises exactly one. */
  readonly errorInfos: readonly {
    readonly reason: string;
    readonly domain: string;
    readonly metadata: Readonly<Record<string, string>>;
  }[];
  /** Of the first ErrorInfo. */
  readonly reason: string | undefined;
  readonly violations: readonly {
    readonly field: string;
    readonly reason: string;
    readonly description: string;
    readonly localized_message: { readonly locale: string; readonly message: string } | null;
  }[];
  readonly retryInfo?: { readonly retry_delay: { readonly seconds: string; readonly nanos: number } };
  readonly preconditions: readonly { readonly type: string; readonly subject: string; readonly description: string }[];
  readonly localizedMessage?: { readonly locale: string; readonly message: string };
};

const decode = <T>(name: string, bytes: Buffer): T =>
  method('glowtify.test.Decoders', name).responseDeserialize(bytes) as T;

/** What a failed call says of itself, read from `grpc-status-details-bin`. Throws when `error` is no gRPC error. */
export function errorDetails(error: unknown): ErrorDetails {
  if (!isServiceError(error)) throw new Error('not a gRPC error', { cause: error });
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const wire = Buffer.isBuffer(bytes)
    ? decode<{ details: readonly { type_url: string; value: Buffer }[] }>('Status', bytes)
    : { details: [] };
  const all = <T>(name: string): readonly T[] =>
    wire.details
      .filter(({ type_url }) => type_url === `type.googleapis.com/google.rpc.${name}`)
      .map(({ value }) => decode<T>(name, value));

  const errorInfos = all<ErrorDetails['errorInfos'][number]>('ErrorInfo');
  const [retryInfo] = all<NonNullable<ErrorDetails['retryInfo']>>('RetryInfo');
  const [localizedMessage] = all<NonNullable<ErrorDetails['localizedMessage']>>('LocalizedMessage');
  return {
    code: error.code,
    message: error.details,
    errorInfos,
    reason: errorInfos[0]?.reason,
    violations: all<{ field_violations: ErrorDetails['violations'] }>('BadRequest').flatMap(
      (one) => one.field_violations,
    ),
    preconditions: all<{ violations: ErrorDetails['preconditions'] }>('PreconditionFailure').flatMap(
      (one) => one.violations,
    ),
    ...(retryInfo === undefined ? {} : { retryInfo }),
    ...(localizedMessage === undefined ? {} : { localizedMessage }),
  };
}

const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof Error && 'metadata' in error && error.metadata instanceof Metadata && 'code' in error;

/** What a call was refused with. Throws when it was not. */
export async function refusalOf(call: Promise<unknown>): Promise<ErrorDetails> {
  try {
    await call;
  } catch (error) {
    return errorDetails(error);
  }
  throw new Error('the call was accepted');
}
