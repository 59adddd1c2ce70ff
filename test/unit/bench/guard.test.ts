import { describe, expect, it } from 'vitest';
import { better, type Recorded, regressions, withRecord } from '../../../bench/support/guard.ts';

describe('regressions', () => {
  it('are none while no ratio falls by more than a fifth', () => {
    expect(regressions('accept', { callers1: 0.5, callers64: 1 }, { callers1: 0.4, callers64: 7 })).toEqual([]);
  });

  it('name what fell, and by how much', () => {
    expect(regressions('accept', { callers1: 0.5, callers64: 1 }, { callers1: 0.3999, callers64: 0.5 })).toEqual([
      'accept, callers1: fell by 20 %, from 0.500 to 0.400.',
      'accept, callers64: fell by 50 %, from 1.00 to 0.500.',
    ]);
  });

  it('are told of what was lost, and of what nobody compares with anything', () => {
    expect(regressions('accept', { callers1: 0.5 }, { callers64: 1 })).toEqual([
      'accept, callers1: is recorded and was not measured.',
      'accept, callers64: is measured and was not recorded.',
    ]);
    expect(regressions('accept', undefined, { callers64: 1 })).toEqual([
      'accept: nothing is recorded of it. Run --record on a quiet machine.',
    ]);
  });

  it('are none of a bench without ratios, once that is recorded', () => {
    expect(regressions('history', {}, {})).toEqual([]);
  });
});

it('the better of two runs counts, ratio by ratio', () => {
  expect(better({ a: 1, b: 3 }, { a: 2, c: 1 })).toEqual({ a: 2, b: 3, c: 1 });
});

it('a record takes the place of the one before, and of no other bench', () => {
  const machine = { cores: 2, memoryGiB: 8, platform: 'linux' as const, node: 'v24', loadBefore: 0 };
  const before: Recorded = {
    accept: { date: 'then', machine, ratios: { gone: 1, kept: 2 } },
    upload: { date: 'then', machine, ratios: { in1: 0.9 } },
  };
  const entry = { date: 'now', machine, ratios: { kept: 0.123456 } };
  expect(withRecord(before, 'accept', entry)).toEqual({
    accept: { date: 'now', machine, ratios: { kept: 0.123 } },
    upload: { date: 'then', machine, ratios: { in1: 0.9 } },
  });
});
