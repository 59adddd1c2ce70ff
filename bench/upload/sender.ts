import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:http2';
import { pipeline } from 'node:stream/promises';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { VideoService } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/video_service_pb.js';
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

async function* messages() {
  const metadata = { workspaceId, fileName: 'bench.mp4', sizeBytes: BigInt(bytes) };
  yield { payload: { case: 'metadata' as const, value: metadata } };
  for await (const value of await bigMp4Stream(bytes)) yield { payload: { case: 'chunk' as const, value } };
}

async function upload(): Promise<string> {
  // A connection each, as callers of their own would have.
  const client = createClient(VideoService, createGrpcTransport({ baseUrl: url }));
  const { video } = await client.uploadVideo(messages());
  if (video === undefined) throw new Error('an answer without a video');
  return video.videoId;
}

async function send(): Promise<string> {
  const session = connect(url);
  const stream = session.request({ ':method': 'POST', ':path': '/' });
  const answered = once(stream, 'response');
  await pipeline(await bigMp4Stream(bytes), stream, { end: true });
  const [headers] = await answered;
  stream.resume();
  session.close();
  if (headers[':status'] !== 200) throw new Error(`the receiver answered ${headers[':status']}`);
  return '';
}

const began = performance.now();
const videoIds = await Promise.all(Array.from({ length: atOnce }, as === 'RPC' ? upload : send));
const result: SenderResult = { seconds: (performance.now() - began) / 1000, videoIds };
console.log(JSON.stringify(result));
process.exit(0);
