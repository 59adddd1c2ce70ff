import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import type { Family } from '../../support/exposition.ts';
import { everythingExposed } from './everything-exposed.ts';

const OWN = 'tiktok_connector_';
/** What the format itself adds. */
const OF_THE_FORMAT = new Set(['le', 'quantile']);

/** The rows of docs/metrics.md under this heading, cell by cell. */
async function documented(heading: string): Promise<readonly (readonly string[])[]> {
  const text = await readFile(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`docs/metrics.md has no heading ${heading}`);
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const bare = (cell = ''): string => cell.replaceAll('`', '');
const labelsOf = ({ samples }: Family): string =>
  [...new Set(samples.flatMap(({ labels }) => Object.keys(labels)))]
    .filter((name) => !OF_THE_FORMAT.has(name))
    .join(' ');

it('docs/metrics.md lists every metric of this service, and no other, with its type and labels', async () => {
  const families = (await everythingExposed()).filter(({ name }) => name.startsWith(OWN));
  // Each has a sample: what nobody can report would be in the table for nothing.
  for (const { name, samples } of families) expect(samples, name).not.toEqual([]);
  const seen = families.map((family) => [family.name.slice(OWN.length), family.type, labelsOf(family) || '–']);
  const rows = await documented('This service');
  expect(rows.map((row) => row.slice(0, 3).map(bare)).sort()).toEqual(seen.sort());
  for (const [name, , , meaning, remedy] of rows) expect([meaning, remedy], name).not.toContain('');
});

it.skipIf(process.platform !== 'linux')(
  'docs/metrics.md lists every metric of the process, and no other, with its type (as Linux has them)',
  async () => {
    const families = (await everythingExposed()).filter(({ name }) => !name.startsWith(OWN));
    const rows = await documented('The process');
    expect(rows.map((row) => row.slice(0, 2).map(bare)).sort()).toEqual(
      families.map(({ name, type }) => [name, type]).sort(),
    );
  },
);
