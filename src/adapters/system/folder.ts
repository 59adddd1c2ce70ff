import { randomUUID } from 'node:crypto';
import { access, constants, open, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export type FolderFacts =
  | { readonly state: 'THERE'; readonly mode: number; readonly freeBytes: number }
  /** Not there, and can be made: `above` is, and takes new folders. */
  | { readonly state: 'ABSENT'; readonly above: string; readonly freeBytes: number };

/**
 * What it takes to write below `path`, which is tried with a small file that is removed again. Makes no folder. Throws, with the path in
 * its words, when it can't be written to.
 */
export async function lookAtFolder(path: string): Promise<FolderFacts> {
  const found = await statIfThere(path);
  if (found === undefined) {
    const above = await nearestAbove(path);
    await access(above, constants.W_OK | constants.X_OK);
    return { state: 'ABSENT', above, freeBytes: await freeBytes(above) };
  }
  if (!found.isDirectory()) throw new Error(`${path} is a file`);
  const probe = join(path, `.doctor-${randomUUID()}`);
  const handle = await open(probe, 'wx', 0o600);
  try {
    await handle.writeFile('x');
    await handle.sync();
  } finally {
    await handle.close();
    await rm(probe, { force: true });
  }
  return { state: 'THERE', mode: found.mode, freeBytes: await freeBytes(path) };
}

async function nearestAbove(path: string): Promise<string> {
  const above = dirname(path);
  const found = await statIfThere(above);
  if (found === undefined) return nearestAbove(above);
  if (!found.isDirectory()) throw new Error(`${above} is a file`);
  return above;
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

async function statIfThere(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined;
    throw error;
  }
}
