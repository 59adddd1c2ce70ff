import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { DescMethod, DescMethodStreaming, Message } from '@bufbuild/protobuf';
import type { ConnectRouter, HandlerContext } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { ConnectionService } from '../../../clients/typescript/gen/glowtify/tiktok/v1/connection_service_pb.js';
import { PostService } from '../../../clients/typescript/gen/glowtify/tiktok/v1/post_service_pb.js';
import { VideoService } from '../../../clients/typescript/gen/glowtify/tiktok/v1/video_service_pb.js';
import { sendHeaders } from '../../../src/adapters/rpc/send-headers.ts';
import { rpcServer } from '../../../src/adapters/rpc/server.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { realService, type Surroundings } from '../../support/service-process.ts';

const COMMAND = fileURLToPath(new URL('../../../clients/typescript/src/command.ts', import.meta.url));
const surroundings = realService();

let world: Surroundings;
let address: string;
beforeAll(async () => {
  world = await surroundings();
  address = `127.0.0.1:${(await world.start()).environment['RPC_PORT']}`;
});

const SERVICES = [ConnectionService, VideoService, PostService];
const endings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

const contractTest = (...args: readonly string[]) =>
  new Promise<{ readonly code: unknown; readonly said: string }>((resolve) => {
    execFile(process.execPath, [COMMAND, 'contract-test', ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, said: `${stdout}${stderr}`.trim() }),
    );
  });

const failedOf = (said: string): readonly string[] => said.split('\n').filter((line) => line.startsWith('✗'));

/** What a service in between does to what is said. Each gets the name of the RPC and changes the message in place. */
type Lies = {
  readonly asking?: (rpc: string, request: Message) => void;
  readonly answering?: (rpc: string, response: Message) => void;
};

/** A service that passes everything on to the real one, with lies. */
async function lying({ asking = () => undefined, answering = () => undefined }: Lies): Promise<string> {
  const transport = createGrpcTransport({ baseUrl: `http://${address}` });
  async function* asked(method: DescMethod, requests: AsyncIterable<Message>) {
    for await (const request of requests) {
      asking(method.name, request);
      yield request;
    }
  }
  async function* one(request: Message) {
    yield request;
  }
  async function* passedOn(method: DescMethod, requests: AsyncIterable<Message>, context: HandlerContext) {
    // On the wire a call of one message is a stream of one.
    const streaming = method as DescMethodStreaming;
    const { message } = await transport.stream(streaming, context.signal, 0, undefined, asked(method, requests));
    if (method.methodKind === 'server_streaming') context.values.get(sendHeaders)(context.responseHeader);
    for await (const response of message) {
      answering(method.name, response);
      yield response;
    }
  }
  async function first(responses: AsyncIterable<Message>): Promise<Message> {
    for await (const response of responses) return response;
    throw new Error('no answer');
  }
  const implementation = (method: (typeof SERVICES)[number]['methods'][number]) =>
    method.methodKind === 'server_streaming'
      ? (request: Message, context: HandlerContext) => passedOn(method, one(request), context)
      : method.methodKind === 'client_streaming'
        ? (requests: AsyncIterable<Message>, context: HandlerContext) => first(passedOn(method, requests, context))
        : (request: Message, context: HandlerContext) => first(passedOn(method, one(request), context));
  const routes = (router: ConnectRouter): void => {
    for (const service of SERVICES) {
      const methods = service.methods.map((method) => [method.localName, implementation(method)]);
      router.service(service, Object.fromEntries(methods));
    }
  };
  const server = rpcServer({ host: '127.0.0.1', port: 0, routes, log: recordingLog(), drainMilliseconds: 100 });
  endings.push(() => server.close());
  return (await server.listen()).address;
}

it('passes where nobody lies', async () => {
  const { code, said } = await contractTest('--server', await lying({}));
  expect(said).toMatch(/^13 passed, 0 failed$/m);
  expect(code).toBe(0);
});

it('finds a service that forgets request_ids', async () => {
  let calls = 0;
  const server = await lying({
    asking(rpc, request) {
      calls += 1;
      if (rpc === 'PublishPost') Object.assign(request, { requestId: `forgotten-${process.pid}-${calls}` });
    },
  });
  const { code, said } = await contractTest('--server', server);
  expect(failedOf(said)).toEqual([
    '✗ the same request_id gives the same post, however many at once',
    '✗ a request_id with another payload is refused',
    '✗ a call whose answer was lost is repeated, and makes one post',
  ]);
  expect(code).toBe(1);
});

it('finds a service that loses events and one that forgets where a watch was', async () => {
  const server = await lying({
    asking(rpc, request) {
      if (rpc === 'WatchPosts' && 'resumeToken' in request) Object.assign(request, { resumeToken: '' });
      if (rpc === 'ListPosts') Object.assign(request, { pageToken: '' });
    },
  });
  const { code, said } = await contractTest('--server', server, '--patience', '15');
  expect(failedOf(said)).toEqual([
    '✗ a watch that breaks goes on with the resume_token and misses nothing',
    '✗ pages hold each post once, newest first, and a page token that is none is refused',
  ]);
  expect(code).toBe(1);
});

it('does nothing where the service talks to TikTok itself', async () => {
  const asked: string[] = [];
  const server = await lying({
    asking: (rpc) => void asked.push(rpc),
    answering: (_, response) =>
      void Object.assign(response, { authorizeUri: 'https://www.tiktok.com/v2/auth/authorize/?x=1' }),
  });
  const { code, said } = await contractTest('--server', server);
  expect(said).toContain('needs a sandbox');
  expect(code).toBe(2);
  expect(asked).toEqual(['StartConnection']);
});

it('says so when nothing could be checked', async () => {
  expect(await contractTest('--server', '127.0.0.1:1')).toMatchObject({
    code: 2,
    said: expect.stringContaining('ECONNREFUSED'),
  });
  expect(await contractTest()).toMatchObject({ code: 2, said: '--server is missing' });
});
