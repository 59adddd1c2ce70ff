import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseKeyRing } from './adapters/crypto/aes-gcm-cipher.ts';
import type { KeyProvider, KeyRing } from './application/ports/key-provider.ts';

/** As the operator set them. */
export const configuredKeys = (ring: KeyRing): KeyProvider => ({ keyRing: async () => ring });

/** For the embedded mode: the key is made once and kept beside the data, for its owner's eyes only. */
export const embeddedKeys = (dataDir: string): KeyProvider => ({
  async keyRing() {
    const file = join(dataDir, 'token-keys');
    try {
      await writeFile(file, `embedded:${randomBytes(32).toString('base64')}`, { mode: 0o600, flag: 'wx', flush: true });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    return parseKeyRing((await readFile(file, 'utf8')).trim());
  },
});

/** A start that hangs for its keys shows to nobody: one that fails is told, and tried again by whoever runs it. */
const PATIENCE_MILLISECONDS = 30_000;

/** The same keys, waited for no longer than `milliseconds`. */
export const keysInTime = (keys: KeyProvider, milliseconds: number = PATIENCE_MILLISECONDS): KeyProvider => ({
  async keyRing() {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`no answer within ${milliseconds / 1000} s`)), milliseconds);
    try {
      return await Promise.race([keys.keyRing(), late.promise]);
    } catch (cause) {
      throw new Error(
        'The token keys can not be had, and nothing is started without them: start it again when they can.',
        {
          cause,
        },
      );
    } finally {
      clearTimeout(timer);
    }
  },
});
