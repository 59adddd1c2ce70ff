import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import * as nodeFiles from 'node:fs/promises';
import { type FileHandle, opendir, readdir, rm, stat, statfs } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { PutLimits, StoreRefusal, SweptVideoStore } from '../../application/ports/video-store.ts';
import type { VideoId } from '../../domain/ids.ts';
import { err, type Result } from '../../domain/result.ts';
import type { StoredFile } from '../../domain/video/video.ts';
import { intake, isOurs, nameOf, refusedBeforehand } from './intake.ts';

const READ_CHUNK_BYTES = 256 * 1024;
/** A half-written file of another machine, whose processes we can't see, is taken for dead when untouched this long. */
const FOREIGN_LEFTOVER_MS = 24 * 60 * 60 * 1000;
const PARTIAL = '.partial';

/** What writes. For fault tests to fail or to end at. */
export type Files = Pick<typeof nodeFiles, 'mkdir' | 'open' | 'rename'>;

/** One file per video, named by its id, in `directory`, which is made when needed and must be on one file system. */
export function fileVideoStore(directory: string, files: Files = nodeFiles): SweptVideoStore {
  const { mkdir, open, rename } = files;
  const pathOf = (id: VideoId): string => join(directory, nameOf(id));

  /** Written, synced, renamed, and the directory synced: after a power cut the file is there whole or not at all. */
  async function putWhole(
    path: string,
    partialPath: string,
    bytes: AsyncIterable<Uint8Array>,
    limits: PutLimits,
  ): Promise<Result<StoredFile, StoreRefusal>> {
    await fitting(mkdir(directory, { recursive: true, mode: 0o700 }));
    if (!(await hasRoomFor(directory, limits))) return err({ code: 'NO_SPACE' });
    await using partial = await createPartialFile(partialPath);
    const written = await write(partial.handle, bytes, limits);
    if (!written.ok) return written;
    await fitting(partial.handle.sync());
    await fitting(rename(partialPath, path));
    try {
      await fitting(syncDirectory());
    } catch (error) {
      // It may be gone after a power cut; who is told that it was not stored must not find it either.
      await rm(path, { force: true });
      throw error;
    }
    return written;
  }

  /** Gone when disposed of, unless it was renamed by then. */
  async function createPartialFile(path: string): Promise<{ readonly handle: FileHandle } & AsyncDisposable> {
    const handle = await fitting(open(path, 'wx', 0o600));
    return {
      handle,
      async [Symbol.asyncDispose]() {
        try {
          await handle.close();
        } finally {
          await rm(path, { force: true });
        }
      },
    };
  }

  /** A rename survives a power cut only when the directory itself was written. */
  async function syncDirectory(): Promise<void> {
    const handle = await open(directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  return {
    async put(id, bytes, limits) {
      const path = pathOf(id);
      const refusal = refusedBeforehand(limits);
      if (refusal !== undefined) return err(refusal);
      try {
        return await putWhole(path, join(directory, partialName(id, thisProcess)), bytes, limits);
      } catch (error) {
        if (error instanceof NoSpace) return err({ code: 'NO_SPACE' });
        throw error;
      }
    },

    async *read(id, range) {
      const { start, endExclusive } = range ?? { start: 0, endExclusive: Number.POSITIVE_INFINITY };
      if (start === endExclusive) return;
      yield* createReadStream(pathOf(id), {
        start,
        end: endExclusive - 1,
        highWaterMark: READ_CHUNK_BYTES,
      });
    },

    async open(id) {
      const handle = await orIfMissing(open(pathOf(id), 'r'), undefined);
      if (handle === undefined) return undefined;
      const { size } = await handle.stat();
      return {
        sizeBytes: size,
        readAt: (start, endExclusive) => readExactly(handle, start, endExclusive),
        [Symbol.asyncDispose]: () => handle.close(),
      };
    },

    async digest(id) {
      const handle = await orIfMissing(open(pathOf(id), 'r'), undefined);
      if (handle === undefined) return undefined;
      const hash = createHash('sha256');
      // The stream closes the file.
      for await (const chunk of handle.createReadStream({ highWaterMark: READ_CHUNK_BYTES })) hash.update(chunk);
      return hash.digest('hex');
    },

    async size(id) {
      return (await orIfMissing(stat(pathOf(id)), undefined))?.size;
    },

    async *storedBefore(time) {
      const folder = await orIfMissing(opendir(directory), undefined);
      if (folder === undefined) return;
      for await (const { name } of folder) {
        if (!isOurs(name)) continue;
        const info = await orIfMissing(stat(join(directory, name)), undefined);
        if (info?.isFile() && info.mtime < time) yield name;
      }
    },

    async delete(id) {
      await rm(pathOf(id), { force: true });
    },

    async sweep() {
      const names = await orIfMissing(readdir(directory), []);
      const leftovers: string[] = [];
      for (const name of names) {
        const path = join(directory, name);
        const owned = ownerOf(name);
        if (owned !== undefined && (await isLeftover(path, owned))) leftovers.push(path);
      }
      await Promise.all(leftovers.map((path) => rm(path, { force: true })));
      return leftovers.length;
    },
  };
}

/** The source may throw whatever it likes: only what the file system says is taken for its word. */
class NoSpace extends Error {
  override readonly name = 'NoSpace';
}

/** The disk, or this user's share of it, may be full at any step. */
async function fitting<T>(step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    if (hasCode(error, 'ENOSPC') || hasCode(error, 'EDQUOT')) throw new NoSpace('no space left', { cause: error });
    throw error;
  }
}

async function hasRoomFor(directory: string, { expectedSize }: PutLimits): Promise<boolean> {
  if (expectedSize === undefined) return true;
  const { bavail, bsize } = await statfs(directory);
  return expectedSize <= bavail * bsize;
}

async function write(
  file: FileHandle,
  bytes: AsyncIterable<Uint8Array>,
  limits: PutLimits,
): Promise<Result<StoredFile, StoreRefusal>> {
  const video = intake(limits);
  for await (const chunk of bytes) {
    const refusal = video.count(chunk);
    if (refusal !== undefined) return err(refusal);
    const written = fitting(file.writeFile(chunk));
    video.hash(chunk); // while the disk is busy
    await written;
  }
  return video.end();
}

async function readExactly(file: FileHandle, start: number, endExclusive: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(endExclusive - start);
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled);
    if (bytesRead === 0) throw new RangeError(`Bytes ${start} to ${endExclusive} are not all within the video`);
    filled += bytesRead;
  }
  return bytes;
}

