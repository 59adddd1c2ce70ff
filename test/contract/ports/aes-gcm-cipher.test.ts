import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { aesGcmCipher } from '../../../src/adapters/crypto/aes-gcm-cipher.ts';
import type { Key } from '../../../src/application/ports/key-provider.ts';
import { Secret } from '../../../src/domain/secret.ts';
import { cipherContract, everythingTold } from './cipher.contract.ts';

const key = (id: string): Key => ({ id, bytes: createHash('sha256').update(id).digest() });

cipherContract('aesGcmCipher', ([first, ...others]) => aesGcmCipher([key(first), ...others.map(key)]));

describe('aesGcmCipher', () => {
  it('takes no key for another, whether they share their name or their bytes', () => {
    const sealed = aesGcmCipher([key('k1')]).seal(new Secret('text'), []);
    const sameId: Key = { id: 'k1', bytes: key('k2').bytes };
    const sameBytes: Key = { id: 'k2', bytes: key('k1').bytes };
    expect(() => aesGcmCipher([sameId]).open(sealed, [])).toThrow();
    expect(() => aesGcmCipher([sameBytes]).open(sealed, [])).toThrow('"k1"');
    const renamed = Buffer.from(sealed);
    renamed.write('k2', 2);
    expect(() => aesGcmCipher([sameBytes]).open(renamed, [])).toThrow();
  });

  it('tells no key when it does not open', () => {
    const sealed = aesGcmCipher([key('k1')]).seal(new Secret('text'), []);
    const wrong = [
      () => aesGcmCipher([key('k2')]).open(sealed, []),
      () => aesGcmCipher([key('k1')]).open(sealed, ['elsewhere']),
    ];
    for (const open of wrong) {
      const told = everythingTold(open);
      for (const { bytes } of [key('k1'), key('k2')]) {
        for (const spelling of ['hex', 'base64', 'base64url', 'latin1'] as const) {
          expect(told).not.toContain(Buffer.from(bytes).toString(spelling).slice(0, 12));
        }
      }
    }
  });

  it('does not seal with a key that is too short', () => {
    const cipher = aesGcmCipher([{ id: 'k1', bytes: Buffer.alloc(16, 'key') }]);
    expect(() => cipher.seal(new Secret('text'), [])).toThrow();
  });
});
