import { create, createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { errorDetails, streamed } from '../../support/grpc-client.ts';
import { rpcServers } from '../../support/rpc-servers.ts';
import { reflectionCall } from '../../support/standard-clients.ts';
import { fakeNeeds } from './fake-needs.ts';

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

type Answer = {
  readonly message_response: string;
  readonly original_request: object;
  readonly file_descriptor_response?: { readonly file_descriptor_proto: readonly Uint8Array[] };
  readonly list_services_response?: { readonly service: readonly { readonly name: string }[] };
  readonly all_extension_numbers_response?: object;
  readonly error_response?: { readonly error_code: number; readonly error_message: string };
};

async function given({ reflection = true } = {}) {
  const stopping = new AbortController();
  const servers = await rpcServers(fakeNeeds({}, { reflection, stopping: stopping.signal }));
  endings.push(() => servers.close());
  const { call, close } = reflectionCall(servers.rpc);
  endings.push(close);
  const opened = streamed(call);
  return {
    call,
    stopping,
    async ask(request: object): Promise<Answer> {
      call.write(request);
      return (await opened).next<Answer>();
    },
    answers: () => opened,
  };
}

/** Reads the files as a client does: the first is the one asked for, and all that it imports has to be among the others. */
function registryOf({ file_descriptor_response }: Answer) {
  const files = (file_descriptor_response?.file_descriptor_proto ?? []).map((bytes) =>
    fromBinary(FileDescriptorProtoSchema, bytes),
  );
  const [first] = files;
  if (first === undefined) throw new Error('the answer has no file');
  // A set has its files after those that they import.
  const sorted = new Set<FileDescriptorProto>();
  const add = (file: FileDescriptorProto): void => {
    for (const name of file.dependency) {
      const imported = files.find((each) => each.name === name);
      if (imported === undefined) throw new Error(`the answer has no ${name}, which ${file.name} imports`);
      add(imported);
    }
    sorted.add(file);
  };
  add(first);
  expect(sorted.size).toBe(files.length); // each once, and no other
  return { first: first.name, registry: createFileRegistry(create(FileDescriptorSetSchema, { file: [...sorted] })) };
}

describe('grpc.reflection.v1.ServerReflection', () => {
  it('lists every service, and tells of each the file that has it with all that it imports', async () => {
    const { ask } = await given();
    const listed = await ask({ list_services: '*' });
    const names = listed.list_services_response?.service.map(({ name }) => name) ?? [];
    expect(names).toEqual([
      'glowtify.tiktok.v1.ConnectionService',
      'glowtify.tiktok.v1.VideoService',
      'glowtify.tiktok.v1.PostService',
      'glowtify.tiktok.v1.AnalyticsService',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
    ]);
    for (const name of names) {
      const { registry } = registryOf(await ask({ file_containing_symbol: name }));
      expect(registry.getService(name)?.methods.length, name).toBeGreaterThan(0);
    }
  });

  it.each([
    ['glowtify.tiktok.v1.PostService.PublishPost', 'glowtify/tiktok/v1/post_service.proto'],
    ['glowtify.tiktok.v1.Post', 'glowtify/tiktok/v1/post.proto'],
    ['glowtify.tiktok.v1.PostState', 'glowtify/tiktok/v1/post.proto'],
    ['grpc.health.v1.HealthCheckResponse.ServingStatus', 'grpc/health/v1/health.proto'],
    ['google.protobuf.Timestamp', 'google/protobuf/timestamp.proto'],
  ])('finds %s in %s, also by the name of the file', async (symbol, name) => {
    const { ask } = await given();
    const bySymbol = await ask({ file_containing_symbol: symbol });
    expect(bySymbol.original_request).toMatchObject({ file_containing_symbol: symbol });
    expect(registryOf(bySymbol).first).toBe(name);
    expect(registryOf(await ask({ file_by_filename: name })).first).toBe(name);
  });

  it('says of what it has not that it is not found, and goes on', async () => {
    const { ask } = await given();
    const asked = [
      { file_by_filename: 'none.proto' },
      { file_containing_symbol: 'glowtify.tiktok.v1.None' },
      { file_containing_extension: { containing_type: 'glowtify.tiktok.v1.Post', extension_number: 1 } },
      { all_extension_numbers_of_type: 'none.Type' },
    ];
    for (const request of asked) {
      const answer = await ask(request);
      expect([answer.message_response, answer.error_response?.error_code]).toEqual([
        'error_response',
        status.NOT_FOUND,
      ]);
    }
    expect((await ask({})).error_response?.error_code).toBe(status.INVALID_ARGUMENT);
    expect(await ask({ all_extension_numbers_of_type: 'glowtify.tiktok.v1.Post' })).toMatchObject({
      all_extension_numbers_response: { base_type_name: 'glowtify.tiktok.v1.Post', extension_number: [] },
    });
  });

  it('ends with its caller, and with the service', async () => {
    const done = await given();
    await done.ask({ list_services: '' });
    done.call.end();
    await expect((await done.answers()).next()).rejects.toThrow('the stream ended with OK');

    const stopped = await given();
    await stopped.ask({ list_services: '' });
    stopped.stopping.abort();
    const error = await (await stopped.answers()).next().catch((reason: unknown) => reason);
    expect(errorDetails(error)).toMatchObject({ code: status.UNAVAILABLE, reason: 'SERVICE_STOPPING' });
  });

  it('is not there unless it is asked for', async () => {
    const { ask } = await given({ reflection: false });
    const error = await ask({ list_services: '' }).catch((reason: unknown) => reason);
    expect(errorDetails(error).code).toBe(status.UNIMPLEMENTED);
  });
});
