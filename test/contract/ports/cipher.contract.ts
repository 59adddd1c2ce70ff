import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cipher } from '../../../src/application/ports/cipher.ts';
import { Secret } from '../../../src/domain/secret.ts';

const TOKEN = 'act.s3cr3t-t0ken';
const PLACE = ['workspace-1', 'conn_1', 'access_token'];

/**
 * What every cipher does. `make` gives one with the keys of these ids, newest first; an id is always the same key.
 */
export function cipherContract(name: string, make: (keyIds: readonly [string, ...string[]]) => Cipher): void {
  const anyText = fc.string({ unit: 'binary', maxLength: 300 });
  // Made of what a cipher might join parts with.
  const glue = fc.constantFrom('', ',', '","', '\\', '/', ':', '\0');
  const part = fc.string({ unit: fc.constantFrom('a', 'b', '"', ',', '\\', '/', ':', '\0', '[', ']'), maxLength: 3 });
  const context = fc.array(part, { maxLength: 4 });

  describe(`Cipher, as ${name}`, () => {
    it('opens what it sealed, whatever the text and wherever it belongs', () => {
      const cipher = make(['k1']);
      fc.assert(
        fc.property(anyText, context, (text, place) => {
          expect(cipher.open(cipher.seal(new Secret(text), place), place).reveal()).toBe(text);
        }),
      );
    });

    it('leaves nothing of the text in sight', () => {
      const sealed = Buffer.from(make(['k1']).seal(new Secret(TOKEN), PLACE));
      expect(sealed.includes(TOKEN)).toBe(false);
      expect(sealed.includes('s3cr3t')).toBe(false);
    });

    it('seals the same text differently each time', () => {
      const cipher = make(['k1']);
      const seals = Array.from({ length: 1000 }, () => Buffer.from(cipher.seal(new Secret(TOKEN), PLACE)));
      expect(new Set(seals.map((sealed) => sealed.toString('hex'))).size).toBe(1000);
      // Not even a block of it: two seals share no 16 bytes at the end.
      expect(new Set(seals.map((sealed) => sealed.subarray(-16).toString('hex'))).size).toBe(1000);
    });

    it('does not open when a single bit was changed', () => {
      const cipher = make(['k1', 'k2']);
      fc.assert(
        fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (text) => {
          const sealed = cipher.seal(new Secret(text), PLACE);
          for (let bit = 0; bit < sealed.length * 8; bit += 1) {
            const changed = Uint8Array.from(sealed);
            changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
            expect(() => cipher.open(changed, PLACE), `bit ${bit}`).toThrow();
          }
        }),
        { numRuns: 20 },
      );
    });

    it('does not open when it was cut or made longer', () => {
      const cipher = make(['k1']);
      const sealed = cipher.seal(new Secret(TOKEN), PLACE);
      for (let length = 0; length < sealed.length; length += 1) {
        expect(() => cipher.open(sealed.slice(0, length), PLACE), `cut to ${length}`).toThrow();
        expect(() => cipher.open(sealed.slice(length + 1), PLACE), `without its first ${length + 1}`).toThrow();
      }
      expect(() => cipher.open(Buffer.concat([sealed, Buffer.of(0)]), PLACE)).toThrow();
    });

    it.each([
      ['another workspace', ['workspace-2', 'conn_1', 'access_token']],
      ['another row', ['workspace-1', 'conn_2', 'access_token']],
      ['another field', ['workspace-1', 'conn_1', 'refresh_token']],
      ['the same in another order', ['conn_1', 'workspace-1', 'access_token']],
      ['less', ['workspace-1', 'conn_1']],
      ['more', [...PLACE, '']],
      ['nothing', []],
    ])('does not open when it was moved to %s', (_, elsewhere) => {
      const cipher = make(['k1']);
      const sealed = cipher.seal(new Secret(TOKEN), PLACE);
      expect(() => cipher.open(sealed, elsewhere)).toThrow();
      expect(cipher.open(sealed, PLACE).reveal()).toBe(TOKEN);
    });

    it.each([
      [
        ['ab', 'c'],
        ['a', 'bc'],
      ],
      [['ab'], ['a', 'b']],
      [['a,b'], ['a', 'b']],
      [['a","b'], ['a', 'b']],
      [
        ['a', '', 'b'],
        ['a', 'b'],
      ],
      [
        ['', 'a'],
        ['a', ''],
      ],
      [[''], []],
    ])('does not take %j for %j', (place, other) => {
      const cipher = make(['k1']);
      expect(() => cipher.open(cipher.seal(new Secret(TOKEN), place), other)).toThrow();
      expect(() => cipher.open(cipher.seal(new Secret(TOKEN), other), place)).toThrow();
    });

    it('does not take a place for one whose parts run together', () => {
      const cipher = make(['k1']);
      fc.assert(
        fc.property(context, glue, fc.nat(3), (place, between, from) => {
          const other = [...place.slice(0, from), place.slice(from).join(between)];
          fc.pre(!isDeepStrictEqual(place, other));
          expect(() => cipher.open(cipher.seal(new Secret(TOKEN), place), other)).toThrow();
        }),
      );
    });

    it('opens what an older key sealed, and seals with the newest', () => {
      const before = make(['k1']);
      const turned = make(['k2', 'k1']);
      const sealed = before.seal(new Secret(TOKEN), PLACE);
      expect(turned.open(sealed, PLACE).reveal()).toBe(TOKEN);
      const resealed = turned.seal(turned.open(sealed, PLACE), PLACE);
      expect(make(['k2']).open(resealed, PLACE).reveal()).toBe(TOKEN);
      expect(() => before.open(resealed, PLACE)).toThrow();
    });

    it('marks what the newest key sealed, and nothing else', () => {
      const keys = ['k1', 'k', 'k12', 'K1'] as const;
      for (const newest of keys) {
        const cipher = make([newest]);
        for (const key of keys) {
          const sealed = Buffer.from(make([key]).seal(new Secret(TOKEN), PLACE));
          expect(sealed.subarray(0, cipher.mark.length).equals(cipher.mark), `${key} by ${newest}`).toBe(
            key === newest,
          );
        }
      }
    });

    it('names the key that it would need and does not have', () => {
      const sealed = make(['k1']).seal(new Secret(TOKEN), PLACE);
      expect(() => make(['k2', 'k3']).open(sealed, PLACE)).toThrow('"k1"');
    });

    it('tells no secret and no place when it does not open', () => {
      const cipher = make(['k1']);
      const sealed = cipher.seal(new Secret(TOKEN), PLACE);
      const wrong: readonly (() => unknown)[] = [
        () => cipher.open(sealed, ['elsewhere']),
        () => cipher.open(sealed.slice(0, -1), PLACE),
        () => cipher.open(new Uint8Array(), PLACE),
        () => cipher.open(Buffer.from(TOKEN.repeat(9)), PLACE),
        () => make(['k2']).open(sealed, PLACE),
      ];
      for (const open of wrong) {
        const told = everythingTold(open);
        expect(told).not.toContain(TOKEN);
        expect(told).not.toContain('s3cr3t');
      }
    });

    it('gives and takes secrets that nothing prints', () => {
      const cipher = make(['k1']);
      const opened = cipher.open(cipher.seal(new Secret(TOKEN), PLACE), PLACE);
      expect(opened).toBeInstanceOf(Secret);
      expect(`${opened}`).toBe('[redacted]');
    });
  });
}

/** Message, stack, causes and own members of what `work` throws. */
export function everythingTold(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    let told = '';
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      told += `${cause.stack}${JSON.stringify(cause, Object.getOwnPropertyNames(cause))}`;
    }
    return told;
  }
  throw new Error('it did not throw');
}
