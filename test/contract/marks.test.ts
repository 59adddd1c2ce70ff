import { randomUUID } from 'node:crypto';
import * as files from 'node:fs/promises';
import { appendFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { fileMarks, MARK_FILES } from '../../src/adapters/video-store/file-marks.ts';
import { fileVideoStore } from '../../src/adapters/video-store/file-video-store.ts';
import { s3Marks } from '../../src/adapters/video-store/s3-marks.ts';
import { s3VideoStore } from '../../src/adapters/video-store/s3-video-store.ts';
import { VideoStoreDown } from '../../src/application/ports/video-store.ts';
import type { WorkspaceId } from '../../src/domain/ids.ts';
import { ids } from '../support/builders.ts';
import { inMemoryMarks } from '../support/in-memory-marks.ts';
import { BUCKET, CREDENTIALS, type S3Server, s3Server } from '../support/s3-server.ts';
import { marksContract } from './marks.contract.ts';

let server: S3Server;
beforeAll(async () => {
  server = await s3Server();
});
afterAll(() => server.close());
beforeEach(() => {
  server.heal();
  for (const [name, value] of Object.entries(CREDENTIALS)) vi.stubEnv(name, value);
});

const OWNER = { id: ids.postId(), workspaceId: 'ws_a' as WorkspaceId, requestId: 'request' };
const CANCELLED = { kind: 'CANCELLED' } as const;

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'connector-marks-'));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  return made;
}

const place = () => ({
  bucket: BUCKET,
  prefix: `${randomUUID()}/`,
  region: 'us-east-1',
  endpoint: server.url,
  pathStyle: true,
});
function inS3(at = place()) {
  const marks = s3Marks(at, { connect: 1_000, idle: 1_000, tries: 1 });
  onTestFinished(() => marks.close?.());
  return marks;
}

marksContract('files', async () => fileMarks(join(await folder(), 'made', 'when needed')));
marksContract('S3', async () => inS3());
marksContract('memory', async () => inMemoryMarks());

it('marks are no videos: the store they lie beside neither lists nor sweeps them', async () => {
  const at = place();
  const directory = await folder();
  for (const [marks, store] of [
    [fileMarks(join(directory, 'marks')), fileVideoStore(directory)],
    [inS3(at), s3VideoStore(at)],
  ] as const) {
    await marks.leave(OWNER, CANCELLED);
    const stored = [];
    for await (const id of store.storedBefore(new Date(Date.now() + 60_000))) stored.push(id);
    expect(stored).toEqual([]);
    expect(await store.sweep()).toBe(0);
    expect(await marks.of(OWNER)).toEqual([CANCELLED]);
  }
});

it('marks in files: what a power cut left of a line was never told to be there', async () => {
  const directory = await folder();
  await fileMarks(directory).leave(OWNER, CANCELLED);
  const [name = ''] = await readdir(directory);
  await appendFile(join(directory, name), '{"kind":"ANN');
  expect(await fileMarks(directory).of(OWNER)).toEqual([CANCELLED]);
});

it.each(['{"kind":"ANN\n', '{"kind":"ANNOUNCED"}\n', '{"kind":"CANCELED"}\n'])(
  'marks in files: a line that can not be read is no reason to go on: %j',
  async (line) => {
    const directory = await folder();
    await fileMarks(directory).leave(OWNER, CANCELLED);
    const [name = ''] = await readdir(directory);
    await writeFile(join(directory, name), line);
    await expect(fileMarks(directory).of(OWNER)).rejects.toThrow();
  },
);

it('marks in files that can not be written or read are the store being down, and work again when it is not', async () => {
  const directory = await folder();
  let full = true;
  const marks = fileMarks(directory, {
    ...MARK_FILES,
    appendFile: async (...given) => {
      if (full) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      return MARK_FILES.appendFile(...given);
    },
  });
  await expect(marks.leave(OWNER, CANCELLED)).rejects.toBeInstanceOf(VideoStoreDown);
  full = false;
  await marks.leave(OWNER, CANCELLED);
  expect(await marks.of(OWNER)).toEqual([CANCELLED]);
  const [name = ''] = await readdir(directory);
  await rm(join(directory, name));
  await files.mkdir(join(directory, name));
  await expect(marks.of(OWNER)).rejects.toBeInstanceOf(VideoStoreDown);
});

it('marks in files are synced, and the folder with them, before anybody is told', async () => {
  const steps: string[] = [];
  const directory = await folder();
  const marks = fileMarks(directory, {
    ...MARK_FILES,
    appendFile: async (path, line, options) => {
      steps.push('file');
      await MARK_FILES.appendFile(path, line, options);
      if (options.flush) steps.push('synced');
    },
    open: async (path, ...rest) => {
      const handle = await files.open(path, ...rest);
      const sync = handle.sync.bind(handle);
      handle.sync = async () => void steps.push('folder', await sync().then(() => 'synced'));
      return handle;
    },
  });
  await marks.leave(OWNER, CANCELLED);
  expect(steps).toEqual(['file', 'synced', 'folder', 'synced']);
});

it('marks in an S3 that is away are the store being down', async () => {
  const marks = inS3({ ...place(), endpoint: 'http://127.0.0.1:1' });
  await expect(marks.leave(OWNER, CANCELLED)).rejects.toBeInstanceOf(VideoStoreDown);
  await expect(marks.of(OWNER)).rejects.toBeInstanceOf(VideoStoreDown);
});
