import { gunzipSync, gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { afterEach, describe, expect, it } from 'vitest';
import { connectError } from '../../../src/adapters/rpc/answer.ts';
import {
  GetPostRequestSchema,
  PostService,
  WatchPostsRequestSchema,
} from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_service_pb.js';
import { ErrorInfoSchema } from '../../../src/adapters/rpc/gen/google/rpc/error_details_pb.js';
import type { UseCases } from '../../../src/adapters/rpc/rpc-needs.ts';
import type { PostEvent } from '../../../src/application/ports/post-events.ts';
import { ok } from '../../../src/domain/result.ts';
import { PROTOCOLS, type RpcServers, rpcServers, wayTo } from '../../support/rpc-servers.ts';
import { type Answer, enveloped, exchange, messagesOf } from '../../support/wire.ts';
import { aPlan } from './examples.ts';
import { fakeNeeds, NOW } from './fake-needs.ts';

/**
 * RPC-11. The runner of Connect's conformance suite is a binary of another registry and needs a service of its own on the other
 * side: it can't be had from npm, and would not see what we put around Connect. These are its cases that such a wrapper can
 * break, written against our routes and servers, byte by byte where the bytes matter.
 */

const running: { close(): void | Promise<void> }[] = [];

afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.close();
});

const STEP = { post: { ...aPlan(), state: 'SCHEDULED' as const } };
const event: PostEvent = { step: STEP, eventTime: NOW, cursor: 'c1' };

async function serve(answers: Partial<UseCases> = {}): Promise<RpcServers> {
  const servers = await rpcServers(
    fakeNeeds({
      getPost: async () => ok({ step: STEP, timeline: [] }),
      watchPosts: async () =>
        ok(
          (async function* () {
            yield event;
            yield event;
            throw connectError({ status: Code.Unavailable, reason: 'OVER', message: 'Over.', remedy: 'Again.' }, NOW);
          })(),
        ),
      ...answers,
    }),
  );
  running.push(servers);
  return servers;
}

const SERVICE = '/glowtify.tiktok.v1.PostService';
const GET = `${SERVICE}/GetPost`;
const WATCH = `${SERVICE}/WatchPosts`;
const GET_POST = toBinary(GetPostRequestSchema, create(GetPostRequestSchema, { postId: 'post_01' }));
const WATCH_POSTS = toBinary(WatchPostsRequestSchema, create(WatchPostsRequestSchema, { workspaceId: 'ws_a' }));

const grpc = (address: string, body: Uint8Array, headers: Readonly<Record<string, string>> = {}, path = GET) =>
  exchange(address, { path, headers: { 'content-type': 'application/grpc', te: 'trailers', ...headers }, body });
const grpcWeb = (address: string, body: Uint8Array, headers: Readonly<Record<string, string>> = {}, path = GET) =>
  exchange(address, { path, headers: { 'content-type': 'application/grpc-web+proto', ...headers }, body });
const connect = (
  address: string,
  body: Uint8Array | string,
  headers: Readonly<Record<string, string>> = {},
  path = GET,
) => exchange(address, { path, headers: { 'content-type': 'application/json', ...headers }, body: Buffer.from(body) });

const grpcStatus = ({ headers, trailers }: Answer): number =>
  Number(trailers['grpc-status'] ?? headers['grpc-status'] ?? Number.NaN);

/** The trailers of gRPC-Web come as the last message, or as headers where there is no message. */
function webTrailers({ headers, body }: Answer): Readonly<Record<string, string>> {
  const last = messagesOf(body).at(-1);
  if (last === undefined) return headers;
  expect(last.flags).toBe(0x80);
  const lines = last.data.toString().trim().split('\r\n');
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
}

const json = ({ body }: Answer) => JSON.parse(body.toString());

