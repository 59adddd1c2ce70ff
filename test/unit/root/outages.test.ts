import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const read = (file: string) => readFileSync(join(root, file), 'utf8');

const STATES = ['down', 'slow', 'reset', 'flapping'];
const text = read('docs/outages.md');

const tables = text
  .split(/^## /m)
  .slice(1)
  .map((section) => ({
    neighbour: section.split('\n')[0] ?? '',
    rows: section
      .split('\n')
      .filter((line) => /^\| (down|slow|reset|flapping) \|/.test(line))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      ),
  }))
  .filter(({ rows }) => rows.length > 0);

const AGENDA = 'ops-agenda-store.test.ts';
/** The cells of Agenda's store are one test with four faults, for each kind of store. */
const ofAgenda = [...read(`test/fault/${AGENDA}`).matchAll(/cell: '(\w+)'/g)].map(
  ([, state]) => `OPS-01 Agenda's store ${state}: callers see nothing and posts go out on time`,
);
const titles = readdirSync(join(root, 'test/fault'))
  .filter((name) => /^ops-.*\.test\.ts$/.test(name) && name !== AGENDA)
  .flatMap((name) => [...read(`test/fault/${name}`).matchAll(/'(OPS-01 [^'\n]+: [^'\n]+)'/g)].map(([, title]) => title))
  .concat(ofAgenda);

describe('docs/outages.md', () => {
  it('has a table for each neighbour', () => {
    const neighbours = tables.map(({ neighbour }) => neighbour);
    expect(neighbours).toEqual([
      'PostgreSQL',
      'TikTok',
      'video store',
      'disk',
      "Agenda's store",
      'DNS',
      'key provider',
    ]);
  });

  it.each(tables)('$neighbour has a row for each state, with every cell filled', ({ rows }) => {
    expect(rows.map(([state]) => state)).toEqual(STATES);
    for (const row of rows) {
      expect(row).toHaveLength(5);
      expect(row).not.toContain('');
    }
  });

  it('says what callers see as the tests do: each row is one, and each test is a row', () => {
    const rows = tables.flatMap(({ neighbour, rows }) =>
      rows.map(([state, callers]) => `OPS-01 ${neighbour} ${state}: ${callers}`),
    );
    expect(titles.toSorted()).toEqual(rows.toSorted());
  });

  it('names metrics, settings and lines of the log that are there', () => {
    const metrics = read('docs/metrics.md');
    const settings = read('src/config.ts');
    const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => read(`src/${name}`))
      .join('\n');
    const named = tables.flatMap(({ rows }) => rows.flat()).join(' ');
    const spans = [...named.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span);
    expect(spans.length).toBeGreaterThan(30);
    for (const span of spans) {
      if (/^[a-z]+(_[a-z]+)+$/.test(span) && span !== 'incident_id') expect(metrics, span).toContain(`\`${span}\``);
      else if (/ /.test(span)) expect(sources, span).toContain(span);
    }
    for (const [setting] of named.matchAll(/\b(?:DATABASE|TIKTOK)_[A-Z_]+\b/g))
      expect(settings).toContain(`'${setting}'`);
  });
});
