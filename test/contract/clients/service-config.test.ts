import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Client, credentials, Server, ServerCredentials, type ServiceDefinition, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterEach, expect, it } from 'vitest';
import { AnalyticsService } from '../../../clients/typescript/gen/glowtify/tiktok/v1/analytics_service_pb.js';
import { ConnectionService } from '../../../clients/typescript/gen/glowtify/tiktok/v1/connection_service_pb.js';
import { PostService } from '../../../clients/typescript/gen/glowtify/tiktok/v1/post_service_pb.js';
import { VideoService } from '../../../clients/typescript/gen/glowtify/tiktok/v1/video_service_pb.js';

const path = (relative: string): string => fileURLToPath(new URL(`../../../${relative}`, import.meta.url));
const published = readFileSync(path('proto/service-config.json'), 'utf8');
const written: {
  readonly methodConfig: readonly {
    readonly name: readonly { readonly service: string; readonly method: string }[];
    readonly retryPolicy?: { readonly retryableStatusCodes: readonly string[] };
  }[];
} = JSON.parse(published);

const endings: (() => void)[] = [];
afterEach(() => {
  for (const end of endings.splice(0)) end();
});

it('the service config is the same beside the protos and in the TypeScript client', () => {
  expect(readFileSync(path('clients/typescript/service-config.json'), 'utf8')).toBe(published);
});

it('the service config names every RPC once', () => {
  const rpcs = [ConnectionService, VideoService, PostService, AnalyticsService].flatMap(({ typeName, methods }) =>
    methods.map(({ name }) => `${typeName}/${name}`),
  );
  const named = written.methodConfig.flatMap(({ name }) => name.map(({ service, method }) => `${service}/${method}`));
  expect(named.toSorted()).toEqual(rpcs.toSorted());
});

it('the service config repeats on UNAVAILABLE only (AIP-194)', () => {
  const codes = written.methodConfig.flatMap(({ retryPolicy }) => retryPolicy?.retryableStatusCodes ?? []);
  expect(new Set(codes)).toEqual(new Set(['UNAVAILABLE']));
});

/** How often the server was called until the call ended, and how it ended. Its first two answers to each method are `refusal`. */
async function callsOf(name: 'PublishPost' | 'UpdatePost', refusal: status) {
  const definitions = loadSync('glowtify/tiktok/v1/post_service.proto', { includeDirs: [path('proto')] });
  const service = definitions['glowtify.tiktok.v1.PostService'] as ServiceDefinition;
  const method = service[name];
  if (method === undefined) throw new Error(`the contract has no ${name}`);
  let calls = 0;
  const server = new Server();
  server.addService(
    { [name]: method },
    {
      [name]: (_call: unknown, answer: (error: object | null, response?: object) => void) => {
        calls += 1;
        if (calls <= 2) answer({ code: refusal, details: 'told to' });
        else answer(null, {});
      },
    },
  );
  endings.push(() => server.forceShutdown());
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { 'grpc.service_config': published });
  endings.push(() => client.close());
  const ended = await new Promise<status>((resolve) =>
    client.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, {}, (error) =>
      resolve(error?.code ?? status.OK),
    ),
  );
  return { calls, ended };
}

it.each([
  ['PublishPost', status.UNAVAILABLE, { calls: 3, ended: status.OK }],
  ['PublishPost', status.INTERNAL, { calls: 1, ended: status.INTERNAL }],
  ['UpdatePost', status.UNAVAILABLE, { calls: 1, ended: status.UNAVAILABLE }],
] as const)("gRPC's own library takes it: %s refused with %i", async (name, refusal, expected) => {
  expect(await callsOf(name, refusal)).toEqual(expected);
});