const CODES: readonly (readonly [Code, string, number])[] = [
  [Code.Canceled, 'canceled', 499],
  [Code.Unknown, 'unknown', 500],
  [Code.InvalidArgument, 'invalid_argument', 400],
  [Code.DeadlineExceeded, 'deadline_exceeded', 504],
  [Code.NotFound, 'not_found', 404],
  [Code.AlreadyExists, 'already_exists', 409],
  [Code.PermissionDenied, 'permission_denied', 403],
  [Code.ResourceExhausted, 'resource_exhausted', 429],
  [Code.FailedPrecondition, 'failed_precondition', 400],
  [Code.Aborted, 'aborted', 409],
  [Code.OutOfRange, 'out_of_range', 400],
  [Code.Unimplemented, 'unimplemented', 501],
  [Code.Internal, 'internal', 500],
  [Code.Unavailable, 'unavailable', 503],
  [Code.DataLoss, 'data_loss', 500],
  [Code.Unauthenticated, 'unauthenticated', 401],
];

describe('RPC-11 codes', () => {
  async function failing(code: Code): Promise<RpcServers> {
    const fail = async () => {
      throw connectError({ status: code, reason: 'SO_IT_IS', message: 'So it is.', remedy: 'Live with it.' }, NOW);
    };
    return serve({ getPost: fail, watchPosts: fail });
  }

  it.each(CODES)('RPC-11 %s is %s, HTTP %s', async (code, name, httpStatus) => {
    const { rpc } = await failing(code);
    const overConnect = await connect(rpc, '{"postId":"p"}');
    expect([overConnect.status, json(overConnect).code]).toEqual([httpStatus, name]);
    expect(overConnect.headers['content-type']).toBe('application/json');
    const overGrpc = await grpc(rpc, enveloped(GET_POST));
    expect([overGrpc.status, grpcStatus(overGrpc)]).toEqual([200, code]);
    const overWeb = await grpcWeb(rpc, enveloped(GET_POST));
    expect([overWeb.status, webTrailers(overWeb)['grpc-status']]).toEqual([200, String(code)]);
    const streamed = await connect(
      rpc,
      enveloped(Buffer.from('{}')),
      { 'content-type': 'application/connect+json' },
      WATCH,
    );
    expect(streamed.status).toBe(200);
    expect(JSON.parse(String(messagesOf(streamed.body).at(-1)?.data)).error.code).toBe(name);
  });

  it.each(PROTOCOLS)('RPC-11 message and details arrive as they were written over %s', async (protocol) => {
    const message = 'Größe 100 %, „so“\t— 🎵, a+b;c';
    const servers = await serve({
      getPost: async () => {
        throw connectError({ status: Code.NotFound, reason: 'X', message, remedy: 'y', metadata: { id: 'ä' } }, NOW);
      },
    });
    const way = wayTo(servers, protocol);
    running.push(way);
    const error = await createClient(PostService, way.transport)
      .getPost({ postId: 'a' })
      .catch((reason: unknown) => ConnectError.from(reason));
    expect(error).toMatchObject({ code: Code.NotFound, rawMessage: `${message} y` });
    expect((error as ConnectError).findDetails(ErrorInfoSchema)).toMatchObject([
      { reason: 'X', metadata: { id: 'ä' } },
    ]);
  });
});

