import { describe, expect, it } from 'vitest';
import { randomIds } from '../../../src/adapters/system/random-ids.ts';
import { fixedClock } from '../../support/fixed-clock.ts';
import { sequentialIds } from '../../support/sequential-ids.ts';
import { idsContract } from './ids.contract.ts';

idsContract('randomIds', randomIds);
idsContract('a fake that counts', () => sequentialIds());

describe('randomIds', () => {
  /** How often each bit is set: about half of the time when nobody can guess it. */
  const shareOfOnes = (samples: readonly Buffer[]) => {
    const bits = (samples[0]?.length ?? 0) * 8;
    return Array.from(
      { length: bits },
      (_, bit) => samples.filter((bytes) => ((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1).length / samples.length,
    );
  };

  it('gives 256 bits that nobody guesses', () => {
    const ids = randomIds(fixedClock());
    const samples = Array.from({ length: 4000 }, () => Buffer.from(ids.unguessable(), 'base64url'));
    expect(new Set(samples.map(({ length }) => length))).toEqual(new Set([32]));
    expect(Math.min(...shareOfOnes(samples))).toBeGreaterThan(0.44);
    expect(Math.max(...shareOfOnes(samples))).toBeLessThan(0.56);
  });

  it.each(['connectionId', 'videoId', 'postId'] as const)('gives a %s with 80 bits that nobody guesses', (kind) => {
    const ids = randomIds(fixedClock());
    const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
    const samples = Array.from({ length: 4000 }, () => {
      const body = ids[kind]().slice(-16);
      return Buffer.from(Array.from(body, (letter) => alphabet.indexOf(letter)));
    });
    const shares = shareOfOnes(samples).filter((_, bit) => bit % 8 < 5);
    expect(shares).toHaveLength(80);
    expect(Math.min(...shares)).toBeGreaterThan(0.44);
    expect(Math.max(...shares)).toBeLessThan(0.56);
  });

  it('spells the time first, the same for everything made in one millisecond', () => {
    const ids = randomIds(fixedClock(new Date(2 ** 48 - 1)));
    const times = Array.from({ length: 20 }, () => ids.postId().slice('post_'.length, -16));
    expect(new Set(times)).toEqual(new Set(['7zzzzzzzzz']));
  });
});
