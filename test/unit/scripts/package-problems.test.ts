import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { type Lockfile, type Manifest, packageProblems } from '../../../scripts/package-problems.ts';

const file = (name: string) => readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8');
const manifest: Manifest = JSON.parse(file('package.json'));
const lockfile: Lockfile = JSON.parse(file('package-lock.json'));
const npmrc = file('.npmrc');

const withPackage = (entry: Lockfile['packages'][string]): Lockfile => ({
  packages: { ...lockfile.packages, 'node_modules/a/node_modules/@new/one': { integrity: 'sha512-x', ...entry } },
});

it('OPS-05 finds nothing wrong with the packages of this repository', () => {
  expect(packageProblems(manifest, lockfile, npmrc)).toEqual([]);
});

it.each<[string, Manifest, Lockfile, string, RegExp]>([
  [
    'a package with an install script',
    manifest,
    withPackage({ hasInstallScript: true }),
    npmrc,
    /@new\/one has an install script/,
  ],
  [
    'a permission for it that nobody decided here',
    { ...manifest, allowScripts: { ...manifest.allowScripts, '@new/one': true } },
    withPackage({ hasInstallScript: true }),
    npmrc,
    /allowScripts lets @new\/one run code/,
  ],
  [
    'another host in the lockfile',
    manifest,
    withPackage({ resolved: 'https://registry.npmjs.org.example/one.tgz' }),
    npmrc,
    /@new\/one comes from https:\/\/registry\.npmjs\.org\.example/,
  ],
  [
    'a repository instead of the registry',
    manifest,
    withPackage({ resolved: 'git+ssh://git@x/y.git' }),
    npmrc,
    /git\+ssh/,
  ],
  ['a package without a checksum', manifest, withPackage({ integrity: 'sha1-x' }), npmrc, /no sha512/],
  ['a link', manifest, withPackage({ link: true }), npmrc, /@new\/one is a link/],
  [
    'a range',
    { ...manifest, dependencies: { pino: '^10.4.0' } },
    lockfile,
    npmrc,
    /pino@\^10\.4\.0 is not one version/,
  ],
  ['a tag', { ...manifest, dependencies: { pino: 'latest' } }, lockfile, npmrc, /pino@latest is not one version/],
  ['an address', { ...manifest, dependencies: { pino: 'https://x/y.tgz' } }, lockfile, npmrc, /is not one version/],
  ['scripts that run unless denied', manifest, lockfile, 'save-exact=true', /strict-allow-scripts=true/],
  ['an empty lockfile', manifest, { packages: { '': {} } }, npmrc, /saw nothing/],
])('OPS-05 stops the build for %s', (_, given, lock, settings, problem) => {
  expect(packageProblems(given, lock, settings)).toEqual([expect.stringMatching(problem)]);
});
