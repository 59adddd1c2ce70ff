import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import {
  PostService,
  type PublishPostRequest,
  PublishPostRequestSchema,
} from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_service_pb.js';
import { VideoService } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/video_service_pb.js';
import { BadRequestSchema, ErrorInfoSchema } from '../../../src/adapters/rpc/gen/google/rpc/error_details_pb.js';
import { RPC_LIMITS } from '../../../src/adapters/rpc/limits.ts';
import type { UseCases } from '../../../src/adapters/rpc/rpc-needs.ts';
import { ok } from '../../../src/domain/result.ts';
import {
  call,
  ERROR,
  envelope,
  FLAG,
  FRAME,
  frame,
  goawayCode,
  isGoaway,
  isResetOf,
  rawHttp2,
} from '../../support/raw-http2.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { PROTOCOLS, type Protocol, type RpcServers, rpcServers, wayTo } from '../../support/rpc-servers.ts';
import { aPlan, aVideo } from './examples.ts';
import { fakeNeeds } from './fake-needs.ts';

const running: { close(): void | Promise<void> }[] = [];

afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.close();
});

async function serve(
  answers: Partial<UseCases>,
  limits: Parameters<typeof rpcServers>[1] = {},
  needs: Parameters<typeof fakeNeeds>[1] = {},
): Promise<RpcServers> {
  const servers = await rpcServers(fakeNeeds(answers, needs), limits);
  running.push(servers);
  return servers;
}

function clients(servers: RpcServers, protocol: Protocol) {
  const way = wayTo(servers, protocol);
  running.push(way);
  return { posts: createClient(PostService, way.transport), videos: createClient(VideoService, way.transport) };
}

async function refusal(answer: Promise<unknown>): Promise<ConnectError> {
  const error = await answer.then(
    () => new Error('the call was accepted'),
    (reason: unknown) => reason,
  );
  if (error instanceof ConnectError) return error;
  throw error;
}

const reasonOf = (error: ConnectError) => error.findDetails(ErrorInfoSchema).map(({ reason }) => reason);

const scheduled = { post: { ...aPlan(), state: 'SCHEDULED' as const } };
const never = () => new Promise<never>(() => {});

describe.each(PROTOCOLS)('%s', (protocol) => {
  /** A request of exactly so many bytes on the wire. */
  function requestOf(bytes: number): PublishPostRequest {
    const request = create(PublishPostRequestSchema, { workspaceId: 'ws_a', caption: 'x'.repeat(bytes - 100) });
    const missing = bytes - toBinary(PublishPostRequestSchema, request).length;
    request.caption += 'x'.repeat(missing);
    expect(toBinary(PublishPostRequestSchema, request)).toHaveLength(bytes);
    return request;
  }

  it('RPC-01 takes a message of 1 MiB less a byte, takes 1 MiB, refuses a byte more, and lives on', async () => {
    const lengths: number[] = [];
    const servers = await serve({
      publishPost: async ({ caption }) => {
        lengths.push(caption.length);
        return ok({ step: scheduled, findings: [], replayed: false });
      },
    });
    const { posts } = clients(servers, protocol);
    const limit = RPC_LIMITS.messageBytes;
    await posts.publishPost(requestOf(limit - 1));
    await posts.publishPost(requestOf(limit));
    const refused = await refusal(posts.publishPost(requestOf(limit + 1)));
    expect(refused.code).toBe(Code.ResourceExhausted);
    expect(refused.message).toContain(String(limit));
    expect(lengths).toHaveLength(2);
  });

  it('RPC-01 takes a chunk of 4 MiB, refuses a byte more in words, and a message over 5 MiB', async () => {
    const servers = await serve({
      uploadVideo: async ({ bytes }) => {
        let sizeBytes = 0;
        for await (const chunk of bytes) sizeBytes += chunk.length;
        return ok(aVideo({ sizeBytes }));
      },
    });
    const { videos } = clients(servers, protocol);
    const upload = (bytes: number) =>
      videos.uploadVideo(
        (async function* () {
          yield { payload: { case: 'metadata' as const, value: { workspaceId: 'ws_a' } } };
          yield { payload: { case: 'chunk' as const, value: new Uint8Array(bytes) } };
        })(),
      );
    const limit = 4 * 2 ** 20;
    expect((await upload(limit - 1)).video?.sizeBytes).toBe(BigInt(limit - 1));
    expect((await upload(limit)).video?.sizeBytes).toBe(BigInt(limit));
    const inWords = await refusal(upload(limit + 1));
    expect(inWords.code).toBe(Code.InvalidArgument);
    expect(inWords.findDetails(BadRequestSchema)[0]?.fieldViolations[0]?.description).toContain(`${limit} bytes`);
    const tooLarge = await refusal(upload(RPC_LIMITS.uploadMessageBytes));
    expect(tooLarge.code).toBe(Code.ResourceExhausted);
    expect(reasonOf(tooLarge)).toEqual(['MESSAGE_TOO_LARGE']);
  });

  it('RPC-03 gives a call without a deadline the default, and keeps to a deadline that it has', async () => {
    const servers = await serve({ getPost: never, uploadVideo: never }, { unarySeconds: 0.05, uploadSeconds: 0.05 });
    const { posts, videos } = clients(servers, protocol);
    const late = await refusal(posts.getPost({ postId: 'post_01' }));
    expect([late.code, ...reasonOf(late)]).toEqual([Code.DeadlineExceeded, 'DEADLINE_EXCEEDED']);
    const metadata = { payload: { case: 'metadata' as const, value: { workspaceId: 'ws_a' } } };
    const lateUpload = await refusal(
      videos.uploadVideo(
        (async function* () {
          yield metadata;
        })(),
      ),
    );
    expect([lateUpload.code, ...reasonOf(lateUpload)]).toEqual([Code.DeadlineExceeded, 'DEADLINE_EXCEEDED']);

    const patient = clients(await serve({ getPost: never }), protocol);
    const own = await refusal(patient.posts.getPost({ postId: 'post_01' }, { timeoutMs: 50 }));
    expect(own.code).toBe(Code.DeadlineExceeded);
  });

  it.each([
    ['ten days', 10 * 86_400_000],
    ['a hundred days, more than a timer can hold', 100 * 86_400_000],
  ])('RPC-03 refuses a deadline of %s before it does anything, and names the limit', async (_, timeoutMs) => {
    const warnings: Error[] = [];
    const note = (warning: Error) => void warnings.push(warning);
    process.on('warning', note);
    onTestFinished(() => void process.off('warning', note));
    const servers = await serve({});
    const way = wayTo(servers, protocol);
    running.push(way);
    // The header alone: what a client does about such a deadline is its own affair.
    const header = protocol.startsWith('Connect')
      ? { 'connect-timeout-ms': String(timeoutMs) }
      : { 'grpc-timeout': `${timeoutMs / 1000}S` };
    const posts = createClient(PostService, way.transport);
    const videos = createClient(VideoService, way.transport);
    const calls: readonly (readonly [() => Promise<unknown>, string])[] = [
      [() => posts.getPost({ postId: 'post_01' }, { headers: header }), '600'],
      [() => posts.watchPosts({ workspaceId: 'ws_a' }, { headers: header })[Symbol.asyncIterator]().next(), '86400'],
      [() => videos.uploadVideo((async function* () {})(), { headers: header }), '86400'],
    ];
    for (const [answer, limit] of calls) {
      const refused = await refusal(answer());
      expect(refused.code).toBe(Code.InvalidArgument);
      expect(refused.message).toContain(`at most ${limit} s`);
      expect(reasonOf(refused)).toEqual(['DEADLINE_TOO_LONG']);
    }
    await new Promise((resolve) => setImmediate(resolve)); // warnings come a tick later
    expect(warnings).toEqual([]);
  });
});

