import { createHash } from 'node:crypto';
import type { ChartData } from '../../scripts/report/charts.ts';

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

/** What a person reads of some markup. */
export const textOf = (markup: string): string =>
  markup
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => ENTITIES[name] as string);

const all = (page: string, pattern: RegExp): string[][] =>
  [...page.matchAll(pattern)].map(([, ...groups]) => groups.map((group) => textOf(group ?? '')));

/** The tiles: what is written in each, by its name. */
export const tilesOf = (page: string): Readonly<Record<string, readonly string[]>> =>
  Object.fromEntries(
    [...page.matchAll(/<div class="tile[^"]*"><dt>(.*?)<\/dt>(.*?)<\/div>/gs)].map(([, name = '', rest = '']) => [
      textOf(name),
      all(rest, /<dd[^>]*>(.*?)<\/dd>/gs).map(([text = '']) => text),
    ]),
  );

/** The rows of a table, its heading first. `before` is markup that the table follows. */
export function tableAfter(page: string, before: string): readonly (readonly string[])[] {
  const from = page.indexOf(before);
  if (from === -1) throw new Error(`the page has no ${before}`);
  const table = page.slice(page.indexOf('<table', from), page.indexOf('</table>', from));
  return [...table.matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, row = '']) =>
    all(row, /<t[hd][^>]*>(.*?)<\/t[hd]>/gs).map(([text = '']) => text),
  );
}

export function chartsOf(page: string): readonly ChartData[] {
  const json = /<script type="application\/json" id="charts">(.*?)<\/script>/s.exec(page)?.[1];
  if (json === undefined) throw new Error('the page has no data for charts');
  return JSON.parse(json);
}

/** Everything that the page runs, and whether its own policy lets it. */
export const scriptsOf = (page: string): readonly { readonly source: string; readonly allowed: boolean }[] => {
  const policy = /Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1] ?? '';
  return [...page.matchAll(/<script>(.*?)<\/script>/gs)].map(([, source = '']) => ({
    source,
    allowed: textOf(policy).includes(`'sha256-${createHash('sha256').update(source).digest('base64')}'`),
  }));
};
