import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type DescMessage, type DescMethod, toBinary } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { freePorts } from '../../bench/support/free-ports.ts';
import { AnalyticsService } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_service_pb.js';
import { ConnectionService } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/connection_service_pb.js';
import { PostService } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_service_pb.js';
import { VideoService } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/video_service_pb.js';
import { readConfig } from '../../src/config.ts';
import { startService } from '../../src/service.ts';
import { fixtureVideo, inChunks } from '../support/fixture-videos.ts';
import { Finding, type Target } from './target.ts';

const WORKSPACE = 'ws_fuzz';
const METHODS: readonly DescMethod[] = [ConnectionService, VideoService, PostService, AnalyticsService].flatMap(
  ({ methods }) => methods,
);
/** A stream that is open is no finding: it is left. */
const PATIENCE_MILLISECONDS = 5_000;
const STREAM_MILLISECONDS = 100;

/** In the first byte: over gRPC-Web, else over Connect. */
const WEB = 0x80;

/**
 * The first byte chooses the method and the protocol, the others are the message: to the whole service in this process, with its database and the
 * sandbox. No bytes may end it, or be answered as a fault of ours. Without `databaseUrl` it has a database of its own.
 */
export async function rpcTarget(databaseUrl?: string): Promise<Target> {
  const folder = await mkdtemp(join(tmpdir(), 'fuzz-'));
  const [rpcPort, httpPort, sandboxPort] = await freePorts(3);
  const stop = await startService(
    readConfig({
      DATA_DIR: folder,
      RPC_PORT: String(rpcPort),
      HTTP_PORT: String(httpPort),
      SANDBOX_PORT: String(sandboxPort),
      LOG_LEVEL: 'silent',
      ...(databaseUrl === undefined
        ? {}
        : { DATABASE_URL: databaseUrl, TIKTOK_SANDBOX: '1', TOKEN_KEYS: `fuzz:${randomBytes(32).toString('base64')}` }),
    }),
  );
  const origin = `http://127.0.0.1:${httpPort}`;
  const known = await story(origin);

  async function send(method: DescMethod, message: Buffer, web: boolean): Promise<string> {
    const streams = method.methodKind !== 'unary';
    const type = web ? 'application/grpc-web+proto' : streams ? 'application/connect+proto' : 'application/proto';
    const body = web || streams ? Buffer.concat([envelopeOf(message.length), message]) : message;
    const patience = method.methodKind === 'server_streaming' ? STREAM_MILLISECONDS : PATIENCE_MILLISECONDS;
    const signal = AbortSignal.timeout(patience);
    const headers = { 'content-type': type, 'connect-protocol-version': '1' };
    let text = '';
    try {
      const answer = await fetch(`${origin}/${method.parent.typeName}/${method.name}`, {
        method: 'POST',
        headers,
        body: Uint8Array.from(body),
        signal,
      });
      text = `grpc-status: ${answer.headers.get('grpc-status') ?? ''}\n`;
      for await (const part of answer.body ?? []) text += Buffer.from(part).toString('latin1');
    } catch (error) {
      if (method.methodKind !== 'server_streaming' || !signal.aborted) throw error;
    }
    return text;
  }

  return {
    name: 'rpc',
    seeds: METHODS.flatMap((method, index) =>
      [true, false].map((full) =>
        Buffer.concat([
          Buffer.from([full ? index : index | WEB]),
          toBinary(method.input, filled(method.input, full ? known : {})),
        ]),
      ),
    ),
    async run(input) {
      const [first = 0] = input;
      const method = METHODS[(first & ~WEB) % METHODS.length];
      if (method === undefined) throw new Error('a service without methods');
      const answer = await send(method, input.subarray(1), (first & WEB) !== 0).catch((error: unknown) => {
        throw new Finding(`${method.name} was not answered: ${error}`);
      });
      const code = /"code":"(internal|unknown|data_loss)"|grpc-status: (2|13|15)\b/.exec(answer)?.[0];
      const details = /grpc-status-details-bin: (\S+)/.exec(answer)?.[1] ?? '';
      // TikTok's own refusals may be a fault of ours by contract; they name it.
      const blamed = `${answer}${Buffer.from(details, 'base64')}`.includes('CONNECTOR_REQUEST_REJECTED');
      if (code !== undefined && !blamed) throw new Finding(`${method.name} answered ${code}: ${answer.slice(0, 500)}`);
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

type Known = Readonly<Record<string, string>>;

/** An account, a video and a post, so that messages have something to be about. */
async function story(origin: string): Promise<Known> {
  const transport = createConnectTransport({ baseUrl: origin, httpVersion: '1.1' });
  const connections = createClient(ConnectionService, transport);
  const { authorizeUri } = await connections.startConnection({ workspaceId: WORKSPACE });
  await (await fetch(`${authorizeUri}&auto_consent=glow.bakery`)).text();
  const { connections: listed } = await connections.listConnections({ workspaceId: WORKSPACE });
  const connectionId = listed[0]?.connectionId ?? '';
  const bytes = await fixtureVideo('vertical.mp4');
  const { video } = await createClient(VideoService, transport).uploadVideo(
    (async function* () {
      yield { payload: { case: 'metadata' as const, value: { workspaceId: WORKSPACE } } };
      for await (const chunk of inChunks(bytes, 64 * 1024)) {
        yield { payload: { case: 'chunk' as const, value: Uint8Array.from(chunk) } };
      }
    })(),
  );
  const videoId = video?.videoId ?? '';
  const { post } = await createClient(PostService, transport).publishPost({
    workspaceId: WORKSPACE,
    connectionId,
    video: { case: 'videoId', value: videoId },
    destination: 'tiktok',
    caption: 'Fresh from the oven',
    requestId: 'the-first',
    scheduleTime: { seconds: BigInt(Math.floor(Date.now() / 1000) + 86_400), nanos: 0 },
    settings: { draft: true },
  });
  return { workspaceId: WORKSPACE, connectionId, videoId, postId: post?.postId ?? '', destination: 'tiktok' };
}

/** Every field set: with what is known, else with something of its type. */
function filled(message: DescMessage, known: Known, depth = 0) {
  const values: Record<string, unknown> = {};
  for (const field of message.fields) {
    if (field.oneof !== undefined && field.oneof.fields[0] !== field) continue;
    let value: unknown;
    if (field.fieldKind === 'scalar') value = scalarOf(String(field.scalar), known[field.localName] ?? 'text');
    else if (field.fieldKind === 'enum') value = field.enum.values.at(-1)?.number ?? 0;
    else if (field.fieldKind === 'message' && depth < 3) value = filled(field.message, known, depth + 1);
    if (value === undefined) continue;
    if (field.oneof === undefined) values[field.localName] = value;
    else values[field.oneof.localName] = { case: field.localName, value };
  }
  return create(message, values);
}

/** By the numbers that descriptors have for types. */
function scalarOf(type: string, text: string): unknown {
  if (type === '9') return text;
  if (type === '12') return new Uint8Array([1, 2, 3]);
  if (type === '8') return true;
  return ['3', '4', '6', '16', '18'].includes(type) ? 1n : 1;
}

function envelopeOf(length: number): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(length, 1);
  return header;
}
