import { readdir, readFile, readlink } from 'node:fs/promises';

const LISTENING = '0A';

/** Every TCP port on which this process listens, as the system sees it. Linux only: reads /proc. */
export async function listeningPorts(pid: number): Promise<readonly number[]> {
  const handles = await readdir(`/proc/${pid}/fd`);
  const targets = await Promise.all(
    // One that was closed meanwhile listens no more.
    handles.map((handle) => readlink(`/proc/${pid}/fd/${handle}`).catch(() => '')),
  );
  const sockets = new Set(targets.map((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1]));
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8')));
  return tables
    .flatMap((table) => table.trim().split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[3] === LISTENING && sockets.has(columns[9]))
    .map((columns) => Number.parseInt(columns[1]?.split(':')[1] ?? '', 16))
    .sort((a, b) => a - b);
}