describe('RPC-06 a connection that only costs', () => {
  const PATH = '/glowtify.tiktok.v1.PostService/GetPost';
  const UPLOAD = '/glowtify.tiktok.v1.VideoService/UploadVideo';

  /** Sends a byte now and then, much more often than any of the limits here, until the other side has enough. */
  function dripInto(socket: Socket, bytes: Buffer): void {
    let at = 0;
    const drip = setInterval(() => socket.write(bytes.subarray(at, ++at)), 20);
    socket.once('close', () => clearInterval(drip));
  }

  /** On both ports a connection is opened by each, and all of them have to end by themselves. */
  async function allEnd(address: string, count: number, use: (socket: Socket) => void): Promise<void> {
    const sockets = await Promise.all(
      Array.from({ length: count }, async () => {
        const [host = '', port = ''] = address.split(':');
        const socket = connect(Number(port), host);
        socket.on('error', () => undefined).resume();
        await once(socket, 'connect');
        use(socket);
        return socket;
      }),
    );
    await Promise.all(
      sockets.map((socket) => new Promise((end) => (socket.closed ? end(0) : socket.once('close', end)))),
    );
  }

  const POST = `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n`;

  it.each<[string, (socket: Socket) => void]>([
    ['says nothing', () => {}],
    [
      'sends its headers byte by byte',
      (socket) => dripInto(socket, Buffer.from(`GET /healthz HTTP/1.1\r\n${'x-a: 1\r\n'.repeat(1000)}`)),
    ],
    [
      'sends a body byte by byte',
      (socket) => {
        socket.write(POST);
        dripInto(socket, Buffer.alloc(900, ' '));
      },
    ],
    [
      'was answered and goes on with its body',
      (socket) => {
        socket.write(POST.replace(PATH, '/healthz'));
        dripInto(socket, Buffer.alloc(900, ' '));
      },
    ],
    ['asks once and never again', (socket) => void socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n')],
  ])('RPC-06 on the HTTP port, and %s', async (_, use) => {
    const { http } = await serve(
      {},
      { headersMilliseconds: 100, keepAliveMilliseconds: 100, lookMilliseconds: 50, bodyMilliseconds: 100 },
    );
    await allEnd(http, 200, use);
  });

  it.each<[string, Buffer]>([
    ['says nothing', Buffer.alloc(0)],
    ['sends its greeting byte by byte', Buffer.from('PRI * HTTP/2.0\r\n\r\nS')],
  ])('RPC-06 on the RPC port, and %s', async (_, greeting) => {
    const { rpc } = await serve({}, { greetingMilliseconds: 150 });
    await allEnd(rpc, 200, (socket) => dripInto(socket, greeting));
  });

  it('RPC-06 on the RPC port, and never calls, or holds the headers of a call back', async () => {
    const { rpc } = await serve({}, { idleMilliseconds: 150 });
    const idle = await rawHttp2(rpc);
    const holding = await rawHttp2(rpc);
    holding.send(frame(FRAME.HEADERS, 0, 1, call(PATH)));
    await Promise.all([idle.closed, holding.closed]);
  });

  it('RPC-06 on the RPC port, and does not answer when it is asked whether it is there', async () => {
    const { rpc } = await serve({ getPost: never }, { pingMilliseconds: 100 });
    const mute = await rawHttp2(rpc, { mute: true });
    mute.send(frame(FRAME.HEADERS, FLAG.END_HEADERS, 1, call(PATH)));
    await mute.closed;
  });

  it('RPC-06 on the RPC port, and sends a message byte by byte: the call ends, others of the connection go on', async () => {
    const { rpc } = await serve(
      { getPost: async () => ok({ step: scheduled, timeline: [] }) },
      { bodyMilliseconds: 150 },
    );
    const raw = await rawHttp2(rpc);
    running.push(raw);
    raw.send(
      frame(FRAME.HEADERS, FLAG.END_HEADERS, 1, call(PATH)),
      frame(FRAME.DATA, 0, 1, envelope(Buffer.alloc(100)).subarray(0, 6)),
    );
    const drip = setInterval(() => raw.send(frame(FRAME.DATA, 0, 1, Buffer.alloc(1))), 20);
    await raw.seen(isResetOf(1));
    clearInterval(drip);
    raw.send(
      frame(FRAME.HEADERS, FLAG.END_HEADERS, 3, call(PATH)),
      frame(FRAME.DATA, FLAG.END_STREAM, 3, envelope(Buffer.from([10, 1, 97]))), // post_id: "a"
    );
    await raw.seen(({ type, streamId }) => type === FRAME.DATA && streamId === 3);
  });

  it.each<[string, number]>([
    ['stops in the middle', 0],
    ['sends a byte at a time', 1],
  ])('RPC-06 as an upload that %s, which is told so and keeps nothing', async (_, size) => {
    const kept: string[] = [];
    const failed = Promise.withResolvers<unknown>();
    const log = recordingLog();
    const { rpc } = await serve(
      {
        uploadVideo: async ({ bytes }) => {
          try {
            for await (const _ of bytes);
          } catch (error) {
            failed.resolve(error);
            throw error;
          }
          kept.push('all of it');
          return ok(aVideo());
        },
      },
      { uploadPatienceMilliseconds: 150, uploadBytesPerSecond: 1000, lingerMilliseconds: 100 },
      { log },
    );
    const raw = await rawHttp2(rpc);
    running.push(raw);
    const metadata = Buffer.from([10, 6, 10, 4, ...Buffer.from('ws_a')]); // metadata { workspace_id: "ws_a" }
    raw.send(frame(FRAME.HEADERS, FLAG.END_HEADERS, 1, call(UPLOAD)), frame(FRAME.DATA, 0, 1, envelope(metadata)));
    const chunk = frame(FRAME.DATA, 0, 1, envelope(Buffer.from([18, size, ...Buffer.alloc(size)])));
    const drip = size > 0 && setInterval(() => raw.send(chunk), 20);
    const error = await failed.promise;
    await raw.seen(isResetOf(1)); // it went on after the answer
    if (drip) clearInterval(drip);
    expect(error).toMatchObject({ code: Code.DeadlineExceeded });
    expect(reasonOf(error as ConnectError)).toEqual(['UPLOAD_TOO_SLOW']);
    expect(kept).toEqual([]);
    expect(log.lines).toEqual([]);
  });
});

describe('RPC-05 more bytes than were asked for', () => {
  const UPLOAD = '/glowtify.tiktok.v1.VideoService/UploadVideo';
  const PART = frame(FRAME.DATA, 0, 1, Buffer.alloc(16_384));

  it('RPC-05 ends a connection that sends beyond the window of a call that is not read', async () => {
    const { rpc } = await serve({ uploadVideo: never });
    const raw = await rawHttp2(rpc);
    running.push(raw);
    raw.send(
      frame(FRAME.HEADERS, FLAG.END_HEADERS, 1, call(UPLOAD)),
      frame(FRAME.DATA, 0, 1, envelope(Buffer.from([10, 6, 10, 4, ...Buffer.from('ws_a')]))),
    );
    for (let part = 0; part < 1_000 && !raw.socket.destroyed; part += 1) {
      raw.send(PART);
      await raw.flushed();
    }
    expect(goawayCode(await raw.seen(isGoaway))).toBe(ERROR.FLOW_CONTROL_ERROR);
    await raw.closed;
  });
});
