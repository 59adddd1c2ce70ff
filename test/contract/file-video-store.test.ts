import { spawnSync } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { DISK, type Files, fileVideoStore } from '../../src/adapters/video-store/file-video-store.ts';
import { type SweptVideoStore, VideoStoreDown } from '../../src/application/ports/video-store.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import { filesThat, STEPS, type Step } from '../support/failing-files.ts';
import { collect, inChunks } from '../support/fixture-videos.ts';
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

  it('stay readable for who opened them, also when they are deleted or replaced', async () => {
    const store = fileVideoStore(await temporaryDirectory());
    await store.put(ID, inChunks(Buffer.from('bytes')), { maxBytes: 10 });
    await using first = await store.open(ID);
    await store.put(ID, inChunks(Buffer.from('other')), { maxBytes: 10 });
    await using second = await store.open(ID);
    await store.delete(ID);
    const read = await Promise.all([first?.readAt(0, 5), second?.readAt(0, 5)]);
    expect(read.map((bytes) => Buffer.from(bytes ?? []).toString())).toEqual(['bytes', 'other']);
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

/** A file system that is full from this step, or this many bytes, on. */
const fullFrom = (fails: (step: Step, bytes: number) => boolean, code = 'ENOSPC') =>
  filesThat((step, bytes) => {
    if (fails(step, bytes)) throw Object.assign(new Error(`${code}: no space left`), { code });
  });

describe('what passes through', () => {
  it('takes two pieces of memory, however long the video is, and a piece that may be overwritten fills a socket', async () => {
    const store = fileVideoStore(await temporaryDirectory());
    const sizeBytes = 3_000_000;
    await store.put(ID, inChunks(Buffer.alloc(sizeBytes), 100_000), { maxBytes: sizeBytes });
    const memory = new Map<ArrayBufferLike, readonly number[]>();
    for await (const { buffer, length } of store.reading(ID).bytes({ start: 0, endExclusive: sizeBytes })) {
      memory.set(buffer, [...(memory.get(buffer) ?? []), length]);
    }
    expect(memory.size).toBe(2);
    for (const lengths of memory.values()) expect(Math.min(...lengths.slice(0, -1))).toBe(256 * 1024);
  });

  it('fills its pieces also from a disk that gives less than was asked for', async () => {
    const directory = await temporaryDirectory();
    const video = randomBytes(700_000);
    await fileVideoStore(directory).put(ID, inChunks(video, 100_000), { maxBytes: video.length });
    const sparing: Files = {
      ...DISK,
      async openToRead(path) {
        const file = await DISK.openToRead(path);
        return { ...file, read: (into, position) => file.read(into.subarray(0, 50_000), position) };
      },
    };
    const store = fileVideoStore(directory, sparing);
    const range = { start: 0, endExclusive: video.length };
    const lengths = await Array.fromAsync(store.reading(ID).bytes(range), ({ length }) => length);
    expect(lengths).toEqual([262_144, 262_144, 175_712]);
    expect((await collect(store.reading(ID).bytes(range))).equals(video)).toBe(true);
    expect(await store.reading(ID).digest()).toBe(createHash('sha256').update(video).digest('hex'));
  });
});

describe('a disk that is full (MED-02)', () => {
  const video = Buffer.alloc(5_000, 'v');
  const NO_SPACE = { ok: false, error: { code: 'NO_SPACE' } };

  it('says so at whatever byte it is, and nothing of the video is left; the ones before it stay', async () => {
    const directory = await temporaryDirectory();
    await fileVideoStore(directory).put('vid_before' as VideoId, inChunks(video), { maxBytes: 5_000 });
    const at = fc.integer({ min: 1, max: 5_000 });
    await fc.assert(
      fc.asyncProperty(at, fc.integer({ min: 1, max: 2_000 }), async (fullAt, chunk) => {
        const store = fileVideoStore(
          directory,
          fullFrom((_, bytes) => bytes >= fullAt),
        );
        expect(await store.put(ID, inChunks(video, chunk), { maxBytes: 5_000 })).toEqual(NO_SPACE);
        expect(await readdir(directory)).toEqual(['vid_before']);
      }),
      { numRuns: 100 },
    );
    expect(await collect(fileVideoStore(directory).read('vid_before' as VideoId))).toEqual(video);
  });

  it.each(STEPS)('says so at the step %s, and nothing is left', async (full) => {
    const directory = await temporaryDirectory();
    for (const code of ['ENOSPC', 'EDQUOT']) {
      const store = fileVideoStore(
        directory,
        fullFrom((step) => step === full, code),
      );
      expect(await store.put(ID, inChunks(video), { maxBytes: 5_000 })).toEqual(NO_SPACE);
      expect(await readdir(directory)).toEqual([]);
    }
  });

  it('takes the same video when there is room again', async () => {
    const directory = await temporaryDirectory();
    let full = true;
    const store = fileVideoStore(
      directory,
      fullFrom((step) => full && step === 'write'),
    );
    expect(await store.put(ID, inChunks(video), { maxBytes: 5_000 })).toEqual(NO_SPACE);
    full = false;
    expect(await store.put(ID, inChunks(video), { maxBytes: 5_000 })).toMatchObject({ ok: true });
  });

  it('is told from a disk that is broken, and from a source that says the same', async () => {
    const directory = await temporaryDirectory();
    const broken = fileVideoStore(
      directory,
      fullFrom((step) => step === 'sync', 'EIO'),
    );
    await expect(broken.put(ID, inChunks(video), { maxBytes: 5_000 })).rejects.toMatchObject({
      name: 'VideoStoreDown',
      cause: { code: 'EIO' },
    });
    const cause = Object.assign(new Error('the sender is full'), { code: 'ENOSPC' });
    // biome-ignore lint/correctness/useYield: it throws instead
    const source = (async function* (): AsyncGenerator<Uint8Array> {
      throw cause;
    })();
    await expect(fileVideoStore(directory).put(ID, source, { maxBytes: 5_000 })).rejects.toBe(cause);
    expect(await readdir(directory)).toEqual([]);
  });

  /** A small disk of its own, where this account may make one. */
  async function smallDisk(megabytes: number): Promise<string | undefined> {
    const directory = await temporaryDirectory();
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', directory]);
    if (status !== 0) return undefined;
    onTestFinished(() => void spawnSync('umount', [directory]));
    return directory;
  }

  it('is a real one, where this account may mount one', async ({ skip }) => {
    const directory = await smallDisk(2);
    if (directory === undefined) return skip('no right to mount a disk');
    const store = fileVideoStore(directory);
    const big = Buffer.alloc(3 * 2 ** 20, 'b');
    const outcomes = await Promise.all([
      store.put('vid_big' as VideoId, inChunks(big, 64 * 1024), { maxBytes: big.length }),
      store.put('vid_small' as VideoId, inChunks(video), { maxBytes: 5_000 }),
    ]);
    expect(outcomes[0]).toEqual(NO_SPACE);
    expect(await store.put(ID, inChunks(video), { maxBytes: 5_000 })).toMatchObject({ ok: true });
    expect((await readdir(directory)).includes('vid_big')).toBe(false);
    expect((await readdir(directory)).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });
});

describe('a process that ends while it stores (MED-03)', () => {
  const SIZE = 10_000;

  it('writes, syncs the file, renames it and syncs the directory, in this order', async () => {
    const seen: Step[] = [];
    const store = fileVideoStore(
      await temporaryDirectory(),
      filesThat((step) => void (seen.at(-1) !== step && seen.push(step))),
    );
    await store.put(ID, inChunks(Buffer.alloc(SIZE)), { maxBytes: SIZE });
    expect(seen).toEqual(STEPS);
  });

  it.each(STEPS)(
    'at the step %s leaves the video whole or not at all, before and after the next start',
    async (step) => {
      const directory = await temporaryDirectory();
      const script = fileURLToPath(new URL('../support/dying-store.ts', import.meta.url));
      const child = spawnSync(process.execPath, [script, directory, ID, step, String(SIZE)]);
      expect(child.signal).toBe('SIGKILL');
      const store = fileVideoStore(directory);
      const renamed = STEPS.indexOf(step) > STEPS.indexOf('rename');
      expect(await store.size(ID)).toBe(renamed ? SIZE : undefined);
      const written = STEPS.indexOf(step) > STEPS.indexOf('open') && !renamed;
      expect(await store.sweep()).toBe(written ? 1 : 0);
      expect(await readdir(directory)).toEqual(renamed ? [ID] : []);
      expect(await store.put(ID, inChunks(Buffer.alloc(SIZE)), { maxBytes: SIZE })).toMatchObject({ ok: true });
    },
  );
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

describe('a disk that does not answer', () => {
  const never = new Promise<never>(() => undefined);
  const video = Buffer.alloc(5_000, 'v');
  const HURRIED = { step: 50, sync: 50 };

  it.each(STEPS)('at the step %s of storing is said to be down: nobody waits for it for ever', async (hangs) => {
    const store = fileVideoStore(
      await temporaryDirectory(),
      filesThat((step) => (step === hangs ? never : undefined)),
      HURRIED,
    );
    await expect(store.put(ID, inChunks(video), { maxBytes: 5_000 })).rejects.toBeInstanceOf(VideoStoreDown);
  });

  it.each<[string, keyof Files, (store: SweptVideoStore) => Promise<unknown>]>([
    ['read', 'openToRead', (store) => collect(store.read(ID))],
    ['open', 'open', (store) => store.open(ID)],
    ['digest', 'openToRead', (store) => store.reading(ID).digest()],
    ['size', 'stat', (store) => store.size(ID)],
    ['storedBefore', 'opendir', (store) => Array.fromAsync(store.storedBefore(new Date()))],
    ['delete', 'rm', (store) => store.delete(ID)],
    ['sweep', 'readdir', (store) => store.sweep()],
  ])('is said to be down, and not that there is no video: %s', async (_, hangs, call) => {
    const directory = await temporaryDirectory();
    await fileVideoStore(directory).put(ID, inChunks(video), { maxBytes: 5_000 });
    await expect(call(fileVideoStore(directory, { ...DISK, [hangs]: () => never }, HURRIED))).rejects.toBeInstanceOf(
      VideoStoreDown,
    );
  });

  it('leaves what it wrote to the sweep of the same process, which takes nothing that is still written', async () => {
    const directory = await temporaryDirectory();
    const files = filesThat((step) => (step === 'sync' ? never : undefined));
    const store = fileVideoStore(directory, { ...files, rm: () => never }, HURRIED);
    await expect(store.put(ID, inChunks(video), { maxBytes: 5_000 })).rejects.toBeInstanceOf(VideoStoreDown);
    const more = Promise.withResolvers<void>();
    async function* halting() {
      yield video;
      await more.promise;
    }
    const other = fileVideoStore(directory);
    const underWay = other.put('vid_under_way' as VideoId, halting(), { maxBytes: 5_000 });
    await vi.waitUntil(async () => (await readdir(directory)).length === 2, { timeout: 20_000 });
    expect(await other.sweep()).toBe(1);
    more.resolve();
    expect(await underWay).toMatchObject({ ok: true });
    expect(await readdir(directory)).toEqual(['vid_under_way']);
  });
});
