import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import * as nodeFiles from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { ByteRange, PutLimits, StoreRefusal, SweptVideoStore } from '../../application/ports/video-store.ts';
import type { VideoId } from '../../domain/ids.ts';
import { err, type Result } from '../../domain/result.ts';
import type { StoredFile } from '../../domain/video/video.ts';
import { answered, DISK_STEP_MILLISECONDS } from './disk.ts';
import { intake, isOurs, nameOf, refusedBeforehand } from './intake.ts';
import { openToRead, type ReadOnlyFile } from './read-only-file.ts';
import { videoReading, WHOLE } from './video-reading.ts';

const READ_CHUNK_BYTES = 256 * 1024;
/** For more at once the system looks for memory that lies together, which takes it longer than the copying. */
const WRITE_CHUNK_BYTES = 128 * 1024;
/** A half-written file of another machine, whose processes we can't see, is taken for dead when untouched this long. */
const FOREIGN_LEFTOVER_MS = 24 * 60 * 60 * 1000;
const PARTIAL = '.partial';

/** The file system. For fault tests to fail or to end at. */
export type Files = Pick<
  typeof nodeFiles,
  'mkdir' | 'open' | 'rename' | 'opendir' | 'readdir' | 'rm' | 'stat' | 'statfs'
> & { readonly openToRead: typeof openToRead };

/**
 * How long the disk is waited for, in milliseconds: for one step, and for all that was written of a video to be on it. Less than TikTok is
 * waited for, or it would be taken for TikTok's silence.
 */
export type DiskLimits = { readonly step: number; readonly sync: number };

const LIMITS: DiskLimits = { step: DISK_STEP_MILLISECONDS, sync: 300_000 };

export const DISK: Files = { ...nodeFiles, openToRead };

/** The reader keeps it. */
const newPiece = (bytesLeft = READ_CHUNK_BYTES): Buffer =>
  Buffer.allocUnsafeSlow(Math.min(READ_CHUNK_BYTES, bytesLeft));

/** What is hashed at once is read into pieces that files share: new ones would keep the garbage collector busy. */
const pieces: Buffer[] = [];

