import { availableParallelism, loadavg, platform, totalmem } from 'node:os';
import type { Spread } from './statistics.ts';

/** A table in Markdown that reads well as text, too. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

/** Three digits that count. */
export const short = (value: number): string =>
  value === 0
    ? '0'
    : Math.abs(value) >= 100
      ? Math.round(value).toLocaleString('en-US')
      : String(Number(value.toPrecision(3)));

export function shown(value: Spread | undefined, unit = ''): string {
  if (value === undefined) return 'not told';
  const suffix = unit === '' ? '' : ` ${unit}`;
  const [median, least, most] = [value.median, value.least, value.most].map(short);
  return least === most ? `${median}${suffix}` : `${median} (${least}–${most})${suffix}`;
}

/** What figures can only be compared on. Called before anything is started: the load is that of others. */
export const machine = () => ({
  cores: availableParallelism(),
  memoryGiB: Number((totalmem() / 2 ** 30).toFixed(1)),
  platform: platform(),
  node: process.version,
  loadBefore: Number((loadavg()[0] ?? 0).toFixed(2)),
});
