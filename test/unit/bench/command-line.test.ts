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
      posts: { fallback: 10, least: 1, most: 100, meaning: 'posts' },
      accounts: { fallback: ({ posts = 0 }) => posts / 2, least: 1, most: 100, meaning: 'accounts' },
    },
    ({ posts = 0, accounts = 0 }) => (accounts > posts ? 'too many accounts' : undefined),
  ),
  upload: bench({ megabytes: { fallback: 1, least: 1, most: 4_000, meaning: 'size' } }),
};

const read = (line: string) => readCommand(line.split(' ').filter(Boolean), benches);

describe('readCommand', () => {
  it('gives what was said, and the rest as it is unless said', () => {
    expect(read('burst')).toEqual({ names: ['burst'], options: { repeat: 1, posts: 10, accounts: 5 }, save: false });
    expect(read('burst --posts 40 --save')).toEqual({
      names: ['burst'],
      options: { repeat: 1, posts: 40, accounts: 20 },
      save: true,
    });
    expect(read('--repeat=3 burst --accounts 2 upload').options).toEqual({
      repeat: 3,
      posts: 10,
      accounts: 2,
      megabytes: 1,
    });
  });

  it('takes no value for a name, and no name for a value', () => {
    expect(read('--posts 7 burst').names).toEqual(['burst']);
    expect(read('--save burst upload').names).toEqual(['burst', 'upload']);
  });

  it.each([
    ['', 'Name a bench: burst, upload.'],
    ['sing', 'There is no bench "sing". Choose of: burst, upload.'],
    ['burst --posts', 'The flags are --repeat n, --posts n, --accounts n, --save.'],
    ['burst --post 3', "Unknown option '--post'"],
    ['burst --megabytes 3', "Unknown option '--megabytes'"],
    ['burst --posts abc', '--posts abc: give a whole number from 1 to 100.'],
    ['burst --posts 1.5', '--posts 1.5: give'],
    ['burst --posts 0', '--posts 0: give'],
    ['burst --posts 101', '--posts 101: give'],
    ['burst --repeat 0', '--repeat 0: give'],
    ['burst --posts 3 --accounts 4', 'too many accounts'],
  ])('refuses "%s" and says why', (line, message) => {
    expect(() => read(line)).toThrow(BadCommand);
    expect(() => read(line)).toThrow(message);
  });
});

it('the usage names every bench and flag', () => {
  for (const word of ['burst', 'upload', '--posts', '--accounts', '--megabytes', '--repeat', '--save'])
    expect(usage(benches)).toContain(word);
});
