import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const versionIn = (path: string): string => (JSON.parse(read(path)) as { readonly version: string }).version;

const sections = read('CHANGELOG.md')
  .split(/^## /m)
  .slice(1)
  .map((section) => {
    const [heading = '', ...rest] = section.split('\n');
    const [, version, date] = /^\[(Unreleased|\d+\.\d+\.\d+)\](?: - (\d{4}-\d\d-\d\d))?$/.exec(heading) ?? [];
    return { heading, version, date, groups: rest.join('\n').split(/^### /m).slice(1) };
  });
const released = sections.filter(({ version }) => version !== 'Unreleased');

/** Versions in the order in which they are released. */
const inOrder = (left: string, right: string): number => left.localeCompare(right, 'en', { numeric: true });

describe('CHANGELOG.md', () => {
  it('has versions with their days, the newest first, and before them at most what is not released', () => {
    expect(released.length).toBeGreaterThan(0);
    for (const { heading, version, date } of released) expect([version, date], heading).not.toContain(undefined);
    expect(sections.findLastIndex(({ version }) => version === 'Unreleased')).toBeLessThan(1);
    const versions = released.map(({ version }) => version ?? '');
    expect(versions).toEqual([...new Set(versions)].sort(inOrder).reverse());
    const days = released.map(({ date }) => date ?? '');
    expect(days).toEqual(days.toSorted().reverse());
  });

  it('says something under each heading, and knows six kinds of it', () => {
    for (const { heading, groups } of sections) {
      expect(groups.length, heading).toBeGreaterThan(0);
      for (const group of groups) {
        expect(group).toMatch(/^(Added|Changed|Deprecated|Removed|Fixed|Security)\n\n- /);
      }
    }
  });

  it('tells of the version of package.json: its newest, or one that is not released', () => {
    const newest = released[0]?.version ?? '';
    const version = versionIn('package.json');
    if (version === newest) return;
    expect(inOrder(version, newest)).toBe(1);
    expect(sections[0]?.version).toBe('Unreleased');
  });

  it('tells of the client as well: it has the version of the service, in the lockfile too', () => {
    const version = versionIn('package.json');
    const { packages } = JSON.parse(read('package-lock.json')) as {
      readonly packages: Readonly<Record<string, { readonly version?: string }>>;
    };
    expect([
      versionIn('clients/typescript/package.json'),
      packages['']?.version,
      packages['clients/typescript']?.version,
    ]).toEqual([version, version, version]);
  });

  it('has the release that is kept for OPS-03', () => {
    const kept = readdirSync(join(root, 'test/fixtures/releases')).filter((name) => name.endsWith('.json'));
    expect(kept).toHaveLength(1);
    expect(released.map(({ version }) => `${version}.json`)).toContain(kept[0]);
  });
});
