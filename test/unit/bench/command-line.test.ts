import { describe, expect, it } from 'vitest';
import type { Bench } from '../../../bench/support/bench.ts';
import { BadCommand, readCommand, usage } from '../../../bench/support/command-line.ts';

const bench = (flags: Bench['flags'], check: Bench['check'] = () => undefined): Bench => ({
  about: 'something',
  flags,
  check,
  run: () => Promise.reject(new Error('is not to be run')),
});

const benches = {
  burst: bench(
    {
      posts: { fallback: 10, quick: 6, least: 1, most: 100, meaning: 'posts' },
      accounts: {
        fallback: ({ posts = 0 }) => posts / 2,
        quick: ({ posts = 0 }) => posts / 3,
        least: 1,
        most: 100,
        meaning: 'accounts',
      },
    },
    ({ posts = 0, accounts = 0 }) => (accounts > posts ? 'too many accounts' : undefined),
  ),
  upload: bench({
    megabytes: { fallback: 1, quick: 2, least: 1, most: 4_000, meaning: 'size' },
    posts: { fallback: 20, quick: 5, least: 1, most: 1_000, meaning: 'posts' },
  }),
};

const read = (line: string) => readCommand(line.split(' ').filter(Boolean), benches);

describe('readCommand', () => {
  it('gives what was said, and the rest as it is unless said', () => {
    expect(read('burst')).toEqual({
      runs: [{ name: 'burst', options: { repeat: 1, posts: 10, accounts: 5 } }],
      save: false,
      ratios: 'SHOW',
    });
    expect(read('burst --posts 40 --save')).toEqual({
      runs: [{ name: 'burst', options: { repeat: 1, posts: 40, accounts: 20 } }],
      save: true,
      ratios: 'SHOW',
    });
  });

  it('gives each bench its own flags, and one that several have to all of them', () => {
    expect(read('--repeat=3 burst --accounts 2 upload --posts 7').runs).toEqual([
      { name: 'burst', options: { repeat: 3, posts: 7, accounts: 2 } },
      { name: 'upload', options: { repeat: 3, megabytes: 1, posts: 7 } },
    ]);
  });

  it('takes what is said before what is quick, and what is quick before the rest', () => {
    expect(read('burst --quick').runs[0]?.options).toEqual({ repeat: 3, posts: 6, accounts: 2 });
    expect(read('--quick burst --posts 9 --repeat 1').runs[0]?.options).toEqual({ repeat: 1, posts: 9, accounts: 3 });
  });

  it('checks and records all benches unless some are named, and quickly', () => {
    expect(read('--check')).toEqual({
      runs: [
        { name: 'burst', options: { repeat: 3, posts: 6, accounts: 2 } },
        { name: 'upload', options: { repeat: 3, megabytes: 2, posts: 5 } },
      ],
      save: false,
      ratios: 'CHECK',
    });
    expect(read('upload --record')).toMatchObject({ runs: [{ name: 'upload' }], ratios: 'RECORD' });
  });

  it('takes no value for a name, and no name for a value', () => {
    expect(read('--posts 7 burst').runs.map(({ name }) => name)).toEqual(['burst']);
    expect(read('--save burst upload').runs.map(({ name }) => name)).toEqual(['burst', 'upload']);
    expect(read('--quick burst').runs.map(({ name }) => name)).toEqual(['burst']);
    expect(read('--check burst').runs.map(({ name }) => name)).toEqual(['burst']);
  });

  it.each([
    ['', 'Name a bench: burst, upload.'],
    ['sing', 'There is no bench "sing". Choose of: burst, upload.'],
    ['burst --posts', 'The flags are --repeat n, --posts n, --accounts n, --save, --quick, --check, --record.'],
    ['burst --post 3', "Unknown option '--post'"],
    ['burst --megabytes 3', "Unknown option '--megabytes'"],
    ['burst --posts abc', '--posts abc: give a whole number from 1 to 100.'],
    ['burst --posts 1.5', '--posts 1.5: give'],
    ['burst --posts 0', '--posts 0: give'],
    ['burst --posts 101', '--posts 101: give'],
    ['burst --repeat 0', '--repeat 0: give'],
    ['burst --posts 3 --accounts 4', 'too many accounts'],
    ['--quick', 'Name a bench: burst, upload.'],
    ['--check --record', 'Give --check or --record, not both.'],
    ['burst --check --save', '--save keeps the figures of a full run'],
    ['burst --save=1', 'does not take an argument'],
  ])('refuses "%s" and says why', (line, message) => {
    expect(() => read(line)).toThrow(BadCommand);
    expect(() => read(line)).toThrow(message);
  });
});

it('the usage names every bench and flag', () => {
  for (const word of [
    'burst',
    'upload',
    '--posts',
    '--accounts',
    '--megabytes',
    '--repeat',
    '--save',
    '--quick',
    '--check',
    '--record',
  ])
    expect(usage(benches)).toContain(word);
});