describe('RPC-11 trailers', () => {
  it('RPC-11 end a unary answer over each protocol', async () => {
    const { rpc } = await serve();
    const overGrpc = await grpc(rpc, enveloped(GET_POST));
    expect(overGrpc.trailers['grpc-status']).toBe('0');
    expect(overGrpc.headers['grpc-status']).toBeUndefined();
    expect(overGrpc.headers['content-type']).toMatch(/^application\/grpc/);
    expect(messagesOf(overGrpc.body)).toHaveLength(1);
    const overWeb = await grpcWeb(rpc, enveloped(GET_POST));
    expect(messagesOf(overWeb.body).map(({ flags }) => flags)).toEqual([0, 0x80]);
    expect(webTrailers(overWeb)['grpc-status']).toBe('0');
    const overConnect = await connect(rpc, '{"postId":"post_01"}');
    expect([overConnect.status, json(overConnect).post.postId]).toEqual([200, 'post_01']);
    expect(overConnect.trailers).toEqual({});
  });

  it('RPC-11 end a stream with its error after the messages that were sent', async () => {
    const { rpc } = await serve();
    const overGrpc = await grpc(rpc, enveloped(WATCH_POSTS), {}, WATCH);
    expect([messagesOf(overGrpc.body).length, grpcStatus(overGrpc)]).toEqual([2, Code.Unavailable]);
    const overWeb = await grpcWeb(rpc, enveloped(WATCH_POSTS), {}, WATCH);
    expect(messagesOf(overWeb.body).map(({ flags }) => flags)).toEqual([0, 0, 0x80]);
    expect(webTrailers(overWeb)['grpc-status']).toBe(String(Code.Unavailable));
    const overConnect = await connect(
      rpc,
      enveloped(WATCH_POSTS),
      { 'content-type': 'application/connect+proto' },
      WATCH,
    );
    const messages = messagesOf(overConnect.body);
    expect(messages.map(({ flags }) => flags)).toEqual([0, 0, 2]);
    expect(JSON.parse(String(messages.at(-1)?.data)).error.code).toBe('unavailable');
  });
});

describe('RPC-11 timeouts', () => {
  it.each(['', '-1', 'soon', '1.5', '12345678901', '1S'])('RPC-11 refuses connect-timeout-ms "%s"', async (timeout) => {
    const { rpc } = await serve();
    const answer = await connect(rpc, '{}', { 'connect-timeout-ms': timeout });
    expect([answer.status, json(answer).code]).toEqual([400, 'invalid_argument']);
  });

  it.each(['', '1', 'S', '-1S', '1s', '123456789m', '1 S'])('RPC-11 refuses grpc-timeout "%s"', async (timeout) => {
    const { rpc } = await serve();
    expect(grpcStatus(await grpc(rpc, enveloped(GET_POST), { 'grpc-timeout': timeout }))).toBe(Code.InvalidArgument);
    const web = await grpcWeb(rpc, enveloped(GET_POST), { 'grpc-timeout': timeout });
    expect(webTrailers(web)['grpc-status']).toBe(String(Code.InvalidArgument));
  });

  it('RPC-11 answers DEADLINE_EXCEEDED when it is over', async () => {
    const { rpc } = await serve({ getPost: () => new Promise(() => {}) });
    const late = await connect(rpc, '{"postId":"p"}', { 'connect-timeout-ms': '30' });
    expect([late.status, json(late).code]).toEqual([504, 'deadline_exceeded']);
    expect(grpcStatus(await grpc(rpc, enveloped(GET_POST), { 'grpc-timeout': '30m' }))).toBe(Code.DeadlineExceeded);
    const web = await grpcWeb(rpc, enveloped(GET_POST), { 'grpc-timeout': '30m' });
    expect(webTrailers(web)['grpc-status']).toBe(String(Code.DeadlineExceeded));
  });
});

