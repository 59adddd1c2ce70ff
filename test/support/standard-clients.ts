import { fileURLToPath } from 'node:url';
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { streamed, type Watch } from './grpc-client.ts';

const definitions = loadSync(['grpc/health/v1/health.proto', 'grpc/reflection/v1/reflection.proto'], {
  includeDirs: [fileURLToPath(new URL('../../proto', import.meta.url))],
  keepCase: true,
  enums: String,
  defaults: true,
  oneofs: true,
});

function method(service: string, name: string) {
  const found = (definitions[service] as ServiceDefinition | undefined)?.[name];
  if (found === undefined) throw new Error(`there is no ${service}/${name}`);
  return found;
}

export type HealthClient = {
  check(service: string): Promise<string>;
  list(): Promise<Readonly<Record<string, { readonly status: string }>>>;
  /** Each message is `{ status }`. */
  watch(service: string): Promise<Watch>;
  close(): void;
};

/** What any prober is: made of gRPC's own proto, and without a login. */
export function healthClient(address: string): HealthClient {
  const client = new Client(address, credentials.createInsecure());
  const unary = <T>(name: string, request: object): Promise<T> =>
    new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = method('grpc.health.v1.Health', name);
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) =>
        error === null ? resolve(response as T) : reject(error),
      );
    });
  return {
    check: async (service) => (await unary<{ status: string }>('Check', { service })).status,
    list: async () => (await unary<{ statuses: Record<string, { status: string }> }>('List', {})).statuses,
    watch(service) {
      const { path, requestSerialize, responseDeserialize } = method('grpc.health.v1.Health', 'Watch');
      return streamed(client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service }));
    },
    close: () => client.close(),
  };
}

/** An open stream of reflection, and what ends its connection. */
export function reflectionCall(address: string): { call: ClientDuplexStream<object, object>; close(): void } {
  const client = new Client(address, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = method(
    'grpc.reflection.v1.ServerReflection',
    'ServerReflectionInfo',
  );
  return {
    call: client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize),
    close: () => client.close(),
  };
}
