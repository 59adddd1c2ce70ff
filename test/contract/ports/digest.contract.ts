import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Digest } from '../../../src/application/ports/digest.ts';

/** What every digest does. */
export function digestContract(name: string, digest: Digest): void {
  // Few words, so that two values are often the same, or nearly.
  const leaf = fc.constantFrom(0, 1, '0', '1', '', 'a', null, true, false, 'null', 'true');
  const key = fc.constantFrom('a', 'b', 'B', '1', '10', '9', '', 'constructor', '__proto__');
  const { value: small } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 3, noNullPrototype: true }),
    ),
  }));

  describe(`Digest, as ${name}`, () => {
    it('is SHA-256 in hex', () => {
      expect(digest({ a: 1 })).toMatch(/^[0-9a-f]{64}$/);
      expect(digest({})).toBe('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
    });

    it('is the same for every order of keys, at every depth', () => {
      fc.assert(
        fc.property(fc.oneof(fc.jsonValue(), small), (value) => {
          expect(digest(turned(value))).toBe(digest(value));
        }),
      );
    });

    it('is the same for the same values, and for no others', () => {
      fc.assert(
        fc.property(small, small, (left, right) => {
          expect(digest(left) === digest(right)).toBe(isDeepStrictEqual(left, right));
        }),
        { numRuns: 2000 },
      );
    });

    it('changes with any one change, however deep', () => {
      fc.assert(
        fc.property(fc.jsonValue(), fc.array(fc.constantFrom('list', 'object'), { maxLength: 6 }), (value, way) => {
          const wrapped = (core: unknown) =>
            way.reduce<unknown>((inner, step) => (step === 'list' ? [0, inner] : { a: 0, b: inner }), core);
          expect(digest(wrapped(value))).not.toBe(digest(wrapped([value])));
        }),
      );
    });

    it('minds the order of a list', () => {
      expect(digest([1, 2])).not.toBe(digest([2, 1]));
    });

    it('tells moments apart, to the millisecond', () => {
      const at = (milliseconds: number) => ({ dueTime: new Date(milliseconds), list: [new Date(milliseconds)] });
      expect(digest(at(1))).toBe(digest(at(1)));
      expect(digest(at(1))).not.toBe(digest(at(2)));
      expect(digest({ dueTime: new Date(1) })).not.toBe(digest({ dueTime: {} }));
    });

    it('takes a member that is undefined for one that is not there', () => {
      expect(digest({ a: 1, b: undefined, c: { d: undefined } })).toBe(digest({ a: 1, c: {} }));
      expect(digest({ a: undefined })).not.toBe(digest({ a: null }));
    });

    it('changes nothing about the value', () => {
      const value = Object.freeze({ b: Object.freeze({ d: 1, c: 2 }), a: Object.freeze([2, 1]) });
      digest(value);
      expect(JSON.stringify(value)).toBe('{"b":{"d":1,"c":2},"a":[2,1]}');
    });
  });
}

/** The same with the keys of every object the other way round. */
function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, turned(member)]),
  );
}