describe('RPC-11 compression', () => {
  it('RPC-11 takes gzip and answers in it, once it is worth it', async () => {
    const { rpc } = await serve();
    const overGrpc = await grpc(rpc, enveloped(gzipSync(GET_POST), 1), { 'grpc-encoding': 'gzip' });
    expect(grpcStatus(overGrpc)).toBe(0);
    const overWeb = await grpcWeb(rpc, enveloped(gzipSync(GET_POST), 1), { 'grpc-encoding': 'gzip' });
    expect(webTrailers(overWeb)['grpc-status']).toBe('0');
    const overConnect = await connect(rpc, gzipSync('{"postId":"p"}'), { 'content-encoding': 'gzip' });
    expect(overConnect.status).toBe(200);
    // More than a KiB: two events of a watch as JSON.
    const asked = { 'content-type': 'application/connect+json', 'connect-accept-encoding': 'gzip' };
    const watched = await connect(rpc, enveloped(Buffer.from('{"workspaceId":"ws_a"}')), asked, WATCH);
    expect(watched.headers['connect-content-encoding']).toBe('gzip');
    for (const { flags, data } of messagesOf(watched.body)) {
      expect(() => JSON.parse((flags & 1 ? gunzipSync(data) : data).toString())).not.toThrow();
    }
  });

  it('RPC-11 takes messages that are not compressed although they might be', async () => {
    const { rpc } = await serve();
    expect(grpcStatus(await grpc(rpc, enveloped(GET_POST), { 'grpc-encoding': 'gzip' }))).toBe(0);
    expect(grpcStatus(await grpc(rpc, enveloped(GET_POST), { 'grpc-encoding': 'identity' }))).toBe(0);
    expect((await connect(rpc, '{}', { 'content-encoding': 'identity' })).status).toBe(400); // a post_id is missing
  });

  it.each(['br', 'zstd', 'deflate', 'GZIP'])('RPC-11 does not know %s, and says what it knows', async (encoding) => {
    const { rpc } = await serve();
    const overGrpc = await grpc(rpc, enveloped(GET_POST, 1), { 'grpc-encoding': encoding });
    expect(grpcStatus(overGrpc)).toBe(Code.Unimplemented);
    const overConnect = await connect(rpc, '{}', { 'content-encoding': encoding });
    expect([overConnect.status, json(overConnect).code]).toEqual([501, 'unimplemented']);
    expect(json(overConnect).message).toContain('supported encodings are gzip');
  });

  it('RPC-11 refuses what says it is gzip and is not', async () => {
    const { rpc } = await serve();
    const broken = gzipSync(GET_POST);
    broken[0] = 0;
    expect(grpcStatus(await grpc(rpc, enveloped(broken, 1), { 'grpc-encoding': 'gzip' }))).toBe(Code.InvalidArgument);
    expect((await connect(rpc, broken, { 'content-encoding': 'gzip' })).status).toBe(400);
    // Compressed, and no word of how: the specification wants INTERNAL.
    expect(grpcStatus(await grpc(rpc, enveloped(gzipSync(GET_POST), 1)))).toBe(Code.Internal);
  });
});

describe('RPC-11 messages', () => {
  it.each<[string, Buffer, number]>([
    ['no message', Buffer.alloc(0), Code.Unimplemented],
    ['two messages', Buffer.concat([enveloped(GET_POST), enveloped(GET_POST)]), Code.Unimplemented],
    ['half a message', enveloped(GET_POST).subarray(0, -2), Code.InvalidArgument],
    ['half a length', Buffer.from([0, 0]), Code.InvalidArgument],
    ['bytes that are no message', enveloped(Buffer.from([10, 200, 1])), Code.InvalidArgument],
  ])('RPC-11 refuses a unary call over gRPC and gRPC-Web with %s', async (_, body, code) => {
    const { rpc } = await serve();
    expect(grpcStatus(await grpc(rpc, body))).toBe(code);
    expect(webTrailers(await grpcWeb(rpc, body))['grpc-status']).toBe(String(code));
    expect(grpcStatus(await grpc(rpc, body, {}, WATCH))).toBe(code);
  });

  it.each(['', '{', '[]', '"x"', 'null', '{"noSuchField":1}', '{"postId":7}', '\u0000'])(
    'RPC-11 refuses a unary call over Connect with the JSON %j',
    async (body) => {
      const { rpc } = await serve();
      const answer = await connect(rpc, body);
      expect([answer.status, json(answer).code]).toEqual([400, 'invalid_argument']);
    },
  );

  it('RPC-11 ignores fields that it does not know in binary, as protobuf wants', async () => {
    const { rpc } = await serve();
    const more = Buffer.concat([GET_POST, Buffer.from([0xfa, 0x3f, 1, 97])]); // field 1023
    expect(grpcStatus(await grpc(rpc, enveloped(more)))).toBe(0);
  });
});

