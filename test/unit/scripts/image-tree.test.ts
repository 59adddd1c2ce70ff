import { expect, it } from 'vitest';
import { ignoring, packagesLeft } from '../../../scripts/image-tree.ts';

it('OPS-06 reads .dockerignore as Docker does: the last line that fits decides, also for what is below', () => {
  const ignored = ignoring('# a remark\n*\n!src\n!clients/typescript/package.json\n**/*.test.ts\n');
  const given = ['src', 'src/a/b.ts', 'clients/typescript/package.json', '.git/config', 'README.md', 'srcs/a.ts'];
  expect(given.filter((path) => !ignored(path))).toEqual(['src', 'src/a/b.ts', 'clients/typescript/package.json']);
  expect(['src/a.test.ts', 'src/a/b.test.ts', 'src/atestts'].filter(ignored)).toEqual([
    'src/a.test.ts',
    'src/a/b.test.ts',
  ]);
});

it('OPS-06 leaves out of the packages what npm ci would', () => {
  const lockfile = {
    packages: {
      '': {},
      'clients/typescript': {},
      'node_modules/@glowtify/client': { link: true },
      'node_modules/needed': {},
      'node_modules/needed/node_modules/nested': {},
      'node_modules/dev': { dev: true },
      'node_modules/optional': { optional: true },
      'node_modules/either': { devOptional: true },
    },
  };
  const left = (...omitted: ('dev' | 'optional')[]) =>
    packagesLeft(lockfile, new Set(omitted)).map((path) => path.split('/').at(-1));
  expect(left()).toEqual(['needed', 'nested', 'dev', 'optional', 'either']);
  expect(left('dev')).toEqual(['needed', 'nested', 'optional', 'either']);
  expect(left('optional')).toEqual(['needed', 'nested', 'dev', 'either']);
  expect(left('dev', 'optional')).toEqual(['needed', 'nested']);
});
