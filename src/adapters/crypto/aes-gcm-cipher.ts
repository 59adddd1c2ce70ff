import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';
import type { Cipher } from '../../application/ports/cipher.ts';
import type { Key, KeyRing } from '../../application/ports/key-provider.ts';
import { Secret } from '../../domain/secret.ts';

const VERSION = 1;
const IV_BYTES = 12;
const TAG_BYTES = 16;

const REMEDY = 'each entry is id:base64 with a key of exactly 32 random bytes. Make one with: openssl rand -base64 32';

/** Reads `id:base64,…`. Throws with what is wrong, and never with a key, wherever in the entry it stands. */
export function parseKeyRing(text: string): KeyRing {
  const keys = text.split(',').map((entry, index): Key => {
    const [id = '', base64 = '', ...rest] = entry.trim().split(':');
    const bytes = Buffer.from(base64, 'base64');
    const readable = /^[\w.-]{1,32}$/.test(id) && rest.length === 0;
    // A name this short is no key that was put in its place.
    const name = readable && base64 !== '' && id.length <= 16 ? `the key "${id}"` : `entry ${index + 1}`;
    if (!readable || bytes.length !== 32) {
      throw new Error(`TOKEN_KEYS: ${name} has ${bytes.length} key bytes or no fit id; ${REMEDY}`);
    }
    if (new Set(bytes).size < 8) throw new Error(`TOKEN_KEYS: ${name} is not random; ${REMEDY}`);
    return { id, bytes };
  });
  const [first, ...others] = keys;
  if (first === undefined) throw new Error('TOKEN_KEYS is empty');
  if (new Set(keys.map(({ id }) => id)).size < keys.length) throw new Error('TOKEN_KEYS names a key id twice');
  return [first, ...others];
}

/**
 * AES-256-GCM. Layout: version, length of the key id, key id, 96-bit random IV, 128-bit tag, ciphertext. Version, key id and
 * context are bound to it as additional data, each with its length, so that no two contexts read alike.
 */
export function aesGcmCipher(ring: KeyRing): Cipher {
  const additional = (keyId: string, context: readonly string[]): Buffer =>
    Buffer.from(JSON.stringify([VERSION, keyId, ...context]), 'utf8');

  const [newest] = ring;
  // Made once: a key from bytes costs three times what the secret does.
  const keys = new Map(ring.map(({ id, bytes }) => [id, createSecretKey(bytes)]));
  const sealing = createSecretKey(newest.bytes);
  const id = Buffer.from(newest.id, 'utf8');
  const mark = Buffer.concat([Buffer.of(VERSION, id.length), id]);

  return {
    mark,
    seal(secret, context) {
      if (!secret.reveal().isWellFormed()) throw new Error('a secret is not text that UTF-8 can carry');
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', sealing, iv, { authTagLength: TAG_BYTES });
      cipher.setAAD(additional(newest.id, context));
      const text = Buffer.concat([cipher.update(secret.reveal(), 'utf8'), cipher.final()]);
      return Buffer.concat([mark, iv, cipher.getAuthTag(), text]);
    },
    open(sealed, context) {
      const bytes = Buffer.from(sealed);
      const idEnd = 2 + (bytes[1] ?? 0);
      const ivEnd = idEnd + IV_BYTES;
      const tagEnd = ivEnd + TAG_BYTES;
      if (bytes[0] !== VERSION || bytes.length < tagEnd) throw new Error('a sealed secret has an unknown form');
      const keyId = bytes.toString('utf8', 2, idEnd);
      const key = keys.get(keyId);
      if (key === undefined)
        throw new Error(`a sealed secret needs the key "${keyId}", which TOKEN_KEYS does not hold`);
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(idEnd, ivEnd), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(additional(keyId, context));
      decipher.setAuthTag(bytes.subarray(ivEnd, tagEnd));
      return new Secret(Buffer.concat([decipher.update(bytes.subarray(tagEnd)), decipher.final()]).toString('utf8'));
    },
  };
}