/** One file per video, named by its id, in `directory`, which is made when needed and must be on one file system. */
export function fileVideoStore(directory: string, files: Files = DISK, limits: DiskLimits = LIMITS): SweptVideoStore {
  const { mkdir, open, openToRead, rename, opendir, readdir, rm, stat, statfs } = files;
  const pathOf = (id: VideoId): string => join(directory, nameOf(id));
  const inTime = <T>(step: Promise<T>, milliseconds = limits.step): Promise<T> => answered(step, milliseconds);
  const fitting = <T>(step: Promise<T>, milliseconds = limits.step): Promise<T> => orFull(inTime(step, milliseconds));

  /** One that opens after it was given up is closed again. */
  function opened<F extends { close(): Promise<void> }>(opening: Promise<F>): Promise<F> {
    return inTime(opening).catch((error: unknown) => {
      opening.then((handle) => handle.close()).catch(() => undefined); // it never opened, or the disk knows best
      throw error;
    });
  }

  /** Each piece is read when it is asked for, and all but the last fill what `pieceFor` gives. */
  async function* bytesOf(
    file: ReadOnlyFile,
    { start, endExclusive }: ByteRange,
    pieceFor: (bytesLeft: number) => Buffer,
  ): AsyncGenerator<Uint8Array> {
    try {
      for (let position = start; position < endExclusive; ) {
        const piece = pieceFor(endExclusive - position);
        const filled = await fill(file, piece, position);
        if (filled > 0) yield piece.subarray(0, filled);
        if (filled < piece.length) return;
        position += filled;
      }
    } finally {
      // Closing waits for a read that hangs: who gave that up does not wait for it again, and nothing read is lost with it.
      file.close().catch(() => undefined);
    }
  }

  /** Gives how much of `piece` there is: less than all of it at the end of the file. */
  async function fill(file: ReadOnlyFile, piece: Buffer, position: number): Promise<number> {
    let filled = 0;
    while (filled < piece.length) {
      const bytesRead = await inTime(file.read(piece.subarray(filled), position + filled));
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  }

  async function* read(id: VideoId, { start, endExclusive }: ByteRange = WHOLE): AsyncGenerator<Uint8Array> {
    if (start === endExclusive) return;
    yield* bytesOf(await opened(openToRead(pathOf(id))), { start, endExclusive }, newPiece);
  }

  /** What passes through must not keep the garbage collector busy: each piece takes the place of the one before the last. */
  async function* passing(id: VideoId, { start, endExclusive }: ByteRange): AsyncGenerator<Uint8Array> {
    if (start === endExclusive) return;
    const two: Buffer[] = [];
    let turn = 0;
    yield* bytesOf(await opened(openToRead(pathOf(id))), { start, endExclusive }, (bytesLeft) => {
      turn = 1 - turn;
      const piece = two[turn] ?? newPiece(bytesLeft);
      two[turn] = piece;
      return piece.subarray(0, bytesLeft);
    });
  }

  /** Up to the end, each piece in the place of the one before. */
  async function* bytesInPassing(file: ReadOnlyFile, start: number): AsyncGenerator<Uint8Array> {
    const piece = pieces.pop() ?? newPiece();
    yield* bytesOf(file, { ...WHOLE, start }, () => piece);
    pieces.push(piece);
  }

  /** Written, synced, renamed, and the directory synced: after a power cut the file is there whole or not at all. */
  async function putWhole(
    path: string,
    partialPath: string,
    bytes: AsyncIterable<Uint8Array>,
    putLimits: PutLimits,
  ): Promise<Result<StoredFile, StoreRefusal>> {
    await fitting(mkdir(directory, { recursive: true, mode: 0o700 }));
    if (!(await hasRoomFor(putLimits))) return err({ code: 'NO_SPACE' });
    await using partial = await createPartialFile(partialPath);
    const written = await write(partial.handle, bytes, putLimits);
    if (!written.ok) return written;
    await fitting(partial.handle.sync(), limits.sync);
    await fitting(rename(partialPath, path));
    try {
      await orFull(syncDirectory());
    } catch (error) {
      // It may be gone after a power cut; who is told that it was not stored must not find it either.
      await inTime(rm(path, { force: true }));
      throw error;
    }
    return written;
  }

  /** Gone when disposed of, unless it was renamed by then. */
  async function createPartialFile(path: string): Promise<{ readonly handle: FileHandle } & AsyncDisposable> {
    const handle = await orFull(opened(open(path, 'wx', 0o600)));
    underWay.add(path);
    return {
      handle,
      async [Symbol.asyncDispose]() {
        underWay.delete(path);
        // What is thrown or refused already is what the caller has to know; `sweep` finds what stays.
        await inTime(handle.close()).catch(() => undefined);
        await inTime(rm(path, { force: true })).catch(() => undefined);
      },
    };
  }

  /** A rename survives a power cut only when the directory itself was written. */
  async function syncDirectory(): Promise<void> {
    const handle = await opened(open(directory, 'r'));
    try {
      await inTime(handle.sync());
    } finally {
      await inTime(handle.close());
    }
  }

  async function hasRoomFor({ expectedSize }: PutLimits): Promise<boolean> {
    if (expectedSize === undefined) return true;
    const { bavail, bsize } = await inTime(statfs(directory));
    return expectedSize <= bavail * bsize;
  }

  async function write(
    file: FileHandle,
    bytes: AsyncIterable<Uint8Array>,
    putLimits: PutLimits,
  ): Promise<Result<StoredFile, StoreRefusal>> {
    const video = intake(putLimits);
    for await (const chunk of bytes) {
      const refusal = video.count(chunk);
      if (refusal !== undefined) return err(refusal);
      for (let start = 0; start < chunk.length; start += WRITE_CHUNK_BYTES) {
        const piece = chunk.subarray(start, start + WRITE_CHUNK_BYTES);
        const written = fitting(file.writeFile(piece));
        video.hash(piece); // while the disk is busy
        await written;
      }
    }
    return video.end();
  }

  return {
    async put(id, bytes, putLimits) {
      const path = pathOf(id);
      const refusal = refusedBeforehand(putLimits);
      if (refusal !== undefined) return err(refusal);
      try {
        return await putWhole(path, join(directory, partialName(id, thisProcess)), bytes, putLimits);
      } catch (error) {
        if (error instanceof NoSpace) return err({ code: 'NO_SPACE' });
        throw error;
      }
    },

    read,

    async open(id) {
      const handle = await orIfMissing(opened(open(pathOf(id), 'r')), undefined);
      if (handle === undefined) return undefined;
      const { size } = await inTime(handle.stat());
      return {
        sizeBytes: size,
        readAt: (start, endExclusive) => inTime(readExactly(handle, start, endExclusive)),
        [Symbol.asyncDispose]: () => inTime(handle.close()),
      };
    },

    reading: (id) =>
      videoReading({
        read: (range) => passing(id, range),
        async rest(start) {
          const file = await orIfMissing(opened(openToRead(pathOf(id))), undefined);
          return file === undefined ? undefined : bytesInPassing(file, start);
        },
      }),

    async size(id) {
      return (await orIfMissing(inTime(stat(pathOf(id))), undefined))?.size;
    },

    async *storedBefore(time) {
      const folder = await orIfMissing(inTime(opendir(directory)), undefined);
      if (folder === undefined) return;
      for await (const { name } of folder) {
        if (!isOurs(name)) continue;
        const info = await orIfMissing(inTime(stat(join(directory, name))), undefined);
        if (info?.isFile() && info.mtime < time) yield name;
      }
    },

    async delete(id) {
      await inTime(rm(pathOf(id), { force: true }));
    },

    async sweep() {
      const names = await orIfMissing(inTime(readdir(directory)), []);
      const leftovers: string[] = [];
      for (const name of names) {
        const path = join(directory, name);
        const owned = ownerOf(name);
        if (owned !== undefined && (await isLeftover(path, owned, (each) => inTime(stat(each))))) leftovers.push(path);
      }
      await Promise.all(leftovers.map((path) => inTime(rm(path, { force: true }))));
      return leftovers.length;
    },
  };
}

/** The source may throw whatever it likes: only what the file system says is taken for its word. */
class NoSpace extends Error {
  override readonly name = 'NoSpace';
}

/** The disk, or this user's share of it, may be full at any step. */
async function orFull<T>(step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    if (hasCode(error, 'ENOSPC') || hasCode(error, 'EDQUOT')) throw new NoSpace('no space left', { cause: error });
    throw error;
  }
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

/** What this process writes right now: anything else of its own it could not remove. */
const underWay = new Set<string>();

const partialName = (id: VideoId, { host, pid, instance }: Owner): string =>
  [id, randomUUID(), host, pid, instance].join('.') + PARTIAL;

function ownerOf(name: string): Owner | undefined {
  if (!name.endsWith(PARTIAL)) return undefined;
  const [, , host, pid, instance] = name.split('.');
  return host !== undefined && pid !== undefined && instance !== undefined
    ? { host, pid: Number(pid), instance }
    : undefined;
}

async function isLeftover(
  path: string,
  owner: Owner,
  stat: (path: string) => Promise<Pick<Stats, 'mtimeMs'>>,
): Promise<boolean> {
  if (owner.host !== thisProcess.host) {
    const info = await orIfMissing(stat(path), undefined);
    return info !== undefined && Date.now() - info.mtimeMs > FOREIGN_LEFTOVER_MS;
  }
  if (owner.pid === thisProcess.pid) return owner.instance !== thisProcess.instance || !underWay.has(path);
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
