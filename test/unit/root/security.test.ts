import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const text = readFileSync(join(root, 'SECURITY.md'), 'utf8');
const rows = text.split('\n').filter((line) => /^\| .*`[A-Z]{3}-\d\d` /.test(line) || /`[A-Z]{3}-\d\d` \|$/.test(line));

const tests = ['test', 'sandbox'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts') && !name.endsWith('security.test.ts'))
    .map((name) => readFileSync(join(root, folder, name), 'utf8')),
);

describe('SECURITY.md', () => {
  it('has a row for each of the ten', () => {
    const named = rows.map((row) => /^\| API(\d+) /.exec(row)?.[1]).filter((number) => number !== undefined);
    expect(named).toEqual(Array.from({ length: 10 }, (_, index) => String(index + 1)));
  });

  const ids = [...new Set(rows.join().match(/(?<=`)[A-Z]{3}-\d\d(?=`)/g))].sort();

  it.each(ids)('names the case %s, which is a test', (id) => {
    const inName = new RegExp(`(it|describe|test)[^\\n]*\\(\\s*(\`|'|"|\\n\\s*['\`"])[^'\`"\\n]*${id}|['\`"]${id} `);
    expect(tests.some((source) => inName.test(source))).toBe(true);
  });

  it('names files that are there', () => {
    const files = [...text.matchAll(/\]\((?!https?:)([^)]+)\)|`((?:src|test|docs)\/[^`]+)`/g)].map(
      ([, linked, named]) => linked ?? named ?? '',
    );
    expect(files.length).toBeGreaterThan(2);
    for (const file of files) expect(readFileSync(join(root, file), 'utf8'), file).not.toBe('');
  });
});
