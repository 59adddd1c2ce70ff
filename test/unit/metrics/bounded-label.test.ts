import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boundedLabel, OTHER } from '../../../src/adapters/metrics/bounded-label.ts';

describe('boundedLabel', () => {
  it('passes the first strangers and calls all later ones "other"', () => {
    const label = boundedLabel(2);
    expect(['a', 'b', 'c', 'a', 'd', 'b'].map(label)).toEqual(['a', 'b', OTHER, 'a', OTHER, 'b']);
  });

  it('passes known words however many strangers came before', () => {
    const label = boundedLabel(1, ['ok', 'invalid_params']);
    expect(['x1', 'x2', 'invalid_params', 'ok', 'x1'].map(label)).toEqual(['x1', OTHER, 'invalid_params', 'ok', 'x1']);
  });

  it.each(['', ' ', 'two words', 'a"b', 'a\nb', 'a\\b', 'é', 'x'.repeat(101), '{}', 'act.1?token=secret'])(
    'never shows %j, and keeps its place for others',
    (value) => {
      const label = boundedLabel(1);
      expect(label(value)).toBe(OTHER);
      expect(label('a_word')).toBe('a_word');
    },
  );

  it('never gives more values than it may', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.array(fc.string()), fc.nat(5), (values, known, strangers) => {
        const label = boundedLabel(strangers, known);
        const given = new Set(values.map(label));
        expect([...given].filter((value) => value !== OTHER && !known.includes(value)).length).toBeLessThanOrEqual(
          strangers,
        );
      }),
    );
  });
});
