import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, createRouterTransport } from '@connectrpc/connect';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type UploadVideoMetadata,
  VideoService,
} from '../../../clients/typescript/gen/glowtify/tiktok/v1/video_service_pb.js';
import { uploadVideo } from '../../../clients/typescript/src/upload-video.ts';

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const BYTES = Buffer.alloc(2_500_000, 'frames of a video ');

/** A service that keeps what came, and spoils it when told. */
function receiving({ spoils = false } = {}) {
  const came: { metadata?: UploadVideoMetadata; chunks: Uint8Array[] } = { chunks: [] };
  const transport = createRouterTransport((router) => {
    router.service(VideoService, {
      async uploadVideo(messages) {
        for await (const { payload } of messages) {
          if (payload.case === 'metadata') came.metadata = payload.value;
          if (payload.case === 'chunk') came.chunks.push(payload.value);
        }
        const bytes = Buffer.concat(came.chunks);
        return { video: { videoId: 'vid_01', sha256: digest(spoils ? bytes.subarray(1) : bytes) } };
      },
    });
  });
  return { videos: createClient(VideoService, transport), came };
}

async function* asTheyCome() {
  yield BYTES.subarray(0, 10);
  yield BYTES.subarray(10);
}

describe('uploadVideo of the TypeScript client', () => {
  it('tells length and SHA-256 of a file beforehand', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'upload-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'bread.mp4'), BYTES);
    const { videos, came } = receiving();
    await uploadVideo(videos, join(folder, 'bread.mp4'), { workspaceId: 'ws_a' });
    expect(came.metadata).toMatchObject({
      workspaceId: 'ws_a',
      fileName: 'bread.mp4',
      sizeBytes: BigInt(BYTES.length),
      sha256: digest(BYTES),
    });
    expect(Buffer.concat(came.chunks).equals(BYTES)).toBe(true);
  });

  it('sends bytes as they come, in messages that the service takes', async () => {
    const { videos, came } = receiving();
    const { videoId } = await uploadVideo(videos, asTheyCome(), { workspaceId: 'ws_a' });
    expect(videoId).toBe('vid_01');
    expect(came.metadata).toMatchObject({ sha256: '', fileName: '' });
    expect(came.metadata?.sizeBytes).toBeUndefined();
    expect(came.chunks.map(({ length }) => length)).toEqual([10, 2 ** 20, 2 ** 20, BYTES.length - 10 - 2 ** 21]);
  });

  it('finds out when other bytes arrived', async () => {
    const { videos } = receiving({ spoils: true });
    await expect(uploadVideo(videos, asTheyCome(), { workspaceId: 'ws_a' })).rejects.toThrow(/vid_01 arrived with/);
  });
});
