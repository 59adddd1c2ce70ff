import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { accountChecks, appChecks, businessChecks, settingChecks } from '../../../sandbox/settings.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const read = (file: string) => readFileSync(join(root, file), 'utf8');

const NOTHING = 'no code of ours depends on it';
const ofService = new Set(read('src/config.ts').match(/(?<=')[A-Z][A-Z0-9_]+(?=')/g));
const ofSandbox = new Set([appChecks, businessChecks, accountChecks, settingChecks].flatMap(Object.keys));

const tables = read('docs/assumptions.md')
  .split(/^## /m)
  .slice(1)
  .map((section) =>
    section
      .split('\n')
      .filter((line) => /^\| §?\d/.test(line))
      .map((line) => line.split('|').slice(1, -1))
      .map(([number = '', question = '', , where = '', settings = '', tests = '', ...more]) => ({
        number: number.trim(),
        question: question.trim(),
        where: named(where),
        settings: spans(settings),
        tests: named(tests),
        nothing: tests.trim() === NOTHING,
        more,
      })),
  );

function spans(cell: string): readonly string[] {
  return Array.from(cell.matchAll(/`([^`]+)`/g), ([, text = '']) => text);
}

/** As the title of a test or a group of tests. */
const isTitle = (name: string, text: string) => new RegExp(`\\(\\s*(['"\`])${escaped(name)}\\1,`).test(text);
/** As that, or as the name of a row of such a test's table. */
const isNamed = (name: string, text: string) => new RegExp(`(['"\`])${escaped(name)}\\1,`).test(text);

/** Files, each with the names behind it. */
function named(cell: string): readonly { readonly file: string; readonly names: string[] }[] {
  const files: { file: string; names: string[] }[] = [];
  for (const text of spans(cell)) {
    if (text.endsWith('.ts')) files.push({ file: text, names: [] });
    else (files.at(-1) ?? expect.fail(`${text} stands before its file`)).names.push(text);
  }
  return files;
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

describe('docs/assumptions.md', () => {
  it.each([
    ['the Business family', 0, 15],
    ['the open family', 1, 13],
  ])('has a row for each open question of %s', (_, table, count) => {
    const numbers = tables[table]?.map(({ number }) => number).filter((number) => !number.startsWith('§'));
    expect([...new Set(numbers)].map(Number)).toEqual(Array.from({ length: count }, (__, index) => index + 1));
  });

  it.each(tables.flat().map((row) => [`${row.number} ${row.question}`, row] as const))('%s', (_, row) => {
    expect(row.more).toEqual([]);
    const isHeld = row.tests.length > 0 && row.tests.every(({ names }) => names.length > 0);
    expect(isHeld).toBe(!row.nothing);
    expect(row.where.length > 0).toBe(!row.nothing);
    for (const name of row.settings) expect(ofService.has(name) || ofSandbox.has(name), name).toBe(true);
    for (const { file, names } of row.where) {
      const text = read(file);
      for (const name of names)
        expect(new RegExp(`\\b${escaped(name)}\\b`).test(text), `${name} in ${file}`).toBe(true);
    }
    for (const { file, names } of row.tests) {
      const text = read(file);
      const [title = ''] = names;
      expect(isTitle(title, text), `"${title}" in ${file}`).toBe(true);
      for (const name of names) expect(isNamed(name, text), `"${name}" in ${file}`).toBe(true);
    }
  });
});
