import * as files from 'node:fs';
import { promisify } from 'node:util';

const open = promisify(files.open);
const read = promisify(files.read);
const close = promisify(files.close);

/** A file that is read one piece after the other. */
export type ReadOnlyFile = {
  /** Fills as much of `into` as there is from byte `position` on, and gives how much: at the end nothing. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Once. Waits for a read that is under way, whose file another one would be after it. */
  close(): Promise<void>;
};

/** As a `FileHandle` of Node's, which takes two or three times the CPU of a small file. */
export async function openToRead(path: string): Promise<ReadOnlyFile> {
  const descriptor = await open(path, 'r');
  let last: Promise<unknown> = Promise.resolve();
  return {
    async read(into, position) {
      const reading = read(descriptor, into, 0, into.length, position);
      last = reading.catch(() => undefined); // who reads hears of it
      return (await reading).bytesRead;
    },
    async close() {
      await last;
      await close(descriptor);
    },
  };
}
