import { readdir, readFile, writeFile } from 'node:fs/promises';

export type Usage = {
  readonly cpuSeconds: number;
  /** Memory in use at this moment, … */
  readonly residentBytes: number;
  /** … and the most since the start, or since `forgetPeak`. */
  readonly peakBytes: number;
};

/** Linux tells CPU time in hundredths of a second to every program, whatever the kernel counts in. */
const TICKS_PER_SECOND = 100;

/** What a process took so far. Undefined where the system does not tell, or when it has ended. */
export async function usageOf(pid: number | undefined): Promise<Usage | undefined> {
  try {
    const [{ own }, status] = await Promise.all([timesOf(String(pid)), readFile(`/proc/${pid}/status`, 'utf8')]);
    const [, peak] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
    const [, resident] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
    if (peak === undefined || resident === undefined) return undefined;
    return { cpuSeconds: own, residentBytes: Number(resident) * 1024, peakBytes: Number(peak) * 1024 };
  } catch {
    return undefined;
  }
}

/** What a process has in memory now counts as its peak from now on. Does nothing where the system can't do so. */
export async function forgetPeak(pid: number | undefined): Promise<void> {
  // proc(5): 5 resets the peak resident set size.
  await writeFile(`/proc/${pid}/clear_refs`, '5').catch(() => undefined);
}

/** The CPU time of a process and of its children, of those that have ended as well. Undefined where the system does not tell. */
export async function familyCpuSeconds(pid: number): Promise<number | undefined> {
  try {
    const { own, ended } = await timesOf(String(pid));
    const everyone = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    // Who ends while we look is counted with the next look.
    const times = await Promise.all(everyone.map((other) => timesOf(other).catch(() => undefined)));
    const children = times.filter((other) => other?.parent === pid);
    return children.reduce((sum, child) => sum + (child?.own ?? 0), own + ended);
  } catch {
    return undefined;
  }
}

async function timesOf(
  pid: string,
): Promise<{ readonly parent: number; readonly own: number; readonly ended: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The program's name comes before and may hold anything but a closing bracket at the end.
  const [, parent, , , , , , , , , , user, system, endedUser, endedSystem] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  if (parent === undefined || endedSystem === undefined) throw new Error(`/proc tells nothing of ${pid}`);
  return {
    parent,
    own: ((user ?? 0) + (system ?? 0)) / TICKS_PER_SECOND,
    ended: ((endedUser ?? 0) + endedSystem) / TICKS_PER_SECOND,
  };
}
