import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { checks } from '../../../src/checks.ts';

const text = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
const rows = text.split('\n').filter((line) => /^\| `[a-z-]+` \|/.test(line) && line.split('|').length === 6);

it('OPS doctor: docs/operations.md has a row for each check, in the order in which it is told', () => {
  expect(rows.map((row) => row.split('`')[1])).toEqual(checks({}).map(({ name }) => name));
});

it('OPS doctor: docs/operations.md says how long a check is waited for', () => {
  const [, seconds] = /waits at most (\d+) seconds for any of them/.exec(text) ?? [];
  expect(checks({}).map(({ withinSeconds }) => withinSeconds)).toEqual(rows.map(() => Number(seconds)));
});
