import { readFile } from 'node:fs/promises';
import type { CollectedSpan } from '../../scripts/traces/collector.ts';

/** The rows of docs/traces.md under this heading, cell by cell. */
async function rowsUnder(heading: string): Promise<readonly (readonly string[])[]> {
  const text = await readFile(new URL('../../docs/traces.md', import.meta.url), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`docs/traces.md has no heading ${heading}`);
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((row) =>
      row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

const quoted = (cell = ''): readonly string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text ?? '');

/** The name of a span as the page has it: those of calls are patterns there. */
export function kindOf({ name, kind }: Pick<CollectedSpan, 'name' | 'kind'>): string {
  if (kind === 'CLIENT') return '{method} {endpoint}';
  return kind === 'SERVER' && /^[\w.]+\/\w+$/.test(name) ? '{package}.{Service}/{Method}' : name;
}

export const documentedSpans = async (): Promise<readonly { readonly name: string }[]> =>
  (await rowsUnder('Spans')).map(([name]) => ({ name: quoted(name)[0] ?? '' }));

/** Where each attribute may be. `all` stands for every span. */
export async function documentedAttributes(): Promise<ReadonlyMap<string, readonly string[]>> {
  const everywhere = (await documentedSpans()).map(({ name }) => name);
  return new Map(
    (await rowsUnder('Attributes')).map(([name, where = '']) => [
      quoted(name)[0] ?? '',
      where === 'all' ? everywhere : quoted(where),
    ]),
  );
}
