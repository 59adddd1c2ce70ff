import * as callbackFiles from 'node:fs';
import * as nodeFiles from 'node:fs/promises';
import { opendir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Marks } from '../../application/ports/marks.ts';
import { VideoStoreDown } from '../../application/ports/video-store.ts';
import { answered, DISK_STEP_MILLISECONDS } from './disk.ts';
import { isNameOfOwner, markFromText, nameOfOwner, textOfMark } from './mark-text.ts';

/** What writes. For fault tests to fail. */
export type MarkFiles = Pick<typeof nodeFiles, 'mkdir' | 'open'> & {
  /** `flush`: resolves when it is on the disk. */
  readonly appendFile: (path: string, line: string, options: { mode: number; flush: true }) => Promise<void>;
};

/** Those of `node:fs` do without a `FileHandle`, which takes as much CPU as all else. */
const readFile = promisify(callbackFiles.readFile);
export const MARK_FILES: MarkFiles = { ...nodeFiles, appendFile: promisify(callbackFiles.appendFile) };

/** One file for each owner, a line for each mark, in `directory`, which is made when needed. */
export function fileMarks(directory: string, files: MarkFiles = MARK_FILES): Marks {
  const { mkdir, open, appendFile } = files;
  const pathOf = (owner: Parameters<Marks['of']>[0]): string => join(directory, nameOfOwner(owner));
  let made: Promise<unknown> | undefined;
  /** Of the directory: who comes while one is under way waits for the next, together with all others that came. */
  let syncing: Promise<void> = Promise.resolve();
  let nextSync: Promise<void> | undefined;

  /** The folder and those above it that were missing, each synced into the one it is in. */
  async function make(): Promise<void> {
    const first = await mkdir(directory, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    for (let path = directory; ; path = join(path, '..')) {
      await sync(join(path, '..'));
      if (path === first) return;
    }
  }

  async function sync(path: string): Promise<void> {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /** A new name survives a power cut only when the directory itself was written. */
  function syncDirectory(): Promise<void> {
    nextSync ??= syncing
      .catch(() => undefined) // it is told to those who waited for it
      .then(() => {
        syncing = sync(directory);
        nextSync = undefined;
        return syncing;
      });
    return nextSync;
  }

  async function append(path: string, line: string): Promise<void> {
    made ??= make();
    await made;
    await appendFile(path, line, { mode: 0o600, flush: true });
    await syncDirectory();
  }

  return {
    async leave(owner, mark) {
      try {
        // Given up, it may still come to be: a mark is true whoever hears of it.
        await answered(append(pathOf(owner), `${textOfMark(mark)}\n`), DISK_STEP_MILLISECONDS);
      } catch (error) {
        made = undefined;
        throw new VideoStoreDown('a mark of a post can not be written', { cause: error });
      }
    },

    async of(owner) {
      const text = await textIn(pathOf(owner));
      // What a power cut left of a line was never told to be there.
      return text.split('\n').slice(0, -1).map(markFromText);
    },

    async dropBefore(time) {
      let dropped = 0;
      const folder = await orIfMissing(opendir(directory), undefined);
      if (folder === undefined) return dropped;
      for await (const { name } of folder) {
        const path = join(directory, name);
        if (!isNameOfOwner(name)) continue;
        const info = await orIfMissing(stat(path), undefined);
        if (info === undefined || info.mtime >= time) continue;
        await rm(path, { force: true });
        dropped += 1;
      }
      return dropped;
    },
  };
}

async function textIn(path: string): Promise<string> {
  try {
    return await orIfMissing(answered(readFile(path, 'utf8'), DISK_STEP_MILLISECONDS), '');
  } catch (error) {
    throw new VideoStoreDown('the marks of a post can not be read', { cause: error });
  }
}

async function orIfMissing<T, U>(result: Promise<T>, missing: U): Promise<T | U> {
  try {
    return await result;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return missing;
    throw error;
  }
}
