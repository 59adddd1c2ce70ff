/**
 * To be preloaded into a process: on SIGUSR2 it breaks as `BREAKS_BY` says, by a promise that nobody waits for, by what a timer throws, or by
 * filling its memory.
 */
const ways: Readonly<Record<string, () => void>> = {
  rejection: () => void Promise.reject(new Error('nobody waits for this')),
  exception: () =>
    void setImmediate(() => {
      throw new Error('nobody catches this');
    }),
  memory() {
    for (const kept: unknown[] = []; ; ) kept.push(Array.from({ length: 10_000 }, () => ({})));
  },
};
const breaks = ways[process.env['BREAKS_BY'] ?? ''];
if (breaks === undefined) throw new Error(`BREAKS_BY: ${Object.keys(ways).join(', ')}`);
process.on('SIGUSR2', breaks);
