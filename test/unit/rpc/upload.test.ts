import { create } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import {
  type UploadVideoRequest,
  UploadVideoRequestSchema,
} from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/video_service_pb.js';
import { openUpload } from '../../../src/adapters/rpc/upload.ts';

const PATIENCE = 10_000;
const BYTES_PER_SECOND = 1000;

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** A caller that sends when it is told to. */
async function anUpload() {
  const waiting: ((message: IteratorResult<UploadVideoRequest>) => void)[] = [];
  const sent: UploadVideoRequest[] = [];
  const requests: AsyncIterable<UploadVideoRequest> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        const value = sent.shift();
        return value === undefined
          ? new Promise((resolve) => waiting.push(resolve))
          : Promise.resolve({ done: false, value });
      },
    }),
  };
  function send(payload: UploadVideoRequest['payload']): void {
    const value = create(UploadVideoRequestSchema, { payload });
    const take = waiting.shift();
    if (take === undefined) sent.push(value);
    else take({ done: false, value });
  }
  const opening = openUpload(requests, {
    signal: new AbortController().signal,
    clock: { now: () => new Date('2026-03-01T12:00:00Z') },
    limits: { uploadPatienceMilliseconds: PATIENCE, uploadBytesPerSecond: BYTES_PER_SECOND },
  });
  send({
    case: 'metadata',
    value: { $typeName: 'glowtify.tiktok.v1.UploadVideoMetadata', workspaceId: 'ws_a', fileName: '', sha256: '' },
  });
  const { bytes } = await opening;
  const chunks = bytes[Symbol.asyncIterator]();
  return {
    send: (length: number) => send({ case: 'chunk', value: new Uint8Array(length) }),
    /** What the next chunk came to, as far as it is known. */
    next() {
      const seen: { outcome: unknown } = { outcome: 'WAITING' };
      chunks.next().then(
        ({ value }) => {
          seen.outcome = value?.length;
        },
        (error: unknown) => {
          seen.outcome = error;
        },
      );
      return seen;
    },
  };
}

it('RPC-06 waits for the next chunk as long as it is patient, and no longer', async () => {
  const upload = await anUpload();
  const next = upload.next();
  await vi.advanceTimersByTimeAsync(PATIENCE - 1);
  expect(next.outcome).toBe('WAITING');
  await vi.advanceTimersByTimeAsync(1);
  expect(next.outcome).toMatchObject({ code: Code.DeadlineExceeded });
});

it('RPC-06 counts all the time that it waits for chunks, and allows for their bytes', async () => {
  const upload = await anUpload();
  for (let chunk = 0; chunk < 3; chunk += 1) {
    const next = upload.next();
    await vi.advanceTimersByTimeAsync(3000);
    upload.send(500); // which may take half a second
    await vi.advanceTimersByTimeAsync(0);
    expect(next.outcome).toBe(500);
  }
  const next = upload.next();
  await vi.advanceTimersByTimeAsync(PATIENCE + 3 * 500 - 3 * 3000 - 1);
  expect(next.outcome).toBe('WAITING');
  await vi.advanceTimersByTimeAsync(1);
  expect(next.outcome).toMatchObject({ code: Code.DeadlineExceeded });
});

it('RPC-06 never counts the time that the caller waits for us', async () => {
  const upload = await anUpload();
  for (let chunk = 0; chunk < 5; chunk += 1) {
    upload.send(1);
    const next = upload.next();
    await vi.advanceTimersByTimeAsync(0);
    expect(next.outcome).toBe(1);
    await vi.advanceTimersByTimeAsync(PATIENCE); // our disk takes its time
  }
});
