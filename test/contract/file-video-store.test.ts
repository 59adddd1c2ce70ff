import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fileVideoStore } from '../../src/adapters/video-store/file-video-store.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import { inChunks } from '../support/fixture-videos.ts';
import { videoStoreContract } from './video-store.contract.ts';

const ID = 'vid_01' as VideoId;
const HOST = hostname().replace(/[^\w-]/g, '_');

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'videos-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  return directory;
}

videoStoreContract('files', async () => fileVideoStore(join(await temporaryDirectory(), 'made', 'when needed')));

describe('files of the video store', () => {
  it('are named by the id and readable by nobody else', async () => {
    const directory = await temporaryDirectory();
    await fileVideoStore(directory).put(ID, inChunks(Buffer.from('bytes')), { maxBytes: 10 });
    expect(await readdir(directory)).toEqual([ID]);
    expect((await stat(join(directory, ID))).mode & 0o777).toBe(0o600);
  });

  it.each(['../escape', 'a/b', '', 'vid.partial', '..', 'vid\0'])('are never named %j', async (id) => {
    const store = fileVideoStore(await temporaryDirectory());
    await expect(store.put(id as VideoId, inChunks(Buffer.from('bytes')), { maxBytes: 10 })).rejects.toThrow();
    await expect(store.delete(id as VideoId)).rejects.toThrow();
  });

  it('are not left half written, neither by a refusal nor by a source that throws', async () => {
    const directory = await temporaryDirectory();
    const store = fileVideoStore(directory);
    await store.put(ID, inChunks(Buffer.alloc(100)), { maxBytes: 50 });
    // biome-ignore lint/correctness/useYield: it throws instead
    const broken = (async function* (): AsyncGenerator<Uint8Array> {
      throw new Error('hung up');
    })();
    await expect(store.put(ID, broken, { maxBytes: 50 })).rejects.toThrow('hung up');
    expect(await readdir(directory)).toEqual([]);
  });

  it('are refused beforehand when the disk has no room for the announced size', async () => {
    const expectedSize = 2 ** 52;
    const store = fileVideoStore(await temporaryDirectory());
    const unread: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => {
        throw new Error('nothing must be read');
      },
    };
    expect(await store.put(ID, unread, { maxBytes: expectedSize, expectedSize })).toEqual({
      ok: false,
      error: { code: 'NO_SPACE' },
    });
  });
});

describe('sweep', () => {
  const partial = (host: string, pid: number) => `${ID}.${randomUUID()}.${host}.${pid}.${randomUUID()}.partial`;

  it('removes what dead processes left, and only that', async () => {
    const directory = await temporaryDirectory();
    const dead = spawnSync(process.execPath, ['--version']).pid;
    const anHour = new Date(Date.now() - 3_600_000);
    const twoDays = new Date(Date.now() - 2 * 86_400_000);
    const files = {
      'of a dead process': { name: partial(HOST, dead), time: anHour, stays: false },
      'of an earlier process with our number': { name: partial(HOST, process.pid), time: anHour, stays: false },
      'of a living process': { name: partial(HOST, process.ppid), time: twoDays, stays: true },
      'of another machine, lately': { name: partial('elsewhere', dead), time: anHour, stays: true },
      'of another machine, long ago': { name: partial('elsewhere', dead), time: twoDays, stays: false },
      'a video': { name: ID, time: twoDays, stays: true },
      "somebody else's": { name: 'notes.partial', time: twoDays, stays: true },
    };
    for (const { name, time } of Object.values(files)) {
      await writeFile(join(directory, name), 'half');
      await utimes(join(directory, name), time, time);
    }

    expect(await fileVideoStore(directory).sweep()).toBe(3);

    const left = await readdir(directory);
    for (const [what, { name, stays }] of Object.entries(files)) expect(left.includes(name), what).toBe(stays);
  });

  it('leaves an upload under way alone', async () => {
    const store = fileVideoStore(await temporaryDirectory());
    const swept = Promise.withResolvers<void>();
    const source = (async function* () {
      yield Buffer.from('first');
      expect(await store.sweep()).toBe(0);
      swept.resolve();
      yield Buffer.from('second');
    })();
    expect(await store.put(ID, source, { maxBytes: 100 })).toMatchObject({ ok: true, value: { sizeBytes: 11 } });
    await swept.promise;
  });

  it('is content when there is no directory yet', async () => {
    expect(await fileVideoStore(join(await temporaryDirectory(), 'none')).sweep()).toBe(0);
  });
});
