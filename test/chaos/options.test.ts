import { describe, expect, it } from 'vitest';
import { FlagError, familiesOf, readOptions } from './options.ts';

const read = (...args: readonly string[]) => readOptions(args, () => 42);

describe('The flags of a chaos run', () => {
  it('may all be left out', () => {
    expect(read()).toEqual({ family: 'open', kills: 50, workers: 3, seed: 42, leaseSeconds: 6 });
  });

  it('come with their value behind them or attached', () => {
    expect(read('--kills', '300', '--workers=2', '--seed', '0', '--lease', '10', '--journal=run.log')).toEqual({
      family: 'open',
      kills: 300,
      workers: 2,
      seed: 0,
      leaseSeconds: 10,
      journal: 'run.log',
    });
  });

  it.each([
    ['open', ['OPEN']],
    ['business', ['BUSINESS']],
    ['both', ['OPEN', 'BUSINESS']],
  ])('choose the families: %s', (family, families) => {
    const options = read('--family', family);
    expect(options && familiesOf(options)).toEqual(families);
  });

  it('ask for help whatever else there is', () => {
    expect(read('--kills', '0', '--help')).toBeUndefined();
  });

  it.each([
    [['--kills', '0'], '--kills: seen "0"; a whole number from 1 to 100000 is needed. Leave it out for 50.'],
    [['--kills', '-5'], '--kills: seen "-5"'],
    [['--kills', '1.5'], '--kills: seen "1.5"'],
    [['--workers', '7'], '--workers: seen "7"; a whole number from 1 to 6 is needed. Leave it out for 3.'],
    [['--workers'], '--workers: seen no value'],
    [['--workers', '--kills', '3'], '--workers: seen no value'],
    [['--seed', '4294967296'], '--seed: seen "4294967296"; a whole number from 0 to 4294967295'],
    [['--seed='], '--seed: seen ""'],
    [['--lease', '1'], '--lease: seen "1"; a whole number from 2 to 60'],
    [['--family', 'shop'], '--family: seen "shop"; choose open, business or both. Leave it out for open.'],
    [['--family'], '--family: seen no value'],
    [['--journal'], '--journal: seen no value; name a file'],
    [
      ['--kils', '3'],
      '--kils: there is no such flag; choose from --kills, --workers, --seed, --lease, --family, --journal, --help.',
    ],
    [['50'], '50: there is no such flag'],
    [['--kills', '3', '--kills', '4'], '--kills: is there twice'],
  ])('%j is refused with flag, value, limit and remedy', (args, problem) => {
    expect(() => read(...args)).toThrow(FlagError);
    expect(() => read(...args)).toThrow(problem);
  });

  it('are all told of at once, each once', () => {
    expect(() => read('--kills', '0', '--workrs', '3', '--seed', 'x')).toThrow(
      /^[^\n]*\n {2}--kills: [^\n]*\n {2}--workrs: [^\n]*\n {2}--seed: [^\n]*$/,
    );
  });
});
