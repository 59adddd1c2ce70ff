import { readFile, writeFile } from 'node:fs/promises';

/** The most memory the process had since this was asked for, beyond what it had then. Linux only: reads /proc. */
export async function watchMemory(pid: number): Promise<() => Promise<number>> {
  await writeFile(`/proc/${pid}/clear_refs`, '5'); // forgets the high-water mark
  const before = await kibibytes(pid, 'VmRSS');
  return async () => ((await kibibytes(pid, 'VmHWM')) - before) * 1024;
}

async function kibibytes(pid: number, name: string): Promise<number> {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(await readFile(`/proc/${pid}/status`, 'utf8'));
  if (found === null) throw new Error(`the system does not tell ${name} of process ${pid}`);
  return Number(found[1]);
}