describe('RPC-11 requests that are none of ours', () => {
  it.each(['GET', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('RPC-11 %s is not allowed', async (method) => {
    const { rpc, http } = await serve();
    const headers = { 'content-type': 'application/json' };
    for (const path of [GET, WATCH, `${GET}?connect=v1&encoding=json&message=%7B%7D`]) {
      expect((await exchange(rpc, { path, method, headers })).status).toBe(405);
      expect((await fetch(`http://${http}${path}`, { method, headers })).status).toBe(405);
    }
  });

  it.each([
    [GET, 'text/plain'],
    [GET, 'application/x-www-form-urlencoded'],
    [GET, 'multipart/form-data; boundary=x'],
    [GET, ''],
    [GET, 'application/connect+json'],
    [GET, 'application/grpcx'],
    [WATCH, 'application/json'],
    [WATCH, 'application/proto'],
  ])('RPC-11 %s does not take "%s"', async (path, contentType) => {
    const { rpc, http } = await serve();
    const headers = { 'content-type': contentType };
    expect((await exchange(rpc, { path, headers, body: Buffer.from('{}') })).status).toBe(415);
    expect((await fetch(`http://${http}${path}`, { method: 'POST', headers, body: Buffer.from('{}') })).status).toBe(
      415,
    );
  });

  it.each([
    `${SERVICE}/NoSuchMethod`,
    `${SERVICE}/getPost`,
    `${SERVICE}/`,
    `${GET}/`,
    `/${GET}`,
    '/glowtify.tiktok.v1.NoService/GetPost',
    '/',
    '/../..//glowtify.tiktok.v1.PostService/GetPost',
  ])('RPC-11 there is nothing at %s', async (path) => {
    const { rpc, http } = await serve();
    expect((await connect(rpc, '{}', {}, path)).status).toBe(404);
    expect(grpcStatus(await grpc(rpc, enveloped(GET_POST), {}, path))).toBe(Code.Unimplemented);
    const headers = { 'content-type': 'application/json' };
    expect(
      (await fetch(`http://${http}/x/..${path}`.replace('/x/..', ''), { method: 'POST', headers, body: '{}' })).status,
    ).not.toBe(500);
  });

  it('RPC-11 version 1 of Connect is known, no version means it, and no other is', async () => {
    const { rpc } = await serve();
    const body = '{"postId":"post_01"}';
    expect((await connect(rpc, body)).status).toBe(200);
    expect((await connect(rpc, body, { 'connect-protocol-version': '1' })).status).toBe(200);
    for (const version of ['0', '2', '1.0', 'x']) {
      const answer = await connect(rpc, body, { 'connect-protocol-version': version });
      expect([answer.status, json(answer).code]).toEqual([400, 'invalid_argument']);
    }
  });
});

describe('RPC-11 cancelling', () => {
  it.each(PROTOCOLS)('RPC-11 a caller that goes is noticed by what runs for it over %s', async (protocol) => {
    const begun = Promise.withResolvers<AbortSignal>();
    const servers = await serve({
      watchPosts: ({ signal }) => {
        begun.resolve(signal);
        return new Promise(() => {});
      },
    });
    const way = wayTo(servers, protocol);
    running.push(way);
    const caller = new AbortController();
    const watching = createClient(PostService, way.transport).watchPosts(
      { workspaceId: 'ws_a' },
      { signal: caller.signal },
    );
    const next = watching[Symbol.asyncIterator]().next();
    const ended = next.catch((reason: unknown) => ConnectError.from(reason).code);
    const signal = await begun.promise;
    const noticed = new Promise((resolve) => signal.addEventListener('abort', resolve));
    caller.abort();
    expect(await ended).toBe(Code.Canceled);
    await noticed;
  });
});
