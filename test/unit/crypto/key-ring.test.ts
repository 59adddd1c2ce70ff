import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { aesGcmCipher, parseKeyRing } from '../../../src/adapters/crypto/aes-gcm-cipher.ts';
import { Secret } from '../../../src/domain/secret.ts';
import { everythingTold } from '../../contract/ports/cipher.contract.ts';

const base64 = createHash('sha256').update('a key').digest('base64');
const older = createHash('sha256').update('an older key').digest('base64');

describe('a key ring', () => {
  it('is read newest first, with its ids', () => {
    const ring = parseKeyRing(`2026-11:${base64}, 2026-10:${older}`);
    expect(ring.map(({ id }) => id)).toEqual(['2026-11', '2026-10']);
    expect(ring.map(({ bytes }) => Buffer.from(bytes).toString('base64'))).toEqual([base64, older]);
  });

  it.each([
    ['a key without an id', base64],
    ['id and key swapped', `${base64}:k1`],
    ['another sign between them', `k1=${base64}`],
    ['a part too many', `k1:${base64}:${older}`],
    ['a short key without an id', Buffer.from('sixteen byte key').toString('base64url')],
    ['a short key swapped', `${Buffer.from('sixteen byte key').toString('base64url')}:k1`],
    ['an id that is none', `k 1:${base64}`],
  ])('is refused with %s, and its keys are not told', (_, text) => {
    expect(() => parseKeyRing(text)).toThrow(/TOKEN_KEYS: entry 1/);
    const told = everythingTold(() => parseKeyRing(text));
    for (const key of [base64, older, Buffer.from('sixteen byte key').toString('base64url')]) {
      expect(told).not.toContain(key.slice(0, 10));
    }
  });

  it('does not seal what it could not give back', () => {
    const cipher = aesGcmCipher(parseKeyRing(`k1:${base64}`));
    expect(() => cipher.seal(new Secret('a\ud800b'), [])).toThrow(/UTF-8/);
  });
});
