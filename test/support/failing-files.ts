import type { FileHandle } from 'node:fs/promises';
import * as nodeFiles from 'node:fs/promises';
import { DISK, type Files } from '../../src/adapters/video-store/file-video-store.ts';

/** What happens to a file on its way into the store, in this order; `close` and what comes after it is of no consequence. */
export const STEPS = ['mkdir', 'open', 'write', 'sync', 'rename', 'open directory', 'sync directory'] as const;
export type Step = (typeof STEPS)[number];

/** The file system, with `before` called ahead of each step; what it throws the step fails with. `bytes` were written so far. */
export function filesThat(before: (step: Step, bytes: number) => void | Promise<void>): Files {
  let bytes = 0;
  return {
    ...DISK,
    mkdir: (async (...given: Parameters<typeof nodeFiles.mkdir>) => {
      await before('mkdir', bytes);
      return nodeFiles.mkdir(...given);
    }) as typeof nodeFiles.mkdir,
    async rename(...given) {
      await before('rename', bytes);
      return nodeFiles.rename(...given);
    },
    async open(...given) {
      const ofFile = given[1] === 'wx';
      const ofDirectory = given[1] === 'r';
      if (ofFile) await before('open', bytes);
      if (ofDirectory) await before('open directory', bytes);
      return watched(await nodeFiles.open(...given), ofFile ? 'sync' : 'sync directory');
    },
  };

  function watched(handle: FileHandle, sync: Step): FileHandle {
    return new Proxy(handle, {
      get(target, name) {
        if (name === 'sync') {
          return async () => {
            await before(sync, bytes);
            return target.sync();
          };
        }
        if (name === 'writeFile') {
          return async (chunk: Uint8Array) => {
            await before('write', bytes + chunk.length);
            bytes += chunk.length;
            return target.writeFile(chunk);
          };
        }
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }
}