/** A process. `instance` tells it from an earlier one with the same number, such as pid 1 of a restarted container. */
type Owner = { readonly host: string; readonly pid: number; readonly instance: string };

const thisProcess: Owner = { host: hostname().replace(/[^\w-]/g, '_'), pid: process.pid, instance: randomUUID() };

const partialName = (id: VideoId, { host, pid, instance }: Owner): string =>
  [id, randomUUID(), host, pid, instance].join('.') + PARTIAL;

function ownerOf(name: string): Owner | undefined {
  if (!name.endsWith(PARTIAL)) return undefined;
  const [, , host, pid, instance] = name.split('.');
  return host !== undefined && pid !== undefined && instance !== undefined
    ? { host, pid: Number(pid), instance }
    : undefined;
}

async function isLeftover(path: string, owner: Owner): Promise<boolean> {
  if (owner.host !== thisProcess.host) {
    const info = await orIfMissing(stat(path), undefined);
    return info !== undefined && Date.now() - info.mtimeMs > FOREIGN_LEFTOVER_MS;
  }
  if (owner.pid === thisProcess.pid) return owner.instance !== thisProcess.instance;
  return !isAlive(owner.pid);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return false;
    if (hasCode(error, 'EPERM')) return true; // there, but another user's
    throw error;
  }
}

async function orIfMissing<T, U>(result: Promise<T>, missing: U): Promise<T | U> {
  try {
    return await result;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return missing;
    throw error;
  }
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && (error as NodeJS.ErrnoException).code === code;
