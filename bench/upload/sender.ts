import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import {
  UploadVideoRequestSchema,
  UploadVideoResponseSchema,
  VideoService,
} from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/video_service_pb.js';
import { bigMp4Stream } from '../../test/support/big-mp4.ts';

/** Sends videos, so many at once, and says which and how long that took. Run with a file that holds a `SenderTask`. */
export type SenderTask = {
  readonly url: string;
  /** `UploadVideo` in messages of 1 MiB, or the same bytes as the body of an HTTP/2 request. */
  readonly as: 'RPC' | 'BODY';
  readonly workspaceId: string;
  readonly bytes: number;
  readonly atOnce: number;
};

export type SenderResult = { readonly seconds: number; readonly videoIds: readonly string[] };

const [, , taskFile = ''] = process.argv;
const { url, as, workspaceId, bytes, atOnce } = JSON.parse(await readFile(taskFile, 'utf8')) as SenderTask;

const PREFIX_BYTES = 5;

/** Flags and length, before each message of gRPC. */
function prefix(messageBytes: number): Buffer {
  const head = Buffer.alloc(PREFIX_BYTES);
  head.writeUInt32BE(messageBytes, 1);
  return head;
}

/** Written by hand: a library that packs the bytes into messages takes more of the machine than the service that unpacks them. */
async function* messages(): AsyncIterable<Uint8Array> {
  const metadata = { workspaceId, fileName: 'bench.mp4', sizeBytes: BigInt(bytes) };
  const first = create(UploadVideoRequestSchema, { payload: { case: 'metadata', value: metadata } });
  const packed = toBinary(UploadVideoRequestSchema, first);
  yield prefix(packed.length);
  yield packed;
  for await (const chunk of await bigMp4Stream(bytes)) {
    const field = fieldHead(chunk.length);
    yield Buffer.concat([prefix(field.length + chunk.length), field]);
    yield chunk;
  }
}

/** What Protobuf has before the bytes of `chunk`. */
const fieldHead = (length: number): Uint8Array =>
  new BinaryWriter().tag(UploadVideoRequestSchema.field.chunk.number, WireType.LengthDelimited).uint32(length).finish();

/** Over a connection of its own, as another caller would have. */
async function post(headers: OutgoingHttpHeaders, body: AsyncIterable<Uint8Array>) {
  const session = connect(url);
  const stream = session.request({ ':method': 'POST', ...headers });
  let trailers: IncomingHttpHeaders = {};
  stream.once('trailers', (came) => {
    trailers = came;
  });
  const answered = once(stream, 'response');
  await pipeline(body, stream, { end: true });
  const [answer] = (await answered) as [IncomingHttpHeaders & { readonly ':status': number }];
  const content = await buffer(stream);
  session.close();
  if (answer[':status'] !== 200) throw new Error(`the receiver answered ${answer[':status']}`);
  return { content, grpcStatus: answer['grpc-status'] ?? trailers['grpc-status'] };
}

async function upload(): Promise<string> {
  const { content, grpcStatus } = await post(
    {
      ':path': `/${VideoService.typeName}/${VideoService.method.uploadVideo.name}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    },
    messages(),
  );
  if (grpcStatus !== '0') throw new Error(`the upload ended with ${grpcStatus}`);
  const { video } = fromBinary(UploadVideoResponseSchema, content.subarray(PREFIX_BYTES));
  if (video === undefined) throw new Error('an answer without a video');
  return video.videoId;
}

async function send(): Promise<string> {
  await post({ ':path': '/' }, await bigMp4Stream(bytes));
  return '';
}

const began = performance.now();
const videoIds = await Promise.all(Array.from({ length: atOnce }, as === 'RPC' ? upload : send));
const result: SenderResult = { seconds: (performance.now() - began) / 1000, videoIds };
console.log(JSON.stringify(result));
process.exit(0);
