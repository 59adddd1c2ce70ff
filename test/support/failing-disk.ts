import files, { existsSync, promises, readFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * To be preloaded into a process: what it does with files below `DISK_FOLDER` meets what the file `DISK_FAULT` says. A code such as `EIO`
 * fails, `SLOW` waits until it says something else, and nothing there, or no such file, is a disk that is well. `ENOSPC` and `EROFS` concern what
 * writes, as on a real one.
 */
const folder = process.env['DISK_FOLDER'] ?? '';
const fault = process.env['DISK_FAULT'] ?? '';
if (folder === '' || fault === '') throw new Error('DISK_FOLDER and DISK_FAULT: whose files, and what happens to them');

const LOOK_MILLISECONDS = 10;
const OF_WRITING = new Set(['ENOSPC', 'EROFS']);

const said = (): string => (existsSync(fault) ? readFileSync(fault, 'utf8').trim() : '');

async function meet(path: unknown, writes: boolean): Promise<void> {
  if (!String(path).startsWith(folder)) return;
  while (said() === 'SLOW') await pause(LOOK_MILLISECONDS);
  const code = said();
  if (code === '' || (OF_WRITING.has(code) && !writes)) return;
  throw Object.assign(new Error(`${code}: as ordered, '${String(path)}'`), { code });
}

const { open, mkdir, rename, rm, stat, statfs, readdir, opendir } = promises;
const WRITING = /[wa+]/;

function watched(handle: FileHandle, path: unknown, writes: boolean): FileHandle {
  return new Proxy(handle, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      const call = value.bind(target);
      if (!['writeFile', 'read', 'sync', 'stat'].includes(String(name))) return call;
      return async (...given: unknown[]) => {
        await meet(path, writes && name !== 'stat');
        return call(...given);
      };
    },
  });
}

type Call = (...given: never[]) => Promise<unknown>;
const first =
  (call: Call, writes: () => boolean) =>
  async (...given: never[]): Promise<unknown> => {
    await meet(given[0], writes());
    return call(...given);
  };
const never = (): boolean => false;

Object.assign(promises, {
  async open(path: string, flags: string, mode?: number) {
    const writes = WRITING.test(flags);
    await meet(path, writes);
    return watched(await open(path, flags, mode), path, writes);
  },
  rename: first(rename, () => true),
  // A full disk lets go of files; one that only reads does not.
  rm: first(rm, () => said() === 'EROFS'),
  ...Object.fromEntries(
    Object.entries({ mkdir, stat, statfs, readdir, opendir }).map(([name, call]) => [name, first(call as Call, never)]),
  ),
});

/** Those that take a path and call back. A file that is open already is read as ever. */
type WithCallback = (path: unknown, ...rest: unknown[]) => void;
function meetingFirst(call: WithCallback, writes: (flags: unknown) => boolean): WithCallback {
  return (path, ...rest) => {
    const done = rest.at(-1) as (error: unknown) => void;
    meet(path, writes(rest[0])).then(() => call(path, ...rest), done);
  };
}
const { open: openFile, appendFile, readFile } = files as unknown as Record<string, WithCallback>;
Object.assign(files, {
  open: meetingFirst(openFile as WithCallback, (flags) => WRITING.test(String(flags))),
  appendFile: meetingFirst(appendFile as WithCallback, () => true),
  readFile: meetingFirst(readFile as WithCallback, never),
});
syncBuiltinESMExports();
